//! The record of one certificate URL in the cache.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;

use crate::base64url;
use crate::cert::anchors::AnchorsId;
use crate::cert::cache_entry::{CacheEntry, FetchFailure, Known, Usage};
use crate::cert::credential::Credential;
use crate::cert::eviction::{EvictionKey, Group};
use crate::passport::canonical;
use crate::passport::ppt::Ppt;
use crate::x5u::X5u;

/// The state of one URL in the cache.
#[derive(Debug)]
pub(super) struct UrlRecord {
    pub(super) state: State,
    pub(super) in_flight: bool,
    pub(super) asked: UnixTime,
    pub(super) usage: Arc<Usage>,
    /// The groups of the entry: its site, and its leaf certificate if there is one.
    pub(super) groups: Vec<Group>,
    /// The entry's key in the eviction order, while the entry is evictable.
    pub(super) listed: Option<EvictionKey>,
}

#[derive(Debug)]
pub(super) enum State {
    Unknown,
    Known(Kept),
    Failed { until: UnixTime, failure: FetchFailure },
}

/// A credential and its times.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) credential: Arc<Credential>,
    pub(super) fetched: UnixTime,
    pub(super) tried: UnixTime,
    pub(super) refresh_at: UnixTime,
    pub(super) expires_at: UnixTime,
    pub(super) revoked: Arc<[AnchorsId]>,
    /// The canonical header of `shaken` PASSporTs with this URL, base64url-encoded.
    pub(super) header: Arc<[u8]>,
}

impl UrlRecord {
    pub(super) fn new(site: Group, now: UnixTime) -> Self {
        Self {
            state: State::Unknown,
            in_flight: false,
            asked: now,
            usage: Arc::default(),
            groups: vec![site],
            listed: None,
        }
    }

    /// The key of this entry in the eviction order.
    pub(super) fn eviction_key(&self, url: &X5u) -> EvictionKey {
        let verified = self.usage.last();
        let rank = match &self.state {
            State::Unknown | State::Failed { .. } => FAILED,
            State::Known(kept) if !kept.credential.is_trusted() => UNTRUSTED,
            State::Known(_) if verified.is_none() => TRUSTED,
            State::Known(_) => VERIFIED,
        };
        (rank, verified.map_or(self.asked, |verified| verified.max(self.asked)), url.clone())
    }

    pub(super) fn cache_entry(&self, refetch: Duration) -> Option<CacheEntry> {
        match &self.state {
            State::Unknown => None,
            State::Known(kept) => Some(CacheEntry::Known(Known {
                credential: Arc::clone(&kept.credential),
                settled_until: after(kept.tried, refetch),
                revoked: Arc::clone(&kept.revoked),
                header: Arc::clone(&kept.header),
                usage: Arc::clone(&self.usage),
            })),
            State::Failed { until, failure } => Some(CacheEntry::Failed { until: *until, failure: *failure }),
        }
    }

    pub(super) fn is_worth_keeping(&self, now: UnixTime) -> bool {
        match &self.state {
            State::Unknown => false,
            State::Known(kept) => {
                let valid = kept.credential.leaf().is_some_and(|leaf| now <= leaf.not_after());
                let fresh =
                    now < if kept.credential.is_trusted() { kept.expires_at } else { kept.refresh_at };
                valid && (fresh || (kept.credential.is_trusted() && self.is_used_since(kept.fetched)))
            }
            State::Failed { until, .. } => now < *until,
        }
    }

    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        match &self.state {
            State::Unknown | State::Failed { .. } => false,
            State::Known(kept) => now >= kept.refresh_at && self.is_used_since(kept.fetched),
        }
    }

    /// Whether the credential has verified a signature since `moment`.
    fn is_used_since(&self, moment: UnixTime) -> bool {
        self.usage.last().is_some_and(|last| last >= moment)
    }
}

/// The ranks of entries in the eviction order. Entries with a lower rank are evicted first.
const FAILED: u8 = 0;
/// A credential that no trust domain trusts.
const UNTRUSTED: u8 = 1;
/// A trusted credential that has verified no signature.
const TRUSTED: u8 = 2;
/// A trusted credential that has verified a signature.
pub(super) const VERIFIED: u8 = 3;

/// The size of an entry, in octets.
pub(super) fn size(url: &X5u, state: &State) -> usize {
    let chain = match state {
        State::Unknown | State::Failed { .. } => 0,
        State::Known(kept) => kept.credential.chain().certificates().iter().map(|der| der.len()).sum(),
    };
    chain + url.as_str().len()
}

/// The canonical header of `shaken` PASSporTs with this URL, base64url-encoded.
pub(super) fn header(url: &X5u) -> Arc<[u8]> {
    let mut encoded = Vec::new();
    base64url::encode(&canonical::header(Ppt::Shaken, url.as_str()), &mut encoded);
    encoded.into()
}

/// `moment` plus `span`, in whole seconds.
pub(super) fn after(moment: UnixTime, span: Duration) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(moment.as_secs()).saturating_add(span))
}
