//! Sets of transports.

use std::fmt;
use std::net::IpAddr;

use attesta_transaction::Transport;

/// A set of transports, each over IPv4, IPv6 or both: the transports of the listeners that may send a message.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Transports(u16);

impl Transports {
    /// The empty set.
    #[must_use]
    pub const fn none() -> Self {
        Self(0)
    }

    /// This set and `transport`, for the address family of the local address `local`.
    #[must_use]
    pub const fn with(self, transport: Transport, local: IpAddr) -> Self {
        Self(self.0 | bit(transport, local.is_ipv6()))
    }

    /// True if the set contains `transport`, over IPv4 or IPv6.
    #[must_use]
    pub const fn has(self, transport: Transport) -> bool {
        self.0 & (bit(transport, false) | bit(transport, true)) != 0
    }

    /// True if `remote` can be reached by `transport`: the set contains `transport` for the address family of `remote`.
    #[must_use]
    pub const fn reach(self, transport: Transport, remote: IpAddr) -> bool {
        self.0 & bit(transport, remote.is_ipv6()) != 0
    }
}

impl fmt::Debug for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
        let each = all.into_iter().flat_map(|transport| [(transport, false), (transport, true)]);
        let within = each.filter(|(transport, ipv6)| self.0 & bit(*transport, *ipv6) != 0);
        f.debug_set().entries(within.map(|(transport, ipv6)| (transport, if ipv6 { 6 } else { 4 }))).finish()
    }
}

const fn bit(transport: Transport, ipv6: bool) -> u16 {
    let place = match transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
        Transport::Ws => 3,
        Transport::Wss => 4,
    };
    1 << (2 * place + ipv6 as u16)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn each_transport_and_each_address_family_is_distinct() {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        let all = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
        for transport in all {
            let only = Transports::none().with(transport, v6);
            assert!(only.has(transport) && only.reach(transport, v6) && !only.reach(transport, v4));
            assert!(all.iter().all(|other| *other == transport || !only.has(*other)), "{only:?}");
        }
        assert_eq!(Transports::none(), Transports::default());
    }
}
