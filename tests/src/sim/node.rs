//! What takes part in the network.

use std::time::Instant;

use attesta_transaction::{Flow, Transmit};
use bytes::Bytes;

/// A participant: takes what arrives, and says what it sends and when it wants to be woken.
pub trait Node {
    /// A datagram arrives, or a message on a stream.
    fn receive(&mut self, now: Instant, flow: Flow, data: Bytes);

    /// A datagram of this node's could not be delivered, and the network says so.
    fn undelivered(&mut self, now: Instant, transmit: Transmit);

    /// The time that the last [`Effect::Sleep`] named has come.
    fn wake(&mut self, now: Instant);

    /// The node loses all its state, and comes back as it was at first.
    fn restart(&mut self, now: Instant);

    /// What the node does now; it is asked until it sleeps.
    fn poll(&mut self, now: Instant) -> Effect;

    /// Whether no state is left of anything that happened: asked when the network has settled.
    fn is_idle(&self) -> bool;
}

/// What a node does.
#[derive(Debug)]
pub enum Effect {
    /// Sends a datagram, or a message on a stream.
    Send(Transmit),
    /// Has its ladder say something.
    Note(String),
    /// Does nothing until something arrives, or until this time.
    Sleep(Option<Instant>),
}
