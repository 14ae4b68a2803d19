//! Builds an edge from a configuration: reads and checks keys, certificates and anchors.

pub(crate) mod reader;
pub(crate) mod signer;
pub(crate) mod tls;
pub(crate) mod trust;

use std::sync::Arc;

use attesta::{Builder, Edge, Ephemeral, FetchConfig, NamedSigner};
use attesta_stir::UnixTime;

use self::reader::{Reader, Strictness};
use self::signer::SignerState;
use self::tls::TlsState;
use self::trust::DomainState;
use crate::config::Configuration;
use crate::fault::Fault;
use crate::revocation::RevocationLists;

/// An edge that is ready to build, and its parts.
pub(crate) struct Assembly {
    pub(crate) builder: Builder,
    /// The throw-away signers. They serve their certificates, so they must live as long as the edge.
    pub(crate) ephemeral: Vec<Ephemeral>,
    pub(crate) signers: Vec<SignerState>,
    /// The certificates of listeners.
    pub(crate) tls: Vec<TlsState>,
    pub(crate) domains: Vec<DomainState>,
    pub(crate) revocations: Vec<RevocationLists>,
    /// How the edge fetches certificates.
    pub(crate) fetch: FetchConfig,
    /// Problems that the operator must know and that do not prevent the start.
    pub(crate) alarms: Vec<Fault>,
}

/// Reads all files that `configuration` names, and creates the parts of the edge.
///
/// # Errors
/// Returns all faults, in the order of the configuration file.
pub(crate) async fn assemble(
    configuration: &Configuration,
    now: UnixTime,
    strictness: Strictness,
) -> Result<Assembly, Vec<Fault>> {
    let settings = &configuration.settings;
    let mut reader = Reader { configuration, ephemeral: Vec::new(), now, strictness, alarms: Vec::new() };
    reader.start_ephemeral().await?;
    let fetch = reader.fetch_config();
    let (listeners, tls) = reader.listeners();
    let builder = listeners.into_iter().fold(Edge::builder(), Builder::listen);
    let mut builder = describe(configuration, builder).fetch(fetch.clone());
    let mut signers = Vec::new();
    for signer in &settings.signers {
        let Some((means, state)) = reader.signer(signer) else { continue };
        let named = NamedSigner::new(Arc::clone(&signer.name), means);
        builder = builder.signer(match &signer.trust {
            Some(trust) => named.trust(Arc::clone(trust)),
            None => named,
        });
        signers.push(state);
    }
    let (mut domains, mut revocations) = (Vec::new(), Vec::new());
    for name in reader.domain_names() {
        let Some(anchors) = reader.anchors(&name) else { continue };
        domains.push(DomainState {
            name: Arc::clone(&name),
            anchors: anchors.subjects().map(str::to_owned).collect(),
        });
        if let Some(lists) = settings
            .revocation(&name)
            .and_then(|revocation| reader.revocation_lists(&name, &anchors, revocation))
        {
            builder = builder.revocations(&anchors, lists.revocations());
            revocations.push(lists);
        }
        builder = builder.verify(name, anchors, reader.policy());
    }
    reader.check_that_lists_have_a_domain(&domains);
    let Reader { ephemeral, alarms, .. } = reader;
    let faults = configuration.source.take_faults();
    if !faults.is_empty() {
        return Err(faults);
    }
    let ephemeral = ephemeral.into_iter().map(|(_, ephemeral)| ephemeral).collect();
    Ok(Assembly { builder, ephemeral, signers, tls, domains, revocations, fetch, alarms })
}

/// Adds the settings that need no other file.
fn describe(configuration: &Configuration, mut builder: Builder) -> Builder {
    let settings = &configuration.settings;
    builder = builder
        .budget(settings.verify.budget)
        .streams(settings.streams)
        .emergency(settings.emergency.clone())
        .callee(settings.callee.clone());
    if let Some(servers) = &settings.dns {
        builder = builder.name_servers(servers.clone());
    }
    builder = settings.trunks.iter().fold(builder, |builder, trunk| builder.trunk(trunk.trunk.clone()));
    settings.routes.iter().fold(builder, |builder, route| builder.route(route.clone()))
}
