//! The path of a response. The receiver of a request writes the path into the top Via, and the sender of the response reads it.

use std::io::Write;
use std::net::SocketAddr;

use attesta_sip::{Headers, Name, Via};

use crate::flow::{Flow, Transport};

/// Writes the source of the request into the top Via (RFC 3261 section 18.2.1, RFC 3581 section 4). Writes `received` if the
/// sent-by has another host or the client asks for `rport`, and the value of `rport`.
pub(crate) fn stamp(headers: &mut Headers, source: SocketAddr) {
    let Some(top) = headers.values(Name::Via).next() else { return };
    let Some(stamped) = Via::parse(top).ok().and_then(|via| stamped(headers, top, &via, source)) else {
        return;
    };
    headers.set_first(Name::Via, stamped);
}

/// The first Via line after the [`stamp`]. Its first value is `top`. `None` if the line does not change.
pub(crate) fn stamped(headers: &Headers, top: &[u8], via: &Via<'_>, source: SocketAddr) -> Option<Vec<u8>> {
    // A socket for both families shows an IPv4 peer as an IPv6 address.
    let address = source.ip().to_canonical();
    let asked = via.params().has("rport");
    if !asked && via.host().address() == Some(address) && !via.params().has("received") {
        return None;
    }
    let line = headers.get(Name::Via)?;
    let rest = line.strip_prefix(top)?;
    let mut stamped = Vec::with_capacity(line.len() + 64);
    stamped.extend_from_slice(top.strip_suffix(via.params().as_bytes())?);
    // The client must not set these two parameters, so its values are dropped.
    let theirs = pieces(via.params().as_bytes())
        .filter(|piece| !is_named(piece, "received") && !is_named(piece, "rport"));
    for piece in theirs {
        stamped.push(b';');
        stamped.extend_from_slice(piece);
    }
    write!(stamped, ";received={address}").ok()?;
    if asked {
        write!(stamped, ";rport={}", source.port()).ok()?;
    }
    stamped.extend_from_slice(rest);
    Some(stamped)
}

/// The parameters as received, without the semicolons between them.
fn pieces(params: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let between = move |&octet: &u8| {
        let escapes = quoted && !escaped && octet == b'\\';
        if octet == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = escapes;
        octet == b';' && !quoted
    };
    params.split(between).map(<[u8]>::trim_ascii).filter(|piece| !piece.is_empty())
}

fn is_named(piece: &[u8], wanted: &str) -> bool {
    let name = piece.split(|&octet| octet == b'=').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
}

/// The flow of the responses to a request with this top Via that arrived on `source`.
///
/// On a stream, responses use the connection of the request. On UDP, they go from the address that received the request (RFC
/// 3581 section 4) to its source address. The port is the source port if the client asked for `rport`, else the port of sent-by
/// (RFC 3261 section 18.2.2). A `maddr` would let a sender direct responses to a third party. It is followed only if it names
/// the source address, and then selects the port of sent-by.
pub(crate) fn reply(via: &Via<'_>, source: &Flow) -> Flow {
    let mut flow = source.clone();
    let named = || via.maddr().and_then(|host| host.address()) == Some(source.remote.ip().to_canonical());
    if !source.transport.reliable() && (!via.params().has("rport") || named()) {
        flow.remote.set_port(sent_by_port(via, source));
    }
    flow
}

/// The flow of a response whose connection no longer exists. This is a new connection to the source address of the request, at
/// the port of sent-by (RFC 3261 section 18.2.2). `None` if this flow has failed already, and for peers that accept no
/// connection (RFC 7118 section 5).
pub(crate) fn elsewhere(via: &Via<'_>, failed: &Flow) -> Option<Flow> {
    failed.connection?;
    let server_name = match failed.transport {
        Transport::Tcp => None,
        Transport::Tls => Some(via.host().to_string().to_ascii_lowercase().into()),
        Transport::Udp | Transport::Ws | Transport::Wss => return None,
    };
    let remote = SocketAddr::new(failed.remote.ip(), sent_by_port(via, failed));
    Some(Flow { remote, connection: None, tls_names: None, server_name, ..failed.clone() })
}

