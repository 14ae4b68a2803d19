//! `[[trunk]]` and `[[route]]`: the peers of calls, and how calls are routed to them.

use std::sync::Arc;
use std::time::Duration;

use attesta_b2bua::{
    ContactParams, InboundIdentity, Numbers, OnSignFailure, OutboundIdentity, Outcomes, Oversize, Reliable,
    RetryAfterRule, Route, RouteTo, Source, Target, Trunk, TrunkTimers, Trusts,
};
use attesta_sip::{Host, Status};
use attesta_stir::{Attestation, DialPlan};
use attesta_transaction::Transport;

use super::identity::TrunkVerify;
use super::names::{DEFAULT_TRUST, Names, known_name, known_names};
use super::section::Section;
use super::value::Text;

/// A trunk, and its sources and targets with their places in the file.
#[derive(Debug)]
pub(crate) struct TrunkSettings {
    pub(crate) trunk: Trunk,
    pub(crate) targets: Vec<(Text, Target)>,
    pub(super) sources: Vec<(Text, Source)>,
    /// True if connections must prove a name as well as an address.
    pub(super) by_name: bool,
    /// True if the trunk's peers are behind a NAT.
    pub(crate) nat: bool,
}

/// Reads one `[[trunk]]`. `outcomes` are the values of `[verify]`.
pub(super) fn read_trunk(section: Section<'_>, names: &Names, outcomes: Outcomes) -> Option<TrunkSettings> {
    section.later(&["digest", "limits", "media", "headers_in", "headers_out"]);
    let name = section.text("name");
    let mut trunk = Trunk::new(name.as_ref().map_or("", Text::as_str));

    let sources = read_sources(&section);
    for (_, source) in &sources {
        trunk = trunk.source(*source);
    }
    let domains = "domains in the peer's certificate, such as \"sip.acme.example\"";
    for domain in section.parsed_list("tls_names", domains, domain).into_iter().flatten() {
        trunk = trunk.tls_name(&domain);
    }
    let targets = read_targets(&section);
    for (_, target) in &targets {
        trunk = trunk.target(target.clone());
    }
    for listener in known_names(&section, "listen", "listener", &names.listeners) {
        trunk = trunk.listener(listener);
    }
    let inbound = section.choice("inbound_identity", INBOUND, &[]).unwrap_or_default();
    let outbound = section.choice("outbound_identity", OUTBOUND, &[]).unwrap_or_default();
    require_trust_and_signer(&section, names, inbound, outbound);
    trunk = trunk.inbound_identity(inbound).outbound_identity(outbound);
    trunk = read_origin(&section, names, trunk);
    trunk = read_egress(&section, names, trunk);
    trunk = trunk.timers(read_timers(&section));
    let nat = section.boolean("nat").unwrap_or_default();
    trunk = trunk.nat(nat);
    if let Some(every) = section.duration("keep_alive", KEEP_ALIVE) {
        trunk = trunk.keep_alive(every);
    }
    if let Some(reliable) = section.choice("reliable", RELIABLE, &[]) {
        trunk = trunk.reliable(reliable);
    }
    if let Some(params) = section.choice("contact_params", CONTACT_PARAMS, &[]) {
        trunk = trunk.contact_params(params);
    }
    let verify = section.section("verify").map(|verify| TrunkVerify::read(verify, outcomes));
    if let Some(budget) = verify.as_ref().and_then(|verify| verify.budget) {
        trunk = trunk.budget(budget);
    }
    trunk = trunk.outcomes(verify.map_or(outcomes, |verify| verify.outcomes));
    let by_name = section.has("tls_names");
    section.close();
    name.map(|_| TrunkSettings { trunk, targets, sources, by_name, nat })
}

