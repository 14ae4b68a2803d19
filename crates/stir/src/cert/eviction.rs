//! Which entry of the cache goes when room is needed.

use std::collections::{BTreeMap, BTreeSet};

use rustls_pki_types::UnixTime;

use crate::x5u::X5u;

/// How dear an entry is, when it was last wanted, and which it is: the least of them goes first.
pub(super) type EvictionKey = (u8, UnixTime, X5u);

/// The entries that may go, in all and by host, and how many each host has. Strangers choose the URLs, so nothing here
/// takes longer the more of them there are than a search in an ordered set does.
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
    /// Counts an entry that is new.
    pub(super) fn add_url(&mut self, url: &X5u) {
        self.hosts.entry(url.folded_host()).or_default().entries += 1;
    }

    /// Counts an entry that is gone.
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

    /// How many entries the host of `url` has.
    pub(super) fn entries_of_host(&self, url: &X5u) -> usize {
        self.hosts.get(&url.folded_host()).map_or(0, |host| host.entries)
    }

    /// The entry may go.
    pub(super) fn make_evictable(&mut self, key: EvictionKey) {
        if let Some(host) = self.hosts.get_mut(&key.2.folded_host()) {
            host.keys.insert(key.clone());
        }
        self.all.insert(key);
    }

    /// The entry may not go, or is about to change.
    pub(super) fn protect(&mut self, key: &EvictionKey) {
        self.all.remove(key);
        if let Some(host) = self.hosts.get_mut(&key.2.folded_host()) {
            host.keys.remove(key);
        }
    }

    /// Which goes first, of all or of one host.
    pub(super) fn next(&self, host_of: Option<&X5u>) -> Option<&X5u> {
        let keys = match host_of {
            Some(url) => &self.hosts.get(&url.folded_host())?.keys,
            None => &self.all,
        };
        keys.first().map(|(_, _, url)| url)
    }
}
