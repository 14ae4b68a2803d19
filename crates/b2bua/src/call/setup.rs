//! A call during set-up: the caller waits, the hunt tries targets, early dialogs begin and end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_sip::{Response, Status};
use attesta_transaction::{ClientId, Failure, Flow};
use bytes::Bytes;

use crate::call::bridge::{Bridge, BridgedTo};
use crate::call::caller::CallerSide;
use crate::call::end::CallEnd;
use crate::call::forks::Forks;
use crate::call::session;
use crate::config::listener::Listener;
use crate::env::Env;
use crate::event::Cause;
use crate::headers::address::sequence;
use crate::hunt::{Hunt, HuntStep};
use crate::intake::origin::Origin;
use crate::leg::dialog::FIRST_SEQ;
use crate::leg::offer_answer::Sender;

/// A call that is being set up.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) hunt: Hunt,
    pub(crate) forks: Forks,
}

/// How a step of the set-up ends.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the BYE in it is moved once a call")]
pub(crate) enum SetupStep {
    /// The set-up continues.
    Goes,
    /// The callee has answered.
    Answered {
        bridge: Box<Bridge>,
        /// How long the call may last.
        max_call: Duration,
    },
    /// The call ends.
    Over(CallEnd),
}

impl Setup {
    pub(crate) fn new(hunt: Hunt) -> Self {
        Self { hunt, forks: Forks::default() }
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let forks = self.forks.iter().filter_map(Bridge::deadline);
        forks.chain(self.hunt.deadline()).min()
    }

    /// Handles the result of a step of the hunt after which no response can have arrived.
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
                self.forks.close(env);
                let step = self.hunt.go_on(target, origin, env);
                self.on_step(step, caller, origin, env)
            }
            HuntStep::Over(response, cause) => {
                self.forks.close(env);
                SetupStep::Over(caller.conclude(*response, cause, origin, env))
            }
            HuntStep::Provisional(_) | HuntStep::Success { .. } => {
                debug_assert!(false, "a response after a step that can return no response");
                SetupStep::Goes
            }
        }
    }

    /// A response to the INVITE of the attempt.
    pub(crate) fn on_response(
        &mut self,
        client: ClientId,
        (response, flow): (&Response, &Flow),
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> SetupStep {
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
            return;
        }
        let place =
            known.or_else(|| self.forks.open((response, flow, listener), &self.hunt, caller, origin, env));
        if let Some(bridge) = place.and_then(|place| self.forks.get(place)) {
            let back = bridge.response_to_caller(response, &self.hunt, env);
            let request = self.hunt.request();
            let invite = sequence(request).unwrap_or_default();
            bridge.a.on_provisional_relayed(response, invite, FIRST_SEQ);
            bridge.a.observe_response(Sender::Local, request.method(), &back, env);
            caller.provisional(back, origin, env);
        }
    }

    /// A 2xx answers the call in its dialog. All other early dialogs of the call are over.
    fn on_success(
        &mut self,
        (response, flow, listener): (&Response, &Flow, &Arc<Listener>),
        max_call: Duration,
        caller: &mut CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> SetupStep {
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
            let request = self.hunt.request().headers();
            session::settle((&mut bridge.a, request), (b, response), &mut back, env);
        }
        caller.success(back, self.hunt.request(), &mut bridge.a, origin, env);
        SetupStep::Answered { bridge, max_call }
    }

    /// Ends the set-up: the INVITE of the attempt is cancelled with this Reason, and the early dialogs are over.
    pub(crate) fn abandon(&mut self, reason: Option<Bytes>, env: &mut Env<'_>) {
        self.hunt.abandon(reason, env);
        self.forks.close(env);
    }

    /// The request of the attempt gets no response.
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
        for bridge in self.forks.iter_mut() {
            if let Some(end) = bridge.on_deadline(env) {
                return SetupStep::Over(end);
            }
        }
        let step = self.hunt.on_deadline(origin, env);
        self.on_step(step, caller, origin, env)
    }

    /// The caller has hung up before the answer (RFC 3261 sections 9.2 and 15.1.2): its INVITE gets a 487.
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

/// The 2xx of this transaction confirms the dialog of the callee (RFC 3261 section 13.2.2.4).
fn confirmed(mut step: SetupStep, response: &Response, client: ClientId) -> SetupStep {
    if let SetupStep::Answered { bridge, .. } = &mut step
        && let Some(callee) = bridge.callee()
    {
        callee.confirm(response);
        callee.invite.on_2xx_received(FIRST_SEQ, client);
    }
    step
}
