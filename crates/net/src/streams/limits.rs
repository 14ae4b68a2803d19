//! What stream connections may cost.

use std::time::Duration;

/// The limits of stream connections. Each that is met closes a connection or refuses one, and is counted by its reason.
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
    /// Connections that peers may hold open at a time; one more is closed as soon as it is accepted. Default: 8,192.
    ///
    /// Peers that no trunk claims may hold half of them, so that a crowd of strangers takes no trunk its way in.
    /// Those that we open count apart, so that a flood of connections takes no call its way out.
    #[must_use]
    pub fn accepted(mut self, connections: usize) -> StreamLimits {
        self.accepted = connections;
        self
    }

    /// Connections that one peer address, over IPv6 one network of 64 bits, may hold open at a time. Default: 1,024, since a
    /// peer may open one for each call.
    #[must_use]
    pub fn per_peer(mut self, connections: usize) -> StreamLimits {
        self.per_peer = connections;
        self
    }

    /// TLS handshakes that peers may have under way at a time; a connection that would begin one more is closed as soon as it
    /// is accepted. Default: 1,024. Peers at addresses that no trunk claims may have half of them.
    #[must_use]
    pub fn handshakes(mut self, handshakes: usize) -> StreamLimits {
        self.handshakes = handshakes;
        self
    }

    /// Connections that we hold open at a time; beyond, what needs one more fails. Default: 2,048.
    #[must_use]
    pub fn opened(mut self, connections: usize) -> StreamLimits {
        self.opened = connections;
        self
    }

    /// The longest that opening a connection takes. Default: 3 s, less than a trunk waits for a response.
    #[must_use]
    pub fn connect(mut self, time: Duration) -> StreamLimits {
        self.connect = time;
        self
    }

    /// The longest that a handshake above TCP takes. Default: 5 s.
    #[must_use]
    pub fn handshake(mut self, time: Duration) -> StreamLimits {
        self.handshake = time;
        self
    }

    /// The longest that a peer which has opened a connection keeps its first message to itself. Default: 30 s.
    #[must_use]
    pub fn first_message(mut self, time: Duration) -> StreamLimits {
        self.first_message = time;
        self
    }

    /// The longest that a message takes from its first octet to its last. Default: 10 s.
    #[must_use]
    pub fn message(mut self, time: Duration) -> StreamLimits {
        self.message = time;
        self
    }

    /// The longest that a connection stays open without a message; a keep-alive of the peer's counts as one, outbound do not.
    /// Default: 15 min.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> StreamLimits {
        self.idle = time;
        self
    }

    /// The longest that a peer takes none of the octets that wait for it. Default: 10 s.
    #[must_use]
    pub fn stalled(mut self, time: Duration) -> StreamLimits {
        self.stalled = time;
        self
    }

    /// Messages that may wait for a peer to read them; one more closes the connection. Default: 4,096, since calls
    /// come in bursts: those that waited for one certificate, or for a target that failed, go on all at once.
    #[must_use]
    pub fn queue(mut self, messages: usize) -> StreamLimits {
        self.queue = messages.max(1);
        self
    }

    /// Octets of the messages that may wait for a peer; more close the connection. Default: 1 MiB. On a connection that we
    /// opened it is eight times as much: where calls go is the operator's to say, and they come in bursts.
    #[must_use]
    pub fn queued_octets(mut self, octets: usize) -> StreamLimits {
        self.queued_octets = octets;
        self
    }

    /// How often a keep-alive is sent on connections that we opened (RFC 5626 section 4.4.1); `None`: never. A peer that has
    /// answered one and then leaves one without answer for 10 s is taken for dead. Default: 100 s.
    #[must_use]
    pub fn keep_alive(mut self, interval: Option<Duration>) -> StreamLimits {
        self.keep_alive = interval;
        self
    }

    /// How large the messages may be that are read.
    #[must_use]
    pub fn reading(mut self, limits: attesta_sip::Limits) -> StreamLimits {
        self.reading = limits;
        self
    }

    /// Of so many, those that strangers may take.
    pub(crate) fn for_unknown_sources(all: usize) -> usize {
        all / UNKNOWN_DIVISOR
    }

    /// Octets that may wait for a peer to read them.
    pub(crate) fn room(&self, outbound: bool) -> usize {
        if outbound { self.queued_octets.saturating_mul(OUTBOUND_FACTOR) } else { self.queued_octets }
    }
}

/// How many times as much may wait on a connection that we opened.
const OUTBOUND_FACTOR: usize = 8;

/// Of how many connections, or handshakes, one may be a stranger's.
const UNKNOWN_DIVISOR: usize = 2;
