//! The user above an agent's transaction layer. It has one call at a time, and sends other messages as the test says.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_sip::{CSeq, Method, Name, Request, Response, Status};
use attesta_transaction::{
    ClientId, Config, Endpoint, Event, Failure, Flow, IdGenerator, Input, Output, Seed, SentBy, ServerId,
    Transmit, Transport, WorkerPlace,
};
use bytes::Bytes;

use super::T1;
use super::call::Call;
use super::message::{CANCEL, Heard, Said};
use super::node::{Effect, Node};
use super::wording::{Outgoing, Place};

/// An agent's state.
pub(super) struct User {
    name: String,
    address: SocketAddr,
    next_hop: SocketAddr,
    seed: u64,
    config: Config,
    /// The number of restarts so far.
    starts: u64,
    transport: Transport,
    pub(super) own_uri: String,
    pub(super) peer_uri: String,
    pub(super) acknowledges: bool,
    pub(super) endpoint: Endpoint,
    ids: IdGenerator,
    /// Events that the test has not read yet.
    pub(super) inbox: VecDeque<Heard>,
    /// ACKs that the test has not read yet.
    pub(super) acks: usize,
    pub(super) last_request: Option<Request>,
    pub(super) last_response: Option<Response>,
    effects: VecDeque<Effect>,
    /// Requests to which the user has sent no final response. The latest is last.
    unanswered: Vec<(ServerId, Request)>,
    clients: BTreeSet<ClientId>,
    servers: BTreeSet<ServerId>,
    /// The last INVITE that was sent.
    invite: Option<(ClientId, Request)>,
    /// The call, or the early dialog with the last message.
    call: Option<Call>,
    /// The other early dialogs of the caller's INVITE.
    forks: Vec<Call>,
    /// The last 2xx that arrived.
    accepted: Option<Accepted>,
    /// The RAck for the last reliable provisional response that arrived.
    rack: Option<String>,
    /// The last INVITE that was answered with 2xx. Another branch may answer it again.
    answered: Option<(ServerId, Request)>,
    repeated: Vec<Repeated>,
}

/// A 2xx that arrived, and its ACK if one was sent.
struct Accepted {
    invite: Request,
    tag: Vec<u8>,
    ack: Option<Transmit>,
}

/// A 2xx that is repeated until its ACK arrives (RFC 3261 section 13.3.1.4).
struct Repeated {
    id: ServerId,
    response: Response,
    at: Instant,
    interval: Duration,
    until: Instant,
}

impl User {
    pub(super) fn new(name: &str, address: SocketAddr, seed: u64, config: Config) -> Self {
        Self::started(name, address, seed, config, 0)
    }

    /// Returns a user after this number of restarts. Each restart uses different random values.
    fn started(name: &str, address: SocketAddr, seed: u64, config: Config, starts: u64) -> Self {
        let place = WorkerPlace { instance: address_number(address), worker: 0 };
        let mut octets = [0; 32];
        for (slot, octet) in
            octets.iter_mut().zip(seed.to_be_bytes().into_iter().chain(place.instance.to_be_bytes()))
        {
            *slot = octet;
        }
        let seed_of_node = Seed::new(octets);
        let fresh = |stream| seed_of_node.fork(2 * starts + stream);
        Self {
            name: name.to_owned(),
            address,
            next_hop: address,
            seed,
            config: config.clone(),
            starts,
            transport: Transport::Udp,
            own_uri: format!("sip:{name}@{address}"),
            peer_uri: format!("sip:{address}"),
            acknowledges: true,
            endpoint: Endpoint::new(config, place, &fresh(0)),
            ids: IdGenerator::new(place, &fresh(1)),
            inbox: VecDeque::new(),
            acks: 0,
            last_request: None,
            last_response: None,
            effects: VecDeque::new(),
            unanswered: Vec::new(),
            clients: BTreeSet::new(),
            servers: BTreeSet::new(),
            invite: None,
            call: None,
            forks: Vec::new(),
            accepted: None,
            rack: None,
            answered: None,
            repeated: Vec::new(),
        }
    }

