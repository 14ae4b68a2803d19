//! How much of what limiter send is read.

use std::time::{Duration, Instant};

/// Lets through so many datagrams in each window of time.
///
/// A request from an address that no trunk claims begins no call, yet to read and refuse it costs time, which a peer that
/// sends as fast as it can would take from calls. What is over the limit is dropped unread: its sender is told to go away
/// often enough.
#[derive(Debug, Default)]
pub(crate) struct UnknownSourceLimiter {
    ends: Option<Instant>,
    left: u32,
}

impl UnknownSourceLimiter {
    /// Whether one more may pass at `now`.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        if self.ends.is_none_or(|ends| ends <= now) {
            self.ends = Some(now + WINDOW);
            self.left = DATAGRAMS;
        }
        let admitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        admitted
    }
}

const WINDOW: Duration = Duration::from_millis(100);

/// Datagrams of limiter that one worker reads in a window: 1,000 a second, which is a share of a few per cent of a core.
const DATAGRAMS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_fixed_number_passes_in_each_window() {
        let (mut limiter, start) = (UnknownSourceLimiter::default(), Clock::mono());
        for window in 0..3 {
            let now = start + WINDOW * window;
            assert_eq!((0..DATAGRAMS * 2).filter(|_| limiter.admits(now)).count(), DATAGRAMS as usize);
        }
    }
}
