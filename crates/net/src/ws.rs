//! SIP over WebSocket, the server's side: RFC 7118.

mod failure;
mod frames;
mod handshake;
#[cfg(test)]
mod tests;

pub use failure::{WsCounters, WsFailure, WsMeter};
pub(crate) use frames::{Framed, Frames};
pub(crate) use handshake::accept;

/// Header fields that the request for a WebSocket may have.
pub const WS_HEADERS: usize = 64;
/// Octets that its request line and header fields may have.
pub const WS_HEADER_OCTETS: usize = 16 * 1024;