    /// Restarts with these timers and caps. Everything except the settings is lost.
    pub(super) fn start_again(&mut self, config: Config) {
        let fresh = Self::started(&self.name, self.address, self.seed, config, self.starts + 1);
        let Self { next_hop, own_uri, peer_uri, transport, acknowledges, .. } =
            std::mem::replace(self, fresh);
        (self.next_hop, self.own_uri, self.peer_uri) = (next_hop, own_uri, peer_uri);
        (self.transport, self.acknowledges) = (transport, acknowledges);
    }

    /// Sends requests by this transport.
    pub(super) fn speaks(&mut self, transport: Transport) {
        self.transport = transport;
    }

    pub(super) fn faces(&mut self, next_hop: SocketAddr) {
        self.next_hop = next_hop;
        self.peer_uri = format!("sip:{next_hop}");
    }

    /// Carries out an instruction of the test.
    pub(super) fn say(&mut self, now: Instant, outgoing: &Outgoing) {
        match &outgoing.said {
            Said::Request(Method::Cancel) => {
                let (id, _) = self.invite.as_ref().expect("the test cancels an INVITE that it has sent");
                let mut model = Request::new(Method::Cancel, self.peer_uri.clone());
                outgoing.dress(model.headers_mut());
                let reason = model.headers().get(Name::Reason).map(Bytes::copy_from_slice);
                self.endpoint.cancel(now, *id, reason);
            }
            Said::Request(Method::Ack) => self.acknowledge(Some(outgoing)),
            Said::Request(method) => {
                let mut request = self.opened(method, outgoing.place);
                if let (Method::Prack, Some(rack)) = (method, &self.rack) {
                    request.headers_mut().push(Name::RAck, rack);
                }
                outgoing.dress(request.headers_mut());
                if let Some(body) = &outgoing.body {
                    request.set_body(body.clone());
                }
                self.request(now, request);
            }
            Said::Status(code) => self.answer(now, *code, outgoing),
        }
    }

    /// Builds a request within the call, or a request outside any dialog.
    fn opened(&mut self, method: &Method, place: Place) -> Request {
        let contact = self.contact();
        let goes_on = |call: &&mut Call| match place {
            Place::Default => !call.hung_up || *method == Method::Bye,
            Place::Within => true,
            Place::Outside => false,
        };
        if let Some(call) = self.call.as_mut().filter(goes_on) {
            let request = call.request(method.clone(), &contact);
            call.hung_up |= *method == Method::Bye;
            return request;
        }
        assert!(*method != Method::Bye || place == Place::Outside, "the test ends a call that is there");
        Call::opening(method.clone(), &self.own_uri, &self.peer_uri, &contact, &mut self.ids)
    }

    fn contact(&self) -> String {
        match self.transport {
            Transport::Udp => format!("<sip:{}>", self.address),
            Transport::Tcp => format!("<sip:{};transport=tcp>", self.address),
            Transport::Tls => format!("<sip:{};transport=tls>", self.address),
            Transport::Ws | Transport::Wss => format!("<sip:{};transport=ws>", self.address),
        }
    }

    /// Sends a request in a transaction.
    pub(super) fn request(&mut self, now: Instant, request: Request) {
        let (flow, sent_by) = (self.way_out(), SentBy::from(self.address));
        let copy = request.clone();
        let id = self.endpoint.request(now, request, flow, &sent_by).expect("a test stays below the cap");
        self.clients.insert(id);
        if *copy.method() == Method::Invite {
            self.invite = Some((id, copy));
        }
    }

    fn answer(&mut self, now: Instant, code: u16, outgoing: &Outgoing) {
        let status = Status::new(code).expect("the test names a status code");
        let (id, request) = self.waiting(outgoing).expect("the test answers a request that waits");
        let own = self.call.as_ref().map(Call::local_tag);
        let mut tag = own.unwrap_or_else(|| self.ids.tag().as_bytes().to_vec());
        if let Some(branch) = &outgoing.branch {
            tag = branch.as_bytes().to_vec();
            self.call.as_mut().into_iter().for_each(|call| call.is_tagged(&tag));
        }
        let mut response = Call::response(&request, status, &tag, &self.contact());
        outgoing.dress(response.headers_mut());
        if let Some(body) = &outgoing.body {
            response.set_body(body.clone());
        }
        self.endpoint.respond(now, id, &response);
        if status.is_final() {
            self.unanswered.retain(|(waiting, _)| *waiting != id);
        }
        let (is_invite, is_first) =
            (*request.method() == Method::Invite, Call::to_tag(request.headers()).is_empty());
        if *request.method() == Method::Bye || (is_invite && is_first && status.class() > 2) {
            self.call = None;
        }
        if is_invite && status.is_success() {
            self.answered = Some((id, request));
            self.repeated.push(Repeated { id, response, at: now + T1, interval: T1, until: now + 64 * T1 });
        }
    }

