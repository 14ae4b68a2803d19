//! The end of an answered call by a BYE (RFC 3261 section 15, RFC 5407 section 3).
//!
//! The BYE is relayed with its header fields and its body, and the far peer's response is relayed back. If the response takes
//! too long, the sender of the BYE gets a 200 from us.

use std::time::Duration;

use attesta_sip::{Method, Request, Status};
use attesta_transaction::ServerId;

use crate::call::bridge::Bridge;
use crate::call::crossing::{Arrival, Crossing};
use crate::call::end::{ByeTo, CallEnd};
use crate::call::release::{Releasing, State};
use crate::env::Env;
use crate::event::Cause;
use crate::identity::belief::strip_untrusted;
use crate::intake::origin::Origin;
use crate::leg::Side;

impl Bridge {
    /// True while a relayed BYE waits for the response of the far peer.
    pub(crate) fn is_releasing(&self) -> bool {
        self.releasing.as_ref().is_some_and(|releasing| releasing.is_open())
    }

    /// Relays a BYE of the peer `near`.
    pub(super) fn relay_bye(
        &mut self,
        near: Side,
        id: ServerId,
        bye: Request,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let now = env.now.mono;
        let since = self.releasing.as_ref().map_or(now, |releasing| releasing.since);
        let (state, until) = (State::Relayed, now + BYE_BUDGET);
        self.releasing = Some(Box::new(Releasing { near, server: id, since, state, until }));
        if let (_, Some(far)) = self.legs(near) {
            // RFC 3261 section 13.2.2.4: the ACK comes before the BYE.
            far.acknowledge(None, env);
        }
        self.relay(near, id, bye, origin, env)
    }

    /// Handles a request that was refused because its CSeq number is lower than an earlier number. A BYE still ends
    /// the call, because its sender has ended the session, whatever the response is (RFC 3261 section 15.1.1).
    pub(super) fn on_out_of_order(
        &mut self,
        near: Side,
        request: Request,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        if *request.method() != Method::Bye {
            return None;
        }
        let crossing = self.decides(Arrival::Bye, near)?;
        if crossing == Crossing::EndUnanswered {
            return Some(CallEnd { bye: Some(request), ..CallEnd::by(Cause::Cancelled) });
        }
        let ends = [Crossing::RelayBye, Crossing::AnswerAndEnd].contains(&crossing);
        if ends { self.end_by_bye(near, request, env) } else { None }
    }

    /// Ends the call on the other side. We have answered the BYE of the peer `near`.
    pub(super) fn end_by_bye(&mut self, near: Side, mut bye: Request, env: &mut Env<'_>) -> Option<CallEnd> {
        match self.releasing.as_ref().filter(|releasing| releasing.is_open()) {
            // This is another BYE of the same sender. The first BYE waits for its response.
            Some(releasing) if releasing.near == near => return None,
            // The BYEs of both sides have crossed.
            Some(_) => {
                self.answer_relayed_bye(env);
                return Some(self.released(ByeTo::Neither, env));
            }
            None => {}
        }
        if let (Some(leg), _) = self.legs(near) {
            leg.acknowledge(None, env);
            strip_untrusted(bye.headers_mut(), leg.rules.trusts);
        }
        let since = self.releasing.as_ref().map(|releasing| releasing.since);
        Some(CallEnd { cause: hung_up(near), bye_to: ByeTo::Only(near.other()), bye: Some(bye), at: since })
    }

    /// Notes that the far peer's challenge to the BYE was relayed. The sender of the BYE may send another BYE.
    pub(super) fn on_challenge(&mut self, env: &Env<'_>) {
        if let Some(releasing) = &mut self.releasing {
            releasing.state = State::Challenged;
            releasing.until = env.now.mono + CHALLENGE_BUDGET;
        }
    }

    /// Ends the call if the response of the far peer takes too long, or if the sender of a challenged BYE sends no other BYE.
    pub(super) fn on_release_deadline(&mut self, env: &mut Env<'_>) -> Option<CallEnd> {
        let is_due = self.releasing.as_ref().is_some_and(|releasing| releasing.until <= env.now.mono);
        is_due.then(|| self.finish_release(env))
    }

    /// Ends the call without the response of the far peer. The sender of the BYE gets a 200.
    pub(crate) fn finish_release(&mut self, env: &mut Env<'_>) -> CallEnd {
        let near = self.releasing.as_ref().map_or(Side::Caller, |releasing| releasing.near);
        let bye = self.answer_relayed_bye(env);
        CallEnd { bye, ..self.released(ByeTo::Only(near.other()), env) }
    }

    /// Returns the end of the call that results from the relayed BYE.
    pub(super) fn released(&mut self, bye_to: ByeTo, env: &Env<'_>) -> CallEnd {
        let (near, since) = match self.releasing.take() {
            Some(releasing) => (releasing.near, releasing.since),
            None => (Side::Caller, env.now.mono),
        };
        CallEnd { cause: hung_up(near), bye_to, bye: None, at: Some(since) }
    }

    /// Answers the relayed BYE with 200, unless it was answered before. Returns the BYE.
    fn answer_relayed_bye(&mut self, env: &mut Env<'_>) -> Option<Request> {
        let (near, server) = {
            let releasing = self.releasing.as_ref().filter(|releasing| releasing.is_open())?;
            (releasing.near, releasing.server)
        };
        let relayed = self.take_request(near, server, env)?;
        let response = env.reply(&relayed.request, Status::OK);
        env.respond(server, &response);
        let (leg, far) = self.legs(near);
        if let (Some(far), Some(client)) = (far, relayed.client) {
            far.invite.on_bye_sent(client);
        }
        let mut bye = relayed.request;
        if let Some(leg) = leg {
            strip_untrusted(bye.headers_mut(), leg.rules.trusts);
        }
        Some(bye)
    }
}

pub(super) const fn hung_up(side: Side) -> Cause {
    match side {
        Side::Caller => Cause::CallerHungUp,
        Side::Callee => Cause::CalleeHungUp,
    }
}

/// The time that the sender of a BYE waits for the response of the far peer. Then we send our own 200. At 3.5 s, a 100
/// would be due (RFC 4320 section 4.1), which some user agents do not expect for a BYE.
const BYE_BUDGET: Duration = Duration::from_secs(3);

/// The time in which the sender of a challenged BYE may send another BYE: the duration of a transaction (64*T1).
const CHALLENGE_BUDGET: Duration = Duration::from_secs(32);
