//! The settings of an endpoint.

use std::time::Duration;

use attesta_sip::Limits;

/// The timers and caps of an [`Endpoint`](crate::Endpoint).
///
/// The other timers are derived from these timers (RFC 3261 table 4, RFC 6026 section 8.4). B, F, H, J, L and M are 64 T1. A, E
/// and G start at T1. I and K are T4. D is the longer of 64 T1 and 32 s.
#[derive(Clone, Debug)]
pub struct Config {
    t1: Duration,
    t2: Duration,
    t4: Duration,
    max_transactions: usize,
    max_absorbing: usize,
    retry_after: Duration,
    limits: Limits,
}

impl Config {
    /// T1: the estimated round-trip time, the base of most timers (RFC 3261 section 17.1.1.1). Default 500 ms, at least 1 ms,
    /// at most [`MAX_T1`](Self::MAX_T1). A lower value retransmits and times out sooner.
    #[must_use]
    pub fn t1(mut self, t1: Duration) -> Self {
        self.t1 = t1.clamp(SHORTEST, Self::MAX_T1);
        self
    }

    /// T2: the longest interval between retransmissions of a non-INVITE request or of a final response to an INVITE
    /// (RFC 3261 section 17.1.2.2). Default 4 s, at least 1 ms, at most [`MAX_T2`](Self::MAX_T2).
    #[must_use]
    pub fn t2(mut self, t2: Duration) -> Self {
        self.t2 = t2.clamp(SHORTEST, Self::MAX_T2);
        self
    }

    /// T4: the time for which a message stays in the network (RFC 3261 section 17.1.2.2). Default 5 s, at most
    /// [`MAX_T4`](Self::MAX_T4).
    #[must_use]
    pub fn t4(mut self, t4: Duration) -> Self {
        self.t4 = t4.min(Self::MAX_T4);
        self
    }

    /// The cap on live transactions, which still have work to do. At the cap, a request outside a dialog gets a 503. Requests
    /// within a dialog may exceed the cap by a quarter, because most of them end calls. An INVITE that the user recognises as
    /// an emergency call may exceed the cap by half. Default 200,000. Each transaction costs about 700 octets plus its message.
    ///
    /// Transactions after their final response do not count here: see [`max_absorbing`](Self::max_absorbing).
    #[must_use]
    pub fn max_transactions(mut self, max_transactions: usize) -> Self {
        self.max_transactions = max_transactions;
        self
    }

    /// The cap on absorbing transactions, which wait for Timer D, I, J, K, L or M and only absorb late messages. Above the cap,
    /// the transaction that is nearest to its end is dropped. No request is refused. Default 400,000. Each costs about 700
    /// octets.
    ///
    /// The default is enough for about 4,000 answered calls a second. Each call has three such transactions for 32 s and one
    /// for 5 s.
    #[must_use]
    pub fn max_absorbing(mut self, max_absorbing: usize) -> Self {
        self.max_absorbing = max_absorbing;
        self
    }

    /// The Retry-After of a 503 at the cap, in whole seconds (RFC 3261 section 21.5.4). Default 5 s.
    #[must_use]
    pub fn retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// The limits for received messages. Default [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The longest T1. 64 T1 is then about an hour, and no timer keeps a transaction longer.
    pub const MAX_T1: Duration = Duration::from_secs(60);

    /// The longest T2.
    pub const MAX_T2: Duration = Duration::from_secs(300);

    /// The longest T4.
    pub const MAX_T4: Duration = Duration::from_secs(300);

    /// T1. A user needs it to retransmit a 2xx (RFC 3261 section 13.3.1.4).
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        self.t1
    }

    /// T2. A user needs it to retransmit a 2xx (RFC 3261 section 13.3.1.4).
    #[must_use]
    pub fn longest_interval(&self) -> Duration {
        self.t2
    }

    /// 64 T1: Timers B, F, H, J, L and M.
    pub(crate) fn sixty_four_t1(&self) -> Duration {
        64 * self.t1
    }

    /// T4: Timers I and K.
    pub(crate) fn lifetime(&self) -> Duration {
        self.t4
    }

    /// Timer D: at least 32 s, because the T1 of the server is unknown (RFC 6026 section 8.4).
    pub(crate) fn timer_d(&self) -> Duration {
        self.sixty_four_t1().max(Duration::from_secs(32))
    }

    /// The delay before the 100 to a non-INVITE request: until the client's Timer E reaches T2 (RFC 4320 section 4.1).
    pub(crate) fn trying_after(&self) -> Duration {
        let intervals = std::iter::successors(Some(self.t1), |interval| Some(interval.saturating_mul(2)));
        intervals.take_while(|interval| *interval < self.t2).sum()
    }

    /// The cap on live transactions that applies to a new request of this kind.
    pub(crate) fn cap(&self, claim: Claim) -> usize {
        let reserve = match claim {
            Claim::Ordinary => 0,
            Claim::InDialog => self.max_transactions / 4,
            Claim::Emergency => self.max_transactions / 2,
        };
        self.max_transactions.saturating_add(reserve)
    }

    /// The cap on absorbing transactions.
    pub(crate) fn absorbing_cap(&self) -> usize {
        self.max_absorbing
    }

    pub(crate) fn retry_after_seconds(&self) -> u64 {
        self.retry_after.as_secs()
    }

    pub(crate) fn reading_limits(&self) -> &Limits {
        &self.limits
    }
}

/// The kind of a new request. It determines how far the request may exceed the cap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Claim {
    /// A request outside a dialog. It may not exceed the cap.
    Ordinary,
    /// A request within a dialog. It may exceed the cap by a quarter.
    InDialog,
    /// An emergency call. It may exceed the cap by half.
    Emergency,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            max_transactions: 200_000,
            max_absorbing: 400_000,
            retry_after: Duration::from_secs(5),
            limits: Limits::default(),
        }
    }
}

/// If the user sends no response to an INVITE within this time, the endpoint sends 100 (RFC 3261 section 17.2.1).
pub(crate) const TRYING_AFTER: Duration = Duration::from_millis(200);

/// The shortest T1 and T2.
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_100_to_a_non_invite_waits_until_timer_e_reaches_t2() {
        assert_eq!(Config::default().trying_after(), Duration::from_millis(3500));
        assert_eq!(Config::default().t1(Duration::from_secs(9)).trying_after(), Duration::ZERO);
    }

    #[test]
    fn timers_are_limited_to_their_longest_values() {
        let config = Config::default().t1(Duration::MAX).t2(Duration::MAX).t4(Duration::MAX);
        assert_eq!(config.sixty_four_t1(), 64 * Config::MAX_T1);
        assert_eq!((config.longest_interval(), config.lifetime()), (Config::MAX_T2, Config::MAX_T4));
    }

    #[test]
    fn each_kind_of_request_has_its_share_of_the_cap() {
        let config = Config::default().max_transactions(100);
        let caps = [Claim::Ordinary, Claim::InDialog, Claim::Emergency].map(|claim| config.cap(claim));
        assert_eq!(caps, [100, 125, 150]);
        assert_eq!(Config::default().max_transactions(usize::MAX).cap(Claim::Emergency), usize::MAX);
    }
}
