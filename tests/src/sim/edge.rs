//! A node that is an edge: a switchboard, and the part of the shell that a simulated network needs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_b2bua::{
    CallEvent, Config, Counters, DefaultPolicy, Destination, Input, Now, Output, ResolveError, Switchboard,
    Target, Unreachable,
};
use attesta_stir::UnixTime;
use attesta_stir::cert::Snapshot;
use attesta_transaction::{Flow, Seed, Transmit, Transport, WorkerPlace};
use bytes::Bytes;

use super::network::Network;
use super::node::{Effect, Node};

/// Seconds since the epoch at the start of every simulated network.
pub const EPOCH: u64 = 1_800_000_000;

/// A handle to an edge.
#[derive(Clone)]
pub struct Edge {
    net: Network,
    board: Rc<RefCell<Board>>,
    address: SocketAddr,
}

impl Edge {
    /// Adds an edge at an address on which its configuration listens.
    #[must_use]
    pub fn new(net: &Network, name: &str, address: SocketAddr, config: Config) -> Self {
        let board = Rc::new(RefCell::new(Board::new(net.now(), net.seed(), address, Arc::new(config))));
        net.seat(name, address, Rc::clone(&board) as Rc<RefCell<_>>);
        Self { net: net.clone(), board, address }
    }

    /// Returns the address of the edge.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the result of each certificate fetch and its duration. Without this call, no fetch ends.
    pub fn fetches(&self, snapshot: Arc<Snapshot>, within: Duration) {
        self.board.borrow_mut().certificates = Some((snapshot, within));
    }

    /// Allows TCP connections to this address. A message that is too large for a datagram is then sent there by TCP.
    pub fn connects_to(&self, address: SocketAddr) {
        self.board.borrow_mut().connects_to.push(address);
    }

    /// Makes the edge refuse new calls.
    pub fn drains(&self) {
        self.is_told(Input::Drain);
    }

    /// Makes the edge end all its calls.
    pub fn hangs_up(&self) {
        self.is_told(Input::HangUp);
    }

    fn is_told(&self, input: Input) {
        self.board.borrow_mut().input(self.net.now(), input);
        self.net.wakes(self.address);
    }

    /// Returns the counters of the edge.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.board.borrow().switchboard.counters()
    }
}

/// The edge as a node, for drivers that carry messages themselves.
pub(crate) struct Board {
    switchboard: Switchboard<DefaultPolicy>,
    config: Arc<Config>,
    place: WorkerPlace,
    seed: Seed,
    /// The number of restarts so far.
    starts: u64,
    start: Instant,
    certificates: Option<(Arc<Snapshot>, Duration)>,
    connects_to: Vec<SocketAddr>,
    /// The shell's answers that have not arrived yet.
    answers: BTreeMap<(Instant, u64), Input>,
    serial: u64,
    deadline: Option<Instant>,
}

impl Board {
    pub(crate) fn new(start: Instant, seed: u64, address: SocketAddr, config: Arc<Config>) -> Self {
        let mut octets = [0x5e; 32];
        octets.iter_mut().zip(seed.to_be_bytes()).for_each(|(slot, octet)| *slot = octet);
        let (place, seed) = (WorkerPlace { instance: address.port(), worker: 0 }, Seed::new(octets));
        Self {
            switchboard: Switchboard::new(config.clone(), DefaultPolicy, place, &seed),
            config,
            place,
            seed,
            starts: 0,
            start,
            certificates: None,
            connects_to: Vec::new(),
            answers: BTreeMap::new(),
            serial: 0,
            deadline: None,
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.switchboard.counters()
    }

    /// Whether no call is left and no timer is set.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.switchboard.is_settled() && self.deadline.is_none()
    }

    fn now(&self, mono: Instant) -> Now {
        let unix = UnixTime::since_unix_epoch(Duration::from_secs(EPOCH) + mono.duration_since(self.start));
        Now { mono, unix }
    }

    fn input(&mut self, now: Instant, input: Input) {
        self.switchboard.handle_input(self.now(now), input);
    }

    fn answer_at(&mut self, at: Instant, answer: Input) {
        self.serial += 1;
        self.answers.insert((at, self.serial), answer);
    }
}

impl Node for Board {
    fn receive(&mut self, now: Instant, flow: Flow, data: Bytes) {
        self.input(now, Input::Datagram { flow, data });
    }

    fn undelivered(&mut self, now: Instant, transmit: Transmit) {
        self.input(now, Input::TransportFailed(transmit));
    }

    fn wake(&mut self, now: Instant) {
        while let Some(answer) = self.answers.first_entry().filter(|answer| answer.key().0 <= now) {
            let answer = answer.remove();
            self.input(now, answer);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.input(now, Input::Timeout);
        }
    }

    fn restart(&mut self, _now: Instant) {
        self.starts += 1;
        let seed = self.seed.fork(self.starts);
        self.switchboard = Switchboard::new(self.config.clone(), DefaultPolicy, self.place, &seed);
        self.answers.clear();
        self.deadline = None;
    }

    fn poll(&mut self, now: Instant) -> Effect {
        loop {
            match self.switchboard.poll_output() {
                Output::Transmit(transmit) => return Effect::Send(transmit),
                Output::Resolve { token, target, .. } => {
                    self.input(now, Input::Resolved { token, result: literal(&target) });
                }
                Output::FetchCertificate(_) => {
                    if let Some((snapshot, within)) = self.certificates.clone() {
                        self.answer_at(now + within, Input::Certificates(snapshot));
                    }
                }
                Output::Event(event) => {
                    if let Some(note) = note(&event) {
                        return Effect::Note(note);
                    }
                }
                Output::Reach { token, flow } => {
                    let is_open = self.connects_to.contains(&flow.remote);
                    let result = if is_open { Ok(()) } else { Err(Unreachable::Refused) };
                    self.input(now, Input::Reached { token, result });
                }
                // Only an outside signer, a policy that answers later and several workers use these outputs.
                Output::Sign { .. } | Output::Decide { .. } | Output::FindDialog { .. } => {}
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    let answer = self.answers.keys().next().map(|&(at, _)| at);
                    return Effect::Sleep(deadline.into_iter().chain(answer).min());
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        let counters = self.switchboard.counters();
        counters.calls_live + counters.dialogs_live + counters.transactions_live == 0
    }
}

/// Resolves an address to itself. A simulated network has no names.
fn literal(target: &Target) -> Result<Vec<Destination>, ResolveError> {
    let default = if target.secure { Transport::Tls } else { Transport::Udp };
    let transport = target.transport.unwrap_or(default);
    let host = target.host.parse().map_err(|_| ResolveError::NotFound)?;
    let address = SocketAddr::new(host, target.port.unwrap_or(transport.default_port()));
    Ok(vec![Destination { transport, address, server_name: None }])
}

/// Returns the text that the ladder shows for an event.
fn note(event: &CallEvent) -> Option<String> {
    match event {
        CallEvent::Verified { verification, .. } => Some(match verification.reason() {
            Some(reason) => format!("verifies: {} ({})", verification.verdict().as_str(), reason.as_str()),
            None => format!("verifies: {}", verification.verdict().as_str()),
        }),
        CallEvent::Signed { attestation, .. } => Some(format!("signs: {attestation}")),
        CallEvent::Ended { cause, .. } => Some(format!("ends the call: {cause}")),
        CallEvent::Started { .. } | CallEvent::Ringing { .. } | CallEvent::Answered { .. } => None,
    }
}
