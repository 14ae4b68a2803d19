//! A log line that a flood cannot multiply.

use std::time::{Duration, Instant};

/// Lets one line through per interval and counts those that it holds back.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    next: Option<Instant>,
    silent: u64,
}

impl Throttle {
    /// Whether a line may be written at `now`; if so, how many were held back since the last.
    pub(crate) fn pass(&mut self, now: Instant) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.silent += 1;
            return None;
        }
        self.next = Some(now + INTERVAL);
        Some(std::mem::take(&mut self.silent))
    }
}

const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_it_stands_for() {
        let now = Instant::now();
        let mut throttle = Throttle::default();
        assert_eq!(throttle.pass(now), Some(0));
        assert_eq!((throttle.pass(now), throttle.pass(now + INTERVAL / 2)), (None, None));
        assert_eq!(throttle.pass(now + INTERVAL), Some(2));
    }
}
