//! The rate limit for datagrams from unknown sources.

use std::time::{Duration, Instant};

/// Admits a fixed number of datagrams in each time window.
///
/// A request from an address that no trunk claims starts no call. But reading and refusing such requests takes time that calls
/// need. A fast sender could take all of this time. Datagrams over the limit are therefore dropped unread. Requests
/// below the limit are read and refused, so that a peer with a wrong configuration still sees the reason.
#[derive(Debug, Default)]
pub(crate) struct UnknownSourceLimiter {
    ends: Option<Instant>,
    left: u32,
}

impl UnknownSourceLimiter {
    /// True if the limit allows one more datagram at `now`.
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

/// The most datagrams from unknown sources that one worker reads in a window. This is 1,000 per second, which costs a few per
/// cent of a core.
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
