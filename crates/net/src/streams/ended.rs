//! Why connections are refused and why they end, and how often.

use std::fmt;

/// Why a stream connection came to its end, or to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Ended {
    /// The peer closed it.
    ByPeer,
    /// It broke: a reset, or a peer that acknowledges nothing any more.
    Broken,
    /// Too long without a message.
    Idle,
    /// The peer opened it and sent nothing.
    Silent,
    /// A message began and did not end in time.
    SlowSender,
    /// The peer took none of what waited for it in time.
    SlowReader,
    /// More waited for the peer than may.
    QueueFull,
    /// What the peer sent cannot be cut into messages, or is too large (RFC 3261 section 18.3).
    Framing,
    /// The peer answered keep-alives, and answers no more (RFC 5626 section 4.4.1).
    NoPong,
    /// It could not be opened: refused, unreachable, or not in time.
    Unreachable,
    /// Its handshake failed, or took too long.
    Handshake,
    /// We had as many open as we may.
    Cap,
    /// The edge stopped.
    Stopped,
}

impl Ended {
    /// Every reason, in the order in which they are reported.
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

    /// The word under which it is counted.
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

/// Why a connection was closed as soon as it was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Unaccepted {
    /// Peers hold as many as they may.
    Cap,
    /// This peer address holds as many as it may.
    PeerCap,
    /// Peers that no trunk claims hold as many as they may.
    StrangerCap,
    /// As many TLS handshakes are under way as may be.
    HandshakeCap,
    /// Peers at addresses that no trunk claims have as many TLS handshakes under way as they may.
    StrangerHandshakeCap,
    /// The operating system gave no connection: out of descriptors, most likely.
    System,
}

impl Unaccepted {
    /// Every reason, in the order in which they are reported.
    pub const ALL: [Unaccepted; 6] = [
        Unaccepted::Cap,
        Unaccepted::PeerCap,
        Unaccepted::StrangerCap,
        Unaccepted::HandshakeCap,
        Unaccepted::StrangerHandshakeCap,
        Unaccepted::System,
    ];

    /// The word under which it is counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Unaccepted::Cap => "cap",
            Unaccepted::PeerCap => "peer-cap",
            Unaccepted::StrangerCap => "stranger-cap",
            Unaccepted::HandshakeCap => "handshake-cap",
            Unaccepted::StrangerHandshakeCap => "stranger-handshake-cap",
            Unaccepted::System => "system",
        }
    }
}

/// What is counted of stream connections. All but `live` only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamCounters {
    /// Connections that live now, those that are being opened included.
    pub live: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that we set out to open.
    pub opened: u64,
    /// Messages that were handed to the switchboard.
    pub messages_received: u64,
    /// Octets of those.
    pub octets_received: u64,
    /// Messages that were given to a connection.
    pub messages_sent: u64,
    /// Octets of those.
    pub octets_sent: u64,
    /// Messages that were sent a second time, since their connection was closed under them.
    pub messages_moved: u64,
    ended: [u64; Ended::ALL.len()],
    unaccepted: [u64; Unaccepted::ALL.len()],
}

impl StreamCounters {
    /// Connections that came to their end, by reason.
    pub fn ended(&self) -> impl Iterator<Item = (Ended, u64)> {
        Ended::ALL.into_iter().zip(self.ended)
    }

    /// Connections that were closed as soon as they were accepted, by reason.
    pub fn unaccepted(&self) -> impl Iterator<Item = (Unaccepted, u64)> {
        Unaccepted::ALL.into_iter().zip(self.unaccepted)
    }

    /// Adds what another worker counted.
    pub fn add(&mut self, other: &StreamCounters) {
        // Taken apart, so that no counter is forgotten.
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
