//! Trunks: whom calls come from and whom they go to, and what holds for their calls.

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
    InboundIdentity, OnSignFailure, OutboundIdentity, Outcomes, Oversize, TrunkTimers, Trusts,
};
use crate::trunk::source::Source;
use crate::trunk::target::Target;

/// A peer: the addresses its calls come from or the domains it proves, the targets that calls to it go to, and the rules for both directions.
///
/// Every setting has a default; a trunk with no sources and no TLS names only sends, one with no targets only receives.
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
}

impl Trunk {
    /// A trunk of this name: no sources, no targets, no signers, `verify` inbound, `sign` outbound.
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
        }
    }

    /// Adds an address whose calls are this trunk's. Of overlapping sources the most specific wins.
    #[must_use]
    pub fn source(mut self, source: Source) -> Self {
        self.sources.push(source);
        self
    }

    /// Adds a domain that its connections prove by their certificate (RFC 5922 section 7.4): one of several is enough. With
    /// any, calls are this trunk's only if they come over a connection that has proved one, and from one of its sources if
    /// it has any. A name beats every source without one.
    #[must_use]
    pub fn tls_name(mut self, domain: &str) -> Self {
        self.tls_names.push(domain.trim_end_matches('.').to_ascii_lowercase().into());
        self
    }

    /// Adds a target; targets are tried in the order in which they are added.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Adds a listener from which calls towards this trunk leave. Default: the first listener that fits the target.
    #[must_use]
    pub fn listener(mut self, name: impl Into<Arc<str>>) -> Self {
        self.listeners.push(name.into());
        self
    }

    /// How numbers are dialled by its callers. Default: every number stands as it was written.
    #[must_use]
    pub fn dial_plan(mut self, plan: DialPlan) -> Self {
        self.dial_plan = plan;
        self
    }

    /// The numbers that its callers own. Default: none, and then attestation A is never given.
    #[must_use]
    pub fn numbers(mut self, numbers: Numbers) -> Self {
        self.numbers = numbers;
        self
    }

    /// The attestation of a caller number within [`numbers`](Self::numbers). Default: A; `None`: do not sign.
    #[must_use]
    pub fn attest(mut self, attestation: Option<Attestation>) -> Self {
        self.attest = attestation;
        self
    }

    /// The attestation of any other caller number. Default: B; `None`: do not sign.
    #[must_use]
    pub fn unknown_attest(mut self, attestation: Option<Attestation>) -> Self {
        self.unknown_attest = attestation;
        self
    }

    /// Adds a signer that vouches for calls from this trunk. The trust domain of the trunk by which a call leaves chooses
    /// among several.
    #[must_use]
    pub fn vouched_by(mut self, signer: impl Into<Arc<str>>) -> Self {
        self.signers.push(signer.into());
        self
    }

    /// The signer for calls that leave by this trunk where the trunk of origin names none.
    #[must_use]
    pub fn signer(mut self, signer: impl Into<Arc<str>>) -> Self {
        self.signer = Some(signer.into());
        self
    }

    /// The trust domain in which its calls are verified and in which calls towards it are signed. Default: the domain
    /// named `default`, where there is one, else the only one.
    #[must_use]
    pub fn trust(mut self, domain: impl Into<Arc<str>>) -> Self {
        self.trust = Some(domain.into());
        self
    }

    /// What is done with Identity header fields on calls from it. Default: [`InboundIdentity::Verify`].
    #[must_use]
    pub fn inbound_identity(mut self, treatment: InboundIdentity) -> Self {
        self.inbound_identity = treatment;
        self
    }

    /// What is done with Identity header fields on calls towards it. Default: [`OutboundIdentity::Sign`].
    #[must_use]
    pub fn outbound_identity(mut self, treatment: OutboundIdentity) -> Self {
        self.outbound_identity = treatment;
        self
    }

    /// What becomes of a call towards it that cannot be signed. Default: [`OnSignFailure::Continue`].
    #[must_use]
    pub fn on_sign_failure(mut self, consequence: OnSignFailure) -> Self {
        self.on_sign_failure = consequence;
        self
    }

    /// What the outcome of verification does to calls from it. Default: every call continues.
    #[must_use]
    pub fn outcomes(mut self, outcomes: Outcomes) -> Self {
        self.outcomes = outcomes;
        self
    }

    /// The longest that a call from it waits for a certificate. Default: the edge's
    /// [`budget`](crate::config::Builder::budget).
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = Some(budget);
        self
    }

    /// What is believed when this trunk says it. Default: [`Trusts::default`].
    #[must_use]
    pub fn trusts(mut self, trusts: Trusts) -> Self {
        self.trusts = trusts;
        self
    }

    /// How long calls towards it may take. Default: [`TrunkTimers::default`].
    #[must_use]
    pub fn timers(mut self, timers: TrunkTimers) -> Self {
        self.timers = timers;
        self
    }

    /// The final responses of a target after which the next is tried, beside 503, which always is one (RFC 3263 section 4.3).
    /// Those for which [`may_fail_over`](Self::may_fail_over) says no are not. Default: none.
    #[must_use]
    pub fn failover(mut self, codes: Vec<Status>) -> Self {
        self.failover = codes;
        self
    }

    /// How long a target is set aside that cannot be reached, or does not respond in
    /// [`no_response`](TrunkTimers::no_response): calls go to the others, and to it only where no other is left. Then one call
    /// finds out whether it is back. One that answers 503 with Retry-After is left alone for that time, at most five times as
    /// long, by all but emergency calls. Default: 60 s.
    #[must_use]
    pub fn resume(mut self, resume: Duration) -> Self {
        self.resume = resume;
        self
    }

    /// Whether a call that was answered so may be tried elsewhere: a callee who is busy or declines is not dialled around,
    /// nor is a challenge.
    #[must_use]
    pub fn may_fail_over(status: Status) -> bool {
        (400..600).contains(&status.code()) && !NEVER_AROUND.contains(&status.code())
    }

    /// Whether this response of a target sends the call to the next.
    pub(crate) fn fails_over(&self, status: Status) -> bool {
        status == Status::SERVICE_UNAVAILABLE
            || (Self::may_fail_over(status) && self.failover.contains(&status))
    }

    /// Whether calls may come from it at all.
    pub(crate) fn has_origin(&self) -> bool {
        !self.sources.is_empty() || !self.tls_names.is_empty()
    }

    /// How closely it fits a message that came by `flow`, or `None` where it does not.
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
        named.then(|| BY_NAME.saturating_add(source.unwrap_or_default()))
    }

    /// Whether the address that `flow` comes from is one of its own, or a name that its certificate proves.
    pub(crate) fn claims(&self, flow: &Flow) -> bool {
        self.sources.iter().any(|source| source.fit(flow.transport, flow.remote).is_some())
            || self.fit(flow).is_some()
    }

    /// What is done with INVITEs towards it that are too large for a datagram. Default: [`Oversize::Tcp`].
    #[must_use]
    pub fn oversize(mut self, treatment: Oversize) -> Self {
        self.oversize = treatment;
        self
    }

    /// The name, as configuration and records write it.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}

/// The fit of a proved name: more than the longest prefix has bits.
const BY_NAME: u16 = 1_000;

/// Unauthorized, Proxy Authentication Required, Busy Here, Request Terminated.
const NEVER_AROUND: [u16; 4] = [401, 407, 486, 487];
