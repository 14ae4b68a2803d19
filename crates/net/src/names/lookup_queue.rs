//! The running lookups, the waiting lookups and the known answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::names::cache::{Answer, Cache};
use crate::names::record::{DnsQuestion, LookupError, Reply};

/// The limits of a [`Directory`](crate::Directory).
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most lookups that run at the same time.
    pub(super) running: usize,
    /// The most names that wait for a lookup.
    pub(super) waiting: usize,
    /// The most requesters that wait for the same name.
    pub(super) requesters: usize,
    /// The most answers in the cache.
    pub(super) kept: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { running: 32, waiting: 1024, requesters: 4096, kept: 4096 }
    }
}

/// The counts of a directory since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameCounters {
    /// Lookups at name servers, by the label of their result.
    results: BTreeMap<&'static str, u64>,
    /// Questions that were answered from the cache.
    pub known: u64,
    /// Questions that joined a running or waiting lookup.
    pub joined: u64,
    /// Questions that were answered with expired records, because no newer answer was available.
    pub stale: u64,
    /// Records that were ignored, because their answer had more records than [`Directory`](crate::Directory) uses.
    pub surplus_records: u64,
    /// SRV records that were ignored, because they have port 0.
    pub portless_records: u64,
    /// The number of answers in the cache.
    pub kept: u64,
}

impl NameCounters {
    /// Lookups by result: `ok`, and the labels of [`LookupError`].
    pub fn results(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |word| (word, self.results.get(word).copied().unwrap_or_default());
        RESULTS.into_iter().map(count)
    }

    /// Returns the sum of both counts.
    #[must_use]
    pub fn plus(mut self, other: &NameCounters) -> NameCounters {
        for (word, count) in &other.results {
            *self.results.entry(word).or_default() += count;
        }
        self.known += other.known;
        self.joined += other.joined;
        self.stale += other.stale;
        self.surplus_records += other.surplus_records;
        self.portless_records += other.portless_records;
        self.kept += other.kept;
        self
    }

    /// Adds `questions` as refused. These questions never reached the queue.
    pub(super) fn turned_away(mut self, questions: u64) -> NameCounters {
        *self.results.entry(LookupError::Busy.as_str()).or_default() += questions;
        self
    }

    fn count(&mut self, result: &'static str) {
        *self.results.entry(result).or_default() += 1;
    }
}

/// The channel to the requester of a question.
pub(super) type Requester = oneshot::Sender<Answer>;

/// The state of a directory: the known answers, and the requesters of each running or waiting lookup.
#[derive(Debug)]
pub(super) struct LookupQueue {
    limits: Limits,
    cache: Cache,
    running: usize,
    waiting: VecDeque<DnsQuestion>,
    requesters: BTreeMap<DnsQuestion, Vec<Requester>>,
    counters: NameCounters,
}

impl LookupQueue {
    pub(super) fn new(limits: Limits) -> LookupQueue {
        LookupQueue {
            limits,
            cache: Cache::new(limits.kept),
            running: 0,
            waiting: VecDeque::new(),
            requesters: BTreeMap::new(),
            counters: NameCounters::default(),
        }
    }

    /// Answers from the cache at once, or lets `requester` wait for a lookup.
    pub(super) fn ask(&mut self, now: Instant, question: DnsQuestion, requester: Requester) {
        if let Some(answer) = self.cache.get(now, &question) {
            self.counters.known += 1;
            // An error means that the requester no longer exists and needs no answer, here and below.
            let _ = requester.send(answer);
            return;
        }
        if self.running >= self.limits.running
            && let Some(answer) = self.cache.stale(now, &question)
        {
            // A caller may choose the names of other lookups. Such lookups must not delay a known target.
            self.counters.stale += 1;
            let _ = requester.send(answer);
            return;
        }
        if let Some(requesters) = self.requesters.get_mut(&question) {
            if requesters.len() < self.limits.requesters {
                self.counters.joined += 1;
                return requesters.push(requester);
            }
        } else if self.waiting.len() < self.limits.waiting {
            self.waiting.push_back(question.clone());
            self.requesters.insert(question, vec![requester]);
            return;
        }
        self.counters.count(LookupError::Busy.as_str());
        let _ = requester.send(Err(LookupError::Busy));
    }

    /// Returns the next lookup that may start, and counts it as running. Removes lookups without requesters.
    pub(super) fn start(&mut self) -> Option<DnsQuestion> {
        while self.running < self.limits.running {
            let question = self.waiting.pop_front()?;
            if self
                .requesters
                .get(&question)
                .is_some_and(|requesters| requesters.iter().any(|requester| !requester.is_closed()))
            {
                self.running += 1;
                return Some(question);
            }
            self.requesters.remove(&question);
        }
        None
    }

    /// Ends a lookup and answers all its requesters.
    pub(super) fn finish(&mut self, now: Instant, question: &DnsQuestion, reply: Reply) {
        self.running = self.running.saturating_sub(1);
        self.counters.count(reply.records.as_ref().map_or_else(|error| error.as_str(), |_| OK));
        self.counters.surplus_records += reply.surplus as u64;
        self.counters.portless_records += reply.portless as u64;
        let requesters = self.requesters.remove(question).unwrap_or_default();
        let failed = matches!(reply.records, Err(LookupError::Failed | LookupError::Timeout));
        let answer = match self.extended(now, question, failed) {
            Some(answer) => {
                self.counters.stale += requesters.len() as u64;
                answer
            }
            None => {
                let answer = reply.records.map(Arc::new);
                self.cache.put(now, question, answer.clone(), reply.ttl);
                answer
            }
        };
        for requester in requesters {
            let _ = requester.send(answer.clone());
        }
    }

