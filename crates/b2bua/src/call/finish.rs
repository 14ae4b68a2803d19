//! The end of a call. The subscription of a REFER outlives the call (RFC 3515 section 2.4.4, RFC 5057 section 3).

use attesta_sip::Status;

use crate::call::bridge::{Bridge, BridgedTo, reason_of};
use crate::call::end::{ByeTo, CallEnd, ReleasedLeg};
use crate::call::input::CallStep;
use crate::call::{Call, Phase};
use crate::env::Env;
use crate::event::CallEvent;

impl Call {
    /// Ends the call if there is an `end`.
    pub(super) fn after(&mut self, end: Option<CallEnd>, env: &mut Env<'_>) -> CallStep {
        if let Phase::Subscribed(bridge) = &mut self.phase {
            if end.is_none() && bridge.is_subscribed() {
                return CallStep::Goes;
            }
            bridge.close(env);
            env.counters.subscriptions_live -= 1;
            self.phase = Phase::Over;
            return CallStep::Over;
        }
        let Some(end) = end else { return CallStep::Goes };
        self.finish(end, env);
        match &self.phase {
            Phase::Subscribed(_) => CallStep::Goes,
            Phase::Intake(_) | Phase::Setup(_) | Phase::Connected { .. } | Phase::Over => CallStep::Over,
        }
    }

    /// Ends the call. The call drops its open questions to the shell, answers an unanswered INVITE with 487, and releases its
    /// legs.
    fn finish(&mut self, end: CallEnd, env: &mut Env<'_>) {
        let (cause, at) = (end.cause, end.at.unwrap_or(env.now.mono));
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Intake(mut intake) => intake.abandon(&self.origin, env),
            Phase::Setup(mut setup) => {
                if !self.caller.is_answered() {
                    // The caller has ended its early dialog with a BYE (RFC 3261 section 15.1.2).
                    let response = self.origin.reply(setup.hunt.request(), Status::REQUEST_TERMINATED);
                    self.caller.conclude(response, cause, &self.origin, env);
                }
                setup.abandon(end.bye.as_ref().and_then(reason_of), env);
                self.released.extend(setup.released.take().map(|leg| *leg));
                self.caller.record.sent(setup.hunt.take_sent());
            }
            Phase::Connected { mut bridge, .. } => {
                let has_room = env.counters.subscriptions_live < MAX_SUBSCRIPTIONS;
                if end.bye_to == ByeTo::Neither && has_room && bridge.is_subscribed() {
                    bridge.outlives_the_call(env);
                    env.counters.subscriptions_live += 1;
                    self.phase = Phase::Subscribed(bridge);
                } else {
                    self.release(*bridge, end, env);
                }
            }
            Phase::Subscribed(_) | Phase::Over => {}
        }
        env.counters.end(cause);
        self.caller.record.log(at, &self.origin.arrival, cause);
        env.tell(CallEvent::Ended { call: self.origin.arrival.call, at: env.now.unix, cause });
    }

    /// Releases the legs of a bridge. A leg in which no message is outstanding is closed at once.
    fn release(&mut self, mut bridge: Bridge, end: CallEnd, env: &mut Env<'_>) {
        // The sender of a relayed BYE gets no BYE from us.
        let end = if bridge.is_releasing() { bridge.finish_release(env) } else { end };
        let CallEnd { bye_to, bye, .. } = end;
        bridge.abandon_requests(env);
        let b = match bridge.b {
            BridgedTo::Leg(leg) => Some(leg),
            BridgedTo::BuiltInCallee => None,
        };
        for mut leg in [Some(bridge.a), b].into_iter().flatten() {
            let needs_bye = bye_to.includes(leg.side);
            if needs_bye || leg.invite.is_in_progress() {
                self.released.push(ReleasedLeg { leg, needs_bye, bye: bye.clone() });
            } else {
                leg.close(env);
            }
        }
    }
}

/// The most calls of one worker that are over and whose subscriptions live on. Above this number, a NOTIFY after the BYE gets
/// a 481.
const MAX_SUBSCRIPTIONS: u64 = 256;
