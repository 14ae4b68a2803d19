//! The two sides of a call, and the messages relayed between them (RFC 3261 section 12.2).
//!
//! [`cross`] decides. The bridge carries out the decision.

use std::time::Instant;

use attesta_sip::{Method, Name, RAck, Request, Response, Status};
use attesta_transaction::{ClientId, Failure, Flow, ServerId};
use bytes::Bytes;

use crate::call::callee;
use crate::call::crossing::{Arrival, Crossing, Pending, Situation, Usage, cross};
use crate::call::end::CallEnd;
use crate::call::release::Releasing;
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
use crate::leg::next_hop::{OwnKind, OwnRequest, RequestKind};
use crate::leg::offer_answer::Sender;
use crate::leg::requests::RelayedRequest;
use crate::leg::{Launched, Leg, NotLaunched, Side};
use crate::token::Token;

/// The two sides of a call, or of one of its early dialogs.
#[derive(Debug)]
pub(crate) struct Bridge {
    /// The caller.
    pub(crate) a: Leg,
    /// The callee.
    pub(crate) b: BridgedTo,
    /// The BYE that is being relayed.
    pub(super) releasing: Option<Box<Releasing>>,
}

/// The callee's side of a bridge.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every bridge has a leg here")]
pub(crate) enum BridgedTo {
    /// A leg, to which requests are relayed.
    Leg(Leg),
    /// The built-in callee, which answers requests.
    BuiltInCallee,
}

impl Bridge {
    pub(crate) const fn new(a: Leg, b: BridgedTo) -> Self {
        Self { a, b, releasing: None }
    }

    /// The leg of the side `near` and the leg of the other side. The built-in callee has no leg.
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

    /// The legs of both sides.
    fn both(&mut self) -> impl Iterator<Item = &mut Leg> {
        let (a, b) = self.legs(Side::Caller);
        [a, b].into_iter().flatten()
    }

    /// The leg of the callee.
    pub(crate) fn callee(&mut self) -> Option<&mut Leg> {
        self.legs(Side::Callee).0
    }

    /// The side whose leg has this dialog.
    pub(crate) fn side_of(&mut self, id: &DialogId) -> Option<Side> {
        self.both().find(|leg| leg.dialog.has_id(id)).map(|leg| leg.side)
    }

    /// The side whose leg waits for the answer with this token.
    pub(crate) fn side_waiting_for(&mut self, token: Token) -> Option<Side> {
        self.both().find(|leg| leg.waits_for(token)).map(|leg| leg.side)
    }

    /// The side whose peer sent the request that was relayed in this transaction.
    pub(crate) fn side_relaying(&mut self, client: ClientId) -> Option<Side> {
        self.both().find_map(|leg| leg.requests.by_client(client).is_some().then_some(leg.side))
    }

    /// The side to which we have sent this request on our own account.
    pub(crate) fn own_request(&mut self, client: ClientId) -> Option<(Side, OwnRequest)> {
        self.both().find_map(|leg| leg.own.filter(|own| own.client == client).map(|own| (leg.side, own)))
    }

    /// A response to a request on our own account.
    pub(crate) fn on_own_response(
        &mut self,
        near: Side,
        own: OwnRequest,
        (response, flow): (&Response, &Flow),
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let leg = self.legs(near).0?;
        leg.on_message_from(flow);
        let is_gone = leg.on_own_response(own, response, env);
        is_gone.then(|| CallEnd::by(Cause::Lost))
    }

    /// A request on our own account gets no response.
    pub(crate) fn on_own_failure(&mut self, near: Side, own: OwnRequest, why: Failure) -> Option<CallEnd> {
        let is_silent = self.legs(near).0?.on_own_failure(why);
        tracing::debug!(?own, %why, "no response to a request on our own account");
        is_silent.then(|| CallEnd::by(Cause::SessionExpired))
    }

