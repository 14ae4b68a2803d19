//! Which targets are set aside, and until when: RFC 3263 section 4.3, RFC 3261 section 21.5.4.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_transaction::{Flow, Transport};

/// A place that calls are sent to, however its name was found.
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

/// What is known of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TargetStatus {
    /// Nothing bad, or its time aside is over.
    InService,
    /// It could not be reached, or was silent: set aside.
    Failed,
    /// It asked to be left alone until then, by a Retry-After.
    AskedToWait(Instant),
}

/// The peers that are set aside, and those that have answered of late. A peer of which nothing is known is well.
///
/// It knows of outcomes and answers for standings, and nothing of calls or trunks.
#[derive(Debug, Default)]
pub(crate) struct Health {
    aside: BTreeMap<Peer, Aside>,
    ends: BTreeSet<(Instant, Peer)>,
    /// When each peer was last heard.
    heard: BTreeMap<Peer, Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Aside {
    until: Instant,
    rests: bool,
}

impl Health {
    pub(crate) fn status(&self, now: Instant, peer: Peer) -> TargetStatus {
        match self.aside.get(&peer) {
            Some(aside) if aside.until <= now => TargetStatus::InService,
            Some(Aside { until, rests: true }) => TargetStatus::AskedToWait(*until),
            Some(Aside { rests: false, .. }) => TargetStatus::Failed,
            None => TargetStatus::InService,
        }
    }

    /// A call goes to this peer, and will know within `wait` whether it is there. Where its time aside is over, this call is
    /// the one that finds out: others pass it by for as long, and do not all wait for one that is still dead.
    pub(crate) fn tried(&mut self, now: Instant, peer: Peer, wait: Duration) {
        if self.aside.get(&peer).is_some_and(|aside| !aside.rests && aside.until <= now) {
            self.set(peer, Aside { until: now + wait, rests: false });
        }
    }

    /// It could not be reached, or was silent: it is set aside for `resume`. Gives whether that is news.
    pub(crate) fn failed(&mut self, now: Instant, peer: Peer, resume: Duration, cap: usize) -> bool {
        let news = !self.aside.contains_key(&peer);
        self.set(peer, Aside { until: now + resume, rests: false });
        self.shrink(now, cap);
        news
    }

    /// It asked to be left alone for so long.
    pub(crate) fn rests(&mut self, now: Instant, peer: Peer, span: Duration, cap: usize) {
        self.set(peer, Aside { until: now + span, rests: true });
        self.shrink(now, cap);
    }

    /// It answered. Gives whether it was aside, and is no more. One that asked to be left alone still wants that, though it
    /// answers what it had taken before.
    pub(crate) fn answered(&mut self, now: Instant, peer: Peer, cap: usize) -> bool {
        if self.heard.len() >= cap && !self.heard.contains_key(&peer) {
            self.heard.retain(|_, at| now < *at + OF_LATE);
        }
        if self.heard.len() < cap || self.heard.contains_key(&peer) {
            self.heard.insert(peer, now);
        }
        let rests = self.aside.get(&peer).is_some_and(|aside| aside.rests && now < aside.until);
        !rests && self.forget(peer)
    }

    /// Whether it has answered anything since then: that it is silent to one call does not mean that it is gone. A caller
    /// could else have a target set aside by a call that it does not understand.
    pub(crate) fn heard_since(&self, then: Instant, peer: Peer) -> bool {
        self.heard.get(&peer).is_some_and(|at| *at > then)
    }

    /// How many peers have been set aside and have not answered since.
    pub(crate) fn len(&self) -> usize {
        self.aside.len()
    }

    fn set(&mut self, peer: Peer, aside: Aside) {
        self.forget(peer);
        self.ends.insert((aside.until, peer));
        self.aside.insert(peer, aside);
    }

    fn forget(&mut self, peer: Peer) -> bool {
        let Some(aside) = self.aside.remove(&peer) else { return false };
        self.ends.remove(&(aside.until, peer));
        true
    }

    /// Forgets peers that nobody has tried for long after their time was over, and keeps to the cap: the peers whose time
    /// ends first are well again.
    fn shrink(&mut self, now: Instant, cap: usize) {
        while let Some((until, first)) = self.ends.first().copied() {
            if self.aside.len() <= cap && now < until + FORGOTTEN {
                return;
            }
            self.forget(first);
        }
    }
}

const FORGOTTEN: Duration = Duration::from_secs(3600);

/// No call waits longer than this to hear from a target.
const OF_LATE: Duration = Duration::from_secs(32);

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
    fn a_peer_that_fails_is_aside_for_its_time_and_one_call_finds_out_whether_it_is_back() {
        let (mut health, start) = (Health::default(), start());
        assert!(health.failed(start, peer(1), RESUME, 8));
        assert_eq!(health.status(start, peer(1)), TargetStatus::Failed);
        assert_eq!(health.status(start, peer(2)), TargetStatus::InService);
        let later = start + RESUME;
        assert_eq!(health.status(later, peer(1)), TargetStatus::InService);
        health.tried(later, peer(1), WAIT);
        assert_eq!(health.status(later, peer(1)), TargetStatus::Failed, "others pass it by meanwhile");
        assert_eq!(health.status(later + WAIT, peer(1)), TargetStatus::InService, "the call came to nothing");
        assert!(!health.failed(later, peer(1), RESUME, 8), "no news");
        assert!(health.answered(later, peer(1), 8) && !health.answered(later, peer(1), 8));
        assert_eq!((health.status(later, peer(1)), health.len()), (TargetStatus::InService, 0));
    }

    #[test]
    fn a_peer_that_asks_for_rest_gets_it() {
        let (mut health, start) = (Health::default(), start());
        health.rests(start, peer(1), RESUME, 8);
        let until = start + RESUME;
        assert_eq!(health.status(start, peer(1)), TargetStatus::AskedToWait(until));
        health.tried(start, peer(1), WAIT);
        assert!(!health.answered(start, peer(1), 8), "what it had taken before, it answers");
        assert_eq!(health.status(start, peer(1)), TargetStatus::AskedToWait(until));
        assert_eq!(health.status(until, peer(1)), TargetStatus::InService);
        assert!(health.answered(until, peer(1), 8));
    }

    #[test]
    fn what_was_heard_of_late_is_remembered_of_so_many() {
        let (mut health, start) = (Health::default(), start());
        for port in 0..100 {
            health.answered(start, peer(port), 10);
        }
        assert_eq!(health.heard.len(), 10);
        let later = start + OF_LATE;
        health.answered(later, peer(99), 10);
        assert!(health.heard_since(start, peer(99)) && !health.heard_since(later, peer(99)));
        assert_eq!(health.heard.len(), 1, "what is too long ago made room");
    }

    #[test]
    fn so_many_are_remembered_and_no_longer_than_of_use() {
        let (mut health, start) = (Health::default(), start());
        for port in 0..100 {
            health.failed(start + Duration::from_millis(port.into()), peer(port), RESUME, 10);
        }
        assert_eq!((health.len(), health.ends.len()), (10, 10));
        assert_eq!(health.status(start, peer(99)), TargetStatus::Failed);
        assert_eq!(health.status(start, peer(0)), TargetStatus::InService);
        health.failed(start + RESUME + 2 * FORGOTTEN, peer(200), RESUME, 10);
        assert_eq!((health.len(), health.ends.len()), (1, 1));
    }
}
