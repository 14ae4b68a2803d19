//! A user agent that follows the RFCs by itself and holds many calls at a time.
//!
//! A test tells a phone what to begin ([`Action`]). The phone answers, acknowledges and ends as RFC 3261, 3262, 3264, 3311, 3515
//! and 5407 say, and refuses an action that these RFCs forbid in the present state. It notes each request that got no response
//! and each 2xx that got no ACK. It has no sockets and no clock: it runs on the simulated network and on real sockets.

mod act;
mod hear;
mod line;
mod plan;
mod responses;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_sip::{Request, Response};
use attesta_transaction::{
    ClientId, Config, Endpoint, Flow, IdGenerator, Input, Seed, SentBy, ServerId, Transmit, Transport,
    WorkerPlace,
};
use bytes::Bytes;

use crate::sim::{Effect, Node};
pub use line::{Line, Stage};
pub use plan::{FLOWS, Flows, Plan, Planned, Side};

/// What a test may ask of a phone in one call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// 180 to the INVITE that makes the call.
    Ring,
    /// 183 with RSeq to that INVITE, with or without a session description.
    RingReliably {
        /// Whether it carries the answer, or the offer where the INVITE had none.
        session: bool,
    },
    /// 200 to the INVITE that waits, else to the other request that waits.
    Answer,
    /// A refusal of the INVITE that waits.
    Refuse(u16),
    /// A re-INVITE, with or without an offer.
    Invite {
        /// Whether it carries an offer.
        offer: bool,
    },
    /// An UPDATE, with or without an offer.
    Update {
        /// Whether it carries an offer.
        offer: bool,
    },
    /// The PRACK that the phone holds back.
    Prack,
    /// The ACK that the phone holds back.
    Ack,
    /// A BYE.
    Bye,
    /// A CANCEL of the own INVITE.
    Cancel,
    /// A REFER.
    Refer,
    /// An INFO.
    Info,
}

/// What a phone holds back until a test asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Holds {
    /// The ACK of each 2xx.
    pub acks: bool,
    /// The PRACK of each reliable provisional response.
    pub pracks: bool,
    /// The responses to requests within a dialog.
    pub answers: bool,
}

/// The extensions that a phone supports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Supports {
    /// Reliable provisional responses (RFC 3262).
    pub reliable: bool,
    /// Session timers (RFC 4028), so far as the other side refreshes.
    pub timers: bool,
    /// Whether it asks for a session timer.
    pub expires: bool,
}

/// A phone.
pub struct Phone {
    name: String,
    address: SocketAddr,
    edge: SocketAddr,
    transport: Transport,
    sent_by: SentBy,
    endpoint: Endpoint,
    ids: IdGenerator,
    effects: VecDeque<Effect>,
    /// What it holds back now.
    pub holds: Holds,
    /// What it supports.
    pub supports: Supports,
    /// What went wrong that the RFCs do not foresee.
    pub troubles: Vec<String>,
    lines: BTreeMap<u64, Line>,
    next_line: u64,
    /// Line of each dialog: by Call-ID and own tag.
    dialogs: BTreeMap<(String, String), u64>,
    clients: BTreeMap<ClientId, Sent>,
    servers: BTreeMap<ServerId, Asked>,
    timers: BTreeMap<(Instant, u64), Timer>,
    serial: u64,
    deadline: Option<Instant>,
    /// Calls that ended since they were last taken.
    pub ended: Vec<Ended>,
    /// Final responses by method and status.
    pub statuses: BTreeMap<(String, u16), u64>,
}

/// A call that is over at this phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The number of the call.
    pub call: u64,
    /// Its Call-ID at this phone.
    pub call_id: String,
    /// Whether it was answered.
    pub answered: bool,
    /// The final response to the INVITE that makes the call.
    pub status: Option<u16>,
    /// The session that both sides agreed on last: own and remote description.
    pub session: Option<(Bytes, Bytes)>,
    /// Whether no INVITE and no offer was open when the call ended.
    pub settled: bool,
}

/// A request that was sent.
struct Sent {
    line: u64,
    method: String,
    seq: u32,
    /// The offer or answer in it.
    session: Option<Bytes>,
}

/// A request that was received and lives.
struct Asked {
    line: u64,
    /// The request, until its final response.
    request: Option<Request>,
    method: String,
}

/// What happens later.
enum Timer {
    /// A 2xx or a reliable provisional response is sent again until its ACK or PRACK comes.
    Repeat { line: u64, id: ServerId, response: Box<Response>, interval: Duration, until: Instant },
    /// A planned action.
    Act { line: u64, action: Action },
}

