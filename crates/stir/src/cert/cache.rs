//! The cache of credentials. The cache does not fetch. It tells its caller which URLs to fetch, and the caller reports the
//! results.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;

use crate::cert::anchors::{AnchorsId, TrustAnchors};
use crate::cert::cache_config::CacheConfig;
use crate::cert::cache_entry::FetchFailure;
use crate::cert::credential::Credential;
use crate::cert::crl::Revocations;
use crate::cert::eviction::{EvictionOrder, Group};
use crate::cert::freshness::Fetched;
use crate::cert::proven::ProvenUrls;
use crate::cert::snapshot::Snapshot;
use crate::cert::url_record::{Kept, State, UrlRecord, VERIFIED, after, header, size};
use crate::digest;
use crate::x5u::X5u;

/// The action that is needed for a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Fetch the URL, and report the result to [`Cache::fetched`].
    Fetch,
    /// A fetch is already in progress.
    InFlight,
    /// The cache has a fresh credential.
    Fresh,
    /// Every entry that might make room is in use or has a fetch in progress.
    Full,
    /// The last fetch failed. The cache does not ask for a new fetch before `until`.
    Failed {
        /// The earliest time of the next fetch.
        until: UnixTime,
    },
}

/// Credentials by URL. Each chain is validated once for every trust domain, and is stored once for all its URLs.
///
/// Callers choose the URLs. The entries that an attacker can add are evicted first: failures, then credentials that no trust
/// domain trusts, then trusted credentials that verified no call. A credential that verified a call is evicted last, and not
/// while it is [in use](CacheConfig::in_use). Within each group, the entry with the oldest use is evicted first.
#[derive(Debug)]
pub struct Cache {
    config: CacheConfig,
    domains: Vec<TrustAnchors>,
    revocations: Vec<(AnchorsId, Arc<Revocations>)>,
    entries: BTreeMap<X5u, UrlRecord>,
    order: EvictionOrder,
    leaves: BTreeMap<[u8; 32], Arc<Credential>>,
    proven: ProvenUrls,
    octets: usize,
    snapshot: Arc<Snapshot>,
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
            leaves: BTreeMap::new(),
            proven: ProvenUrls::default(),
            octets: 0,
            snapshot: Arc::default(),
        }
    }

    /// Asks for the certificate behind `url`. The cache asks for at most one fetch of a URL at a time.
    ///
    /// If the cached credential is still fresh, a verification asks only in two cases. In the first case, a signature failed
    /// under the key of the credential. In the second case, the credential itself was refused. The server may have a new
    /// certificate, so the cache fetches the URL again after the [refetch](CacheConfig::refetch) time.
    pub fn want(&mut self, url: &X5u, now: UnixTime) -> Want {
        if !self.entries.contains_key(url) && !self.add(url, now) {
            return Want::Full;
        }
        self.protect(url);
        let Some(entry) = self.entries.get_mut(url) else { return Want::Full };
        entry.asked = now;
        let want = match &entry.state {
            _ if entry.in_flight => Want::InFlight,
            State::Known(kept) if now < after(kept.tried, self.config.refetch) => Want::Fresh,
            State::Failed { until, .. } if now < *until => Want::Failed { until: *until },
            State::Unknown | State::Known(_) | State::Failed { .. } => Want::Fetch,
        };
        entry.in_flight |= want == Want::Fetch;
        self.make_evictable(url);
        want
    }

    /// Whether the certificate of `url` has verified a signature before, even if the cache has forgotten the certificate.
    pub fn has_verified(&self, url: &X5u) -> bool {
        self.entries.get(url).is_some_and(|entry| entry.usage.last().is_some()) || self.proven.contains(url)
    }

    /// Whether a certificate of the [site](X5u::site) of `url` has verified a signature. The answer may be a minute old.
    pub fn site_has_verified(&self, url: &X5u) -> bool {
        self.order.last(&Group::Site(url.site())).is_some_and(|(rank, ..)| *rank == VERIFIED)
    }

    /// Reports that `url` was not fetched, because too many fetches were needed. The cache keeps what it knows, and asks for
    /// the next fetch as if this fetch had not been needed.
    pub fn not_fetched(&mut self, url: &X5u, now: UnixTime) {
        let Some(entry) = self.entries.get_mut(url).filter(|entry| entry.in_flight) else { return };
        entry.in_flight = false;
        match &mut entry.state {
            State::Unknown => return self.forget(url),
            State::Known(kept) => kept.refresh_at = kept.refresh_at.max(after(now, self.config.negative)),
            State::Failed { .. } => {}
        }
        self.make_evictable(url);
    }

    /// Reports the result of a fetch of `url`. After a failure, the cache keeps its credential for `url`, because the chain
    /// itself limits the validity of the credential.
    pub fn fetched(&mut self, url: &X5u, now: UnixTime, outcome: Result<Fetched<'_>, FetchFailure>) {
        let outcome = outcome.and_then(|fetched| {
            let (leaf, credential) = self.parse(&fetched, now)?;
            Ok((leaf, credential, self.lifetime(&fetched)))
        });
        let retry = after(now, self.config.negative);
        self.protect(url);
        let Some(entry) = self.entries.get_mut(url) else { return };
        entry.in_flight = false;
        match (outcome, &mut entry.state) {
            (Ok((leaf, credential, lifetime)), state) => {
                let revoked = revoked(&credential, &self.revocations);
                self.octets = self.octets.saturating_sub(size(url, state));
                *state = State::Known(Kept {
                    credential: Arc::clone(&credential),
                    revoked,
                    fetched: now,
                    tried: now,
                    refresh_at: after(now, lifetime.mul_f64(REFRESH_AHEAD)),
                    expires_at: after(now, lifetime),
                    header: header(url),
                });
                self.octets += size(url, state);
                self.regroup(url, Group::Leaf(leaf));
                self.leaves.insert(leaf, credential);
            }
            (Err(_), State::Known(kept)) => (kept.tried, kept.refresh_at) = (now, retry),
            (Err(failure), state) => *state = State::Failed { until: retry, failure },
        }
        // The new entry is not evictable yet, so another URL of the same certificate makes room.
        let leaf = self.entries.get(url).and_then(|entry| entry.groups.get(1)).cloned();
        if let Some(leaf) = leaf.filter(|leaf| self.order.size(leaf) > self.config.urls_per_leaf) {
            self.evict(Some(&leaf), None);
        }
        while self.octets > self.config.octets && self.evict(None, Some(now)) {}
        self.make_evictable(url);
        self.show(url);
    }

    /// Parses and validates a chain. A chain that the cache has already, under another URL, is not validated again. Returns the
    /// digest of the leaf certificate too.
    fn parse(
        &self,
        fetched: &Fetched<'_>,
        now: UnixTime,
    ) -> Result<([u8; 32], Arc<Credential>), FetchFailure> {
        let mut credential = Credential::parse(fetched.body).map_err(|_| FetchFailure::Unparsable)?;
        let leaf = digest::sha256(credential.chain().leaf());
        let is_same = |own: &&Arc<Credential>| {
            own.chain().certificates() == credential.chain().certificates()
                && self.domains.iter().all(|domain| own.has_cached_path(domain))
        };
        if let Some(known) = self.leaves.get(&leaf).filter(is_same) {
            return Ok((leaf, Arc::clone(known)));
        }
        for domain in &self.domains {
            credential.validate(domain, now);
        }
        Ok((leaf, Arc::new(credential)))
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
            if let State::Known(kept) = &mut entry.state {
                kept.revoked = revoked(&kept.credential, &self.revocations);
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

    /// Removes expired certificates and old failures. Returns the URLs of credentials that verified a signature since the last
    /// fetch and have used four fifths of their lifetime. Fetch these URLs before the credentials expire. A credential that is
    /// not used is not fetched again. Call this function about once a minute.
    pub fn poll(&mut self, now: UnixTime) -> Vec<X5u> {
        let expired = |entry: &UrlRecord| !entry.in_flight && !entry.is_worth_keeping(now);
        let expired: Vec<X5u> =
            self.entries.iter().filter(|(_, entry)| expired(entry)).map(|(url, _)| url.clone()).collect();
        expired.iter().for_each(|url| self.forget(url));
        self.relist();
        let due = |entry: &UrlRecord| !entry.in_flight && entry.is_due(now);
        let due: Vec<X5u> =
            self.entries.iter().filter(|(_, entry)| due(entry)).map(|(url, _)| url.clone()).collect();
        for url in &due {
            self.protect(url);
            if let Some(entry) = self.entries.get_mut(url) {
                entry.in_flight = true;
            }
        }
        due
    }

    /// The size of all entries, in octets of their certificates and URLs.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Returns the lifetime, limited by the floor and the ceiling. Each verification checks the validity of the certificate
    /// itself.
    fn lifetime(&self, fetched: &Fetched<'_>) -> Duration {
        fetched.lifetime().unwrap_or(self.config.floor).max(self.config.floor).min(self.config.ceiling)
    }

    /// Adds an entry. Evicts another entry if the cache, or the share of the site, is full. Returns false if every entry is in
    /// use or has a fetch in progress.
    fn add(&mut self, url: &X5u, now: UnixTime) -> bool {
        let site = Group::Site(url.site());
        let site_is_full = self.order.size(&site) >= self.config.entries_per_site;
        if site_is_full && !self.evict(Some(&site), Some(now)) {
            return false;
        }
        if self.entries.len() >= self.config.entries && !self.evict(None, Some(now)) {
            return false;
        }
        let entry = UrlRecord::new(site, now);
        if let Some(verified) = self.proven.take(url) {
            entry.usage.verified(verified);
        }
        entry.groups.iter().for_each(|group| self.order.join(group));
        self.octets += size(url, &entry.state);
        self.entries.insert(url.clone(), entry);
        true
    }

    /// Evicts the next entry: of all entries, or of a group. With `now`, an entry that is in use at that time stays. Returns
    /// whether an entry was evicted.
    fn evict(&mut self, group: Option<&Group>, now: Option<UnixTime>) -> bool {
        while let Some(key) = self.order.next(group).cloned() {
            let Some(entry) = self.entries.get(&key.2) else {
                self.order.protect(&key, &[]);
                continue;
            };
            // A verification changes the use of an entry, but not its place in the order.
            if entry.eviction_key(&key.2) != key {
                self.protect(&key.2);
                self.make_evictable(&key.2);
                continue;
            }
            let in_use = |now| entry.usage.last().is_some_and(|last| now < after(last, self.config.in_use));
            if key.0 == VERIFIED && now.is_some_and(in_use) {
                return false;
            }
            self.forget(&key.2);
            return true;
        }
        false
    }

    /// Moves the entries that verified signatures to their places in the eviction order.
    fn relist(&mut self) {
        let is_moved = |(url, entry): &(&X5u, &UrlRecord)| {
            entry.listed.as_ref().is_some_and(|key| *key != entry.eviction_key(url))
        };
        let moved: Vec<X5u> = self.entries.iter().filter(is_moved).map(|(url, _)| url.clone()).collect();
        for url in &moved {
            self.protect(url);
            self.make_evictable(url);
        }
    }

    fn forget(&mut self, url: &X5u) {
        self.protect(url);
        let Some(entry) = self.entries.remove(url) else { return };
        self.octets = self.octets.saturating_sub(size(url, &entry.state));
        for group in &entry.groups {
            self.leave(group);
        }
        if let Some(verified) = entry.usage.last() {
            self.proven.add(url, verified);
        }
        Arc::make_mut(&mut self.snapshot).entries.remove(url.as_str());
    }

    /// Removes an entry from a group. The credential of a leaf is dropped with its last URL.
    fn leave(&mut self, group: &Group) {
        self.order.leave(group);
        if let Group::Leaf(leaf) = group
            && self.order.size(group) == 0
        {
            self.leaves.remove(leaf);
        }
    }

    /// Makes `leaf` the leaf group of an entry. The entry must be protected.
    fn regroup(&mut self, url: &X5u, leaf: Group) {
        let Some(entry) = self.entries.get_mut(url) else { return };
        let before: Vec<Group> = entry.groups.drain(1..).collect();
        entry.groups.push(leaf.clone());
        self.order.join(&leaf);
        before.iter().for_each(|group| self.leave(group));
    }

    /// Allows the eviction of an entry, unless its fetch is in progress.
    fn make_evictable(&mut self, url: &X5u) {
        if let Some(entry) = self.entries.get_mut(url)
            && !entry.in_flight
        {
            let key = entry.eviction_key(url);
            entry.listed = Some(key.clone());
            self.order.make_evictable(key, &entry.groups);
        }
    }

    fn protect(&mut self, url: &X5u) {
        if let Some(entry) = self.entries.get_mut(url)
            && let Some(key) = entry.listed.take()
        {
            self.order.protect(&key, &entry.groups);
        }
    }

    /// Puts an entry into the snapshot.
    fn show(&mut self, url: &X5u) {
        if let Some(cache_entry) =
            self.entries.get(url).and_then(|entry| entry.cache_entry(self.config.refetch))
        {
            Arc::make_mut(&mut self.snapshot).entries.insert(url, cache_entry);
        }
    }
}

/// The trust domains in which a certificate of the credential's path is revoked.
fn revoked(credential: &Credential, revocations: &[(AnchorsId, Arc<Revocations>)]) -> Arc<[AnchorsId]> {
    let revoking =
        |(id, lists): &(AnchorsId, Arc<Revocations>)| credential.is_revoked(*id, lists).then_some(*id);
    revocations.iter().filter_map(revoking).collect()
}

/// A credential is fetched again after this fraction of its lifetime.
const REFRESH_AHEAD: f64 = 0.8;
