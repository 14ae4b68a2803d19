//! The content of the certificate cache at one moment.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use crate::cert::anchors::{AnchorsId, TrustAnchors};
use crate::cert::cache_entry::{CacheEntry, FetchFailure};
use crate::cert::credential::{Credential, Path};
use crate::cert::crl::Revocations;
use crate::cert::shared_map::SharedMap;

/// An immutable copy of the certificate cache, for verification. The default snapshot is empty.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(super) entries: SharedMap,
    /// The trust domains with revocation lists. The time limits the use of the lists in domains whose policy requires fresh
    /// lists.
    pub(super) revocations: Vec<(AnchorsId, Option<UnixTime>, Arc<Revocations>)>,
}

impl Snapshot {
    /// The number of URLs with a credential.
    pub fn credentials(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry, CacheEntry::Known(_))).count()
    }

    /// The credential behind `url`, if there is one.
    pub fn credential(&self, url: &str) -> Option<&Arc<Credential>> {
        match self.entries.get(url)? {
            CacheEntry::Known(known) => Some(&known.credential),
            CacheEntry::Failed { .. } => None,
        }
    }

    /// The reason for which the fetch of `url` failed, if the cache has stored the failure.
    pub fn failure(&self, url: &str) -> Option<FetchFailure> {
        match self.entries.get(url)? {
            CacheEntry::Known(_) => None,
            CacheEntry::Failed { failure, .. } => Some(*failure),
        }
    }

    /// Whether the revocation lists of a trust domain satisfy its policy at `now`. `None` if the domain has
    /// no lists.
    pub(crate) fn revocation_lists_are_fresh(&self, anchors: AnchorsId, now: UnixTime) -> Option<bool> {
        let (_, until, _) = self.revocations.iter().find(|(id, ..)| *id == anchors)?;
        Some(until.is_none_or(|until| now <= until))
    }

    /// Whether the lists of a trust domain revoke a certificate of `path`, if the path is not in the cache. There is no cached
    /// path in two cases: the chain was not yet valid at the fetch, or the cache does not know the trust domain.
    pub(crate) fn revokes_uncached_path(
        &self,
        credential: &Credential,
        anchors: &TrustAnchors,
        path: &Path,
    ) -> bool {
        let lists = self.revocations.iter().find(|(id, ..)| *id == anchors.id());
        lists.is_some_and(|(.., lists)| {
            !credential.has_cached_path(anchors)
                && credential.certificates_of(path).any(|certificate| lists.revokes(certificate))
        })
    }

    pub(crate) fn entry(&self, url: &str) -> Option<&CacheEntry> {
        self.entries.get(url)
    }
}
