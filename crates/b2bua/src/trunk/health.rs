//! Which targets are out of service, and until when: RFC 3263 section 4.3, RFC 3261 section 21.5.4.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_transaction::{Flow, Transport};

/// A transport address that requests are sent to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Peer {
    transport: Transport,
    address: SocketAddr,
}

impl Peer {
    pub(crate) const fn of(flow: &Flow) -> Self {
        Self { transport: flow.transport, address: flow.remote }
    }

    pub(crate) const fn at(transport: Transport, address: SocketAddr) -> Self {
        Self { transport, address }
    }
}

/// Whether requests may be sent to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TargetStatus {
    /// No failure is known, or the peer's time out of service has ended.
    InService,
    /// The peer could not be reached or did not respond. It is out of service.
    Failed,
    /// The peer sent a Retry-After, which ends at this time.
    AskedToWait(Instant),
}

/// The peers that are out of service, and the peers that have responded recently. A peer without an entry is in
/// service.
///
/// This type knows only failures, responses and times. It knows no calls and no trunks.
#[derive(Debug, Default)]
pub(crate) struct Health {
    out_of_service: BTreeMap<Peer, Outage>,
    ends: BTreeSet<(Instant, Peer)>,
    /// When each peer last sent a response.
    responded: BTreeMap<Peer, Instant>,
}

/// How long a peer is out of service, and whether its Retry-After is the reason.
#[derive(Clone, Copy, Debug)]
struct Outage {
    until: Instant,
    by_retry_after: bool,
}

impl Health {
    pub(crate) fn status(&self, now: Instant, peer: Peer) -> TargetStatus {
        match self.out_of_service.get(&peer) {
            Some(outage) if outage.until <= now => TargetStatus::InService,
            Some(Outage { until, by_retry_after: true }) => TargetStatus::AskedToWait(*until),
            Some(Outage { by_retry_after: false, .. }) => TargetStatus::Failed,
            None => TargetStatus::InService,
        }
    }

    /// Records that a request is sent to this peer. Within `wait` we know whether the peer responds. If the peer's time
    /// out of service has ended, this request tests the peer. Other requests avoid the peer for `wait`, so that they do
    /// not all wait for a dead peer.
    pub(crate) fn tried(&mut self, now: Instant, peer: Peer, wait: Duration) {
        if self.out_of_service.get(&peer).is_some_and(|outage| !outage.by_retry_after && outage.until <= now)
        {
            self.set(peer, Outage { until: now + wait, by_retry_after: false });
        }
    }

    /// Records a failure: the peer could not be reached or did not respond. Takes the peer out of service for `resume`.
    /// Returns true if the peer was not already listed.
    pub(crate) fn failed(&mut self, now: Instant, peer: Peer, resume: Duration, cap: usize) -> bool {
        let is_new = !self.out_of_service.contains_key(&peer);
        self.set(peer, Outage { until: now + resume, by_retry_after: false });
        self.shrink(now, cap);
        is_new
    }

    /// Records a Retry-After of the peer. Takes the peer out of service for `span`.
    pub(crate) fn rests(&mut self, now: Instant, peer: Peer, span: Duration, cap: usize) {
        self.set(peer, Outage { until: now + span, by_retry_after: true });
        self.shrink(now, cap);
    }

    /// Records a response. Returns true if this puts a failed peer back in service. A peer whose Retry-After has not
    /// ended stays out of service: it only responds to requests that it received earlier.
    pub(crate) fn answered(&mut self, now: Instant, peer: Peer, cap: usize) -> bool {
        if self.responded.len() >= cap && !self.responded.contains_key(&peer) {
            self.responded.retain(|_, at| now < *at + RECENT);
        }
        if self.responded.len() < cap || self.responded.contains_key(&peer) {
            self.responded.insert(peer, now);
        }
        let waits =
            self.out_of_service.get(&peer).is_some_and(|outage| outage.by_retry_after && now < outage.until);
        !waits && self.remove(peer)
    }

    /// True if the peer has sent any response after `then`. Such a peer is alive, although it is silent to one call.
    /// Without this check, a caller could take a target out of service with a call that the target does not understand.
    pub(crate) fn heard_since(&self, then: Instant, peer: Peer) -> bool {
        self.responded.get(&peer).is_some_and(|at| *at > then)
    }

