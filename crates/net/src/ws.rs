//! SIP over WebSocket, the server's side: RFC 7118.

pub(crate) mod failure;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod limits;
#[cfg(test)]
mod tests;
