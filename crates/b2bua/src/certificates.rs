//! The known certificates, and the calls and MESSAGEs that wait for other certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use attesta_stir::X5u;
use attesta_stir::cert::Snapshot;

use crate::owners::Owner;

/// The snapshot of certificates that verification uses, and the owners of requests that wait for a URL: until a
/// snapshot contains the certificate at the URL, or the failure to fetch that certificate.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    snapshot: Arc<Snapshot>,
    waiting: BTreeMap<X5u, Waiting>,
    /// The number of URLs in `waiting` that each address requested first.
    requested: BTreeMap<IpAddr, usize>,
    /// The URLs that each owner waits for.
    wants: BTreeMap<Owner, Vec<X5u>>,
}

/// The requests that wait for one URL.
#[derive(Debug)]
struct Waiting {
    /// The sender of the request that waited first.
    source: IpAddr,
    owners: BTreeSet<Owner>,
}

/// The limits on the requests that wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitingCaps {
    /// The requests that wait for one URL.
    pub(crate) per_certificate: usize,
    /// The URLs that one address has requested and for which requests wait.
    pub(crate) per_source: usize,
}

impl Certificates {
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Lets `owner`, whose request came from `source`, wait for these URLs instead of its earlier URLs. Returns the URLs to
    /// fetch: the URLs for which no other owner waits. `None` if a cap is reached; then `owner` waits for no URL.
    pub(crate) fn wait(
        &mut self,
        owner: Owner,
        source: IpAddr,
        wanted: &[X5u],
        caps: WaitingCaps,
    ) -> Option<Vec<X5u>> {
        self.leave(owner);
        let is_full = |waiting: &Waiting| waiting.owners.len() >= caps.per_certificate;
        if wanted.iter().any(|url| self.waiting.get(url).is_some_and(is_full)) {
            return None;
        }
        let to_fetch: Vec<X5u> =
            wanted.iter().filter(|url| !self.waiting.contains_key(*url)).cloned().collect();
        let requested = self.requested.get(&source).copied().unwrap_or_default() + to_fetch.len();
        if !to_fetch.is_empty() {
            if requested > caps.per_source {
                return None;
            }
            self.requested.insert(source, requested);
        }
        for url in wanted {
            let none = || Waiting { source, owners: BTreeSet::new() };
            self.waiting.entry(url.clone()).or_insert_with(none).owners.insert(owner);
        }
        self.wants.insert(owner, wanted.to_vec());
        Some(to_fetch)
    }

    /// Ends the wait of `owner`.
    pub(crate) fn leave(&mut self, owner: Owner) {
        for url in self.wants.remove(&owner).into_iter().flatten() {
            let Some(waiting) = self.waiting.get_mut(&url) else { continue };
            waiting.owners.remove(&owner);
            if waiting.owners.is_empty() {
                let source = waiting.source;
                self.waiting.remove(&url);
                self.forget_request(source);
            }
        }
    }

    fn forget_request(&mut self, source: IpAddr) {
        if let Some(requested) = self.requested.get_mut(&source) {
            *requested = requested.saturating_sub(1);
            if *requested == 0 {
                self.requested.remove(&source);
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
            .flat_map(|(_, waiting)| waiting.owners.iter().copied())
            .collect()
    }
}
