//! Requests within a dialog, relayed from one leg to the other and their responses back (RFC 3261 section 12.2).

use std::time::{Duration, Instant};

use attesta_sip::{MaxForwards, Method, Name, Request, Response, Status};
use attesta_transaction::{ClientId, Failure, Overloaded, ServerId};
use bytes::Bytes;

use crate::arena::Key;
use crate::bridge;
use crate::counters::Refusal;
use crate::delivery::{Errand, Hop, Parcel};
use crate::desk::{Client, Desk, Server, Sleeper};
use crate::dialog;
use crate::event::Cause;
use crate::identity;
use crate::io::Now;
use crate::leg::{Accepted, Ack, Answer, Far, Leg, Side, Stage};

/// A request on its way from one leg to the other.
#[derive(Debug)]
pub(crate) struct Relay {
    from: Key,
    to: Key,
    /// The request as the one leg received it.
    request: Request,
    server: ServerId,
    /// Its transaction on the other leg, once it has left.
    client: Option<ClientId>,
    /// Its CSeq number on the other leg.
    seq: u32,
    /// When an INVITE that is answered provisionally only is given up.
    alarm: Option<Instant>,
}

impl Relay {
    fn is_invite(&self) -> bool {
        *self.request.method() == Method::Invite
    }
}

impl Desk {
    /// Treats a request that arrived in the dialog of a leg.
    pub(crate) fn in_dialog(&mut self, now: Now, key: Key, id: ServerId, request: Request) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let _span = tracing::debug_span!("leg", side = leg.side.as_str()).entered();
        tracing::debug!(method = %request.method(), "request in dialog");
        if leg.dialog.receive(&request).is_err() {
            return self.refuse(now.mono, id, &request, Status::SERVER_INTERNAL_ERROR, Refusal::OutOfOrder);
        }
        if *request.method() == Method::Bye {
            return self.bye(now, key, id, request);
        }
        if leg.stage == Stage::Ending {
            return self.refuse(now.mono, id, &request, Status::CALL_DOES_NOT_EXIST, Refusal::NoDialog);
        }
        let Ok(forwards) = bridge::forwards(request.headers()) else {
            return self.refuse(now.mono, id, &request, Status::TOO_MANY_HOPS, Refusal::MaxForwards);
        };
        if bridge::unsupported(&request).is_some() {
            return self.refuse(now.mono, id, &request, Status::BAD_EXTENSION, Refusal::Extension);
        }
        if *request.method() == Method::Invite
            && let Some(obstacle) = self.obstacle(key)
        {
            return self.hold_off(now, id, &request, obstacle);
        }
        let leg = self.legs.get(key);
        if leg.is_some_and(|leg| leg.relays.len() >= self.config.caps.requests_per_dialog) {
            return self.hold_off(now, id, &request, Obstacle::Cap);
        }
        match leg.map_or(Far::Nobody, |leg| leg.far) {
            Far::Leg(other) => self.relay(now, key, other, id, request, forwards),
            Far::Callee => self.answer_for_callee(now, key, id, &request),
            Far::Nobody => {
                self.refuse(now.mono, id, &request, Status::CALL_DOES_NOT_EXIST, Refusal::NoDialog);
            }
        }
    }

    /// What stands in the way of another INVITE from this leg (RFC 3261 section 14.2).
    fn obstacle(&self, key: Key) -> Option<Obstacle> {
        let leg = self.legs.get(key)?;
        let inviting =
            |leg: &Leg| leg.relays.iter().any(|relay| self.relays.get(*relay).is_some_and(Relay::is_invite));
        match leg.stage {
            Stage::Early(_) if leg.side == Side::Callee => return Some(Obstacle::Other),
            Stage::Early(_) => return Some(Obstacle::Own),
            Stage::Confirmed(_) | Stage::Ending => {}
        }
        if leg.answer.is_some() || inviting(leg) {
            return Some(Obstacle::Own);
        }
        let Far::Leg(other) = leg.far else { return None };
        let other = self.legs.get(other)?;
        (other.answer.is_some() || inviting(other)).then_some(Obstacle::Other)
    }

    fn hold_off(&mut self, now: Now, id: ServerId, request: &Request, obstacle: Obstacle) {
        let refusal = match obstacle {
            Obstacle::Other => {
                return self.refuse(now.mono, id, request, Status::REQUEST_PENDING, Refusal::Glare);
            }
            Obstacle::Own => Refusal::Glare,
            Obstacle::Cap => Refusal::RequestCap,
        };
        let pause = self.random_pause();
        let mut response = self.reply(request, Status::SERVER_INTERNAL_ERROR);
        response.headers_mut().push(Name::RetryAfter, pause.to_string());
        self.counters.refuse(refusal);
        self.endpoint.respond(now.mono, id, &response);
    }

    fn relay(&mut self, now: Now, from: Key, to: Key, id: ServerId, request: Request, forwards: MaxForwards) {
        let invite = self.invite_in_flight(from);
        let Some(trusts) = self.legs.get(from).map(|leg| leg.trusts) else { return };
        let Some(peer) = self.legs.get_mut(to) else { return };
        let (mut outgoing, seq) = peer.dialog.request(request.method().clone());
        bridge::request(&request, &mut outgoing, forwards, &peer.listener.contact());
        identity::disbelieve(outgoing.headers_mut(), trusts);
        if let Some(rack) = request.headers().get(Name::RAck) {
            outgoing.headers_mut().push(Name::RAck, renumbered(rack, invite.unwrap_or(dialog::FIRST_SEQ)));
        }
        let relay = Relay { from, to, request, server: id, client: None, seq, alarm: None };
        let key = self.relays.insert(relay);
        self.owe_response(id, Server::Relay(key));
        if let Some(leg) = self.legs.get_mut(from) {
            leg.relays.push(key);
        }
        self.send(now, to, Parcel { request: outgoing, errand: Errand::Relay(key) });
    }

    /// The CSeq number that the INVITE which this leg's peer has not answered yet bears on the other leg.
    fn invite_in_flight(&self, from: Key) -> Option<u32> {
        let relays = &self.legs.get(from)?.relays;
        relays
            .iter()
            .filter_map(|key| self.relays.get(*key))
            .find(|relay| relay.is_invite())
            .map(|relay| relay.seq)
    }

    /// The response to a relayed request.
    pub(crate) fn relay_response(&mut self, now: Now, key: Key, response: &Response) {
        let status = response.status();
        let Some(relay) = self.relays.get_mut(key) else { return };
        if status.is_provisional() {
            if relay.is_invite() {
                let until = now.mono + REINVITE_BUDGET;
                self.alarms.set(Sleeper::Relay(key), &mut relay.alarm, Some(until));
                if status != Status::TRYING {
                    self.relay_back(now, key, response);
                }
            }
            return;
        }
        self.relay_back(now, key, response);
        let Some(relay) = self.finish_relay(key) else { return };
        if status.is_success() {
            self.agreed(now, &relay, response);
        } else if status == Status::CALL_DOES_NOT_EXIST {
            self.lost(relay.from, Some(relay.to));
        } else if status == Status::REQUEST_TIMEOUT {
            self.lost(relay.from, None);
        }
    }

    /// A request within the dialog found no peer: the dialog is over, and the call with it (RFC 3261 section 12.2.1.2). Of an
    /// early dialog nothing follows, since the INVITE that made it is still to be answered.
    fn lost(&mut self, from: Key, gone: Option<Key>) {
        if self.legs.get(from).is_some_and(|leg| matches!(leg.stage, Stage::Confirmed(_))) {
            self.end_call_of(from, Cause::Lost, gone, None);
        }
    }

    /// Sends the response to a relayed request on, over the leg that the request came from.
    fn relay_back(&mut self, now: Now, key: Key, response: &Response) {
        let Some(relay) = self.relays.get(key) else { return };
        let trusts = self.legs.get(relay.to).map(|leg| leg.trusts).unwrap_or_default();
        let Some(leg) = self.legs.get_mut(relay.from) else { return };
        let mut back = Response::to_request(&relay.request, response.status());
        bridge::response(response, &mut back, &leg.listener.contact());
        identity::disbelieve(back.headers_mut(), trusts);
        if relay.is_invite() && response.status().is_success() {
            let seq = dialog::sequence(&relay.request).unwrap_or_default();
            leg.answer =
                Some(Answer::new(now.mono, relay.server, seq, back.clone(), &self.config.transactions));
        }
        self.endpoint.respond(now.mono, relay.server, &back);
        let from = relay.from;
        self.wind(from);
    }

    /// A 2xx: the remote targets of both legs follow (RFC 3261 section 12.2), and an INVITE waits for its ACK.
    fn agreed(&mut self, now: Now, relay: &Relay, response: &Response) {
        if matches!(
            relay.request.method(),
            Method::Invite | Method::Update | Method::Subscribe | Method::Refer
        ) {
            self.refresh(relay.from, dialog::contact(relay.request.headers()));
            self.refresh(relay.to, dialog::contact(response.headers()));
        }
        if relay.is_invite() {
            match self.legs.get_mut(relay.to) {
                Some(leg) => leg.invite = Some(Accepted { seq: relay.seq, ack: Ack::Due }),
                None => tracing::debug!(now = ?now.mono, "answered on a leg that is gone"),
            }
        }
    }

    fn refresh(&mut self, key: Key, contact: Option<Bytes>) {
        if let (Some(leg), Some(contact)) = (self.legs.get_mut(key), contact)
            && leg.dialog.refresh(contact)
            && matches!(&leg.hop, Hop::Known(flow) if !flow.transport.is_websocket())
        {
            leg.hop = Hop::Unknown;
        }
    }

    /// A relayed request has left, or found the endpoint full: then its sender may try again, and the call goes on.
    pub(crate) fn relay_sent(&mut self, now: Now, key: Key, sent: Result<ClientId, Overloaded>) {
        match sent {
            Ok(client) => {
                if let Some(relay) = self.relays.get_mut(key) {
                    relay.client = Some(client);
                    self.expect_response(client, Client::Relay(key));
                }
            }
            Err(Overloaded) => {
                if let Some(relay) = self.finish_relay(key) {
                    self.hold_off(now, relay.server, &relay.request, Obstacle::Cap);
                }
            }
        }
    }

    /// The relayed request will get no response.
    pub(crate) fn relay_failed(&mut self, now: Now, key: Key, why: Failure) {
        let status = match why {
            Failure::Timeout => Status::REQUEST_TIMEOUT,
            Failure::Transport | Failure::NoRoom => Status::SERVER_INTERNAL_ERROR,
        };
        let Some(relay) = self.finish_relay(key) else { return };
        let response = self.reply(&relay.request, status);
        self.endpoint.respond(now.mono, relay.server, &response);
        self.lost(relay.from, None);
    }

    /// The caller of a relayed INVITE cancels it; the answer to the INVITE is the other side's.
    pub(crate) fn relay_cancelled(&mut self, now: Now, key: Key, cancel: &Request) {
        let Some(relay) = self.relays.get(key) else { return };
        match relay.client {
            Some(client) => self.endpoint.cancel(now.mono, client, reason_of(cancel)),
            None => {
                if let Some(relay) = self.finish_relay(key) {
                    let response = self.reply(&relay.request, Status::REQUEST_TERMINATED);
                    self.endpoint.respond(now.mono, relay.server, &response);
                }
            }
        }
    }

    /// A relayed INVITE rang for too long.
    pub(crate) fn relay_overdue(&mut self, now: Now, key: Key) {
        let Some(relay) = self.finish_relay(key) else { return };
        if let Some(client) = relay.client {
            self.forget_client(client);
            self.endpoint.cancel(now.mono, client, None);
        }
        let response = self.reply(&relay.request, Status::REQUEST_TIMEOUT);
        self.endpoint.respond(now.mono, relay.server, &response);
    }

    /// Answers a request in flight whose call is over (RFC 3261 section 15.1.2).
    pub(crate) fn relay_abandoned(&mut self, now: Now, key: Key) {
        let Some(relay) = self.finish_relay(key) else { return };
        if let Some(client) = relay.client {
            self.forget_client(client);
            if relay.is_invite() {
                self.endpoint.cancel(now.mono, client, None);
            }
        }
        let response = self.reply(&relay.request, Status::REQUEST_TERMINATED);
        self.endpoint.respond(now.mono, relay.server, &response);
    }

    fn finish_relay(&mut self, key: Key) -> Option<Relay> {
        let mut relay = self.relays.remove(key)?;
        self.alarms.set(Sleeper::Relay(key), &mut relay.alarm, None);
        self.forget_server(relay.server);
        if let Some(leg) = self.legs.get_mut(relay.from) {
            leg.relays.retain(|each| *each != key);
        }
        Some(relay)
    }
}

/// Why a request has to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Obstacle {
    /// One from the same side is in progress: 500 with Retry-After.
    Own,
    /// One from the other side is in progress: 491.
    Other,
    /// Too much is in flight: 500 with Retry-After.
    Cap,
}

/// The Reason that a CANCEL carries (RFC 3326).
pub(crate) fn reason_of(cancel: &Request) -> Option<Bytes> {
    cancel.headers().get(Name::Reason).map(Bytes::copy_from_slice)
}

/// A RAck that names the INVITE by its CSeq number on the other leg (RFC 3262 section 7.2): `response-num CSeq-num Method`.
fn renumbered(rack: &[u8], invite: u32) -> String {
    let text = String::from_utf8_lossy(rack);
    let mut words = text.split_ascii_whitespace();
    let (response, _, method) = (words.next(), words.next(), words.next());
    format!("{} {invite} {}", response.unwrap_or_default(), method.unwrap_or_default())
}

/// How long a relayed INVITE may ring.
const REINVITE_BUDGET: Duration = Duration::from_secs(120);
