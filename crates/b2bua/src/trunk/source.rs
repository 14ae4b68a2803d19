//! The source addresses that identify a trunk.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use attesta_transaction::Transport;
use ipnet::IpNet;

/// A source address that identifies a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A host and port. Matches datagrams from exactly this socket address.
    Socket(SocketAddr),
    /// A network, or one host as a network of one address.
    Net(IpNet),
}

impl Source {
    /// How closely this source fits a message. `None`: the source does not fit. An `address:port` wins over every
    /// network, and a longer prefix wins over a shorter prefix.
    pub(crate) fn fit(&self, transport: Transport, remote: SocketAddr) -> Option<u16> {
        match self {
            Self::Socket(socket) => {
                let same = socket.ip() == remote.ip().to_canonical() && socket.port() == remote.port();
                (same && transport == Transport::Udp).then_some(u16::MAX)
            }
            Self::Net(net) => net.contains(&remote.ip().to_canonical()).then(|| u16::from(net.prefix_len())),
        }
    }
}

impl FromStr for Source {
    type Err = InvalidSource;

    /// Reads `address`, `address:port` or CIDR notation.
    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        if let Ok(address) = text.parse::<IpAddr>() {
            Ok(Self::Net(IpNet::from(address.to_canonical())))
        } else if let Ok(socket) = text.parse::<SocketAddr>() {
            Ok(Self::Socket(SocketAddr::new(socket.ip().to_canonical(), socket.port())))
        } else {
            text.parse::<IpNet>().map(|net| Self::Net(net.trunc())).map_err(|_| InvalidSource)
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(socket) => socket.fmt(f),
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().fmt(f),
            Self::Net(net) => net.fmt(f),
        }
    }
}

/// A source that is neither an address nor a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidSource;

impl fmt::Display for InvalidSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither an address, an address:port nor a network in CIDR notation")
    }
}

impl std::error::Error for InvalidSource {}
