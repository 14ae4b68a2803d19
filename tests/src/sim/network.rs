//! The network: virtual time, packets on their way, and what chance does to them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::fmt::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use attesta_transaction::{Flow, Transmit};
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::agent::Agent;
use super::ladder::{self, Drawn, Rung};
use super::message::label;
use super::node::{Effect, Node};
use super::probe::Probe;

/// How long a datagram takes where nothing else is said.
pub const LATENCY: Duration = Duration::from_millis(10);

/// What the network does to datagrams by chance.
#[derive(Clone, PartialEq, Debug)]
pub struct Conditions {
    /// How many of a hundred are lost.
    pub loss: u64,
    /// How many of a hundred arrive twice.
    pub duplication: u64,
    /// How long each takes; a wide range reorders.
    pub delay: Range<Duration>,
}

impl Default for Conditions {
    /// A network that delivers each datagram once, after [`LATENCY`].
    fn default() -> Self {
        Self { loss: 0, duplication: 0, delay: LATENCY..LATENCY }
    }
}

/// A handle to one simulated network. Its clones are the same network.
#[derive(Clone)]
pub struct Network {
    world: Rc<RefCell<World>>,
}

struct World {
    seed: u64,
    rng: ChaCha8Rng,
    start: Instant,
    now: Instant,
    conditions: Conditions,
    fates: VecDeque<Fate>,
    refused: Vec<SocketAddr>,
    silenced: Vec<SocketAddr>,
    nodes: Vec<Seat>,
    packets: BTreeMap<(Instant, u64), Packet>,
    sent: u64,
    rungs: Vec<Rung>,
}

struct Seat {
    name: String,
    address: SocketAddr,
    node: Rc<RefCell<dyn Node>>,
    deadline: Option<Instant>,
}

/// What a test has decided for the next datagram.
#[derive(Clone, Copy)]
enum Fate {
    Lost,
    Doubled,
    Late(Duration),
    Spared,
}

enum Packet {
    Data { to: usize, flow: Flow, data: Bytes },
    Undelivered { to: usize, transmit: Transmit },
}

