//! The outputs of the machines.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::counters::Counters;
use crate::flow::Flow;
use crate::io::{Event, Output, Transmit};

/// The outputs that wait to be drained, in order, and the counters.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    outputs: VecDeque<Output>,
    pub(crate) counters: Counters,
}

impl Outbox {
    /// Sends a message.
    pub(crate) fn send(&mut self, flow: &Flow, payload: &Bytes) {
        self.outputs.push_back(Output::Transmit(Transmit { flow: flow.clone(), payload: payload.clone() }));
    }

    /// Sends a message again and counts a retransmission.
    pub(crate) fn resend(&mut self, flow: &Flow, payload: &Bytes) {
        self.counters.retransmissions_sent += 1;
        self.send(flow, payload);
    }

    /// Counts a received retransmission, which is dropped.
    pub(crate) fn absorb(&mut self) {
        self.counters.retransmissions_absorbed += 1;
    }

    /// Gives an event to the transaction user.
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
