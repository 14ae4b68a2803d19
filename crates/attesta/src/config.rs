//! The configuration file in TOML. Every value keeps its place in the file, so that an error can name the place.
//!
//! Reading checks the form of every value. Reading also checks that every referenced name exists.
//! [`assemble`](crate::assembly::assemble) checks keys, certificates and addresses later.

mod conflicts;
pub(crate) mod identity;
pub(crate) mod listen;
pub(crate) mod names;
mod section;
pub(crate) mod service;
pub(crate) mod source;
mod streams;
pub(crate) mod trunk;
pub(crate) mod value;

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::path::Path;

use attesta::StreamLimits;
use attesta_b2bua::{Prefix, Route};
use toml::de::DeTable;

use self::identity::{FetchSettings, RevocationSettings, SignerSettings, TrustSettings, VerifySettings};
use self::listen::ListenSettings;
use self::names::{DEFAULT_TRUST, Names};
use self::section::Section;
use self::service::{AdminSettings, LogSettings};
use self::source::Source;
use self::trunk::TrunkSettings;
use self::value::Text;
use crate::fault::Fault;

/// A configuration file and its settings.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// The text of the file. A fault in a key or a certificate is reported later, at the place that names the key or
    /// certificate.
    pub(crate) source: Source,
    pub(crate) settings: Settings,
}

/// The settings of a configuration file.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listeners: Vec<ListenSettings>,
    /// The roots below which SIP servers are trusted. `None`: the roots of the system.
    pub(crate) tls_roots: Option<Text>,
    pub(crate) streams: StreamLimits,
    pub(crate) trust: Vec<TrustSettings>,
    pub(crate) signers: Vec<SignerSettings>,
    pub(crate) trunks: Vec<TrunkSettings>,
    pub(crate) routes: Vec<Route>,
    pub(crate) verify: VerifySettings,
    pub(crate) fetch: FetchSettings,
    /// The numbers of emergency services, as dialled.
    pub(crate) emergency: Vec<Prefix>,
    /// The prefixes of the numbers that the built-in callee answers.
    pub(crate) callee: Vec<Prefix>,
    /// The name servers. `None`: the name servers of the system.
    pub(crate) dns: Option<Vec<SocketAddr>>,
    /// The admin listener. `None`: off.
    pub(crate) admin: Option<AdminSettings>,
    pub(crate) log: LogSettings,
    /// The number of threads that carry calls.
    pub(crate) workers: NonZeroU8,
}

impl Configuration {
    /// Reads `path`. Without a path, reads the embedded default.
    ///
    /// # Errors
    /// Returns all faults, in the order of the file.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Vec<Fault>> {
        match path {
            Some(path) => Self::read(Source::read(path).map_err(|fault| vec![fault])?),
            None => Self::read(Source::new("the embedded default", DEFAULT, "")),
        }
    }

    fn read(source: Source) -> Result<Self, Vec<Fault>> {
        let settings = Settings::read(&source)?;
        Ok(Self { source, settings })
    }
}

impl Settings {
    fn read(source: &Source) -> Result<Self, Vec<Fault>> {
        let (document, errors) = DeTable::parse_recoverable(source.text());
        for error in errors {
            // The fault does not show the line, because the line may contain a secret.
            let span = error.span().unwrap_or_default();
            source.report(source.fault(&span, format!("this is not TOML: {}", error.message())));
        }
        let faults = source.take_faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        let settings = Self::of(Section::root(document.get_ref(), source));
        let faults = source.take_faults();
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    /// Returns the anchors file of the trust domain `default`, if there is one.
    pub(crate) fn default_anchors(&self) -> Option<&Text> {
        let own =
            self.trust.iter().find(|domain| &*domain.name == DEFAULT_TRUST).map(|domain| &domain.anchors);
        own.or(self.verify.anchors.as_ref())
    }

    /// Returns the revocation settings of the trust domain `name`, if there are any.
    pub(crate) fn revocation(&self, name: &str) -> Option<&RevocationSettings> {
        let own = self.trust.iter().find(|domain| &*domain.name == name);
        let default = self.verify.revocation.as_ref().filter(|_| name == DEFAULT_TRUST);
        own.and_then(|domain| domain.revocation.as_ref()).or(default)
    }

    fn of(root: Section<'_>) -> Self {
        let source = root.source();
        root.later(&["include", "list", "cdr", "state"]);
        let verify = root.section("verify").map(VerifySettings::read).unwrap_or_default();

        let listen = root.sections("listen");
        let trust = root.sections("trust");
        let signer = root.sections("signer");
        let trunk = root.sections("trunk");
        let names = Names::collect(&listen, &trust, &signer, &trunk, verify.anchors.is_some());

        let listeners = match listen.len() {
            0 => ListenSettings::default_pair(),
            _ => listen.into_iter().flat_map(|section| ListenSettings::read(section)).collect(),
        };
        let settings = Self {
            listeners,
            tls_roots: root.section("tls").and_then(listen::read_tls_roots),
            streams: root.section("streams").map(streams::read).unwrap_or_default(),
            trust: trust.into_iter().filter_map(|section| TrustSettings::read(section)).collect(),
            signers: signer.into_iter().filter_map(|section| SignerSettings::read(section, &names)).collect(),
            trunks: trunk
                .into_iter()
                .filter_map(|section| trunk::read_trunk(section, &names, verify.outcomes))
                .collect(),
            routes: root
                .sections("route")
                .into_iter()
                .filter_map(|section| trunk::read_route(section, &names))
                .collect(),
            verify,
            fetch: root.section("fetch").map(FetchSettings::read).unwrap_or_default(),
            emergency: root
                .section("emergency")
                .map_or_else(service::emergency_numbers, service::read_emergency),
            callee: root.section("callee").map(service::read_callee).unwrap_or_default(),
            dns: root.section("dns").and_then(service::read_dns),
            admin: root.section("admin").map_or(Some(AdminSettings::default()), AdminSettings::read),
            log: root.section("log").map(LogSettings::read).unwrap_or_default(),
            workers: root
                .section("workers")
                .and_then(service::read_workers)
                .unwrap_or_else(service::all_cores),
        };
        root.close();
        conflicts::listeners(source, &settings.listeners);
        conflicts::sources(source, &settings.trunks);
        conflicts::targets(source, &settings.listeners, &settings.trunks);
        settings
    }
}

/// The configuration of `attesta run` without a file. `check --print-default` prints it.
pub(crate) const DEFAULT: &str = include_str!("config/default.toml");

#[cfg(test)]
mod tests;
