//! The running fetches, the waiting fetches and the refused fetches.

use std::collections::{BTreeMap, VecDeque};

use attesta_stir::X5u;

/// The limits on concurrent fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    running: usize,
    running_per_host: usize,
    waiting: usize,
    waiting_per_host: usize,
}

impl Default for FetchLimits {
    /// The defaults: 128 running fetches, 4 of them from one host, and 1,024 waiting fetches, 32 of them for one host.
    fn default() -> FetchLimits {
        FetchLimits { running: 128, running_per_host: 4, waiting: 1024, waiting_per_host: 32 }
    }
}

impl FetchLimits {
    /// The most fetches that may run at once, in total and from one host. A limit of 0 counts as 1.
    pub fn running(mut self, total: usize, per_host: usize) -> FetchLimits {
        (self.running, self.running_per_host) = (total.max(1), per_host.max(1));
        self
    }

    /// The most fetches that may wait, in total and for one host. Further fetches are refused. A caller that names many URLs of
    /// one slow host therefore delays only its own calls.
    pub fn waiting(mut self, total: usize, per_host: usize) -> FetchLimits {
        (self.waiting, self.waiting_per_host) = (total, per_host);
        self
    }
}

/// The fetches of one service. The cache makes sure that each URL appears at most once.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: FetchLimits,
    running: usize,
    waiting: VecDeque<X5u>,
    hosts: BTreeMap<Box<str>, Load>,
}

/// The fetches from one host.
#[derive(Debug, Default)]
struct Load {
    running: usize,
    waiting: usize,
}

impl Queue {
    pub(crate) fn new(limits: FetchLimits) -> Queue {
        Queue { limits, running: 0, waiting: VecDeque::new(), hosts: BTreeMap::new() }
    }

    /// True if a fetch of `url` may be added.
    pub(crate) fn has_room(&self, url: &X5u) -> bool {
        let waiting_for_host = self.hosts.get(&url.folded_host()).map_or(0, |host| host.waiting);
        self.waiting.len() < self.limits.waiting && waiting_for_host < self.limits.waiting_per_host
    }

    /// Adds a fetch. The caller must have checked [`Queue::has_room`].
    pub(crate) fn push(&mut self, url: X5u) {
        self.hosts.entry(url.folded_host()).or_default().waiting += 1;
        self.waiting.push_back(url);
    }

    /// Returns the next fetch that may start: the first fetch whose host has room. Counts this fetch as running.
    pub(crate) fn start(&mut self) -> Option<X5u> {
        if self.running >= self.limits.running {
            return None;
        }
        let has_room = |url: &X5u| {
            self.hosts.get(&url.folded_host()).is_none_or(|host| host.running < self.limits.running_per_host)
        };
        let url = self.waiting.iter().position(has_room).and_then(|at| self.waiting.remove(at))?;
        let host = self.hosts.entry(url.folded_host()).or_default();
        host.waiting -= 1;
        host.running += 1;
        self.running += 1;
        Some(url)
    }

    /// Ends a fetch that was started.
    pub(crate) fn finish(&mut self, url: &X5u) {
        self.running = self.running.saturating_sub(1);
        if let Some(host) = self.hosts.get_mut(&url.folded_host()) {
            host.running = host.running.saturating_sub(1);
            if host.running == 0 && host.waiting == 0 {
                self.hosts.remove(&url.folded_host());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &str, path: u32) -> X5u {
        X5u::parse(&format!("https://{host}/{path}"), &[443]).unwrap()
    }

    #[test]
    fn a_slow_host_does_not_delay_other_hosts() {
        let mut queue = Queue::new(FetchLimits::default().running(3, 2));
        for path in 0..4 {
            queue.push(url("slow.example", path));
        }
        queue.push(url("other.example", 0));
        let started: Vec<_> = std::iter::from_fn(|| queue.start()).collect();
        assert_eq!(started, [url("slow.example", 0), url("slow.example", 1), url("other.example", 0)]);
        queue.finish(&url("other.example", 0));
        assert_eq!(queue.start(), None, "slow.example has reached its limit");
        queue.finish(&url("slow.example", 0));
        assert_eq!(queue.start(), Some(url("slow.example", 2)));
    }

    #[test]
    fn spellings_of_a_host_count_as_one_host() {
        let mut queue = Queue::new(FetchLimits::default().running(3, 1));
        for host in ["a.example", "A.example", "a.EXAMPLE."] {
            queue.push(url(host, 0));
        }
        assert!(queue.start().is_some() && queue.start().is_none());
        queue.finish(&url("a.example", 0));
        assert_eq!(queue.start(), Some(url("A.example", 0)));
    }

    #[test]
    fn waiting_fetches_are_limited_per_host_and_in_total() {
        let mut queue = Queue::new(FetchLimits::default().waiting(3, 2));
        queue.push(url("a.example", 0));
        queue.push(url("a.example", 1));
        assert!(!queue.has_room(&url("a.example", 2)) && queue.has_room(&url("b.example", 0)));
        queue.push(url("b.example", 0));
        assert!(!queue.has_room(&url("c.example", 0)), "the total limit is reached");
        assert!(queue.start().is_some() && queue.has_room(&url("c.example", 0)));
    }

    #[test]
    fn finished_hosts_are_forgotten() {
        let mut queue = Queue::new(FetchLimits::default());
        for path in 0..10 {
            queue.push(url("a.example", path));
        }
        while let Some(url) = queue.start() {
            queue.finish(&url);
        }
        assert!(queue.hosts.is_empty() && queue.waiting.is_empty() && queue.running == 0);
    }
}
