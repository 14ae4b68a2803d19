//! A call during set-up. The caller waits, the hunt tries targets, and early dialogs begin and end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_sip::{Response, Status};
use attesta_transaction::{ClientId, Failure, Flow};
use bytes::Bytes;

use crate::call::bridge::{Bridge, BridgedTo};
use crate::call::caller::CallerSide;
use crate::call::end::{CallEnd, ReleasedLeg};
use crate::call::forks::Forks;
use crate::call::reliable::Waiting2xx;
use crate::call::session;
use crate::config::listener::Listener;
use crate::counters::Refusal;
use crate::env::Env;
use crate::event::Cause;
use crate::headers::dialog_id::DialogId;
use crate::headers::timer::Asked;
use crate::hunt::{Hunt, HuntStep};
use crate::intake::origin::Origin;
use crate::leg::dialog::FIRST_SEQ;
use crate::leg::requests::ProvisionalCount;

/// A call that is being set up.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) hunt: Hunt,
    pub(crate) forks: Forks,
    provisionals: ProvisionalCount,
    /// A 2xx that waits for a PRACK of the caller.
    waiting_2xx: Option<Box<Waiting2xx>>,
    /// The callee's leg of a 2xx that has waited in vain.
    pub(crate) released: Option<Box<ReleasedLeg>>,
}

/// The result of a step of the set-up.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the BYE in it is moved once a call")]
pub(crate) enum SetupStep {
    /// The set-up continues.
    Goes,
    /// The callee has answered.
    Answered {
        bridge: Box<Bridge>,
        /// The longest duration of the call.
        max_call: Duration,
    },
    /// The call ends.
    Over(CallEnd),
}

impl Setup {
    pub(crate) fn new(hunt: Hunt) -> Self {
        let (forks, provisionals) = (Forks::default(), ProvisionalCount::default());
        Self { hunt, forks, provisionals, waiting_2xx: None, released: None }
    }

