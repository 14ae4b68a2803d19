//! A map from URL to cache entry. It consists of chunks that clones share. If a clone changes one entry, it copies one chunk.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::cert::cache_entry::CacheEntry;
use crate::x5u::X5u;

/// A map from certificate URL to cache entry.
///
/// Callers choose the URLs. Entries are ordered by a fast hash of the URL, and by the URL if hashes are equal. A search mostly
/// compares numbers, and stays fast if hashes are equal.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedMap {
    /// Each chunk with the hash of its first entry. No chunk is empty.
    chunks: Vec<(u64, Arc<Chunk>)>,
}

type Chunk = Vec<(u64, Arc<(X5u, CacheEntry)>)>;

/// The largest number of entries in a chunk. 16,384 entries need 200 to 300 chunks. A change copies one chunk and the list of
/// chunks, which are about equally long.
const MAX_ENTRIES: usize = 128;

impl SharedMap {
    pub(super) fn get(&self, url: &str) -> Option<&CacheEntry> {
        let hash = hash(url);
        let (_, chunk) = self.chunks.get(self.position(hash, url))?;
        let at = search(chunk, hash, url).ok()?;
        chunk.get(at).map(|(_, entry)| &entry.1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &CacheEntry> {
        self.chunks.iter().flat_map(|(_, chunk)| chunk.iter()).map(|(_, entry)| &entry.1)
    }

    /// Adds or replaces the entry of `url`.
    pub(super) fn insert(&mut self, url: &X5u, entry: CacheEntry) {
        let hash = hash(url.as_str());
        let entry = (hash, Arc::new((url.clone(), entry)));
        let position = self.position(hash, url.as_str());
        let Some((first, chunk)) = self.chunks.get_mut(position) else {
            return self.chunks.push((hash, Arc::new(vec![entry])));
        };
        let chunk = Arc::make_mut(chunk);
        match search(chunk, hash, url.as_str()) {
            Ok(at) => {
                if let Some(known) = chunk.get_mut(at) {
                    *known = entry;
                }
            }
            Err(at) => chunk.insert(at.min(chunk.len()), entry),
        }
        *first = (*first).min(hash);
        if chunk.len() > MAX_ENTRIES {
            let upper = chunk.split_off(MAX_ENTRIES / 2);
            let hash = upper.first().map_or(u64::MAX, |(hash, _)| *hash);
            self.chunks.insert(position + 1, (hash, Arc::new(upper)));
        }
    }

    /// Removes the entry of `url`. Joins two small chunks that are neighbours.
    pub(super) fn remove(&mut self, url: &str) {
        let hash = hash(url);
        let position = self.position(hash, url);
        let Some((first, chunk)) = self.chunks.get_mut(position) else { return };
        let Ok(at) = search(chunk, hash, url) else { return };
        let chunk = Arc::make_mut(chunk);
        chunk.remove(at);
        match chunk.first() {
            Some((hash, _)) => *first = *hash,
            None => {
                self.chunks.remove(position);
                return;
            }
        }
        let length = |position: usize| self.chunks.get(position).map(|(_, chunk)| chunk.len());
        let joined = length(position).zip(length(position + 1)).map(|(own, next)| own + next);
        if joined.is_some_and(|joined| joined <= MAX_ENTRIES / 2) {
            let (_, next) = self.chunks.remove(position + 1);
            if let Some((_, chunk)) = self.chunks.get_mut(position) {
                Arc::make_mut(chunk).extend(next.iter().cloned());
            }
        }
    }

    /// The index of the chunk to which `url` belongs.
    fn position(&self, hash: u64, url: &str) -> usize {
        let starts_at_or_before = |(first, chunk): &(u64, Arc<Chunk>)| match first.cmp(&hash) {
            Ordering::Less => true,
            Ordering::Equal => chunk.first().is_some_and(|(_, entry)| entry.0.as_str() <= url),
            Ordering::Greater => false,
        };
        self.chunks.partition_point(starts_at_or_before).saturating_sub(1)
    }
}

fn search(chunk: &Chunk, hash: u64, url: &str) -> Result<usize, usize> {
    chunk.binary_search_by(|(own, entry)| own.cmp(&hash).then_with(|| entry.0.as_str().cmp(url)))
}

/// A hash that spreads URLs evenly. It is not secure: an attacker can find two URLs with the same hash.
fn hash(url: &str) -> u64 {
    let mut words = url.as_bytes().chunks_exact(8);
    let mut hash = words.by_ref().fold(0, |hash, word| step(hash, word.try_into().unwrap_or_default()));
    let mut last = [0; 8];
    for (position, octet) in last.iter_mut().zip(words.remainder()) {
        *position = *octet;
    }
    hash = step(hash, last);
    hash
}

fn step(hash: u64, word: [u8; 8]) -> u64 {
    (hash.rotate_left(29) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use rustls_pki_types::UnixTime;

    use super::*;
    use crate::cert::cache_entry::FetchFailure;
    use crate::x5u::DEFAULT_PORTS;

    fn url(number: u16) -> X5u {
        X5u::parse(&format!("https://h.example/{number}"), DEFAULT_PORTS).unwrap()
    }

    fn entry(status: u16) -> CacheEntry {
        let until = UnixTime::since_unix_epoch(Duration::ZERO);
        CacheEntry::Failed { until, failure: FetchFailure::Status(status) }
    }

    fn status(entry: Option<&CacheEntry>) -> Option<u16> {
        match entry {
            Some(CacheEntry::Failed { failure: FetchFailure::Status(status), .. }) => Some(*status),
            _ => None,
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

        /// After any sequence of inserts and removals, the map equals a `BTreeMap`, and clones are unchanged.
        #[test]
        fn the_map_equals_a_btree_map(steps in proptest::collection::vec((0..600_u16, proptest::bool::weighted(0.6)), 0..3000)) {
            let (mut chunks, mut map) = (SharedMap::default(), BTreeMap::new());
            let half = steps.len() / 2;
            let mut kept = None;
            for (at, (number, put)) in steps.into_iter().enumerate() {
                if at == half {
                    kept = Some((chunks.clone(), map.clone()));
                }
                if put {
                    let status = u16::try_from(at).unwrap();
                    chunks.insert(&url(number), entry(status));
                    map.insert(number, status);
                } else {
                    chunks.remove(url(number).as_str());
                    map.remove(&number);
                }
            }
            for (chunks, map) in kept.into_iter().chain([(chunks, map)]) {
                for number in 0..600 {
                    let text = url(number);
                    proptest::prop_assert_eq!(status(chunks.get(text.as_str())), map.get(&number).copied());
                }
                proptest::prop_assert_eq!(chunks.iter().count(), map.len());
                proptest::prop_assert!(chunks.chunks.iter().all(|(_, chunk)| (1..=MAX_ENTRIES).contains(&chunk.len())));
            }
        }
    }

    #[test]
    fn a_copy_shares_every_unchanged_chunk() {
        let mut chunks = SharedMap::default();
        for number in 0..10_000 {
            chunks.insert(&url(number), entry(200));
        }
        let before = chunks.clone();
        chunks.insert(&url(77), entry(500));
        let changed = chunks
            .chunks
            .iter()
            .zip(&before.chunks)
            .filter(|((_, own), (_, earlier))| !Arc::ptr_eq(own, earlier));
        assert_eq!(changed.count(), 1);
        assert!(chunks.chunks.len() < 300, "{}", chunks.chunks.len());
    }
}
