//! Calls. A call begins with an INVITE, and ends when both sides have ended.
//!
//! ```text
//!   INVITE
//! ---------> Intake ------> Setup ------> Connected
//!              |  passed      |   2xx         |
//!              | refused      | refused,      | BYE, lost,
//!              v              v cancelled     v too long
//!             Over <------- Over <---------- Over
//! ```
//!
//! A call owns its intake, its hunt, its legs and the requests in flight between the legs.

pub(crate) mod bridge;
mod bye;
pub(crate) mod callee;
pub(crate) mod caller;
pub(crate) mod closing;
pub(crate) mod crossing;
pub(crate) mod end;
mod finish;
pub(crate) mod forks;
pub(crate) mod input;
pub(crate) mod record;
mod release;
pub(crate) mod reliable;
pub(crate) mod replacement;
mod responses;
pub(crate) mod session;
pub(crate) mod setup;
mod situations;
mod swap;
mod transfer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_sip::{Name, Request, Response, Status};
use attesta_transaction::{ClientId, Failure, Flow, ServerId};

use crate::call::bridge::{Bridge, BridgedTo, reason_of};
use crate::call::callee::answer_call;
use crate::call::caller::CallerSide;
use crate::call::crossing::{Arrival, Crossing, Situation, cross};
use crate::call::end::{CallEnd, ReleasedLeg};
use crate::call::input::{CallInput, CallStep};
use crate::call::record::Record;
use crate::call::setup::{Setup, SetupStep};
use crate::env::{Env, RETRY_AFTER_DRAINING};
use crate::event::{CallEvent, Cause};
use crate::headers::dialog_id::DialogId;
use crate::hunt::plan::plan;
use crate::hunt::{Hunt, HuntStep};
use crate::intake::cancel::CancelScope;
use crate::intake::origin::Origin;
use crate::intake::{Intake, IntakeInput, IntakeStep, Routed};
use crate::io::{Destination, ResolveError};
use crate::policy::{Decision, Routing};
use crate::token::Token;

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    origin: Origin,
    caller: CallerSide,
    phase: Phase,
    /// Legs that the switchboard must close.
    released: Vec<ReleasedLeg>,
    /// The deadline of this call in the alarms.
    pub(crate) alarm: Option<Instant>,
    span: tracing::Span,
}

/// The phase of a call.
#[derive(Debug)]
enum Phase {
    /// The call admits and verifies the INVITE, and asks the policy.
    Intake(Box<Intake>),
    /// The call looks for a target, or a target rings.
    Setup(Box<Setup>),
    /// The callee has answered.
    Connected { bridge: Box<Bridge>, until: Instant },
    /// The call has ended. The subscription of a REFER lives on (RFC 5057 section 3).
    Subscribed(Box<Bridge>),
    /// The call has ended, or changes its phase at this moment.
    Over,
}

impl Call {
    /// Creates a call whose INVITE has passed screening. The caller of this function then calls [`begin`](Self::begin).
    pub(crate) fn new(origin: Origin, flow: Flow, now: Instant) -> Self {
        let span = tracing::debug_span!("call", id = origin.arrival.call.get());
        let caller = CallerSide::new(flow, Record::new(now));
        Self { origin, caller, phase: Phase::Over, released: Vec::new(), alarm: None, span }
    }

    /// Handles the INVITE that begins the call.
    pub(crate) fn begin(&mut self, request: Request, env: &mut Env<'_>) -> CallStep {
        let _span = self.span.clone().entered();
        let Origin { owner, config, arrival, ingress, server, .. } = &self.origin;
        env.counters.calls += 1;
        env.owners.own_server(*server, *owner);
        let scope = CancelScope { config: config.clone(), ingress: ingress.clone() };
        env.endpoint.accept_cancel_of(*server, Arc::new(scope));
        env.tell(CallEvent::Started { at: env.now.unix, arrival: arrival.clone() });
        tracing::debug!(trunk = %arrival.trunk, source = %arrival.source, caller = ?arrival.caller,
            callee = ?arrival.callee, "call");
        let step = Intake::begin(request, &self.origin, env);
        let end = self.on_intake(step, env);
        self.after(end, env)
    }