impl Network {
    /// A network that loses nothing, and whose chance follows from `seed`.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time has to start at some instant; only differences are seen"
    )]
    pub fn new(seed: u64) -> Self {
        let start = Instant::now();
        let world = World {
            seed,
            rng: ChaCha8Rng::seed_from_u64(seed),
            start,
            now: start,
            conditions: Conditions::default(),
            fates: VecDeque::new(),
            refused: Vec::new(),
            silenced: Vec::new(),
            nodes: Vec::new(),
            packets: BTreeMap::new(),
            sent: 0,
            rungs: Vec::new(),
        };
        Self { world: Rc::new(RefCell::new(world)) }
    }

    /// What all chance follows from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.world.borrow().seed
    }

    /// Sets what chance does from now on.
    pub fn suffers(&self, conditions: Conditions) {
        self.world.borrow_mut().conditions = conditions;
    }

    /// Two agents that send to each other.
    #[must_use]
    pub fn pair(&self, one: &str, other: &str) -> (Agent, Agent) {
        let (first, second) = (self.agent(one), self.agent(other));
        first.faces(second.address());
        second.faces(first.address());
        (first, second)
    }

    /// A scripted user agent on an address of its own.
    #[must_use]
    pub fn agent(&self, name: &str) -> Agent {
        let seed = self.world.borrow().seed;
        let address = self.free_address();
        Agent::new(self.clone(), name, address, seed)
    }

    /// A node that sends and shows raw datagrams.
    #[must_use]
    pub fn probe(&self, name: &str) -> Probe {
        let address = self.free_address();
        Probe::new(self.clone(), name, address)
    }

    /// Seats a node at an address; columns of the ladder stand in this order.
    pub fn seat(&self, name: &str, address: SocketAddr, node: Rc<RefCell<dyn Node>>) {
        let seat = Seat { name: name.to_owned(), address, node, deadline: None };
        self.world.borrow_mut().nodes.push(seat);
    }

    /// An address where no node sits: 192.0.2.1:5060 and following.
    #[must_use]
    pub fn free_address(&self) -> SocketAddr {
        let host = u8::try_from(self.world.borrow().nodes.len() + 1).expect("a test seats few nodes");
        SocketAddr::from(([192, 0, 2, host], 5060))
    }

    /// The next datagram is lost.
    pub fn lose_next(&self) {
        self.decide(Fate::Lost);
    }

    /// The next datagram arrives twice.
    pub fn double_next(&self) {
        self.decide(Fate::Doubled);
    }

    /// The next datagram takes this long.
    pub fn delay_next(&self, delay: Duration) {
        self.decide(Fate::Late(delay));
    }

    /// The next datagram arrives: what was decided after it is for those that follow.
    pub fn spare_next(&self) {
        self.decide(Fate::Spared);
    }

    /// Datagrams to this address come back as unreachable, as ICMP would say.
    pub fn refuses(&self, address: SocketAddr) {
        self.world.borrow_mut().refused.push(address);
    }

    /// Datagrams to this address are lost, as if its node were gone.
    pub fn silences(&self, address: SocketAddr) {
        self.world.borrow_mut().silenced.push(address);
    }

    /// Datagrams to this address arrive again.
    pub fn accepts(&self, address: SocketAddr) {
        let mut world = self.world.borrow_mut();
        world.refused.retain(|refused| *refused != address);
        world.silenced.retain(|silenced| *silenced != address);
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.world.borrow().now
    }

    /// How much time has passed since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        let world = self.world.borrow();
        world.now - world.start
    }

    /// Lets this much time pass.
    pub fn run_for(&self, time: Duration) {
        let end = self.now() + time;
        while self.next_event().is_some_and(|at| at <= end) {
            self.step();
        }
        self.world.borrow_mut().now = end;
    }

    /// Lets time pass until `done` holds, for at most `limit`; gives whether it holds.
    pub fn run_until(&self, limit: Duration, mut done: impl FnMut() -> bool) -> bool {
        let end = self.now() + limit;
        loop {
            if done() {
                return true;
            }
            if self.next_event().is_none_or(|at| at > end) {
                self.world.borrow_mut().now = end;
                return false;
            }
            self.step();
        }
    }

    /// Lets time pass until nothing is on its way and no timer is set.
    ///
    /// # Panics
    ///
    /// If that takes more than [`LONGEST`], or if a node then holds state of something that is over.
    pub fn settles(&self) {
        let end = self.now() + LONGEST;
        while let Some(at) = self.next_event() {
            assert!(at <= end, "timers still run after {LONGEST:?}:\n{}", self.ladder());
            self.step();
        }
        let world = self.world.borrow();
        let busy: Vec<_> = world
            .nodes
            .iter()
            .filter(|seat| !seat.node.borrow().is_idle())
            .map(|seat| seat.name.as_str())
            .collect();
        assert!(busy.is_empty(), "state is left at {busy:?}:\n{}", world.ladder());
    }

    /// The picture of what was sent so far.
    #[must_use]
    pub fn ladder(&self) -> String {
        self.world.borrow().ladder()
    }

    /// Asks a node what it does, after a test has called it or seated it.
    pub fn wakes(&self, address: SocketAddr) {
        let Some(index) = self.world.borrow().seat_at(address) else { return };
        self.drain_seat(index);
    }

    fn decide(&self, fate: Fate) {
        self.world.borrow_mut().fates.push_back(fate);
    }

    fn next_event(&self) -> Option<Instant> {
        let world = self.world.borrow();
        let arrival = world.packets.keys().next().map(|&(at, _)| at);
        let deadlines = world.nodes.iter().filter_map(|seat| seat.deadline);
        arrival.into_iter().chain(deadlines).min()
    }

    /// Carries out the next event: an arrival before a timer of the same time.
    fn step(&self) {
        let Some(at) = self.next_event() else { return };
        let mut world = self.world.borrow_mut();
        world.now = world.now.max(at);
        let now = world.now;
        let index = if world.packets.keys().next().is_some_and(|&(arrival, _)| arrival <= at) {
            let Some((_, packet)) = world.packets.pop_first() else { return };
            let (Packet::Data { to, .. } | Packet::Undelivered { to, .. }) = packet;
            let Some(node) = world.nodes.get(to).map(|seat| Rc::clone(&seat.node)) else { return };
            drop(world);
            match packet {
                Packet::Data { flow, data, .. } => node.borrow_mut().receive(now, flow, data),
                Packet::Undelivered { transmit, .. } => node.borrow_mut().undelivered(now, transmit),
            }
            to
        } else {
            let due =
                world.nodes.iter().position(|seat| seat.deadline.is_some_and(|deadline| deadline <= at));
            let Some(index) = due else { return };
            let Some(node) = world.nodes.get(index).map(|seat| Rc::clone(&seat.node)) else { return };
            drop(world);
            node.borrow_mut().wake(now);
            index
        };
        self.drain_seat(index);
    }

    fn drain_seat(&self, index: usize) {
        let now = self.now();
        let Some(node) = self.world.borrow().nodes.get(index).map(|seat| Rc::clone(&seat.node)) else {
            return;
        };
        loop {
            let effect = node.borrow_mut().poll(now);
            let mut world = self.world.borrow_mut();
            match effect {
                Effect::Send(transmit) => world.send(index, transmit),
                Effect::Note(text) => {
                    let at = world.now - world.start;
                    world.rungs.push(Rung::Note { at, by: index, text });
                }
                Effect::Sleep(deadline) => {
                    if let Some(seat) = world.nodes.get_mut(index) {
                        seat.deadline = deadline;
                    }
                    return;
                }
            }
        }
    }
}

