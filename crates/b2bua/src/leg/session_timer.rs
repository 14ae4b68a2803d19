//! The session timer of one leg (RFC 4028), and the keep-alive of a leg whose peer has no session timer.

use std::time::{Duration, Instant};

/// The session timer or the keep-alive of a leg. Each 2xx to an INVITE or UPDATE starts it again.
///
/// ```text
///  2xx with an interval
/// ----------------------> Watching <---------------------------------+
///                          |    |                                    | 2xx: starts again
///   half of the interval,  |    |                                    | no 2xx: the next attempt is due later
///   if we refresh          v    |                                    |
///                     Refreshing ------------------------------------+
///                          |    |
///                          |    | margin before the end             response: starts again
///                          +----+---------------------> Probed ----------------------------> Watching
///                                                       |    |
///                        not sent: sent again later     |    | the end
///                                                       v    v
///                                                    Unsent ----> Expired
/// ```
#[derive(Debug)]
pub(crate) struct SessionTimer {
    state: State,
    role: Role,
    /// The time for which a session lasts without a refresh (RFC 4028 section 3), or the interval of the keep-alive.
    interval: Duration,
    /// The largest Min-SE of the dialog (RFC 4028 section 7.4). Zero if the peer has sent none.
    minimum: Duration,
    expires: Instant,
    /// The time between the probe and the end.
    margin: Duration,
    /// True after a 422 to our refresh. A second 422 does not lead to a new attempt at once.
    is_raised: bool,
    /// The number of refreshes that the peer has put off since the session started.
    put_off: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The refresh or the probe is due at `next`.
    Watching { next: Instant },
    /// Our refresh has no response yet.
    Refreshing,
    /// The probe has no response yet.
    Probed,
    /// The probe could not be sent. It is due again at `next`.
    Unsent { next: Instant },
}