    /// How many peers went out of service and have not responded since.
    pub(crate) fn len(&self) -> usize {
        self.out_of_service.len()
    }

    fn set(&mut self, peer: Peer, outage: Outage) {
        self.remove(peer);
        self.ends.insert((outage.until, peer));
        self.out_of_service.insert(peer, outage);
    }

    fn remove(&mut self, peer: Peer) -> bool {
        let Some(outage) = self.out_of_service.remove(&peer) else { return false };
        self.ends.remove(&(outage.until, peer));
        true
    }

    /// Removes peers that no request has tried for [`KEPT_AFTER_END`] after their time ended. Above the cap, also
    /// removes the peers whose time ends first: they are in service again.
    fn shrink(&mut self, now: Instant, cap: usize) {
        while let Some((until, first)) = self.ends.first().copied() {
            if self.out_of_service.len() <= cap && now < until + KEPT_AFTER_END {
                return;
            }
            self.remove(first);
        }
    }
}

const KEPT_AFTER_END: Duration = Duration::from_secs(3600);

/// No call waits longer than this for a response of a target.
const RECENT: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::*;

    const RESUME: Duration = Duration::from_secs(60);
    const WAIT: Duration = Duration::from_secs(4);

    fn peer(port: u16) -> Peer {
        Peer { transport: Transport::Udp, address: ([192, 0, 2, 1], port).into() }
    }

    #[expect(clippy::disallowed_methods, reason = "there is no other instant to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_failed_peer_is_out_of_service_for_its_time_then_one_call_tests_it() {
        let (mut health, start) = (Health::default(), start());
        assert!(health.failed(start, peer(1), RESUME, 8));
        assert_eq!(health.status(start, peer(1)), TargetStatus::Failed);
        assert_eq!(health.status(start, peer(2)), TargetStatus::InService);
        let later = start + RESUME;
        assert_eq!(health.status(later, peer(1)), TargetStatus::InService);
        health.tried(later, peer(1), WAIT);
        assert_eq!(
            health.status(later, peer(1)),
            TargetStatus::Failed,
            "meanwhile other calls avoid the peer"
        );
        assert_eq!(health.status(later + WAIT, peer(1)), TargetStatus::InService, "the call got no response");
        assert!(!health.failed(later, peer(1), RESUME, 8), "the peer was already listed");
        assert!(health.answered(later, peer(1), 8) && !health.answered(later, peer(1), 8));
        assert_eq!((health.status(later, peer(1)), health.len()), (TargetStatus::InService, 0));
    }

    #[test]
    fn a_peer_is_out_of_service_until_its_retry_after_ends() {
        let (mut health, start) = (Health::default(), start());
        health.rests(start, peer(1), RESUME, 8);
        let until = start + RESUME;
        assert_eq!(health.status(start, peer(1)), TargetStatus::AskedToWait(until));
        health.tried(start, peer(1), WAIT);
        assert!(!health.answered(start, peer(1), 8), "it responds to an earlier request");
        assert_eq!(health.status(start, peer(1)), TargetStatus::AskedToWait(until));
        assert_eq!(health.status(until, peer(1)), TargetStatus::InService);
        assert!(health.answered(until, peer(1), 8));
    }

    #[test]
    fn recent_responses_are_kept_up_to_the_cap() {
        let (mut health, start) = (Health::default(), start());
        for port in 0..100 {
            health.answered(start, peer(port), 10);
        }
        assert_eq!(health.responded.len(), 10);
        let later = start + RECENT;
        health.answered(later, peer(99), 10);
        assert!(health.heard_since(start, peer(99)) && !health.heard_since(later, peer(99)));
        assert_eq!(health.responded.len(), 1, "old entries are removed");
    }

    #[test]
    fn peers_out_of_service_are_kept_up_to_the_cap_and_for_a_limited_time() {
        let (mut health, start) = (Health::default(), start());
        for port in 0..100 {
            health.failed(start + Duration::from_millis(port.into()), peer(port), RESUME, 10);
        }
        assert_eq!((health.len(), health.ends.len()), (10, 10));
        assert_eq!(health.status(start, peer(99)), TargetStatus::Failed);
        assert_eq!(health.status(start, peer(0)), TargetStatus::InService);
        health.failed(start + RESUME + 2 * KEPT_AFTER_END, peer(200), RESUME, 10);
        assert_eq!((health.len(), health.ends.len()), (1, 1));
    }
}
