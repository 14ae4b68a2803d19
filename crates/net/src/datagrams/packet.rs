//! Datagrams, and the errors that the network reports for them.

use std::net::SocketAddr;

use bytes::Bytes;

/// A received datagram.
pub(crate) struct Incoming<'a> {
    /// The source address.
    pub(crate) remote: SocketAddr,
    /// The destination address, if the system reports this address. On Linux, this is the case for a socket that is bound to all addresses.
    pub(crate) local: Option<SocketAddr>,
    /// The payload.
    pub(crate) octets: &'a [u8],
    /// The number of datagrams that the socket has dropped because of a full buffer, modulo 2^32, if the system reports it.
    pub(crate) dropped: Option<u32>,
}

/// A datagram to send.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The destination address.
    pub(crate) remote: SocketAddr,
    /// The source address, on a socket that is bound to all addresses. With `None`, the routing table determines the source
    /// address.
    pub(crate) source: Option<SocketAddr>,
    /// The payload.
    pub(crate) payload: Bytes,
}

/// An error that the network reported for a datagram sent earlier.
#[derive(Clone, Copy)]
pub(crate) struct NetworkError {
    /// The destination of that datagram, if known.
    pub(crate) remote: Option<SocketAddr>,
    /// The number of octets of that datagram at the start of the buffer. The report quotes these octets.
    pub(crate) octets: usize,
    /// True if the peer is unreachable (RFC 3261 section 18.4). False if a router had a problem.
    pub(crate) unreachable: bool,
}

/// The size of a receive buffer. The largest UDP payload has 65,507 octets over IPv4 and 65,527 over IPv6, so no datagram is
/// truncated. The 1,088 extra octets distribute the buffers over more cache lines of the processor.
pub(crate) const SLOT: usize = 65_536 + 1_088;

/// The most datagrams that one system call sends or receives.
pub(crate) const BATCH: usize = 32;
