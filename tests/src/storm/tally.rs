//! Counts how transactions ended.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use attesta_transaction::Counters;

use crate::sim::Traffic;

/// How a transaction may end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum End {
    /// INVITE client: Accepted, then Timer M.
    ClientAccepted,
    /// INVITE client: Completed, then Timer D.
    ClientFailed,
    /// INVITE client: Calling, then Timer B.
    ClientUnanswered,
    /// INVITE client: Proceeding, then 64 T1 after its CANCEL.
    ClientGivenUp,
    /// Non-INVITE client: Completed, then Timer K.
    ClientCompleted,
    /// Non-INVITE client: Trying or Proceeding, then Timer F.
    ClientTimedOut,
    /// INVITE server: Accepted, then Timer L.
    ServerAccepted,
    /// INVITE server: Completed, Confirmed, then Timer I.
    ServerConfirmed,
    /// INVITE server: Completed, then Timer H.
    ServerUnconfirmed,
    /// Non-INVITE server: Completed, then Timer J.
    ServerCompleted,
    /// Non-INVITE server: no response or a planned 408, until no client waits for a response, then Timer J.
    ServerUnanswered,
    /// The transaction was lost when its node restarted.
    Forgotten,
}

impl End {
    /// Every way to end, with the client transactions first.
    pub const ALL: [Self; 12] = [
        Self::ClientAccepted,
        Self::ClientFailed,
        Self::ClientUnanswered,
        Self::ClientGivenUp,
        Self::ClientCompleted,
        Self::ClientTimedOut,
        Self::ServerAccepted,
        Self::ServerConfirmed,
        Self::ServerUnconfirmed,
        Self::ServerCompleted,
        Self::ServerUnanswered,
        Self::Forgotten,
    ];

    /// Returns the name in a summary.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientAccepted => "INVITE client      Accepted, Timer M",
            Self::ClientFailed => "INVITE client      Completed, Timer D",
            Self::ClientUnanswered => "INVITE client      Calling, Timer B",
            Self::ClientGivenUp => "INVITE client      Proceeding, 64 T1 after CANCEL",
            Self::ClientCompleted => "non-INVITE client  Completed, Timer K",
            Self::ClientTimedOut => "non-INVITE client  Trying or Proceeding, Timer F",
            Self::ServerAccepted => "INVITE server      Accepted, Timer L",
            Self::ServerConfirmed => "INVITE server      Confirmed, Timer I",
            Self::ServerUnconfirmed => "INVITE server      Completed, Timer H",
            Self::ServerCompleted => "non-INVITE server  Completed, Timer J",
            Self::ServerUnanswered => "non-INVITE server  64 T1 without answer, Timer J",
            Self::Forgotten => "any                forgotten at a restart",
        }
    }

    const fn is_client(self) -> bool {
        match self {
            Self::ClientAccepted
            | Self::ClientFailed
            | Self::ClientUnanswered
            | Self::ClientGivenUp
            | Self::ClientCompleted
            | Self::ClientTimedOut => true,
            Self::ServerAccepted
            | Self::ServerConfirmed
            | Self::ServerUnconfirmed
            | Self::ServerCompleted
            | Self::ServerUnanswered
            | Self::Forgotten => false,
        }
    }
}

/// The results of one run, or of many runs.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Transactions by how they ended.
    pub ends: BTreeMap<End, u64>,
    /// Client transactions that were lost at a restart.
    pub clients_forgotten: u64,
    /// Repeated requests that arrived after Timer J or L had ended their transaction and that began another transaction. The
    /// RFCs set these timers without regard to the transit time of the last repetition.
    pub again: u64,
    /// The messages on the network.
    pub traffic: Traffic,
    /// Messages that transactions retransmitted.
    pub retransmissions: u64,
    /// Messages that transactions absorbed.
    pub absorbed: u64,
    /// The highest number of transactions that were live at one endpoint at the same time.
    pub most: u64,
    /// Timers that fired.
    pub timers: u64,
    /// Virtual time of all runs.
    pub simulated: Duration,
}

impl Tally {
    /// Counts the end of a transaction.
    pub(super) fn count(&mut self, end: End) {
        *self.ends.entry(end).or_default() += 1;
    }

    /// Adds the counters of an endpoint, before the endpoint restarts or at the end of the run.
    pub(super) fn count_traffic(&mut self, counters: &Counters) {
        self.retransmissions += counters.retransmissions_sent;
        self.absorbed += counters.retransmissions_absorbed;
    }

    /// Adds the results of another tally.
    pub fn add(&mut self, other: &Self) {
        for (end, count) in &other.ends {
            *self.ends.entry(*end).or_default() += count;
        }
        self.runs += other.runs;
        self.clients_forgotten += other.clients_forgotten;
        self.again += other.again;
        self.traffic.sent += other.traffic.sent;
        self.traffic.lost += other.traffic.lost;
        self.traffic.doubled += other.traffic.doubled;
        self.retransmissions += other.retransmissions;
        self.absorbed += other.absorbed;
        self.most = self.most.max(other.most);
        self.timers += other.timers;
        self.simulated += other.simulated;
    }

    /// Returns the number of requests.
    #[must_use]
    pub fn begun(&self) -> u64 {
        let ended: u64 = self.ends.iter().filter(|(end, _)| end.is_client()).map(|(_, count)| count).sum();
        ended + self.clients_forgotten
    }

    /// Returns the number of transactions that ended in this way.
    #[must_use]
    pub fn of(&self, end: End) -> u64 {
        self.ends.get(&end).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<52}{:>12}", "runs", self.runs)?;
        writeln!(f, "{:<52}{:>12}", "requests begun", self.begun())?;
        for end in End::ALL {
            writeln!(f, "  {:<50}{:>12}", end.as_str(), self.of(end))?;
        }
        writeln!(f, "{:<52}{:>12}", "requests that came again after their end", self.again)?;
        let Traffic { sent, lost, doubled } = self.traffic;
        writeln!(f, "{:<52}{sent:>12}", "datagrams sent")?;
        writeln!(f, "  {:<50}{lost:>12}", "lost")?;
        writeln!(f, "  {:<50}{doubled:>12}", "doubled")?;
        writeln!(f, "{:<52}{:>12}", "messages sent again by a machine", self.retransmissions)?;
        writeln!(f, "{:<52}{:>12}", "messages absorbed", self.absorbed)?;
        writeln!(f, "{:<52}{:>12}", "timers that fired", self.timers)?;
        writeln!(f, "{:<52}{:>12}", "most transactions at one endpoint", self.most)?;
        write!(f, "{:<52}{:>12}", "seconds of virtual time", self.simulated.as_secs())
    }
}
