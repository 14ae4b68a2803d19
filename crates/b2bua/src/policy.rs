//! What an embedder may decide about each call, and how the answer may come later.

use std::sync::Arc;

use attesta_sip::Status;
use attesta_stir::{Attestation, Verification};

use crate::event::Arrival;
use crate::now::Now;
use crate::token::Token;
use crate::trunk::rules::Consequence;

/// The decisions that an embedder may take over. Each phase has a default, which follows the configuration.
///
/// A phase must not block. It answers at once, or says that it answers later: then the switchboard emits
/// [`Output::Decide`](crate::Output::Decide), the call waits, and the answer comes back as
/// [`Input::Decided`](crate::Input::Decided). A call whose answer does not come within [`DECISION_BUDGET`] is refused with
/// 503, except that an emergency call goes on as the configuration says.
///
/// [`DECISION_BUDGET`]: crate::policy::DECISION_BUDGET
pub trait Policy {
    /// Whether the call may proceed. Asked after screening, before verification.
    fn admit(&mut self, now: Now, arrival: &Arrival, later: Later) -> Reply<Admission> {
        let _ = (now, arrival, later);
        Reply::Now(Admission::Admit)
    }

    /// What the outcome of verification does to the call; `planned` is what the trunk's table says. Not asked of emergency
    /// calls, nor where nothing is verified.
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

    /// Where the call goes. [`Routing::Configured`] follows the routes of the configuration.
    fn route(&mut self, now: Now, arrival: &Arrival, later: Later) -> Reply<Routing> {
        let _ = (now, arrival, later);
        Reply::Now(Routing::Configured)
    }

    /// With which attestation a call that is about to leave towards `trunk` is signed, or that it is not; `planned` is what
    /// the trunk of origin says.
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

/// The policy that leaves every decision to the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DefaultPolicy;

impl Policy for DefaultPolicy {}

/// The answer of a phase.
#[derive(Debug)]
pub enum Reply<D> {
    /// The decision.
    Now(D),
    /// The decision comes by [`Input::Decided`](crate::Input::Decided).
    Pending(Later),
}

/// The right to answer a phase later. Handed to each phase; given back inside [`Reply::Pending`].
#[derive(Debug)]
pub struct Later(pub(crate) Token);

impl Later {
    /// What ties the later answer to the question.
    #[must_use]
    pub const fn token(&self) -> Token {
        self.0
    }
}

/// Whether a call may proceed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It may.
    Admit,
    /// It is refused with this status.
    Refuse(Status),
}

/// Where a call goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Routing {
    /// Where the routes of the configuration lead.
    Configured,
    /// To the targets of these trunks, in order. A name that no trunk bears is passed over.
    Trunks(Vec<Arc<str>>),
    /// Where the Request-URI points.
    RequestUri,
    /// Nowhere: it is refused with this status.
    Refuse(Status),
}

/// What [`Output::Decide`](crate::Output::Decide) asks, complete in itself.
#[derive(Clone, Debug)]
pub enum Question {
    /// [`Policy::admit`] answers later.
    Admit(Arc<Arrival>),
    /// [`Policy::judge`] answers later.
    Judge {
        /// The call.
        arrival: Arc<Arrival>,
        /// The outcome of verification.
        verification: Arc<Verification>,
        /// What the trunk's table says.
        planned: Consequence,
    },
    /// [`Policy::route`] answers later.
    Route(Arc<Arrival>),
    /// [`Policy::attest`] answers later.
    Attest {
        /// The call.
        arrival: Arc<Arrival>,
        /// The trunk that it is about to leave by.
        trunk: Arc<str>,
        /// What the trunk of origin says.
        planned: Option<Attestation>,
    },
}

/// The answer to a [`Question`], of the same phase. An answer of another phase is dropped, and the call goes on waiting.
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

/// How long a call waits for a later answer.
pub const DECISION_BUDGET: std::time::Duration = std::time::Duration::from_secs(2);
