//! The two sides of a call, and the messages relayed between the sides (RFC 3261 section 12.2).
//!
//! The function [`cross`](crate::call::crossing::cross) decides what happens to a message. The bridge carries out the decision.

use std::time::Instant;

use attesta_sip::{Method, Name, RAck, Request, Response, Status};
use attesta_transaction::{ClientId, Failure, Flow, ServerId};
use bytes::Bytes;

use crate::call::callee;
use crate::call::crossing::{Arrival, Crossing};
use crate::call::end::CallEnd;
use crate::call::release::Releasing;
use crate::call::replacement::Swap;
use crate::call::session;
use crate::counters::Refusal;
use crate::env::Env;
use crate::event::Cause;
use crate::headers::address::sequence;
use crate::headers::dialog_id::DialogId;
use crate::headers::relay;
use crate::headers::session::has_session;
use crate::headers::timer::is_too_short;
use crate::identity::belief::strip_untrusted;
use crate::intake::origin::Origin;
use crate::io::{Destination, ResolveError};
use crate::leg::next_hop::{OwnRequest, RequestKind};
use crate::leg::offer_answer::Sender;
use crate::leg::own_requests::OwnOutcome;
use crate::leg::requests::RelayedRequest;
use crate::leg::{Launched, Leg, NotLaunched, Side};
use crate::token::Token;

/// The two sides of a call. During set-up, each early dialog of the call has a bridge of its own.
#[derive(Debug)]
pub(crate) struct Bridge {
    /// The caller.
    pub(crate) a: Leg,
    /// The callee.
    pub(crate) b: BridgedTo,
    /// The relayed BYE. The response of the far peer is outstanding.
    pub(super) releasing: Option<Box<Releasing>>,
    /// The call is over. The subscription of a REFER lives on until this time at most.
    pub(super) subscribed_until: Option<Instant>,
    /// A new leg that is about to replace the leg of one side.
    pub(super) swap: Option<Box<Swap>>,
    /// The leg that was replaced. The call releases the leg.
    pub(super) replaced: Option<Box<Leg>>,
}

/// The callee's side of a bridge.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every bridge has a leg here")]
pub(crate) enum BridgedTo {
    /// The leg of the callee. Requests of the caller are relayed to this leg.
    Leg(Leg),
    /// The built-in callee. It answers the requests of the caller itself.
    BuiltInCallee,
}

impl Bridge {
    pub(crate) const fn new(a: Leg, b: BridgedTo) -> Self {
        Self { a, b, releasing: None, subscribed_until: None, swap: None, replaced: None }
    }

    /// Returns the leg of the side `near`, then the leg of the other side. The built-in callee has no leg.
    pub(super) fn legs(&mut self, near: Side) -> (Option<&mut Leg>, Option<&mut Leg>) {
        let b = match &mut self.b {
            BridgedTo::Leg(leg) => Some(leg),
            BridgedTo::BuiltInCallee => None,
        };
        match near {
            Side::Caller => (Some(&mut self.a), b),
            Side::Callee => (b, Some(&mut self.a)),
        }
    }

    /// Returns the legs of both sides.
    fn both(&mut self) -> impl Iterator<Item = &mut Leg> {
        let (a, b) = self.legs(Side::Caller);
        [a, b].into_iter().flatten()
    }

    /// Returns the leg of the callee.
    pub(crate) fn callee(&mut self) -> Option<&mut Leg> {
        self.legs(Side::Callee).0
    }

    /// Returns the side whose leg has this dialog.
    pub(crate) fn side_of(&mut self, id: &DialogId) -> Option<Side> {
        self.both().find(|leg| leg.dialog.has_id(id)).map(|leg| leg.side)
    }

    /// Returns the side whose leg waits for the answer with this token.
    pub(crate) fn side_waiting_for(&mut self, token: Token) -> Option<Side> {
        self.both().find(|leg| leg.waits_for(token)).map(|leg| leg.side)
    }

    /// Returns the side whose peer sent a request that we relayed in the transaction `client`.
    pub(crate) fn side_relaying(&mut self, client: ClientId) -> Option<Side> {
        if self.swaps_by(client) {
            return self.replaced_side();
        }
        self.both().find_map(|leg| leg.requests.by_client(client).is_some().then_some(leg.side))
    }

    /// Returns our own request in the transaction `client`, and the side that we sent the request to.
    pub(crate) fn own_request(&mut self, client: ClientId) -> Option<(Side, OwnRequest)> {
        self.both().find_map(|leg| leg.own.filter(|own| own.client == client).map(|own| (leg.side, own)))
    }

