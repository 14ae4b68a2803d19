//! The state of a network: the nodes, the messages between them, and the effects of chance.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use attesta_transaction::{Flow, Transmit};
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::ladder::{self, Drawn, Rung};
use super::node::Node;
use super::stream::Streams;

/// The default transit time of a datagram.
pub const LATENCY: Duration = Duration::from_millis(10);

/// The effects of chance on datagrams.
#[derive(Clone, PartialEq, Debug)]
pub struct Conditions {
    /// The percentage of lost datagrams.
    pub loss: u64,
    /// The percentage of datagrams that arrive twice.
    pub duplication: u64,
    /// The range of the transit time. A wide range reorders datagrams. Messages on a stream take the same time, but stay in
    /// order.
    pub delay: Range<Duration>,
}

/// How much was sent over a network, and how much of it was lost or doubled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Datagrams and messages on streams.
    pub sent: u64,
    /// The lost messages.
    pub lost: u64,
    /// The messages that arrived twice.
    pub doubled: u64,
}

impl Default for Conditions {
    /// A network that delivers each datagram once, after [`LATENCY`].
    fn default() -> Self {
        Self { loss: 0, duplication: 0, delay: LATENCY..LATENCY }
    }
}

/// The state of a network.
pub(super) struct World {
    pub(super) seed: u64,
    rng: ChaCha8Rng,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) conditions: Conditions,
    pub(super) fates: VecDeque<Fate>,
    pub(super) refused: Vec<SocketAddr>,
    pub(super) silenced: Vec<SocketAddr>,
    /// Pairs of nodes, lower index first, between which no message passes.
    cuts: BTreeSet<(usize, usize)>,
    pub(super) nodes: Vec<Seat>,
    streams: Streams,
    packets: BTreeMap<(Instant, u64), Packet>,
    serial: u64,
    pub(super) traffic: Traffic,
    rungs: VecDeque<Rung>,
    pub(super) kept: usize,
    pub(super) replay: Option<String>,
}

/// A node and its address.
pub(super) struct Seat {
    pub(super) name: String,
    address: SocketAddr,
    pub(super) node: Rc<RefCell<dyn Node>>,
    pub(super) deadline: Option<Instant>,
}

/// The test's decision for the next datagram.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    Lost,
    Doubled,
    Late(Duration),
    Spared,
}

/// A message or an error report that has not arrived yet.
pub(super) enum Packet {
    Data { to: usize, flow: Flow, data: Bytes },
    Undelivered { to: usize, transmit: Transmit },
}

impl World {
    pub(super) fn new(seed: u64, start: Instant) -> Self {
        Self {
            seed,
            rng: ChaCha8Rng::seed_from_u64(seed),
            start,
            now: start,
            conditions: Conditions::default(),
            fates: VecDeque::new(),
            refused: Vec::new(),
            silenced: Vec::new(),
            cuts: BTreeSet::new(),
            nodes: Vec::new(),
            streams: Streams::default(),
            packets: BTreeMap::new(),
            serial: 0,
            traffic: Traffic::default(),
            rungs: VecDeque::new(),
            kept: usize::MAX,
            replay: None,
        }
    }

    pub(super) fn seat(&mut self, name: &str, address: SocketAddr, node: Rc<RefCell<dyn Node>>) {
        self.nodes.push(Seat { name: name.to_owned(), address, node, deadline: None });
    }

    pub(super) fn seat_at(&self, address: SocketAddr) -> Option<usize> {
        self.nodes.iter().position(|seat| seat.address == address)
    }

    pub(super) fn cut(&mut self, one: &str, other: &str) {
        self.cuts.insert(self.pair(one, other));
    }

    pub(super) fn heal(&mut self, one: &str, other: &str) {
        self.cuts.remove(&self.pair(one, other));
    }

    pub(super) fn break_streams(&mut self, one: &str, other: &str) {
        let (one, other) = self.pair(one, other);
        self.streams.close_between(one, other);
    }

    /// Closes the streams of a node and returns the node, so that the network can restart it.
    pub(super) fn restart(&mut self, name: &str) -> (usize, Rc<RefCell<dyn Node>>) {
        let (index, at) = (self.named(name), self.now - self.start);
        self.streams.close_of(index);
        self.draw(Rung::Note { at, by: index, text: "starts again".to_owned() });
        (index, self.nodes.get(index).map(|seat| Rc::clone(&seat.node)).expect("its name was found"))
    }

    /// Sends a message of a node.
    pub(super) fn send(&mut self, from: usize, transmit: Transmit) {
        self.traffic.sent += 1;
        if transmit.flow.transport.reliable() {
            self.send_on_stream(from, transmit);
        } else {
            self.send_datagram(from, transmit);
        }
    }

