//! The phases of an INVITE or MESSAGE before it is routed: admission, verification, judgement.
//!
//! ```text
//! Admitting -> Verifying -> Judging -> passed
//! ```
//!
//! A request waits in Admitting and Judging if the policy answers later, and in Verifying if a certificate is missing. Each
//! wait is bounded. The request may be refused in each phase. The last phase is [`route`](Intake::route).

pub(crate) mod cancel;
pub(crate) mod emergency;
pub(crate) mod origin;
pub(crate) mod screening;

use std::time::{Duration, Instant};

use attesta_sip::{Request, Response, Status};
use attesta_stir::{Identity, Reason};

use crate::certificates::WaitingCaps;
use crate::counters::Refusal;
use crate::env::Env;
use crate::event::CallEvent;
use crate::identity::{Received, VerificationOutcome, VettedRequest};
use crate::intake::origin::Origin;
use crate::io::Output;
use crate::policy::{Admission, DECISION_BUDGET, Decision, Later, Question, Reply, Routing};
use crate::token::Token;
use crate::trunk::rules::{Consequence, InboundIdentity};

/// A request that waits in its intake.
#[derive(Debug)]
pub(crate) struct Intake {
    state: IntakeState,
    until: Instant,
    /// The question to which the policy has not answered yet.
    asked: Option<Token>,
}

/// The event that a request waits for.
#[derive(Debug)]
enum IntakeState {
    /// The decision of the policy whether the request may continue.
    Admitting { received: Received },
    /// Certificates, which the shell fetches.
    Verifying { received: Received },
    /// The decision of the policy about the outcome of verification.
    Judging { received: Received, outcome: VerificationOutcome },
    /// The decision of the policy where the request is sent.
    Routing { request: VettedRequest, reasons: Vec<String> },
}

/// An event for a request that waits.
#[derive(Debug)]
pub(crate) enum IntakeInput {
    /// The snapshot contains new certificates.
    Certificates,
    /// Policy has answered the question with this token.
    Decided(Token, Decision),
    /// The deadline has passed.
    Deadline,
}

/// How a step of the intake ends.
#[derive(Debug)]
pub(crate) enum IntakeStep {
    /// The request waits.
    Waits(Box<Intake>),
    /// The called number belongs to the built-in callee.
    BuiltInCallee(Routed),
    /// The request has passed. The next step selects its targets.
    Passed(Routed, Routing),
    /// The request is refused.
    Refused {
        response: Box<Response>,
        /// Reason values that the response carries (RFC 9410 section 3).
        reasons: Vec<String>,
        /// The reason under which the refusal of a MESSAGE is counted.
        refusal: Refusal,
    },
}

/// A request that has passed the intake.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) request: VettedRequest,
    /// Reason values that the next response to the sender must contain (RFC 9410 section 3).
    pub(crate) reasons: Vec<String>,
}

impl Intake {
    /// Begins with a request that has passed screening.
    pub(crate) fn begin(request: Request, origin: &Origin, env: &mut Env<'_>) -> IntakeStep {
        let received = Received::new(request);
        let later = env.later();
        match env.policy.admit(env.now, &origin.arrival, later) {
            Reply::Now(admission) => Self::admitted(received, admission, origin, env),
            Reply::Pending(later) => {
                let state = IntakeState::Admitting { received };
                Self::ask(state, &later, Question::Admit(origin.arrival.clone()), origin, env)
            }
        }
    }

    /// Handles one event.
    pub(crate) fn step(self, input: IntakeInput, origin: &Origin, env: &mut Env<'_>) -> IntakeStep {
        match input {
            IntakeInput::Certificates => match self.state {
                IntakeState::Verifying { received } => Self::verify(received, self.until, origin, env),
                state @ (IntakeState::Admitting { .. }
                | IntakeState::Judging { .. }
                | IntakeState::Routing { .. }) => IntakeStep::Waits(Box::new(Self { state, ..self })),
            },
            IntakeInput::Decided(token, decision) if self.asked == Some(token) => {
                self.on_decision(decision, origin, env)
            }
            IntakeInput::Decided(..) => IntakeStep::Waits(Box::new(self)),
            IntakeInput::Deadline if env.now.mono < self.until => IntakeStep::Waits(Box::new(self)),
            IntakeInput::Deadline => self.on_deadline(origin, env),
        }
    }

