//! From a target to the places where it can be reached: RFC 3263 section 4, so far as addresses and A / AAAA records go.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use attesta_b2bua::{Destination, ResolveError, Target};
use attesta_transaction::Transport;

use crate::names::{LookupError, Names};

/// What finding a target takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Nothing: the answer stands in the target.
    Known(Result<Vec<Destination>, ResolveError>),
    /// The addresses of a name.
    Lookup(Lookup),
}

/// A name whose addresses are wanted, and how they will be reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    host: Box<str>,
    port: u16,
    transport: Transport,
}

impl Resolution {
    pub(crate) fn of(target: Target) -> Resolution {
        let transport = match transport(&target) {
            Ok(transport) => transport,
            Err(unsupported) => return Resolution::Known(Err(unsupported)),
        };
        let port = target.port.unwrap_or(transport.default_port());
        match literal(&target.host) {
            Some(address) => {
                let address = SocketAddr::new(address, port);
                let server_name = server_name(transport, &target.host);
                Resolution::Known(Ok(vec![Destination { transport, address, server_name }]))
            }
            None => Resolution::Lookup(Lookup { host: target.host, port, transport }),
        }
    }
}

impl Lookup {
    /// Asks `names`, and pairs what they say with the port and the transport.
    pub(crate) async fn run(self, names: &dyn Names) -> Result<Vec<Destination>, ResolveError> {
        let addresses = names.lookup(&self.host).await.map_err(|error| match error {
            LookupError::NotFound => ResolveError::NotFound,
            LookupError::Timeout => ResolveError::Timeout,
        })?;
        let server_name = server_name(self.transport, &self.host);
        let place = |address| Destination {
            transport: self.transport,
            address: SocketAddr::new(address, self.port),
            server_name: server_name.clone(),
        };
        Ok(addresses.into_iter().map(place).collect())
    }
}

/// UDP where the URI leaves the choice (RFC 3263 section 4.1). A `sips` URI asks for TLS over whatever it names, which
/// datagrams do not carry (RFC 3261 section 26.2.2).
fn transport(target: &Target) -> Result<Transport, ResolveError> {
    match (target.secure, target.transport) {
        (false, named) => Ok(named.unwrap_or(Transport::Udp)),
        (true, Some(Transport::Udp)) => Err(ResolveError::Unsupported),
        (true, Some(Transport::Ws | Transport::Wss)) => Ok(Transport::Wss),
        (true, Some(Transport::Tcp | Transport::Tls) | None) => Ok(Transport::Tls),
    }
}

/// The domain to which a certificate has to answer: the one that was looked for, not what it led to (RFC 5922 section 4).
fn server_name(transport: Transport, host: &str) -> Option<Arc<str>> {
    match transport {
        Transport::Tls | Transport::Wss => Some(host.into()),
        Transport::Udp | Transport::Tcp | Transport::Ws => None,
    }
}

/// An address written out: IPv6 stands in brackets (RFC 3261 section 25.1).
fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::fixture::Hosts;

    fn of(uri: &str) -> Resolution {
        Resolution::of(Target::of(uri.as_bytes()).unwrap())
    }

    fn at(address: &str) -> Resolution {
        over(Transport::Udp, address, None)
    }

    fn over(transport: Transport, address: &str, server_name: Option<&str>) -> Resolution {
        let address = address.parse().unwrap();
        let server_name = server_name.map(Into::into);
        Resolution::Known(Ok(vec![Destination { transport, address, server_name }]))
    }

    #[test]
    fn a_literal_address_needs_no_lookup() {
        assert_eq!(of("sip:192.0.2.4"), at("192.0.2.4:5060"));
        assert_eq!(of("sip:alice@192.0.2.4:5070;transport=udp"), at("192.0.2.4:5070"));
        assert_eq!(of("sip:[2001:db8::1]:5080"), at("[2001:db8::1]:5080"));
    }

    #[test]
    fn the_uri_names_the_transport() {
        let tls = |address| over(Transport::Tls, address, Some("192.0.2.4"));
        assert_eq!(of("sip:192.0.2.4;transport=tcp"), over(Transport::Tcp, "192.0.2.4:5060", None));
        assert_eq!(of("sip:192.0.2.4;transport=tls"), tls("192.0.2.4:5061"));
        assert_eq!(of("sips:192.0.2.4:5081;transport=tcp"), tls("192.0.2.4:5081"));
        assert_eq!(
            of("sips:192.0.2.4;transport=ws"),
            over(Transport::Wss, "192.0.2.4:443", Some("192.0.2.4"))
        );
        assert_eq!(of("sips:192.0.2.4;transport=udp"), Resolution::Known(Err(ResolveError::Unsupported)));
    }

    #[tokio::test]
    async fn a_name_leads_to_its_addresses_in_their_order() {
        let hosts = Hosts::new()
            .at("carrier.example", Ipv6Addr::LOCALHOST)
            .at("carrier.example", Ipv4Addr::LOCALHOST);
        let Resolution::Lookup(lookup) = of("sip:carrier.example:5070") else { unreachable!("a name") };
        let places: Vec<_> = lookup.run(&hosts).await.unwrap().iter().map(|place| place.address).collect();
        assert_eq!(places, ["[::1]:5070".parse().unwrap(), "127.0.0.1:5070".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_is_not_found() {
        let Resolution::Lookup(lookup) = of("sip:nowhere.example") else { unreachable!("a name") };
        assert_eq!(lookup.run(&Hosts::new()).await, Err(ResolveError::NotFound));
    }
}
