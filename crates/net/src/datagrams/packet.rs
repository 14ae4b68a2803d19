//! Datagrams, and the errors that the network reports for them.

use std::net::SocketAddr;

use bytes::Bytes;

/// A datagram that has come.
pub(crate) struct Incoming<'a> {
    /// Where it came from.
    pub(crate) remote: SocketAddr,
    /// The address that it was sent to, where the system tells: on a socket bound to all addresses.
    pub(crate) local: Option<SocketAddr>,
    /// Its octets.
    pub(crate) octets: &'a [u8],
    /// Datagrams that the socket has dropped for want of room since it was opened, modulo 2^32, where the system tells.
    pub(crate) dropped: Option<u32>,
}

/// A datagram to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Where it goes.
    pub(crate) remote: SocketAddr,
    /// The address that it is to leave from, on a socket bound to all addresses; `None`: what the routes say.
    pub(crate) source: Option<SocketAddr>,
    /// Its octets.
    pub(crate) payload: Bytes,
}

/// What the network said of a datagram sent earlier.
#[derive(Clone, Copy)]
pub(crate) struct NetworkError {
    /// Where the datagram was to go, where that is known.
    pub(crate) remote: Option<SocketAddr>,
    /// How much of the datagram came back, at the start of the buffer that was given.
    pub(crate) octets: usize,
    /// Whether it says that there is no way (RFC 3261 section 18.4), and not that a router was in trouble.
    pub(crate) unreachable: bool,
}

/// The largest UDP payload is 65,507 octets over IPv4 and 65,527 over IPv6: nothing is cut. A kibibyte more, since the octets of
/// all slots would otherwise fall into the same few lines of a processor's cache.
pub(crate) const SLOT: usize = 65_536 + 1_088;

/// Datagrams that one system call takes or gives at most.
pub(crate) const BATCH: usize = 32;
