//! The address in our Via.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;

use attesta_sip::Host;

/// The sent-by of our Via: the address for responses if the transport does not provide it (RFC 3261 section 18.1.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SentBy(Box<str>);

impl SentBy {
    /// A host name or an address, and a port if it is not the default port of the transport.
    ///
    /// # Errors
    ///
    /// If `host` is neither a host name nor an address.
    pub fn new(host: &str, port: Option<u16>) -> Result<Self, NotAHost> {
        let host = Host::parse(host.as_bytes()).map_err(|_| NotAHost)?;
        Ok(Self(match port {
            Some(port) => format!("{host}:{port}").into(),
            None => host.to_string().into(),
        }))
    }

    /// The text as on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<SocketAddr> for SentBy {
    fn from(address: SocketAddr) -> Self {
        Self(address.to_string().into())
    }
}

impl fmt::Display for SentBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is neither a host name nor an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAHost;

impl fmt::Display for NotAHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither a host name, nor an IPv4 address, nor an IPv6 address in brackets")
    }
}

impl Error for NotAHost {}
