//! The network, as a test sees it: virtual time, and what is done to the nodes and to what is between them.

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

/// Alice and Bob, who send to each other, on a network of their own that loses nothing.
#[must_use]
pub fn pair() -> (Network, Agent, Agent) {
    let net = Network::new(1);
    let (alice, bob) = net.pair("alice", "bob");
    (net, alice, bob)
}

/// A handle to one simulated network. Its clones are the same network.
#[derive(Clone)]
pub struct Network {
    world: Rc<RefCell<World>>,
}

impl Network {
    /// A network that loses nothing, and whose chance follows from `seed`.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time has to start at some instant; only differences are seen"
    )]
    pub fn new(seed: u64) -> Self {
        Self { world: Rc::new(RefCell::new(World::new(seed, Instant::now()))) }
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

    /// Puts a node at an address. The columns of the ladder are in the order of these calls.
    pub fn seat(&self, name: &str, address: SocketAddr, node: Rc<RefCell<dyn Node>>) {
        self.world.borrow_mut().seat(name, address, node);
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

    /// Datagrams to this address come back as unreachable, as ICMP would say, and streams to it are not opened.
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

    /// The network falls apart: nothing gets from one of these two nodes to the other until [`Self::heals`]. What is on its
    /// way arrives.
    pub fn cuts(&self, one: &str, other: &str) {
        self.world.borrow_mut().cut(one, other);
    }

    /// What was cut is whole again.
    pub fn heals(&self, one: &str, other: &str) {
        self.world.borrow_mut().heal(one, other);
    }

    /// The streams between these two nodes are closed, and both find out when they send.
    pub fn breaks(&self, one: &str, other: &str) {
        self.world.borrow_mut().break_streams(one, other);
    }

    /// A node loses all its state and its streams, and comes back at once: what arrives for it finds it new.
    pub fn restarts(&self, name: &str) {
        let (index, node) = self.world.borrow_mut().restart(name);
        node.borrow_mut().restart(self.now());
        self.drain_seat(index);
    }

    /// Keeps only the last lines of the ladder, this many: for runs whose whole ladder is too long to read.
    pub fn keeps_the_last(&self, rungs: usize) {
        self.world.borrow_mut().kept = rungs;
    }

    /// What a run that fails prints as the line that repeats it, instead of a call of the test by its name.
    pub fn is_replayed_by(&self, line: String) {
        self.world.borrow_mut().replay = Some(line);
    }

    /// The line that repeats this run, for a shell.
    #[must_use]
    pub fn replay(&self) -> String {
        self.world.borrow().replay()
    }

    /// What was sent so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.world.borrow().traffic
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
        let arrival = world.next_arrival();
        let deadlines = world.nodes.iter().filter_map(|seat| seat.deadline);
        arrival.into_iter().chain(deadlines).min()
    }

    /// Carries out the next event: an arrival before a timer of the same time.
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

/// The seeds that a test of chance runs: `count` of them, or the one that a replay line names.
#[must_use]
pub fn seeds(count: u64) -> Range<u64> {
    match env::var(SEED).ok().and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    }
}

/// Longer than any timer of a transaction, and than any sum of those that follow from one request.
pub const LONGEST: Duration = Duration::from_secs(600);
