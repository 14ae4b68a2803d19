//! Two phones and the edge between them, and the messages in flight.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use attesta_b2bua::{Config, InboundIdentity, Listener, OutboundIdentity, Route, RouteTo, Trunk};
use attesta_transaction::{Flow, Transmit, Transport};
use bytes::Bytes;

use crate::phone::{Action, Holds, Phone, Side};
use crate::sim::{Board, Effect, Node};

/// A hop of an ACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hop {
    /// From a phone to the edge.
    FromPhone,
    /// From the edge to a phone.
    FromEdge,
}

/// Who sends and receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    Caller,
    Edge,
    Callee,
}

struct Packet {
    from: Who,
    to: Who,
    transmit: Transmit,
    /// Whether it comes back as undeliverable.
    refused: bool,
}

pub(super) struct World {
    pub(super) now: Instant,
    start: Instant,
    pub(super) edge: Board,
    pub(super) caller: Phone,
    pub(super) callee: Phone,
    flight: VecDeque<Packet>,
    deadlines: [Option<Instant>; 3],
    pub(super) lost_ack: Option<Hop>,
    /// The callee is gone; whether ICMP says so.
    pub(super) gone: Option<bool>,
    /// Messages that were lost by choice.
    pub(super) lost: usize,
    tells: bool,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "there is no other instant to start from")]
    pub(super) fn new(holds: Holds, tells: bool) -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = *START.get_or_init(Instant::now);
        let (caller, edge, callee) = (address(CALLER), address(EDGE), address(CALLEE));
        let phone = |name: &str, at| {
            let mut phone = Phone::new(name, at, edge, Transport::Udp, 1);
            phone.holds = holds;
            phone
        };
        Self {
            now: start,
            start,
            edge: Board::new(start, 1, edge, config()),
            caller: phone("alice", caller),
            callee: phone("bob", callee),
            flight: VecDeque::new(),
            deadlines: [None; 3],
            lost_ack: None,
            gone: None,
            lost: 0,
            tells,
        }
    }

    pub(super) const fn phone(&mut self, side: Side) -> &mut Phone {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    pub(super) fn calls(&mut self, offer: bool) -> bool {
        self.caller.calls(self.now, 0, "+12155551213", offer, &[]);
        self.polls(Who::Caller);
        true
    }

    /// A phone does this now.
    pub(super) fn acts(&mut self, side: Side, action: Action) -> bool {
        let now = self.now;
        if side == Side::Callee && self.gone.is_some() {
            return false;
        }
        let done = self.phone(side).acts(now, 0, action);
        self.polls(Who::of(side));
        done
    }

    /// A phone does this, and everything arrives.
    pub(super) fn does(&mut self, side: Side, action: Action) -> bool {
        self.acts(side, action) && self.settles()
    }

    /// Everything in flight arrives in its order.
    pub(super) fn settles(&mut self) -> bool {
        for _ in 0..MOST {
            if self.flight.is_empty() {
                return true;
            }
            self.delivers(0);
        }
        false
    }

    pub(super) fn flights(&self) -> usize {
        self.flight.len()
    }

    /// A message in flight arrives.
    pub(super) fn delivers(&mut self, place: usize) {
        let Some(packet) = self.flight.remove(place) else { return };
        self.now += HOP;
        let now = self.now;
        if packet.refused {
            self.node(packet.from).undelivered(now, packet.transmit);
            return self.polls(packet.from);
        }
        if self.gone.is_some() && packet.to == Who::Callee {
            return;
        }
        self.tells(packet.from, packet.to, &packet.transmit.payload, "");
        let flow = Flow::udp(packet.transmit.flow.remote, packet.transmit.flow.local);
        self.node(packet.to).receive(now, flow, packet.transmit.payload);
        self.polls(packet.to);
    }

    /// A message in flight is lost.
    pub(super) fn loses(&mut self, place: usize) {
        if let Some(packet) = self.flight.remove(place) {
            self.lost += 1;
            self.tells(packet.from, packet.to, &packet.transmit.payload, " (lost)");
        }
    }

    /// The next ACK on this hop is lost, or the one that is on its way there.
    pub(super) fn loses_ack(&mut self, hop: Hop) {
        let is_one = |packet: &Packet| is_ack(packet, hop);
        match self.flight.iter().position(is_one) {
            Some(place) => self.loses(place),
            None => self.lost_ack = Some(hop),
        }
    }

    pub(super) fn loses_target(&mut self, told: bool) -> bool {
        if self.gone.is_some() {
            return false;
        }
        self.gone = Some(told);
        self.flight.retain(|packet| packet.from != Who::Callee);
        for packet in &mut self.flight {
            packet.refused |= told && packet.to == Who::Callee;
        }
        true
    }

    /// Time passes until a timer fires: `false` if there is none.
    pub(super) fn next_timer(&mut self) -> bool {
        self.next_timer_before(None)
    }

    pub(super) fn next_timer_before(&mut self, end: Option<Instant>) -> bool {
        let next = self.deadlines.iter().flatten().min().copied();
        let Some(at) = next.filter(|at| end.is_none_or(|end| *at <= end)) else { return false };
        self.now = self.now.max(at);
        for (place, who) in [Who::Caller, Who::Edge, Who::Callee].into_iter().enumerate() {
            let due =
                self.deadlines.get(place).copied().flatten().is_some_and(|deadline| deadline <= self.now);
            if due {
                let now = self.now;
                self.node(who).wake(now);
                self.polls(who);
            }
        }
        true
    }

    pub(super) fn polls(&mut self, who: Who) {
        let now = self.now;
        loop {
            match self.node(who).poll(now) {
                Effect::Send(transmit) => self.sends(who, transmit),
                Effect::Note(note) => self.says(format_args!("edge {note}")),
                Effect::Sleep(deadline) => {
                    let lives = who != Who::Callee || self.gone.is_none();
                    if let Some(slot) = self.deadlines.get_mut(who as usize) {
                        *slot = deadline.filter(|_| lives);
                    }
                    return;
                }
            }
        }
    }

    fn sends(&mut self, from: Who, transmit: Transmit) {
        let to = match from {
            Who::Caller | Who::Callee => Who::Edge,
            Who::Edge if transmit.flow.remote == self.caller.address() => Who::Caller,
            Who::Edge => Who::Callee,
        };
        if from == Who::Callee && self.gone.is_some() {
            return;
        }
        let refused = to == Who::Callee && self.gone == Some(true);
        self.flight.push_back(Packet { from, to, transmit, refused });
        if let Some(hop) = self.lost_ack
            && self.flight.back().is_some_and(|packet| is_ack(packet, hop))
        {
            self.lost_ack = None;
            self.loses(self.flight.len() - 1);
        }
    }

    fn node(&mut self, who: Who) -> &mut dyn Node {
        match who {
            Who::Caller => &mut self.caller,
            Who::Edge => &mut self.edge,
            Who::Callee => &mut self.callee,
        }
    }

    #[expect(clippy::print_stdout, reason = "a race that is replayed is to be read")]
    pub(super) fn says(&self, what: fmt::Arguments<'_>) {
        if self.tells {
            println!("{:>9.3} {what}", (self.now - self.start).as_secs_f64());
        }
    }

    fn tells(&self, from: Who, to: Who, octets: &Bytes, note: &str) {
        if self.tells {
            let text = String::from_utf8_lossy(octets);
            let lines = text.lines().take_while(|line| !line.is_empty()).enumerate();
            let shown = lines.filter(|(place, line)| {
                *place == 0 || ["CSeq:", "RSeq:", "RAck:", "To:"].iter().any(|name| line.starts_with(name))
            });
            let mut shown: Vec<_> = shown.map(|(_, line)| line).collect();
            shown.extend(text.lines().filter(|line| line.starts_with("o=")));
            self.says(format_args!("{from:?} -> {to:?}{note}: {}", shown.join(" | ")));
        }
    }
}

