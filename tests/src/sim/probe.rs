//! A node without a transaction layer. It sends what a test writes, and shows what arrives.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use attesta_sip::{Limits, Message};
use attesta_transaction::{Flow, Transmit, Transport};
use bytes::Bytes;

use super::message::label;
use super::network::Network;
use super::node::{Effect, Node};

/// A handle to a probe.
#[derive(Clone)]
pub struct Probe {
    net: Network,
    wire: Rc<RefCell<Wire>>,
    name: String,
    address: SocketAddr,
}

#[derive(Default)]
struct Wire {
    outgoing: VecDeque<Transmit>,
    incoming: VecDeque<(Flow, Bytes)>,
    last: Option<Flow>,
}

impl Probe {
    pub(super) fn new(net: Network, name: &str, address: SocketAddr) -> Self {
        let wire = Rc::new(RefCell::new(Wire::default()));
        net.seat(name, address, Rc::clone(&wire) as Rc<RefCell<_>>);
        Self { net, wire, name: name.to_owned(), address }
    }

    /// Returns the address of the probe.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends these octets.
    pub fn sends(&self, to: SocketAddr, data: impl Into<Bytes>) {
        self.sends_by(Flow::udp(self.address, to), data);
    }

    /// Sends these octets on a stream to this address. Opens a new stream if none is open.
    pub fn streams(&self, to: SocketAddr, data: impl Into<Bytes>) {
        self.sends_by(Flow { transport: Transport::Tcp, ..Flow::udp(self.address, to) }, data);
    }

    /// Sends these octets on this flow.
    pub fn sends_by(&self, flow: Flow, data: impl Into<Bytes>) {
        let transmit = Transmit { flow, payload: data.into() };
        self.wire.borrow_mut().outgoing.push_back(transmit);
        self.net.wakes(self.address);
    }

    /// Waits until a datagram arrives and returns it. The name of its message must be `named`.
    ///
    /// # Panics
    ///
    /// If another message arrives, or no message arrives.
    #[must_use]
    pub fn gets(&self, named: &str) -> Message {
        let heard = self.net.run_until(PATIENCE, || !self.wire.borrow().incoming.is_empty());
        assert!(heard, "{} waits for {named}:\n{}", self.name, self.net.ladder());
        let next = self.wire.borrow_mut().incoming.pop_front();
        let (flow, data) = next.expect("a message arrived");
        self.wire.borrow_mut().last = Some(flow);
        assert_eq!(label(&data), named, "{} hears something else:\n{}", self.name, self.net.ladder());
        Message::parse(data, &Limits::default()).expect("an endpoint sends what can be read")
    }

    /// Returns the flow of the message that [`Self::gets`] returned last.
    ///
    /// # Panics
    ///
    /// If [`Self::gets`] has returned no message.
    #[must_use]
    pub fn last_flow(&self) -> Flow {
        self.wire.borrow().last.clone().expect("the test has seen a message arrive")
    }

    /// Returns true if the test has read all arrived messages.
    #[must_use]
    pub fn heard_all(&self) -> bool {
        self.wire.borrow().incoming.is_empty()
    }
}

impl Node for Wire {
    fn receive(&mut self, _now: Instant, flow: Flow, data: Bytes) {
        self.incoming.push_back((flow, data));
    }

    fn undelivered(&mut self, _now: Instant, _transmit: Transmit) {}

    fn wake(&mut self, _now: Instant) {}

    fn restart(&mut self, _now: Instant) {
        self.outgoing.clear();
    }

    fn poll(&mut self, _now: Instant) -> Effect {
        self.outgoing.pop_front().map_or(Effect::Sleep(None), Effect::Send)
    }

    fn is_idle(&self) -> bool {
        true
    }
}

const PATIENCE: Duration = Duration::from_secs(40);
