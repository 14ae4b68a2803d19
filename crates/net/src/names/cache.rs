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
    answers: BTreeMap<Wanted, (Instant, Answer)>,
    ends: BTreeSet<(Instant, Wanted)>,
}

impl Cache {
    pub(super) fn new(cap: usize) -> Cache {
        Cache { cap, answers: BTreeMap::new(), ends: BTreeSet::new() }
    }

    /// The answer that holds now.
    pub(super) fn get(&self, now: Instant, wanted: &Wanted) -> Option<Answer> {
        let (until, answer) = self.answers.get(wanted)?;
        (*until > now).then(|| answer.clone())
    }

    /// Keeps an answer, whose zone has it hold for `ttl`, for as long as [`held`] says.
    pub(super) fn put(&mut self, now: Instant, wanted: &Wanted, answer: Answer, ttl: Duration) {
        let until = now + held(&answer, ttl);
        self.remove(wanted);
        self.ends.insert((until, wanted.clone()));
        self.answers.insert(wanted.clone(), (until, answer));
        while self.answers.len() > self.cap {
            let Some((_, oldest)) = self.ends.first().cloned() else { break };
            self.remove(&oldest);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    fn remove(&mut self, wanted: &Wanted) {
        if let Some((until, _)) = self.answers.remove(wanted) {
            self.ends.remove(&(until, wanted.clone()));
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
    fn an_answer_is_replaced_by_the_next() {
        let (mut cache, start) = (Cache::new(2), start());
        cache.put(start, &wanted("a.example"), found(), seconds(30));
        cache.put(start, &wanted("A.example"), Err(LookupError::NotFound), seconds(60));
        assert_eq!(cache.get(start, &wanted("a.example")), Some(Err(LookupError::NotFound)));
        assert_eq!((cache.len(), cache.ends.len()), (1, 1));
    }
}