    /// Returns the request that a response answers: the latest request of its method, or the INVITE that another branch has
    /// answered.
    fn waiting(&self, outgoing: &Outgoing) -> Option<(ServerId, Request)> {
        let is_meant = |request: &Request| {
            outgoing.answers.as_ref().is_none_or(|said| *said == Said::Request(request.method().clone()))
        };
        let waiting = self.unanswered.iter().rev().find(|(_, request)| is_meant(request));
        waiting.or(self.answered.as_ref().filter(|_| outgoing.branch.is_some())).cloned()
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Request { id, request, .. } => {
                self.servers.insert(id);
                self.inbox.push_back(Said::Request(request.method().clone()).into());
                let is_first = Call::to_tag(request.headers()).is_empty();
                if *request.method() == Method::Invite && (is_first || self.call.is_none()) {
                    self.call = Some(Call::answered(&request, &mut self.ids));
                }
                if let Some(call) = &mut self.call {
                    call.follows(request.method(), request.headers());
                }
                self.unanswered.push((id, request.clone()));
                self.last_request = Some(request);
            }
            Event::Ack { request, .. } => {
                let tag = Call::to_tag(request.headers());
                self.repeated.retain(|repeated| Call::to_tag(repeated.response.headers()) != tag);
                self.last_request = Some(request);
            }
            Event::Cancelled { request, .. } => {
                self.inbox.push_back(CANCEL.into());
                self.last_request = Some(request);
            }
            Event::Response { id, response, .. } => self.hear_response(id, response),
            Event::ClientFailed { why, .. } => self.fail(why, "no response"),
            Event::ServerFailed { why, .. } => self.fail(why, "no ACK"),
            Event::ClientTerminated { id } => {
                assert!(self.clients.remove(&id), "{} hears twice of an end", self.name);
            }
            Event::ServerTerminated { id } => {
                assert!(self.servers.remove(&id), "{} hears twice of an end", self.name);
                self.unanswered.retain(|(waiting, _)| *waiting != id);
            }
        }
    }

    fn hear_response(&mut self, id: ClientId, response: Response) {
        assert!(self.clients.contains(&id), "{} hears from a transaction that is over", self.name);
        let status = response.status();
        let invite =
            self.invite.as_ref().filter(|(invite, _)| *invite == id).map(|(_, request)| request.clone());
        self.last_response = Some(response.clone());
        let Some(invite) = invite else {
            if let (true, Some(call)) = (status.is_success(), &mut self.call)
                && let Some(method) = response.headers().get(Name::CSeq).and_then(method_of)
            {
                call.follows(&method, response.headers());
            }
            return self.inbox.push_back(status.code().into());
        };
        let tag = Call::to_tag(response.headers());
        if !status.is_success() {
            if status.is_provisional() {
                self.turn_to(&invite, &response, &tag);
            } else if Call::to_tag(invite.headers()).is_empty() {
                self.call = None;
                self.forks.clear();
            }
            return self.inbox.push_back(status.code().into());
        }
        if let Some(before) = &self.accepted
            && before.tag == tag
            && before.invite.headers().get(Name::CSeq) == invite.headers().get(Name::CSeq)
        {
            return self.effects.extend(before.ack.clone().map(Effect::Send));
        }
        self.inbox.push_back(status.code().into());
        self.turn_to(&invite, &response, &tag);
        self.forks.clear();
        self.accepted = Some(Accepted { invite, tag, ack: None });
        if self.acknowledges {
            self.acknowledge(None);
        }
    }

    /// The caller continues in the dialog of this response.
    fn turn_to(&mut self, invite: &Request, response: &Response, tag: &[u8]) {
        let headers = response.headers();
        if let (Some(number), Some(invite)) = (headers.get(Name::RSeq), headers.get(Name::CSeq)) {
            let words = [number, invite].map(|word| String::from_utf8_lossy(word).into_owned());
            self.rack = Some(words.join(" "));
        }
        if tag.is_empty() {
            return;
        }
        if self.call.as_ref().is_none_or(|call| !call.leads_to(tag)) {
            let known = self.forks.iter().position(|call| call.leads_to(tag));
            let next = known.map(|index| self.forks.remove(index));
            let next = next.unwrap_or_else(|| Call::calling(invite, response));
            self.forks.extend(self.call.replace(next).filter(|call| !call.hung_up));
        }
        if let Some(call) = &mut self.call {
            call.follows(&Method::Invite, headers);
        }
    }

    /// Acknowledges the last 2xx that arrived.
    fn acknowledge(&mut self, outgoing: Option<&Outgoing>) {
        let (flow, sent_by) = (self.way_out(), SentBy::from(self.address));
        let accepted = self.accepted.as_mut().expect("the test acknowledges a 2xx that has come");
        let call = self.call.as_ref().expect("a 2xx makes a call");
        let mut ack = call.ack(&accepted.invite);
        if let Some(outgoing) = outgoing {
            outgoing.dress(ack.headers_mut());
            if let Some(body) = &outgoing.body {
                ack.set_body(body.clone());
            }
        }
        accepted.ack = Some(self.endpoint.send(ack, flow, &sent_by));
    }

    fn way_out(&self) -> Flow {
        Flow { transport: self.transport, ..Flow::udp(self.address, self.next_hop) }
    }

    fn fail(&mut self, why: Failure, note: &str) {
        self.effects.push_back(Effect::Note(format!("{note}: {why}")));
        self.inbox.push_back(match why {
            Failure::Timeout => Heard::Timeout,
            Failure::Transport | Failure::NoRoom => Heard::Unreachable,
        });
    }
}

