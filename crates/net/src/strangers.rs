//! How much of what strangers send is read.

use std::time::{Duration, Instant};

/// Lets through so many datagrams in each stretch of time.
///
/// A request from an address that no trunk claims begins no call, yet to read and refuse it costs time, which a peer that
/// sends as fast as it can would take from calls. What is over the limit is dropped unread: its sender is told to go away
/// often enough.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    ends: Option<Instant>,
    left: u32,
}

impl Strangers {
    /// Whether one more may pass at `now`.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        if self.ends.is_none_or(|ends| ends <= now) {
            self.ends = Some(now + STRETCH);
            self.left = STRANGERS;
        }
        let admitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        admitted
    }
}

const STRETCH: Duration = Duration::from_millis(100);

/// Datagrams of strangers that one worker reads in a stretch: 1,000 a second, which is a share of a few per cent of a core.
const STRANGERS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn so_many_pass_in_each_stretch() {
        let (mut strangers, start) = (Strangers::default(), Clock::mono());
        for stretch in 0..3 {
            let now = start + STRETCH * stretch;
            assert_eq!((0..STRANGERS * 2).filter(|_| strangers.admits(now)).count(), STRANGERS as usize);
        }
    }
}
