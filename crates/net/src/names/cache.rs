//! The valid answers of DNS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::names::record::{DnsQuestion, LookupError, Records};

/// An answer in the form that all requesters get.
pub(crate) type Answer = Result<Arc<Records>, LookupError>;

/// Answers by question, each until it expires. If the cache is full, the answer that expires first is removed.
#[derive(Debug)]
pub(super) struct Cache {
    cap: usize,
    answers: BTreeMap<DnsQuestion, CacheEntry>,
    ends: BTreeSet<(Instant, DnsQuestion)>,
}

#[derive(Debug)]
struct CacheEntry {
    until: Instant,
    /// The time at which the answer expires by the TTL of its zone.
    ended: Instant,
    answer: Answer,
}

impl Cache {
    pub(super) fn new(cap: usize) -> Cache {
        Cache { cap, answers: BTreeMap::new(), ends: BTreeSet::new() }
    }

    /// Returns the answer if it is valid now.
    pub(super) fn get(&self, now: Instant, question: &DnsQuestion) -> Option<Answer> {
        let entry = self.answers.get(question)?;
        (entry.until > now).then(|| entry.answer.clone())
    }

    /// Returns records that expired recently. They are used when no newer answer is available.
    pub(super) fn stale(&self, now: Instant, question: &DnsQuestion) -> Option<Answer> {
        let entry = self.answers.get(question).filter(|entry| now < entry.ended + STALE_FOR)?;
        entry.answer.is_ok().then(|| entry.answer.clone())
    }

    /// Extends the life of records that expired recently, because no newer answer is available. Returns `None` if there are no
    /// such records.
    pub(super) fn extend(&mut self, now: Instant, question: &DnsQuestion) -> Option<Answer> {
        let answer = self.stale(now, question)?;
        let entry = self.answers.get_mut(question)?;
        self.ends.remove(&(entry.until, question.clone()));
        entry.until = now + FAILURE_TTL;
        self.ends.insert((entry.until, question.clone()));
        Some(answer)
    }

    /// Stores an answer with the TTL `ttl` of its zone. [`lifetime`] determines how long the answer is kept.
    pub(super) fn put(&mut self, now: Instant, question: &DnsQuestion, answer: Answer, ttl: Duration) {
        let until = now + lifetime(&answer, ttl);
        self.remove(question);
        self.ends.insert((until, question.clone()));
        self.answers.insert(question.clone(), CacheEntry { until, ended: until, answer });
        while self.answers.len() > self.cap {
            let Some((_, oldest)) = self.ends.first().cloned() else { break };
            self.remove(&oldest);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    fn remove(&mut self, question: &DnsQuestion) {
        if let Some(entry) = self.answers.remove(question) {
            self.ends.remove(&(entry.until, question.clone()));
        }
    }
}

/// Returns the time for which an answer is kept: its TTL, within limits. With a TTL of 0, each call would ask again. A TTL of
/// years would delay every change. A failure is kept for a short time (RFC 2308 section 7), so that calls do not wait one after
/// another for the same dead server.
fn lifetime(answer: &Answer, ttl: Duration) -> Duration {
    match answer {
        Ok(_) => ttl.clamp(MIN_TTL, MAX_TTL),
        Err(LookupError::NotFound) => ttl.clamp(MIN_TTL, MAX_NEGATIVE_TTL),
        Err(LookupError::Failed | LookupError::Timeout | LookupError::Busy) => FAILURE_TTL,
    }
}

const MIN_TTL: Duration = Duration::from_secs(1);
const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// RFC 2308 section 5 suggests one to three hours. This shorter limit makes a corrected name work sooner.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(5 * 60);
const FAILURE_TTL: Duration = Duration::from_secs(2);
/// The time for which expired records may be used if DNS fails. An outage of DNS must not become an outage of calls.
const STALE_FOR: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::record::Kind;

    fn question(name: &str) -> DnsQuestion {
        DnsQuestion::new(Kind::Addresses, name)
    }

    fn found() -> Answer {
        Ok(Arc::new(Records::Addresses(vec![[192, 0, 2, 1].into()])))
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[expect(clippy::disallowed_methods, reason = "there is no other instant to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn holds_for(answer: Answer, ttl: u64) -> Duration {
        let (mut cache, start, name) = (Cache::new(8), start(), question("a.example"));
        cache.put(start, &name, answer, seconds(ttl));
        let lasts = |after: &u64| cache.get(start + seconds(*after), &name).is_some();
        seconds((0..100_000).take_while(lasts).last().unwrap() + 1)
    }

    #[test]
    fn an_answer_holds_as_long_as_its_zone_says_within_bounds() {
        assert_eq!(holds_for(found(), 60), seconds(60));
        assert_eq!(holds_for(found(), 0), MIN_TTL);
        assert_eq!(holds_for(found(), 10_000_000), MAX_TTL);
        assert_eq!(holds_for(Err(LookupError::NotFound), 60), seconds(60));
        assert_eq!(holds_for(Err(LookupError::NotFound), 86_400), MAX_NEGATIVE_TTL);
        assert_eq!(holds_for(Err(LookupError::Failed), 60), FAILURE_TTL);
    }

    #[test]
    fn a_full_cache_removes_the_answer_that_expires_first() {
        let (mut cache, start) = (Cache::new(2), start());
        for (name, ttl) in [("a.example", 30), ("b.example", 10), ("c.example", 20)] {
            cache.put(start, &question(name), found(), seconds(ttl));
        }
        let entry =
            ["a.example", "b.example", "c.example"].map(|name| cache.get(start, &question(name)).is_some());
        assert_eq!(entry, [true, false, true]);
        assert_eq!((cache.len(), cache.ends.len()), (2, 2));
    }

    #[test]
    fn expired_records_serve_while_dns_fails() {
        let (mut cache, start, name) = (Cache::new(2), start(), question("a.example"));
        cache.put(start, &name, found(), seconds(30));
        let later = start + seconds(31);
        assert_eq!((cache.get(later, &name), cache.stale(later, &name)), (None, Some(found())));
        assert_eq!(cache.extend(later, &name), Some(found()));
        assert_eq!(cache.get(later + seconds(1), &name), Some(found()));
        assert_eq!(cache.get(later + FAILURE_TTL, &name), None);
        assert_eq!(
            cache.stale(start + seconds(30) + STALE_FOR, &name),
            None,
            "however often it was extended"
        );
        cache.put(later, &name, Err(LookupError::NotFound), seconds(30));
        assert_eq!(cache.stale(later, &name), None, "the zone says that it is gone");
        assert_eq!((cache.len(), cache.ends.len()), (1, 1));
    }

    #[test]
    fn a_new_answer_replaces_the_old_one() {
        let (mut cache, start) = (Cache::new(2), start());
        cache.put(start, &question("a.example"), found(), seconds(30));
        cache.put(start, &question("A.example"), Err(LookupError::NotFound), seconds(60));
        assert_eq!(cache.get(start, &question("a.example")), Some(Err(LookupError::NotFound)));
        assert_eq!((cache.len(), cache.ends.len()), (1, 1));
    }
}
