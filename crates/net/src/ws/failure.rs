//! The reasons for which WebSockets fail, with counts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The reason for which a WebSocket could not be opened, or for which its frames became unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WsFailure {
    /// The handshake did not end in time.
    Timeout,
    /// The input is not HTTP, or exceeds [`WS_HEADERS`](crate::WS_HEADERS) or
    /// [`WS_HEADER_OCTETS`](crate::WS_HEADER_OCTETS).
    NotHttp,
    /// The request is not for a WebSocket.
    NotWebSocket,
    /// The client does not offer the subprotocol `sip` (RFC 7118 section 4.1).
    NotSip,
    /// A frame or a message exceeds the maximum size of a SIP message.
    TooLarge,
    /// A message arrived in so many small frames that the frame headers are larger than the message.
    Fragments,
    /// Frames that RFC 6455 forbids: without a mask, of an unknown type, or out of order.
    Protocol,
}

impl WsFailure {
    const ALL: [WsFailure; 7] = [
        WsFailure::Timeout,
        WsFailure::NotHttp,
        WsFailure::NotWebSocket,
        WsFailure::NotSip,
        WsFailure::TooLarge,
        WsFailure::Fragments,
        WsFailure::Protocol,
    ];

    /// The label of this failure in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            WsFailure::Timeout => "timeout",
            WsFailure::NotHttp => "not-http",
            WsFailure::NotWebSocket => "not-websocket",
            WsFailure::NotSip => "not-sip",
            WsFailure::TooLarge => "too-large",
            WsFailure::Fragments => "fragments",
            WsFailure::Protocol => "protocol",
        }
    }
}

impl fmt::Display for WsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for WsFailure {}

/// A meter. Clones add to the same counts.
#[derive(Clone, Debug, Default)]
pub struct WsMeter(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    opened: AtomicU64,
    failures: [AtomicU64; WsFailure::ALL.len()],
}

impl WsMeter {
    pub(crate) fn opened(&self) {
        self.0.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, why: WsFailure) {
        let mut cells = WsFailure::ALL.iter().zip(&self.0.failures);
        if let Some((_, cell)) = cells.find(|(each, _)| **each == why) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts so far.
    pub fn counters(&self) -> WsCounters {
        let failures = self.0.failures.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        WsCounters { opened: self.0.opened.load(Ordering::Relaxed), failures }
    }
}

/// The counts of a [`WsMeter`]. All counts only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WsCounters {
    /// Handshakes that opened a WebSocket.
    pub opened: u64,
    failures: [u64; WsFailure::ALL.len()],
}

impl WsCounters {
    /// Failed WebSockets, by the label of their [`WsFailure`].
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        WsFailure::ALL.map(WsFailure::as_str).into_iter().zip(self.failures)
    }
}
