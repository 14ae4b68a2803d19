//! `attesta verify`: every Identity header field of one message, judged offline.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use attesta_b2bua::Trunk;
use attesta_sip::{Limits, Message, Request};
use attesta_stir::cert::{Cache, CacheConfig, Fetched, TrustAnchors};
use attesta_stir::{
    Finding, Outcome as CheckOutcome, UnixTime, Verdict, Verification, Verifier, VerifyPolicy, X5u,
};
use bytes::Bytes;
use serde::Serialize;

use super::input::Input;
use super::screen::{Palette, Screen};
use super::{Outcome, Verify, time};
use crate::config::{Configuration, FetchSettings, VerifySettings};
use crate::fault::{Failure, Fault};
use crate::files;

pub(super) fn verify(args: &Verify, screen: &Screen) -> Result<Outcome, Failure> {
    let at = args.at.unwrap_or_else(time::now);
    let rules = Rules::read(args)?;
    let request = read_request(args)?;
    let mut cache = Cache::new(CacheConfig::default(), vec![rules.anchors.clone()]);
    for (url, path) in &args.cert {
        rules.know(&mut cache, url, path, at)?;
    }
    let verifier = Verifier::new(rules.anchors, rules.policy);
    // Whom the message came from is not known: what holds is what holds for any trunk.
    let anybody = Trunk::new("anybody");
    let verification = attesta_b2bua::verify(&request, &anybody, &verifier, &cache.snapshot(), at).give_up();
    let judgement = Judgement::of(&verification);
    let mut out = screen.out();
    if screen.json_or_piped() {
        serde_json::to_writer(&mut out, &judgement).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        judgement.write(&mut out, screen.palette())?;
    }
    out.flush()?;
    Ok(match verification.verdict() {
        Verdict::Pass => Outcome::Done,
        Verdict::Fail => Outcome::No,
        Verdict::None => Outcome::Nothing,
    })
}

/// Reads `URL=FILE`. A URL that may be fetched has no query, so the last `=` is the one between the two.
pub(super) fn certificate(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((url, file)) if !url.is_empty() && !file.is_empty() => Ok((url.to_owned(), file.into())),
        _ => Err("write URL=FILE, such as https://cr.example.net/leaf.pem=leaf.pem".into()),
    }
}

/// What is believed, and how strictly.
struct Rules {
    anchors: TrustAnchors,
    policy: VerifyPolicy,
    ports: Vec<u16>,
}

impl Rules {
    fn read(args: &Verify) -> Result<Self, Failure> {
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
        let path = match (&args.anchors, &configuration) {
            (Some(path), _) => path.clone(),
            (None, Some(configuration)) => {
                let anchors = configuration.settings.default_anchors();
                let missing = || {
                    Fault::new("no anchors to believe")
                        .help("give --anchors, or [verify] anchors in the file")
                };
                configuration.source.resolve(anchors.ok_or_else(missing)?.as_str())
            }
            (None, None) => return Err(Fault::new("no anchors to believe").help("give --anchors").into()),
        };
        let fault = |text: String| Fault::in_file(path.display(), text).help("give the STI roots as PEM");
        let pem =
            files::read_bounded(&path, MAX_PEM).map_err(|error| fault(format!("cannot be read: {error}")))?;
        let anchors = TrustAnchors::from_pem(&pem).map_err(|error| fault(error.to_string()))?;
        Ok(Self { anchors, policy, ports })
    }

    /// Puts what `path` holds into the cache, as if `url` had just served it.
    fn know(&self, cache: &mut Cache, url: &str, path: &Path, at: UnixTime) -> Result<(), Fault> {
        let x5u = X5u::parse(url, &self.ports).map_err(|error| {
            Fault::new(format!("--cert {url}: {error}"))
                .help("the ports are those of [fetch] ports in --config")
        })?;
        let octets = files::read_bounded(path, MAX_PEM)
            .map_err(|error| Fault::in_file(path.display(), format!("cannot be read: {error}")))?;
        cache.want(&x5u, at);
        cache.fetched(&x5u, at, Ok(Fetched::new(&octets)));
        Ok(())
    }
}

