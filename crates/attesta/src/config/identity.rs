//! `[[trust]]`, `[[signer]]`, `[verify]` and `[fetch]`: the trusted certificates, and the signers of this edge.

use std::sync::Arc;
use std::time::Duration;

use attesta_b2bua::{Consequence, Outcomes};
use attesta_sip::Status;
use attesta_stir::VerstatProfile;
use ipnet::IpNet;

use super::names::{DEFAULT_TRUST, Names, known_name};
use super::section::Section;
use super::source::Span;
use super::value::Text;

/// `[[trust]]`: a trust domain.
#[derive(Debug)]
pub(crate) struct TrustSettings {
    pub(crate) name: Arc<str>,
    /// The file with the roots.
    pub(crate) anchors: Text,
    pub(crate) revocation: Option<RevocationSettings>,
}

impl TrustSettings {
    pub(super) fn read(section: Section<'_>) -> Option<Self> {
        section.later(&["trust_list"]);
        let name = section.text("name");
        let anchors = section.required_text("anchors");
        let revocation = RevocationSettings::read(&section);
        section.close();
        Some(Self { name: name?.as_str().into(), anchors: anchors?, revocation })
    }
}

/// `crl`, `crl_anchors` and `crl_stale`: the revocation lists of a trust domain.
#[derive(Debug)]
pub(crate) struct RevocationSettings {
    /// The files of the revocation lists.
    pub(crate) lists: Vec<Text>,
    /// The file with the roots that the certificates of the list signers must chain to. `None`: the roots of the domain.
    pub(crate) anchors: Option<Text>,
    /// True for `crl_stale = "hard"`: no certificate verifies while a list is past its nextUpdate.
    pub(crate) hard: bool,
}

impl RevocationSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let anchors = section.text("crl_anchors");
        let hard = section.choice("crl_stale", STALE, &[]);
        if section.has("crl_anchors") || section.has("crl_stale") {
            section.require("crl");
        }
        let lists = section.texts("crl")?;
        Some(Self { lists, anchors, hard: hard.unwrap_or_default() })
    }
}

/// `[[signer]]`: a key and its certificate.
#[derive(Debug)]
pub(crate) struct SignerSettings {
    pub(crate) name: Arc<str>,
    pub(crate) means: SignerMeans,
    /// The trust domain in which the signer may be used. `None`: all domains.
    pub(crate) trust: Option<Arc<str>>,
    pub(crate) span: Span,
}

/// The source of a signer's key.
#[derive(Debug)]
pub(crate) enum SignerMeans {
    /// The names of the files, or their content as PEM from `${...}`.
    Files { key: Text, certificate: Text, x5u: Text },
    /// The edge creates the key at start, with a certificate below a root of its own. A web server on loopback serves the
    /// certificate.
    Ephemeral,
}

impl SignerSettings {
    pub(super) fn read(section: Section<'_>, names: &Names) -> Option<Self> {
        let name = section.text("name");
        let trust =
            section.text("trust").and_then(|text| known_name(&section, &text, "trust domain", &names.trust));
        let means = if section.boolean("ephemeral") == Some(true) {
            for key in ["key", "certificate", "x5u"] {
                if let Some(text) = section.text(key) {
                    section.refuse(
                        &text,
                        format!("an ephemeral signer creates its own `{key}`"),
                        "remove the key",
                    );
                }
            }
            Some(SignerMeans::Ephemeral)
        } else {
            let (key, certificate) = (section.required_text("key"), section.required_text("certificate"));
            let x5u = section.required_text("x5u");
            key.zip(certificate).zip(x5u).map(|((key, certificate), x5u)| SignerMeans::Files {
                key,
                certificate,
                x5u,
            })
        };
        let span = section.span().clone();
        section.close();
        Some(Self { name: name?.as_str().into(), means: means?, trust, span })
    }

    /// Returns the trust domain that gets the root of an ephemeral signer.
    pub(crate) fn root_domain(&self) -> &str {
        self.trust.as_deref().unwrap_or(DEFAULT_TRUST)
    }
}

/// `[verify]`: how calls are verified.
#[derive(Debug)]
pub(crate) struct VerifySettings {
    /// The file with the roots of the trust domain `default`.
    pub(crate) anchors: Option<Text>,
    /// The revocation lists of the trust domain `default`.
    pub(crate) revocation: Option<RevocationSettings>,
    pub(crate) freshness: Duration,
    pub(crate) budget: Duration,
    pub(crate) outcomes: Outcomes,
    pub(crate) verstat_profile: VerstatProfile,
}

impl Default for VerifySettings {
    fn default() -> Self {
        Self {
            anchors: None,
            revocation: None,
            freshness: Duration::from_secs(60),
            budget: Duration::from_millis(300),
            outcomes: Outcomes::default(),
            verstat_profile: VerstatProfile::default(),
        }
    }
}