    /// Handles an answer of the policy. An answer of another phase is dropped, and the request continues to wait.
    fn on_decision(mut self, decision: Decision, origin: &Origin, env: &mut Env<'_>) -> IntakeStep {
        match (self.state, decision) {
            (IntakeState::Admitting { received }, Decision::Admit(admission)) => {
                forget(&mut self.asked, env);
                Self::admitted(received, admission, origin, env)
            }
            (IntakeState::Judging { received, outcome }, Decision::Judge(consequence)) => {
                forget(&mut self.asked, env);
                Self::judged(received, outcome, consequence, origin, env)
            }
            (IntakeState::Routing { request, reasons }, Decision::Route(routing)) => {
                forget(&mut self.asked, env);
                IntakeStep::Passed(Routed { request, reasons }, routing)
            }
            (state, decision) => {
                tracing::debug!(?decision, "a decision of another phase is dropped");
                IntakeStep::Waits(Box::new(Self { state, ..self }))
            }
        }
    }

    /// Handles the end of a wait. If the policy did not answer in time, the request is refused. An emergency call
    /// continues as the configuration says.
    fn on_deadline(mut self, origin: &Origin, env: &mut Env<'_>) -> IntakeStep {
        forget(&mut self.asked, env);
        let emergency = origin.arrival.emergency;
        let undecided = match self.state {
            IntakeState::Verifying { received } => {
                return Self::verify(received, self.until, origin, env);
            }
            IntakeState::Admitting { received } if emergency => {
                return Self::admitted(received, Admission::Admit, origin, env);
            }
            IntakeState::Judging { received, outcome } if emergency => {
                return Self::judged(received, outcome, Consequence::Continue, origin, env);
            }
            IntakeState::Routing { request, reasons } if emergency => {
                return IntakeStep::Passed(Routed { request, reasons }, Routing::Configured);
            }
            IntakeState::Admitting { received } | IntakeState::Judging { received, .. } => {
                (origin.reply(received.request(), Status::SERVICE_UNAVAILABLE), Vec::new())
            }
            IntakeState::Routing { request, reasons } => {
                (origin.reply(request.request(), Status::SERVICE_UNAVAILABLE), reasons)
            }
        };
        tracing::warn!(trunk = %origin.arrival.trunk, "policy did not answer in time: refused with 503");
        let (response, reasons) = undecided;
        IntakeStep::Refused { response: Box::new(response), reasons, refusal: Refusal::NotRouted }
    }

    /// When the wait is over.
    pub(crate) const fn deadline(&self) -> Instant {
        self.until
    }

    /// The request as it was received.
    pub(crate) fn request(&self) -> &Request {
        match &self.state {
            IntakeState::Admitting { received }
            | IntakeState::Verifying { received }
            | IntakeState::Judging { received, .. } => received.request(),
            IntakeState::Routing { request, .. } => request.request(),
        }
    }

    /// The Reason values that the response to the sender must contain.
    pub(crate) fn take_reasons(&mut self) -> Vec<String> {
        match &mut self.state {
            IntakeState::Routing { reasons, .. } => std::mem::take(reasons),
            IntakeState::Admitting { .. } | IntakeState::Verifying { .. } | IntakeState::Judging { .. } => {
                Vec::new()
            }
        }
    }

    /// Ends the wait of a request that has ended.
    pub(crate) fn abandon(&mut self, origin: &Origin, env: &mut Env<'_>) {
        forget(&mut self.asked, env);
        env.certificates.leave(origin.owner);
    }

    fn admitted(received: Received, admission: Admission, origin: &Origin, env: &mut Env<'_>) -> IntakeStep {
        match admission {
            Admission::Admit => {
                let until = env.now.mono + budget(origin);
                Self::verify(received, until, origin, env)
            }
            Admission::Refuse(status) => refused(&received, (status, None), origin, Refusal::NotRouted),
        }
    }

    /// Verifies the untouched message with the certificates that are known, and waits for the others until `until`.
    fn verify(mut received: Received, until: Instant, origin: &Origin, env: &mut Env<'_>) -> IntakeStep {
        let ingress = &origin.ingress;
        let verifier = match (&ingress.domain, ingress.trunk.inbound_identity) {
            (Some(domain), InboundIdentity::Verify) => &domain.verifier,
            (None, InboundIdentity::Verify) | (_, InboundIdentity::Pass | InboundIdentity::Strip) => {
                return Self::route(received.unjudged(ingress), Vec::new(), origin, env);
            }
        };
        let snapshot = env.certificates.snapshot().clone();
        let verification = received.verify(verifier, &ingress.trunk, &snapshot, env.now.unix);
        let wanted = verification.wanted();
        if env.now.mono < until && !wanted.is_empty() {
            let caps = WaitingCaps {
                per_certificate: origin.config.caps.waiting_per_certificate,
                per_source: origin.config.caps.certificates_per_source,
            };
            let source = origin.arrival.source.ip();
            if let Some(to_fetch) = env.certificates.wait(origin.owner, source, wanted, caps) {
                tracing::debug!(certificates = wanted.len(), "waits for certificates");
                env.out.extend(to_fetch.into_iter().map(Output::FetchCertificate));
                let state = IntakeState::Verifying { received };
                return IntakeStep::Waits(Box::new(Self { state, until, asked: None }));
            }
        }
        env.certificates.leave(origin.owner);
        let outcome = received.outcome(verification.give_up());
        Self::judge(received, outcome, origin, env)
    }

