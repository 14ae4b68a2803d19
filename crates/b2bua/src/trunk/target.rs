//! Where a call is sent: the part of a SIP URI that RFC 3263 resolves.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use attesta_sip::{Host, Uri};
use attesta_transaction::Transport;

/// The part of a SIP URI that is resolved to find the next hop of a request (RFC 3263 section 4): host, port and
/// transport.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Whether the scheme is `sips`, which requires TLS.
    pub secure: bool,
    /// A domain name in lower case, an IPv4 address, or an IPv6 address in brackets.
    pub host: Box<str>,
    /// The port, if the URI names one.
    pub port: Option<u16>,
    /// The transport, if the URI names one.
    pub transport: Option<Transport>,
}

impl Target {
    /// The target of a SIP or SIPS URI. `None`: the text is not such a URI, or names a transport that we do not know.
    #[must_use]
    pub fn of(uri: &[u8]) -> Option<Self> {
        let uri = Uri::parse(uri).ok()?;
        let uri = uri.as_sip()?;
        let transport = match uri.transport() {
            Some(name) => Some(transport_named(name)?),
            None => None,
        };
        // RFC 3261 section 19.1.1: maddr overrides the host.
        let maddr = uri.params().value("maddr").and_then(|maddr| Host::parse_bare(maddr).ok());
        let host = maddr.unwrap_or(uri.host()).to_string().to_ascii_lowercase().into_boxed_str();
        Some(Self { secure: uri.secure(), host, port: uri.port(), transport })
    }

    /// The transport address, if the host is an address (RFC 3263 sections 4.1 and 4.2). `None`: the host is a name.
    pub(crate) fn address(&self) -> Option<(Transport, SocketAddr)> {
        let bare = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        let transport = self.transport.unwrap_or(if self.secure { Transport::Tls } else { Transport::Udp });
        let port = self.port.unwrap_or(transport.default_port());
        Some((transport, SocketAddr::new(bare.parse().ok()?, port)))
    }

    /// The host and, if there is one, the port, as written in a URI.
    pub(crate) fn host_port(&self) -> impl fmt::Display {
        struct HostPort<'a>(&'a Target);
        impl fmt::Display for HostPort<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.host)?;
                self.0.port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
        HostPort(self)
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(uri: &str) -> Result<Self, InvalidTarget> {
        Self::of(uri.as_bytes()).ok_or(InvalidTarget)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", if self.secure { "sips" } else { "sip" }, self.host_port())?;
        match self.transport {
            Some(transport) => write!(f, ";transport={}", transport.as_str().to_ascii_lowercase()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a SIP or SIPS URI, or names an unknown transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidTarget;

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a sip: or sips: URI with a known transport")
    }
}

impl std::error::Error for InvalidTarget {}

fn transport_named(name: &[u8]) -> Option<Transport> {
    let all = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
    all.into_iter().find(|transport| name.eq_ignore_ascii_case(transport.as_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_an_address_needs_no_lookup() {
        let address = |uri: &[u8]| Target::of(uri).unwrap().address().map(|(by, at)| format!("{by} {at}"));
        assert_eq!(address(b"sip:192.0.2.9").as_deref(), Some("UDP 192.0.2.9:5060"));
        assert_eq!(address(b"sips:[2001:db8::1]").as_deref(), Some("TLS [2001:db8::1]:5061"));
        assert_eq!(address(b"sip:192.0.2.9:5070;transport=tcp").as_deref(), Some("TCP 192.0.2.9:5070"));
        assert_eq!(address(b"sip:example.com:5060"), None);
    }

    #[test]
    fn the_parts_that_are_resolved_are_read() {
        let target = Target::of(b"SIPS:+1215@Example.COM:5061;transport=TLS").unwrap();
        assert_eq!(target.to_string(), "sips:example.com:5061;transport=tls");
        assert_eq!(Target::of(b"sip:[2001:db8::1]").unwrap().to_string(), "sip:[2001:db8::1]");
        assert_eq!(Target::of(b"sip:h;maddr=192.0.2.9").unwrap().to_string(), "sip:192.0.2.9");
        for uri in [&b"tel:+1215"[..], b"sip:", b"sip:h;transport=sctp", b"urn:service:sos"] {
            assert_eq!(Target::of(uri), None);
        }
    }
}
