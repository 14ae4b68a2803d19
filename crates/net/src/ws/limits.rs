//! The limits of the HTTP request for a WebSocket.

/// The most header fields that the request for a WebSocket may have.
pub const WS_HEADERS: usize = 64;
/// The most octets of its request line and its header fields.
pub const WS_HEADER_OCTETS: usize = 16 * 1024;
