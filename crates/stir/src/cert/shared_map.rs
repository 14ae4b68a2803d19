//! What is known about each URL, in pages that copies share: a copy that differs in one entry costs one page, and not all
//! there is.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::cert::cache_entry::CacheEntry;
use crate::x5u::X5u;

/// A map from URL to what is known about it.
///
/// Strangers choose the URLs. Entries are kept in the order of a cheap digest of the URL, and of the URL where digests
/// are equal: to find one takes comparisons of numbers only, and whoever makes digests meet gains nothing by it.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedMap {
    /// Each with the digest that its first entry has; none is empty.
    pages: Vec<(u64, Arc<Page>)>,
}

type Page = Vec<(u64, Arc<(X5u, CacheEntry)>)>;

/// How many entries a page may have. Sixteen thousand entries make two to three hundred pages: what is copied for one
/// change, a page and the list of them, is about as long for either.
const MAX_ENTRIES: usize = 128;

impl SharedMap {
    pub(super) fn get(&self, url: &str) -> Option<&CacheEntry> {
        let digest = digest(url);
        let (_, page) = self.pages.get(self.place(digest, url))?;
        let at = search(page, digest, url).ok()?;
        page.get(at).map(|(_, entry)| &entry.1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &CacheEntry> {
        self.pages.iter().flat_map(|(_, page)| page.iter()).map(|(_, entry)| &entry.1)
    }

    /// Puts `held` in the place of what was known about `url`.
    pub(super) fn insert(&mut self, url: &X5u, held: CacheEntry) {
        let digest = digest(url.as_str());
        let entry = (digest, Arc::new((url.clone(), held)));
        let place = self.place(digest, url.as_str());
        let Some((first, page)) = self.pages.get_mut(place) else {
            return self.pages.push((digest, Arc::new(vec![entry])));
        };
        let page = Arc::make_mut(page);
        match search(page, digest, url.as_str()) {
            Ok(at) => {
                if let Some(known) = page.get_mut(at) {
                    *known = entry;
                }
            }
            Err(at) => page.insert(at.min(page.len()), entry),
        }
        *first = (*first).min(digest);
        if page.len() > MAX_ENTRIES {
            let upper = page.split_off(MAX_ENTRIES / 2);
            let digest = upper.first().map_or(u64::MAX, |(digest, _)| *digest);
            self.pages.insert(place + 1, (digest, Arc::new(upper)));
        }
    }

    /// Forgets what was known about `url`. SharedMap that grow thin are put together.
    pub(super) fn remove(&mut self, url: &str) {
        let digest = digest(url);
        let place = self.place(digest, url);
        let Some((first, page)) = self.pages.get_mut(place) else { return };
        let Ok(at) = search(page, digest, url) else { return };
        let page = Arc::make_mut(page);
        page.remove(at);
        match page.first() {
            Some((digest, _)) => *first = *digest,
            None => {
                self.pages.remove(place);
                return;
            }
        }
        let length = |place: usize| self.pages.get(place).map(|(_, page)| page.len());
        let joined = length(place).zip(length(place + 1)).map(|(own, next)| own + next);
        if joined.is_some_and(|joined| joined <= MAX_ENTRIES / 2) {
            let (_, next) = self.pages.remove(place + 1);
            if let Some((_, page)) = self.pages.get_mut(place) {
                Arc::make_mut(page).extend(next.iter().cloned());
            }
        }
    }

    /// The page that holds `url`, if any does.
    fn place(&self, digest: u64, url: &str) -> usize {
        let begins_before = |(first, page): &(u64, Arc<Page>)| match first.cmp(&digest) {
            Ordering::Less => true,
            Ordering::Equal => page.first().is_some_and(|(_, entry)| entry.0.as_str() <= url),
            Ordering::Greater => false,
        };
        self.pages.partition_point(begins_before).saturating_sub(1)
    }
}

fn search(page: &Page, digest: u64, url: &str) -> Result<usize, usize> {
    page.binary_search_by(|(own, entry)| own.cmp(&digest).then_with(|| entry.0.as_str().cmp(url)))
}

/// A number that spreads URLs evenly. It keeps nobody from finding two that have it in common.
fn digest(url: &str) -> u64 {
    let mut words = url.as_bytes().chunks_exact(8);
    let mut digest = words.by_ref().fold(0, |digest, word| step(digest, word.try_into().unwrap_or_default()));
    let mut last = [0; 8];
    for (place, octet) in last.iter_mut().zip(words.remainder()) {
        *place = *octet;
    }
    digest = step(digest, last);
    digest
}

fn step(digest: u64, word: [u8; 8]) -> u64 {
    (digest.rotate_left(29) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
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

    fn held(status: u16) -> CacheEntry {
        let until = UnixTime::since_unix_epoch(Duration::ZERO);
        CacheEntry::Failed { until, failure: FetchFailure::Status(status) }
    }

    fn status(held: Option<&CacheEntry>) -> Option<u16> {
        match held {
            Some(CacheEntry::Failed { failure: FetchFailure::Status(status), .. }) => Some(*status),
            _ => None,
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

        /// Whatever is put in and taken out, the pages know what a map would, and copies stay as they were.
        #[test]
        fn pages_are_a_map(steps in proptest::collection::vec((0..600_u16, proptest::bool::weighted(0.6)), 0..3000)) {
            let (mut pages, mut map) = (SharedMap::default(), BTreeMap::new());
            let half = steps.len() / 2;
            let mut kept = None;
            for (at, (number, put)) in steps.into_iter().enumerate() {
                if at == half {
                    kept = Some((pages.clone(), map.clone()));
                }
                if put {
                    let status = u16::try_from(at).unwrap();
                    pages.insert(&url(number), held(status));
                    map.insert(number, status);
                } else {
                    pages.remove(url(number).as_str());
                    map.remove(&number);
                }
            }
            for (pages, map) in kept.into_iter().chain([(pages, map)]) {
                for number in 0..600 {
                    let text = url(number);
                    proptest::prop_assert_eq!(status(pages.get(text.as_str())), map.get(&number).copied());
                }
                proptest::prop_assert_eq!(pages.iter().count(), map.len());
                proptest::prop_assert!(pages.pages.iter().all(|(_, page)| (1..=MAX_ENTRIES).contains(&page.len())));
            }
        }
    }

    #[test]
    fn a_copy_shares_all_pages_but_the_one_that_changed() {
        let mut pages = SharedMap::default();
        for number in 0..10_000 {
            pages.insert(&url(number), held(200));
        }
        let before = pages.clone();
        pages.insert(&url(77), held(500));
        let changed =
            pages.pages.iter().zip(&before.pages).filter(|((_, own), (_, old))| !Arc::ptr_eq(own, old));
        assert_eq!(changed.count(), 1);
        assert!(pages.pages.len() < 300, "{}", pages.pages.len());
    }
}
