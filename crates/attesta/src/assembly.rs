//! From what a configuration says to an edge: keys, certificates and anchors are read and tried here.

mod tls;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use attesta::{Builder, Edge, Ephemeral, FetchConfig, NamedSigner, SigningMeans, TrustAnchors, VerifyPolicy};
use attesta_stir::cert::CertificateChain;
use attesta_stir::{Signer, SignerError, SigningKey, UnixTime, X5u};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub(crate) use tls::TlsState;

use crate::config::{
    Configuration, DEFAULT_TRUST, RevocationSettings, SignerMeans, SignerSettings, Source, Text,
};
use crate::fault::Fault;
use crate::files;
use crate::revocation::{self, ListFile, MAX_LIST, RevocationLists};

/// An edge that can be built, and what it is made of.
pub(crate) struct Assembly {
    pub(crate) builder: Builder,
    /// Must live as long as the edge: they serve the certificates that it signs with.
    pub(crate) ephemeral: Vec<Ephemeral>,
    pub(crate) signers: Vec<SignerState>,
    /// The certificates of listeners.
    pub(crate) tls: Vec<TlsState>,
    pub(crate) domains: Vec<DomainState>,
    pub(crate) revocations: Vec<RevocationLists>,
    /// How the edge will fetch certificates.
    pub(crate) fetch: FetchConfig,
    /// What the operator should know, and does not stop the start.
    pub(crate) alarms: Vec<Fault>,
}

/// A signer as it was found.
pub(crate) struct SignerState {
    pub(crate) name: Arc<str>,
    pub(crate) x5u: String,
    pub(crate) subject: String,
    pub(crate) not_after: UnixTime,
    /// What signs, if it does: `None` for a signer that is set aside.
    pub(crate) signer: Option<Arc<Signer>>,
}

/// A trust domain as it was found.
pub(crate) struct DomainState {
    pub(crate) name: Arc<str>,
    /// The subjects of its anchors.
    pub(crate) anchors: Vec<String>,
}

/// What a signer with a certificate that is not valid now means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// A fault: `check` and reload refuse it.
    Refuse,
    /// An alarm: `run` starts without that signer, since calls matter more.
    SetAside,
}

/// Reads everything that `configuration` names, and makes what it asks to be made.
///
/// # Errors
/// Every fault found, in the order of the file.
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

/// What needs no reading of anything else.
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

/// Reads keys, certificates and anchors, and reports what is wrong with them to the file that names them.
struct Reader<'a> {
    configuration: &'a Configuration,
    ephemeral: Vec<(Arc<str>, Ephemeral)>,
    now: UnixTime,
    strictness: Strictness,
    alarms: Vec<Fault>,
}

