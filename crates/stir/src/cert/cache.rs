//! The cache of credentials. The cache does not fetch. It tells its caller which URLs to fetch, and the caller reports the
//! results.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;

use crate::base64url;
use crate::cert::anchors::{AnchorsId, TrustAnchors};
use crate::cert::cache_entry::{CacheEntry, FetchFailure};
use crate::cert::credential::Credential;
use crate::cert::crl::Revocations;
use crate::cert::eviction::{EvictionKey, EvictionOrder};
use crate::cert::freshness::Fetched;
use crate::cert::snapshot::Snapshot;
use crate::passport::canonical;
use crate::passport::ppt::Ppt;
use crate::x5u::X5u;

/// The limits of the cache: the time for which it keeps credentials, and their number.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    floor: Duration,
    ceiling: Duration,
    negative: Duration,
    refetch: Duration,
    entries: usize,
    entries_per_host: usize,
}

impl CacheConfig {
    /// The shortest time for which a credential is kept, even if the server allows less. Default: 24 hours
    /// (ATIS-1000074).
    pub fn floor(mut self, floor: Duration) -> Self {
        self.floor = floor;
        self
    }

    /// The longest time for which a credential is kept before the next fetch. Default: 7 days.
    pub fn ceiling(mut self, ceiling: Duration) -> Self {
        self.ceiling = ceiling;
        self
    }

    /// How long the cache remembers a failed fetch. Default: 30 seconds.
    pub fn negative(mut self, negative: Duration) -> Self {
        self.negative = negative;
        self
    }

    /// The shortest time between two fetches of a credential that is still fresh. Such a fetch is needed if the key of the
    /// credential does not match a signature, or if the credential is refused. Default: 60 seconds.
    pub fn refetch(mut self, refetch: Duration) -> Self {
        self.refetch = refetch;
        self
    }

    /// The largest number of URLs in the cache. Default: 16,384.
    pub fn entries(mut self, entries: usize) -> Self {
        self.entries = entries.max(1);
        self
    }

    /// The largest number of URLs of one host. Default: 4,096.
    pub fn entries_per_host(mut self, entries: usize) -> Self {
        self.entries_per_host = entries.max(1);
        self
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            floor: Duration::from_secs(24 * 3600),
            ceiling: Duration::from_secs(7 * 24 * 3600),
            negative: Duration::from_secs(30),
            refetch: Duration::from_secs(60),
            entries: 16_384,
            entries_per_host: 4_096,
        }
    }
}

/// The action that is needed for a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Fetch the URL, and report the result to [`Cache::fetched`].
    Fetch,
    /// A fetch is already in progress.
    InFlight,
    /// The cache has a fresh credential.
    Fresh,
    /// The last fetch failed. The cache does not ask for a new fetch before `until`.
    Failed {
        /// The earliest time of the next fetch.
        until: UnixTime,
    },
}

/// Credentials by URL. Each chain is validated once for every trust domain.
#[derive(Debug)]
pub struct Cache {
    config: CacheConfig,
    domains: Vec<TrustAnchors>,
    revocations: Vec<(AnchorsId, Arc<Revocations>)>,
    entries: BTreeMap<X5u, UrlRecord>,
    order: EvictionOrder,
    snapshot: Arc<Snapshot>,
}

#[derive(Debug)]
struct UrlRecord {
    state: State,
    in_flight: bool,
    used: UnixTime,
    /// The canonical header of `shaken` PASSporTs with this URL, base64url-encoded.
    header: Arc<[u8]>,
}

#[derive(Debug)]
enum State {
    Unknown,
    Known { credential: Arc<Credential>, tried: UnixTime, refresh_at: UnixTime, revoked: Arc<[AnchorsId]> },
    Failed { until: UnixTime, failure: FetchFailure },
}

impl Cache {
    /// Makes an empty cache that validates credentials for each of `domains`.
    pub fn new(config: CacheConfig, domains: Vec<TrustAnchors>) -> Self {
        Self {
            config,
            domains,
            revocations: Vec::new(),
            entries: BTreeMap::new(),
            order: EvictionOrder::default(),
            snapshot: Arc::default(),
        }
    }

