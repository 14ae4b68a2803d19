//! The order in which the cache evicts entries.

use std::collections::{BTreeMap, BTreeSet};

use rustls_pki_types::UnixTime;

use crate::x5u::X5u;

/// The key of an entry in the eviction order: its rank, the time of its last use, and its URL. The entry with the lowest key is
/// evicted first.
pub(super) type EvictionKey = (u8, UnixTime, X5u);

/// Entries that share a limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// The entries of one [site](X5u::site).
    Site(Box<str>),
    /// The entries with the same leaf certificate, by its SHA-256 digest.
    Leaf([u8; 32]),
}

/// The evictable entries of the cache and of each group, and the number of entries of each group. Callers choose the URLs.
/// Therefore each operation costs at most one search in an ordered set.
#[derive(Debug, Default)]
pub(super) struct EvictionOrder {
    all: BTreeSet<EvictionKey>,
    groups: BTreeMap<Group, Members>,
}

#[derive(Debug, Default)]
struct Members {
    entries: usize,
    keys: BTreeSet<EvictionKey>,
}

impl EvictionOrder {
    /// Counts a new entry of `group`.
    pub(super) fn join(&mut self, group: &Group) {
        self.groups.entry(group.clone()).or_default().entries += 1;
    }

    /// Removes an entry from the count of `group`. The entry must be protected.
    pub(super) fn leave(&mut self, group: &Group) {
        if let Some(members) = self.groups.get_mut(group) {
            members.entries = members.entries.saturating_sub(1);
            if members.entries == 0 {
                self.groups.remove(group);
            }
        }
    }

    /// The number of entries of `group`.
    pub(super) fn size(&self, group: &Group) -> usize {
        self.groups.get(group).map_or(0, |members| members.entries)
    }

    /// Allows the eviction of an entry of `groups`.
    pub(super) fn make_evictable(&mut self, key: EvictionKey, groups: &[Group]) {
        for group in groups {
            if let Some(members) = self.groups.get_mut(group) {
                members.keys.insert(key.clone());
            }
        }
        self.all.insert(key);
    }

    /// Forbids the eviction of an entry. Also call this function before the groups or the key of the entry change.
    pub(super) fn protect(&mut self, key: &EvictionKey, groups: &[Group]) {
        self.all.remove(key);
        for group in groups {
            if let Some(members) = self.groups.get_mut(group) {
                members.keys.remove(key);
            }
        }
    }

    /// The next entry to evict: from all entries, or from a group.
    pub(super) fn next(&self, group: Option<&Group>) -> Option<&EvictionKey> {
        match group {
            Some(group) => self.groups.get(group)?.keys.first(),
            None => self.all.first(),
        }
    }

    /// The last entry to evict of a group.
    pub(super) fn last(&self, group: &Group) -> Option<&EvictionKey> {
        self.groups.get(group)?.keys.last()
    }
}
