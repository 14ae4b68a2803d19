//! The limits of the certificate cache.

use std::time::Duration;

/// The limits of the cache: the time for which it keeps credentials, and their number.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    pub(super) floor: Duration,
    pub(super) ceiling: Duration,
    pub(super) negative: Duration,
    pub(super) refetch: Duration,
    pub(super) entries: usize,
    pub(super) entries_per_site: usize,
    pub(super) urls_per_leaf: usize,
    pub(super) octets: usize,
    pub(super) in_use: Duration,
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

    /// The largest number of URLs of one [site](crate::X5u::site). Default: 4,096.
    pub fn entries_per_site(mut self, entries: usize) -> Self {
        self.entries_per_site = entries.max(1);
        self
    }

    /// The largest number of URLs that serve the same leaf certificate. Copies of a public chain therefore take no more than
    /// this number of entries. Default: 8.
    pub fn urls_per_leaf(mut self, urls: usize) -> Self {
        self.urls_per_leaf = urls.max(1);
        self
    }

    /// The largest size of all entries, in octets of their certificates and URLs. Entries in use are kept beyond it.
    /// Default: 64 MiB.
    pub fn octets(mut self, octets: usize) -> Self {
        self.octets = octets;
        self
    }

    /// How long a credential that verified a signature cannot be evicted. Default: 1 hour.
    pub fn in_use(mut self, in_use: Duration) -> Self {
        self.in_use = in_use;
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
            entries_per_site: 4_096,
            urls_per_leaf: 8,
            octets: 64 * 1024 * 1024,
            in_use: Duration::from_secs(3600),
        }
    }
}
