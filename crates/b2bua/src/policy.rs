//! The decisions that an embedder may make about each call, immediately or later.

use std::sync::Arc;

use attesta_sip::Status;
use attesta_stir::{Attestation, Verification};

use crate::event::Arrival;
use crate::now::Now;
use crate::token::Token;
use crate::trunk::rules::Consequence;

/// The decisions that an embedder may make. Each phase has a default, which follows the configuration.
///
/// The switchboard asks for the decisions in this order. Each wait is bounded:
///
/// ```text
/// for each INVITE and each MESSAGE outside a dialog
///     screening
///     admit           2 s   (DECISION_BUDGET)
///     verification    the budget of the trunk, else of the configuration (300 ms), while certificates are fetched
///     judge           2 s
///     route           2 s
/// for each target, until one answers
///     resolution      4 s
///     for each address, up to Caps::attempts
///         attest      2 s   INVITE only
///         signing     500 ms by an outside signer, INVITE only
///         connecting  500 ms, for an INVITE too large for a datagram
///         sending     TrunkTimers for an INVITE, the transaction timeout for a MESSAGE
/// ```
///
/// A method of this trait must not block. It returns the decision, or [`Reply::Pending`]. Then the switchboard emits
/// [`Output::Decide`](crate::Output::Decide) and the request waits for [`Input::Decided`](crate::Input::Decided).
/// If there is no answer within [`DECISION_BUDGET`], the request is refused with 503. An emergency call follows the
/// configuration instead.
///
/// [`DECISION_BUDGET`]: crate::policy::DECISION_BUDGET
pub trait Policy {
    /// Whether the request may continue. The switchboard asks after screening and before verification.
    fn admit(&mut self, now: Now, arrival: &Arrival, later: Later) -> Reply<Admission> {
        let _ = (now, arrival, later);
        Reply::Now(Admission::Admit)
    }

    /// The consequence of verification for the request. `planned` is the consequence in the table of the trunk. The
    /// switchboard does not ask about emergency calls, or about requests that are not verified.
    fn judge(
        &mut self,
        now: Now,
        arrival: &Arrival,
        verification: &Verification,
        planned: Consequence,
        later: Later,
    ) -> Reply<Consequence> {
        let _ = (now, arrival, verification, later);
        Reply::Now(planned)
    }

    /// Where the request is sent. [`Routing::Configured`] follows the routes of the configuration. The switchboard does
    /// not ask about requests to a number of the built-in callee.
    fn route(&mut self, now: Now, arrival: &Arrival, later: Later) -> Reply<Routing> {
        let _ = (now, arrival, later);
        Reply::Now(Routing::Configured)
    }

    /// The attestation for an outgoing call to `trunk`. `None`: the call is not signed. `planned` is the attestation
    /// that the trunk of origin sets. The switchboard asks only about an INVITE to a trunk with
    /// [`OutboundIdentity::Sign`](crate::OutboundIdentity::Sign), unless the INVITE keeps an Identity of type `shaken`.
    fn attest(
        &mut self,
        now: Now,
        arrival: &Arrival,
        trunk: &str,
        planned: Option<Attestation>,
        later: Later,
    ) -> Reply<Option<Attestation>> {
        let _ = (now, arrival, trunk, later);
        Reply::Now(planned)
    }
}

/// A policy without decisions of its own: the configuration makes every decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DefaultPolicy;

impl Policy for DefaultPolicy {}

/// The answer of the policy in one phase.
#[derive(Debug)]
pub enum Reply<D> {
    /// The decision.
    Now(D),
    /// The decision follows as [`Input::Decided`](crate::Input::Decided).
    Pending(Later),
}

/// Identifies an answer that follows later. Each method of [`Policy`] gets a `Later`, and returns it in
/// [`Reply::Pending`].
#[derive(Debug)]
pub struct Later(pub(crate) Token);

impl Later {
    /// The token of the later answer.
    #[must_use]
    pub const fn token(&self) -> Token {
        self.0
    }
}

/// Whether a request may continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// The request continues.
    Admit,
    /// The request is refused with this status.
    Refuse(Status),
}

/// Where a request is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Routing {
    /// To the targets that the routes of the configuration select.
    Configured,
    /// To the targets of these trunks, in order. A name without a trunk is skipped.
    Trunks(Vec<Arc<str>>),
    /// To the target of the Request-URI.
    RequestUri,
    /// To no target: the request is refused with this status.
    Refuse(Status),
}

/// The question of [`Output::Decide`](crate::Output::Decide). It contains all facts for the answer.
#[derive(Clone, Debug)]
pub enum Question {
    /// [`Policy::admit`] answers later.
    Admit(Arc<Arrival>),
    /// [`Policy::judge`] answers later.
    Judge {
        /// The call or MESSAGE.
        arrival: Arc<Arrival>,
        /// The outcome of verification.
        verification: Arc<Verification>,
        /// The consequence in the table of the trunk.
        planned: Consequence,
    },
    /// [`Policy::route`] answers later.
    Route(Arc<Arrival>),
    /// [`Policy::attest`] answers later.
    Attest {
        /// The call.
        arrival: Arc<Arrival>,
        /// The trunk that the call is sent to.
        trunk: Arc<str>,
        /// The attestation that the trunk of origin sets.
        planned: Option<Attestation>,
    },
}

/// The answer to a [`Question`] of the same phase. An answer of another phase is dropped, and the request continues to
/// wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// The answer to [`Question::Admit`].
    Admit(Admission),
    /// The answer to [`Question::Judge`].
    Judge(Consequence),
    /// The answer to [`Question::Route`].
    Route(Routing),
    /// The answer to [`Question::Attest`].
    Attest(Option<Attestation>),
}

/// The longest time that a request waits for a later answer.
pub const DECISION_BUDGET: std::time::Duration = std::time::Duration::from_secs(2);
