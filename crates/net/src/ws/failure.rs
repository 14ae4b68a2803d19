//! Why WebSockets fail, counted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a WebSocket did not come to be, or why its frames can be read no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WsFailure {
    /// The handshake was not over in time.
    Timeout,
    /// What came is no HTTP, or more of it than [`WS_HEADERS`](crate::WS_HEADERS) and
    /// [`WS_HEADER_OCTETS`](crate::WS_HEADER_OCTETS) allow.
    NotHttp,
    /// The request is not for a WebSocket.
    NotWebSocket,
    /// The client does not offer the subprotocol `sip` (RFC 7118 section 4.1).
    NotSip,
    /// A frame or a message is larger than a SIP message may be.
    TooLarge,
    /// A message came in so many small frames that their headers outweigh it.
    Fragments,
    /// Frames that RFC 6455 forbids: without a mask, of an unknown kind, out of order.
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

    /// The word for it in metrics.
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

/// Counts for everything that shares it; clones count together.
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

    /// What was counted so far.
    pub fn counters(&self) -> WsCounters {
        let failures = self.0.failures.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        WsCounters { opened: self.0.opened.load(Ordering::Relaxed), failures }
    }
}

/// What a [`WsMeter`] has counted. All of it only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WsCounters {
    /// Handshakes that led to a WebSocket.
    pub opened: u64,
    failures: [u64; WsFailure::ALL.len()],
}

impl WsCounters {
    /// WebSockets that failed, by the word of their [`WsFailure`].
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        WsFailure::ALL.map(WsFailure::as_str).into_iter().zip(self.failures)
    }
}
