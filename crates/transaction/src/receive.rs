//! Messages from the network.

use std::time::Instant;

use attesta_sip::{
    CSeq, Invalid, InvalidKind, Message, Method, Name, ParseError, ParseErrorKind, Request, Response, Status,
    UnreadableRequest, Via,
};
use bytes::Bytes;
use tracing::info;

use crate::ack_cancel;
use crate::config::Claim;
use crate::counters::Refusal;
use crate::endpoint::Endpoint;
use crate::error::Failure;
use crate::flow::Flow;
use crate::io::{Event, ServerId, Slot, Transmit};
use crate::match_fields::MatchFields;
use crate::reply::{self, Unanswered};
use crate::route;
use crate::server_invite;
use crate::transaction::{ClientEvent, Server, ServerEvent};
use crate::worker_hint;

impl Endpoint {
    /// Handles one message.
    pub(crate) fn receive(&mut self, now: Instant, flow: Flow, data: Bytes) {
        match Message::parse(data.clone(), self.config.reading_limits()) {
            Ok(Message::Request(request)) => self.receive_request(now, flow, request, data),
            Ok(Message::Response(response)) => self.receive_response(now, flow, response),
            Err(error) => self.receive_unreadable(now, &flow, &data, error),
        }
    }

    /// Finds the machine of a message that could not be sent (RFC 3261 sections 17.1.4 and 17.2.4). If the connection of a
    /// response is gone, the response goes once over a connection to the peer's sent-by port. Later responses use that
    /// connection too.
    pub(crate) fn transport_failed(&mut self, now: Instant, transmit: &Transmit, why: Failure) {
        if let Some(request) = UnreadableRequest::read(&transmit.payload) {
            let method = if *request.method() == Method::Ack { &Method::Invite } else { request.method() };
            let via = request.get(Name::Via).and_then(|via| Via::parse(via).ok());
            if let Some(slot) = via.and_then(|via| self.find_client(via.branch(), method)) {
                self.step_client(now, slot, ClientEvent::TransportError(why));
            }
        } else {
            let headers = worker_hint::fields(&transmit.payload);
            let Some(fields) = MatchFields::of(&headers) else { return };
            // A response has no Request-URI, so the transaction of an RFC 2543 client is not found.
            let key = self.keyring.server(&fields, b"", fields.cseq.method());
            let slot = self.servers.find(key);
            if let Some(flow) = route::elsewhere(&fields.via, &transmit.flow) {
                if let Some(server) = slot.and_then(|slot| self.servers.get_mut(slot)) {
                    server.replace_connection(transmit.flow.connection, &flow);
                }
                self.out.resend(&flow, &transmit.payload);
            } else if let Some(slot) = slot {
                self.step_server(now, slot, ServerEvent::TransportError);
            }
        }
    }

    /// Answers an unreadable request if it has a Via. Line ends alone are a keep-alive (RFC 5626 section 3.5.1).
    pub(crate) fn receive_unreadable(&mut self, now: Instant, flow: &Flow, data: &[u8], error: ParseError) {
        if error.kind() == ParseErrorKind::Empty {
            return;
        }
        self.refuse(now, Refusal::Malformed, flow);
        let answer = UnreadableRequest::read(data).and_then(|request| request.response(error.answer()?));
        if let Some(response) = answer {
            self.send_stateless(response, flow);
        }
    }

    fn receive_request(&mut self, now: Instant, flow: Flow, mut request: Request, data: Bytes) {
        let Some(fields) = MatchFields::of(request.headers()) else {
            self.is_faulty(now, &request, &flow);
            return;
        };
        let delivery = if *request.method() == Method::Ack {
            self.place_ack(now, &flow, &request, &fields)
        } else if *request.method() == Method::Cancel {
            self.place_cancel(now, &flow, &request, &fields, data)
        } else {
            self.place_request(now, &flow, &request, &fields, data)
        };
        match delivery {
            Delivery::Request { id, stamped, on_reserve } => {
                if let Some(via) = stamped {
                    request.headers_mut().set_first(Name::Via, via);
                }
                self.out.tell(Event::Request { id, request, flow, on_reserve });
            }
            Delivery::AckOf(invite) => self.step_server(now, invite, ServerEvent::Ack(request, flow)),
            Delivery::Ack => self.out.tell(Event::Ack { invite: None, request, flow }),
            Delivery::Cancelled(invite) => self.out.tell(Event::Cancelled { invite, request }),
            Delivery::Done => {}
        }
    }