/// What we do for the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// We must refresh the session.
    Refresher,
    /// The peer refreshes the session, or the peer of the other leg does.
    Watcher,
    /// The leg has no session timer. The peer is only asked whether the call exists.
    KeepAlive,
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
    /// Creates a session timer that starts with a 2xx at `now`. `role` is not [`Role::KeepAlive`].
    pub(crate) fn session(now: Instant, interval: Duration, role: Role) -> Self {
        // RFC 4028 section 10.
        let margin = ANSWER_TIME.min(interval / 3);
        Self::begin(now, interval, margin, role)
    }

    /// Creates a keep-alive. Its first request is sent after one interval.
    pub(crate) fn keep_alive(now: Instant, interval: Duration) -> Self {
        Self::begin(now, interval, ANSWER_TIME, Role::KeepAlive)
    }

    /// Creates a keep-alive that ends the call within `interval` if the peer is silent.
    pub(crate) fn keep_alive_within(now: Instant, interval: Duration) -> Self {
        let margin = ANSWER_TIME.min(interval / 3);
        Self::begin(now, interval - margin, margin, Role::KeepAlive)
    }

    fn begin(now: Instant, interval: Duration, margin: Duration, role: Role) -> Self {
        let mut timer = Self {
            state: State::Probed,
            role,
            interval,
            minimum: Duration::ZERO,
            expires: now,
            margin,
            is_raised: false,
            put_off: 0,
        };
        timer.on_alive(now);
        timer
    }

    /// Returns the session interval. Returns `None` for a keep-alive.
    pub(crate) fn interval(&self) -> Option<Duration> {
        (self.role != Role::KeepAlive).then_some(self.interval)
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    /// Returns the Min-SE of our refresh. Returns `None` if the dialog has no Min-SE.
    pub(crate) fn minimum(&self) -> Option<Duration> {
        (self.minimum > Duration::ZERO).then_some(self.minimum)
    }

    /// Notes the Min-SE of a session refresh request or of a 422.
    pub(crate) fn on_minimum(&mut self, minimum: Duration) {
        self.minimum = self.minimum.max(minimum);
    }

    pub(crate) fn deadline(&self) -> Instant {
        match self.state {
            State::Watching { next } | State::Unsent { next } => next,
            State::Refreshing => self.probe_at(),
            State::Probed => self.expires,
        }
    }

    /// Returns the action that is due at `now`.
    pub(crate) fn on_deadline(&mut self, now: Instant) -> DueTimer {
        if now < self.deadline() {
            return DueTimer::Nothing;
        }
        match self.state {
            State::Watching { .. } if self.role == Role::Refresher && now < self.probe_at() => {
                self.state = State::Refreshing;
                DueTimer::Refresh
            }
            State::Watching { .. } | State::Refreshing => {
                self.state = State::Probed;
                // The peer has its time to respond, even if this process was stopped for a while.
                self.expires = self.expires.max(now + self.margin);
                DueTimer::Probe
            }
            State::Unsent { .. } if now < self.expires => {
                self.state = State::Probed;
                DueTimer::Probe
            }
            State::Probed | State::Unsent { .. } => DueTimer::Expired,
        }
    }

    /// Restarts the interval, because the peer has accepted our refresh or has answered our probe.
    pub(crate) fn on_alive(&mut self, now: Instant) {
        self.put_off = 0;
        match self.role {
            Role::Refresher => {
                self.expires = now + self.interval;
                self.state = State::Watching { next: now + self.interval / 2 };
            }
            Role::Watcher => {
                self.expires = now + self.interval;
                self.state = State::Watching { next: self.probe_at() };
            }
            Role::KeepAlive => {
                self.expires = now + self.interval + self.margin;
                self.state = State::Watching { next: now + self.interval };
            }
        }
    }

    /// Handles a request of the peer in the dialog. The request proves that the peer knows the call. It does not refresh a
    /// session (RFC 4028 section 10).
    pub(crate) fn on_request(&mut self, now: Instant) {
        match self.role {
            Role::KeepAlive => self.on_alive(now),
            Role::Refresher | Role::Watcher => {}
        }
    }

    /// Handles a refresh that cannot be sent at this moment, because another request is in progress. The next attempt follows
    /// soon.
    pub(crate) fn on_busy(&mut self, now: Instant) {
        self.refresh_at(now, now + AGAIN);
    }

    /// Handles a response that puts the refresh off. The next attempt is made after `wait`, a limited number of times (RFC 3261
    /// section 14.1).
    pub(crate) fn on_put_off(&mut self, now: Instant, wait: Duration) {
        if self.put_off >= MAX_PUT_OFF {
            return self.on_refused(now);
        }
        self.put_off += 1;
        self.refresh_at(now, now + wait);
    }

    /// Handles a refresh that was refused or not sent. The next attempt is made after half of the time that remains. The peer
    /// therefore does not get the same request continuously (RFC 4028 section 10).
    pub(crate) fn on_refused(&mut self, now: Instant) {
        let wait = self.probe_at().saturating_duration_since(now) / 2;
        let next = if wait < ANSWER_TIME { self.probe_at() } else { now + wait };
        self.refresh_at(now, next);
    }

    /// Handles a 422 to our refresh. The next attempt asks for a longer interval, the first time at once. The end of the
    /// session stays (RFC 4028 section 10).
    pub(crate) fn on_too_short(&mut self, now: Instant, minimum: Duration) {
        self.on_minimum(minimum);
        self.interval = self.interval.max(minimum);
        if self.is_raised {
            self.on_refused(now);
        } else {
            self.is_raised = true;
            self.refresh_at(now, now);
        }
    }

    fn refresh_at(&mut self, now: Instant, next: Instant) {
        self.state = State::Watching { next: next.min(self.probe_at()).max(now) };
    }

    /// Handles a probe that could not be sent. The probe is sent again until the session expires. `is_peers_fault` is false if
    /// one of our limits is the reason. Such a limit ends no call that has only a keep-alive.
    pub(crate) fn on_probe_unsent(&mut self, now: Instant, is_peers_fault: bool) {
        if self.role == Role::KeepAlive && !is_peers_fault {
            self.expires += AGAIN;
        }
        self.state = State::Unsent { next: (now + AGAIN).min(self.expires) };
    }

    /// Returns the time of the probe: a third of the interval before the end, and at most 32 s before the end (RFC 4028 section
    /// 10).
    fn probe_at(&self) -> Instant {
        self.expires - self.margin
    }
}

