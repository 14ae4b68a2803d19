//! The URLs whose certificates verified calls before the cache forgot them.

use std::collections::{BTreeMap, BTreeSet};

use rustls_pki_types::UnixTime;

use crate::x5u::X5u;

/// URLs with the time of their last verified signature. Only the owner of a trusted key can add a URL.
#[derive(Debug, Default)]
pub(super) struct ProvenUrls {
    by_url: BTreeMap<X5u, UnixTime>,
    by_time: BTreeSet<(UnixTime, X5u)>,
}

impl ProvenUrls {
    /// Adds a URL. The URL with the oldest signature makes room.
    pub(super) fn add(&mut self, url: &X5u, verified: UnixTime) {
        self.take(url);
        self.by_url.insert(url.clone(), verified);
        self.by_time.insert((verified, url.clone()));
        if self.by_url.len() > MAX_URLS
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.by_url.remove(&oldest);
        }
    }

    /// Removes a URL. Returns the time of its last signature.
    pub(super) fn take(&mut self, url: &X5u) -> Option<UnixTime> {
        let verified = self.by_url.remove(url)?;
        self.by_time.remove(&(verified, url.clone()));
        Some(verified)
    }

    pub(super) fn contains(&self, url: &X5u) -> bool {
        self.by_url.contains_key(url)
    }
}

/// The largest number of URLs.
const MAX_URLS: usize = 4096;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::x5u::DEFAULT_PORTS;

    #[test]
    fn the_oldest_url_makes_room() {
        let mut proven = ProvenUrls::default();
        let url = |number: usize| X5u::parse(&format!("https://h.example/{number}"), DEFAULT_PORTS).unwrap();
        for number in 0..=MAX_URLS {
            proven.add(&url(number), UnixTime::since_unix_epoch(Duration::from_secs(number as u64)));
        }
        assert!(!proven.contains(&url(0)) && proven.contains(&url(1)));
        assert_eq!((proven.by_url.len(), proven.by_time.len()), (MAX_URLS, MAX_URLS));
        assert!(proven.take(&url(1)).is_some() && proven.take(&url(1)).is_none());
    }
}