fn read_sources(section: &Section<'_>) -> Vec<(Text, Source)> {
    let what = "addresses: \"10.1.0.5\", \"10.1.0.5:5060\" or \"10.1.0.0/16\"";
    let read = |text: Text| {
        let source = section.parse_text(&text, what, |text| text.parse().ok())?;
        Some((text, source))
    };
    section.texts("sources").unwrap_or_default().into_iter().filter_map(read).collect()
}

/// Parses a domain in the form of a certificate. A URI or a wildcard is refused.
fn domain(text: &str) -> Option<String> {
    let valid = matches!(Host::parse(text.as_bytes()), Ok(Host::Name(name)) if name.len() == text.len());
    valid.then(|| text.to_owned())
}

fn read_targets(section: &Section<'_>) -> Vec<(Text, Target)> {
    let what = "SIP URIs, such as \"sip:10.1.0.9:5060\"";
    let read = |text: Text| {
        let target = section.parse_text(&text, what, |text| Target::of(text.as_bytes()))?;
        if target.transport.is_some_and(Transport::is_websocket) {
            let help = "only the peer can open a WebSocket (RFC 7118); use udp, tcp or tls";
            section.refuse(&text, format!("no call can reach {}", text.shown()), help.to_owned());
            return None;
        }
        Some((text, target))
    };
    section.texts("targets").unwrap_or_default().into_iter().filter_map(read).collect()
}

/// Reads the settings for calls that come from the trunk.
fn read_origin(section: &Section<'_>, names: &Names, mut trunk: Trunk) -> Trunk {
    if let Some(plan) = section.section("dialplan").and_then(read_dial_plan) {
        trunk = trunk.dial_plan(plan);
    }
    if let Some(numbers) = read_numbers(section) {
        trunk = trunk.numbers(numbers);
    }
    if let Some(attest) = section.choice("attest", ATTESTATIONS, &[]) {
        trunk = trunk.attest(attest);
    }
    if let Some(attest) = section.choice("unknown_attest", ATTESTATIONS, &[]) {
        trunk = trunk.unknown_attest(attest);
    }
    for signer in known_names(section, "signers", "signer", &names.signers) {
        trunk = trunk.vouched_by(signer);
    }
    if let Some(trusted) = section.choices("trusts", TRUSTS, &[]) {
        let mut trusts = Trusts { asserted_identity: false, ..Trusts::default() };
        for statement in trusted {
            match statement {
                Trusted::AssertedIdentity => trusts.asserted_identity = true,
                Trusted::Verstat => trusts.verstat = true,
                Trusted::AttestHeaders => trusts.attest_headers = true,
                Trusted::Diversion => trusts.diversion = true,
            }
        }
        trunk = trunk.trusts(trusts);
    }
    trunk
}

/// Reads the settings for calls to the trunk.
fn read_egress(section: &Section<'_>, names: &Names, mut trunk: Trunk) -> Trunk {
    if let Some(signer) =
        section.text("signer").and_then(|text| known_name(section, &text, "signer", &names.signers))
    {
        trunk = trunk.signer(signer);
    }
    if let Some(trust) =
        section.text("trust").and_then(|text| known_name(section, &text, "trust domain", &names.trust))
    {
        trunk = trunk.trust(trust);
    }
    if let Some(consequence) = section.choice("on_sign_failure", ON_SIGN_FAILURE, &[]) {
        trunk = trunk.on_sign_failure(consequence);
    }
    if let Some(failover) = section.section("failover") {
        let (codes, retry_after) = read_failover(failover);
        trunk = trunk.failover(codes).retry_after(retry_after);
    }
    if let Some(treatment) = section.choice("oversize", OVERSIZE, &[]) {
        trunk = trunk.oversize(treatment);
    }
    if let Some(health) = section.section("health") {
        health.later(&["options"]);
        if let Some(resume) = health.duration("resume", RESUME) {
            trunk = trunk.resume(resume);
        }
        health.close();
    }
    trunk
}

