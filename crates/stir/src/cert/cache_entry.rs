//! The data of one URL in a snapshot of the certificate cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls_pki_types::UnixTime;

use crate::cert::anchors::AnchorsId;
use crate::cert::credential::Credential;

/// The data of one URL.
#[derive(Clone, Debug)]
pub(crate) enum CacheEntry {
    /// The server has sent a credential.
    Known(Known),
    /// The fetch failed. The cache does not fetch again before `until`.
    Failed { until: UnixTime, failure: FetchFailure },
}

/// The data of a URL with a credential.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) credential: Arc<Credential>,
    /// Before this time, another fetch cannot help.
    pub(crate) settled_until: UnixTime,
    /// The trust domains that revoke a certificate of the path.
    pub(crate) revoked: Arc<[AnchorsId]>,
    /// The canonical header of `shaken` PASSporTs with this URL, base64url-encoded.
    pub(crate) header: Arc<[u8]>,
    pub(crate) usage: Arc<Usage>,
}

impl CacheEntry {
    /// The canonical header of `shaken` PASSporTs, base64url-encoded, if there is a credential.
    pub(crate) fn canonical_header(&self) -> Option<&[u8]> {
        match self {
            Self::Known(known) => Some(&known.header),
            Self::Failed { .. } => None,
        }
    }
}

/// The use of a URL by verifications. The cache and all snapshots share it, so that a verification needs no message to the
/// cache.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// The time of the last signature that the credential of this URL verified, in seconds since the epoch. 0: none.
    verified: AtomicU64,
}

impl Usage {
    /// Records that the credential verified a signature of a request at `now`.
    pub(crate) fn verified(&self, now: UnixTime) {
        let seconds = now.as_secs();
        // Workers share the value. A write in every call would move it between their processor caches.
        if self.verified.load(Ordering::Relaxed) < seconds {
            self.verified.store(seconds, Ordering::Relaxed);
        }
    }

    /// The time of the last verified signature. `None` if there was none.
    pub(crate) fn last(&self) -> Option<UnixTime> {
        let seconds = self.verified.load(Ordering::Relaxed);
        (seconds > 0).then(|| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
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
