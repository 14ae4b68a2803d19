//! The anchors and policies of `verify`: options override the configuration.

use std::path::Path;

use attesta_stir::cert::{Cache, CacheConfig, CrlError, Fetched, Revocations, TrustAnchors};
use attesta_stir::{UnixTime, VerifyPolicy, X5u, X5uError};

use super::args::{Stale, Verify};
use crate::config::Configuration;
use crate::config::identity::{FetchSettings, RevocationSettings, VerifySettings};
use crate::config::names::DEFAULT_TRUST;
use crate::config::source::Source;
use crate::config::value::Text;
use crate::console::Console;
use crate::fault::{Failure, Fault};
use crate::revocation::{self, MAX_LIST};
use crate::{files, time};

/// The trust anchors and the verification policy.
pub(super) struct Rules {
    pub(super) anchors: TrustAnchors,
    pub(super) policy: VerifyPolicy,
    pub(super) freshness: std::time::Duration,
    ports: Vec<u16>,
    /// `None` if neither options nor configuration mention revocation.
    revocations: Option<Revocations>,
}

impl Rules {
    pub(super) fn read(args: &Verify, at: UnixTime, console: &Console) -> Result<Self, Failure> {
        let configuration = match &args.config {
            Some(path) => Some(Configuration::open(Some(path)).map_err(Failure::Faults)?),
            None => None,
        };
        let settings = configuration.as_ref().map(|configuration| &configuration.settings);
        let (verify, fetch) = (VerifySettings::default(), FetchSettings::default());
        let verify = settings.map_or(&verify, |settings| &settings.verify);
        let ports = settings.map_or(&fetch, |settings| &settings.fetch).ports.clone();
        let policy = VerifyPolicy::default()
            .freshness(verify.freshness)
            .verstat_profile(verify.verstat_profile)
            .ports(ports.clone());
        let anchors = match (&args.anchors, &configuration) {
            (Some(path), _) => read_anchors(path, ANCHORS_HELP)?,
            (None, Some(configuration)) => {
                let anchors = configuration.settings.default_anchors();
                let missing = || {
                    Fault::new("no trust anchors").help("give --anchors, or set [verify] anchors in the file")
                };
                let path = configuration.source.resolve(anchors.ok_or_else(missing)?.as_str());
                read_anchors(&path, ANCHORS_HELP)?
            }
            (None, None) => return Err(Fault::new("no trust anchors").help("give --anchors").into()),
        };
        let configured = configuration.as_ref().and_then(|configuration| {
            Some((&configuration.source, configuration.settings.revocation(DEFAULT_TRUST)?))
        });
        let revocations = read_lists(args, configured, &anchors, at, console)?;
        Ok(Self { anchors, policy, freshness: verify.freshness, ports, revocations })
    }

    /// Returns a cache with the revocation lists and the certificates of `--cert`. For the cache, each certificate was just
    /// fetched from its URL.
    pub(super) fn cache(&self, args: &Verify, at: UnixTime) -> Result<Cache, Fault> {
        let mut cache = Cache::new(CacheConfig::default(), vec![self.anchors.clone()]);
        if let Some(revocations) = &self.revocations {
            cache.revocations(&self.anchors, revocations.clone());
        }
        for (url, path) in &args.cert {
            let x5u = X5u::parse(url, &self.ports).map_err(|error| {
                let fault = Fault::new(format!("--cert {url}: {error}"));
                if error == X5uError::ForbiddenPort {
                    fault.help("allowed ports are listed in [fetch] ports of --config")
                } else {
                    fault.help("write the URL of info and x5u, such as https://cr.example.net/leaf.pem")
                }
            })?;
            let octets = files::read_bounded(path, MAX_PEM)
                .map_err(|error| Fault::in_file(path.display(), format!("cannot be read: {error}")))?;
            cache.want(&x5u, at);
            cache.fetched(&x5u, at, Ok(Fetched::new(&octets)));
        }
        Ok(cache)
    }
}

