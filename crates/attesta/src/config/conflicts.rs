//! Conflicts between two well-formed entries of the file.

use std::net::IpAddr;

use attesta_b2bua::{Target, Transports};
use attesta_transaction::Transport;

use super::listen::ListenSettings;
use super::source::Source;
use super::trunk::TrunkSettings;

/// Reports two listeners on one port. The second listener could not start.
pub(super) fn listeners(source: &Source, all: &[ListenSettings]) {
    let stream = |listen: &ListenSettings| listen.transport != Transport::Udp;
    for (place, listen) in all.iter().enumerate().filter(|(_, listen)| listen.address.port() != 0) {
        let taken = all.iter().take(place).any(|other| {
            // `one_stream_per_port` checks the transports of one entry.
            let streams = stream(other) && stream(listen) && other.span != listen.span;
            other.address == listen.address && (other.transport == listen.transport || streams)
        });
        if taken {
            let transport = listen.transport.as_str().to_ascii_lowercase();
            let fault = source.fault(
                &listen.span,
                format!("{transport} {} is already in use by another [[listen]]", listen.address),
            );
            source.report(fault.help("give each [[listen]] its own address and port"));
        }
    }
}

/// Reports two trunks with the same source. Calls of the second trunk would count as calls of the first trunk and get
/// its signature. Two trunks with `tls_names` may share a source: the names in the certificate tell them apart.
pub(super) fn sources(source: &Source, all: &[TrunkSettings]) {
    for (place, trunk) in all.iter().enumerate() {
        for (text, address) in &trunk.sources {
            let has_source = |other: &&TrunkSettings| {
                other.by_name == trunk.by_name && other.sources.iter().any(|(_, taken)| taken == address)
            };
            if let Some(other) = all.iter().take(place).filter(|_| !trunk.by_name).find(has_source) {
                let fault = format!("{} is already a source of trunk `{}`", text.shown(), other.trunk.name());
                let help = "an address can belong to one trunk only: remove the address from one trunk, or write address:port";
                source.report(source.fault(text.span(), fault).help(help));
            }
        }
    }
}

/// Reports targets that no listener can reach: the edge sends by the transports of its listeners only.
pub(super) fn targets(source: &Source, listeners: &[ListenSettings], trunks: &[TrunkSettings]) {
    let usable =
        listeners.iter().fold(Transports::none(), |all, each| all.with(each.transport, each.address.ip()));
    for (text, target) in trunks.iter().flat_map(|trunk| &trunk.targets) {
        let Some(help) = obstacle(target, usable) else { continue };
        let fault = source.fault(text.span(), format!("no call can reach {}", text.shown()));
        source.report(fault.help(help));
    }
}

/// What must change so that a target can be reached. `None`: nothing.
fn obstacle(target: &Target, usable: Transports) -> Option<String> {
    let wanted: &[Transport] = match (target.secure, target.transport) {
        (true, Some(Transport::Udp)) => {
            return Some("sips requires TLS, which does not run over UDP; remove transport=udp".to_owned());
        }
        (true, _) => &[Transport::Tls],
        (false, Some(Transport::Udp)) => &[Transport::Udp],
        (false, Some(Transport::Tcp)) => &[Transport::Tcp],
        (false, Some(Transport::Tls)) => &[Transport::Tls],
        // The reader of targets refuses WebSocket.
        (false, Some(Transport::Ws | Transport::Wss)) => return None,
        (false, None) => &[Transport::Udp, Transport::Tcp, Transport::Tls],
    };
    let host = target.host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    let reaches = |transport: &&Transport| match address {
        Some(address) => usable.reach(**transport, address),
        None => usable.has(**transport),
    };
    if wanted.iter().any(|transport| reaches(&transport)) {
        return None;
    }
    let family = match address {
        Some(IpAddr::V4(_)) => " with an IPv4 address",
        Some(IpAddr::V6(_)) => " with an IPv6 address",
        None => "",
    };
    let names: Vec<_> = wanted.iter().map(|transport| transport.as_str().to_ascii_lowercase()).collect();
    Some(format!("add a [[listen]]{family} whose transport is {}", names.join(" or ")))
}
