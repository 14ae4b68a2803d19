//! Answers that still hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{LookupError, Records, Wanted};

/// An answer as it is handed to all who ask.
pub(crate) type Answer = Result<Arc<Records>, LookupError>;

/// Answers by what was asked, each until its time is over. At the cap the one that ends soonest makes room.
#[derive(Debug)]
pub(super) struct Cache {
    cap: usize,
    answers: BTreeMap<Wanted, Kept>,
    ends: BTreeSet<(Instant, Wanted)>,
}

#[derive(Debug)]
struct Kept {
    until: Instant,
    /// When its zone had it end.
    ended: Instant,
    answer: Answer,
}

impl Cache {
    pub(super) fn new(cap: usize) -> Cache {
        Cache { cap, answers: BTreeMap::new(), ends: BTreeSet::new() }
    }

    /// The answer that holds now.
    pub(super) fn get(&self, now: Instant, wanted: &Wanted) -> Option<Answer> {
        let kept = self.answers.get(wanted)?;
        (kept.until > now).then(|| kept.answer.clone())
    }

    /// The records that held until not long ago, for when nothing newer is to be had.
    pub(super) fn stale(&self, now: Instant, wanted: &Wanted) -> Option<Answer> {
        let kept = self.answers.get(wanted).filter(|kept| now < kept.ended + STALE)?;
        kept.answer.is_ok().then(|| kept.answer.clone())
    }

    /// Nothing newer was to be had: the records that held until not long ago hold a little longer. `None`: there are none.
    pub(super) fn prolong(&mut self, now: Instant, wanted: &Wanted) -> Option<Answer> {
        let answer = self.stale(now, wanted)?;
        let kept = self.answers.get_mut(wanted)?;
        self.ends.remove(&(kept.until, wanted.clone()));
        kept.until = now + FAILURE;
        self.ends.insert((kept.until, wanted.clone()));
        Some(answer)
    }

    /// Keeps an answer, whose zone has it hold for `ttl`, for as long as [`held`] says.
    pub(super) fn put(&mut self, now: Instant, wanted: &Wanted, answer: Answer, ttl: Duration) {
        let until = now + held(&answer, ttl);
        self.remove(wanted);
        self.ends.insert((until, wanted.clone()));
        self.answers.insert(wanted.clone(), Kept { until, ended: until, answer });
        while self.answers.len() > self.cap {
            let Some((_, oldest)) = self.ends.first().cloned() else { break };
            self.remove(&oldest);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    fn remove(&mut self, wanted: &Wanted) {
        if let Some(kept) = self.answers.remove(wanted) {
            self.ends.remove(&(kept.until, wanted.clone()));
        }
    }
}

/// How long an answer is kept: as the zone says, within bounds. A TTL of 0 would have each call ask, and one of years would
/// outlive every change. A failure is kept for as long as RFC 2308 section 7 allows a little: calls then do not wait for the
/// same dead server one after the other.
fn held(answer: &Answer, ttl: Duration) -> Duration {
    match answer {
        Ok(_) => ttl.clamp(SHORTEST, LONGEST),
        Err(LookupError::NotFound) => ttl.clamp(SHORTEST, LONGEST_ABSENCE),
        Err(LookupError::Failed | LookupError::Timeout | LookupError::Busy) => FAILURE,
    }
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// RFC 2308 section 5 finds one to three hours sensible; a target that was misspelt in its zone is to work sooner.
const LONGEST_ABSENCE: Duration = Duration::from_secs(5 * 60);
const FAILURE: Duration = Duration::from_secs(2);
/// How long records are better than none after their zone had them end: an outage of DNS is not to be one of calls.
const STALE: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn wanted(name: &str) -> Wanted {
        Wanted::new(Kind::Addresses, name)
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
        let (mut cache, start, name) = (Cache::new(8), start(), wanted("a.example"));
        cache.put(start, &name, answer, seconds(ttl));
        let lasts = |after: &u64| cache.get(start + seconds(*after), &name).is_some();
        seconds((0..100_000).take_while(lasts).last().unwrap() + 1)
    }

    #[test]
    fn an_answer_holds_as_long_as_its_zone_says_within_bounds() {
        assert_eq!(holds_for(found(), 60), seconds(60));
        assert_eq!(holds_for(found(), 0), SHORTEST);
        assert_eq!(holds_for(found(), 10_000_000), LONGEST);
        assert_eq!(holds_for(Err(LookupError::NotFound), 60), seconds(60));
        assert_eq!(holds_for(Err(LookupError::NotFound), 86_400), LONGEST_ABSENCE);
        assert_eq!(holds_for(Err(LookupError::Failed), 60), FAILURE);
    }

    #[test]
    fn at_the_cap_the_answer_that_ends_soonest_goes() {
        let (mut cache, start) = (Cache::new(2), start());
        for (name, ttl) in [("a.example", 30), ("b.example", 10), ("c.example", 20)] {
            cache.put(start, &wanted(name), found(), seconds(ttl));
        }
        let kept =
            ["a.example", "b.example", "c.example"].map(|name| cache.get(start, &wanted(name)).is_some());
        assert_eq!(kept, [true, false, true]);
        assert_eq!((cache.len(), cache.ends.len()), (2, 2));
    }

    #[test]
    fn records_outlive_their_time_for_so_long_where_nothing_newer_is_to_be_had() {
        let (mut cache, start, name) = (Cache::new(2), start(), wanted("a.example"));
        cache.put(start, &name, found(), seconds(30));
        let later = start + seconds(31);
        assert_eq!((cache.get(later, &name), cache.stale(later, &name)), (None, Some(found())));
        assert_eq!(cache.prolong(later, &name), Some(found()));
        assert_eq!(cache.get(later + seconds(1), &name), Some(found()));
        assert_eq!(cache.get(later + FAILURE, &name), None);
        assert_eq!(cache.stale(start + seconds(30) + STALE, &name), None, "however often it was prolonged");
        cache.put(later, &name, Err(LookupError::NotFound), seconds(30));
        assert_eq!(cache.stale(later, &name), None, "the zone says that it is gone");
        assert_eq!((cache.len(), cache.ends.len()), (1, 1));
    }

    #[test]
    fn an_answer_is_replaced_by_the_next() {
        let (mut cache, start) = (Cache::new(2), start());
        cache.put(start, &wanted("a.example"), found(), seconds(30));
        cache.put(start, &wanted("A.example"), Err(LookupError::NotFound), seconds(60));
        assert_eq!(cache.get(start, &wanted("a.example")), Some(Err(LookupError::NotFound)));
        assert_eq!((cache.len(), cache.ends.len()), (1, 1));
    }
}
