//! `[[listen]]`: the addresses on which the edge receives and sends messages.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use attesta::UdpOptions;
use attesta_transaction::{SentBy, Transport};

use super::section::Section;
use super::source::Span;
use super::value::Text;

/// One address with one transport. A `[[listen]]` with several transports becomes several values of this type.
#[derive(Clone, Debug)]
pub(crate) struct ListenSettings {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    pub(crate) advertise: Option<SentBy>,
    pub(crate) options: UdpOptions,
    /// Present for `tls` and `wss` only.
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) span: Span,
}

/// The certificates of a `tls` or `wss` listener, and whether clients must present a certificate.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    /// Chains and their keys, as files or as PEM.
    pub(crate) identities: Vec<(Text, Text)>,
    pub(crate) client_ca: Option<Text>,
    /// True if a client without a certificate is refused.
    pub(crate) client_required: bool,
}

impl Default for ListenSettings {
    /// Returns UDP on 127.0.0.1:5060.
    fn default() -> Self {
        Self {
            name: None,
            transport: Transport::Udp,
            address: DEFAULT_ADDRESS,
            advertise: None,
            options: UdpOptions::default(),
            tls: None,
            span: 0..0,
        }
    }
}

impl ListenSettings {
    /// Returns UDP and TCP on 127.0.0.1:5060.
    pub(super) fn default_pair() -> Vec<Self> {
        let of = |transport| Self { transport, ..Self::default() };
        [Transport::Udp, Transport::Tcp].map(of).into()
    }

    pub(super) fn read(section: Section<'_>) -> Vec<Self> {
        // `reject` is the only supported value, so no field stores the result.
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
        if shared.address.ip().is_unspecified() && shared.advertise.is_none() {
            let fault = section
                .source()
                .fault(section.span(), "this listens on all addresses and has no `advertise`");
            section.report(
                fault.help("add advertise = \"203.0.113.5:5060\": the address by which peers reach it"),
            );
        }
        let transports =
            section.choices("transport", TRANSPORTS, &[]).unwrap_or_else(|| vec![Transport::Udp]);
        one_stream_per_port(&section, &transports, shared.address);
        let tls = TlsSettings::read(&section, transports.iter().any(|transport| is_secure(*transport)));
        section.close();
        let of = |transport| {
            let tls = tls.clone().filter(|_| is_secure(transport));
            Self { transport, tls, ..shared.clone() }
        };
        transports.into_iter().map(of).collect()
    }
}

/// Reads the socket options of UDP.
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

/// Parses a differentiated services code point: a name (RFC 2474 section 4.2.2, RFC 2597 section 6, RFC 3246) or a
/// number.
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

impl TlsSettings {
    /// Returns `None` if no transport of the listener uses TLS. Also returns `None`, and reports a fault, if `certificate` or
    /// `key` is missing.
    fn read(section: &Section<'_>, secure: bool) -> Option<Self> {
        let certificates = section.texts("certificate");
        let keys = section.texts("key");
        let client_ca = section.text("client_ca");
        let client_auth = section.choice("client_auth", &[("required", true), ("optional", false)], &[]);
        if !secure {
            for text in certificates.iter().chain(&keys).flatten().chain(&client_ca) {
                let help = "remove it, or add \"tls\" or \"wss\" to transport";
                section.refuse(
                    text,
                    "this listener has no TLS, so it cannot have a certificate or a key",
                    help,
                );
            }
            return None;
        }
        section.require("certificate");
        section.require("key");
        let (certificates, keys) = (certificates?, keys?);
        if let (true, Some(first)) = (certificates.len() != keys.len(), certificates.first()) {
            let (certificates, keys) = (certificates.len(), keys.len());
            section.refuse(
                first,
                format!("the numbers of certificates ({certificates}) and keys ({keys}) differ"),
                "give one key for each certificate, in the same order",
            );
        }
        if client_auth.is_some() && client_ca.is_none() {
            let fault = section.source().fault(section.span(), "`client_auth` without `client_ca`");
            section.report(fault.help("add client_ca = \"...\": the roots of client certificates"));
        }
        let identities = certificates.into_iter().zip(keys).collect();
        Some(Self { identities, client_ca, client_required: client_auth.unwrap_or(true) })
    }
}

/// Reads `[tls]`: the roots below which servers are trusted, instead of the roots of the system.
pub(super) fn read_tls_roots(section: Section<'_>) -> Option<Text> {
    let roots = section.text("roots");
    section.close();
    roots
}

const fn is_secure(transport: Transport) -> bool {
    matches!(transport, Transport::Tls | Transport::Wss)
}

/// Reports stream transports that share a port. UDP may share a port with one stream transport.
fn one_stream_per_port(section: &Section<'_>, transports: &[Transport], address: SocketAddr) {
    let streams = transports.iter().filter(|transport| **transport != Transport::Udp).count();
    if streams > 1 && address.port() != 0 {
        let fault = section.source().fault(section.span(), "tcp, tls, ws and wss cannot share a port");
        section.report(fault.help("give each transport its own [[listen]], or use port 0"));
    }
}

const TRANSPORTS: &[(&str, Transport)] = &[
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("ws", Transport::Ws),
    ("wss", Transport::Wss),
];

/// Parses a host with an optional port.
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

/// The size of a socket buffer in octets. The minimum fits one small datagram; the maximum is more than any system
/// grants.
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
