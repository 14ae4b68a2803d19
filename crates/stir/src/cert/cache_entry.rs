//! What a snapshot of the certificate cache knows about one URL.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use crate::cert::anchors::AnchorsId;
use crate::cert::credential::Credential;

/// What is known about one URL.
#[derive(Clone, Debug)]
pub(crate) enum CacheEntry {
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

impl CacheEntry {
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
