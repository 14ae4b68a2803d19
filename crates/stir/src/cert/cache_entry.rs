//! The data of one URL in a snapshot of the certificate cache.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use crate::cert::anchors::AnchorsId;
use crate::cert::credential::Credential;

/// The data of one URL.
#[derive(Clone, Debug)]
pub(crate) enum CacheEntry {
    /// The server has sent a credential. Before `settled_until`, another fetch cannot help. `revoked` lists the trust domains
    /// that revoke a certificate of its path. `header` is the canonical header of `shaken` PASSporTs with this URL,
    /// base64url-encoded.
    Known {
        credential: Arc<Credential>,
        settled_until: UnixTime,
        revoked: Arc<[AnchorsId]>,
        header: Arc<[u8]>,
    },
    /// The fetch failed. The cache does not fetch again before `until`.
    Failed { until: UnixTime, failure: FetchFailure },
}

impl CacheEntry {
    /// The canonical header of `shaken` PASSporTs, base64url-encoded, if there is a credential.
    pub(crate) fn canonical_header(&self) -> Option<&[u8]> {
        match self {
            Self::Known { header, .. } => Some(header),
            Self::Failed { .. } => None,
        }
    }
}

/// The reason for which the fetch of a certificate failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchFailure {
    /// No answer arrived in time, or there was no connection: name resolution, TCP or TLS failed.
    Unreachable,
    /// The address is private and the configuration does not allow it.
    ForbiddenAddress,
    /// The status was not 200. Redirects are not followed.
    Status(u16),
    /// The body was longer than the limit.
    TooLarge,
    /// The body is not a certificate chain.
    Unparsable,
}