/// Reads the lists of `--crl`, or else the lists of the configuration. Each list must be signed below the anchors for lists.
/// Returns `None` if there are no lists and the policy does not require lists.
fn read_lists(
    args: &Verify,
    configured: Option<(&Source, &RevocationSettings)>,
    anchors: &TrustAnchors,
    at: UnixTime,
    console: &Console,
) -> Result<Option<Revocations>, Fault> {
    let hard = match args.crl_stale {
        Some(policy) => policy == Stale::Hard,
        None => configured.is_some_and(|(_, settings)| settings.hard),
    };
    let files = match configured {
        Some((source, settings)) if args.crl.is_empty() => {
            settings.lists.iter().map(|text| content(source, text)).collect::<Result<Vec<_>, _>>()?
        }
        Some(_) | None => args.crl.iter().map(|path| read_file(path)).collect::<Result<Vec<_>, _>>()?,
    };
    if files.is_empty() && !hard {
        return Ok(None);
    }
    let help = "give a PEM file with the roots of the signer of the lists";
    let named = configured.and_then(|(source, settings)| Some((source, settings.anchors.as_ref()?)));
    let signed_below = match (&args.crl_anchors, named) {
        (Some(path), _) => read_anchors(path, help)?,
        (None, Some((source, text))) => {
            let (name, pem) = content(source, text)?;
            TrustAnchors::from_pem(&pem)
                .map_err(|error| Fault::in_file(name, error.to_string()).help(help))?
        }
        (None, None) => anchors.clone(),
    };
    let mut lists = Vec::new();
    for (name, octets) in files {
        let list = revocation::read(&octets, &signed_below, at)
            .map_err(|error| Fault::in_file(&name, error.to_string()).help(remedy(error)))?;
        if let Some(due) = list.next_update().filter(|due| *due < at) {
            let text = format!("the revocation list is past its nextUpdate, {}", time::display(due));
            let help =
                if hard { "fetch a newer list" } else { "its entries stay revoked; fetch a newer list" };
            console.warn(&Fault::in_file(name, text).help(help));
        }
        lists.push(list);
    }
    Ok(Some(Revocations::new(lists).hard(hard)))
}

/// Returns the content of a configuration value, and a name of the value for faults. The value is a file name, or PEM from
/// `${...}`.
fn content(source: &Source, text: &Text) -> Result<(String, Vec<u8>), Fault> {
    if text.as_str().trim_start().starts_with("-----BEGIN ") {
        return Ok(("the configuration".to_owned(), text.as_str().as_bytes().to_vec()));
    }
    read_file(&source.resolve(text.as_str()))
}

fn read_file(path: &Path) -> Result<(String, Vec<u8>), Fault> {
    let name = path.display().to_string();
    match files::read_bounded(path, MAX_LIST) {
        Ok(octets) => Ok((name, octets)),
        Err(error) => Err(Fault::in_file(name, format!("cannot be read: {error}"))),
    }
}

fn remedy(error: CrlError) -> &'static str {
    match error {
        CrlError::Malformed => "give the list as its issuer publishes it, PEM or DER",
        CrlError::CriticalExtension => "give the full list, not a delta list or a list for some reasons only",
        CrlError::UnknownSigner => {
            "give the signer or its root with --crl-anchors; put intermediate certificates into the file of the list"
        }
        CrlError::BadSignature => "fetch the list again: its content is not what its issuer signed",
        CrlError::NotYetValid => "check the clock, or --at",
        _ => "fetch the list again",
    }
}

fn read_anchors(path: &Path, help: &str) -> Result<TrustAnchors, Fault> {
    let fault = |text: String| Fault::in_file(path.display(), text).help(help);
    let pem =
        files::read_bounded(path, MAX_PEM).map_err(|error| fault(format!("cannot be read: {error}")))?;
    TrustAnchors::from_pem(&pem).map_err(|error| fault(error.to_string()))
}

const ANCHORS_HELP: &str = "give a PEM file with the STI roots";
const MAX_PEM: u64 = 1024 * 1024;
