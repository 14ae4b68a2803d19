//! Which entry of the cache goes when room is needed.

use std::collections::{BTreeMap, BTreeSet};

use rustls_pki_types::UnixTime;

use crate::x5u::X5u;

/// How dear an entry is, when it was last wanted, and which it is: the least of them goes first.
pub(super) type Place = (u8, UnixTime, X5u);

/// The entries that may go, in all and by host, and how many each host has. Strangers choose the URLs, so nothing here
/// takes longer the more of them there are than a search in an ordered set does.
#[derive(Debug, Default)]
pub(super) struct Order {
    all: BTreeSet<Place>,
    hosts: BTreeMap<Box<str>, Host>,
}

#[derive(Debug, Default)]
struct Host {
    entries: usize,
    places: BTreeSet<Place>,
}

impl Order {
    /// Counts an entry that is new.
    pub(super) fn enter(&mut self, url: &X5u) {
        self.hosts.entry(url.folded_host()).or_default().entries += 1;
    }

    /// Counts an entry that is gone.
    pub(super) fn leave(&mut self, place: &Place) {
        self.hold(place);
        let name = place.2.folded_host();
        if let Some(host) = self.hosts.get_mut(&name) {
            host.entries = host.entries.saturating_sub(1);
            if host.entries == 0 {
                self.hosts.remove(&name);
            }
        }
    }

    /// How many entries the host of `url` has.
    pub(super) fn of_host(&self, url: &X5u) -> usize {
        self.hosts.get(&url.folded_host()).map_or(0, |host| host.entries)
    }

    /// The entry may go.
    pub(super) fn release(&mut self, place: Place) {
        if let Some(host) = self.hosts.get_mut(&place.2.folded_host()) {
            host.places.insert(place.clone());
        }
        self.all.insert(place);
    }

    /// The entry may not go, or is about to change.
    pub(super) fn hold(&mut self, place: &Place) {
        self.all.remove(place);
        if let Some(host) = self.hosts.get_mut(&place.2.folded_host()) {
            host.places.remove(place);
        }
    }

    /// Which goes first, of all or of one host.
    pub(super) fn first(&self, host_of: Option<&X5u>) -> Option<&X5u> {
        let places = match host_of {
            Some(url) => &self.hosts.get(&url.folded_host())?.places,
            None => &self.all,
        };
        places.first().map(|(_, _, url)| url)
    }
}
