//! The queue of deadlines, and the retransmission timers with their doubling interval.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A retransmission timer. It fires after T1, and then at intervals that double. For Timers E and G, the longest interval is
/// T2. Timer A has no longest interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Backoff {
    pub(crate) at: Instant,
    interval: Duration,
}

impl Backoff {
    /// A timer that first fires after `interval`.
    pub(crate) fn start(now: Instant, interval: Duration) -> Self {
        Self { at: now + interval, interval }
    }

    /// The timer after it has fired: twice the interval, without a cap.
    pub(crate) fn doubled(self, now: Instant) -> Self {
        Self::start(now, self.interval.saturating_mul(2))
    }

    /// The timer after it has fired: twice the interval, at most `cap`.
    pub(crate) fn doubled_to(self, now: Instant, cap: Duration) -> Self {
        Self::start(now, self.interval.saturating_mul(2).min(cap))
    }
}

/// The next deadline of each machine, earliest first.
///
/// A machine has at most one deadline here. An idle machine therefore costs nothing, and no deadline remains when a machine
/// ends. Each operation costs O(log n).
#[derive(Debug)]
pub(crate) struct Queue<K> {
    deadlines: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Queue<K> {
    pub(crate) const fn new() -> Self {
        Self { deadlines: BTreeSet::new() }
    }

    /// Moves the deadline of `key` from `old`, which the machine kept, to `new`.
    pub(crate) fn replace(&mut self, key: K, old: Option<Instant>, new: Option<Instant>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.deadlines.remove(&(old, key));
        }
        if let Some(new) = new {
            self.deadlines.insert((new, key));
        }
    }

    /// The earliest deadline and its machine.
    pub(crate) fn first(&self) -> Option<(Instant, K)> {
        self.deadlines.first().copied()
    }

    /// The number of machines with a deadline.
    pub(crate) fn len(&self) -> usize {
        self.deadlines.len()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    #[test]
    fn a_backoff_doubles_with_and_without_a_cap() {
        let (now, t1) = (Instant::now(), Duration::from_millis(500));
        let timer = Backoff::start(now, t1);
        assert_eq!(timer.at, now + t1);
        assert_eq!(timer.doubled(now).doubled(now).at, now + 4 * t1);
        assert_eq!(timer.doubled_to(now, 3 * t1).doubled_to(now, 3 * t1).at, now + 3 * t1);
    }

    #[test]
    fn the_earliest_comes_first_and_a_replaced_deadline_is_gone() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut queue = Queue::new();
        queue.replace('a', None, Some(now + second));
        queue.replace('b', None, Some(now + 2 * second));
        assert_eq!(queue.first(), Some((now + second, 'a')));
        queue.replace('a', Some(now + second), None);
        assert_eq!((queue.first(), queue.len()), (Some((now + 2 * second, 'b')), 1));
        queue.replace('b', Some(now + 2 * second), None);
        assert_eq!((queue.first(), queue.len()), (None, 0));
    }
}
