//! The user above an agent's transaction layer: one call at a time, and whatever else the test says.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_sip::{Method, Request, Response, Status};
use attesta_transaction::{
    ClientId, Config, Endpoint, Event, Failure, Flow, IdGenerator, Input, Output, Seed, SentBy, ServerId,
    Transmit, Transport, WorkerPlace,
};
use bytes::Bytes;

use super::T1;
use super::call::Call;
use super::message::{CANCEL, Heard, Said};
use super::node::{Effect, Node};

/// An agent's state.
pub(super) struct User {
    name: String,
    address: SocketAddr,
    next_hop: SocketAddr,
    seed: u64,
    config: Config,
    /// How often the user has started again.
    starts: u64,
    transport: Transport,
    pub(super) own_uri: String,
    pub(super) peer_uri: String,
    pub(super) acknowledges: bool,
    pub(super) endpoint: Endpoint,
    ids: IdGenerator,
    /// What the test has not yet asked for.
    pub(super) inbox: VecDeque<Heard>,
    /// ACKs that the test has not yet asked for.
    pub(super) acks: usize,
    pub(super) last_request: Option<Request>,
    pub(super) last_response: Option<Response>,
    effects: VecDeque<Effect>,
    /// Requests without a final response of ours, the latest last.
    unanswered: Vec<(ServerId, Request)>,
    clients: BTreeSet<ClientId>,
    servers: BTreeSet<ServerId>,
    /// The INVITE that was sent last.
    invite: Option<(ClientId, Request)>,
    call: Option<Call>,
    /// The To tag of the 2xx that came last, and its ACK, if it was given one.
    accepted: Option<(Vec<u8>, Option<Transmit>)>,
    repeated: Option<Repeated>,
}

/// A 2xx that is sent again until its ACK comes (RFC 3261 section 13.3.1.4).
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

    /// A user that has started so often before: its chance is another each time.
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
            accepted: None,
            repeated: None,
        }
    }

    /// Starts again with these timers and caps, and without a memory of anything but its settings.
    pub(super) fn start_again(&mut self, config: Config) {
        let fresh = Self::started(&self.name, self.address, self.seed, config, self.starts + 1);
        let Self { next_hop, own_uri, peer_uri, transport, acknowledges, .. } =
            std::mem::replace(self, fresh);
        (self.next_hop, self.own_uri, self.peer_uri) = (next_hop, own_uri, peer_uri);
        (self.transport, self.acknowledges) = (transport, acknowledges);
    }

    /// Sends its requests by this transport.
    pub(super) fn speaks(&mut self, transport: Transport) {
        self.transport = transport;
    }

    pub(super) fn faces(&mut self, next_hop: SocketAddr) {
        self.next_hop = next_hop;
        self.peer_uri = format!("sip:{next_hop}");
    }

    /// Does what the test says.
    pub(super) fn say(&mut self, now: Instant, said: &Said) {
        match said {
            Said::Request(Method::Cancel) => {
                let (id, _) = self.invite.as_ref().expect("the test cancels an INVITE that it has sent");
                self.endpoint.cancel(now, *id, None);
            }
            Said::Request(Method::Bye) => {
                let mut call = self.call.take().expect("the test ends a call that is there");
                self.request(now, call.request(Method::Bye));
            }
            Said::Request(method) => {
                let request =
                    Call::opening(method.clone(), &self.own_uri, &self.peer_uri, self.address, &mut self.ids);
                self.request(now, request);
            }
            Said::Status(code) => self.answer(now, *code),
        }
    }

    /// Sends a request by a transaction.
    pub(super) fn request(&mut self, now: Instant, request: Request) {
        let (flow, sent_by) = (self.way_out(), SentBy::from(self.address));
        let copy = request.clone();
        let id = self.endpoint.request(now, request, flow, &sent_by).expect("a test stays below the cap");
        self.clients.insert(id);
        if *copy.method() == Method::Invite {
            self.invite = Some((id, copy));
        }
    }

    fn answer(&mut self, now: Instant, code: u16) {
        let status = Status::new(code).expect("the test names a status code");
        let (id, request) = self.unanswered.last().cloned().expect("the test answers a request that waits");
        let tag =
            self.call.as_ref().map(Call::local_tag).unwrap_or_else(|| self.ids.tag().as_bytes().to_vec());
        let response = Call::response(&request, status, &tag, self.address);
        self.endpoint.respond(now, id, &response);
        if status.is_final() {
            self.unanswered.pop();
        }
        if *request.method() == Method::Bye || status.class() > 2 {
            self.call = None;
        }
        if *request.method() == Method::Invite && status.is_success() {
            self.repeated = Some(Repeated { id, response, at: now + T1, interval: T1, until: now + 64 * T1 });
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Request { id, request, .. } => {
                self.servers.insert(id);
                self.inbox.push_back(Said::Request(request.method().clone()).into());
                if *request.method() == Method::Invite && self.call.is_none() {
                    self.call = Some(Call::answered(&request, &mut self.ids));
                }
                self.unanswered.push((id, request.clone()));
                self.last_request = Some(request);
            }
            Event::Ack { request, .. } => {
                self.repeated = None;
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
        let Some(invite) = invite.filter(|_| status.is_success()) else {
            return self.inbox.push_back(status.code().into());
        };
        let tag = Call::remote_tag(&response);
        if let Some((before, ack)) = &self.accepted
            && *before == tag
        {
            return self.effects.extend(ack.clone().map(Effect::Send));
        }
        self.inbox.push_back(status.code().into());
        let (flow, sent_by) = (self.way_out(), SentBy::from(self.address));
        let ack = self.acknowledges.then(|| {
            let call = self.call.insert(Call::confirmed(&invite, &response));
            self.endpoint.send(call.ack(), flow, &sent_by)
        });
        self.accepted = Some((tag, ack));
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
        if let Some(mut repeated) = self.repeated.take_if(|repeated| repeated.at <= now) {
            if repeated.until <= now {
                self.fail(Failure::Timeout, "no ACK of the 2xx");
            } else {
                self.endpoint.respond(now, repeated.id, &repeated.response);
                repeated.interval = (2 * repeated.interval).min(Duration::from_secs(4));
                repeated.at = (now + repeated.interval).min(repeated.until);
                self.repeated = Some(repeated);
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
                    let repeat = self.repeated.as_ref().map(|repeated| repeated.at);
                    return Effect::Sleep(at.into_iter().chain(repeat).min());
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.endpoint.is_idle()
            && self.clients.is_empty()
            && self.servers.is_empty()
            && self.repeated.is_none()
    }
}

/// The last octet of the address, which tells the nodes of a network apart.
fn address_number(address: SocketAddr) -> u16 {
    match address {
        SocketAddr::V4(address) => address.ip().octets().last().copied().map_or(0, u16::from),
        SocketAddr::V6(address) => address.ip().segments().last().copied().unwrap_or_default(),
    }
}
