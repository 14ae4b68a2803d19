//! The session timer of one leg (RFC 4028), and the keep-alive of a leg whose peer has no session timer.

use std::time::{Duration, Instant};

/// The session timer or the keep-alive of a leg.
///
/// ```text
///   2xx with an interval            margin before the end
/// ----------------------> Watching ----------------------> Probed ----------> Expired
///                          |    ^                            |     the end
///                 half of  |    | 2xx, or our                | response to the probe:
///             the interval |    | refresh is answered        | Watching
///                          v    |
///                        Refreshing (only if we refresh)
/// ```
#[derive(Debug)]
pub(crate) struct SessionTimer {
    state: State,
    /// The time for which a session lasts without a refresh (RFC 4028 section 3), or the interval of the keep-alive.
    interval: Duration,
    expires: Instant,
    /// True if we must refresh the session.
    we_refresh: bool,
    /// True for a keep-alive. The peer has no session timer, and is only asked whether the call exists.
    is_keep_alive: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Watching,
    Refreshing,
    Probed,
}

/// The action that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DueTimer {
    Nothing,
    /// We refresh the session (RFC 4028 section 10).
    Refresh,
    /// We send one request that asks whether the peer knows the call.
    Probe,
    /// The session has expired, and the call ends (RFC 4028 section 10).
    Expired,
}

impl SessionTimer {
    /// Creates a session timer that starts with a 2xx at `now`.
    pub(crate) fn session(now: Instant, interval: Duration, we_refresh: bool) -> Self {
        let expires = now + interval;
        Self { state: State::Watching, interval, expires, we_refresh, is_keep_alive: false }
    }

    /// Creates a keep-alive. Its first request is sent after one interval.
    pub(crate) fn keep_alive(now: Instant, interval: Duration) -> Self {
        let expires = now + interval + ANSWER_TIME;
        Self { state: State::Watching, interval, expires, we_refresh: false, is_keep_alive: true }
    }

    /// Returns the session interval. Returns `None` for a keep-alive.
    pub(crate) fn interval(&self) -> Option<Duration> {
        (!self.is_keep_alive).then_some(self.interval)
    }

    pub(crate) fn deadline(&self) -> Instant {
        match self.state {
            State::Watching if self.we_refresh => self.expires - self.interval / 2,
            State::Watching | State::Refreshing => self.probe_at(),
            State::Probed => self.expires,
        }
    }

    /// Returns the action that is due at `now`.
    pub(crate) fn on_deadline(&mut self, now: Instant) -> DueTimer {
        if now < self.deadline() {
            return DueTimer::Nothing;
        }
        match self.state {
            State::Watching if self.we_refresh => {
                self.state = State::Refreshing;
                DueTimer::Refresh
            }
            State::Watching | State::Refreshing => {
                self.state = State::Probed;
                DueTimer::Probe
            }
            State::Probed => DueTimer::Expired,
        }
    }

    /// Restarts the interval, because the peer has answered our refresh or our probe.
    pub(crate) fn on_alive(&mut self, now: Instant) {
        self.state = State::Watching;
        let rest = if self.is_keep_alive { ANSWER_TIME } else { Duration::ZERO };
        self.expires = now + self.interval + rest;
    }

    /// Returns the time of the probe: a third of the interval before the end, and at most 32 s before the end (RFC 4028 section
    /// 10).
    fn probe_at(&self) -> Instant {
        self.expires - ANSWER_TIME.min(self.interval / 3)
    }
}

/// The longest duration of a request without a final response (64*T1).
const ANSWER_TIME: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1_800);

    #[expect(clippy::disallowed_methods, reason = "there is no other instant to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_session_that_the_peer_refreshes_is_probed_once_and_expires() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, false);
        assert_eq!(timer.deadline(), start + Duration::from_secs(1_768));
        assert_eq!(timer.on_deadline(start), DueTimer::Nothing);
        assert_eq!(timer.on_deadline(start + Duration::from_secs(1_768)), DueTimer::Probe);
        assert_eq!(timer.on_deadline(start + Duration::from_secs(1_799)), DueTimer::Nothing);
        assert_eq!(timer.on_deadline(start + INTERVAL), DueTimer::Expired);
    }

    #[test]
    fn a_probe_that_is_answered_extends_the_session() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, false);
        assert_eq!(timer.on_deadline(timer.deadline()), DueTimer::Probe);
        timer.on_alive(start + INTERVAL);
        assert_eq!(timer.deadline(), start + INTERVAL + Duration::from_secs(1_768));
    }

    #[test]
    fn we_refresh_at_half_of_the_interval() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, true);
        assert_eq!(timer.on_deadline(start + INTERVAL / 2), DueTimer::Refresh);
        assert_eq!(timer.deadline(), start + Duration::from_secs(1_768), "no answer yet");
        timer.on_alive(start + INTERVAL / 2);
        assert_eq!(timer.deadline(), start + INTERVAL);
    }

    #[test]
    fn a_short_session_is_probed_a_third_before_its_end() {
        let start = start();
        let timer = SessionTimer::session(start, Duration::from_secs(90), false);
        assert_eq!(timer.deadline(), start + Duration::from_secs(60));
    }

    #[test]
    fn a_keep_alive_asks_once_in_each_interval() {
        let start = start();
        let mut timer = SessionTimer::keep_alive(start, Duration::from_secs(300));
        assert_eq!(timer.deadline(), start + Duration::from_secs(300));
        assert_eq!(timer.on_deadline(start + Duration::from_secs(300)), DueTimer::Probe);
        timer.on_alive(start + Duration::from_secs(301));
        assert_eq!(timer.deadline(), start + Duration::from_secs(601));
        assert_eq!(timer.interval(), None);
    }
}