impl Who {
    const fn of(side: Side) -> Self {
        match side {
            Side::Caller => Self::Caller,
            Side::Callee => Self::Callee,
        }
    }
}

fn is_ack(packet: &Packet, hop: Hop) -> bool {
    let from_edge = packet.from == Who::Edge;
    packet.transmit.payload.starts_with(b"ACK ") && from_edge == (hop == Hop::FromEdge)
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn config() -> Arc<Config> {
    static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();
    CONFIG.get_or_init(|| Arc::new(build())).clone()
}

fn build() -> Config {
    let trunk = |name: &str, at: &str| {
        let trunk = Trunk::new(name).source(at.parse().expect("a source"));
        trunk.inbound_identity(InboundIdentity::Pass).outbound_identity(OutboundIdentity::Pass)
    };
    Config::builder()
        .listener(Listener::new("edge", Transport::Udp, address(EDGE)))
        .trunk(trunk("alice", "192.0.2.1"))
        .trunk(trunk("bob", "192.0.2.2").target(format!("sip:{CALLEE}").parse().expect("a target")))
        .route(Route::new(RouteTo::Trunks(vec!["bob".into()])))
        .build()
        .expect("the configuration is sound")
}

const CALLER: &str = "192.0.2.1:5060";
const CALLEE: &str = "192.0.2.2:5060";
const EDGE: &str = "192.0.2.100:5060";
/// How long a delivery takes.
const HOP: Duration = Duration::from_millis(1);
/// More messages than any step leads to.
pub(super) const MOST: usize = 1_000;
