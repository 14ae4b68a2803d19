//! The path of a message: its source or its destination.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// The path of a message: transport, both addresses and, on a stream, the connection.
///
/// A response uses the flow of its request. The response therefore comes from the address to which the peer sent the request
/// (RFC 3261 section 18.2.2, RFC 3581 section 4).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The transport protocol.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The connection of an open stream. `None` for datagrams, and for a stream that is not open yet.
    pub connection: Option<ConnectionId>,
    /// The worker that owns the connection. It has no meaning for datagrams, because each worker has a socket at each address.
    pub worker: WorkerId,
    /// The names that the peer's TLS certificate proved, if there was one.
    pub tls_names: Option<Arc<TlsNames>>,
    /// The domain that the peer's certificate must prove on a connection that we open (RFC 5922 section 7.3). `None` without
    /// TLS, and on a connection that the peer opened.
    pub server_name: Option<Arc<str>>,
}

impl Flow {
    /// A datagram flow between two addresses, on worker 0.
    #[must_use]
    pub fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            transport: Transport::Udp,
            local,
            remote,
            connection: None,
            worker: WorkerId(0),
            tls_names: None,
            server_name: None,
        }
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.transport, self.local, self.remote)
    }
}

/// A transport of RFC 3261 section 18 or RFC 7118.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Transport {
    /// UDP, the only unreliable transport.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
}

impl Transport {
    /// Whether the transport is reliable. The transactions do not retransmit over a reliable transport.
    #[must_use]
    pub const fn reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => true,
        }
    }

    /// Whether it is WebSocket, with or without TLS. Such a peer is reachable only over the connection that it opened.
    #[must_use]
    pub const fn is_websocket(self) -> bool {
        match self {
            Self::Ws | Self::Wss => true,
            Self::Udp | Self::Tcp | Self::Tls => false,
        }
    }

    /// Whether the transport uses TLS.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        match self {
            Self::Tls | Self::Wss => true,
            Self::Udp | Self::Tcp | Self::Ws => false,
        }
    }

    /// The default port (RFC 3261 section 19.1.2, RFC 7118 section 5).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// The name of the transport in a Via header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stream connection, numbered by the shell that owns the sockets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnectionId(pub u64);

/// A worker thread of this instance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct WorkerId(pub u8);

/// The names that the peer's certificate proved in the TLS handshake (RFC 5922 section 7.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct TlsNames(Vec<Box<str>>);

impl TlsNames {
    /// Takes verified names, in the certificate's order, with domain names in lower case.
    #[must_use]
    pub fn new(names: Vec<Box<str>>) -> Self {
        Self(names)
    }

    /// The names, in the certificate's order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}
