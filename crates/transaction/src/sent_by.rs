//! The address that we write into a Via.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;

use attesta_sip::Host;

/// The sent-by of a Via of ours: where responses are to come when the transport cannot tell (RFC 3261 section 18.1.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SentBy(Box<str>);

impl SentBy {
    /// A host, as a name or an address, and a port if another than the default of the transport is meant.
    ///
    /// # Errors
    ///
    /// If `host` is neither.
    pub fn new(host: &str, port: Option<u16>) -> Result<Self, NotAHost> {
        let host = Host::parse(host.as_bytes()).map_err(|_| NotAHost)?;
        Ok(Self(match port {
            Some(port) => format!("{host}:{port}").into(),
            None => host.to_string().into(),
        }))
    }

    /// The text as it stands on the wire.
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

/// A text that is neither a host name nor an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAHost;

impl fmt::Display for NotAHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither a host name, nor an IPv4 address, nor an IPv6 address in brackets")
    }
}

impl Error for NotAHost {}
