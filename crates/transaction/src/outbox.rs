//! The outputs of the machines.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::counters::Counters;
use crate::flow::Flow;
use crate::io::{Event, Output, Transmit};

/// The outputs that wait to be drained, in order, and the counters.
#[derive(Debug)]
pub(crate) struct Outbox {
    outputs: VecDeque<Output>,
    pub(crate) counters: Counters,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { outputs: VecDeque::with_capacity(KEPT), counters: Counters::default() }
    }

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
        let output = self.outputs.pop_front();
        if output.is_none() && self.outputs.capacity() > KEPT {
            self.outputs.shrink_to(KEPT);
        }
        output
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }
}

/// The number of outputs for which an empty queue keeps memory. Memory for more outputs is freed when the queue is empty.
const KEPT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_queue_frees_the_memory_of_a_burst() {
        let (mut out, flow) =
            (Outbox::new(), Flow::udp(([192, 0, 2, 1], 5060).into(), ([192, 0, 2, 2], 5060).into()));
        (0..10 * KEPT).for_each(|_| out.send(&flow, &Bytes::new()));
        assert!(out.outputs.capacity() >= 10 * KEPT);
        let sent = std::iter::from_fn(|| out.pop()).count();
        assert_eq!((sent, out.outputs.capacity()), (10 * KEPT, KEPT));
    }
}