    /// Returns the time of the next arrival.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.packets.keys().next().map(|&(at, _)| at)
    }

    pub(super) fn next_packet(&mut self) -> Option<Packet> {
        self.packets.pop_first().map(|(_, packet)| packet)
    }

    /// Adds a line to the ladder.
    pub(super) fn draw(&mut self, rung: Rung) {
        self.rungs.push_back(rung);
        if self.rungs.len() > self.kept {
            self.rungs.pop_front();
        }
    }

    pub(super) fn ladder(&self) -> String {
        let names: Vec<_> = self.nodes.iter().map(|seat| seat.name.clone()).collect();
        ladder::draw(&names, &self.rungs)
    }

    pub(super) fn replay(&self) -> String {
        self.replay.clone().unwrap_or_else(|| {
            let (binary, thread) = (env!("CARGO_PKG_NAME"), thread::current());
            let test = thread.name().unwrap_or("TEST");
            format!("{SEED}={} cargo test -p {binary} {test} -- --exact", self.seed)
        })
    }

    fn send_datagram(&mut self, from: usize, transmit: Transmit) {
        let at = self.now - self.start;
        let drawn = self.fate();
        let (remote, data) = (transmit.flow.remote, transmit.payload.clone());
        let Some(to) = self.seat_at(remote) else {
            return self.draw(Rung::Void { at, from, data });
        };
        let fate = if self.is_cut(from, to) || self.silenced.contains(&remote) { Fate::Lost } else { drawn };
        let refused = self.refused.contains(&remote);
        let drawn = match fate {
            Fate::Lost => Drawn::Lost,
            Fate::Doubled | Fate::Late(_) | Fate::Spared if refused => Drawn::Refused,
            Fate::Doubled => Drawn::Twice,
            Fate::Late(_) | Fate::Spared => Drawn::Whole,
        };
        self.draw(Rung::Arrow { at, from, to, data, stream: None, fate: drawn });
        if drawn == Drawn::Refused {
            self.deliver(2 * LATENCY, Packet::Undelivered { to: from, transmit });
            return;
        }
        let flow = Flow::udp(remote, transmit.flow.local);
        let packet = || Packet::Data { to, flow: flow.clone(), data: transmit.payload.clone() };
        match fate {
            Fate::Lost => self.traffic.lost += 1,
            Fate::Late(delay) => self.deliver(delay, packet()),
            Fate::Spared => {
                let delay = self.delay();
                self.deliver(delay, packet());
            }
            Fate::Doubled => {
                self.traffic.doubled += 1;
                let delays = [self.delay(), self.delay()];
                delays.into_iter().for_each(|delay| self.deliver(delay, packet()));
            }
        }
    }

    /// Sends on the named connection. Without a name, sends on an open connection to the address, or on a new connection.
    fn send_on_stream(&mut self, from: usize, transmit: Transmit) {
        let (at, remote, data) = (self.now - self.start, transmit.flow.remote, transmit.payload.clone());
        let listens = self.seat_at(remote).filter(|_| !self.refused.contains(&remote));
        let end = match transmit.flow.connection {
            Some(connection) => self.streams.end(connection, from),
            None => self
                .streams
                .find(from, &transmit.flow)
                .or_else(|| Some(self.streams.open(from, listens?, &transmit.flow, self.now))),
        };
        let Some(end) = end else {
            match self.streams.peer_of(transmit.flow.connection).or_else(|| self.seat_at(remote)) {
                Some(to) => self.draw(Rung::Arrow { at, from, to, data, stream: None, fate: Drawn::Refused }),
                None => self.draw(Rung::Void { at, from, data }),
            }
            return self.deliver(2 * LATENCY, Packet::Undelivered { to: from, transmit });
        };
        let to = self.streams.other(end);
        let stalls = self.is_cut(from, to) || self.silenced.contains(&remote);
        let fate = if stalls { Drawn::Lost } else { Drawn::Whole };
        let stream = Some(end.number());
        self.draw(Rung::Arrow { at, from, to, data, stream, fate });
        if stalls {
            self.traffic.lost += 1;
            self.streams.close(end);
            return self.deliver(STALL, Packet::Undelivered { to: from, transmit });
        }
        let delay = self.delay();
        let arrival = self.streams.arrival(end, self.now + delay);
        let flow = self.streams.flow_to(end);
        self.deliver(arrival - self.now, Packet::Data { to, flow, data: transmit.payload });
    }

    /// Returns the test's decision for a datagram. Without a decision, chance decides.
    fn fate(&mut self) -> Fate {
        if let Some(fate) = self.fates.pop_front() {
            return fate;
        }
        let (loss, duplication) = (self.conditions.loss, self.conditions.duplication);
        let drawn = if loss + duplication == 0 { 100 } else { self.rng.next_u64() % 100 };
        if drawn < loss {
            Fate::Lost
        } else if drawn < loss + duplication {
            Fate::Doubled
        } else {
            Fate::Spared
        }
    }

    fn delay(&mut self) -> Duration {
        let Range { start, end } = self.conditions.delay;
        let span = u64::try_from((end - start).as_micros()).expect("a delay is far below 2^64 microseconds");
        let extra = if span == 0 { 0 } else { self.rng.next_u64() % span };
        start + Duration::from_micros(extra)
    }

    fn deliver(&mut self, delay: Duration, packet: Packet) {
        self.serial += 1;
        self.packets.insert((self.now + delay, self.serial), packet);
    }

    fn is_cut(&self, one: usize, other: usize) -> bool {
        self.cuts.contains(&(one.min(other), one.max(other)))
    }

    fn pair(&self, one: &str, other: &str) -> (usize, usize) {
        let (one, other) = (self.named(one), self.named(other));
        (one.min(other), one.max(other))
    }

    fn named(&self, name: &str) -> usize {
        self.nodes
            .iter()
            .position(|seat| seat.name == name)
            .expect("the test names a node that it has seated")
    }
}

impl Drop for World {
    /// A failed test prints the data that repeats its run.
    #[expect(clippy::print_stderr, reason = "the test's own output, shown only when it fails")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}replay: {}", self.ladder(), self.replay());
        }
    }
}

/// The environment variable in which a replay line passes the seed.
pub(super) const SEED: &str = "ATTESTA_SEED";

/// The time after which a node gives up a stream that delivers nothing.
const STALL: Duration = Duration::from_secs(3);