impl Reader<'_> {
    fn source(&self) -> &Source {
        &self.configuration.source
    }

    async fn start_ephemeral(&mut self) -> Result<(), Vec<Fault>> {
        for signer in &self.configuration.settings.signers {
            if matches!(signer.means, SignerMeans::Ephemeral) {
                let ephemeral = Ephemeral::start().await.map_err(|error| {
                    vec![Fault::new(format!(
                        "the ephemeral signer \"{}\" cannot start: {error}",
                        signer.name
                    ))]
                })?;
                self.ephemeral.push((Arc::clone(&signer.name), ephemeral));
                self.warn_of_loopback(signer);
            }
        }
        Ok(())
    }

    /// Its certificate stands on loopback, which is private: whoever believes it must be let fetch it.
    fn warn_of_loopback(&mut self, signer: &SignerSettings) {
        let allowed = &self.configuration.settings.fetch.allow_private;
        if !allowed.iter().any(|network| network.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST))) {
            let text =
                format!("this edge cannot fetch the certificate of the ephemeral signer \"{}\"", signer.name);
            let help = "add allow_private = [\"127.0.0.0/8\"] to [fetch], unless this edge only signs";
            self.alarms.push(self.source().fault(&signer.span, text).help(help));
        }
    }

    /// The ports that a certificate URL may name: those of the file, and those of the ephemeral signers.
    fn ports(&self) -> Vec<u16> {
        let own = self.ephemeral.iter().map(|(_, ephemeral)| ephemeral.port());
        self.configuration.settings.fetch.ports.iter().copied().chain(own).collect()
    }

    fn fetch_config(&self) -> FetchConfig {
        let settings = &self.configuration.settings.fetch;
        let mut roots: Vec<_> =
            self.ephemeral.iter().map(|(_, ephemeral)| ephemeral.web_root().clone()).collect();
        if let Some(file) = &settings.https_roots
            && let Some(pem) = self.content(file)
        {
            match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
                Ok(read) if !read.is_empty() => roots.extend(read),
                Ok(_) | Err(_) => {
                    self.refuse(file, "holds no certificates", "give a PEM file of root certificates")
                }
            }
        }
        FetchConfig::default().ports(self.ports()).allow_private(settings.allow_private.clone()).roots(roots)
    }

    fn signer(&mut self, settings: &SignerSettings) -> Option<(SigningMeans, SignerState)> {
        match &settings.means {
            SignerMeans::Ephemeral => {
                let (_, ephemeral) = self.ephemeral.iter().find(|(name, _)| *name == settings.name)?;
                let signer = Arc::new(ephemeral.signer().ok()?);
                let state = SignerState::of(&settings.name, &signer);
                Some((SigningMeans::Key(signer), state))
            }
            SignerMeans::Files { key, certificate, x5u } => {
                self.signer_of_files(&settings.name, key, certificate, x5u)
            }
        }
    }

    /// A key and its chain. All three are looked at before the first fault ends it.
    fn signer_of_files(
        &mut self,
        name: &Arc<str>,
        key: &Text,
        certificate: &Text,
        x5u: &Text,
    ) -> Option<(SigningMeans, SignerState)> {
        let signing_key = self.content(key).and_then(|pem| {
            let read = SigningKey::from_pem(&pem);
            read.map_err(|error| self.refuse(key, error, "give a P-256 private key as PKCS #8 PEM")).ok()
        });
        let chain = self.content(certificate).and_then(|octets| {
            let read = CertificateChain::parse(&octets);
            read.map_err(|error| {
                self.refuse(certificate, error, "give the leaf, then what is above it, as PEM")
            })
            .ok()
        });
        let url = X5u::parse(x5u.as_str(), &self.ports());
        let url = url.map_err(|error| {
            let help = "verifiers refuse such a URL; the ports are those of [fetch] ports";
            self.source().report(self.source().fault(x5u.span(), error.to_string()).help(help));
        });
        let (signing_key, chain, url) = (signing_key?, chain?, url.ok()?);
        let leaf = attesta_stir::cert::Certificate::from_der(chain.leaf()).ok();
        match Signer::new(signing_key, &chain, url.clone(), self.now) {
            Ok(signer) => {
                let signer = Arc::new(signer);
                let state = SignerState::of(name, &signer);
                self.warn_of_expiry(certificate, &state);
                Some((SigningMeans::Key(signer), state))
            }
            Err(error @ (SignerError::Expired | SignerError::NotYetValid))
                if self.strictness == Strictness::SetAside =>
            {
                let text = format!("signer \"{name}\" is set aside: {error}");
                self.alarms.push(self.source().fault(certificate.span(), text).help("calls go on, unsigned"));
                let leaf = leaf?;
                let state = SignerState {
                    name: Arc::clone(name),
                    x5u: url.to_string(),
                    subject: leaf.subject().to_owned(),
                    not_after: leaf.not_after(),
                    signer: None,
                };
                Some((SigningMeans::SetAside, state))
            }
            Err(error) => {
                let culprit = if error == SignerError::KeyMismatch { key } else { certificate };
                self.refuse(
                    culprit,
                    error,
                    "give the key and the chain that belong together, as the CA issued them",
                );
                None
            }
        }
    }

    fn warn_of_expiry(&mut self, certificate: &Text, state: &SignerState) {
        let left = state.not_after.as_secs().saturating_sub(self.now.as_secs());
        if left < EXPIRY_WARNING {
            let text = format!("the certificate of signer \"{}\" expires in {} days", state.name, left / DAY);
            self.alarms.push(self.source().fault(certificate.span(), text).help("renew it"));
        }
    }

    /// The domains of the file, and the default one where something gives it anchors.
    fn domain_names(&self) -> Vec<Arc<str>> {
        let settings = &self.configuration.settings;
        let mut names: Vec<Arc<str>> = settings.trust.iter().map(|domain| Arc::clone(&domain.name)).collect();
        let default = settings.verify.anchors.is_some() || self.homes().any(|home| home == DEFAULT_TRUST);
        if default && !names.iter().any(|name| &**name == DEFAULT_TRUST) {
            names.push(DEFAULT_TRUST.into());
        }
        names
    }

    /// The domains that ephemeral signers bring their roots to.
    fn homes(&self) -> impl Iterator<Item = &str> {
        let signers = self.configuration.settings.signers.iter();
        signers.filter(|signer| matches!(signer.means, SignerMeans::Ephemeral)).map(SignerSettings::home)
    }

    fn anchors(&self, name: &str) -> Option<TrustAnchors> {
        let settings = &self.configuration.settings;
        let own = settings.trust.iter().find(|domain| &*domain.name == name).map(|domain| &domain.anchors);
        let file = own.or_else(|| settings.default_anchors().filter(|_| name == DEFAULT_TRUST));
        let mut pem = match file {
            Some(file) => self.content(file)?,
            None => Vec::new(),
        };
        if let Some(file) = file
            && let Err(error) = TrustAnchors::from_pem(&pem)
        {
            self.refuse(file, error, "give the STI roots as PEM");
            return None;
        }
        for (signer, ephemeral) in &self.ephemeral {
            if settings.signers.iter().any(|settings| settings.name == *signer && settings.home() == name) {
                pem.push(b'\n');
                pem.extend_from_slice(ephemeral.root_pem().as_bytes());
            }
        }
        // Two domains may believe the same roots, and differ in what they hold for revoked.
        TrustAnchors::from_pem(&pem).ok().map(|anchors| anchors.of_domain(name))
    }

    /// `[verify] crl` without anything to verify by is a slip.
    fn check_that_lists_have_a_domain(&self, domains: &[DomainState]) {
        let lists = self.configuration.settings.verify.revocation.as_ref();
        if let Some(list) = lists.and_then(|revocation| revocation.lists.first())
            && !domains.iter().any(|domain| &*domain.name == DEFAULT_TRUST)
        {
            let text = "nobody's certificates are believed, so there is nothing to revoke";
            let fault = self.source().fault(list.span(), text);
            self.source().report(fault.help("add `anchors`, or take the list out"));
        }
    }

    fn revocation_lists(
        &mut self,
        domain: &Arc<str>,
        anchors: &TrustAnchors,
        settings: &RevocationSettings,
    ) -> Option<RevocationLists> {
        let signed_below = match &settings.anchors {
            None => anchors.clone(),
            Some(text) => {
                let read = TrustAnchors::from_pem(&self.content(text)?);
                read.map_err(|error| {
                    self.refuse(text, error, "give the roots of whoever signs the lists as PEM")
                })
                .ok()?
            }
        };
        let mut files = Vec::new();
        for text in &settings.lists {
            let octets = self.bounded_content(text, MAX_LIST)?;
            let list = revocation::read(&octets, &signed_below, self.now);
            let help = "give a list as its issuer signed it, and in crl_anchors the roots of that issuer";
            let list = list.map_err(|error| self.refuse(text, error, help)).ok()?;
            if list.next_update().is_some_and(|due| due < self.now) {
                let fault = self.source().fault(text.span(), format!("{} is out of date", self.named(text)));
                self.alarms.push(fault.help("fetch a newer one; crl_stale says what holds until then"));
            }
            let path = self.is_path(text).then(|| self.source().resolve(text.as_str()));
            files.push(ListFile::new(path, list));
        }
        Some(RevocationLists {
            domain: Arc::clone(domain),
            anchors: anchors.clone(),
            signed_below,
            hard: settings.hard,
            files,
        })
    }

    fn policy(&self) -> VerifyPolicy {
        let settings = &self.configuration.settings.verify;
        VerifyPolicy::default()
            .freshness(settings.freshness)
            .verstat_profile(settings.verstat_profile)
            .ports(self.ports())
    }

    /// What `text` stands for: the file that it names, or itself where it is PEM, as `${...}` may bring it.
    fn content(&self, text: &Text) -> Option<Vec<u8>> {
        self.bounded_content(text, MAX_PEM)
    }

    fn bounded_content(&self, text: &Text, limit: u64) -> Option<Vec<u8>> {
        if !self.is_path(text) {
            return Some(text.as_str().as_bytes().to_vec());
        }
        let path = self.source().resolve(text.as_str());
        let read = files::read_bounded(&path, limit);
        read.map_err(|error| {
            let fault =
                self.source().fault(text.span(), format!("{} cannot be read: {error}", self.named(text)));
            self.source().report(fault.help("paths are relative to this file; may its user read the file?"));
        })
        .ok()
    }

    fn is_path(&self, text: &Text) -> bool {
        !text.as_str().trim_start().starts_with(PEM_BEGIN)
    }

    /// Reports what is wrong with the file that `text` names.
    fn refuse(&self, text: &Text, what: impl std::fmt::Display, help: &str) {
        let fault = self.source().fault(text.span(), format!("{}: {what}", self.named(text)));
        self.source().report(fault.help(help));
    }

    /// The file that `text` names. What `${...}` brought is not shown: it may be a key in a form that is not PEM.
    fn named(&self, text: &Text) -> String {
        if !self.is_path(text) {
            "the value".to_owned()
        } else if text.is_literal() {
            self.source().resolve(text.as_str()).display().to_string()
        } else {
            "what the value referred to names".to_owned()
        }
    }
}

impl SignerState {
    fn of(name: &Arc<str>, signer: &Arc<Signer>) -> Self {
        Self {
            name: Arc::clone(name),
            x5u: signer.x5u().to_string(),
            subject: signer.certificate().subject().to_owned(),
            not_after: signer.validity().1,
            signer: Some(Arc::clone(signer)),
        }
    }
}

const PEM_BEGIN: &str = "-----BEGIN";
/// Bundles of roots are the largest: a few hundred certificates.
const MAX_PEM: u64 = 1024 * 1024;
const DAY: u64 = 24 * 60 * 60;
const EXPIRY_WARNING: u64 = 14 * DAY;
