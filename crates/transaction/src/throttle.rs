//! A rate limit for a log line, so that a flood of messages does not flood the log.

use std::time::{Duration, Instant};

/// Allows one line per interval and counts the suppressed lines.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    next: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// The number of lines suppressed since the last written line. `None` if no line may be written at `now`.
    pub(crate) fn pass(&mut self, now: Instant) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.suppressed += 1;
            return None;
        }
        self.next = Some(now + INTERVAL);
        Some(std::mem::take(&mut self.suppressed))
    }
}

const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_were_suppressed() {
        let now = Instant::now();
        let mut throttle = Throttle::default();
        assert_eq!(throttle.pass(now), Some(0));
        assert_eq!((throttle.pass(now), throttle.pass(now + INTERVAL / 2)), (None, None));
        assert_eq!(throttle.pass(now + INTERVAL), Some(2));
    }
}
