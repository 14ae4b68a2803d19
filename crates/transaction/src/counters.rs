//! The counters of an endpoint.

use std::fmt;

/// The counters of one endpoint. The reader of the counters adds up the counters of all workers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Client transactions now, including absorbing transactions.
    pub live_clients: u64,
    /// Server transactions now, including absorbing transactions.
    pub live_servers: u64,
    /// Absorbing transactions among these. After their final response, they only absorb late messages, until Timer D, I, J, K,
    /// L or M ends them.
    pub absorbing: u64,
    /// Absorbing transactions that were dropped early, because their number exceeded
    /// [`Config::max_absorbing`](crate::Config::max_absorbing).
    pub shed: u64,
    /// Client transactions started so far.
    pub clients: u64,
    /// Server transactions started so far.
    pub servers: u64,
    /// Messages sent again: by Timer A, E or G, or because the peer retransmitted.
    pub retransmissions_sent: u64,
    /// Retransmitted requests and responses of peers.
    pub retransmissions_absorbed: u64,
    /// Messages refused, by reason.
    pub refused: Refused,
}

impl Counters {
    /// Adds the counters of another endpoint.
    pub fn add(&mut self, other: &Self) {
        // The pattern names every field, so that a new counter cannot be forgotten.
        let Self {
            live_clients,
            live_servers,
            absorbing,
            shed,
            clients,
            servers,
            retransmissions_sent,
            retransmissions_absorbed,
            refused,
        } = other;
        self.live_clients += live_clients;
        self.live_servers += live_servers;
        self.absorbing += absorbing;
        self.shed += shed;
        self.clients += clients;
        self.servers += servers;
        self.retransmissions_sent += retransmissions_sent;
        self.retransmissions_absorbed += retransmissions_absorbed;
        for (count, more) in self.refused.0.iter_mut().zip(refused.0) {
            *count += more;
        }
    }
}

/// The reason for which a received message was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Refusal {
    /// A malformed message: 400 for a request with a readable Via, no response for any other message.
    Malformed,
    /// A request with a version other than SIP/2.0: 505.
    Version,
    /// A request that arrived over two paths: 482 for the second (RFC 3261 section 8.2.2.2).
    Merged,
    /// A new request at the cap on live transactions: 503.
    Overloaded,
    /// A CANCEL whose INVITE is unknown or came from another address: 481 (RFC 3261 section 9.2).
    StrayCancel,
    /// A response without a client transaction: dropped (RFC 6026 section 7.2).
    StrayResponse,
    /// A response with more than one Via, which is for another element: dropped (RFC 3261 section 8.1.3.3).
    MisroutedResponse,
}

impl Refusal {
    /// Every reason, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::Version,
        Self::Merged,
        Self::Overloaded,
        Self::StrayCancel,
        Self::StrayResponse,
        Self::MisroutedResponse,
    ];

    /// The label of the reason in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Merged => "merged",
            Self::Overloaded => "overloaded",
            Self::StrayCancel => "stray-cancel",
            Self::StrayResponse => "stray-response",
            Self::MisroutedResponse => "misrouted-response",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The number of refused messages for each [`Refusal`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Refused([u64; Refusal::ALL.len()]);

impl Refused {
    /// The number of messages refused for this reason.
    #[must_use]
    pub fn of(&self, reason: Refusal) -> u64 {
        self.iter().find_map(|(each, count)| (each == reason).then_some(count)).unwrap_or_default()
    }

    /// Each reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn count(&mut self, reason: Refusal) {
        if let Some((_, count)) = Refusal::ALL.into_iter().zip(&mut self.0).find(|(each, _)| *each == reason)
        {
            *count += 1;
        }
    }
}
