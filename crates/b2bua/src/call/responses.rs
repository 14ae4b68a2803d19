//! The final responses to relayed requests, and the handling of missing responses (RFC 3261 section 12.2.1.2, RFC 5057).

use attesta_sip::{Method, Name, Response, Status};
use attesta_transaction::{ClientId, Failure, Flow, ServerId};

use crate::call::bridge::Bridge;
use crate::call::crossing::{Arrival, Crossing};
use crate::call::end::{ByeTo, CallEnd};
use crate::call::session;
use crate::call::swap::SwapStep;
use crate::counters::Refusal;
use crate::env::Env;
use crate::event::Cause;
use crate::headers::address::{contact, sequence};
use crate::headers::relay;
use crate::headers::timer::Asked;
use crate::identity::belief::strip_untrusted;
use crate::intake::origin::Origin;
use crate::leg::invite::Unacknowledged2xx;
use crate::leg::offer_answer::Sender;
use crate::leg::requests::RelayedRequest;
use crate::leg::{Leg, Side};

impl Bridge {
    /// Handles a response to a request of the peer `near`. We relayed the request in the transaction `client`.
    pub(crate) fn on_response(
        &mut self,
        near: Side,
        client: ClientId,
        (response, flow): (&Response, &Flow),
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let status = response.status();
        if self.swaps_by(client) {
            match self.on_swap_response(client, response, env) {
                SwapStep::Goes => return None,
                SwapStep::Exchanged => {}
                SwapStep::Refused(Some(end)) => return Some(end),
                SwapStep::Refused(None) => {
                    return self.after_final(near, Arrival::of_final(&Method::Invite, status), env);
                }
            }
        }
        let (leg, far) = self.legs(near);
        let (leg, far) = (leg?, far?);
        far.on_message_from(flow);
        let relayed = leg.requests.by_client(client)?;
        let (server, seq, method) = (relayed.server, relayed.seq, relayed.request.method().clone());
        let received = sequence(&relayed.request).unwrap_or_default();
        if status.is_provisional() {
            relayed.on_provisional(env.now.mono);
            if status == Status::TRYING || method != Method::Invite {
                return None;
            }
            if relayed.provisionals.is_exceeded_by_one_more() {
                env.counters.refuse(Refusal::ProvisionalCap);
                return None;
            }
        } else {
            env.owners.forget_client(client);
        }
        far.observe_response(Sender::Remote, &method, response, env);
        let refreshes = status.is_success() && [Method::Invite, Method::Update].contains(&method);
        let asked = refreshes.then(|| Asked::of(relayed.request.headers()));
        let mut back = Response::to_request(&relayed.request, status);
        if method == Method::Invite && !leg.invite.is_confirmed() {
            // The INVITE has created the dialog of this leg, which replaces another leg.
            back.headers_mut().set(Name::To, leg.dialog.local_address());
            relay::record_route(&relayed.request, &mut back);
        }
        relay::response(response, &mut back, &method, || leg.contact(response.headers()));
        strip_untrusted(back.headers_mut(), far.rules.trusts);
        // An UPDATE in an early dialog begins no session.
        if let Some(asked) = asked.filter(|_| method == Method::Invite || leg.invite.is_confirmed()) {
            session::settle((leg, &asked), (far, response), &mut back, env);
        }
        if status.is_provisional() {
            leg.on_provisional_relayed(response, received, seq);
        } else if method == Method::Invite && status.is_success() {
            let timers = &origin.config.transactions;
            let answer = Unacknowledged2xx::new(env.now.mono, server, received, back.clone(), timers);
            leg.invite.on_2xx_sent(answer);
        }
        leg.observe_response(Sender::Local, &method, &back, env);
        env.respond(server, &back);
        if status.is_provisional() {
            return None;
        }
        let relayed = leg.requests.remove(server)?;
        env.owners.forget_server(server);
        self.on_final_of(near, &relayed.request, response);
        let (leg, far) = self.legs(near);
        if status.is_success() && method != Method::Bye {
            let (leg, far) = (leg?, far?);
            agree(leg, far, &relayed, response);
            if method == Method::Invite {
                far.invite.on_2xx_received(seq, client);
            }
            return None;
        }
        self.after_final(near, Arrival::of_final(&method, status), env)
    }

