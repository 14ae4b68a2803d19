//! Trunks: the peers that calls come from and go to, and the rules for their calls.

pub(crate) mod health;
pub(crate) mod numbers;
pub(crate) mod rules;
pub(crate) mod source;
pub(crate) mod target;

use std::sync::Arc;
use std::time::Duration;

use attesta_sip::Status;
use attesta_stir::{Attestation, DialPlan};
use attesta_transaction::Flow;

use crate::trunk::numbers::Numbers;
use crate::trunk::rules::{
    ContactParams, InboundIdentity, LegRules, OnSignFailure, OutboundIdentity, Outcomes, Oversize, Reliable,
    RetryAfterRule, SessionRules, TrunkTimers, Trusts,
};
use crate::trunk::source::Source;
use crate::trunk::target::Target;

/// A peer: the source addresses or proved domains of its calls, the targets of calls to it, and the rules for both
/// directions.
///
/// Every setting has a default. Without sources and TLS names, no call comes from the trunk. Without targets, no call
/// goes to the trunk.
#[derive(Clone, Debug)]
pub struct Trunk {
    pub(crate) name: Arc<str>,
    pub(crate) sources: Vec<Source>,
    pub(crate) tls_names: Vec<Box<str>>,
    pub(crate) targets: Vec<Target>,
    pub(crate) listeners: Vec<Arc<str>>,
    pub(crate) dial_plan: DialPlan,
    pub(crate) numbers: Numbers,
    pub(crate) attest: Option<Attestation>,
    pub(crate) unknown_attest: Option<Attestation>,
    pub(crate) signers: Vec<Arc<str>>,
    pub(crate) signer: Option<Arc<str>>,
    pub(crate) trust: Option<Arc<str>>,
    pub(crate) inbound_identity: InboundIdentity,
    pub(crate) outbound_identity: OutboundIdentity,
    pub(crate) on_sign_failure: OnSignFailure,
    pub(crate) outcomes: Outcomes,
    pub(crate) budget: Option<Duration>,
    pub(crate) trusts: Trusts,
    pub(crate) timers: TrunkTimers,
    pub(crate) failover: Vec<Status>,
    pub(crate) oversize: Oversize,
    pub(crate) resume: Duration,
    pub(crate) contact_params: ContactParams,
    pub(crate) nat: bool,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) reliable: Reliable,
    pub(crate) retry_after: RetryAfterRule,
}