    /// Handles a response to our own request.
    pub(crate) fn on_own_response(
        &mut self,
        near: Side,
        own: OwnRequest,
        (response, flow): (&Response, &Flow),
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let leg = self.legs(near).0?;
        leg.on_message_from(flow);
        own_end(leg.on_own_response(own, (response, flow), env))
    }

    /// Handles the failure of our own request: the peer sends no response.
    pub(crate) fn on_own_failure(
        &mut self,
        near: Side,
        own: OwnRequest,
        why: Failure,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        tracing::debug!(?own, %why, "no response to a request on our own account");
        own_end(self.legs(near).0?.on_own_failure(own, why, env))
    }

    /// Returns the side whose peer sent a request in the transaction `server`.
    pub(crate) fn side_receiving(&mut self, server: ServerId) -> Option<Side> {
        if self.swaps_for(server) {
            return self.replaced_side();
        }
        self.both().find_map(|leg| leg.requests.by_server(server).is_some().then_some(leg.side))
    }

    /// True if a peer cannot be reached.
    pub(crate) fn is_lost(&self) -> bool {
        let b = match &self.b {
            BridgedTo::Leg(leg) => leg.is_lost(),
            BridgedTo::BuiltInCallee => false,
        };
        self.a.is_lost() || b
    }

    /// Returns the time at which [`on_deadline`](Self::on_deadline) must be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let b = match &self.b {
            BridgedTo::Leg(leg) => leg.deadline(),
            BridgedTo::BuiltInCallee => None,
        };
        let releasing = self.releasing.as_ref().map(|releasing| releasing.until);
        let swap = self.swap.as_ref().and_then(|swap| swap.deadline());
        [self.a.deadline(), b, releasing, self.subscribed_until, swap].into_iter().flatten().min()
    }

    /// Closes both legs of an early dialog that ends without an answer. The requests in flight get a 487.
    pub(crate) fn close(&mut self, env: &mut Env<'_>) {
        self.abandon_requests(env);
        for leg in self.both() {
            leg.close(env);
        }
    }

    /// Answers the requests in flight. The call is over.
    pub(super) fn abandon_requests(&mut self, env: &mut Env<'_>) {
        self.abandon_swap(env);
        for side in [Side::Caller, Side::Callee] {
            if let (Some(leg), far) = self.legs(side) {
                leg.abandon_requests(far, &[], env);
            }
        }
    }

    /// Handles a request of the peer `near`.
    pub(crate) fn on_request(
        &mut self,
        near: Side,
        id: ServerId,
        (request, flow): (Request, &Flow),
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let _span = tracing::debug_span!("leg", side = near.as_str()).entered();
        tracing::debug!(method = %request.method(), "request in dialog");
        let leg = self.legs(near).0?;
        if leg.dialog.receive(&request).is_err() {
            env.refuse(id, &request, Status::SERVER_INTERNAL_ERROR, Refusal::OutOfOrder);
            return self.on_out_of_order(near, request, env);
        }
        leg.on_request_from(flow);
        if let Some(timer) = &mut leg.timer {
            timer.on_request(env.now.mono);
        }
        if *request.method() == Method::Bye && self.hangs_up_during_swap(near) {
            let response = env.reply(&request, Status::OK);
            env.respond(id, &response);
            return None;
        }
        let leg = self.legs(near).0?;
        if *request.method() != Method::Bye
            && let Some((status, why)) = refusal(&request)
        {
            env.refuse(id, &request, status, why);
            return None;
        }
        if let Some(rules) = leg.rules.session
            && [Method::Invite, Method::Update].contains(request.method())
            && is_too_short(request.headers(), rules.shortest)
        {
            env.refuse_session(id, &request, rules.shortest);
            return None;
        }
        let offers = has_session(request.headers(), request.body());
        let arrival = match rack_of(&request) {
            Some(rack) if leg.awaits_prack(&rack) => Arrival::OwnPrack,
            None if self.belongs_to_refer(near, &request) => Arrival::OfRefer,
            rack => {
                let leg = self.legs(near).0?;
                let is_expected = rack.is_some_and(|rack| leg.reliable.awaits(&rack));
                Arrival::of_request(request.method(), offers, is_expected)
            }
        };
        match self.decides(arrival, near)? {
            Crossing::Relay => self.relay(near, id, request, origin, env),
            Crossing::RelayBye => self.relay_bye(near, id, request, origin, env),
            Crossing::Answer(status, refusal) => {
                env.refuse(id, &request, status, refusal);
                None
            }
            Crossing::Acknowledged => {
                self.acknowledged(near, id, &request, origin, env);
                None
            }
            Crossing::RetryAfter(refusal) => {
                env.put_off(id, &request, refusal);
                None
            }
            Crossing::AnswerAndEnd => {
                let response = env.reply(&request, Status::OK);
                env.respond(id, &response);
                self.end_by_bye(near, request, env)
            }
            Crossing::EndUnanswered => {
                let response = env.reply(&request, Status::OK);
                env.respond(id, &response);
                Some(CallEnd { bye: Some(request), ..CallEnd::by(Cause::Cancelled) })
            }
            other @ (Crossing::EndUsage
            | Crossing::RelayAndEnd
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

    /// Relays a request of the peer `near` to the far peer.
    pub(super) fn relay(
        &mut self,
        near: Side,
        id: ServerId,
        request: Request,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let Ok(event) = self.map_event(near, &request) else {
            env.refuse(id, &request, Status::CALL_DOES_NOT_EXIST, Refusal::NamedDialog);
            return None;
        };
        let (leg, far) = self.legs(near);
        let leg = leg?;
        leg.observe_request(Sender::Remote, &request, env);
        let Some(far) = far else {
            callee::answer_in_dialog(leg, id, &request, origin, env);
            return None;
        };
        if *request.method() == Method::Invite {
            // A new INVITE means that its sender has received our 2xx (RFC 5407 section 3.1.4). The far leg therefore gets its
            // ACK now. It does not wait for the ACK of the near leg.
            far.acknowledge(None, env);
        }
        let (mut outgoing, seq) = far.dialog.request(request.method().clone());
        // Any other request without hops was refused before. A BYE ends the call even without hops, and gets a new
        // Max-Forwards.
        let forwards = relay::forwards(request.headers()).unwrap_or(relay::MAX_FORWARDS);
        relay::request(&request, &mut outgoing, forwards, || far.contact(request.headers()));
        strip_untrusted(outgoing.headers_mut(), leg.rules.trusts);
        if [Method::Invite, Method::Update].contains(request.method()) {
            session::prepare(far, &mut outgoing);
        }
        if let Some(rack) = rack_of(&request)
            && let Some(invite) = leg.reliable.on_prack(&rack)
        {
            outgoing.headers_mut().push(Name::RAck, renumbered(&rack, invite));
            leg.on_relayed_prack(origin.server, env);
        }
        if let Some(event) = event {
            outgoing.headers_mut().set(Name::Event, event);
        }
        if *request.method() == Method::Refer {
            leg.refers.on_relayed(sequence(&request).unwrap_or_default(), seq);
        }
        far.observe_request(Sender::Local, &outgoing, env);
        leg.requests.push(RelayedRequest::new(request, id, seq));
        env.owners.own_server(id, origin.owner);
        let launched = far.send(outgoing, RequestKind::Relay(id), env);
        launched.and_then(|launched| self.on_launched(near, launched, env))
    }

    /// Handles the result of sending a request of the peer `near` on the far leg.
    pub(super) fn on_launched(
        &mut self,
        near: Side,
        launched: Launched,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let Launched { server, result } = launched;
        match result {
            Ok(client) => {
                let leg = if self.swaps_for(server) { self.new_leg() } else { self.legs(near).0 };
                if let Some(relayed) = leg.and_then(|leg| leg.requests.by_server(server)) {
                    relayed.client = Some(client);
                }
                None
            }
            Err(why) => {
                tracing::debug!(?why, "a relayed request was not sent");
                self.on_unsent(near, server, why == NotLaunched::NoAddress, env)
            }
        }
    }

    /// Handles the CANCEL of a relayed INVITE. If the INVITE was sent, the far peer answers the INVITE.
    pub(crate) fn on_cancel(
        &mut self,
        near: Side,
        server: ServerId,
        cancel: &Request,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let is_swap = self.swaps_for(server);
        let leg = if is_swap { self.new_leg() } else { self.legs(near).0 };
        match leg.and_then(|leg| leg.requests.by_server(server)?.client) {
            Some(client) => env.cancel(client, reason_of(cancel)),
            None if is_swap => return self.fail_swap(Status::REQUEST_TERMINATED, None, env),
            None => {
                if let Some(relayed) = self.take_request(near, server, env) {
                    self.answer(near, &relayed, Status::REQUEST_TERMINATED, env);
                }
            }
        }
        None
    }

    /// Handles an ACK of the peer `near`. The peer has our 2xx. The ACK is relayed to the far peer.
    pub(crate) fn on_ack(&mut self, near: Side, (ack, flow): (&Request, &Flow), env: &mut Env<'_>) {
        let (leg, far) = self.legs(near);
        if let Some(leg) = leg
            && leg.invite.on_ack(sequence(ack))
        {
            leg.on_request_from(flow);
            leg.observe_request(Sender::Remote, ack, env);
            if let Some(far) = far {
                far.acknowledge(Some((ack, leg.rules.trusts)), env);
            }
        }
    }

    /// Handles a 2xx of the peer `near` to our INVITE, if no request waits for this 2xx.
    pub(crate) fn on_repeated_2xx(&mut self, near: Side, seq: u32, client: ClientId, env: &mut Env<'_>) {
        if let Some(leg) = self.legs(near).0 {
            leg.on_repeated_2xx(seq, client, env);
        }
    }

    /// Handles the address of the peer `near`, or the failure to find the address. The relayed requests that wait for the
    /// address came from the other side.
    pub(crate) fn on_resolved(
        &mut self,
        near: Side,
        result: Result<Vec<Destination>, ResolveError>,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let launched = self.legs(near).0?.on_resolved(result, env);
        self.on_all_launched(near.other(), launched, env)
    }

    fn on_all_launched(&mut self, near: Side, launched: Vec<Launched>, env: &mut Env<'_>) -> Option<CallEnd> {
        let mut end = None;
        for launched in launched {
            let step = self.on_launched(near, launched, env);
            end = end.or(step);
        }
        end
    }

    /// Does the work that is due on both legs.
    pub(crate) fn on_deadline(&mut self, env: &mut Env<'_>) -> Option<CallEnd> {
        for side in [Side::Caller, Side::Callee] {
            if let Some(leg) = self.legs(side).0 {
                let (launched, gave_up) = leg.on_deadline(env);
                let end = self.on_all_launched(side.other(), launched, env);
                if gave_up && self.decides(Arrival::NotAcknowledged, side) == Some(Crossing::ByeToBoth) {
                    return Some(CallEnd::by(Cause::NotAcknowledged));
                }
                if end.is_some() {
                    return end;
                }
            }
            self.cancel_overdue(side, env);
            if !self.is_releasing() && self.legs(side).0.is_some_and(|leg| leg.on_timer(env)) {
                return Some(CallEnd::by(Cause::SessionExpired));
            }
        }
        if self.subscribed_until.is_some_and(|until| until <= env.now.mono) {
            return Some(CallEnd::by(Cause::Lost));
        }
        self.on_release_deadline(env)
    }

    /// Cancels the relayed INVITEs that have rung for too long. The far peer then sends the final response.
    fn cancel_overdue(&mut self, near: Side, env: &mut Env<'_>) {
        let now = env.now.mono;
        while let Some(client) = self.legs(near).0.and_then(|leg| leg.requests.overdue(now)) {
            env.cancel(client, None);
        }
        while let Some(client) = self.new_leg().and_then(|leg| leg.requests.overdue(now)) {
            env.cancel(client, None);
        }
    }

    /// Removes a request of the peer `near` from the requests in flight.
    pub(super) fn take_request(
        &mut self,
        near: Side,
        server: ServerId,
        env: &mut Env<'_>,
    ) -> Option<RelayedRequest> {
        let (leg, far) = self.legs(near);
        if let Some(far) = far {
            far.unqueue(server);
        }
        env.owners.forget_server(server);
        leg?.requests.remove(server)
    }
}

/// Returns the end of the call after our own request, if the call ends.
fn own_end(outcome: OwnOutcome) -> Option<CallEnd> {
    match outcome {
        OwnOutcome::Goes => None,
        OwnOutcome::Lost => Some(CallEnd::by(Cause::Lost)),
        OwnOutcome::Silent => Some(CallEnd::by(Cause::SessionExpired)),
    }
}

/// Returns the reason to refuse a request in every situation (RFC 3261 section 8.2).
fn refusal(request: &Request) -> Option<(Status, Refusal)> {
    if relay::forwards(request.headers()).is_err() {
        Some((Status::TOO_MANY_HOPS, Refusal::MaxForwards))
    } else if relay::unsupported(request).is_some() {
        Some((Status::BAD_EXTENSION, Refusal::Extension))
    } else {
        None
    }
}

/// Returns all Reason values of a CANCEL or a BYE (RFC 3326 section 2).
pub(crate) fn reason_of(request: &Request) -> Option<Bytes> {
    let lines: Vec<_> = request.headers().all(Name::Reason).collect();
    (!lines.is_empty()).then(|| Bytes::from(lines.join(&b", "[..])))
}

pub(super) fn rack_of(request: &Request) -> Option<RAck> {
    RAck::parse(request.headers().get(Name::RAck)?).ok()
}

/// Returns the RAck for the far leg. It has the CSeq number of the INVITE on the far leg (RFC 3262 section 7.2).
fn renumbered(rack: &RAck, invite: u32) -> String {
    format!("{} {invite} {}", rack.response(), rack.method())
}