fn sent_by_port(via: &Via<'_>, source: &Flow) -> u16 {
    via.port().unwrap_or(source.transport.default_port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::ConnectionId;

    const SOURCE: &str = "192.0.2.9:40000";

    #[test]
    fn the_source_is_written_where_it_differs_or_is_asked_for() {
        for (via, stamped) in [
            ("SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1"),
            (
                "SIP/2.0/UDP pc.example;branch=z9hG4bK1",
                "SIP/2.0/UDP pc.example;branch=z9hG4bK1;received=192.0.2.9",
            ),
            (
                "SIP/2.0/UDP 192.0.2.9;rport;branch=a",
                "SIP/2.0/UDP 192.0.2.9;branch=a;received=192.0.2.9;rport=40000",
            ),
            (
                "SIP/2.0/UDP h;received=198.51.100.1;x=\";received=\"",
                "SIP/2.0/UDP h;x=\";received=\";received=192.0.2.9",
            ),
            (
                "SIP/2.0/UDP h , SIP/2.0/TCP next;rport",
                "SIP/2.0/UDP h;received=192.0.2.9 , SIP/2.0/TCP next;rport",
            ),
        ] {
            let mut headers = Headers::new();
            headers.push(Name::Via, via);
            headers.push(Name::Via, "SIP/2.0/UDP below");
            stamp(&mut headers, SOURCE.parse().unwrap());
            let lines: Vec<_> = headers.all(Name::Via).map(String::from_utf8_lossy).collect();
            assert_eq!(lines, [stamped, "SIP/2.0/UDP below"]);
        }
    }

    #[test]
    fn a_response_whose_connection_is_gone_goes_to_the_port_of_sent_by() {
        let local = "192.0.2.1:5060".parse().unwrap();
        let via = Via::parse(b"SIP/2.0/TLS Pc.Example:5071;branch=a;received=192.0.2.9").unwrap();
        for (transport, connection, expected) in [
            (Transport::Tcp, Some(ConnectionId(7)), Some(None)),
            (Transport::Tls, Some(ConnectionId(7)), Some(Some("pc.example"))),
            (Transport::Tcp, None, None),
            (Transport::Udp, None, None),
            (Transport::Ws, Some(ConnectionId(7)), None),
        ] {
            let failed = Flow { transport, connection, ..Flow::udp(local, SOURCE.parse().unwrap()) };
            let flow = elsewhere(&via, &failed);
            let found = flow.as_ref().map(|flow| flow.server_name.as_deref());
            assert_eq!(found, expected, "{transport}");
            assert!(flow.is_none_or(|flow| flow.remote.port() == 5071 && flow.connection.is_none()));
        }
    }

    #[test]
    fn a_response_goes_where_the_top_via_says() {
        for (transport, via, remote) in [
            (Transport::Udp, "SIP/2.0/UDP pc.example;branch=a", "192.0.2.9:5060"),
            (Transport::Udp, "SIP/2.0/UDP pc.example:5070", "192.0.2.9:5070"),
            (Transport::Udp, "SIP/2.0/UDP pc.example:5070;rport", SOURCE),
            (Transport::Udp, "SIP/2.0/UDP pc.example:5070;rport;maddr=198.51.100.7", SOURCE),
            (Transport::Udp, "SIP/2.0/UDP pc.example:5070;rport;maddr=192.0.2.9", "192.0.2.9:5070"),
            (Transport::Udp, "SIP/2.0/UDP pc.example;maddr=elsewhere.example", "192.0.2.9:5060"),
            (Transport::Tcp, "SIP/2.0/TCP pc.example:5070", SOURCE),
        ] {
            let local = "192.0.2.1:5060".parse().unwrap();
            let source = Flow { transport, ..Flow::udp(local, SOURCE.parse().unwrap()) };
            let flow = reply(&Via::parse(via.as_bytes()).unwrap(), &source);
            assert_eq!((flow.local, flow.remote), (local, remote.parse().unwrap()), "{via}");
        }
    }
}
