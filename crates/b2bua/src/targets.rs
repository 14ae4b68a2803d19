//! Which targets are in service, for all calls and MESSAGEs of a worker: RFC 3263 section 4.3, RFC 3261 section 21.5.4.

use std::collections::BTreeMap;
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
    /// The health of targets, according to the requests that were sent to them.
    requests: Health,
    /// Whether targets accept a connection for a request that is too large for a datagram.
    connections: Health,
    /// How many 503 with Retry-After a target has sent in a row.
    busy: BTreeMap<Peer, u8>,
}

impl Targets {
    /// Whether requests may be sent along `flow`.
    pub(crate) fn status(&self, now: Instant, flow: &Flow) -> TargetStatus {
        self.requests.status(now, Peer::of(flow))
    }

    /// True if no failure of this peer is known, or the peer's time out of service has ended.
    pub(crate) fn is_in_service(&self, now: Instant, peer: Peer) -> bool {
        self.requests.status(now, peer) == TargetStatus::InService
    }

    /// Whether requests may be sent to this address.
    pub(crate) fn status_at(&self, now: Instant, transport: Transport, address: SocketAddr) -> TargetStatus {
        self.requests.status(now, Peer::at(transport, address))
    }

    /// How many targets are out of service.
    pub(crate) fn out_of_service(&self) -> usize {
        self.requests.len()
    }

    /// Records that a request is sent along `flow`. Within `wait` we know whether the target responds.
    pub(crate) fn tried(&mut self, now: Instant, flow: &Flow, wait: Duration) {
        self.requests.tried(now, Peer::of(flow), wait);
    }

    /// Records a response that arrived along `flow`. At most `cap` targets are remembered.
    pub(crate) fn answered(&mut self, now: Instant, flow: &Flow, cap: usize) {
        if self.requests.answered(now, Peer::of(flow), cap) {
            tracing::info!(?flow, "target is back in service");
        }
    }

    /// Records that a request sent along `flow` at `sent` gets no response. Takes the target out of service if the target
    /// caused the failure.
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
            // A target that has sent other responses since then does not respond to this request only.
            Failure::Timeout => !self.requests.heard_since(sent, Peer::of(flow)),
            Failure::Transport => true,
            Failure::NoRoom => false,
        };
        if is_its_fault && self.requests.failed(now, Peer::of(flow), trunk.resume, cap) {
            counters.targets_taken_out_of_service += 1;
            tracing::warn!(trunk = %trunk.name, ?flow, %why, resume = ?trunk.resume, "target out of service");
        }
    }

    /// Ends the row of Retry-After that arrived along `flow`.
    pub(crate) fn accepts(&mut self, flow: &Flow) {
        if !self.busy.is_empty() {
            self.busy.remove(&Peer::of(flow));
        }
    }

    /// Records a 503 that arrived along `flow`. A 503 without Retry-After counts as a 500, and does not affect the next
    /// request (RFC 3261 section 21.5.4). After [`IN_A_ROW`] Retry-After in a row, the target is out of service if it
    /// `may_rest`. At most `cap` targets are remembered.
    pub(crate) fn unavailable(
        &mut self,
        now: Instant,
        (trunk, flow): (&Trunk, &Flow),
        response: &Response,
        may_rest: bool,
        cap: usize,
        counters: &mut Counters,
    ) {
        let value = response.headers().get(Name::RetryAfter);
        let Some(Ok(retry_after)) = value.map(RetryAfter::parse) else { return self.accepts(flow) };
        let longest = trunk.resume.saturating_mul(LONGEST_RETRY_AFTER);
        let span = Duration::from_secs(retry_after.seconds().into()).min(longest);
        let is_due = self.count_busy(Peer::of(flow), cap) >= IN_A_ROW;
        if !span.is_zero() && is_due && may_rest {
            self.accepts(flow);
            counters.targets_taken_out_of_service += 1;
            tracing::warn!(trunk = %trunk.name, ?flow, ?span, "target out of service by its Retry-After");
            self.requests.rests(now, Peer::of(flow), span, cap);
        }
    }

    /// Counts a Retry-After of this peer. Returns how many the peer has sent in a row. If `cap` others are counted, the
    /// count of one of them is lost.
    fn count_busy(&mut self, peer: Peer, cap: usize) -> u8 {
        if self.busy.len() >= cap && !self.busy.contains_key(&peer) {
            self.busy.pop_first();
        }
        let in_a_row = self.busy.entry(peer).or_default();
        *in_a_row = in_a_row.saturating_add(1);
        *in_a_row
    }

    /// True if a connection along `flow` is expected to work: no recent attempt to connect has failed, and the target
    /// is not silent on connections.
    pub(crate) fn takes_connections(&self, now: Instant, flow: &Flow) -> bool {
        let opens = self.connections.status(now, Peer::of(flow)) == TargetStatus::InService;
        // A target that accepts a connection and does not respond on it counts as a target that accepts no connection.
        opens && self.requests.status(now, Peer::of(flow)) != TargetStatus::Failed
    }

    /// Records that a connection along `flow` is being opened. Within `wait` we know whether the connection exists.
    pub(crate) fn connecting(&mut self, now: Instant, flow: &Flow, wait: Duration) {
        self.connections.tried(now, Peer::of(flow), wait);
    }

    /// Records that the target accepted a connection.
    pub(crate) fn connected(&mut self, now: Instant, flow: &Flow, cap: usize) {
        self.connections.answered(now, Peer::of(flow), cap);
    }

    /// Records that the target accepted no connection. No connection is tried again for `span`, so that a firewall that
    /// drops SYNs delays one call only.
    pub(crate) fn refused_connection(&mut self, now: Instant, flow: &Flow, span: Duration, cap: usize) {
        self.connections.failed(now, Peer::of(flow), span, cap);
        tracing::info!(?flow, "target takes no connection: large requests go in datagrams");
    }
}

/// How many 503 with Retry-After in a row take a target out of service. One busy moment must not.
const IN_A_ROW: u8 = 3;

/// The longest Retry-After that we accept, in multiples of the trunk's `resume`. One wrong value must not take a target of
/// the trunk out of service for an hour.
const LONGEST_RETRY_AFTER: u32 = 5;
