//! The one line of the log that each call costs at the usual level.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use attesta_sip::Status;
use attesta_transaction::CallId;

use crate::event::{Arrival, Cause};

/// What is kept of a call for its line.
#[derive(Debug)]
pub(crate) struct Record {
    began: Instant,
    answered: Option<Instant>,
    /// The final response that the caller got.
    status: Option<Status>,
    /// Where the last INVITE that left went, and its Call-ID.
    sent: Option<(Arc<str>, CallId)>,
}

impl Record {
    pub(crate) const fn new(began: Instant) -> Self {
        Self { began, answered: None, status: None, sent: None }
    }

    /// The trunk to which the last INVITE left, and its Call-ID there.
    pub(crate) fn sent(&mut self, sent: Option<(Arc<str>, CallId)>) {
        self.sent = sent;
    }

    /// The caller gets a final response.
    pub(crate) fn concluded(&mut self, now: Instant, status: Status) {
        self.status = Some(status);
        self.answered = status.is_success().then_some(now);
    }

    /// Writes the line. It names the call itself, since the span is of a finer level, and holds no numbers. What a peer chose
    /// is cut, and cannot break it; nothing is allocated where nobody reads it.
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

/// What a peer chose, as it may stand in a line: cut where it is long, and without blanks, quotes and control characters.
struct Excerpt<'a>(&'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in self.0.iter().take(LONGEST_EXCERPT) {
            match octet {
                b'"' | b'\\' => write!(f, "\\x{octet:02x}")?,
                octet if octet.is_ascii_graphic() => f.write_char(char::from(*octet))?,
                octet => write!(f, "\\x{octet:02x}")?,
            }
        }
        if self.0.len() > LONGEST_EXCERPT { f.write_str("...") } else { Ok(()) }
    }
}

/// The octets of a caller's Call-ID that are logged.
const LONGEST_EXCERPT: usize = 128;

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
        assert_eq!(Excerpt(&[b'\n'; 65_535]).to_string().len(), 4 * LONGEST_EXCERPT + 3);
    }
}
