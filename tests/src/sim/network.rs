//! The network as tests use it: virtual time, and changes to the nodes and to the links between them.

use std::cell::RefCell;
use std::env;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::agent::Agent;
use super::ladder::Rung;
use super::node::{Effect, Node};
use super::probe::Probe;
use super::world::{Conditions, Fate, Packet, SEED, Traffic, World};

/// Alice and Bob, who send to each other, on a network that loses nothing.
#[must_use]
pub fn pair() -> (Network, Agent, Agent) {
    let net = Network::new(1);
    let (alice, bob) = net.pair("alice", "bob");
    (net, alice, bob)
}

/// A handle to one simulated network. Clones are handles to the same network.
#[derive(Clone)]
pub struct Network {
    world: Rc<RefCell<World>>,
}

impl Network {
    /// Returns a network that loses nothing. All random decisions of the network follow from `seed`.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time has to start at some instant; only differences are seen"
    )]
    pub fn new(seed: u64) -> Self {
        Self { world: Rc::new(RefCell::new(World::new(seed, Instant::now()))) }
    }

    /// Returns the seed of the network.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.world.borrow().seed
    }

    /// Sets how often datagrams are lost or doubled by chance, and how long they take.
    pub fn suffers(&self, conditions: Conditions) {
        self.world.borrow_mut().conditions = conditions;
    }

    /// Adds two agents that send to each other.
    #[must_use]
    pub fn pair(&self, one: &str, other: &str) -> (Agent, Agent) {
        let (first, second) = (self.agent(one), self.agent(other));
        first.faces(second.address());
        second.faces(first.address());
        (first, second)
    }

    /// Adds a scripted user agent with its own address.
    #[must_use]
    pub fn agent(&self, name: &str) -> Agent {
        let seed = self.world.borrow().seed;
        let address = self.free_address();
        Agent::new(self.clone(), name, address, seed)
    }

    /// Adds a node that sends and shows raw datagrams.
    #[must_use]
    pub fn probe(&self, name: &str) -> Probe {
        let address = self.free_address();
        Probe::new(self.clone(), name, address)
    }

    /// Adds a node at an address. The ladder has one column per node, in the order in which the nodes were added.
    pub fn seat(&self, name: &str, address: SocketAddr, node: Rc<RefCell<dyn Node>>) {
        self.world.borrow_mut().seat(name, address, node);
    }

    /// Returns an address without a node: 192.0.2.1:5060 and following.
    #[must_use]
    pub fn free_address(&self) -> SocketAddr {
        let host = u8::try_from(self.world.borrow().nodes.len() + 1).expect("a test seats few nodes");
        SocketAddr::from(([192, 0, 2, host], 5060))
    }

    /// Loses the next datagram.
    pub fn lose_next(&self) {
        self.decide(Fate::Lost);
    }

    /// Delivers the next datagram twice.
    pub fn double_next(&self) {
        self.decide(Fate::Doubled);
    }

    /// Delivers the next datagram after this time.
    pub fn delay_next(&self, delay: Duration) {
        self.decide(Fate::Late(delay));
    }

    /// Delivers the next datagram. Later decisions apply to the datagrams after it.
    pub fn spare_next(&self) {
        self.decide(Fate::Spared);
    }

    /// Reports datagrams to this address as unreachable, like ICMP, and refuses streams to this address.
    pub fn refuses(&self, address: SocketAddr) {
        self.world.borrow_mut().refused.push(address);
    }

    /// Loses datagrams to this address, as if its node did not exist.
    pub fn silences(&self, address: SocketAddr) {
        self.world.borrow_mut().silenced.push(address);
    }

    /// Delivers datagrams to this address again.
    pub fn accepts(&self, address: SocketAddr) {
        let mut world = self.world.borrow_mut();
        world.refused.retain(|refused| *refused != address);
        world.silenced.retain(|silenced| *silenced != address);
    }

    /// Separates these two nodes. No message passes between them until [`Self::heals`]. Messages that are already under way
    /// arrive.
    pub fn cuts(&self, one: &str, other: &str) {
        self.world.borrow_mut().cut(one, other);
    }

    /// Joins these two nodes again.
    pub fn heals(&self, one: &str, other: &str) {
        self.world.borrow_mut().heal(one, other);
    }

    /// Closes the streams between these two nodes. Each node learns of it when it sends.
    pub fn breaks(&self, one: &str, other: &str) {
        self.world.borrow_mut().break_streams(one, other);
    }

    /// Restarts a node immediately. The node loses all its state and its streams, and then receives messages again.
    pub fn restarts(&self, name: &str) {
        let (index, node) = self.world.borrow_mut().restart(name);
        node.borrow_mut().restart(self.now());
        self.drain_seat(index);
    }

    /// Keeps only this many lines at the end of the ladder. For runs whose whole ladder is too long to read.
    pub fn keeps_the_last(&self, rungs: usize) {
        self.world.borrow_mut().kept = rungs;
    }

    /// Sets the shell command that repeats a failed run. By default the command runs the test by its name.
    pub fn is_replayed_by(&self, line: String) {
        self.world.borrow_mut().replay = Some(line);
    }

    /// Returns the shell command that repeats this run.
    #[must_use]
    pub fn replay(&self) -> String {
        self.world.borrow().replay()
    }

    /// Returns how much was sent so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.world.borrow().traffic
    }

    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.world.borrow().now
    }

    /// Returns the time since the start.
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

    /// Lets time pass until `done` returns true, for at most `limit`. Returns true if `done` returned true.
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

    /// Lets time pass until no message is under way and no timer is set.
    ///
    /// # Panics
    ///
    /// If this takes more than [`LONGEST`], or if a node then still holds state.
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
        assert!(busy.is_empty(), "these nodes still hold state: {busy:?}:\n{}", world.ladder());
    }

    /// Returns the ladder of all messages so far.
    #[must_use]
    pub fn ladder(&self) -> String {
        self.world.borrow().ladder()
    }

    /// Carries out the pending effects of the node at this address. A test needs this after it has added the node, or has called
    /// one of its functions.
    pub fn wakes(&self, address: SocketAddr) {
        let Some(index) = self.world.borrow().seat_at(address) else { return };
        self.drain_seat(index);
    }

    fn decide(&self, fate: Fate) {
        self.world.borrow_mut().fates.push_back(fate);
    }

    fn next_event(&self) -> Option<Instant> {
        let world = self.world.borrow();
        let arrival = world.next_arrival();
        let deadlines = world.nodes.iter().filter_map(|seat| seat.deadline);
        arrival.into_iter().chain(deadlines).min()
    }

    /// Handles the next event. An arrival precedes a timer of the same time.
    fn step(&self) {
        let Some(at) = self.next_event() else { return };
        let mut world = self.world.borrow_mut();
        world.now = world.now.max(at);
        let now = world.now;
        let index = if world.next_arrival().is_some_and(|arrival| arrival <= at) {
            let Some(packet) = world.next_packet() else { return };
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
                    world.draw(Rung::Note { at, by: index, text });
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

/// The seeds of a test with chance: `count` seeds, or the single seed that a replay line names.
#[must_use]
pub fn seeds(count: u64) -> Range<u64> {
    match env::var(SEED).ok().and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    }
}

/// Longer than any timer of a transaction, and longer than any sum of timers that follow from one request.
pub const LONGEST: Duration = Duration::from_secs(600);
