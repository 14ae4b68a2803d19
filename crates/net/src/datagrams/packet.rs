//! Datagrams, and the errors that the network reports for them.

use std::net::SocketAddr;

use bytes::Bytes;

/// A received datagram.
pub(crate) struct Incoming<'a> {
    /// The source address.
    pub(crate) remote: SocketAddr,
    /// The destination address, if the system reports it: on a socket that is bound to all addresses.
    pub(crate) local: Option<SocketAddr>,
    /// The payload.
    pub(crate) octets: &'a [u8],
    /// How many datagrams the socket has dropped for lack of room since it was opened, modulo 2^32, if the system
    /// reports it.
    pub(crate) dropped: Option<u32>,
}

/// A datagram to send.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The destination address.
    pub(crate) remote: SocketAddr,
    /// The source address, on a socket that is bound to all addresses. `None` leaves the choice to the routing table.
    pub(crate) source: Option<SocketAddr>,
    /// The payload.
    pub(crate) payload: Bytes,
}

/// What the network reported for a datagram sent earlier.
#[derive(Clone, Copy)]
pub(crate) struct NetworkError {
    /// The destination of that datagram, if known.
    pub(crate) remote: Option<SocketAddr>,
    /// How many octets of that datagram the report quotes, at the start of the given buffer.
    pub(crate) octets: usize,
    /// True if the report means that the peer is unreachable (RFC 3261 section 18.4), and not that a router had a
    /// problem.
    pub(crate) unreachable: bool,
}

/// The size of a receive slot. The largest UDP payload is 65,507 octets over IPv4 and 65,527 over IPv6, so nothing is
/// truncated. The 1,088 extra octets keep the slots from falling into the same few cache lines of the processor.
pub(crate) const SLOT: usize = 65_536 + 1_088;

/// The most datagrams that one system call sends or receives.
pub(crate) const BATCH: usize = 32;