    /// A request that starts a transaction, or a retransmission of one.
    fn place_request(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: &Request,
        fields: &MatchFields<'_>,
        data: Bytes,
    ) -> Delivery {
        let key = self.keyring.server(fields, request.uri(), request.method());
        if let Some(slot) = self.servers.find(key) {
            self.step_server(now, slot, ServerEvent::Request);
            return Delivery::Done;
        }
        if self.is_faulty(now, request, flow) {
            return Delivery::Done;
        }
        let merged = self.keyring.merged(fields, request.method());
        if merged.is_some_and(|merged| self.merged.contains_key(&merged)) {
            self.answer(now, Refusal::Merged, Status::LOOP_DETECTED, request, flow);
            return Delivery::Done;
        }
        let claim = if merged.is_none() { Claim::InDialog } else { Claim::Ordinary };
        let on_reserve = self.live() >= self.config.cap(claim);
        if on_reserve && !self.may_be_emergency(request, claim) {
            self.answer(now, Refusal::Overloaded, Status::SERVICE_UNAVAILABLE, request, flow);
            return Delivery::Done;
        }
        let reply = route::reply(&fields.via, flow);
        let unanswered = Unanswered { data, source: flow.clone() };
        let server = Server::start(now, request.method(), reply, merged, unanswered, &self.config);
        let stamped = route::stamped(request.headers(), fields.via_text, &fields.via, flow.remote);
        let slot = self.insert_server(key, server);
        slot.map_or(Delivery::Done, |slot| Delivery::Request { id: ServerId(slot), stamped, on_reserve })
    }

    /// Whether a request over the cap goes to the user. The request may be an emergency call, and the higher cap for emergency
    /// calls is not reached.
    fn may_be_emergency(&self, request: &Request, claim: Claim) -> bool {
        let begins_a_call = *request.method() == Method::Invite && claim == Claim::Ordinary;
        begins_a_call && self.live() < self.config.cap(Claim::Emergency)
    }

    /// Finds the receiver of an ACK: the INVITE with the same branch, or the user if there is no such INVITE. The user then
    /// finds the dialog.
    fn place_ack(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: &Request,
        fields: &MatchFields<'_>,
    ) -> Delivery {
        let key = self.keyring.server(fields, request.uri(), &Method::Invite);
        if let Some(slot) = self.servers.find(key).filter(|slot| self.is_acknowledged(*slot, fields)) {
            return Delivery::AckOf(slot);
        }
        // The ACK of a stateless response is dropped (RFC 3261 section 8.2.7).
        let stateless = self.keyring.tag(&fields.via, self.ids.place());
        if fields.tag(Name::To) == Some(stateless.as_bytes()) {
            return Delivery::Done;
        }
        if *fields.cseq.method() != Method::Ack {
            self.refuse(now, Refusal::Malformed, flow);
            return Delivery::Done;
        }
        Delivery::Ack
    }

    /// Whether an ACK that matches the key of an INVITE belongs to it. The ACK of an RFC 2543 client matches the key for any
    /// response, so the To tag decides (RFC 3261 section 17.2.3). In Accepted, every ACK goes to the user (RFC 6026 section 6).
    fn is_acknowledged(&self, invite: Slot, fields: &MatchFields<'_>) -> bool {
        let Some(state) = self.servers.get(invite).and_then(Server::invite) else { return false };
        fields.branch().is_some()
            || state
                .last_response()
                .is_none_or(|response| ack_cancel::to_tag(response).as_deref() == fields.tag(Name::To))
    }

    /// Handles a CANCEL (RFC 3261 section 9.2). It always gets a response. The user gets an event if the CANCEL may still have
    /// an effect.
    ///
    /// A CANCEL matches only an INVITE from the same address, on any connection, or from an address of the same
    /// [`CancelScope`](crate::CancelScope). Every element on the path knows the branch, and a CANCEL cannot be challenged.
    ///
    /// A CANCEL ignores the cap. There is at most one CANCEL per INVITE, and it ends calls.
    fn place_cancel(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: &Request,
        fields: &MatchFields<'_>,
        data: Bytes,
    ) -> Delivery {
        let key = self.keyring.server(fields, request.uri(), &Method::Cancel);
        if let Some(slot) = self.servers.find(key) {
            self.step_server(now, slot, ServerEvent::Request);
            return Delivery::Done;
        }
        if self.is_faulty(now, request, flow) {
            return Delivery::Done;
        }
        let invite = self.servers.find(self.keyring.server(fields, request.uri(), &Method::Invite));
        let is_allowed =
            |slot: &Slot| self.servers.get(*slot).is_some_and(|invite| invite.may_be_cancelled_by(flow));
        let Some(invite) = invite.filter(is_allowed) else {
            self.answer(now, Refusal::StrayCancel, Status::CALL_DOES_NOT_EXIST, request, flow);
            return Delivery::Done;
        };
        let state = self.servers.get(invite).and_then(Server::invite);
        let pending = matches!(state, Some(server_invite::State::Proceeding { .. }));
        let tag_of_invite = state.and_then(server_invite::State::last_response).and_then(ack_cancel::to_tag);
        let own_tag = self.keyring.tag(&fields.via, self.ids.place());
        let mut response = Response::to_request(request, Status::OK);
        route::stamp(response.headers_mut(), flow.remote);
        reply::tag(&mut response, tag_of_invite.as_deref().unwrap_or(own_tag.as_bytes()));
        let unanswered = Unanswered { data, source: flow.clone() };
        let server = Server::start_cancel(now, route::reply(&fields.via, flow), unanswered, &self.config);
        if let Some(slot) = self.insert_server(key, server) {
            self.step_server(now, slot, ServerEvent::Response(Status::OK, response.to_bytes()));
        }
        if pending { Delivery::Cancelled(ServerId(invite)) } else { Delivery::Done }
    }

