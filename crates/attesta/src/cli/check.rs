//! `attesta check`: checks whether a configuration would run.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use attesta_b2bua::Transports;
use attesta_net::{Directory, Fetcher, Names, locate};
use attesta_stir::Signer;
use attesta_stir::cert::{Certificate, CertificateChain};
use attesta_transaction::Seed;
use clap::Args;
use serde_json::json;

use super::outcome::Outcome;
use super::runtime::runtime;
use crate::assembly::reader::Strictness;
use crate::assembly::tls::TlsState;
use crate::assembly::{Assembly, assemble};
use crate::config::listen::ListenSettings;
use crate::config::trunk::TrunkSettings;
use crate::config::{self, Configuration};
use crate::console::Console;
use crate::fault::{Failure, Fault};
use crate::time;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The configuration file [default: the embedded default]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the embedded default with an explanation of every key, then exit
    #[arg(long, conflicts_with = "config")]
    print_default: bool,
}

pub(super) fn check(args: &Check, console: &Console) -> Result<Outcome, Failure> {
    if args.print_default {
        let mut out = console.out();
        out.write_all(config::DEFAULT.as_bytes())?;
        out.flush()?;
        return Ok(Outcome::Done);
    }
    let configuration = Configuration::open(args.config.as_deref()).map_err(Failure::Faults)?;
    let assembling = assemble(&configuration, time::now(), Strictness::Refuse);
    let runtime = runtime()?;
    let mut assembly = runtime.block_on(assembling).map_err(Failure::Faults)?;
    assembly.alarms.extend(runtime.block_on(unresolved_targets(&configuration)));
    assembly.alarms.extend(runtime.block_on(unpublished_certificates(&configuration, &assembly)));
    let settings = &configuration.settings;
    if settings.routes.is_empty() && !settings.trunks.is_empty() {
        assembly.alarms.push(
            Fault::new("there is no [[route]], so the edge refuses every call")
                .help("add [[route]] to = \"...\": a trunk, a list of trunks, or \"request-uri\""),
        );
    }
    for trunk in settings.trunks.iter().filter(|trunk| trunk.nat) {
        assembly.alarms.push(
            Fault::new(format!(
                "trunk {}: `nat` is for signalling only, and SDP passes unchanged",
                trunk.trunk.name()
            ))
            .help("let the peer use symmetric RTP, or put a media relay in front of the peer"),
        );
    }
    for alarm in &assembly.alarms {
        console.warn(alarm);
    }
    let report = if console.json() {
        json_report(&configuration, &assembly)
    } else {
        text_report(&configuration, &assembly, console)
    };
    assembly.builder.check().map_err(|error| Fault::new(error.to_string()))?;
    let mut out = console.out();
    out.write_all(report.as_bytes())?;
    out.flush()?;
    Ok(Outcome::Done)
}

fn targets(trunk: &TrunkSettings) -> Vec<&str> {
    trunk.targets.iter().map(|(text, _)| text.as_str()).collect()
}

/// Returns warnings for targets whose names do not resolve. These are not errors, because the names may resolve later.
async fn unresolved_targets(configuration: &Configuration) -> Vec<Fault> {
    let settings = &configuration.settings;
    let names: Arc<dyn Names> = Arc::new(resolver(configuration));
    let listeners = settings.listeners.iter();
    let transports =
        listeners.fold(Transports::none(), |all, listen| all.with(listen.transport, listen.address.ip()));
    let mut faults = Vec::new();
    for (text, target) in settings.trunks.iter().flat_map(|trunk| &trunk.targets) {
        // The seed decides the order of the servers. The order does not matter here.
        let found = locate(target.clone(), transports, names.clone(), Seed::new([0; 32])).await;
        if let Err(error) = found {
            let fault = configuration.source.fault(text.span(), format!("{}: {error}", target.host));
            faults.push(fault.help("calls to this target fail until the name resolves"));
        }
    }
    faults
}

/// Returns a resolver with the configured name servers.
fn resolver(configuration: &Configuration) -> Directory {
    configuration.settings.dns.as_deref().map_or_else(Directory::system, Directory::of)
}

