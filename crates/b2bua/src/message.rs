//! The relaying of a MESSAGE outside a dialog (RFC 3428).
//!
//! A MESSAGE passes the intake and the hunt like an INVITE, until one target sends a final response. A MESSAGE creates no
//! dialog.
//! RFC 8224 covers any request, so the Identity of a MESSAGE is verified. Its PASSporT has the type `msg`, which also covers
//! the body (RFC 9475). The edge does not sign a MESSAGE.
//! A MESSAGE never lives longer than its client transaction. A timeout gets no answer (RFC 4320 section 4.2).

use std::time::Instant;

use attesta_sip::{Method, Name, Request, Response, Status};
use attesta_transaction::{ClientId, Failure};

use crate::counters::Refusal;
use crate::env::{Env, RETRY_AFTER_DRAINING};
use crate::headers::relay;
use crate::hunt::plan::plan;
use crate::hunt::{Hunt, HuntStep};
use crate::intake::origin::Origin;
use crate::intake::{Intake, IntakeInput, IntakeStep, Routed};
use crate::io::{Destination, ResolveError};
use crate::policy::{Decision, Routing};
use crate::token::Token;

/// A MESSAGE that is being relayed.
#[derive(Debug)]
pub(crate) struct MessageRelay {
    origin: Origin,
    phase: Phase,
    /// Reason values to add to the final response (RFC 9410 section 3).
    reasons: Vec<String>,
    /// True if the MESSAGE was sent and counted.
    is_counted: bool,
    /// The deadline of this MESSAGE in the alarms.
    pub(crate) alarm: Option<Instant>,
}

/// The phase of a MESSAGE.
#[derive(Debug)]
enum Phase {
    /// The MESSAGE is admitted and verified, and the policy decides.
    Intake(Box<Intake>),
    /// The hunt looks for a target, or a target has the MESSAGE.
    Hunt(Box<Hunt>),
    /// The MESSAGE has its final response.
    Over,
}

/// An event of a MESSAGE.
#[derive(Debug)]
pub(crate) enum MessageInput<'a> {
    /// A response to the MESSAGE.
    Response { client: ClientId, response: &'a Response },
    /// The MESSAGE gets no response.
    Failed { client: ClientId, why: Failure },
    /// The addresses that the MESSAGE has asked for.
    Resolved { token: Token, result: Result<Vec<Destination>, ResolveError> },
    /// The answer of the policy.
    Decided { token: Token, decision: Decision },
    /// New certificates are known.
    Certificates,
    /// The deadline of the MESSAGE has passed.
    Deadline,
    /// The edge stops. A MESSAGE that was not sent yet is refused.
    ShutDown,
}

impl MessageRelay {
    /// Creates a MESSAGE that has passed screening. The caller of this function then calls [`begin`](Self::begin).
    pub(crate) const fn new(origin: Origin) -> Self {
        Self { origin, phase: Phase::Over, reasons: Vec::new(), is_counted: false, alarm: None }
    }

    /// Handles the request.
    pub(crate) fn begin(&mut self, request: Request, env: &mut Env<'_>) {
        let step = Intake::begin(request, &self.origin, env);
        self.on_intake(step, env);
    }

