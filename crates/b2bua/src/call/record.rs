//! The log line of each call at the default level.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use attesta_sip::Status;
use attesta_transaction::CallId;

use crate::event::{Arrival, Cause};

/// The facts of a call for its log line.
#[derive(Debug)]
pub(crate) struct Record {
    began: Instant,
    answered: Option<Instant>,
    /// The final response to the caller.
    status: Option<Status>,
    /// The trunk to which the last INVITE was sent, and the Call-ID of that INVITE.
    sent: Option<(Arc<str>, CallId)>,
}

impl Record {
    pub(crate) const fn new(began: Instant) -> Self {
        Self { began, answered: None, status: None, sent: None }
    }

    /// Records the trunk to which the last INVITE was sent, and the Call-ID of that INVITE.
    pub(crate) fn sent(&mut self, sent: Option<(Arc<str>, CallId)>) {
        self.sent = sent;
    }

    /// Records the final response to the caller.
    pub(crate) fn concluded(&mut self, now: Instant, status: Status) {
        self.status = Some(status);
        self.answered = status.is_success().then_some(now);
    }

    /// Writes the line. The line contains the call number, because the span of the call exists only at the level debug. The line
    /// contains no telephone numbers. Values from peers are truncated and escaped, so that they cannot break the line. A
    /// disabled level allocates nothing.
    pub(crate) fn log(&self, now: Instant, arrival: &Arrival, cause: Cause) {
        let since = |then| u64::try_from(now.saturating_duration_since(then).as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            call = arrival.call.get(),
            trunk = %arrival.trunk,
            call_id = %Excerpt(&arrival.call_id),
            egress = self.sent.as_ref().map(|(trunk, _)| tracing::field::display(trunk)),
            egress_call_id = self.sent.as_ref().map(|(_, call_id)| tracing::field::display(call_id)),
            cause = %cause,
            status = self.status.map(Status::code),
            ms = since(self.began),
            talk_ms = self.answered.map(since),
            "ended"
        );
    }
}

/// A value from a peer, for a log line. A long value is truncated. Blanks, quotes and control characters are escaped.
struct Excerpt<'a>(&'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in self.0.iter().take(MAX_EXCERPT) {
            match octet {
                b'"' | b'\\' => write!(f, "\\x{octet:02x}")?,
                octet if octet.is_ascii_graphic() => f.write_char(char::from(*octet))?,
                octet => write!(f, "\\x{octet:02x}")?,
            }
        }
        if self.0.len() > MAX_EXCERPT { f.write_str("...") } else { Ok(()) }
    }
}

/// The most octets of a caller's Call-ID that are logged.
const MAX_EXCERPT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_word_of_visible_characters() {
        for (text, expected) in [
            (&b"1a=b@192.0.2.1"[..], "1a=b@192.0.2.1"),
            (b"a\r\nb cause=lost\t\x1b[2J", "a\\x0d\\x0ab\\x20cause=lost\\x09\\x1b[2J"),
            (b"\"\\\xe9\x00\x7f", "\\x22\\x5c\\xe9\\x00\\x7f"),
            (b"", ""),
        ] {
            assert_eq!(Excerpt(text).to_string(), expected);
        }
        assert_eq!(Excerpt(&[b'\n'; 65_535]).to_string().len(), 4 * MAX_EXCERPT + 3);
    }
}
