//! The participants of the network.

use std::time::Instant;

use attesta_transaction::{Flow, Transmit};
use bytes::Bytes;

/// A participant: receives messages, and says what to send and when to wake it.
pub trait Node {
    /// A datagram or a message on a stream arrives.
    fn receive(&mut self, now: Instant, flow: Flow, data: Bytes);

    /// The network reports that a datagram of this node was not delivered.
    fn undelivered(&mut self, now: Instant, transmit: Transmit);

    /// The time of the last [`Effect::Sleep`] is over.
    fn wake(&mut self, now: Instant);

    /// The node loses all its state and starts again.
    fn restart(&mut self, now: Instant);

    /// Returns the next effect. The network calls this function until the node sleeps.
    fn poll(&mut self, now: Instant) -> Effect;

    /// Returns true if the node holds no state. The network calls this function when it has settled.
    fn is_idle(&self) -> bool;
}

/// An effect of a node.
#[derive(Debug)]
pub enum Effect {
    /// Sends a datagram, or a message on a stream.
    Send(Transmit),
    /// Adds a text to the ladder.
    Note(String),
    /// Sleeps until a message arrives, or until this time.
    Sleep(Option<Instant>),
}
