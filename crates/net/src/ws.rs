//! The server's side of SIP over WebSocket (RFC 7118).

pub(crate) mod failure;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod limits;
#[cfg(test)]
mod tests;