    /// Handles a response (RFC 3261 sections 17.1.3 and 8.1.3.3).
    fn receive_response(&mut self, now: Instant, flow: Flow, response: Response) {
        if response.headers().values(Name::Via).nth(1).is_some() {
            return self.refuse(now, Refusal::MisroutedResponse, &flow);
        }
        let Some(fields) = MatchFields::of(response.headers()) else {
            return self.refuse(now, Refusal::Malformed, &flow);
        };
        match self.find_client(fields.via.branch(), fields.cseq.method()) {
            Some(slot) => self.step_client(now, slot, ClientEvent::Response(response, flow)),
            None => self.refuse(now, Refusal::StrayResponse, &flow),
        }
    }

    /// The client transaction of this branch and method (RFC 3261 section 17.1.3).
    fn find_client(&self, branch: Option<&[u8]>, method: &Method) -> Option<Slot> {
        self.clients.find(self.keyring.client(branch?, method))
    }

    /// Whether a request that starts a transaction is malformed. If so, it is answered.
    fn is_faulty(&mut self, now: Instant, request: &Request, flow: &Flow) -> bool {
        let Err(fault) = self.rules.request(request) else { return false };
        if is_forgiven(request, &fault) {
            return false;
        }
        let reason = if fault.kind() == InvalidKind::Version { Refusal::Version } else { Refusal::Malformed };
        self.refuse(now, reason, flow);
        if let Some(response) = self.rules.answer(request, &fault) {
            self.send_stateless(response, flow);
        }
        true
    }

    /// Refuses a request without state (RFC 3261 section 8.2.7). An ACK gets no response.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        reason: Refusal,
        status: Status,
        request: &Request,
        flow: &Flow,
    ) {
        self.refuse(now, reason, flow);
        if *request.method() != Method::Ack {
            self.send_stateless(Response::to_request(request, status), flow);
        }
    }

    /// Sends a response outside any transaction, to the source address of the request. If the top Via cannot be parsed, the
    /// response goes to the source port too.
    pub(crate) fn send_stateless(&mut self, mut response: Response, source: &Flow) {
        route::stamp(response.headers_mut(), source.remote);
        if response.status() == Status::SERVICE_UNAVAILABLE && !response.headers().contains(Name::RetryAfter)
        {
            let seconds = self.config.retry_after_seconds().to_string();
            response.headers_mut().push(Name::RetryAfter, seconds);
        }
        let Some(top) = response.headers().values(Name::Via).next() else { return };
        let place = self.ids.place();
        let (tag, reply) = match Via::parse(top) {
            Ok(via) => (self.keyring.tag(&via, place), route::reply(&via, source)),
            Err(_) => (self.keyring.tag_of_text(top, place), source.clone()),
        };
        reply::tag(&mut response, tag.as_bytes());
        self.out.send(&reply, &response.to_bytes());
    }

    /// Counts a refused message, and logs at most one line a second.
    fn refuse(&mut self, now: Instant, reason: Refusal, flow: &Flow) {
        self.out.counters.refused.count(reason);
        if let Some(suppressed) = self.throttle.pass(now) {
            info!(%reason, peer = %flow.remote, since_last_line = suppressed, "refused a message");
        }
    }
}

/// Whether a fault of an ACK or a BYE is tolerated, because the dialog does not need the faulty header. If we refused such an
/// ACK or BYE, a call would stay open.
fn is_forgiven(request: &Request, fault: &Invalid) -> bool {
    let method = request.method();
    let needed = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
    matches!(method, Method::Ack | Method::Bye)
        && fault.header().is_some_and(|name| !needed.contains(&name))
        && request.headers().read::<CSeq>().is_some_and(|cseq| cseq.is_ok_and(|cseq| cseq.method() == method))
}

/// The receiver of a request.
enum Delivery {
    /// The user. The request starts a transaction. `stamped` replaces the top Via line. `on_reserve` is true if the cap is
    /// reached.
    Request { id: ServerId, stamped: Option<Vec<u8>>, on_reserve: bool },
    /// The machine of the INVITE that the ACK acknowledges.
    AckOf(Slot),
    /// The user. The user finds the dialog of the ACK.
    Ack,
    /// The user. The CANCEL cancels this INVITE.
    Cancelled(ServerId),
    /// No receiver. The endpoint has handled the request completely.
    Done,
}
