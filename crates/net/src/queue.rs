//! The running fetches, the waiting fetches and the refused fetches.
//!
//! Callers choose the URLs. A URL that verified a call before is *known*. A part of every limit is kept for known URLs. All
//! other URLs are limited per second, and per [site](X5u::site).

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use attesta_stir::X5u;

/// The limits on fetches. The limits per site do not apply to known URLs. A quarter of the running and of the waiting fetches
/// is kept for known URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    running: usize,
    running_per_site: usize,
    waiting: usize,
    waiting_per_site: usize,
    per_second: u32,
    per_second_and_site: u32,
}

impl Default for FetchLimits {
    /// The defaults: 128 running fetches, 4 of them from one site, and 1,024 waiting fetches, 32 of them for one site. 48
    /// fetches of unknown URLs per second, 12 of them from one site.
    fn default() -> FetchLimits {
        FetchLimits {
            running: 128,
            running_per_site: 4,
            waiting: 1024,
            waiting_per_site: 32,
            per_second: 48,
            per_second_and_site: 12,
        }
    }
}

impl FetchLimits {
    /// The most fetches that may run at once, in total and from one site. A limit of 0 counts as 1. One fetch runs from a site
    /// that did not answer in time before. 4 times the limit of a site may run from a site with a known URL.
    pub fn running(mut self, total: usize, per_site: usize) -> FetchLimits {
        (self.running, self.running_per_site) = (total.max(1), per_site.max(1));
        self
    }

    /// The most fetches that may wait, in total and for one site. A further fetch replaces the oldest fetch, because the call of
    /// the oldest fetch waits no longer.
    pub fn waiting(mut self, total: usize, per_site: usize) -> FetchLimits {
        (self.waiting, self.waiting_per_site) = (total, per_site);
        self
    }

    /// The most fetches of unknown URLs that may start in a second, in total and from one site. Twice this number may start
    /// after a pause. A limit of 0 counts as 1.
    pub fn per_second(mut self, total: u32, per_site: u32) -> FetchLimits {
        (self.per_second, self.per_second_and_site) = (total.max(1), per_site.max(1));
        self
    }

    /// The part of a limit that unknown URLs may use.
    fn unknown(limit: usize) -> usize {
        limit - limit / 4
    }
}

/// A certificate to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) url: X5u,
    site: Box<str>,
    trust: Trust,
}

/// What the cache knows about a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The certificate of the URL verified a call before.
    Known,
    /// The certificate of another URL of the site verified a call before.
    KnownSite,
    /// No certificate of the site verified a call.
    Unknown,
}

impl Job {
    pub(crate) fn new(url: X5u, trust: Trust) -> Job {
        Job { site: url.site(), url, trust }
    }

    fn is_known(&self) -> bool {
        self.trust == Trust::Known
    }
}

/// The fetches of one service. The cache makes sure that each URL appears at most once.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: FetchLimits,
    running: Counts,
    /// The waiting fetches, the oldest first, with the time since which each waits.
    waiting: VecDeque<(Instant, Job)>,
    waiting_known: usize,
    sites: BTreeMap<Box<str>, Site>,
    rate: Rate,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    known: usize,
    unknown: usize,
}

/// The fetches of unknown URLs of one site.
#[derive(Debug, Default)]
struct Site {
    running: usize,
    waiting: usize,
    rate: Rate,
    /// Until this time, the site counts as a site that does not answer.
    slow_until: Option<Instant>,
}

/// A limit on events per second: the time at which all events so far would have happened at the allowed rate.
#[derive(Clone, Copy, Debug, Default)]
struct Rate(Option<Instant>);

impl Queue {
    pub(crate) fn new(limits: FetchLimits) -> Queue {
        Queue {
            limits,
            running: Counts::default(),
            waiting: VecDeque::new(),
            waiting_known: 0,
            sites: BTreeMap::new(),
            rate: Rate::default(),
        }
    }

    /// True if a fetch waits.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Adds a fetch. Returns the fetch that has no place: the oldest fetch, or this fetch.
    pub(crate) fn push(&mut self, now: Instant, job: Job) -> Option<Job> {
        let unknown = self.waiting.len() - self.waiting_known;
        let of_site = self.sites.get(&job.site).map_or(0, |site| site.waiting);
        let removed = if job.is_known() {
            let is_full = self.waiting.len() >= self.limits.waiting;
            is_full.then(|| self.remove(|waiting| !waiting.is_known()))
        } else if of_site >= self.limits.waiting_per_site {
            Some(self.remove(|waiting| !waiting.is_known() && waiting.site == job.site))
        } else if unknown >= FetchLimits::unknown(self.limits.waiting)
            || self.waiting.len() >= self.limits.waiting
        {
            Some(self.remove(|waiting| !waiting.is_known()))
        } else {
            None
        };
        let displaced = match removed {
            Some(None) => return Some(job),
            Some(displaced) => displaced,
            None => None,
        };
        if job.is_known() {
            self.waiting_known += 1;
        } else {
            self.sites.entry(job.site.clone()).or_default().waiting += 1;
        }
        self.waiting.push_back((now, job));
        displaced
    }

