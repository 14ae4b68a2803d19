//! The timer of a loop. The timer is set as rarely as possible.

use std::future::pending;
use std::pin::Pin;
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use crate::clock::Clock;

/// An alarm that rings when a deadline is reached. It sets tokio's timer as rarely as possible.
///
/// Almost every message moves the deadline, usually to a later time. Setting tokio's timer each time would cost more than
/// handling the message. A later deadline therefore leaves the timer unchanged. The timer then rings early, and the loop sets
/// the timer again.
#[derive(Debug)]
pub(crate) struct Alarm {
    deadline: Option<Instant>,
    armed: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// Creates an alarm that never rings until it is set. Needs tokio's time driver.
    pub(crate) fn new() -> Alarm {
        Alarm { deadline: None, armed: None, sleep: Box::pin(sleep_until(Clock::mono().into())) }
    }

    /// Sets the next deadline. `None` means that there is no deadline.
    pub(crate) fn set(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// True if the deadline is reached.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Sets the timer if necessary, so that [`Alarm::rings`] returns at the deadline or earlier.
    pub(crate) fn arm(&mut self) {
        let Some(deadline) = self.deadline else { return };
        if self.armed.is_none_or(|armed| deadline < armed) {
            self.sleep.as_mut().reset(deadline.into());
            self.armed = Some(deadline);
        }
    }

    /// Waits until the timer rings. Waits forever while the timer is not set. Dropping the future has no side effects.
    pub(crate) async fn rings(&mut self) {
        if self.armed.is_none() {
            return pending().await;
        }
        self.sleep.as_mut().await;
        self.armed = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn rings_at_the_deadline() {
        let (start, mut alarm) = (Clock::mono(), Alarm::new());
        alarm.set(Some(start + SECOND));
        alarm.arm();
        alarm.rings().await;
        assert!(alarm.is_due(Clock::mono()) && Clock::mono() - start < SECOND * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_deadline_rings_early_and_an_earlier_one_in_time() {
        let (start, mut alarm) = (Clock::mono(), Alarm::new());
        for deadline in [SECOND * 5, SECOND * 9] {
            alarm.set(Some(start + deadline));
            alarm.arm();
        }
        alarm.rings().await;
        assert!(!alarm.is_due(Clock::mono()), "early, at the time first armed");
        alarm.arm();
        alarm.set(Some(start + SECOND * 7));
        alarm.arm();
        alarm.rings().await;
        assert!(alarm.is_due(Clock::mono()) && Clock::mono() - start < SECOND * 8);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_deadline_it_is_silent() {
        let mut alarm = Alarm::new();
        alarm.arm();
        assert!(timeout(SECOND * 3600, alarm.rings()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_loses_nothing() {
        let (start, mut alarm) = (Clock::mono(), Alarm::new());
        alarm.set(Some(start + SECOND * 2));
        alarm.arm();
        assert!(timeout(SECOND, alarm.rings()).await.is_err());
        alarm.rings().await;
        assert!(alarm.is_due(Clock::mono()));
    }
}
