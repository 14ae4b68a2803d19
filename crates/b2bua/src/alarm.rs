//! The next deadline of each thing that waits.

use std::collections::BTreeSet;
use std::time::Instant;

/// Deadlines in order, each of one sleeper. A sleeper stands here once or not at all: it keeps its own deadline and hands
/// in the old one with the new.
#[derive(Debug)]
pub(crate) struct Alarms<S> {
    deadlines: BTreeSet<(Instant, S)>,
}

impl<S: Ord + Copy> Alarms<S> {
    pub(crate) const fn new() -> Self {
        Self { deadlines: BTreeSet::new() }
    }

    /// Moves the deadline of `sleeper` from `kept`, which becomes `next`.
    pub(crate) fn set(&mut self, sleeper: S, kept: &mut Option<Instant>, next: Option<Instant>) {
        if *kept == next {
            return;
        }
        if let Some(old) = kept.take() {
            self.deadlines.remove(&(old, sleeper));
        }
        if let Some(new) = next {
            self.deadlines.insert((new, sleeper));
        }
        *kept = next;
    }

    /// The soonest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// A sleeper whose deadline has come. It stays until its deadline is moved.
    pub(crate) fn due(&self, now: Instant) -> Option<S> {
        self.deadlines.first().filter(|&&(at, _)| at <= now).map(|&(_, sleeper)| sleeper)
    }
}