    /// Handles the end of verification. The policy decides about the outcome. An emergency call always continues.
    fn judge(
        received: Received,
        outcome: VerificationOutcome,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> IntakeStep {
        let verification = &outcome.verification;
        let (verdict, reason) =
            (verification.verdict().as_str(), verification.reason().map_or("", Reason::as_str));
        env.counters.judge(verdict, reason);
        tracing::debug!(verdict, reason, "verified");
        if origin.is_call() {
            let (call, at) = (origin.arrival.call, env.now.unix);
            env.tell(CallEvent::Verified { call, at, verification: verification.clone() });
        }
        if origin.arrival.emergency {
            return Self::judged(received, outcome, Consequence::Continue, origin, env);
        }
        let planned = outcome.consequence(&origin.ingress.trunk.outcomes);
        let later = env.later();
        match env.policy.judge(env.now, &origin.arrival, verification, planned, later) {
            Reply::Now(consequence) => Self::judged(received, outcome, consequence, origin, env),
            Reply::Pending(later) => {
                let (arrival, verification) = (origin.arrival.clone(), verification.clone());
                let question = Question::Judge { arrival, verification, planned };
                Self::ask(IntakeState::Judging { received, outcome }, &later, question, origin, env)
            }
        }
    }

    fn judged(
        received: Received,
        outcome: VerificationOutcome,
        consequence: Consequence,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> IntakeStep {
        let refusal = match consequence {
            Consequence::Continue => {
                let request = received.judged(&outcome, &origin.ingress);
                return Self::route(request, outcome.reasons, origin, env);
            }
            Consequence::Reject => outcome.rejection(),
            Consequence::RejectWith(status) => (status, None),
        };
        refused(&received, refusal, origin, Refusal::NotVerified)
    }

    /// Asks the policy where the request is sent. A number of the built-in callee has priority over all routes.
    fn route(request: VettedRequest, reasons: Vec<String>, origin: &Origin, env: &mut Env<'_>) -> IntakeStep {
        let called = origin.arrival.destination.as_ref().and_then(Identity::tn);
        if called.is_some_and(|number| origin.config.is_callee(number)) {
            return IntakeStep::BuiltInCallee(Routed { request, reasons });
        }
        let later = env.later();
        match env.policy.route(env.now, &origin.arrival, later) {
            Reply::Now(routing) => IntakeStep::Passed(Routed { request, reasons }, routing),
            Reply::Pending(later) => {
                let question = Question::Route(origin.arrival.clone());
                Self::ask(IntakeState::Routing { request, reasons }, &later, question, origin, env)
            }
        }
    }

    /// Asks the policy through the shell.
    fn ask(
        state: IntakeState,
        later: &Later,
        question: Question,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> IntakeStep {
        let asked = Some(env.ask(origin.owner, later, question));
        IntakeStep::Waits(Box::new(Self { state, until: env.now.mono + DECISION_BUDGET, asked }))
    }
}

/// The longest time that a request waits for certificates.
fn budget(origin: &Origin) -> Duration {
    origin.ingress.trunk.budget.unwrap_or(origin.config.budget)
}

/// Forgets a question: it is answered, or the request no longer needs the answer.
fn forget(asked: &mut Option<Token>, env: &mut Env<'_>) {
    if let Some(token) = asked.take() {
        env.owners.forget_token(token);
    }
}

fn refused(
    received: &Received,
    (status, phrase): (Status, Option<&'static str>),
    origin: &Origin,
    refusal: Refusal,
) -> IntakeStep {
    let mut response = origin.reply(received.request(), status);
    if let Some(phrase) = phrase {
        response.set_status(status, phrase);
    }
    IntakeStep::Refused { response: Box::new(response), reasons: Vec::new(), refusal }
}
