//! An endpoint under observation: each of its timers must have an effect.

use std::collections::VecDeque;
use std::time::Instant;

use attesta_transaction::{Config, Counters, Endpoint, Input, Output, Seed, WorkerPlace};

use super::tally::Tally;

/// An endpoint, and the observations about it.
pub(super) struct Subject {
    pub(super) endpoint: Endpoint,
    ready: VecDeque<Output>,
    deadline: Option<Instant>,
    timers: u64,
    most: u64,
}

impl Subject {
    pub(super) fn new(place: WorkerPlace, seed: &Seed) -> Self {
        Self {
            endpoint: Endpoint::new(Config::default(), place, seed),
            ready: VecDeque::new(),
            deadline: None,
            timers: 0,
            most: 0,
        }
    }

    /// Fires the timer that is due, if any. The timer must have an effect: a message is sent, the user gets an event, a
    /// transaction without a user ends, or a transaction only absorbs from then on. A timer without an effect has outlived
    /// its state machine.
    pub(super) fn wake(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        let before = load(&self.endpoint.counters());
        self.endpoint.handle_input(now, Input::Timeout);
        self.timers += 1;
        match self.endpoint.poll_output() {
            Output::Timeout(next) => {
                assert_ne!(load(&self.endpoint.counters()), before, "a timer fired for nothing");
                self.deadline = next;
            }
            output @ (Output::Transmit(_) | Output::Event(_)) => self.ready.push_back(output),
        }
    }

    pub(super) fn poll(&mut self) -> Output {
        let output = self.ready.pop_front().unwrap_or_else(|| self.endpoint.poll_output());
        if let Output::Timeout(deadline) = &output {
            self.deadline = *deadline;
            self.most = self.most.max(load(&self.endpoint.counters()).0);
        }
        output
    }

    /// Adds the observations to a tally.
    pub(super) fn note(&self, tally: &mut Tally) {
        tally.count_traffic(&self.endpoint.counters());
        tally.most = tally.most.max(self.most);
        tally.timers += self.timers;
    }
}

/// Returns the number of transactions, and how many of them only absorb.
fn load(counters: &Counters) -> (u64, u64) {
    (counters.live_clients + counters.live_servers, counters.absorbing)
}