    /// The side whose peer sent the request that is received in this transaction.
    pub(crate) fn side_receiving(&mut self, server: ServerId) -> Option<Side> {
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

    /// When [`on_deadline`](Self::on_deadline) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let b = match &self.b {
            BridgedTo::Leg(leg) => leg.deadline(),
            BridgedTo::BuiltInCallee => None,
        };
        let releasing = self.releasing.as_ref().map(|releasing| releasing.until);
        [self.a.deadline(), b, releasing].into_iter().flatten().min()
    }

    /// Closes both legs of an early dialog that ends without an answer. Requests in flight get 487.
    pub(crate) fn close(&mut self, env: &mut Env<'_>) {
        self.abandon_requests(env);
        for leg in self.both() {
            leg.close(env);
        }
    }

    /// Answers the requests in flight, because the call is over.
    pub(super) fn abandon_requests(&mut self, env: &mut Env<'_>) {
        for side in [Side::Caller, Side::Callee] {
            if let (Some(leg), far) = self.legs(side) {
                leg.abandon_requests(far, env);
            }
        }
    }

    /// The situations of the side `near` and of the other side.
    pub(super) fn situations(&mut self, near: Side) -> (Option<Situation>, Option<Situation>) {
        let is_over = self.is_releasing();
        let (leg, far) = self.legs(near);
        let of = |leg: &Leg, other: Option<&Leg>| situation(leg, other, is_over);
        let near = leg.as_deref().map(|leg| of(leg, far.as_deref()));
        let far = far.as_deref().map(|far| of(far, leg.as_deref()));
        (near, far)
    }

    /// The row of the table for this arrival.
    pub(super) fn decides(&mut self, arrival: Arrival, near: Side) -> Option<Crossing> {
        let (situation, far) = self.situations(near);
        Some(cross(arrival, situation?, far))
    }

    /// A request arrived in the dialog of `near`.
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
            return None;
        }
        leg.on_request_from(flow);
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
        let is_expected = rack_of(&request).is_some_and(|rack| leg.reliable.awaits(&rack));
        let arrival = Arrival::of_request(request.method(), offers, is_expected);
        match self.decides(arrival, near)? {
            Crossing::Relay => self.relay(near, id, request, origin, env),
            Crossing::RelayBye => self.relay_bye(near, id, request, origin, env),
            Crossing::Answer(status, refusal) => {
                env.refuse(id, &request, status, refusal);
                None
            }
            Crossing::RetryAfter(refusal) => {
                env.put_off(id, &request, refusal);
                None
            }
            Crossing::AnswerAndEnd => self.answer_and_end(near, id, request, env),
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
            | Crossing::Absorb) => {
                other.is_of_another_arrival();
                None
            }
        }
    }

    /// Relays a request of `near` in the dialog of the far leg.
    pub(super) fn relay(
        &mut self,
        near: Side,
        id: ServerId,
        request: Request,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let (leg, far) = self.legs(near);
        let leg = leg?;
        leg.observe_request(Sender::Remote, &request, env);
        let Some(far) = far else {
            callee::answer_in_dialog(leg, id, &request, origin, env);
            return None;
        };
        if *request.method() == Method::Invite {
            // The sender has our 2xx, because it starts a new INVITE (RFC 5407 section 3.1.4). The ACK of the far leg must not
            // wait for the ACK of the near leg.
            far.acknowledge(None, env);
        }
        let (mut outgoing, seq) = far.dialog.request(request.method().clone());
        // Only a BYE can have no hops left here. The BYE still ends the call.
        let forwards = relay::forwards(request.headers()).unwrap_or(relay::MAX_FORWARDS);
        relay::request(&request, &mut outgoing, forwards, &far.contact(request.headers()));
        strip_untrusted(outgoing.headers_mut(), leg.rules.trusts);
        if [Method::Invite, Method::Update].contains(request.method()) {
            session::prepare(leg, far, &mut outgoing);
        }
        if let Some(rack) = rack_of(&request)
            && let Some(invite) = leg.reliable.on_prack(&rack)
        {
            outgoing.headers_mut().push(Name::RAck, renumbered(&rack, invite));
        }
        far.observe_request(Sender::Local, &outgoing, env);
        leg.requests.push(RelayedRequest::new(request, id, seq));
        env.owners.own_server(id, origin.owner);
        let launched = far.send(outgoing, RequestKind::Relay(id), env);
        launched.and_then(|launched| self.on_launched(near, launched, env))
    }

    /// A request of `near` was sent on the far leg, or could not be sent.
    fn on_launched(&mut self, near: Side, launched: Launched, env: &mut Env<'_>) -> Option<CallEnd> {
        let Launched { server, result } = launched;
        match result {
            Ok(client) => {
                if let Some(relayed) = self.legs(near).0.and_then(|leg| leg.requests.by_server(server)) {
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

    /// The sender of a relayed INVITE cancels the INVITE. The far peer answers the INVITE, if the far peer has received it.
    pub(crate) fn on_cancel(&mut self, near: Side, server: ServerId, cancel: &Request, env: &mut Env<'_>) {
        let client = self.legs(near).0.and_then(|leg| leg.requests.by_server(server)?.client);
        match client {
            Some(client) => env.cancel(client, reason_of(cancel)),
            None => {
                if let Some(relayed) = self.take_request(near, server, env) {
                    self.answer(near, &relayed, Status::REQUEST_TERMINATED, env);
                }
            }
        }
    }

    /// An ACK arrived in the dialog of `near`: its peer has our 2xx. The ACK is relayed in the far dialog.
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

    /// A 2xx to an INVITE that we sent to `near`, for which no request waits.
    pub(crate) fn on_repeated_2xx(&mut self, near: Side, seq: u32, client: ClientId, env: &mut Env<'_>) {
        if let Some(leg) = self.legs(near).0 {
            leg.on_repeated_2xx(seq, client, env);
        }
    }

    /// The address of the peer of `near` is known, or cannot be found. The relayed requests that wait for the address came
    /// from the other side.
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
        self.on_release_deadline(env)
    }

    /// Cancels relayed INVITEs that ring for too long. The far peer then sends the final response.
    fn cancel_overdue(&mut self, near: Side, env: &mut Env<'_>) {
        let now = env.now.mono;
        while let Some(client) = self.legs(near).0.and_then(|leg| leg.requests.overdue(now)) {
            env.cancel(client, None);
        }
    }

    /// Removes a request of `near` from the requests in flight.
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

/// The reason to refuse a request in every situation (RFC 3261 section 8.2).
fn refusal(request: &Request) -> Option<(Status, Refusal)> {
    if relay::forwards(request.headers()).is_err() {
        Some((Status::TOO_MANY_HOPS, Refusal::MaxForwards))
    } else if relay::unsupported(request).is_some() {
        Some((Status::BAD_EXTENSION, Refusal::Extension))
    } else {
        None
    }
}

/// The situation of a leg. `other` is the leg of the other side.
fn situation(leg: &Leg, other: Option<&Leg>, is_over: bool) -> Situation {
    let usage = match (is_over, leg.invite.is_confirmed()) {
        (true, _) => Usage::Over,
        (false, true) => Usage::Confirmed,
        (false, false) => Usage::Early,
    };
    let invite = match (usage, leg.side) {
        (Usage::Early, Side::Caller) => Pending::Theirs,
        (Usage::Early, Side::Callee) => Pending::Ours,
        (Usage::Confirmed | Usage::Over, _) if leg.requests.invite().is_some() => Pending::Theirs,
        (Usage::Confirmed | Usage::Over, _)
            if other.is_some_and(|leg| leg.requests.invite().is_some())
                || leg.own.is_some_and(|own| own.kind == OwnKind::ReInvite) =>
        {
            Pending::Ours
        }
        (Usage::Confirmed | Usage::Over, _) => Pending::None,
    };
    let offer = match leg.open_offer() {
        Some(Sender::Local) => Pending::Ours,
        Some(Sender::Remote) => Pending::Theirs,
        None => Pending::None,
    };
    let (awaits_ack, is_full) = (leg.invite.awaits_ack(), leg.is_full());
    Situation { side: leg.side, usage, awaits_ack, invite, offer, is_full }
}

/// All Reason values of a CANCEL or a BYE, from all lines (RFC 3326 section 2).
pub(crate) fn reason_of(request: &Request) -> Option<Bytes> {
    let lines: Vec<_> = request.headers().all(Name::Reason).collect();
    (!lines.is_empty()).then(|| Bytes::from(lines.join(&b", "[..])))
}

fn rack_of(request: &Request) -> Option<RAck> {
    RAck::parse(request.headers().get(Name::RAck)?).ok()
}

/// The RAck with the CSeq number that the INVITE has on the far leg (RFC 3262 section 7.2).
fn renumbered(rack: &RAck, invite: u32) -> String {
    format!("{} {invite} {}", rack.response(), rack.method())
}