/// The longest duration of a request without a final response (64*T1).
const ANSWER_TIME: Duration = Duration::from_secs(32);
/// The time between two attempts to send a request that was not sent.
const AGAIN: Duration = Duration::from_secs(2);
/// How often the peer may put a refresh off for the time that it names. After that, a refresh is sent less often.
const MAX_PUT_OFF: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1_800);

    #[expect(clippy::disallowed_methods, reason = "there is no other instant to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_session_that_the_peer_refreshes_is_probed_once_and_expires() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, Role::Watcher);
        assert_eq!(timer.deadline(), start + seconds(1_768));
        assert_eq!(timer.on_deadline(start), DueTimer::Nothing);
        assert_eq!(timer.on_deadline(start + seconds(1_768)), DueTimer::Probe);
        assert_eq!(timer.on_deadline(start + seconds(1_799)), DueTimer::Nothing);
        assert_eq!(timer.on_deadline(start + INTERVAL), DueTimer::Expired);
    }

    #[test]
    fn a_probe_that_is_answered_extends_the_session() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, Role::Watcher);
        assert_eq!(timer.on_deadline(timer.deadline()), DueTimer::Probe);
        timer.on_alive(start + INTERVAL);
        assert_eq!(timer.deadline(), start + INTERVAL + seconds(1_768));
    }

    /// RFC 4028 section 7.2.
    #[test]
    fn we_refresh_at_half_of_the_interval() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, Role::Refresher);
        assert_eq!(timer.on_deadline(start + INTERVAL / 2), DueTimer::Refresh);
        assert_eq!(timer.deadline(), start + seconds(1_768), "no answer yet");
        timer.on_alive(start + INTERVAL / 2);
        assert_eq!(timer.deadline(), start + INTERVAL);
    }

    /// RFC 4028 section 10: the minimum of 32 s and a third of the interval.
    #[test]
    fn a_short_session_is_probed_a_third_before_its_end() {
        let start = start();
        let timer = SessionTimer::session(start, seconds(90), Role::Watcher);
        assert_eq!(timer.deadline(), start + seconds(60));
    }

    /// RFC 4028 section 10: the same request is not sent continuously.
    #[test]
    fn a_refresh_that_is_refused_is_tried_again_a_few_times() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, Role::Refresher);
        let (mut now, mut refreshes) = (timer.deadline(), Vec::new());
        while timer.on_deadline(now) == DueTimer::Refresh {
            refreshes.push(now);
            timer.on_refused(now);
            now = timer.deadline();
        }
        let attempts: Vec<_> = refreshes.iter().map(|at| at.duration_since(start).as_secs()).collect();
        assert_eq!(attempts, [900, 1_334, 1_551, 1_659, 1_713]);
        assert_eq!(timer.deadline(), start + INTERVAL, "the probe was sent 32 s before the end");
    }

    /// RFC 3261 section 14.1.
    #[test]
    fn a_refresh_that_is_put_off_is_tried_again_after_the_wait() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, Role::Refresher);
        let now = start + INTERVAL / 2;
        assert_eq!(timer.on_deadline(now), DueTimer::Refresh);
        timer.on_put_off(now, seconds(3));
        assert_eq!(timer.on_deadline(now + seconds(3)), DueTimer::Refresh);
        // The wait does not exceed the time until the probe.
        timer.on_put_off(start + seconds(1_767), seconds(3));
        assert_eq!(timer.on_deadline(start + seconds(1_768)), DueTimer::Probe);
    }

    #[test]
    fn a_peer_that_puts_off_each_refresh_gets_a_limited_number() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, Role::Refresher);
        let (mut now, mut refreshes) = (timer.deadline(), 0);
        while timer.on_deadline(now) == DueTimer::Refresh {
            refreshes += 1;
            timer.on_put_off(now, seconds(1));
            now = timer.deadline();
        }
        assert_eq!(refreshes, u32::from(MAX_PUT_OFF) + 5, "the last attempts have longer and longer waits");
        // The next refresh that succeeds starts the count again.
        timer.on_alive(start + INTERVAL);
        assert_eq!(timer.put_off, 0);
    }

    #[test]
    fn a_refresh_that_has_to_wait_is_due_again_soon() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, Role::Refresher);
        let (mut now, mut attempts) = (timer.deadline(), 0);
        while timer.on_deadline(now) == DueTimer::Refresh {
            attempts += 1;
            timer.on_busy(now);
            assert_eq!(timer.deadline(), (now + AGAIN).min(start + seconds(1_768)));
            now = timer.deadline();
        }
        assert_eq!((attempts, now), (434, start + seconds(1_768)), "the probe is the end of the attempts");
    }

    #[test]
    fn a_request_of_the_peer_restarts_a_keep_alive_and_no_session() {
        let start = start();
        let mut timer = SessionTimer::keep_alive(start, seconds(30));
        timer.on_request(start + seconds(20));
        assert_eq!(timer.deadline(), start + seconds(50));
        for role in [Role::Watcher, Role::Refresher] {
            let mut timer = SessionTimer::session(start, INTERVAL, role);
            let before = timer.deadline();
            timer.on_request(start + seconds(20));
            assert_eq!(timer.deadline(), before);
        }
    }

    /// RFC 4028 section 10: a 422 does not change when the session expires.
    #[test]
    fn a_422_raises_the_interval_and_keeps_the_end() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, Role::Refresher);
        let now = start + INTERVAL / 2;
        assert_eq!(timer.on_deadline(now), DueTimer::Refresh);
        timer.on_too_short(now, seconds(3_600));
        assert_eq!(timer.on_deadline(now), DueTimer::Refresh, "at once");
        assert_eq!((timer.interval(), timer.minimum()), (Some(seconds(3_600)), Some(seconds(3_600))));
        // One more 422: a peer that asks for more each time gets no request at once.
        timer.on_too_short(now, seconds(3_601));
        assert_eq!(timer.deadline(), start + seconds(1_334));
        assert_eq!(timer.probe_at(), start + seconds(1_768));
    }

    #[test]
    fn a_probe_that_is_not_sent_is_sent_again_until_the_end() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, Role::Watcher);
        let mut probes = 0;
        let mut now = timer.deadline();
        while timer.on_deadline(now) == DueTimer::Probe {
            probes += 1;
            timer.on_probe_unsent(now, false);
            now = timer.deadline();
        }
        assert_eq!((probes, now), (16, start + INTERVAL));
    }

    #[test]
    fn a_process_that_was_stopped_asks_before_the_call_ends() {
        let start = start();
        let mut timer = SessionTimer::session(start, INTERVAL, Role::Watcher);
        let resumed = start + 2 * INTERVAL;
        assert_eq!(timer.on_deadline(resumed), DueTimer::Probe);
        assert_eq!(timer.on_deadline(resumed), DueTimer::Nothing);
        assert_eq!(timer.on_deadline(resumed + seconds(32)), DueTimer::Expired);
    }

    #[test]
    fn a_keep_alive_asks_once_in_each_interval() {
        let start = start();
        for every in [30, 300] {
            let every = seconds(every);
            let mut timer = SessionTimer::keep_alive(start, every);
            assert_eq!(timer.deadline(), start + every);
            assert_eq!(timer.on_deadline(start + every), DueTimer::Probe);
            assert_eq!(timer.deadline(), start + every + seconds(32));
            timer.on_alive(start + every + seconds(1));
            assert_eq!(timer.deadline(), start + 2 * every + seconds(1));
            assert_eq!(timer.interval(), None);
        }
    }

    #[test]
    fn a_keep_alive_that_our_limit_stops_ends_no_call() {
        let start = start();
        let mut timer = SessionTimer::keep_alive(start, seconds(30));
        let mut now = timer.deadline();
        for _ in 0..100 {
            assert_eq!(timer.on_deadline(now), DueTimer::Probe);
            timer.on_probe_unsent(now, false);
            now = timer.deadline();
        }
        assert_eq!(now, start + seconds(230));
    }
}
