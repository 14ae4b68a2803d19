//! What an endpoint counts.

use std::fmt;

/// Plain numbers about one endpoint, summed over workers by whoever reads them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Client transactions that live now, those that only absorb among them.
    pub live_clients: u64,
    /// Server transactions that live now, those that only absorb among them.
    pub live_servers: u64,
    /// Of these, those that have had their final response, and only absorb what comes late until Timer D, I, J, K, L or M
    /// ends them.
    pub absorbing: u64,
    /// Absorbing transactions that were ended before their time, since there were more than
    /// [`Config::max_absorbing`](crate::Config::max_absorbing) allows.
    pub shed: u64,
    /// Client transactions begun since the start.
    pub clients: u64,
    /// Server transactions begun since the start.
    pub servers: u64,
    /// Messages sent again: by Timer A, E or G, or since the peer sent its own again.
    pub retransmissions_sent: u64,
    /// Requests and responses of the peer's that a machine had seen before.
    pub retransmissions_absorbed: u64,
    /// Messages refused, by reason.
    pub refused: Refused,
}

impl Counters {
    /// Adds what another endpoint counted.
    pub fn add(&mut self, other: &Self) {
        // Taken apart, so that no counter is forgotten.
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

/// Why a received message was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Refusal {
    /// It is not well formed: 400 for a request whose Via can be read, silence for all else.
    Malformed,
    /// A request in another version than SIP/2.0: 505.
    Version,
    /// A request that came by two paths: 482 for the second (RFC 3261 section 8.2.2.2).
    Merged,
    /// A new request while the cap on transactions with work to do is reached: 503.
    Overloaded,
    /// A CANCEL whose INVITE is not known, or came from another address: 481 (RFC 3261 section 9.2).
    StrayCancel,
    /// A response that no client transaction waits for: dropped (RFC 6026 section 7.2).
    StrayResponse,
    /// A response with more than one Via, so meant for someone else: dropped (RFC 3261 section 8.1.3.3).
    MisroutedResponse,
}

impl Refusal {
    /// Every reason, in the order in which they are reported.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::Version,
        Self::Merged,
        Self::Overloaded,
        Self::StrayCancel,
        Self::StrayResponse,
        Self::MisroutedResponse,
    ];

    /// The word under which the reason is counted.
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

/// How many messages were refused for each [`Refusal`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Refused([u64; Refusal::ALL.len()]);

impl Refused {
    /// How many were refused for this reason.
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
