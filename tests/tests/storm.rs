//! Transactions by chance, on a network that loses, doubles, delays and reorders: each ends, once, in a way that the RFC
//! allows, and nothing is left of any.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use attesta_sip::{CSeq, Method, Name, Request, Response, Status};
use attesta_tests::sim::{Conditions, Effect, Network, Node, seeds};
use attesta_transaction::{
    ClientId, Config, Endpoint, Event, Flow, Input, Minter, Output, Place, Seed, SentBy, ServerId, Transmit,
};
use bytes::Bytes;

const TRANSACTIONS: usize = 50;

#[test]
fn every_transaction_ends_once_and_leaves_nothing() {
    for seed in seeds(50) {
        let storm = Storm::new(seed);
        storm.net.settles();
        let (caller, answerer) = (storm.caller.borrow(), storm.answerer.borrow());
        assert_eq!(caller.ended, TRANSACTIONS);
        assert!(caller.finals.values().all(|count| *count <= 1), "{:?}", caller.finals);
        assert!(answerer.begun.len() <= TRANSACTIONS, "a retransmission was taken for a new request");
        assert!(caller.answered > TRANSACTIONS / 2, "only {} got through", caller.answered);
    }
}

/// One run: a caller that sends requests at random times, an answerer that answers at random.
struct Storm {
    net: Network,
    caller: Rc<RefCell<Caller>>,
    answerer: Rc<RefCell<Answerer>>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let net = Network::new(seed);
        net.suffers(Conditions {
            loss: 20,
            duplication: 10,
            delay: Duration::from_millis(1)..Duration::from_secs(2),
        });
        let (from, to) = (SocketAddr::from(([192, 0, 2, 1], 5060)), SocketAddr::from(([192, 0, 2, 2], 5060)));
        let caller = Rc::new(RefCell::new(Caller::new(seed, net.now(), from, to)));
        let answerer = Rc::new(RefCell::new(Answerer::new(seed)));
        net.seat("caller", from, Rc::clone(&caller) as Rc<RefCell<_>>);
        net.seat("answerer", to, Rc::clone(&answerer) as Rc<RefCell<_>>);
        net.wakes(from);
        Self { net, caller, answerer }
    }
}

/// Sends INVITE, OPTIONS and MESSAGE requests; cancels some.
struct Caller {
    endpoint: Endpoint,
    minter: Minter,
    flow: Flow,
    /// When the next requests leave.
    starts: Vec<Instant>,
    cancels: BTreeMap<Instant, ClientId>,
    live: BTreeSet<ClientId>,
    /// How many final responses, other than repeated 2xx, each request had.
    finals: BTreeMap<ClientId, usize>,
    answered: usize,
    ended: usize,
}

impl Caller {
    fn new(seed: u64, now: Instant, from: SocketAddr, to: SocketAddr) -> Self {
        let (place, seed) = (Place { instance: 1, worker: 0 }, seed_of(seed, 1));
        let mut minter = Minter::new(place, &seed.fork(1));
        let mut starts: Vec<_> =
            (0..TRANSACTIONS).map(|_| now + Duration::from_millis(minter.number() % 20_000)).collect();
        starts.sort_by(|one, other| other.cmp(one));
        Self {
            endpoint: Endpoint::new(Config::default(), place, &seed),
            minter,
            flow: Flow::udp(from, to),
            starts,
            cancels: BTreeMap::new(),
            live: BTreeSet::new(),
            finals: BTreeMap::new(),
            answered: 0,
            ended: 0,
        }
    }

    fn begin(&mut self, now: Instant) {
        let chance = self.minter.number();
        let method = match chance % 4 {
            0 | 1 => Method::Invite,
            2 => Method::Options,
            _ => Method::Message,
        };
        let mut request = Request::new(method.clone(), "sip:storm@192.0.2.2");
        let headers = request.headers_mut();
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, format!("<sip:storm@192.0.2.1>;tag={}", self.minter.tag()));
        headers.push(Name::To, "<sip:storm@192.0.2.2>");
        headers.push(Name::CallId, self.minter.call_id().to_string());
        headers.push(Name::CSeq, format!("1 {method}"));
        let sent_by = SentBy::from(self.flow.local);
        let id = self.endpoint.request(now, request, self.flow.clone(), &sent_by).expect("far below the cap");
        self.live.insert(id);
        if chance.is_multiple_of(3) {
            self.cancels.insert(now + Duration::from_millis(self.minter.number() % 5_000), id);
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Response { id, response, .. } => {
                assert!(self.live.contains(&id), "a response after the end");
                let invite = cseq_method(response.headers()) == Some(Method::Invite);
                if response.status().is_final() && !(invite && response.status().is_success()) {
                    *self.finals.entry(id).or_default() += 1;
                }
                if response.status().is_success() && invite {
                    self.finals.entry(id).or_insert(1);
                }
                if response.status().is_final() && self.finals.get(&id) == Some(&1) {
                    self.answered += 1;
                }
            }
            Event::ClientFailed { id, .. } => {
                assert!(self.live.contains(&id) && !self.finals.contains_key(&id), "failed though answered");
            }
            Event::ClientTerminated { id } => {
                assert!(self.live.remove(&id), "ended twice");
                self.ended += 1;
            }
            Event::Request { .. }
            | Event::Ack { .. }
            | Event::Cancelled { .. }
            | Event::ServerFailed { .. }
            | Event::ServerTerminated { .. } => unreachable!("the caller gets no requests"),
        }
    }
}

impl Node for Caller {
    fn receive(&mut self, now: Instant, flow: Flow, data: Bytes) {
        self.endpoint.handle_input(now, Input::Datagram { flow, data });
    }