fn read_request(args: &Verify) -> Result<Request, Fault> {
    let input = Input::new(&args.message);
    let octets = input.read(MAX_MESSAGE)?;
    match Message::parse(Bytes::from(octets), &Limits::default()) {
        Ok(Message::Request(request)) => Ok(request),
        Ok(Message::Response(_)) => Err(Fault::in_file(input.name(), "this is a response")
            .help("give the request whose caller is in question")),
        Err(error) => Err(Fault::in_file(input.name(), format!("this is no SIP message: {error}"))),
    }
}

/// What is printed, in the order of the contract.
#[derive(Debug, Serialize)]
struct Judgement {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attest: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origid: Option<String>,
    verstat: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    identities: Vec<JudgedIdentity>,
    #[serde(skip)]
    phrase: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct JudgedIdentity {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    ppt: Option<&'static str>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    checks: Vec<MadeCheck>,
}

#[derive(Debug, Serialize)]
struct MadeCheck {
    check: &'static str,
    result: &'static str,
    #[serde(skip)]
    outcome: CheckOutcome,
}

impl Judgement {
    fn of(verification: &Verification) -> Self {
        let reason = verification.reason();
        let identities = verification.findings().iter().enumerate();
        Self {
            verdict: verification.verdict().as_str(),
            attest: verification.attestation().map(|attestation| attestation.as_str()),
            origid: verification.origid().map(|origid| origid.to_string()),
            verstat: verification.verstat().as_str(),
            code: reason.map(|reason| reason.code()),
            reason: reason.map(|reason| reason.as_str()),
            identities: identities.map(|(index, finding)| JudgedIdentity::of(index, finding)).collect(),
            phrase: reason.map(|reason| reason.phrase()),
        }
    }

    fn write(&self, out: &mut impl Write, palette: Palette) -> io::Result<()> {
        let style = match self.verdict {
            "pass" => palette.good,
            "fail" => palette.bad,
            _ => palette.warn,
        };
        let (name, dim) = (palette.name, palette.dim);
        write!(out, "{style}{}{style:#}", self.verstat)?;
        if let Some(attest) = self.attest {
            write!(out, "  attest {attest}")?;
        }
        if let Some(origid) = &self.origid {
            write!(out, "  {dim}origid {origid}{dim:#}")?;
        }
        if let (Some(reason), Some(code), Some(phrase)) = (self.reason, self.code, self.phrase) {
            write!(out, "  {reason}  {dim}{code} {phrase}{dim:#}")?;
        }
        writeln!(out)?;
        for identity in &self.identities {
            let reason = identity.reason.unwrap_or_default();
            writeln!(
                out,
                "  {name}Identity {}{name:#}  {}  {}  {reason}",
                identity.index,
                identity.ppt.unwrap_or("unknown"),
                identity.result
            )?;
            for check in &identity.checks {
                let (mark, style) = match check.outcome {
                    CheckOutcome::Pass => ("pass", palette.good),
                    CheckOutcome::Fail => ("fail", palette.bad),
                    CheckOutcome::Skipped => ("skipped", palette.dim),
                };
                writeln!(out, "    {:<14}{style}{mark}{style:#}", check.check)?;
            }
        }
        Ok(())
    }
}

impl JudgedIdentity {
    fn of(index: usize, finding: &Finding) -> Self {
        let reason = finding.reason();
        let check = |(check, outcome): (attesta_stir::Check, CheckOutcome)| MadeCheck {
            check: check.as_str(),
            result: outcome.as_str(),
            outcome,
        };
        Self {
            index,
            ppt: finding.ppt().map(|ppt| ppt.as_str()),
            result: finding.result().as_str(),
            reason: reason.map(|reason| reason.as_str()),
            code: reason.map(|reason| reason.code()),
            checks: finding.checks().iter().map(check).collect(),
        }
    }
}

const MAX_PEM: u64 = 1024 * 1024;
const MAX_MESSAGE: u64 = 65_535;
