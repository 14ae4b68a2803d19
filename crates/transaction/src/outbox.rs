//! Where the machines put what must leave.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::counters::Counters;
use crate::flow::Flow;
use crate::io::{Event, Output, Transmit};

/// The outputs that wait to be drained, in the order in which they came to be, and what was counted on the way.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    outputs: VecDeque<Output>,
    pub(crate) counters: Counters,
}

impl Outbox {
    /// Hands a message to the transport.
    pub(crate) fn send(&mut self, flow: &Flow, payload: &Bytes) {
        self.outputs.push_back(Output::Transmit(Transmit { flow: flow.clone(), payload: payload.clone() }));
    }

    /// Hands a message to the transport that it had before.
    pub(crate) fn resend(&mut self, flow: &Flow, payload: &Bytes) {
        self.counters.retransmissions_sent += 1;
        self.send(flow, payload);
    }

    /// Drops a message that its machine has seen before.
    pub(crate) fn absorb(&mut self) {
        self.counters.retransmissions_absorbed += 1;
    }

    /// Tells the transaction user.
    pub(crate) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }
}