    /// Returns the next fetch that may start, and counts it as running: known URLs first, then the site with the fewest running
    /// fetches. Among equals, the newest fetch starts first, because its call has the most time left.
    pub(crate) fn start(&mut self, now: Instant) -> Option<Job> {
        let total = self.running.known + self.running.unknown;
        if self.waiting.is_empty() || total >= self.limits.running {
            return None;
        }
        let unknown_may_start = self.running.unknown < FetchLimits::unknown(self.limits.running)
            && self.rate.allows(now, self.limits.per_second);
        if self.waiting_known == 0 && !unknown_may_start {
            return None;
        }
        let newest_first = self.waiting.iter().enumerate().rev();
        let at = if self.waiting_known > 0 {
            newest_first.map(|(at, (_, job))| (at, job)).find(|(_, job)| job.is_known()).map(|(at, _)| at)
        } else {
            let load = |(at, (_, job)): (usize, &(Instant, Job))| Some((self.load(now, job)?, at));
            newest_first.filter_map(load).min_by_key(|(load, _)| *load).map(|(_, at)| at)
        }?;
        let job = self.take(at)?;
        if job.is_known() {
            self.running.known += 1;
        } else {
            self.running.unknown += 1;
            self.rate.count(now, self.limits.per_second);
            let site = self.sites.entry(job.site.clone()).or_default();
            site.running += 1;
            site.rate.count(now, self.limits.per_second_and_site);
        }
        Some(job)
    }

    /// Ends a fetch that was started. `answered` is false if the site did not answer in time.
    pub(crate) fn finish(&mut self, now: Instant, job: &Job, answered: bool) {
        if job.is_known() {
            self.running.known = self.running.known.saturating_sub(1);
            return;
        }
        self.running.unknown = self.running.unknown.saturating_sub(1);
        if let Some(site) = self.sites.get_mut(&job.site) {
            site.running = site.running.saturating_sub(1);
            site.slow_until = (!answered).then(|| now + SLOW);
        }
    }

    /// Removes the fetches whose calls wait no longer, and forgets idle sites. Returns the fetches.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Job> {
        let mut expired = Vec::new();
        while let Some((since, _)) = self.waiting.front()
            && *since + WAIT <= now
        {
            expired.extend(self.take(0));
        }
        self.sites.retain(|_, site| {
            let is_slow = site.slow_until.is_some_and(|until| now < until);
            site.running > 0 || site.waiting > 0 || is_slow || site.rate.is_used(now)
        });
        expired
    }

    /// The running fetches from the site of `job`. `None` if the limits do not allow another fetch from the site now.
    fn load(&self, now: Instant, job: &Job) -> Option<usize> {
        let Some(site) = self.sites.get(&job.site) else { return Some(0) };
        let is_slow = site.slow_until.is_some_and(|until| now < until);
        let factor = if job.trust == Trust::KnownSite { KNOWN_SITE } else { 1 };
        let running = if is_slow { 1 } else { self.limits.running_per_site * factor as usize };
        let rate = self.limits.per_second_and_site.saturating_mul(factor);
        (site.running < running && site.rate.allows(now, rate)).then_some(site.running)
    }

    /// Removes the oldest waiting fetch with this property.
    fn remove(&mut self, property: impl Fn(&Job) -> bool) -> Option<Job> {
        let at = self.waiting.iter().position(|(_, job)| property(job))?;
        self.take(at)
    }

    fn take(&mut self, at: usize) -> Option<Job> {
        let (_, job) = self.waiting.remove(at)?;
        if job.is_known() {
            self.waiting_known -= 1;
        } else if let Some(site) = self.sites.get_mut(&job.site) {
            site.waiting = site.waiting.saturating_sub(1);
        }
        Some(job)
    }
}

impl Rate {
    fn allows(self, now: Instant, per_second: u32) -> bool {
        // Twice the events of one second may happen at once.
        self.0.is_none_or(|at| at + Duration::from_secs(1) / per_second <= now + Duration::from_secs(2))
    }

    fn count(&mut self, now: Instant, per_second: u32) {
        let at = self.0.map_or(now, |at| at.max(now));
        self.0 = Some(at + Duration::from_secs(1) / per_second);
    }

    fn is_used(self, now: Instant) -> bool {
        self.0.is_some_and(|at| now < at)
    }
}

/// The longest time that a fetch waits to start. The calls that need it have given up by then.
const WAIT: Duration = Duration::from_secs(2);

/// How long a site that did not answer in time counts as slow.
const SLOW: Duration = Duration::from_secs(30);

/// The factor of the limits of a site with a known URL. Many providers publish their certificates at the same site.
const KNOWN_SITE: u32 = 4;

#[cfg(test)]
mod tests;