    /// True if the MESSAGE has its final response.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Intake(intake) => Some(intake.deadline()),
            Phase::Hunt(hunt) => hunt.deadline(),
            Phase::Over => None,
        }
    }

    /// Handles one event.
    pub(crate) fn handle(&mut self, input: MessageInput<'_>, env: &mut Env<'_>) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Intake(intake) => self.on_waiting(intake, input, env),
            Phase::Hunt(hunt) => self.on_hunting(hunt, input, env),
            Phase::Over => {}
        }
    }

    fn on_waiting(&mut self, mut intake: Box<Intake>, input: MessageInput<'_>, env: &mut Env<'_>) {
        let input = match input {
            MessageInput::Certificates => IntakeInput::Certificates,
            MessageInput::Decided { token, decision } => IntakeInput::Decided(token, decision),
            MessageInput::Deadline => IntakeInput::Deadline,
            MessageInput::ShutDown => {
                intake.abandon(&self.origin, env);
                self.reasons = intake.take_reasons();
                let mut response = self.origin.reply(intake.request(), Status::SERVICE_UNAVAILABLE);
                response.headers_mut().push(Name::RetryAfter, RETRY_AFTER_DRAINING);
                return self.refuse(response, Refusal::Draining, env);
            }
            MessageInput::Response { .. } | MessageInput::Failed { .. } | MessageInput::Resolved { .. } => {
                self.phase = Phase::Intake(intake);
                return;
            }
        };
        let step = intake.step(input, &self.origin, env);
        self.on_intake(step, env);
    }

    fn on_hunting(&mut self, mut hunt: Box<Hunt>, input: MessageInput<'_>, env: &mut Env<'_>) {
        let step = match input {
            MessageInput::Response { client, response } if hunt.is_waiting_on(client) => {
                if response.status().is_final() {
                    env.owners.forget_client(client);
                }
                let step = hunt.on_response(response, &self.origin, env);
                if let HuntStep::Success { .. } = step {
                    let back = hunt.response_to_sender(response, &self.origin, env);
                    return self.respond(back, env);
                }
                step
            }
            MessageInput::Failed { client, why } if hunt.is_waiting_on(client) => {
                hunt.on_failure(why, &self.origin, env)
            }
            MessageInput::Resolved { token, result } if hunt.waits_for(token) => {
                hunt.on_resolved(result, &self.origin, env)
            }
            MessageInput::Deadline => hunt.on_deadline(&self.origin, env),
            MessageInput::Response { .. }
            | MessageInput::Failed { .. }
            | MessageInput::Resolved { .. }
            | MessageInput::Decided { .. }
            | MessageInput::Certificates
            | MessageInput::ShutDown => HuntStep::Goes,
        };
        self.on_step(hunt, step, env);
    }

    fn on_intake(&mut self, step: IntakeStep, env: &mut Env<'_>) {
        match step {
            IntakeStep::Waits(intake) => self.phase = Phase::Intake(intake),
            IntakeStep::Passed(routed, routing) => self.hunt(routed, &routing, env),
            // The built-in callee answers calls only.
            IntakeStep::BuiltInCallee(Routed { request, reasons }) => {
                self.reasons = reasons;
                let mut response = self.origin.reply(request.request(), Status::METHOD_NOT_ALLOWED);
                response.headers_mut().push(Name::Allow, relay::ALLOW);
                self.refuse(response, Refusal::NotRouted, env);
            }
            IntakeStep::Refused { response, reasons, refusal } => {
                self.reasons = reasons;
                self.refuse(*response, refusal, env);
            }
        }
    }

    /// Starts the hunt for a target, with these routes.
    fn hunt(&mut self, routed: Routed, routing: &Routing, env: &mut Env<'_>) {
        let Routed { request, reasons } = routed;
        self.reasons = reasons;
        let Origin { config, ingress, arrival, .. } = &self.origin;
        match plan(config, ingress, arrival, request.request().uri(), routing) {
            Ok(targets) => {
                let mut hunt = Box::new(Hunt::new(request, targets));
                let step = hunt.next_target(&self.origin, env);
                self.on_step(hunt, step, env);
            }
            Err(status) => {
                let response = self.origin.reply(request.request(), status);
                self.refuse(response, Refusal::NotRouted, env);
            }
        }
    }

    fn on_step(&mut self, mut hunt: Box<Hunt>, step: HuntStep, env: &mut Env<'_>) {
        if !self.is_counted && hunt.has_sent() {
            self.is_counted = true;
            env.counters.messages += 1;
        }
        match step {
            // A provisional response only proves that the target is reachable (RFC 4320 section 4.1).
            HuntStep::Goes | HuntStep::Provisional(_) => self.phase = Phase::Hunt(hunt),
            HuntStep::AttemptFailed(target) => {
                let step = hunt.go_on(target, &self.origin, env);
                self.on_step(hunt, step, env);
            }
            HuntStep::Over(response, _) => {
                tracing::debug!(status = response.status().code(), "no target took a MESSAGE");
                self.respond(*response, env);
            }
            HuntStep::Success { .. } => {
                debug_assert!(false, "a response after a step that can return no response")
            }
        }
    }

    fn refuse(&mut self, response: Response, refusal: Refusal, env: &mut Env<'_>) {
        let status = response.status().code();
        tracing::debug!(method = %Method::Message, status, refusal = refusal.as_str(), "refused");
        env.counters.refuse(refusal);
        self.respond(response, env);
    }

    /// Sends the final response. The endpoint does not send a 408, because RFC 4320 section 4.2 forbids it.
    fn respond(&mut self, mut response: Response, env: &mut Env<'_>) {
        for reason in self.reasons.drain(..) {
            response.headers_mut().push(Name::Reason, reason);
        }
        env.respond(self.origin.server, &response);
    }
}
