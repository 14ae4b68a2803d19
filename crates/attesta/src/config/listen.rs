//! `[[listen]]`: where messages arrive and leave from.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use attesta::UdpOptions;
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
    pub(crate) options: UdpOptions,
    pub(crate) span: Span,
}

impl Default for ListenSettings {
    /// UDP on 127.0.0.1:5060.
    fn default() -> Self {
        Self {
            name: None,
            transport: Transport::Udp,
            address: DEFAULT_ADDRESS,
            advertise: None,
            options: UdpOptions::default(),
            span: 0..0,
        }
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
            options: options(&section),
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

/// How a UDP socket is opened.
fn options(section: &Section<'_>) -> UdpOptions {
    let octets = |key| section.integer(key, BUFFER).and_then(|octets| usize::try_from(octets).ok());
    let mut options = UdpOptions::default();
    if let Some(octets) = octets("receive_buffer") {
        options = options.receive_buffer(octets);
    }
    if let Some(octets) = octets("send_buffer") {
        options = options.send_buffer(octets);
    }
    let dscp = section.parsed("dscp", "a code point, such as \"cs3\", \"af31\", \"ef\" or \"0\"", code_point);
    dscp.map_or(options, |dscp| options.dscp(dscp))
}

/// A code point of differentiated services by its name (RFC 2474 section 4.2.2, RFC 2597 section 6, RFC 3246) or its number.
fn code_point(text: &str) -> Option<u8> {
    let digit = |text: &str, range: RangeInclusive<u8>| {
        text.parse::<u8>().ok().filter(|digit| text.len() == 1 && range.contains(digit))
    };
    if let Some(class) = text.strip_prefix("cs") {
        return digit(class, 0..=7).map(|class| class << 3);
    }
    if let Some(assured) = text.strip_prefix("af") {
        let (class, drop) = assured.split_at_checked(1)?;
        return Some(digit(class, 1..=4)? << 3 | digit(drop, 1..=3)? << 1);
    }
    if text == "ef" { Some(46) } else { text.parse().ok().filter(|number| *number < 64) }
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

/// Octets of a socket's buffer: from one small datagram to more than systems grant.
const BUFFER: RangeInclusive<u64> = 4096..=1 << 30;

const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_have_names_and_numbers() {
        let known = [
            ("cs0", 0),
            ("cs3", 24),
            ("cs7", 56),
            ("af31", 26),
            ("af43", 38),
            ("ef", 46),
            ("0", 0),
            ("63", 63),
        ];
        for (text, number) in known {
            assert_eq!(code_point(text), Some(number), "{text}");
        }
        for text in ["", "cs", "cs8", "cs33", "af1", "af50", "af14", "64", "-1", "EF"] {
            assert_eq!(code_point(text), None, "{text}");
        }
    }
}