    /// Returns the time of the next work of the set-up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let forks = self.forks.iter().filter_map(Bridge::deadline);
        forks.chain(self.hunt.deadline()).min()
    }

    /// Handles a step of the hunt that returns no response of the callee.
    pub(crate) fn on_step(
        &mut self,
        step: HuntStep,
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> SetupStep {
        match step {
            HuntStep::Goes => SetupStep::Goes,
            HuntStep::AttemptFailed(target) => {
                self.close_forks(env);
                let step = self.hunt.go_on(target, origin, env);
                self.on_step(step, caller, origin, env)
            }
            HuntStep::Over(response, cause) => {
                self.close_forks(env);
                SetupStep::Over(caller.conclude(*response, cause, origin, env))
            }
            HuntStep::Provisional(_) | HuntStep::Success { .. } => {
                debug_assert!(false, "a response after a step that can return no response");
                SetupStep::Goes
            }
        }
    }

    /// Handles a response to the INVITE of the attempt.
    pub(crate) fn on_response(
        &mut self,
        client: ClientId,
        (response, flow): (&Response, &Flow),
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> SetupStep {
        if response.status().is_success() && self.forks.holds_2xx(response) {
            let (response, flow) = (response.clone(), flow.clone());
            self.waiting_2xx = Some(Box::new(Waiting2xx { client, response, flow }));
            return SetupStep::Goes;
        }
        match self.hunt.on_response(response, origin, env) {
            HuntStep::Provisional(listener) => {
                self.on_provisional((response, flow, &listener), caller, origin, env);
                SetupStep::Goes
            }
            HuntStep::Success { listener, max_call } => {
                let step = self.on_success((response, flow, &listener), max_call, caller, origin, env);
                confirmed(step, response, client)
            }
            step @ (HuntStep::Goes | HuntStep::AttemptFailed(_) | HuntStep::Over(..)) => {
                self.on_step(step, caller, origin, env)
            }
        }
    }

    /// A PRACK has arrived. The 2xx that waited for it answers the call.
    pub(crate) fn resume(
        &mut self,
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> SetupStep {
        match self.waiting_2xx.take() {
            Some(waiting) if self.forks.find(&waiting.response).is_some() => {
                let Waiting2xx { client, response, flow } = *waiting;
                self.on_response(client, (&response, &flow), caller, origin, env)
            }
            Some(_) | None => SetupStep::Goes,
        }
    }

    /// Ends all early dialogs. A callee whose 2xx waits for a PRACK gets an ACK and a BYE (RFC 3261 section 13.2.2.4).
    fn close_forks(&mut self, env: &mut Env<'_>) {
        self.end_waiting(env);
        self.forks.close(env);
    }

    fn end_waiting(&mut self, env: &mut Env<'_>) {
        if let Some(waiting) = self.waiting_2xx.take()
            && let Some(id) = DialogId::of_response(&waiting.response)
            && let Some(mut leg) = self.forks.end(&id, env)
        {
            leg.confirm(&waiting.response);
            leg.invite.on_2xx_received(FIRST_SEQ, waiting.client);
            self.released = Some(Box::new(ReleasedLeg { leg, needs_bye: true, bye: None }));
        }
    }

    /// A provisional response is relayed in the early dialog that corresponds to the callee's (RFC 3261 section 13.2.2.1).
    fn on_provisional(
        &mut self,
        (response, flow, listener): (&Response, &Flow, &Arc<Listener>),
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) {
        let known = self.forks.find(response);
        if known.is_none() && self.forks.len() >= origin.config.caps.forks {
            tracing::debug!("provisional response of one fork too many");
            return env.counters.refuse(Refusal::ForkCap);
        }
        if self.provisionals.is_exceeded_by_one_more() {
            return env.counters.refuse(Refusal::ProvisionalCap);
        }
        let place =
            known.or_else(|| self.forks.open((response, flow, listener), &self.hunt, caller, origin, env));
        if let Some(bridge) = place.and_then(|place| self.forks.get(place)) {
            bridge.relay_provisional(response, &self.hunt, caller, origin, env);
        }
    }

    /// Relays a 2xx, which answers the call in its dialog. Ends all other early dialogs of the call.
    fn on_success(
        &mut self,
        (response, flow, listener): (&Response, &Flow, &Arc<Listener>),
        max_call: Duration,
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> SetupStep {
        self.end_waiting(env);
        let place = self
            .forks
            .find(response)
            .or_else(|| self.forks.open((response, flow, listener), &self.hunt, caller, origin, env));
        let bridge = place.and_then(|place| self.forks.take(place, env));
        let Some(mut bridge) = bridge else {
            self.forks.close(env);
            let response = origin.reply(self.hunt.request(), Status::BAD_GATEWAY);
            return SetupStep::Over(caller.refuse(response, origin, env));
        };
        let mut back = bridge.response_to_caller(response, &self.hunt, env);
        if let BridgedTo::Leg(b) = &mut bridge.b {
            b.on_message_from(flow);
            b.add_answer(&mut back);
            let asked = Asked::of(self.hunt.request().headers());
            session::settle((&mut bridge.a, &asked), (b, response), &mut back, env);
        }
        bridge.a.end_reliable_responses();
        caller.success(back, self.hunt.request(), &mut bridge.a, origin, env);
        SetupStep::Answered { bridge, max_call }
    }

    /// Ends the set-up. Cancels the INVITE of the attempt with this Reason, and ends the early dialogs.
    pub(crate) fn abandon(&mut self, reason: Option<Bytes>, env: &mut Env<'_>) {
        self.hunt.abandon(reason, env);
        self.close_forks(env);
    }

    /// Handles the failure of the INVITE of the attempt: the target sends no response.
    pub(crate) fn on_failure(
        &mut self,
        client: ClientId,
        why: Failure,
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> SetupStep {
        if self.hunt.is_waiting_on(client) {
            let step = self.hunt.on_failure(why, origin, env);
            return self.on_step(step, caller, origin, env);
        }
        let end = self.forks.iter_mut().find_map(|bridge| {
            let side = bridge.side_relaying(client)?;
            Some(bridge.on_failure(side, client, why, env))
        });
        end.flatten().map_or(SetupStep::Goes, SetupStep::Over)
    }

    /// Does the work that is due.
    pub(crate) fn on_deadline(
        &mut self,
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> SetupStep {
        if self.forks.has_given_up(origin.server, env) {
            self.abandon(None, env);
            let response = origin.reply(self.hunt.request(), Status::SERVER_TIMEOUT);
            return SetupStep::Over(caller.conclude(response, Cause::NotAcknowledged, origin, env));
        }
        for bridge in self.forks.iter_mut() {
            if let Some(end) = bridge.on_deadline(env) {
                return SetupStep::Over(end);
            }
        }
        let step = self.hunt.on_deadline(origin, env);
        self.on_step(step, caller, origin, env)
    }

    /// Ends the set-up because the caller has hung up before the answer (RFC 3261 sections 9.2 and 15.1.2). The INVITE of the
    /// caller gets a 487.
    pub(crate) fn cancel(
        &mut self,
        reason: Option<Bytes>,
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> CallEnd {
        let response = origin.reply(self.hunt.request(), Status::REQUEST_TERMINATED);
        self.abandon(reason, env);
        caller.conclude(response, Cause::Cancelled, origin, env)
    }
}

/// Confirms the dialog of the callee with the 2xx of this transaction (RFC 3261 section 13.2.2.4).
fn confirmed(mut step: SetupStep, response: &Response, client: ClientId) -> SetupStep {
    if let SetupStep::Answered { bridge, .. } = &mut step
        && let Some(callee) = bridge.callee()
    {
        callee.confirm(response);
        callee.invite.on_2xx_received(FIRST_SEQ, client);
    }
    step
}
