//! Listeners: the addresses that messages arrive at and are sent from.

use std::net::SocketAddr;
use std::sync::Arc;

use attesta_transaction::{Flow, SentBy, Transport, WorkerId};

/// An address that messages arrive at and are sent from.
#[derive(Clone, Debug)]
pub struct Listener {
    pub(crate) name: Arc<str>,
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    pub(crate) sent_by: SentBy,
}

impl Listener {
    /// A listener on `address`, which is the bound address: its port is not 0.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, transport: Transport, address: SocketAddr) -> Self {
        Self { name: name.into(), transport, address, sent_by: SentBy::from(address) }
    }

    /// The host and port in Via and Contact instead of the address. Required behind a NAT, and if the address is
    /// unspecified (`0.0.0.0`). Default: the address.
    #[must_use]
    pub fn advertise(mut self, sent_by: SentBy) -> Self {
        self.sent_by = sent_by;
        self
    }

    /// The name of the listener.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The Contact of messages that are sent from this listener. It has no user part, since the tags identify the
    /// dialog. `secure`: the dialog requires TLS on every hop (RFC 3261 section 12.1.1, RFC 5630 section 3.1.2).
    pub(crate) fn contact(&self, secure: bool) -> String {
        match self.transport {
            Transport::Udp | Transport::Tcp | Transport::Tls if secure => format!("<sips:{}>", self.sent_by),
            Transport::Ws | Transport::Wss if secure => format!("<sips:{};transport=ws>", self.sent_by),
            Transport::Udp => format!("<sip:{}>", self.sent_by),
            Transport::Tcp => format!("<sip:{};transport=tcp>", self.sent_by),
            Transport::Tls => format!("<sip:{};transport=tls>", self.sent_by),
            // The transport parameter is the same for both (RFC 7118 section 5.2).
            Transport::Ws | Transport::Wss => format!("<sip:{};transport=ws>", self.sent_by),
        }
    }

    /// The flow from this listener to `remote`, by the listener's transport. On a stream, the shell finds or opens the
    /// connection. `server_name`: the domain that the certificate of a TLS peer must show (RFC 5922 section 4).
    pub(crate) fn flow_to(&self, remote: SocketAddr, server_name: Option<Arc<str>>) -> Flow {
        Flow {
            transport: self.transport,
            local: self.address,
            remote,
            connection: None,
            worker: WorkerId::default(),
            tls_names: None,
            server_name,
        }
    }

    /// The transport of the listener.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The address that the listener is bound to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}
