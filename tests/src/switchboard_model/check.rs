//! The rules for every message that the switchboard sends.

use attesta_sip::{Message, Name};
use bytes::Bytes;

use super::history::History;
use super::message::{branch, call, cseq, text};

impl History<'_> {
    /// Checks a message from the switchboard to one of the peers.
    pub(super) fn checks(&mut self, place: usize, message: &Message, octets: &Bytes) -> Result<(), String> {
        let headers = message.headers();
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            // The response to a damaged request repeats the header fields of the request.
            if headers.count(name) == 0 && !self.strays {
                return Err(format!("a message without {name:?}"));
            }
        }
        match message {
            Message::Request(request) => {
                if let Some(call) = call(request.headers()) {
                    self.call_ids.insert(text(request.headers(), Name::CallId), call);
                }
                Ok(())
            }
            Message::Response(response) => {
                let Some((_, method)) = cseq(headers) else { return Ok(()) };
                if response.status().is_provisional() || branch(headers).is_empty() {
                    return Ok(());
                }
                let key = (place, branch(headers), method);
                let first = self.finals.entry(key.clone()).or_insert_with(|| octets.clone());
                if first == octets {
                    return Ok(());
                }
                Err(format!(
                    "two final responses to {key:?}:\n{}\n{}",
                    String::from_utf8_lossy(first),
                    String::from_utf8_lossy(octets)
                ))
            }
        }
    }

    /// Handles a request that was not sent. The peer never learns its content.
    pub(super) fn undelivered(&mut self, message: &Message) {
        let Message::Request(request) = message else { return };
        if matches!(request.method().as_str(), "INVITE" | "BYE" | "CANCEL")
            && let Some(call) = self.call_ids.get(&text(request.headers(), Name::CallId)).copied()
        {
            self.doubts(call);
        }
    }
}
