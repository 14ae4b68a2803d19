//! What is known about certificate URLs at one moment.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use crate::cert::anchors::{AnchorsId, TrustAnchors};
use crate::cert::cache_entry::{CacheEntry, FetchFailure};
use crate::cert::credential::Credential;
use crate::cert::crl::Revocations;
use crate::cert::shared_map::SharedMap;

/// An immutable picture of the certificate cache, for verifying against. The empty one knows nothing.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(super) entries: SharedMap,
    /// The trust domains with revocation lists, and until when they will do for those that insist on fresh ones.
    pub(super) revocations: Vec<(AnchorsId, Option<UnixTime>, Arc<Revocations>)>,
}

impl Snapshot {
    /// How many URLs it knows a credential for.
    pub fn credentials(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry, CacheEntry::Known { .. })).count()
    }

    /// The credential behind `url`, if it is known.
    pub fn credential(&self, url: &str) -> Option<&Arc<Credential>> {
        match self.entries.get(url)? {
            CacheEntry::Known { credential, .. } => Some(credential),
            CacheEntry::Failed { .. } => None,
        }
    }

    /// Why the credential behind `url` could not be had, if that is remembered.
    pub fn failure(&self, url: &str) -> Option<FetchFailure> {
        match self.entries.get(url)? {
            CacheEntry::Known { .. } => None,
            CacheEntry::Failed { failure, .. } => Some(*failure),
        }
    }

    /// Whether the revocation lists of a trust domain will do at `now`; None when it has none.
    pub(crate) fn revocation_lists_are_fresh(&self, anchors: AnchorsId, now: UnixTime) -> Option<bool> {
        let (_, until, _) = self.revocations.iter().find(|(id, ..)| *id == anchors)?;
        Some(until.is_none_or(|until| now <= until))
    }

    /// Whether the lists of a trust domain revokes a certificate of a path that the credential does not keep, so that the cache
    /// could not say: it was not valid yet when it was fetched, or the domain is one that the cache was not made for.
    pub(crate) fn revokes_uncached_path(
        &self,
        credential: &Credential,
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> bool {
        let lists = self.revocations.iter().find(|(id, ..)| *id == anchors.id());
        lists.is_some_and(|(.., lists)| {
            !credential.has_cached_path(anchors)
                && credential.path(anchors, now).is_ok_and(|path| {
                    credential.certificates_of(&path).any(|certificate| lists.revokes(certificate))
                })
        })
    }

    pub(crate) fn entry(&self, url: &str) -> Option<&CacheEntry> {
        self.entries.get(url)
    }
}
