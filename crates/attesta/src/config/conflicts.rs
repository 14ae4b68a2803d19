//! What two entries of the file, each well formed, cannot both have.

use attesta_transaction::Transport;

use super::listen::ListenSettings;
use super::source::Source;
use super::trunk::TrunkSettings;

/// Two listeners on one port, of which the second would not start.
pub(super) fn listeners(source: &Source, all: &[ListenSettings]) {
    let stream = |listen: &ListenSettings| listen.transport != Transport::Udp;
    for (place, listen) in all.iter().enumerate().filter(|(_, listen)| listen.address.port() != 0) {
        let taken = all.iter().take(place).any(|other| {
            // Within one entry, streams have been looked at.
            let streams = stream(other) && stream(listen) && other.span != listen.span;
            other.address == listen.address && (other.transport == listen.transport || streams)
        });
        if taken {
            let transport = listen.transport.as_str().to_ascii_lowercase();
            let fault =
                source.fault(&listen.span, format!("{transport} {} is taken already", listen.address));
            source.report(fault.help("give each [[listen]] its own address and port"));
        }
    }
}

/// Two trunks with one source: calls of the second would be taken for those of the first, and signed as its own. Where both
/// ask for names of a certificate, these tell them apart.
pub(super) fn sources(source: &Source, all: &[TrunkSettings]) {
    for (place, trunk) in all.iter().enumerate() {
        for (text, address) in &trunk.sources {
            let bears = |other: &&TrunkSettings| {
                other.by_name == trunk.by_name && other.sources.iter().any(|(_, taken)| taken == address)
            };
            if let Some(other) = all.iter().take(place).filter(|_| !trunk.by_name).find(bears) {
                let fault =
                    format!("{} is a source of the trunk `{}` already", text.shown(), other.trunk.name());
                let help = "one address, one trunk: take it out of one, or narrow it to address:port";
                source.report(source.fault(text.span(), fault).help(help));
            }
        }
    }
}
