//! The limits of stream connections.

use std::time::Duration;

/// The limits of stream connections. A connection that exceeds a limit is closed or refused, and counted by its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    pub(crate) accepted: usize,
    pub(crate) per_peer: usize,
    pub(crate) handshakes: usize,
    pub(crate) opened: usize,
    pub(crate) connect: Duration,
    pub(crate) handshake: Duration,
    pub(crate) first_message: Duration,
    pub(crate) message: Duration,
    pub(crate) idle: Duration,
    pub(crate) stalled: Duration,
    pub(crate) queue: usize,
    pub(crate) queued_octets: usize,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) reading: attesta_sip::Limits,
}

impl Default for StreamLimits {
    fn default() -> StreamLimits {
        StreamLimits {
            accepted: 8_192,
            per_peer: 1_024,
            handshakes: 1_024,
            opened: 2_048,
            connect: Duration::from_secs(3),
            handshake: Duration::from_secs(5),
            first_message: Duration::from_secs(30),
            message: Duration::from_secs(10),
            idle: Duration::from_secs(15 * 60),
            stalled: Duration::from_secs(10),
            queue: 4_096,
            queued_octets: 1 << 20,
            keep_alive: Some(Duration::from_secs(100)),
            reading: attesta_sip::Limits::default(),
        }
    }
}

impl StreamLimits {
    /// The most connections that peers may hold open at the same time. A further connection is closed as soon as it is
    /// accepted. Default: 8,192.
    ///
    /// Unknown sources, which no trunk claims, may hold half of the connections, so that they cannot block the trunks.
    /// Connections that we open are counted separately, so that a flood of incoming connections cannot block outgoing calls.
    #[must_use]
    pub fn accepted(mut self, connections: usize) -> StreamLimits {
        self.accepted = connections;
        self
    }

    /// The most connections that one peer may hold open at the same time. A peer is one IPv4 address or one IPv6 network of 64
    /// bits. Default: 1,024, because a peer may open one connection for each call.
    #[must_use]
    pub fn per_peer(mut self, connections: usize) -> StreamLimits {
        self.per_peer = connections;
        self
    }

    /// The most TLS handshakes of peers at the same time. A further connection is closed as soon as it is accepted. Default:
    /// 1,024. Unknown sources, which no trunk claims, may have half of the handshakes.
    #[must_use]
    pub fn handshakes(mut self, handshakes: usize) -> StreamLimits {
        self.handshakes = handshakes;
        self
    }

    /// The most connections that we may hold open at the same time. A message that needs a further connection fails. Default:
    /// 2,048.
    #[must_use]
    pub fn opened(mut self, connections: usize) -> StreamLimits {
        self.opened = connections;
        self
    }

    /// The longest time to open a connection. Default: 3 s. This is less than the time that a trunk waits for a response.
    #[must_use]
    pub fn connect(mut self, time: Duration) -> StreamLimits {
        self.connect = time;
        self
    }

    /// The longest time for a handshake above TCP. Default: 5 s.
    #[must_use]
    pub fn handshake(mut self, time: Duration) -> StreamLimits {
        self.handshake = time;
        self
    }

    /// The longest time until a peer that opened a connection sends its first message. Default: 30 s.
    #[must_use]
    pub fn first_message(mut self, time: Duration) -> StreamLimits {
        self.first_message = time;
        self
    }

    /// The longest time from the first octet of a message to its last. Default: 10 s.
    #[must_use]
    pub fn message(mut self, time: Duration) -> StreamLimits {
        self.message = time;
        self
    }

    /// The longest time that a connection stays open without a message. A keep-alive from the peer counts as a message. Our
    /// keep-alives do not count. Default: 15 min.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> StreamLimits {
        self.idle = time;
        self
    }

    /// The longest time for which a peer may leave waiting octets unread. Default: 10 s.
    #[must_use]
    pub fn stalled(mut self, time: Duration) -> StreamLimits {
        self.stalled = time;
        self
    }

    /// The most messages that may wait for a peer. A further message closes the connection. Default: 4,096. Calls arrive in
    /// bursts: all calls that waited for the same certificate, or for a target that failed, continue at the same time.
    #[must_use]
    pub fn queue(mut self, messages: usize) -> StreamLimits {
        self.queue = messages.max(1);
        self
    }

    /// The most octets of the messages that may wait for a peer. Further octets close the connection. Default: 1 MiB. On a
    /// connection that we opened, the limit is eight times as high, because the operator chooses these peers, and calls arrive
    /// in bursts.
    #[must_use]
    pub fn queued_octets(mut self, octets: usize) -> StreamLimits {
        self.queued_octets = octets;
        self
    }

    /// The interval of our keep-alives on connections that we opened (RFC 5626 section 4.4.1). `None` means no keep-alives. A
    /// peer counts as dead if it has answered a keep-alive and leaves a later keep-alive unanswered for 10 s. Default: 100 s.
    #[must_use]
    pub fn keep_alive(mut self, interval: Option<Duration>) -> StreamLimits {
        self.keep_alive = interval;
        self
    }

    /// The largest messages that are read.
    #[must_use]
    pub fn reading(mut self, limits: attesta_sip::Limits) -> StreamLimits {
        self.reading = limits;
        self
    }

    /// Returns the part of `all` that unknown sources may use.
    pub(crate) fn for_unknown_sources(all: usize) -> usize {
        all / UNKNOWN_DIVISOR
    }

    /// Returns the number of octets that may wait for a peer.
    pub(crate) fn room(&self, outbound: bool) -> usize {
        if outbound { self.queued_octets.saturating_mul(OUTBOUND_FACTOR) } else { self.queued_octets }
    }
}

/// The factor by which the limit is higher on a connection that we opened.
const OUTBOUND_FACTOR: usize = 8;

/// The divisor for unknown sources: they may use half of the connections and of the handshakes.
const UNKNOWN_DIVISOR: usize = 2;
