//! The two sides of a call, and what crosses between them (RFC 3261 section 12.2). [`cross`] decides, the bridge carries out.

use std::time::Instant;

use attesta_sip::{MaxForwards, Method, Name, RAck, Request, Response, Status};
use attesta_transaction::{ClientId, Failure, ServerId};
use bytes::Bytes;

use crate::call::callee;
use crate::call::crossing::{Arrival, Crossing, Situation, cross};
use crate::call::end::CallEnd;
use crate::counters::Refusal;
use crate::env::Env;
use crate::event::Cause;
use crate::headers::address::{contact, sequence};
use crate::headers::dialog_id::DialogId;
use crate::headers::relay;
use crate::identity::belief::strip_untrusted;
use crate::intake::origin::Origin;
use crate::io::{Destination, ResolveError};
use crate::leg::dialog::FIRST_SEQ;
use crate::leg::invite::Unacknowledged2xx;
use crate::leg::next_hop::RequestKind;
use crate::leg::offer_answer::Sender;
use crate::leg::requests::RelayedRequest;
use crate::leg::{Launched, Leg, NotLaunched, Side};
use crate::token::Token;

/// The two sides of a call, or of one early dialog of it.
#[derive(Debug)]
pub(crate) struct Bridge {
    /// The caller.
    pub(crate) a: Leg,
    /// The callee.
    pub(crate) b: BridgedTo,
}

/// The callee's side of a bridge.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every bridge has a leg here")]
pub(crate) enum BridgedTo {
    /// A leg, to which requests are relayed.
    Leg(Leg),
    /// The built-in callee, which answers them.
    BuiltInCallee,
}

