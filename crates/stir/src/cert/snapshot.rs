//! What is known about certificate URLs at one moment.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use crate::cert::anchors::{AnchorsId, TrustAnchors};
use crate::cert::credential::Credential;
use crate::cert::crl::Revocations;
use crate::cert::pages::Pages;

/// An immutable picture of the certificate cache, for verifying against. The empty one knows nothing.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(super) entries: Pages,
    /// The trust domains with revocation lists, and until when they will do for those that insist on fresh ones.
    pub(super) revocations: Vec<(AnchorsId, Option<UnixTime>, Arc<Revocations>)>,
}

/// What is known about one URL.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// Its credential, until when asking for it once more would bring nothing new, the trust domains in which a
    /// certificate of its path is revoked, and the one canonical header of `shaken` PASSporTs under it, encoded.
    Known {
        credential: Arc<Credential>,
        settled_until: UnixTime,
        revoked: Arc<[AnchorsId]>,
        header: Arc<[u8]>,
    },
    /// It could not be had, and is not asked again before `until`.
    Failed { until: UnixTime, failure: FetchFailure },
}

impl Held {
    /// The header of `shaken` PASSporTs in canonical form, encoded, if the credential is known.
    pub(crate) fn canonical_header(&self) -> Option<&[u8]> {
        match self {
            Self::Known { header, .. } => Some(header),
            Self::Failed { .. } => None,
        }
    }
}

/// Why a certificate could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchFailure {
    /// No answer in time, or no connection: name resolution, TCP, TLS.
    Unreachable,
    /// The address is private and not allowed.
    ForbiddenAddress,
    /// The status was not 200; redirects are not followed.
    Status(u16),
    /// The body was longer than allowed.
    TooLarge,
    /// The body is no certificate chain.
    Unparsable,
}

impl Snapshot {
    /// How many URLs it knows a credential for.
    pub fn credentials(&self) -> usize {
        self.entries.iter().filter(|held| matches!(held, Held::Known { .. })).count()
    }

    /// The credential behind `url`, if it is known.
    pub fn credential(&self, url: &str) -> Option<&Arc<Credential>> {
        match self.entries.get(url)? {
            Held::Known { credential, .. } => Some(credential),
            Held::Failed { .. } => None,
        }
    }

    /// Why the credential behind `url` could not be had, if that is remembered.
    pub fn failure(&self, url: &str) -> Option<FetchFailure> {
        match self.entries.get(url)? {
            Held::Known { .. } => None,
            Held::Failed { failure, .. } => Some(*failure),
        }
    }

    /// Whether the revocation lists of a trust domain will do at `now`; None when it has none.
    pub(crate) fn revocations_will_do(&self, anchors: AnchorsId, now: UnixTime) -> Option<bool> {
        let (_, until, _) = self.revocations.iter().find(|(id, ..)| *id == anchors)?;
        Some(until.is_none_or(|until| now <= until))
    }

    /// Whether the lists of a trust domain revoke a certificate of a path that the credential does not keep, so that the cache
    /// could not say: it was not valid yet when it was fetched, or the domain is one that the cache was not made for.
    pub(crate) fn revokes_unkept(
        &self,
        credential: &Credential,
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> bool {
        let lists = self.revocations.iter().find(|(id, ..)| *id == anchors.id());
        lists.is_some_and(|(.., lists)| {
            !credential.keeps_path(anchors)
                && credential
                    .path(anchors, now)
                    .is_ok_and(|path| credential.along(&path).any(|certificate| lists.revoke(certificate)))
        })
    }

    pub(crate) fn held(&self, url: &str) -> Option<&Held> {
        self.entries.get(url)
    }
}
