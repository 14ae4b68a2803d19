//! `[[listen]]`: where messages arrive and leave from.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use attesta_transaction::{SentBy, Transport};

use super::section::Section;
use super::source::Span;

/// One address and one transport; a `[[listen]]` with several transports makes several.
#[derive(Clone, Debug)]
pub(crate) struct ListenSettings {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    pub(crate) advertise: Option<SentBy>,
    pub(crate) span: Span,
}

impl Default for ListenSettings {
    /// UDP on 127.0.0.1:5060.
    fn default() -> Self {
        Self { name: None, transport: Transport::Udp, address: DEFAULT_ADDRESS, advertise: None, span: 0..0 }
    }
}

impl ListenSettings {
    pub(super) fn read(section: Section<'_>) -> Vec<Self> {
        section.later(&["certificate", "key", "client_ca"]);
        // The other treatment comes later, so there is nothing to keep of this one.
        let _ = section.choice("unknown_source", &[("reject", ())], &["drop"]);
        let address =
            section.parsed("address", "an address and a port, such as \"127.0.0.1:5060\"", |text| {
                text.parse().ok()
            });
        let shared = Self {
            name: section.text("name").map(|name| name.as_str().into()),
            address: address.unwrap_or(DEFAULT_ADDRESS),
            advertise: section.parsed(
                "advertise",
                "a host and a port, such as \"203.0.113.5:5060\"",
                sent_by,
            ),
            span: section.span().clone(),
            ..Self::default()
        };
        let transports =
            section.choices("transport", &[("udp", Transport::Udp)], &["tcp", "tls", "ws", "wss"]);
        section.close();
        let of = |transport| Self { transport, ..shared.clone() };
        transports.unwrap_or(vec![Transport::Udp]).into_iter().map(of).collect()
    }
}

/// A host, with a port or without.
fn sent_by(text: &str) -> Option<SentBy> {
    let after_brackets = text.rfind(']').map_or(0, |at| at + 1);
    match text.get(after_brackets..)?.rfind(':') {
        None => SentBy::new(text, None).ok(),
        Some(colon) => {
            let (host, port) = text.split_at_checked(after_brackets + colon)?;
            SentBy::new(host, Some(port.strip_prefix(':')?.parse().ok()?)).ok()
        }
    }
}

const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
