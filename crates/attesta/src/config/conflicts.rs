//! Conflicts between two well-formed entries of the file.

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
