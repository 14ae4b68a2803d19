//! Which targets are in service, as all calls and MESSAGEs of a worker see it: RFC 3263 section 4.3, RFC 3261 section 21.5.4.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_sip::{Name, Response, RetryAfter};
use attesta_transaction::{Failure, Flow, Transport};

use crate::counters::Counters;
use crate::trunk::Trunk;
use crate::trunk::health::{Health, Peer, TargetStatus};

/// The health of targets.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    /// By the requests that were sent to them.
    requests: Health,
    /// By the connections that were opened to them for a request too large for a datagram.
    connections: Health,
}

impl Targets {
    /// Whether requests may be sent along `flow`.
    pub(crate) fn status(&self, now: Instant, flow: &Flow) -> TargetStatus {
        self.requests.status(now, Peer::of(flow))
    }

    /// Whether requests may be sent to this address.
    pub(crate) fn status_at(&self, now: Instant, transport: Transport, address: SocketAddr) -> TargetStatus {
        self.requests.status(now, Peer::at(transport, address))
    }

    /// How many targets are out of service.
    pub(crate) fn out_of_service(&self) -> usize {
        self.requests.len()
    }

    /// A request is sent along `flow`, and it will be known within `wait` whether the target is there.
    pub(crate) fn tried(&mut self, now: Instant, flow: &Flow, wait: Duration) {
        self.requests.tried(now, Peer::of(flow), wait);
    }

    /// A response came back along `flow`. At most `cap` targets are remembered.
    pub(crate) fn answered(&mut self, now: Instant, flow: &Flow, cap: usize) {
        if self.requests.answered(now, Peer::of(flow), cap) {
            tracing::info!(?flow, "target is back in service");
        }
    }

    /// A request that was sent along `flow` at `sent` gets no response. The target goes out of service, unless the failure
    /// is not its fault.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        (trunk, flow): (&Trunk, &Flow),
        why: Failure,
        sent: Instant,
        cap: usize,
        counters: &mut Counters,
    ) {
        let is_its_fault = match why {
            // The target may be silent to this request only.
            Failure::Timeout => !self.requests.heard_since(sent, Peer::of(flow)),
            Failure::Transport => true,
            Failure::NoRoom => false,
        };
        if is_its_fault && self.requests.failed(now, Peer::of(flow), trunk.resume, cap) {
            counters.targets_taken_out_of_service += 1;
            tracing::warn!(trunk = %trunk.name, ?flow, %why, resume = ?trunk.resume, "target out of service");
        }
    }

    /// A 503 came back along `flow`. Without Retry-After it counts as a 500 and says nothing of the next request
    /// (RFC 3261 section 21.5.4).
    pub(crate) fn unavailable(
        &mut self,
        now: Instant,
        (trunk, flow): (&Trunk, &Flow),
        response: &Response,
        cap: usize,
        counters: &mut Counters,
    ) {
        let value = response.headers().get(Name::RetryAfter);
        if let Some(Ok(retry_after)) = value.map(RetryAfter::parse) {
            let longest = trunk.resume.saturating_mul(LONGEST_RETRY_AFTER);
            let span = Duration::from_secs(retry_after.seconds().into()).min(longest);
            if !span.is_zero() {
                counters.targets_taken_out_of_service += 1;
                tracing::warn!(trunk = %trunk.name, ?flow, ?span, "target out of service by its Retry-After");
                self.requests.rests(now, Peer::of(flow), span, cap);
            }
        }
    }

    /// Whether a connection along `flow` is worth trying: the target took one before, or was not asked, and responds on it.
    pub(crate) fn takes_connections(&self, now: Instant, flow: &Flow) -> bool {
        let opens = self.connections.status(now, Peer::of(flow)) == TargetStatus::InService;
        // A target that takes connections and is silent on them counts as one that takes none.
        opens && self.requests.status(now, Peer::of(flow)) != TargetStatus::Failed
    }

    /// A connection along `flow` is being opened, and it will be known within `wait` whether it is there.
    pub(crate) fn connecting(&mut self, now: Instant, flow: &Flow, wait: Duration) {
        self.connections.tried(now, Peer::of(flow), wait);
    }

    /// The target took a connection.
    pub(crate) fn connected(&mut self, now: Instant, flow: &Flow, cap: usize) {
        self.connections.answered(now, Peer::of(flow), cap);
    }

    /// The target took no connection: it is not asked again for `span`. A firewall that drops SYNs costs one call only.
    pub(crate) fn refused_connection(&mut self, now: Instant, flow: &Flow, span: Duration, cap: usize) {
        self.connections.failed(now, Peer::of(flow), span, cap);
        tracing::info!(?flow, "target takes no connection: large requests go in datagrams");
    }
}

/// The longest Retry-After that is believed, in multiples of the trunk's `resume`. One mistaken value must not cost the
/// trunk an hour.
const LONGEST_RETRY_AFTER: u32 = 5;