    /// Handles the failure of a relayed request of the peer `near`: the far peer sends no response.
    pub(crate) fn on_failure(
        &mut self,
        near: Side,
        client: ClientId,
        why: Failure,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let leg = if self.swaps_by(client) { self.new_leg() } else { self.legs(near).0 };
        let relayed = leg?.requests.by_client(client)?;
        relayed.client = None;
        let server = relayed.server;
        match why {
            Failure::Timeout if self.swaps_for(server) => {
                let status = Status::REQUEST_TIMEOUT;
                let end = self.fail_swap(status, None, env);
                end.or_else(|| self.after_final(near, Arrival::of_final(&Method::Invite, status), env))
            }
            Failure::Timeout => {
                let relayed = self.take_request(near, server, env)?;
                self.answer(near, &relayed, Status::REQUEST_TIMEOUT, env);
                let arrival = Arrival::of_final(relayed.request.method(), Status::REQUEST_TIMEOUT);
                self.after_final(near, arrival, env)
            }
            Failure::Transport | Failure::NoRoom => {
                self.on_unsent(near, server, why == Failure::Transport, env)
            }
        }
    }

    /// Decides whether the call continues after the final response to a request of the peer `near`.
    fn after_final(&mut self, near: Side, arrival: Arrival, env: &mut Env<'_>) -> Option<CallEnd> {
        match self.decides(arrival, near)? {
            Crossing::EndUsage => Some(CallEnd::by(Cause::Lost)),
            Crossing::RelayAndEnd => Some(self.released(ByeTo::Neither, env)),
            Crossing::Relay => {
                if arrival == Arrival::ByeChallenged {
                    self.on_challenge(env);
                }
                None
            }
            other @ (Crossing::RelayBye
            | Crossing::Answer(..)
            | Crossing::RetryAfter(_)
            | Crossing::Acknowledged
            | Crossing::AnswerAndEnd
            | Crossing::EndUnanswered
            | Crossing::OkAndEnd
            | Crossing::Unavailable
            | Crossing::UnavailableAndEnd
            | Crossing::ByeToBoth
            | Crossing::AckAndBye
            | Crossing::Swap
            | Crossing::Absorb) => {
                other.is_of_another_arrival();
                None
            }
        }
    }

    /// Handles a request of the peer `near` that could not be sent on the far leg (RFC 3261 section 8.1.3.1). `is_peers_fault`
    /// is false if one of our limits is the reason.
    pub(super) fn on_unsent(
        &mut self,
        near: Side,
        server: ServerId,
        is_peers_fault: bool,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let is_swap = self.swaps_for(server);
        let (leg, far) = self.legs(near);
        let is_lost = is_peers_fault && far?.on_loss();
        let method = match is_swap {
            true => Method::Invite,
            false => leg?.requests.by_server(server)?.request.method().clone(),
        };
        match self.decides(Arrival::of_unsent(&method, is_lost), near)? {
            Crossing::UnavailableAndEnd | Crossing::Unavailable if is_swap => {
                let end = self.fail_swap(Status::SERVICE_UNAVAILABLE, None, env);
                end.or_else(|| is_lost.then(|| CallEnd::by(Cause::Lost)))
            }
            Crossing::UnavailableAndEnd => {
                let relayed = self.take_request(near, server, env)?;
                self.answer(near, &relayed, Status::SERVICE_UNAVAILABLE, env);
                Some(CallEnd::by(Cause::Lost))
            }
            Crossing::OkAndEnd => Some(self.finish_release(env)),
            Crossing::Unavailable => {
                let relayed = self.take_request(near, server, env)?;
                self.answer(near, &relayed, Status::SERVICE_UNAVAILABLE, env);
                None
            }
            other @ (Crossing::Relay
            | Crossing::RelayBye
            | Crossing::Answer(..)
            | Crossing::RetryAfter(_)
            | Crossing::Acknowledged
            | Crossing::AnswerAndEnd
            | Crossing::EndUnanswered
            | Crossing::EndUsage
            | Crossing::RelayAndEnd
            | Crossing::ByeToBoth
            | Crossing::AckAndBye
            | Crossing::Swap
            | Crossing::Absorb) => {
                other.is_of_another_arrival();
                None
            }
        }
    }

    /// Answers a request of the peer `near` that the far peer does not answer. The request was removed from the requests in
    /// flight.
    pub(super) fn answer(&mut self, near: Side, relayed: &RelayedRequest, status: Status, env: &mut Env<'_>) {
        let response = env.reply(&relayed.request, status);
        env.respond(relayed.server, &response);
        self.on_final_of(near, &relayed.request, &response);
        let (leg, far) = self.legs(near);
        let method = relayed.request.method();
        if let Some(leg) = leg {
            leg.observe_response(Sender::Local, method, &response, env);
        }
        if let Some(far) = far {
            far.observe_response(Sender::Remote, method, &response, env);
        }
    }
}

/// Refreshes the remote targets of both legs after a 2xx to a target refresh request (RFC 3261 section 12.2).
fn agree(near: &mut Leg, far: &mut Leg, relayed: &RelayedRequest, response: &Response) {
    let refreshes = [Method::Invite, Method::Update, Method::Subscribe, Method::Refer];
    if refreshes.contains(relayed.request.method()) {
        near.refresh(contact(relayed.request.headers()));
        far.refresh(contact(response.headers()));
    }
}
