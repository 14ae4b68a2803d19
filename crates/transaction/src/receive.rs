//! What the endpoint does with a message from the network.

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
    /// Takes in one message.
    pub(crate) fn receive(&mut self, now: Instant, flow: Flow, data: Bytes) {
        match Message::parse(data.clone(), self.config.reading_limits()) {
            Ok(Message::Request(request)) => self.receive_request(now, flow, request, data),
            Ok(Message::Response(response)) => self.receive_response(now, flow, response),
            Err(error) => self.receive_unreadable(now, &flow, &data, error),
        }
    }

    /// Finds the machine that sent what could not be delivered (RFC 3261 sections 17.1.4 and 17.2.4). A response whose
    /// connection is gone is sent once more, over one to the address where the peer is to be found, and those after it too.
    pub(crate) fn transport_failed(&mut self, now: Instant, transmit: &Transmit, why: Failure) {
        if let Some(request) = UnreadableRequest::read(&transmit.payload) {
            let method = if *request.method() == Method::Ack { &Method::Invite } else { request.method() };
            let via = request.get(Name::Via).and_then(|via| Via::parse(via).ok());
            if let Some(slot) = via.and_then(|via| self.find_client(via.branch(), method)) {
                self.step_client(now, slot, ClientEvent::TransportError(why));
            }
        } else {
            let fields = worker_hint::fields(&transmit.payload);
            let Some(marks) = MatchFields::of(&fields) else { return };
            // A response has no Request-URI, so that those to RFC 2543 clients are not found.
            let key = self.keyring.server(&marks, b"", marks.cseq.method());
            let slot = self.servers.find(key);
            if let Some(flow) = route::elsewhere(&marks.via, &transmit.flow) {
                if let Some(server) = slot.and_then(|slot| self.servers.get_mut(slot)) {
                    server.moves(transmit.flow.connection, &flow);
                }
                self.out.resend(&flow, &transmit.payload);
            } else if let Some(slot) = slot {
                self.step_server(now, slot, ServerEvent::TransportError);
            }
        }
    }

    /// Answers what is broken, if it has a Via; line ends alone are a keep-alive (RFC 5626 section 3.5.1).
    pub(crate) fn receive_unreadable(&mut self, now: Instant, flow: &Flow, data: &[u8], error: ParseError) {
        if error.kind() == ParseErrorKind::Empty {
            return;
        }
        self.refuse(now, Refusal::Malformed, flow);
        let answer = UnreadableRequest::read(data).and_then(|salvage| salvage.response(error.answer()?));
        if let Some(response) = answer {
            self.send_stateless(response, flow);
        }
    }

    fn receive_request(&mut self, now: Instant, flow: Flow, mut request: Request, data: Bytes) {
        let Some(marks) = MatchFields::of(request.headers()) else {
            self.is_faulty(now, &request, &flow);
            return;
        };
        let delivery = if *request.method() == Method::Ack {
            self.place_ack(now, &flow, &request, &marks)
        } else if *request.method() == Method::Cancel {
            self.place_cancel(now, &flow, &request, &marks, data)
        } else {
            self.place_request(now, &flow, &request, &marks, data)
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

    /// A request that begins a transaction, or begins it again.
    fn place_request(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: &Request,
        marks: &MatchFields<'_>,
        data: Bytes,
    ) -> Delivery {
        let key = self.keyring.server(marks, request.uri(), request.method());
        if let Some(slot) = self.servers.find(key) {
            self.step_server(now, slot, ServerEvent::Request);
            return Delivery::Done;
        }
        if self.is_faulty(now, request, flow) {
            return Delivery::Done;
        }
        let merged = self.keyring.merged(marks, request.method());
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
        let reply = route::reply(&marks.via, flow);
        let unanswered = Unanswered { data, source: flow.clone() };
        let server = Server::start(now, request.method(), reply, merged, unanswered, &self.config);
        let stamped = route::stamped(request.headers(), marks.via_text, &marks.via, flow.remote);
        let slot = self.insert_server(key, server);
        slot.map_or(Delivery::Done, |slot| Delivery::Request { id: ServerId(slot), stamped, on_reserve })
    }

    /// Whether a request that the cap refuses is for the user to look at: it may be an emergency call, for which there is
    /// room.
    fn may_be_emergency(&self, request: &Request, claim: Claim) -> bool {
        let begins_a_call = *request.method() == Method::Invite && claim == Claim::Ordinary;
        begins_a_call && self.live() < self.config.cap(Claim::Emergency)
    }

    /// An ACK belongs to the INVITE of its branch, if that is one of ours; else its dialog is the user's to find.
    fn place_ack(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: &Request,
        marks: &MatchFields<'_>,
    ) -> Delivery {
        let key = self.keyring.server(marks, request.uri(), &Method::Invite);
        if let Some(slot) = self.servers.find(key).filter(|slot| self.is_acknowledged(*slot, marks)) {
            return Delivery::AckOf(slot);
        }
        // A failure that was answered without state is acknowledged without state (RFC 3261 section 8.2.7).
        let stateless = self.keyring.tag(&marks.via, self.ids.place());
        if marks.tag(Name::To) == Some(stateless.as_bytes()) {
            return Delivery::Done;
        }
        if *marks.cseq.method() != Method::Ack {
            self.refuse(now, Refusal::Malformed, flow);
            return Delivery::Done;
        }
        Delivery::Ack
    }

    /// Whether an ACK that matches an INVITE means it. Of an RFC 2543 client the ACK of any response matches, and the To tag
    /// decides (RFC 3261 section 17.2.3), but for Accepted, where each goes to the user (RFC 6026 section 6).
    fn is_acknowledged(&self, invite: Slot, marks: &MatchFields<'_>) -> bool {
        let Some(state) = self.servers.get(invite).and_then(Server::invite) else { return false };
        marks.branch().is_some()
            || state
                .last_response()
                .is_none_or(|response| ack_cancel::to_tag(response).as_deref() == marks.tag(Name::To))
    }

    /// RFC 3261 section 9.2. A CANCEL is answered whatever it finds; the user hears of it if it may still have an effect.
    ///
    /// It finds only what came from its own address, be it on another connection, or from its kin: a branch is no secret to
    /// those on the way, and a CANCEL is challenged by nobody.
    ///
    /// It takes no notice of the cap: there is at most one for each INVITE, and it ends calls.
    fn place_cancel(
        &mut self,
        now: Instant,
        flow: &Flow,
        request: &Request,
        marks: &MatchFields<'_>,
        data: Bytes,
    ) -> Delivery {
        let key = self.keyring.server(marks, request.uri(), &Method::Cancel);
        if let Some(slot) = self.servers.find(key) {
            self.step_server(now, slot, ServerEvent::Request);
            return Delivery::Done;
        }
        if self.is_faulty(now, request, flow) {
            return Delivery::Done;
        }
        let invite = self.servers.find(self.keyring.server(marks, request.uri(), &Method::Invite));
        let counts =
            |slot: &Slot| self.servers.get(*slot).is_some_and(|invite| invite.may_be_cancelled_by(flow));
        let Some(invite) = invite.filter(counts) else {
            self.answer(now, Refusal::StrayCancel, Status::CALL_DOES_NOT_EXIST, request, flow);
            return Delivery::Done;
        };
        let state = self.servers.get(invite).and_then(Server::invite);
        let pending = matches!(state, Some(server_invite::State::Proceeding { .. }));
        let tag_of_invite = state.and_then(server_invite::State::last_response).and_then(ack_cancel::to_tag);
        let own_tag = self.keyring.tag(&marks.via, self.ids.place());
        let mut response = Response::to_request(request, Status::OK);
        route::stamp(response.headers_mut(), flow.remote);
        reply::tag(&mut response, tag_of_invite.as_deref().unwrap_or(own_tag.as_bytes()));
        let unanswered = Unanswered { data, source: flow.clone() };
        let server = Server::start_cancel(now, route::reply(&marks.via, flow), unanswered, &self.config);
        if let Some(slot) = self.insert_server(key, server) {
            self.step_server(now, slot, ServerEvent::Response(Status::OK, response.to_bytes()));
        }
        if pending { Delivery::Cancelled(ServerId(invite)) } else { Delivery::Done }
    }

    /// RFC 3261 sections 17.1.3 and 8.1.3.3.
    fn receive_response(&mut self, now: Instant, flow: Flow, response: Response) {
        if response.headers().values(Name::Via).nth(1).is_some() {
            return self.refuse(now, Refusal::MisroutedResponse, &flow);
        }
        let Some(marks) = MatchFields::of(response.headers()) else {
            return self.refuse(now, Refusal::Malformed, &flow);
        };
        match self.find_client(marks.via.branch(), marks.cseq.method()) {
            Some(slot) => self.step_client(now, slot, ClientEvent::Response(response, flow)),
            None => self.refuse(now, Refusal::StrayResponse, &flow),
        }
    }

    /// The client transaction of this branch and method (RFC 3261 section 17.1.3).
    fn find_client(&self, branch: Option<&[u8]>, method: &Method) -> Option<Slot> {
        self.clients.find(self.keyring.client(branch?, method))
    }

    /// Whether a request that begins something breaks the rules of its form; if so, it is answered.
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

    /// Refuses a request, and makes no state for it (RFC 3261 section 8.2.7). No ACK is answered.
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

    /// Sends a response outside any transaction, to the address that the request came from; where the top Via cannot be read,
    /// to the port that it came from too.
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

    /// Counts what is refused, and says so in the log now and then.
    fn refuse(&mut self, now: Instant, reason: Refusal, flow: &Flow) {
        self.out.counters.refused.count(reason);
        if let Some(silent) = self.throttle.pass(now) {
            info!(%reason, peer = %flow.remote, since_last_line = silent, "refused a message");
        }
    }
}

/// Whether a fault does not matter, since it is in a header that the dialog does not need: an ACK or a BYE that is not taken
/// leaves a call behind.
fn is_forgiven(request: &Request, fault: &Invalid) -> bool {
    let method = request.method();
    let needed = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
    matches!(method, Method::Ack | Method::Bye)
        && fault.header().is_some_and(|name| !needed.contains(&name))
        && request.headers().read::<CSeq>().is_some_and(|cseq| cseq.is_ok_and(|cseq| cseq.method() == method))
}

/// Where a request goes.
enum Delivery {
    /// To the user, as the beginning of a transaction, with this top Via line in place of its own; `on_reserve` if the cap is
    /// reached.
    Request { id: ServerId, stamped: Option<Vec<u8>>, on_reserve: bool },
    /// To the machine of the INVITE that it acknowledges.
    AckOf(Slot),
    /// To the user, which finds its dialog.
    Ack,
    /// To the user, whose INVITE it cancels.
    Cancelled(ServerId),
    /// Nowhere further.
    Done,
}