impl Bridge {
    /// The leg of the side `near` and the leg of the other side. The built-in callee has no leg.
    fn legs(&mut self, near: Side) -> (Option<&mut Leg>, Option<&mut Leg>) {
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
        let b = match &mut self.b {
            BridgedTo::Leg(leg) => Some(leg),
            BridgedTo::BuiltInCallee => None,
        };
        [Some(&mut self.a), b].into_iter().flatten()
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

    /// The side whose peer sent the request that is received in this transaction.
    pub(crate) fn side_receiving(&mut self, server: ServerId) -> Option<Side> {
        self.both().find_map(|leg| leg.requests.by_server(server).is_some().then_some(leg.side))
    }

    /// When [`on_deadline`](Self::on_deadline) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let b = match &self.b {
            BridgedTo::Leg(leg) => leg.deadline(),
            BridgedTo::BuiltInCallee => None,
        };
        [self.a.deadline(), b].into_iter().flatten().min()
    }

    /// Closes both legs of an early dialog that ends without an answer. Requests in flight get 487.
    pub(crate) fn close(&mut self, env: &mut Env<'_>) {
        for leg in self.both() {
            leg.abandon_requests(env);
            leg.close(env);
        }
    }

    /// A request arrived in the dialog of `near`.
    pub(crate) fn on_request(
        &mut self,
        near: Side,
        id: ServerId,
        request: Request,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let cap = origin.config.caps.requests_per_dialog;
        let (leg, far) = self.legs(near);
        let leg = leg?;
        let _span = tracing::debug_span!("leg", side = near.as_str()).entered();
        tracing::debug!(method = %request.method(), "request in dialog");
        if leg.dialog.receive(&request).is_err() {
            env.refuse(id, &request, Status::SERVER_INTERNAL_ERROR, Refusal::OutOfOrder);
            return None;
        }
        let arrival = Arrival::of(request.method());
        if arrival != Arrival::Bye {
            let refused = refusal(&request);
            if let Some((status, why)) = refused {
                env.refuse(id, &request, status, why);
                return None;
            }
        }
        let far = far.map(|far| situation(far, cap));
        match cross(arrival, situation(leg, cap), far) {
            Crossing::Relay => return self.relay(near, id, request, origin, env),
            Crossing::Answer(status, refusal) => env.refuse(id, &request, status, refusal),
            Crossing::RetryAfter(refusal) => env.put_off(id, &request, refusal),
            Crossing::End(cause) => return Some(end_by_bye(leg, id, request, cause, env)),
            Crossing::RelayAndEndNear | Crossing::RelayAndEndBoth => {
                debug_assert!(false, "a crossing of responses for a request");
            }
        }
        None
    }

    /// Sends a request of `near` on in the dialog of the far leg.
    fn relay(
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
        let (mut outgoing, seq) = far.dialog.request(request.method().clone());
        let forwards = relay::forwards(request.headers()).unwrap_or(MaxForwards(0));
        relay::request(&request, &mut outgoing, forwards, &far.listener.contact());
        strip_untrusted(outgoing.headers_mut(), leg.trusts);
        if let Some(rack) = request.headers().get(Name::RAck) {
            let invite = leg.requests.invite().map_or(FIRST_SEQ, |invite| invite.seq);
            outgoing.headers_mut().push(Name::RAck, renumbered(rack, invite));
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
            // The sender may try again, and the call continues.
            Err(NotLaunched::Overloaded) => {
                if let Some(relayed) = self.take_request(near, server, env) {
                    env.put_off(relayed.server, &relayed.request, Refusal::RequestCap);
                }
                None
            }
            Err(NotLaunched::NoAddress) => self.on_unanswered(near, server, Failure::Transport, env),
        }
    }

    /// A response to a request of `near` that was relayed in this transaction.
    pub(crate) fn on_response(
        &mut self,
        near: Side,
        client: ClientId,
        response: &Response,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let status = response.status();
        let (leg, far) = self.legs(near);
        let (leg, far) = (leg?, far?);
        let relayed = leg.requests.by_client(client)?;
        let (server, seq, method) = (relayed.server, relayed.seq, relayed.request.method().clone());
        if status.is_provisional() {
            relayed.on_provisional(env.now.mono);
            if status == Status::TRYING || method != Method::Invite {
                return None;
            }
        } else {
            env.owners.forget_client(client);
        }
        far.observe_response(Sender::Remote, &method, response, env);
        let mut back = Response::to_request(&relayed.request, status);
        relay::response(response, &mut back, &leg.listener.contact());
        strip_untrusted(back.headers_mut(), far.trusts);
        if method == Method::Invite && status.is_success() {
            let received = sequence(&relayed.request).unwrap_or_default();
            let timers = &origin.config.transactions;
            leg.invite.on_2xx_sent(Unacknowledged2xx::new(
                env.now.mono,
                server,
                received,
                back.clone(),
                timers,
            ));
        }
        leg.observe_response(Sender::Local, &method, &back, env);
        env.respond(server, &back);
        if status.is_provisional() {
            return None;
        }
        let relayed = leg.requests.remove(server)?;
        env.owners.forget_server(server);
        if status.is_success() {
            agree(leg, far, &relayed, response);
            if method == Method::Invite {
                far.invite.on_2xx_received(seq);
            }
            return None;
        }
        let cap = origin.config.caps.requests_per_dialog;
        end_after(cross(Arrival::Final(status), situation(leg, cap), Some(situation(far, cap))), near)
    }

    /// A request of `near` that was relayed in this transaction gets no response.
    pub(crate) fn on_failure(
        &mut self,
        near: Side,
        client: ClientId,
        why: Failure,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let server = self.legs(near).0?.requests.by_client(client)?.server;
        self.on_unanswered(near, server, why, env)
    }

    /// A request of `near` gets no response from the far peer. A confirmed dialog is over then (RFC 3261 section 12.2.1.2). An
    /// early one is not: the INVITE that made it is still to be answered.
    fn on_unanswered(
        &mut self,
        near: Side,
        server: ServerId,
        why: Failure,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let relayed = self.take_request(near, server, env)?;
        let status = match why {
            Failure::Timeout => Status::REQUEST_TIMEOUT,
            Failure::Transport | Failure::NoRoom => Status::SERVER_INTERNAL_ERROR,
        };
        self.answer(near, &relayed, status, env);
        let (leg, _) = self.legs(near);
        leg?.invite.is_confirmed().then(|| CallEnd::by(Cause::Lost))
    }

    /// The sender of a relayed INVITE cancels it. The far peer answers the INVITE, if it has got it.
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
    pub(crate) fn on_ack(&mut self, near: Side, ack: &Request, env: &mut Env<'_>) {
        let (leg, far) = self.legs(near);
        if let Some(leg) = leg
            && leg.invite.on_ack(sequence(ack))
        {
            leg.observe_request(Sender::Remote, ack, env);
            if let Some(far) = far {
                far.acknowledge(Some((ack, leg.trusts)), env);
            }
        }
    }

    /// A 2xx to an INVITE that we sent to `near`, for which no request waits.
    pub(crate) fn on_repeated_2xx(&mut self, near: Side, seq: u32, env: &mut Env<'_>) {
        if let Some(leg) = self.legs(near).0 {
            leg.on_repeated_2xx(seq, env);
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
                if gave_up {
                    return Some(CallEnd::by(Cause::NotAcknowledged));
                }
                if end.is_some() {
                    return end;
                }
            }
            self.end_overdue(side, env);
        }
        None
    }

    /// Gives up relayed INVITEs that ring for too long.
    fn end_overdue(&mut self, near: Side, env: &mut Env<'_>) {
        let now = env.now.mono;
        while let Some(relayed) = self.legs(near).0.and_then(|leg| leg.requests.take_overdue(now)) {
            env.owners.forget_server(relayed.server);
            if let Some(client) = relayed.client {
                env.give_up(client, None);
            }
            self.answer(near, &relayed, Status::REQUEST_TIMEOUT, env);
        }
    }

    /// Takes a request of `near` out of the flight.
    fn take_request(&mut self, near: Side, server: ServerId, env: &mut Env<'_>) -> Option<RelayedRequest> {
        let (leg, far) = self.legs(near);
        if let Some(far) = far {
            far.unqueue(server);
        }
        env.owners.forget_server(server);
        leg?.requests.remove(server)
    }

    /// Answers a request that was taken out of the flight, for the far peer.
    fn answer(&mut self, near: Side, relayed: &RelayedRequest, status: Status, env: &mut Env<'_>) {
        let response = env.reply(&relayed.request, status);
        env.respond(relayed.server, &response);
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

fn situation(leg: &Leg, cap: usize) -> Situation {
    Situation {
        side: leg.side,
        is_confirmed: leg.invite.is_confirmed(),
        has_invite: leg.requests.invite().is_some(),
        awaits_ack: leg.invite.awaits_ack(),
        is_full: leg.requests.len() >= cap,
    }
}

/// A BYE ends the call (RFC 3261 section 15.1.2). What its sender is not trusted with does not cross.
fn end_by_bye(leg: &Leg, id: ServerId, mut bye: Request, cause: Cause, env: &mut Env<'_>) -> CallEnd {
    let response = env.reply(&bye, Status::OK);
    env.respond(id, &response);
    strip_untrusted(bye.headers_mut(), leg.trusts);
    CallEnd { cause, gone: Some(leg.side), bye: Some(bye) }
}

fn end_after(crossing: Crossing, near: Side) -> Option<CallEnd> {
    match crossing {
        Crossing::RelayAndEndNear => Some(CallEnd { gone: Some(near.other()), ..CallEnd::by(Cause::Lost) }),
        Crossing::RelayAndEndBoth => Some(CallEnd::by(Cause::Lost)),
        Crossing::Relay | Crossing::Answer(..) | Crossing::RetryAfter(_) | Crossing::End(_) => None,
    }
}

/// Refreshes the remote targets of both legs after a 2xx to a request that refreshes them (RFC 3261 section 12.2).
fn agree(near: &mut Leg, far: &mut Leg, relayed: &RelayedRequest, response: &Response) {
    let refreshes = [Method::Invite, Method::Update, Method::Subscribe, Method::Refer];
    if refreshes.contains(relayed.request.method()) {
        near.refresh(contact(relayed.request.headers()));
        far.refresh(contact(response.headers()));
    }
}

/// The Reason that a CANCEL carries (RFC 3326).
pub(crate) fn reason_of(cancel: &Request) -> Option<Bytes> {
    cancel.headers().get(Name::Reason).map(Bytes::copy_from_slice)
}

/// A RAck that names the INVITE by its CSeq number on the far leg (RFC 3262 section 7.2). One that cannot be read crosses as
/// it is.
fn renumbered(rack: &[u8], invite: u32) -> Bytes {
    match RAck::parse(rack) {
        Ok(rack) => Bytes::from(format!("{} {invite} {}", rack.response(), rack.method())),
        Err(_) => Bytes::copy_from_slice(rack),
    }
}