/// Reads the responses after which the next target is tried, and what a Retry-After does. `exhausted` has one value so far.
fn read_failover(section: Section<'_>) -> (Vec<Status>, RetryAfterRule) {
    let retry_after = section.choice("retry_after", RETRY_AFTER, &[]).unwrap_or_default();
    section.choice("exhausted", &[("relay", ())], &[]);
    let codes = section.integers("codes", 100..=699).unwrap_or_default();
    let statuses = codes.into_iter().filter_map(|code| Status::new(u16::try_from(code).ok()?));
    let (may, never): (Vec<_>, Vec<_>) = statuses.partition(|status| Trunk::may_fail_over(*status));
    for status in never {
        let text = format!("{} cannot make the edge try another target", status.code());
        let help = "use 400 to 599 except 401, 407, 486 and 487; a busy or declining callee must not be tried at another target";
        section.report(section.source().fault(section.span(), text).help(help));
    }
    section.close();
    (may, retry_after)
}

/// Reads how the trunk's callers dial numbers.
fn read_dial_plan(section: Section<'_>) -> Option<DialPlan> {
    let digits = |key| {
        section.parsed(key, "digits, such as \"1\"", |text| {
            text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.to_owned())
        })
    };
    section.require("country");
    let (country, national, international) = (digits("country"), digits("national"), digits("international"));
    section.close();
    DialPlan::new(&country?, &national.unwrap_or_default(), &international.unwrap_or_default()).ok()
}

/// Reads a list of prefixes, or the word `any`.
fn read_numbers(section: &Section<'_>) -> Option<Numbers> {
    let texts = section.texts("numbers")?;
    if let [only] = texts.as_slice()
        && only.as_str() == "any"
    {
        return Some(Numbers::any());
    }
    let prefix = |text: &Text| {
        section
            .parse_text(text, "number prefixes, such as [\"+1215555\"], or \"any\"", |text| text.parse().ok())
    };
    Some(Numbers::starting(texts.iter().filter_map(prefix).collect()))
}

fn read_timers(section: &Section<'_>) -> TrunkTimers {
    let default = TrunkTimers::default();
    let Some(timers) = section.section("timers") else { return default };
    let read = TrunkTimers {
        no_response: timers.duration("no_response", NO_RESPONSE).unwrap_or(default.no_response),
        ring: timers.duration("ring", RING).unwrap_or(default.ring),
        max_call: timers.duration("max_call", MAX_CALL).unwrap_or(default.max_call),
        session: read_session(&timers, default.session),
        min_session: timers.duration("min_session", SESSION).unwrap_or(default.min_session),
    };
    timers.close();
    read
}

/// Reads the session interval: a time, or `off`.
fn read_session(timers: &Section<'_>, default: Option<Duration>) -> Option<Duration> {
    match timers.plain_text("session").as_deref() {
        None => default,
        Some("off") => timers.text("session").and(None),
        Some(_) => timers.duration("session", SESSION).or(default),
    }
}

/// Reports a trunk that verifies without a trust domain or signs without a signer. Here the place in the file is known.
fn require_trust_and_signer(
    section: &Section<'_>,
    names: &Names,
    inbound: InboundIdentity,
    outbound: OutboundIdentity,
) {
    let verifies = inbound == InboundIdentity::Verify && (section.has("sources") || section.has("tls_names"));
    let without_trust = match names.trust.as_slice() {
        [] | [_] => false,
        several => !section.has("trust") && !several.iter().any(|name| name == DEFAULT_TRUST),
    };
    if verifies && without_trust {
        let fault = section
            .source()
            .fault(section.span(), "this trunk verifies, but it does not name one of the trust domains");
        section.report(fault.help(format!("add trust = one of: {}", names.trust.join(", "))));
    }
    if verifies && names.trust.is_empty() {
        let fault =
            section.source().fault(section.span(), "this trunk verifies, but the file has no trust domain");
        section.report(
            fault.help("add [verify] anchors = \"roots.pem\", or set inbound_identity = \"pass\" here"),
        );
    }
    let signs = outbound == OutboundIdentity::Sign && section.has("targets");
    if signs && names.signers.is_empty() {
        let fault = section
            .source()
            .fault(section.span(), "calls to this trunk are signed, but the file has no signer");
        section.report(fault.help("add a [[signer]], or set outbound_identity = \"pass\" here"));
    }
}