    /// Handles one event.
    pub(crate) fn handle(&mut self, input: CallInput<'_>, env: &mut Env<'_>) -> CallStep {
        let _span = self.span.clone().entered();
        let end = match input {
            CallInput::Request { dialog, id, request, flow } => {
                self.on_request(&dialog, id, (request, flow), env)
            }
            CallInput::Replacement(replacement) => self.on_replacement(replacement, env),
            CallInput::Ack { dialog, ack, flow } => self.on_ack(&dialog, (ack, flow), env),
            CallInput::Cancelled { server, cancel } => self.on_cancel(server, cancel, env),
            CallInput::Response { client, response, flow } => {
                match self.on_response(client, response, flow, env) {
                    Some(end) => end,
                    None => return CallStep::NotTaken,
                }
            }
            CallInput::Repeated2xx { dialog, seq, client } => {
                if let Some((bridge, side)) = self.phase.find(|bridge| bridge.side_of(&dialog)) {
                    bridge.on_repeated_2xx(side, seq, client, env);
                }
                None
            }
            CallInput::Failed { client, why } => self.on_failure(client, why, env),
            CallInput::Resolved { token, result } => self.on_resolved(token, result, env),
            CallInput::Reached { token, result } => {
                self.on_hunt(token, env, |hunt, origin, env| hunt.on_connected(result, origin, env))
            }
            CallInput::Signed { token, result } => {
                self.on_hunt(token, env, |hunt, origin, env| hunt.on_signed(result, origin, env))
            }
            CallInput::Decided { token, decision } => self.on_decision(token, decision, env),
            CallInput::Certificates => self.on_waiting(IntakeInput::Certificates, env),
            CallInput::Deadline => self.on_deadline(env),
            CallInput::ShutDown => Some(self.on_shut_down(env)),
        };
        let end = end.or_else(|| self.on_lost());
        self.after(end, env)
    }

    /// Returns the end of an answered call whose peer cannot be reached (RFC 3261 section 12.2.1.2).
    fn on_lost(&self) -> Option<CallEnd> {
        match &self.phase {
            Phase::Connected { bridge, .. } => bridge.is_lost().then(|| CallEnd::by(Cause::Lost)),
            Phase::Intake(_) | Phase::Setup(_) | Phase::Subscribed(_) | Phase::Over => None,
        }
    }

    /// Returns the legs that the call has released. The switchboard closes these legs.
    pub(crate) fn take_released(&mut self) -> Vec<ReleasedLeg> {
        std::mem::take(&mut self.released)
    }