impl World {
    fn send(&mut self, from: usize, transmit: Transmit) {
        let at = self.now - self.start;
        let label = label(&transmit.payload);
        let drawn = self.fate();
        let fate = if self.silenced.contains(&transmit.flow.remote) { Fate::Lost } else { drawn };
        let Some(to) = self.seat_at(transmit.flow.remote) else {
            self.rungs.push(Rung::Void { at, from, label });
            return;
        };
        let refused = self.refused.contains(&transmit.flow.remote);
        let drawn = match fate {
            Fate::Lost => Drawn::Lost,
            Fate::Doubled | Fate::Late(_) | Fate::Spared if refused => Drawn::Refused,
            Fate::Doubled => Drawn::Twice,
            Fate::Late(_) | Fate::Spared => Drawn::Whole,
        };
        self.rungs.push(Rung::Arrow { at, from, to, label, fate: drawn });
        if drawn == Drawn::Refused {
            self.deliver(2 * LATENCY, Packet::Undelivered { to: from, transmit });
            return;
        }
        let flow = Flow::udp(transmit.flow.remote, transmit.flow.local);
        let packet = || Packet::Data { to, flow: flow.clone(), data: transmit.payload.clone() };
        match fate {
            Fate::Lost => {}
            Fate::Late(delay) => self.deliver(delay, packet()),
            Fate::Spared => self.deliver_by_chance(packet()),
            Fate::Doubled => {
                self.deliver_by_chance(packet());
                self.deliver_by_chance(packet());
            }
        }
    }

    /// What the test decided, else what chance does.
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

    fn deliver_by_chance(&mut self, packet: Packet) {
        let Range { start, end } = self.conditions.delay;
        let span = u64::try_from((end - start).as_micros()).expect("a delay is far below 2^64 microseconds");
        let extra = if span == 0 { 0 } else { self.rng.next_u64() % span };
        self.deliver(start + Duration::from_micros(extra), packet);
    }

    fn deliver(&mut self, delay: Duration, packet: Packet) {
        self.sent += 1;
        self.packets.insert((self.now + delay, self.sent), packet);
    }

    fn seat_at(&self, address: SocketAddr) -> Option<usize> {
        self.nodes.iter().position(|seat| seat.address == address)
    }

    fn ladder(&self) -> String {
        let names: Vec<_> = self.nodes.iter().map(|seat| seat.name.clone()).collect();
        ladder::draw(&names, &self.rungs)
    }
}

impl Drop for World {
    /// A test that fails leaves behind what it takes to see it fail again.
    #[expect(clippy::print_stderr, reason = "the test's own output, shown only when it fails")]
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let mut report = self.ladder();
        let test = thread::current().name().unwrap_or("TEST").to_owned();
        let binary = env!("CARGO_PKG_NAME");
        let written = write!(report, "replay: {SEED}={} cargo test -p {binary} {test} -- --exact", self.seed);
        debug_assert!(written.is_ok(), "a String takes what is written to it");
        eprintln!("{report}");
    }
}

/// The seeds that a test of chance runs: `count` of them, or the one that a replay line names.
#[must_use]
pub fn seeds(count: u64) -> Range<u64> {
    match env::var(SEED).ok().and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    }
}

const SEED: &str = "ATTESTA_SEED";

/// Longer than any timer of a transaction, and than any sum of those that follow from one request.
pub const LONGEST: Duration = Duration::from_secs(600);
