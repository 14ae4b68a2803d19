//! What the request for a WebSocket may cost.

/// The most header fields that the request for a WebSocket may have.
pub const WS_HEADERS: usize = 64;
/// The most octets that its request line and header fields may have.
pub const WS_HEADER_OCTETS: usize = 16 * 1024;