    /// Returns the time of the next work of the call.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Intake(intake) => Some(intake.deadline()),
            Phase::Setup(setup) => setup.deadline(),
            Phase::Connected { bridge, until } => {
                Some(bridge.deadline().map_or(*until, |deadline| deadline.min(*until)))
            }
            Phase::Subscribed(bridge) => bridge.deadline(),
            Phase::Over => None,
        }
    }

    fn on_request(
        &mut self,
        dialog: &DialogId,
        id: ServerId,
        (request, flow): (Request, &Flow),
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let (bridge, side) = self.phase.find(|bridge| bridge.side_of(dialog))?;
        let end = bridge.on_request(side, id, (request, flow), &self.origin, env);
        let Some(end) = end else { return self.resume(env) };
        match &mut self.phase {
            Phase::Setup(setup) if setup.forks.are_several() && end.cause == Cause::Cancelled => {
                // The caller's BYE ends one of several early dialogs (RFC 3261 section 15).
                let leg = setup.forks.end(dialog, env);
                self.released.extend(leg.map(|leg| ReleasedLeg { leg, needs_bye: true, bye: end.bye }));
                None
            }
            // A BYE that comes again got its 200. The subscription lives on.
            Phase::Subscribed(_) => None,
            Phase::Setup(_) | Phase::Intake(_) | Phase::Connected { .. } | Phase::Over => Some(end),
        }
    }

    /// A PRACK may have arrived for which the 2xx of the callee waits.
    fn resume(&mut self, env: &mut Env<'_>) -> Option<CallEnd> {
        match &mut self.phase {
            Phase::Setup(setup) => {
                let step = setup.resume(&mut self.caller, &self.origin, env);
                self.on_setup(step, env)
            }
            Phase::Intake(_) | Phase::Connected { .. } | Phase::Subscribed(_) | Phase::Over => None,
        }
    }

    fn on_ack(&mut self, dialog: &DialogId, ack: (&Request, &Flow), env: &mut Env<'_>) -> Option<CallEnd> {
        if let Some((bridge, side)) = self.phase.find(|bridge| bridge.side_of(dialog)) {
            bridge.on_ack(side, ack, env);
        }
        None
    }

    /// Handles a CANCEL of the INVITE of the call, or of an INVITE within a dialog.
    fn on_cancel(&mut self, server: ServerId, cancel: &Request, env: &mut Env<'_>) -> Option<CallEnd> {
        if server != self.origin.server {
            if let Some((bridge, side)) = self.phase.find(|bridge| bridge.side_receiving(server)) {
                return bridge.on_cancel(side, server, cancel, env);
            }
            return None;
        }
        if matches!(self.phase, Phase::Connected { .. } | Phase::Subscribed(_) | Phase::Over) {
            return None;
        }
        let crossing = cross(Arrival::Cancel, Situation::unanswered(), None);
        debug_assert_eq!(crossing, Crossing::EndUnanswered, "the INVITE has no final response");
        match &mut self.phase {
            Phase::Intake(intake) => {
                self.caller.reasons = intake.take_reasons();
                let response = self.origin.reply(intake.request(), Status::REQUEST_TERMINATED);
                Some(self.caller.conclude(response, Cause::Cancelled, &self.origin, env))
            }
            Phase::Setup(setup) => Some(setup.cancel(reason_of(cancel), &mut self.caller, &self.origin, env)),
            Phase::Connected { .. } | Phase::Subscribed(_) | Phase::Over => None,
        }
    }

    /// Handles a response. Returns `None` if the response is not for this call.
    fn on_response(
        &mut self,
        client: ClientId,
        response: &Response,
        flow: &Flow,
        env: &mut Env<'_>,
    ) -> Option<Option<CallEnd>> {
        if let Phase::Setup(setup) = &mut self.phase
            && setup.hunt.is_waiting_on(client)
        {
            if setup.forks.has_ended(response) {
                // The caller has ended this early dialog. A 2xx in the dialog gets an ACK and a BYE, and ends the call.
                return Some(response.status().is_success().then(|| {
                    let terminated = self.origin.reply(setup.hunt.request(), Status::REQUEST_TERMINATED);
                    self.caller.conclude(terminated, Cause::Cancelled, &self.origin, env)
                }));
            }
            let step = setup.on_response(client, (response, flow), &mut self.caller, &self.origin, env);
            return Some(self.on_setup(step, env));
        }
        if let Some((bridge, (side, own))) = self.phase.find(|bridge| bridge.own_request(client)) {
            return Some(bridge.on_own_response(side, own, (response, flow), env));
        }
        if let Some((bridge, side)) = self.phase.find(|bridge| bridge.side_of_prack(client)) {
            if response.status().is_final() {
                bridge.on_prack_done(side, client, env);
            }
            return Some(None);
        }
        let (bridge, side) = self.phase.find(|bridge| bridge.side_relaying(client))?;
        let end = bridge.on_response(side, client, (response, flow), &self.origin, env);
        let replaced = bridge.replaced.take();
        self.released.extend(replaced.map(|leg| ReleasedLeg { leg: *leg, needs_bye: true, bye: None }));
        Some(end)
    }

    fn on_failure(&mut self, client: ClientId, why: Failure, env: &mut Env<'_>) -> Option<CallEnd> {
        if let Some((bridge, side)) = self.phase.find(|bridge| bridge.side_of_prack(client)) {
            tracing::debug!(%why, "no response to a PRACK of ours");
            bridge.on_prack_done(side, client, env);
            return None;
        }
        match &mut self.phase {
            Phase::Setup(setup) => {
                let step = setup.on_failure(client, why, &mut self.caller, &self.origin, env);
                self.on_setup(step, env)
            }
            Phase::Connected { bridge, .. } | Phase::Subscribed(bridge) => {
                if let Some((side, own)) = bridge.own_request(client) {
                    return bridge.on_own_failure(side, own, why, env);
                }
                let side = bridge.side_relaying(client)?;
                bridge.on_failure(side, client, why, env)
            }
            Phase::Intake(_) | Phase::Over => None,
        }
    }

    fn on_resolved(
        &mut self,
        token: Token,
        result: Result<Vec<Destination>, ResolveError>,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        if let Some((bridge, side)) = self.phase.find(|bridge| bridge.side_waiting_for(token)) {
            return bridge.on_resolved(side, result, env);
        }
        self.on_hunt(token, env, |hunt, origin, env| hunt.on_resolved(result, origin, env))
    }

    /// Handles the answer of the policy. The intake or the hunt waits for the answer.
    fn on_decision(&mut self, token: Token, decision: Decision, env: &mut Env<'_>) -> Option<CallEnd> {
        match decision {
            Decision::Attest(attestation) => {
                self.on_hunt(token, env, |hunt, origin, env| hunt.on_attested(attestation, origin, env))
            }
            Decision::Admit(_) | Decision::Judge(_) | Decision::Route(_) => {
                self.on_waiting(IntakeInput::Decided(token, decision), env)
            }
        }
    }

    /// Handles an answer with this token for the hunt.
    fn on_hunt(
        &mut self,
        token: Token,
        env: &mut Env<'_>,
        step: impl FnOnce(&mut Hunt, &Origin, &mut Env<'_>) -> HuntStep,
    ) -> Option<CallEnd> {
        match &mut self.phase {
            Phase::Setup(setup) if setup.hunt.waits_for(token) => {
                let step = step(&mut setup.hunt, &self.origin, env);
                let step = setup.on_step(step, &mut self.caller, &self.origin, env);
                self.on_setup(step, env)
            }
            Phase::Setup(_)
            | Phase::Intake(_)
            | Phase::Connected { .. }
            | Phase::Subscribed(_)
            | Phase::Over => None,
        }
    }

    /// Handles an event that the intake may wait for.
    fn on_waiting(&mut self, input: IntakeInput, env: &mut Env<'_>) -> Option<CallEnd> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Intake(intake) => {
                let step = intake.step(input, &self.origin, env);
                self.on_intake(step, env)
            }
            phase @ (Phase::Setup(_) | Phase::Connected { .. } | Phase::Subscribed(_) | Phase::Over) => {
                self.phase = phase;
                None
            }
        }
    }

    fn on_deadline(&mut self, env: &mut Env<'_>) -> Option<CallEnd> {
        match &mut self.phase {
            Phase::Intake(_) => self.on_waiting(IntakeInput::Deadline, env),
            Phase::Setup(setup) => {
                let step = setup.on_deadline(&mut self.caller, &self.origin, env);
                self.on_setup(step, env)
            }
            Phase::Connected { bridge, until } => {
                let too_long = *until <= env.now.mono;
                let end = bridge.on_deadline(env);
                end.or_else(|| too_long.then(|| CallEnd::by(Cause::TooLong)))
            }
            Phase::Subscribed(bridge) => bridge.on_deadline(env),
            Phase::Over => None,
        }
    }

    /// Ends the call because the edge stops. An answered call gets a BYE. An unanswered call is refused.
    fn on_shut_down(&mut self, env: &mut Env<'_>) -> CallEnd {
        let request = match &mut self.phase {
            Phase::Intake(intake) => {
                self.caller.reasons = intake.take_reasons();
                intake.request()
            }
            Phase::Setup(setup) => {
                setup.abandon(None, env);
                setup.hunt.request()
            }
            Phase::Connected { .. } | Phase::Subscribed(_) | Phase::Over => {
                return CallEnd::by(Cause::ShutDown);
            }
        };
        let mut response = self.origin.reply(request, Status::SERVICE_UNAVAILABLE);
        response.headers_mut().push(Name::RetryAfter, RETRY_AFTER_DRAINING);
        self.caller.conclude(response, Cause::ShutDown, &self.origin, env)
    }

    fn on_intake(&mut self, step: IntakeStep, env: &mut Env<'_>) -> Option<CallEnd> {
        match step {
            IntakeStep::Waits(intake) => {
                self.phase = Phase::Intake(intake);
                None
            }
            IntakeStep::Passed(routed, routing) => self.set_up(routed, &routing, env),
            IntakeStep::BuiltInCallee(Routed { request, reasons }) => {
                self.caller.reasons = reasons;
                match answer_call(request.request(), &mut self.caller, &self.origin, env) {
                    Ok(a) => {
                        let bridge = Bridge::new(a, BridgedTo::BuiltInCallee);
                        let max_call = self.origin.ingress.trunk.timers.max_call;
                        self.connect(Box::new(bridge), max_call, env);
                        None
                    }
                    Err(response) => Some(self.caller.refuse(*response, &self.origin, env)),
                }
            }
            IntakeStep::Refused { response, reasons, .. } => {
                self.caller.reasons = reasons;
                Some(self.caller.refuse(*response, &self.origin, env))
            }
        }
    }

    /// Starts the hunt for a target, with these routes.
    fn set_up(&mut self, routed: Routed, routing: &Routing, env: &mut Env<'_>) -> Option<CallEnd> {
        let Routed { request, reasons } = routed;
        self.caller.reasons = reasons;
        let Origin { config, ingress, arrival, .. } = &self.origin;
        match plan(config, ingress, arrival, request.request().uri(), routing) {
            Ok(targets) => {
                let mut setup = Box::new(Setup::new(Hunt::new(request, targets)));
                let step = setup.hunt.next_target(&self.origin, env);
                let step = setup.on_step(step, &mut self.caller, &self.origin, env);
                self.phase = Phase::Setup(setup);
                self.on_setup(step, env)
            }
            Err(status) => {
                let response = self.origin.reply(request.request(), status);
                Some(self.caller.refuse(response, &self.origin, env))
            }
        }
    }

    fn on_setup(&mut self, step: SetupStep, env: &mut Env<'_>) -> Option<CallEnd> {
        match step {
            SetupStep::Goes => None,
            SetupStep::Answered { bridge, max_call } => {
                self.connect(bridge, max_call, env);
                None
            }
            SetupStep::Over(end) => Some(end),
        }
    }

    fn connect(&mut self, bridge: Box<Bridge>, max_call: Duration, env: &Env<'_>) {
        let connected = Phase::Connected { bridge, until: env.now.mono + max_call };
        if let Phase::Setup(mut setup) = std::mem::replace(&mut self.phase, connected) {
            self.caller.record.sent(setup.hunt.take_sent());
            self.released.extend(setup.released.map(|leg| *leg));
        }
    }
}

impl Phase {
    /// Finds the bridge for which `side` returns a side. This is the connected bridge, or the bridge of an early dialog.
    fn find<T>(&mut self, side: impl Fn(&mut Bridge) -> Option<T>) -> Option<(&mut Bridge, T)> {
        match self {
            Self::Connected { bridge, .. } | Self::Subscribed(bridge) => {
                side(bridge).map(|found| (bridge.as_mut(), found))
            }
            Self::Setup(setup) => {
                setup.forks.iter_mut().find_map(|bridge| side(bridge).map(|found| (bridge, found)))
            }
            Self::Intake(_) | Self::Over => None,
        }
    }
}
