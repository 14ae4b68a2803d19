//! The known certificates, and the calls and MESSAGEs that wait for other certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use attesta_stir::X5u;
use attesta_stir::cert::Snapshot;

use crate::owners::Owner;

/// The snapshot of certificates that verification uses, and the owners of requests that wait for a URL: until a
/// snapshot contains the certificate at the URL, or the failure to fetch that certificate.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    snapshot: Arc<Snapshot>,
    waiting: BTreeMap<X5u, BTreeSet<Owner>>,
    /// The URLs that each owner waits for.
    wants: BTreeMap<Owner, Vec<X5u>>,
}

impl Certificates {
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Lets `owner` wait for these URLs instead of its earlier URLs. Returns the URLs to fetch: the URLs for which no other
    /// owner waits. `None` if `cap` owners wait for one of these URLs already; then `owner` waits for no URL.
    pub(crate) fn wait(&mut self, owner: Owner, wanted: &[X5u], cap: usize) -> Option<Vec<X5u>> {
        self.leave(owner);
        if wanted.iter().any(|url| self.waiting.get(url).is_some_and(|owners| owners.len() >= cap)) {
            return None;
        }
        let mut to_fetch = Vec::new();
        for url in wanted {
            let owners = self.waiting.entry(url.clone()).or_default();
            if owners.is_empty() {
                to_fetch.push(url.clone());
            }
            owners.insert(owner);
        }
        self.wants.insert(owner, wanted.to_vec());
        Some(to_fetch)
    }

    /// Ends the wait of `owner`.
    pub(crate) fn leave(&mut self, owner: Owner) {
        for url in self.wants.remove(&owner).into_iter().flatten() {
            if let Some(owners) = self.waiting.get_mut(&url) {
                owners.remove(&owner);
                if owners.is_empty() {
                    self.waiting.remove(&url);
                }
            }
        }
    }

    /// Replaces the snapshot. Returns the owners that wait for a URL whose result is in the new snapshot, oldest first.
    pub(crate) fn learn(&mut self, snapshot: Arc<Snapshot>) -> BTreeSet<Owner> {
        self.snapshot = snapshot;
        let known = |url: &X5u| {
            self.snapshot.credential(url.as_str()).is_some() || self.snapshot.failure(url.as_str()).is_some()
        };
        self.waiting
            .iter()
            .filter(|(url, _)| known(url))
            .flat_map(|(_, owners)| owners.iter().copied())
            .collect()
    }
}