impl VerifySettings {
    pub(super) fn read(section: Section<'_>) -> Self {
        section.later(&["tolerate"]);
        let default = Self::default();
        let settings = Self {
            anchors: section.text("anchors"),
            revocation: RevocationSettings::read(&section),
            freshness: section.duration("freshness", FRESHNESS).unwrap_or(default.freshness),
            budget: section.duration("budget", BUDGET).unwrap_or(default.budget),
            outcomes: read_outcomes(&section, default.outcomes),
            verstat_profile: section
                .choice("verstat_profile", VERSTAT_PROFILES, &[])
                .unwrap_or(default.verstat_profile),
        };
        section.close();
        settings
    }
}

/// `[trunk.verify]`: settings for the calls of one trunk.
#[derive(Debug, Default)]
pub(super) struct TrunkVerify {
    pub(super) budget: Option<Duration>,
    pub(super) outcomes: Outcomes,
}

impl TrunkVerify {
    pub(super) fn read(section: Section<'_>, outcomes: Outcomes) -> Self {
        section.later(&[
            "anchors",
            "freshness",
            "verstat_profile",
            "crl",
            "crl_anchors",
            "crl_stale",
            "tolerate",
        ]);
        let verify =
            Self { budget: section.duration("budget", BUDGET), outcomes: read_outcomes(&section, outcomes) };
        section.close();
        verify
    }
}

/// Reads `on`, and `on_failure`, the short form of `on.failed`. For absent keys, the values in `outcomes` stay.
fn read_outcomes(section: &Section<'_>, mut outcomes: Outcomes) -> Outcomes {
    let short = section.consequence("on_failure");
    if let Some(on) = section.section("on") {
        let failed = on.consequence("failed");
        if let (Some(_), Some(_)) = (&short, &failed) {
            let fault = section.source().fault(on.span(), "`on_failure` and `on.failed` set the same value");
            section.report(fault.help("keep one of them"));
        }
        outcomes.failed = failed.unwrap_or(outcomes.failed);
        outcomes.missing = on.consequence("missing").unwrap_or(outcomes.missing);
        outcomes.unavailable = on.consequence("unavailable").unwrap_or(outcomes.unavailable);
        outcomes.no_number = on.consequence("no_number").unwrap_or(outcomes.no_number);
        on.close();
    }
    outcomes.failed = short.unwrap_or(outcomes.failed);
    outcomes
}

impl Section<'_> {
    /// Reads `continue`, `reject` or `reject:CODE`.
    fn consequence(&self, key: &'static str) -> Option<Consequence> {
        let text = self.text(key)?;
        if text.as_str() == "mask" {
            self.refuse(
                &text,
                format!("`{key} = \"mask\"` is not supported yet"),
                "use continue, reject or reject:CODE",
            );
            return None;
        }
        let read = |text: &str| match text.split_once(':') {
            None if text == "continue" => Some(Consequence::Continue),
            None if text == "reject" => Some(Consequence::Reject),
            Some(("reject", code)) => {
                let code = code.parse().ok().filter(|code| (400..=699).contains(code))?;
                Status::new(code).map(Consequence::RejectWith)
            }
            _ => None,
        };
        self.parse_text(
            &text,
            "\"continue\", \"reject\" or \"reject:CODE\" with a code from 400 to 699",
            read,
        )
    }
}

/// `[fetch]`: how certificates are fetched.
#[derive(Debug)]
pub(crate) struct FetchSettings {
    pub(crate) ports: Vec<u16>,
    pub(crate) allow_private: Vec<IpNet>,
    /// The file with additional HTTPS roots.
    pub(crate) https_roots: Option<Text>,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self { ports: vec![443, 8443], allow_private: Vec::new(), https_roots: None }
    }
}

impl FetchSettings {
    pub(super) fn read(section: Section<'_>) -> Self {
        let default = Self::default();
        let ports = section.integers("ports", 1..=u64::from(u16::MAX));
        let network =
            |text: &str| text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from)).ok();
        let settings = Self {
            ports: ports
                .map(|ports| ports.into_iter().filter_map(|port| u16::try_from(port).ok()).collect())
                .unwrap_or(default.ports),
            allow_private: section
                .parsed_list("allow_private", "networks, such as [\"10.0.0.0/8\", \"::1\"]", network)
                .unwrap_or_default(),
            https_roots: section.text("https_roots"),
        };
        section.close();
        settings
    }
}

const STALE: &[(&str, bool)] = &[("soft", false), ("hard", true)];
const VERSTAT_PROFILES: &[(&str, VerstatProfile)] =
    &[("ts24229", VerstatProfile::Ts24229), ("atis-1000082", VerstatProfile::Atis1000082)];
/// The range of `freshness`. RFC 8224 section 6.2.2 recommends 60 s. With more than an hour, an attacker could replay a
/// recorded token for too long.
const FRESHNESS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// The range of `budget`. Callers hang up if they wait more than ten seconds.
const BUDGET: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(10);