    fn undelivered(&mut self, now: Instant, transmit: Transmit) {
        self.endpoint.handle_input(now, Input::TransportFailed(transmit));
    }

    fn wake(&mut self, now: Instant) {
        while self.starts.pop_if(|start| *start <= now).is_some() {
            self.begin(now);
        }
        while let Some(cancel) = self.cancels.first_entry().filter(|cancel| *cancel.key() <= now) {
            self.endpoint.cancel(now, cancel.remove(), None);
        }
        self.endpoint.handle_input(now, Input::Timeout);
    }

    fn poll(&mut self, _now: Instant) -> Effect {
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit(transmit) => return Effect::Send(transmit),
                Output::Event(event) => self.hear(event),
                Output::Timeout(at) => {
                    let own = [self.starts.last().copied(), self.cancels.keys().next().copied()];
                    return Effect::Sleep(own.into_iter().flatten().chain(at).min());
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.endpoint.is_idle() && self.live.is_empty()
    }
}

/// Answers at random times with random responses; repeats a 2xx to an INVITE as often as it likes.
struct Answerer {
    endpoint: Endpoint,
    minter: Minter,
    due: BTreeMap<(Instant, u64), (ServerId, Response)>,
    serial: u64,
    live: BTreeSet<ServerId>,
    begun: BTreeSet<Vec<u8>>,
}

impl Answerer {
    fn new(seed: u64) -> Self {
        let (place, seed) = (Place { instance: 2, worker: 0 }, seed_of(seed, 2));
        Self {
            endpoint: Endpoint::new(Config::default(), place, &seed),
            minter: Minter::new(place, &seed.fork(1)),
            due: BTreeMap::new(),
            serial: 0,
            live: BTreeSet::new(),
            begun: BTreeSet::new(),
        }
    }

    fn plan(&mut self, now: Instant, id: ServerId, request: &Request) {
        let tag = self.minter.tag();
        let finals: &[u16] = if *request.method() == Method::Invite {
            if self.minter.number().is_multiple_of(2) {
                self.answer_at(now, 1_000, id, request, 180, tag);
            }
            &[200, 302, 404, 486, 500, 603]
        } else {
            &[200, 202, 404, 480, 500]
        };
        let chance = usize::try_from(self.minter.number() % 64).unwrap_or_default();
        let status = finals.iter().copied().cycle().nth(chance).unwrap_or(200);
        self.answer_at(now, 8_000, id, request, status, tag);
        if status == 200 && *request.method() == Method::Invite {
            for _ in 0..4 {
                self.answer_at(now, 16_000, id, request, status, tag);
            }
        }
    }

    fn answer_at(
        &mut self,
        now: Instant,
        within: u64,
        id: ServerId,
        request: &Request,
        code: u16,
        tag: attesta_transaction::Tag,
    ) {
        let mut response = Response::to_request(request, Status::new(code).expect("a status code"));
        response.headers_mut().set(Name::To, format!("<sip:storm@192.0.2.2>;tag={tag}"));
        let at = now + Duration::from_millis(self.minter.number() % within);
        self.serial += 1;
        self.due.insert((at, self.serial), (id, response));
    }

    fn hear(&mut self, now: Instant, event: Event) {
        match event {
            Event::Request { id, request, .. } => {
                let via = request.headers().get(Name::Via).unwrap_or_default().to_vec();
                assert!(self.begun.insert(via), "one request began twice");
                self.live.insert(id);
                self.plan(now, id, &request);
            }
            Event::Cancelled { invite, request } => {
                assert!(self.live.contains(&invite), "a cancelled INVITE that is gone");
                let mut response = Response::to_request(&request, Status::REQUEST_TERMINATED);
                response.headers_mut().set(Name::CSeq, "1 INVITE");
                self.endpoint.respond(now, invite, &response);
            }
            Event::ServerTerminated { id } => assert!(self.live.remove(&id), "ended twice"),
            Event::Ack { .. } | Event::ServerFailed { .. } => {}
            Event::Response { .. } | Event::ClientFailed { .. } | Event::ClientTerminated { .. } => {
                unreachable!("the answerer sends no requests")
            }
        }
    }
}

impl Node for Answerer {
    fn receive(&mut self, now: Instant, flow: Flow, data: Bytes) {
        self.endpoint.handle_input(now, Input::Datagram { flow, data });
    }

    fn undelivered(&mut self, now: Instant, transmit: Transmit) {
        self.endpoint.handle_input(now, Input::TransportFailed(transmit));
    }

    fn wake(&mut self, now: Instant) {
        while let Some(due) = self.due.first_entry().filter(|due| due.key().0 <= now) {
            let (id, response) = due.remove();
            self.endpoint.respond(now, id, &response);
        }
        self.endpoint.handle_input(now, Input::Timeout);
    }

    fn poll(&mut self, now: Instant) -> Effect {
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit(transmit) => return Effect::Send(transmit),
                Output::Event(event) => self.hear(now, event),
                Output::Timeout(at) => {
                    let own = self.due.keys().next().map(|&(at, _)| at);
                    return Effect::Sleep(own.into_iter().chain(at).min());
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.endpoint.is_idle() && self.live.is_empty()
    }
}

fn cseq_method(headers: &attesta_sip::Headers) -> Option<Method> {
    Some(CSeq::parse(headers.get(Name::CSeq)?).ok()?.method().clone())
}

fn seed_of(seed: u64, node: u8) -> Seed {
    let mut octets = [node; 32];
    octets.iter_mut().zip(seed.to_be_bytes()).for_each(|(slot, octet)| *slot = octet);
    Seed::new(octets)
}