/// Returns warnings for signers whose certificate URL does not serve their certificate. No verifier can verify the
/// signatures of such a signer.
async fn unpublished_certificates(configuration: &Configuration, assembly: &Assembly) -> Vec<Fault> {
    let names = Arc::new(resolver(configuration));
    let fetcher = match Fetcher::with_names(assembly.fetch.clone(), names) {
        Ok(fetcher) => fetcher,
        Err(error) => {
            return vec![
                Fault::new(error.to_string())
                    .help("install the system's root certificates, or set https_roots"),
            ];
        }
    };
    let mut faults = Vec::new();
    for signer in assembly.signers.iter().filter_map(|state| state.signer.as_deref()) {
        let text = match fetcher.fetch(signer.x5u()).await {
            Ok(document) if serves_certificate_of(document.body(), signer) => continue,
            Ok(_) => format!("{} does not serve the certificate that this edge signs with", signer.x5u()),
            Err(error) => format!("{}: {error}", signer.x5u()),
        };
        faults.push(
            Fault::new(text).help(
                "verifiers fetch the certificate from this URL; publish it there before you sign calls",
            ),
        );
    }
    faults
}

/// Returns true if `served` is a chain whose leaf is the certificate of `signer`.
fn serves_certificate_of(served: &[u8], signer: &Signer) -> bool {
    let leaf =
        CertificateChain::parse(served).ok().and_then(|chain| Certificate::from_der(chain.leaf()).ok());
    let own = signer.certificate();
    leaf.is_some_and(|leaf| {
        (leaf.issuer(), leaf.serial(), leaf.key()) == (own.issuer(), own.serial(), own.key())
    })
}

/// Returns the certificates of the listener with this index in the settings.
fn certificates(assembly: &Assembly, index: usize) -> impl Iterator<Item = &TlsState> {
    assembly.tls.iter().filter(move |state| state.listener == index)
}

fn json_report(configuration: &Configuration, assembly: &Assembly) -> String {
    let settings = &configuration.settings;
    let listener = |(index, listen): (usize, &ListenSettings)| {
        let certificate =
            |state: &TlsState| json!({ "names": state.names, "not_after": time::display(state.not_after) });
        let certificates: Vec<_> = certificates(assembly, index).map(certificate).collect();
        json!({
            "transport": listen.transport.as_str().to_ascii_lowercase(),
            "address": listen.address.to_string(),
            "certificates": certificates,
        })
    };
    let listeners: Vec<_> = settings.listeners.iter().enumerate().map(listener).collect();
    let signers: Vec<_> = assembly
        .signers
        .iter()
        .map(|signer| {
            json!({
                "name": &*signer.name,
                "x5u": signer.x5u,
                "subject": signer.subject,
                "not_after": time::display(signer.not_after),
            })
        })
        .collect();
    let trust: Vec<_> = assembly
        .domains
        .iter()
        .map(|domain| json!({ "name": &*domain.name, "anchors": domain.anchors }))
        .collect();
    let trunks: Vec<_> = settings
        .trunks
        .iter()
        .map(|trunk| json!({ "name": &**trunk.trunk.name(), "targets": targets(trunk) }))
        .collect();
    let report = json!({
        "result": "ok",
        "listeners": listeners,
        "trust": trust,
        "signers": signers,
        "trunks": trunks,
        "routes": settings.routes.len(),
        "admin": settings.admin.as_ref().map(|admin| admin.listen.to_string()),
    });
    format!("{report}\n")
}

fn text_report(configuration: &Configuration, assembly: &Assembly, console: &Console) -> String {
    let settings = &configuration.settings;
    let p = console.palette();
    let (name, value, dim, good) = (p.name, p.value, p.dim, p.good);
    let mut lines = Vec::new();
    let mut line = |key: &str, text: &str, remark: &str| {
        lines.push(
            format!("{name}{key:<8}{name:#}  {value}{text}{value:#}  {dim}{remark}{dim:#}")
                .trim_end()
                .to_owned(),
        );
    };
    for (index, listen) in settings.listeners.iter().enumerate() {
        let address = format!("{} {}", listen.transport.as_str().to_ascii_lowercase(), listen.address);
        line("listen", &address, listen.name.as_deref().unwrap_or_default());
        for state in certificates(assembly, index) {
            line("", &state.names.join(", "), &format!("until {}", time::display(state.not_after)));
        }
    }
    for domain in &assembly.domains {
        line("trust", &domain.name, &domain.anchors.join("; "));
    }
    for signer in &assembly.signers {
        let remark = format!("{}, until {}, {}", signer.subject, time::display(signer.not_after), signer.x5u);
        line("signer", &signer.name, &remark);
    }
    for trunk in &settings.trunks {
        line("trunk", trunk.trunk.name(), &targets(trunk).join(", "));
    }
    line("routes", &settings.routes.len().to_string(), "");
    match &settings.admin {
        Some(admin) => line("admin", &admin.listen.to_string(), "/metrics /health"),
        None => line("admin", "off", ""),
    }
    lines.push(format!("{good}ok{good:#}\n"));
    lines.join("\n")
}