impl Node for User {
    fn receive(&mut self, now: Instant, flow: Flow, data: Bytes) {
        if data.starts_with(b"ACK ") {
            self.acks += 1;
        }
        self.endpoint.handle_input(now, Input::Datagram { flow, data });
    }

    fn undelivered(&mut self, now: Instant, transmit: Transmit) {
        self.endpoint.handle_input(now, Input::TransportFailed(transmit));
    }

    fn wake(&mut self, now: Instant) {
        let due = self.repeated.extract_if(.., |repeated| repeated.at <= now).collect::<Vec<_>>();
        for mut repeated in due {
            if repeated.until <= now {
                self.fail(Failure::Timeout, "no ACK of the 2xx");
            } else {
                self.endpoint.respond(now, repeated.id, &repeated.response);
                repeated.interval = (2 * repeated.interval).min(Duration::from_secs(4));
                repeated.at = (now + repeated.interval).min(repeated.until);
                self.repeated.push(repeated);
            }
        }
        self.endpoint.handle_input(now, Input::Timeout);
    }

    fn restart(&mut self, _now: Instant) {
        self.start_again(self.config.clone());
    }

    fn poll(&mut self, _now: Instant) -> Effect {
        loop {
            if let Some(effect) = self.effects.pop_front() {
                return effect;
            }
            match self.endpoint.poll_output() {
                Output::Transmit(transmit) => return Effect::Send(transmit),
                Output::Event(event) => self.hear(event),
                Output::Timeout(at) => {
                    let repeat = self.repeated.iter().map(|repeated| repeated.at).min();
                    return Effect::Sleep(at.into_iter().chain(repeat).min());
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.endpoint.is_idle()
            && self.clients.is_empty()
            && self.servers.is_empty()
            && self.repeated.is_empty()
    }
}

/// Returns the method in a CSeq.
fn method_of(cseq: &[u8]) -> Option<Method> {
    CSeq::parse(cseq).ok().map(|cseq| cseq.method().clone())
}

/// Returns the last octet of the address. It is different for each node of a network.
fn address_number(address: SocketAddr) -> u16 {
    match address {
        SocketAddr::V4(address) => address.ip().octets().last().copied().map_or(0, u16::from),
        SocketAddr::V6(address) => address.ip().segments().last().copied().unwrap_or_default(),
    }
}
