//! The next deadline of each owner.

use std::collections::BTreeSet;
use std::time::Instant;

/// Deadlines in order, at most one for each owner. An owner keeps a copy of its deadline. To change the
/// deadline, the owner passes the copy and the new deadline.
#[derive(Debug)]
pub(crate) struct Alarms<O> {
    deadlines: BTreeSet<(Instant, O)>,
}

impl<O: Ord + Copy> Alarms<O> {
    pub(crate) const fn new() -> Self {
        Self { deadlines: BTreeSet::new() }
    }

    /// Moves the deadline of `owner` from `kept` to `next`, and sets `kept` to `next`.
    pub(crate) fn set(&mut self, owner: O, kept: &mut Option<Instant>, next: Option<Instant>) {
        if *kept == next {
            return;
        }
        if let Some(old) = kept.take() {
            self.deadlines.remove(&(old, owner));
        }
        if let Some(new) = next {
            self.deadlines.insert((new, owner));
        }
        *kept = next;
    }

    /// The soonest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// Removes the soonest deadline if it has passed, and returns its owner. The owner then sets its next deadline.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<O> {
        if self.deadlines.first().is_none_or(|&(at, _)| at > now) {
            return None;
        }
        self.deadlines.pop_first().map(|(_, owner)| owner)
    }
}