    /// Asks for the certificate behind `url`. The cache asks for at most one fetch of a URL at a time.
    ///
    /// If the cached credential is still fresh, a verification asks only in two cases. In the first case, a signature failed
    /// under the key of the credential. In the second case, the credential itself was refused. The server may have a new
    /// certificate, so the cache fetches the URL again after the [refetch](CacheConfig::refetch) time.
    pub fn want(&mut self, url: &X5u, now: UnixTime) -> Want {
        let is_new = !self.entries.contains_key(url);
        if is_new && !self.make_room(url) {
            return Want::Failed { until: after(now, self.config.negative) };
        }
        let entry = self.entries.entry(url.clone()).or_insert_with(|| UrlRecord::new(url, now));
        if is_new {
            self.order.add_url(url);
        } else if !entry.in_flight {
            self.order.protect(&entry.eviction_key(url));
        }
        entry.used = now;
        let want = match entry.state {
            _ if entry.in_flight => Want::InFlight,
            State::Known { tried, .. } if now < after(tried, self.config.refetch) => Want::Fresh,
            State::Failed { until, .. } if now < until => Want::Failed { until },
            State::Unknown | State::Known { .. } | State::Failed { .. } => Want::Fetch,
        };
        entry.in_flight |= want == Want::Fetch;
        if !entry.in_flight {
            self.order.make_evictable(entry.eviction_key(url));
        }
        want
    }

    /// Reports the result of a fetch of `url`. After a failure, the cache keeps its credential for `url`, because the chain
    /// itself limits the validity of the credential.
    pub fn fetched(&mut self, url: &X5u, now: UnixTime, outcome: Result<Fetched<'_>, FetchFailure>) {
        let outcome = outcome.and_then(|fetched| {
            let mut credential = Credential::parse(fetched.body).map_err(|_| FetchFailure::Unparsable)?;
            for domain in &self.domains {
                credential.validate(domain, now);
            }
            let revoked = revoked(&credential, &self.revocations);
            Ok((Arc::new(credential), revoked, self.lifetime(&fetched)))
        });
        let retry = after(now, self.config.negative);
        let Some(entry) = self.entries.get_mut(url) else { return };
        if !entry.in_flight {
            self.order.protect(&entry.eviction_key(url));
        }
        entry.in_flight = false;
        match (outcome, &mut entry.state) {
            (Ok((credential, revoked, lifetime)), state) => {
                let refresh_at = after(now, lifetime.mul_f64(REFRESH_AHEAD));
                *state = State::Known { credential, tried: now, refresh_at, revoked };
            }
            (Err(_), State::Known { tried, refresh_at, .. }) => (*tried, *refresh_at) = (now, retry),
            (Err(failure), state) => *state = State::Failed { until: retry, failure },
        }
        self.order.make_evictable(entry.eviction_key(url));
        if let Some(cache_entry) = entry.cache_entry(self.config.refetch) {
            Arc::make_mut(&mut self.snapshot).entries.insert(url, cache_entry);
        }
    }

    /// Sets the revocation lists of the trust domain of `anchors`. They also apply to cached credentials.
    /// [`TrustAnchors::of_domain`] distinguishes domains that trust the same roots.
    pub fn revocations(&mut self, anchors: &TrustAnchors, revocations: Revocations) {
        self.revocations.retain(|(id, _)| *id != anchors.id());
        self.revocations.push((anchors.id(), Arc::new(revocations)));
        let snapshot = Arc::make_mut(&mut self.snapshot);
        snapshot.revocations = self
            .revocations
            .iter()
            .map(|(id, lists)| (*id, lists.fresh_until(), Arc::clone(lists)))
            .collect();
        for (url, entry) in &mut self.entries {
            if let State::Known { credential, revoked: known, .. } = &mut entry.state {
                *known = revoked(credential, &self.revocations);
            }
            if let Some(cache_entry) = entry.cache_entry(self.config.refetch) {
                snapshot.entries.insert(url, cache_entry);
            }
        }
    }

    /// The data for the next verifications. The cache returns the same snapshot until a change.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// Removes expired certificates and old failures. Returns the URLs of trusted credentials that have used four fifths of
    /// their lifetime. Fetch these URLs before the credentials expire. Call this function about once a minute.
    pub fn poll(&mut self, now: UnixTime) -> Vec<X5u> {
        let expired = |entry: &UrlRecord| !entry.in_flight && !entry.state.is_worth_keeping(now);
        let expired: Vec<X5u> =
            self.entries.iter().filter(|(_, entry)| expired(entry)).map(|(url, _)| url.clone()).collect();
        expired.iter().for_each(|url| self.forget(url));
        let mut due = Vec::new();
        for (url, entry) in &mut self.entries {
            if !entry.in_flight && entry.state.is_due(now) {
                self.order.protect(&entry.eviction_key(url));
                entry.in_flight = true;
                due.push(url.clone());
            }
        }
        due
    }