    fn extended(&mut self, now: Instant, question: &DnsQuestion, failed: bool) -> Option<Answer> {
        if failed { self.cache.extend(now, question) } else { None }
    }

    pub(super) fn counters(&self) -> NameCounters {
        NameCounters { kept: self.cache.len() as u64, ..self.counters.clone() }
    }
}

const OK: &str = "ok";
const RESULTS: [&str; 5] = [OK, "not-found", "failed", "timeout", "busy"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::names::record::{Kind, Records};

    fn question(name: &str) -> DnsQuestion {
        DnsQuestion::new(Kind::Addresses, name)
    }

    fn reply() -> Reply {
        let records = Ok(Records::Addresses(vec![[192, 0, 2, 1].into()]));
        Reply { records, ttl: Duration::from_secs(10), surplus: 0, portless: 0 }
    }

    struct Fixture {
        queue: LookupQueue,
        now: Instant,
    }

    impl Fixture {
        #[expect(clippy::disallowed_methods, reason = "there is no other instant to start from")]
        fn new(limits: Limits) -> Fixture {
            Fixture { queue: LookupQueue::new(limits), now: Instant::now() }
        }

        fn ask(&mut self, name: &str) -> oneshot::Receiver<Answer> {
            let (requester, answer) = oneshot::channel();
            self.queue.ask(self.now, question(name), requester);
            answer
        }
    }

    #[test]
    fn one_lookup_answers_all_askers_until_it_expires() {
        let mut fixture = Fixture::new(Limits::default());
        let (mut one, mut other) = (fixture.ask("a.example"), fixture.ask("A.EXAMPLE"));
        assert_eq!(fixture.queue.start(), Some(question("a.example")));
        assert_eq!(fixture.queue.start(), None);
        fixture.queue.finish(fixture.now, &question("a.example"), reply());
        assert!(one.try_recv().unwrap().is_ok() && other.try_recv().unwrap().is_ok());
        assert!(fixture.ask("a.example").try_recv().unwrap().is_ok(), "from the cache");
        fixture.now += Duration::from_secs(10);
        assert!(fixture.ask("a.example").try_recv().is_err(), "waits for a new lookup");
        let counters = fixture.queue.counters();
        assert_eq!((counters.joined, counters.known, counters.kept), (1, 1, 1));
        assert_eq!(counters.results().find(|(word, _)| *word == "ok"), Some(("ok", 1)));
    }

    #[test]
    fn running_and_waiting_lookups_are_limited() {
        let mut fixture = Fixture::new(Limits { running: 2, waiting: 3, requesters: 2, kept: 8 });
        let mut running: Vec<_> = ["a", "b"].map(|name| fixture.ask(name)).into();
        assert!(fixture.queue.start().is_some() && fixture.queue.start().is_some());
        running.extend(["c", "d", "e"].map(|name| fixture.ask(name)));
        assert_eq!(fixture.ask("f").try_recv(), Ok(Err(LookupError::Busy)), "no room to wait");
        let _joins = fixture.ask("a");
        assert_eq!(
            fixture.ask("a").try_recv(),
            Ok(Err(LookupError::Busy)),
            "too many requesters for one name"
        );
        assert_eq!(fixture.queue.start(), None);
        fixture.queue.finish(fixture.now, &question("b"), reply());
        assert_eq!(fixture.queue.start(), Some(question("c")));
        assert_eq!(fixture.queue.counters().results().find(|(word, _)| *word == "busy"), Some(("busy", 2)));
    }

    #[test]
    fn a_known_target_does_not_wait_for_dead_servers() {
        let mut fixture = Fixture::new(Limits { running: 1, ..Limits::default() });
        let mut first = fixture.ask("a.example");
        assert!(fixture.queue.start().is_some());
        fixture.queue.finish(fixture.now, &question("a.example"), reply());
        assert!(first.try_recv().unwrap().is_ok());
        fixture.now += Duration::from_secs(10);
        let mut second = fixture.ask("a.example");
        assert!(fixture.queue.start().is_some(), "the records have expired");
        let dead = Reply { records: Err(LookupError::Timeout), ttl: Duration::ZERO, ..reply() };
        fixture.queue.finish(fixture.now, &question("a.example"), dead);
        assert!(second.try_recv().unwrap().is_ok(), "the expired records");
        fixture.now += Duration::from_secs(10);
        let _slow = fixture.ask("slow.example");
        assert!(fixture.queue.start().is_some());
        assert!(fixture.ask("a.example").try_recv().unwrap().is_ok(), "a known name does not wait");
        assert!(fixture.ask("b.example").try_recv().is_err(), "an unknown name waits");
        assert_eq!(fixture.queue.counters().stale, 2);
    }

    #[test]
    fn names_without_askers_are_not_looked_up() {
        let mut fixture = Fixture::new(Limits::default());
        drop(fixture.ask("a.example"));
        let _patient = fixture.ask("b.example");
        assert_eq!(fixture.queue.start(), Some(question("b.example")));
        assert_eq!(fixture.queue.start(), None);
        assert_eq!(fixture.queue.requesters.len(), 1);
    }
}
