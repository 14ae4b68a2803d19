//! The order in which the cache evicts entries.

use std::collections::{BTreeMap, BTreeSet};

use rustls_pki_types::UnixTime;

use crate::x5u::X5u;

/// The key of an entry in the eviction order: its rank, the time of its last request, and its URL. The entry with the lowest
/// key is evicted first.
pub(super) type EvictionKey = (u8, UnixTime, X5u);

/// The evictable entries of the cache and of each host, and the number of entries of each host. Callers choose the URLs.
/// Therefore each operation costs at most one search in an ordered set.
#[derive(Debug, Default)]
pub(super) struct EvictionOrder {
    all: BTreeSet<EvictionKey>,
    hosts: BTreeMap<Box<str>, Host>,
}

#[derive(Debug, Default)]
struct Host {
    entries: usize,
    keys: BTreeSet<EvictionKey>,
}

impl EvictionOrder {
    /// Counts a new entry.
    pub(super) fn add_url(&mut self, url: &X5u) {
        self.hosts.entry(url.folded_host()).or_default().entries += 1;
    }

    /// Removes an entry and its count.
    pub(super) fn remove_url(&mut self, key: &EvictionKey) {
        self.protect(key);
        let name = key.2.folded_host();
        if let Some(host) = self.hosts.get_mut(&name) {
            host.entries = host.entries.saturating_sub(1);
            if host.entries == 0 {
                self.hosts.remove(&name);
            }
        }
    }

    /// The number of entries of the host of `url`.
    pub(super) fn entries_of_host(&self, url: &X5u) -> usize {
        self.hosts.get(&url.folded_host()).map_or(0, |host| host.entries)
    }

    /// Allows the eviction of an entry.
    pub(super) fn make_evictable(&mut self, key: EvictionKey) {
        if let Some(host) = self.hosts.get_mut(&key.2.folded_host()) {
            host.keys.insert(key.clone());
        }
        self.all.insert(key);
    }

    /// Forbids the eviction of an entry. Also call this function before the key of the entry changes.
    pub(super) fn protect(&mut self, key: &EvictionKey) {
        self.all.remove(key);
        if let Some(host) = self.hosts.get_mut(&key.2.folded_host()) {
            host.keys.remove(key);
        }
    }

    /// The next entry to evict: from all entries, or from the host of a URL.
    pub(super) fn next(&self, host_of: Option<&X5u>) -> Option<&X5u> {
        let keys = match host_of {
            Some(url) => &self.hosts.get(&url.folded_host())?.keys,
            None => &self.all,
        };
        keys.first().map(|(_, _, url)| url)
    }
}