    /// Returns the lifetime, limited by the floor and the ceiling. Each verification checks the validity of the certificate
    /// itself.
    fn lifetime(&self, fetched: &Fetched<'_>) -> Duration {
        fetched.lifetime().unwrap_or(self.config.floor).max(self.config.floor).min(self.config.ceiling)
    }

    /// Evicts an entry if the cache, or the share of the host, is full. Callers choose the URLs, so entries that an attacker
    /// can add are evicted first: failures, and then credentials that no trust domain trusts. Within each group, the entry with
    /// the oldest request is evicted first.
    ///
    /// Returns false if every entry has a fetch in progress.
    fn make_room(&mut self, url: &X5u) -> bool {
        let host_is_full = self.order.entries_of_host(url) >= self.config.entries_per_host;
        if !host_is_full && self.entries.len() < self.config.entries {
            return true;
        }
        let evicted = self.order.next(host_is_full.then_some(url)).cloned();
        evicted.inspect(|evicted| self.forget(evicted)).is_some()
    }

    fn forget(&mut self, url: &X5u) {
        if let Some(entry) = self.entries.remove(url) {
            self.order.remove_url(&entry.eviction_key(url));
            Arc::make_mut(&mut self.snapshot).entries.remove(url.as_str());
        }
    }
}

impl UrlRecord {
    fn new(url: &X5u, now: UnixTime) -> Self {
        Self { state: State::Unknown, in_flight: false, used: now, header: header(url) }
    }

    /// The key of this entry in the eviction order.
    fn eviction_key(&self, url: &X5u) -> EvictionKey {
        (self.state.eviction_rank(), self.used, url.clone())
    }

    fn cache_entry(&self, refetch: Duration) -> Option<CacheEntry> {
        match &self.state {
            State::Unknown => None,
            State::Known { credential, tried, revoked, .. } => Some(CacheEntry::Known {
                credential: Arc::clone(credential),
                settled_until: after(*tried, refetch),
                revoked: Arc::clone(revoked),
                header: Arc::clone(&self.header),
            }),
            State::Failed { until, failure } => Some(CacheEntry::Failed { until: *until, failure: *failure }),
        }
    }
}

impl State {
    fn is_worth_keeping(&self, now: UnixTime) -> bool {
        match self {
            Self::Unknown => false,
            Self::Known { credential, refresh_at, .. } => {
                let valid = credential.leaf().is_some_and(|leaf| now <= leaf.not_after());
                valid && (credential.is_trusted() || now < *refresh_at)
            }
            Self::Failed { until, .. } => now < *until,
        }
    }

    fn is_due(&self, now: UnixTime) -> bool {
        match self {
            Self::Unknown | Self::Failed { .. } => false,
            Self::Known { refresh_at, .. } => now >= *refresh_at,
        }
    }

    /// The eviction group: entries with a lower rank are evicted first.
    fn eviction_rank(&self) -> u8 {
        match self {
            Self::Unknown | Self::Failed { .. } => 0,
            Self::Known { credential, .. } => 1 + u8::from(credential.is_trusted()),
        }
    }
}

fn header(url: &X5u) -> Arc<[u8]> {
    let mut encoded = Vec::new();
    base64url::encode(&canonical::header(Ppt::Shaken, url.as_str()), &mut encoded);
    encoded.into()
}

/// The trust domains in which a certificate of the credential's path is revoked.
fn revoked(credential: &Credential, revocations: &[(AnchorsId, Arc<Revocations>)]) -> Arc<[AnchorsId]> {
    let revoking =
        |(id, lists): &(AnchorsId, Arc<Revocations>)| credential.is_revoked(*id, lists).then_some(*id);
    revocations.iter().filter_map(revoking).collect()
}

/// A credential is fetched again after this fraction of its lifetime.
const REFRESH_AHEAD: f64 = 0.8;

fn after(moment: UnixTime, span: Duration) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(moment.as_secs()).saturating_add(span))
}
