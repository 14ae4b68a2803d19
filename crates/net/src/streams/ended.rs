//! The reasons for which connections are refused and for which they end, and counts of both.

use std::fmt;

/// The reason for which a stream connection ended, or could not be opened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Ended {
    /// The peer closed the connection.
    ByPeer,
    /// The connection broke: it was reset, or the peer no longer acknowledges data.
    Broken,
    /// No message arrived for too long.
    Idle,
    /// The peer opened the connection and sent no message.
    Silent,
    /// A message began and was not complete in time.
    SlowSender,
    /// The peer did not read the waiting octets in time.
    SlowReader,
    /// More octets or messages wait for the peer than allowed.
    QueueFull,
    /// The input cannot be split into messages, or a message is too large (RFC 3261 section 18.3).
    Framing,
    /// The peer answered earlier keep-alives and no longer answers (RFC 5626 section 4.4.1).
    NoPong,
    /// The connection could not be opened: it was refused, the peer was unreachable, or the time was over.
    Unreachable,
    /// The handshake failed or took too long.
    Handshake,
    /// We had the maximum number of connections open.
    Cap,
    /// The edge stopped.
    Stopped,
}

impl Ended {
    /// All reasons, in the order of the report.
    pub const ALL: [Ended; 13] = [
        Ended::ByPeer,
        Ended::Broken,
        Ended::Idle,
        Ended::Silent,
        Ended::SlowSender,
        Ended::SlowReader,
        Ended::QueueFull,
        Ended::Framing,
        Ended::NoPong,
        Ended::Unreachable,
        Ended::Handshake,
        Ended::Cap,
        Ended::Stopped,
    ];

    /// The label of this reason in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Ended::ByPeer => "by-peer",
            Ended::Broken => "broken",
            Ended::Idle => "idle",
            Ended::Silent => "silent",
            Ended::SlowSender => "slow-sender",
            Ended::SlowReader => "slow-reader",
            Ended::QueueFull => "queue-full",
            Ended::Framing => "framing",
            Ended::NoPong => "no-pong",
            Ended::Unreachable => "unreachable",
            Ended::Handshake => "handshake",
            Ended::Cap => "cap",
            Ended::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reason for which a connection was closed as soon as it was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Unaccepted {
    /// Peers hold the maximum number of connections.
    Cap,
    /// This peer address holds its maximum number of connections.
    PeerCap,
    /// Unknown sources, which no trunk claims, hold their maximum number of connections.
    UnknownSourceCap,
    /// The maximum number of TLS handshakes is in progress.
    HandshakeCap,
    /// Unknown sources have their maximum number of TLS handshakes in progress.
    UnknownSourceHandshakeCap,
    /// The operating system returned no connection. The likely reason is that the process has no free descriptors.
    System,
}

impl Unaccepted {
    /// All reasons, in the order of the report.
    pub const ALL: [Unaccepted; 6] = [
        Unaccepted::Cap,
        Unaccepted::PeerCap,
        Unaccepted::UnknownSourceCap,
        Unaccepted::HandshakeCap,
        Unaccepted::UnknownSourceHandshakeCap,
        Unaccepted::System,
    ];

    /// The label of this reason in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Unaccepted::Cap => "cap",
            Unaccepted::PeerCap => "peer-cap",
            Unaccepted::UnknownSourceCap => "unknown-source-cap",
            Unaccepted::HandshakeCap => "handshake-cap",
            Unaccepted::UnknownSourceHandshakeCap => "unknown-source-handshake-cap",
            Unaccepted::System => "system",
        }
    }
}

/// The counts of stream connections. All counts only grow, except `live`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamCounters {
    /// Connections that exist now. Connections that are being opened are included.
    pub live: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that we began to open.
    pub opened: u64,
    /// Messages that were passed to the switchboard.
    pub messages_received: u64,
    /// Octets of the received messages.
    pub octets_received: u64,
    /// Messages that were passed to a connection.
    pub messages_sent: u64,
    /// Octets of the sent messages.
    pub octets_sent: u64,
    /// Messages that were sent again on a new connection, because their connection closed before they were delivered.
    pub messages_moved: u64,
    ended: [u64; Ended::ALL.len()],
    unaccepted: [u64; Unaccepted::ALL.len()],
}

impl StreamCounters {
    /// Connections that ended, by reason.
    pub fn ended(&self) -> impl Iterator<Item = (Ended, u64)> {
        Ended::ALL.into_iter().zip(self.ended)
    }

    /// Connections that were closed as soon as they were accepted, by reason.
    pub fn unaccepted(&self) -> impl Iterator<Item = (Unaccepted, u64)> {
        Unaccepted::ALL.into_iter().zip(self.unaccepted)
    }

    /// Adds the counts of another worker.
    pub fn add(&mut self, other: &StreamCounters) {
        // The pattern lists all fields, so that the compiler reports a forgotten counter.
        let StreamCounters {
            live,
            accepted,
            opened,
            messages_received,
            octets_received,
            messages_sent,
            octets_sent,
            messages_moved,
            ended,
            unaccepted,
        } = other;
        self.live += live;
        self.accepted += accepted;
        self.opened += opened;
        self.messages_received += messages_received;
        self.octets_received += octets_received;
        self.messages_sent += messages_sent;
        self.octets_sent += octets_sent;
        self.messages_moved += messages_moved;
        self.ended.iter_mut().zip(ended).for_each(|(count, more)| *count += more);
        self.unaccepted.iter_mut().zip(unaccepted).for_each(|(count, more)| *count += more);
    }

    pub(crate) fn end(&mut self, why: Ended) {
        if let Some((_, count)) = Ended::ALL.into_iter().zip(&mut self.ended).find(|(each, _)| *each == why) {
            *count += 1;
        }
    }

    pub(crate) fn refuse(&mut self, why: Unaccepted) {
        let mut counts = Unaccepted::ALL.into_iter().zip(&mut self.unaccepted);
        if let Some((_, count)) = counts.find(|(each, _)| *each == why) {
            *count += 1;
        }
    }
}