/// Reads one `[[route]]`.
pub(super) fn read_route(section: Section<'_>, names: &Names) -> Option<Route> {
    let from = section.text("from").and_then(|text| known_name(&section, &text, "trunk", &names.trunks));
    let number = section.parsed("number", "a number prefix, such as \"+1\"", |text| text.parse().ok());
    section.require("to");
    let to = section.texts("to").unwrap_or_default();
    let to = match to.as_slice() {
        [only] if only.as_str() == "request-uri" => RouteTo::RequestUri,
        several => {
            RouteTo::Trunks(several.iter().filter_map(|text| destination(&section, text, names)).collect())
        }
    };
    section.close();
    let mut route = Route::new(to);
    if let Some(from) = from {
        route = route.from(from);
    }
    if let Some(number) = number {
        route = route.number(number);
    }
    Some(route)
}

/// Returns the trunk that `text` names. The trunk must have targets.
fn destination(section: &Section<'_>, text: &Text, names: &Names) -> Option<Arc<str>> {
    let trunk = known_name(section, text, "trunk", &names.trunks)?;
    if !names.with_targets.iter().any(|name| **name == *trunk) {
        section.refuse(
            text,
            format!("trunk {} has no targets", text.shown()),
            "add targets = [\"sip:...\"] to that trunk",
        );
    }
    Some(trunk)
}

/// The values of `trusts`.
#[derive(Clone, Copy)]
enum Trusted {
    AssertedIdentity,
    Verstat,
    AttestHeaders,
    Diversion,
}

const TRUSTS: &[(&str, Trusted)] = &[
    ("pai", Trusted::AssertedIdentity),
    ("verstat", Trusted::Verstat),
    ("attest-headers", Trusted::AttestHeaders),
    ("diversion", Trusted::Diversion),
];
const ATTESTATIONS: &[(&str, Option<Attestation>)] =
    &[("A", Some(Attestation::A)), ("B", Some(Attestation::B)), ("C", Some(Attestation::C)), ("none", None)];
const INBOUND: &[(&str, InboundIdentity)] = &[
    ("verify", InboundIdentity::Verify),
    ("pass", InboundIdentity::Pass),
    ("strip", InboundIdentity::Strip),
];
const OUTBOUND: &[(&str, OutboundIdentity)] =
    &[("sign", OutboundIdentity::Sign), ("pass", OutboundIdentity::Pass), ("strip", OutboundIdentity::Strip)];
const OVERSIZE: &[(&str, Oversize)] = &[("tcp", Oversize::Tcp), ("datagram", Oversize::Datagram)];
const RETRY_AFTER: &[(&str, RetryAfterRule)] =
    &[("respect", RetryAfterRule::Respect), ("ignore", RetryAfterRule::Ignore)];
const CONTACT_PARAMS: &[(&str, ContactParams)] =
    &[("own", ContactParams::Own), ("relay", ContactParams::Relay)];
const RELIABLE: &[(&str, Reliable)] = &[("relay", Reliable::Relay), ("local", Reliable::Local)];
const ON_SIGN_FAILURE: &[(&str, OnSignFailure)] =
    &[("continue", OnSignFailure::Continue), ("reject", OnSignFailure::Reject)];
const NO_RESPONSE: std::ops::RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(32);
const RING: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
const MAX_CALL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
const SESSION: std::ops::RangeInclusive<Duration> = Duration::from_secs(90)..=Duration::from_secs(24 * 3600);
const KEEP_ALIVE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(30)..=Duration::from_secs(24 * 3600);
const RESUME: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