impl Trunk {
    /// A trunk with this name: no sources, no targets, no signers, `verify` inbound, `sign` outbound.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            sources: Vec::new(),
            tls_names: Vec::new(),
            targets: Vec::new(),
            listeners: Vec::new(),
            dial_plan: DialPlan::default(),
            numbers: Numbers::none(),
            attest: Some(Attestation::A),
            unknown_attest: Some(Attestation::B),
            signers: Vec::new(),
            signer: None,
            trust: None,
            inbound_identity: InboundIdentity::default(),
            outbound_identity: OutboundIdentity::default(),
            on_sign_failure: OnSignFailure::default(),
            outcomes: Outcomes::default(),
            budget: None,
            trusts: Trusts::default(),
            timers: TrunkTimers::default(),
            failover: Vec::new(),
            oversize: Oversize::default(),
            resume: Duration::from_secs(60),
            contact_params: ContactParams::default(),
            nat: false,
            keep_alive: None,
            reliable: Reliable::default(),
            retry_after: RetryAfterRule::default(),
        }
    }

    /// Adds a source address: calls from there belong to this trunk. Of overlapping sources, the most specific wins.
    #[must_use]
    pub fn source(mut self, source: Source) -> Self {
        self.sources.push(source);
        self
    }

    /// Adds a domain that the peer's connections prove by their certificate (RFC 5922 section 7.4). If there are
    /// several domains, one of them is enough. With a TLS name, a call belongs to this trunk only if its connection has
    /// proved such a name. If the trunk also has sources, the call must come from one of them too. A trunk that fits by
    /// name wins over a trunk that fits by source only.
    #[must_use]
    pub fn tls_name(mut self, domain: &str) -> Self {
        self.tls_names.push(domain.trim_end_matches('.').to_ascii_lowercase().into());
        self
    }

    /// Adds a target. Targets are tried in the order in which they are added.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Adds a listener from which calls to this trunk are sent. Default: the first listener that fits the target.
    #[must_use]
    pub fn listener(mut self, name: impl Into<Arc<str>>) -> Self {
        self.listeners.push(name.into());
        self
    }

    /// How the trunk's callers dial numbers. Default: every number is taken as it is written.
    #[must_use]
    pub fn dial_plan(mut self, plan: DialPlan) -> Self {
        self.dial_plan = plan;
        self
    }

    /// The numbers that the trunk's callers own. Default: none, so that attestation A is never given.
    #[must_use]
    pub fn numbers(mut self, numbers: Numbers) -> Self {
        self.numbers = numbers;
        self
    }

    /// The attestation for a caller number within [`numbers`](Self::numbers). Default: A. `None`: do not sign.
    #[must_use]
    pub fn attest(mut self, attestation: Option<Attestation>) -> Self {
        self.attest = attestation;
        self
    }

    /// The attestation for any other caller number. Default: B. `None`: do not sign.
    #[must_use]
    pub fn unknown_attest(mut self, attestation: Option<Attestation>) -> Self {
        self.unknown_attest = attestation;
        self
    }

    /// Adds a signer for calls from this trunk. If there are several, the trust domain of the outbound trunk selects
    /// the signer.
    #[must_use]
    pub fn vouched_by(mut self, signer: impl Into<Arc<str>>) -> Self {
        self.signers.push(signer.into());
        self
    }

    /// The signer for calls to this trunk, if the trunk of origin names no signer.
    #[must_use]
    pub fn signer(mut self, signer: impl Into<Arc<str>>) -> Self {
        self.signer = Some(signer.into());
        self
    }

    /// The trust domain for both directions: calls from this trunk are verified in it, and calls to this trunk are
    /// signed in it. Default: the domain named `default` if there is one, else the only domain.
    #[must_use]
    pub fn trust(mut self, domain: impl Into<Arc<str>>) -> Self {
        self.trust = Some(domain.into());
        self
    }

    /// What happens to Identity header fields of calls from this trunk. Default: [`InboundIdentity::Verify`].
    #[must_use]
    pub fn inbound_identity(mut self, treatment: InboundIdentity) -> Self {
        self.inbound_identity = treatment;
        self
    }

    /// What happens to Identity header fields of calls to this trunk. Default: [`OutboundIdentity::Sign`].
    #[must_use]
    pub fn outbound_identity(mut self, treatment: OutboundIdentity) -> Self {
        self.outbound_identity = treatment;
        self
    }

    /// What happens to a call to this trunk that cannot be signed. Default: [`OnSignFailure::Continue`].
    #[must_use]
    pub fn on_sign_failure(mut self, consequence: OnSignFailure) -> Self {
        self.on_sign_failure = consequence;
        self
    }

    /// What the outcome of verification does to calls from this trunk. Default: every call continues.
    #[must_use]
    pub fn outcomes(mut self, outcomes: Outcomes) -> Self {
        self.outcomes = outcomes;
        self
    }

    /// The longest time that a call from this trunk waits for a certificate. Default: the edge's
    /// [`budget`](crate::Builder::budget).
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Which header fields of this trunk are believed. Default: [`Trusts::default`].
    #[must_use]
    pub fn trusts(mut self, trusts: Trusts) -> Self {
        self.trusts = trusts;
        self
    }

    /// How long calls to this trunk may take. Default: [`TrunkTimers::default`].
    #[must_use]
    pub fn timers(mut self, timers: TrunkTimers) -> Self {
        self.timers = timers;
        self
    }

    /// The final responses of a target after which the next target is tried. A 503 always has this effect (RFC 3263
    /// section 4.3). Statuses that [`may_fail_over`](Self::may_fail_over) excludes have no effect. Default: none.
    #[must_use]
    pub fn failover(mut self, codes: Vec<Status>) -> Self {
        self.failover = codes;
        self
    }

    /// How long a target is out of service after it could not be reached, or did not respond within
    /// [`no_response`](TrunkTimers::no_response). During that time, calls go to the other targets, and to this target
    /// only if no other target remains. After that time, one call tests whether the target is back. A target that
    /// answers three times in a row 503 with Retry-After is out of service for the Retry-After, but at most for five times
    /// `resume`. The last target in service is never taken out of service for this reason. Default: 60 s.
    #[must_use]
    pub fn resume(mut self, resume: Duration) -> Self {
        self.resume = resume;
        self
    }

    /// How often a peer without a session timer is asked by an OPTIONS in the dialog whether the call lives. A 481, a 408 or
    /// silence ends the call. Default: never.
    #[must_use]
    pub fn keep_alive(mut self, every: Duration) -> Self {
        self.keep_alive = Some(every);
        self
    }

    /// Whether this edge ends 100rel on the trunk's side of a call whose other side lacks it (RFC 3262). Default:
    /// [`Reliable::Relay`].
    #[must_use]
    pub fn reliable(mut self, reliable: Reliable) -> Self {
        self.reliable = reliable;
        self
    }

    /// What a 503 with Retry-After of a target does. Default: [`RetryAfterRule::Respect`].
    #[must_use]
    pub fn retry_after(mut self, rule: RetryAfterRule) -> Self {
        self.retry_after = rule;
        self
    }

    /// Which Contact we send to the trunk's peers. Default: [`ContactParams::Own`].
    #[must_use]
    pub fn contact_params(mut self, params: ContactParams) -> Self {
        self.contact_params = params;
        self
    }

    /// Whether the trunk's peers are behind a NAT. Then requests within a dialog go to the address and port from which the peer
    /// sent its last valid message in the dialog, and not to its Contact. Media needs its own help. Default: false.
    #[must_use]
    pub fn nat(mut self, nat: bool) -> Self {
        self.nat = nat;
        self
    }

    /// The rules for the dialogs with the trunk's peers.
    pub(crate) fn leg_rules(&self) -> LegRules {
        let relays_contact_params = self.contact_params == ContactParams::Relay;
        let shortest = self.timers.min_session;
        let session =
            self.timers.session.map(|interval| SessionRules { interval: interval.max(shortest), shortest });
        let (trusts, behind_nat, keep_alive, reliable) =
            (self.trusts, self.nat, self.keep_alive, self.reliable);
        LegRules { trusts, relays_contact_params, behind_nat, session, keep_alive, reliable }
    }

    /// Whether a call may be tried at another target after this response. A callee that is busy or declines is not
    /// called at another target. A challenge is returned to the caller.
    #[must_use]
    pub fn may_fail_over(status: Status) -> bool {
        (400..600).contains(&status.code()) && !NO_FAILOVER.contains(&status.code())
    }

    /// Whether the next target is tried after this response.
    pub(crate) fn fails_over(&self, status: Status) -> bool {
        status == Status::SERVICE_UNAVAILABLE
            || (Self::may_fail_over(status) && self.failover.contains(&status))
    }

    /// Whether calls may come from this trunk.
    pub(crate) fn has_origin(&self) -> bool {
        !self.sources.is_empty() || !self.tls_names.is_empty()
    }

    /// How closely this trunk fits a message that came by `flow`. `None`: the trunk does not fit.
    pub(crate) fn fit(&self, flow: &Flow) -> Option<u16> {
        let source = self.sources.iter().filter_map(|source| source.fit(flow.transport, flow.remote)).max();
        if self.tls_names.is_empty() {
            return source;
        }
        if source.is_none() && !self.sources.is_empty() {
            return None;
        }
        let mut proved = flow.tls_names.iter().flat_map(|names| names.iter());
        let named = proved.any(|name| self.tls_names.iter().any(|own| own.eq_ignore_ascii_case(name)));
        named.then(|| NAME_FIT.saturating_add(source.unwrap_or_default()))
    }

    /// Whether `flow` comes from one of the trunk's addresses, or its certificate proves one of the trunk's names.
    pub(crate) fn claims(&self, flow: &Flow) -> bool {
        self.sources.iter().any(|source| source.fit(flow.transport, flow.remote).is_some())
            || self.fit(flow).is_some()
    }

    /// What happens to INVITEs to this trunk that are too large for a datagram. Default: [`Oversize::Tcp`].
    #[must_use]
    pub fn oversize(mut self, treatment: Oversize) -> Self {
        self.oversize = treatment;
        self
    }

    /// The name, as written in the configuration and in records.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}

/// The fit of a proved name: more than the number of bits of the longest prefix.
const NAME_FIT: u16 = 1_000;

/// Unauthorized, Proxy Authentication Required, Busy Here, Request Terminated.
const NO_FAILOVER: [u16; 4] = [401, 407, 486, 487];