impl Phone {
    /// A phone at `address` whose calls all go through the edge at `edge`.
    #[must_use]
    pub fn new(name: &str, address: SocketAddr, edge: SocketAddr, transport: Transport, seed: u64) -> Self {
        let place = WorkerPlace { instance: address.port() ^ host_number(address), worker: 0 };
        let mut octets = [0; 32];
        let words = seed.to_be_bytes().into_iter().chain(place.instance.to_be_bytes());
        octets.iter_mut().zip(words).for_each(|(slot, octet)| *slot = octet);
        let seed = Seed::new(octets);
        Self {
            name: name.to_owned(),
            address,
            edge,
            transport,
            sent_by: SentBy::from(address),
            endpoint: Endpoint::new(Config::default(), place, &seed.fork(0)),
            ids: IdGenerator::new(place, &seed.fork(1)),
            effects: VecDeque::new(),
            holds: Holds::default(),
            supports: Supports { reliable: true, timers: true, expires: false },
            troubles: Vec::new(),
            lines: BTreeMap::new(),
            next_line: 0,
            dialogs: BTreeMap::new(),
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            timers: BTreeMap::new(),
            serial: 0,
            deadline: None,
            ended: Vec::new(),
            statuses: BTreeMap::new(),
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its calls that are not forgotten yet, by line.
    #[must_use]
    pub const fn lines(&self) -> &BTreeMap<u64, Line> {
        &self.lines
    }

    /// Its calls that are over, also those whose transactions still absorb what is late.
    #[must_use]
    pub fn endings(&self) -> Vec<Ended> {
        let over = self.lines.values().filter(|line| line.stage == Stage::Over).map(Line::ending);
        self.ended.iter().cloned().chain(over).collect()
    }

    /// How many of its calls are not over.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.lines.values().filter(|line| line.stage != Stage::Over).count()
    }

    /// Whether none of its transactions is left.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.is_idle()
    }

    /// How many lines it has had.
    #[must_use]
    pub const fn lines_so_far(&self) -> u64 {
        self.next_line
    }

    fn flow(&self) -> Flow {
        Flow { transport: self.transport, ..Flow::udp(self.address, self.edge) }
    }

    fn contact(&self) -> String {
        let by = if self.transport.reliable() { ";transport=tcp" } else { "" };
        format!("<sip:{}@{}{by}>", self.name, self.address)
    }

    fn later(&mut self, at: Instant, timer: Timer) {
        self.serial += 1;
        self.timers.insert((at, self.serial), timer);
    }

    fn trouble(&mut self, line: u64, what: &str) {
        let call = self.lines.get(&line).map_or(u64::MAX, |line| line.call);
        self.troubles.push(format!("{} call {call}: {what}", self.name));
    }

    /// Drops a line that is over once nothing refers to it any more.
    fn forgets(&mut self, number: u64) {
        if let Some(line) = self.lines.get(&number)
            && line.stage == Stage::Over
            && line.refs == 0
        {
            self.ended.push(line.ending());
            self.dialogs.remove(&(line.call_id.clone(), line.local_tag.clone()));
            self.lines.remove(&number);
        }
    }
}

impl Node for Phone {
    fn receive(&mut self, now: Instant, flow: Flow, data: Bytes) {
        self.endpoint.handle_input(now, Input::Datagram { flow, data });
        self.drains(now);
    }

    fn undelivered(&mut self, now: Instant, transmit: Transmit) {
        self.endpoint.handle_input(now, Input::TransportFailed(transmit));
        self.drains(now);
    }

    fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Timer::Act { line, action } => {
                    self.acts(now, line, action);
                }
                Timer::Repeat { line, id, response, interval, until } => {
                    self.repeats(now, line, id, response, interval, until);
                }
            }
        }
        self.endpoint.handle_input(now, Input::Timeout);
        self.drains(now);
    }

    fn restart(&mut self, _now: Instant) {}

    fn poll(&mut self, now: Instant) -> Effect {
        self.drains(now);
        if let Some(effect) = self.effects.pop_front() {
            return effect;
        }
        Effect::Sleep(self.deadline)
    }

    fn is_idle(&self) -> bool {
        self.endpoint.is_idle() && self.clients.is_empty() && self.servers.is_empty()
    }
}

/// The last octet of the address.
fn host_number(address: SocketAddr) -> u16 {
    match address {
        SocketAddr::V4(address) => address.ip().octets().last().copied().map_or(0, u16::from),
        SocketAddr::V6(address) => address.ip().segments().last().copied().unwrap_or_default(),
    }
}

/// 64 T1.
const GIVES_UP: Duration = Duration::from_secs(32);
const T2: Duration = Duration::from_secs(4);
