//! A fetched document, in the terms of the certificate cache.

use std::time::Duration;

use attesta_sip::Date;
use attesta_stir::cert::Fetched;
use bytes::Bytes;
use hyper::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderMap, HeaderName};

/// A document from a response with status 200, and the caching directives of its server (RFC 9111 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    body: Bytes,
    cache_control: String,
    age: Duration,
    expires_in: Option<Duration>,
}

impl Document {
    /// Reads the caching directives of `headers`. `delay` is the time from the request to the end of the answer.
    pub(crate) fn new(headers: &HeaderMap, body: Bytes, delay: Duration) -> Document {
        let cache_control: Vec<_> =
            headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()).collect();
        let age = text(headers, AGE)
            .and_then(|age| age.trim().parse().ok())
            .map_or(Duration::ZERO, Duration::from_secs);
        Document {
            body,
            cache_control: cache_control.join(", "),
            age: age.saturating_add(delay),
            expires_in: headers.contains_key(EXPIRES).then(|| expires_in(headers)),
        }
    }

    /// Returns the octets. Their number is limited by the configuration of the fetcher.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the document in the form for [`Cache::fetched`](attesta_stir::cert::Cache::fetched).
    pub fn fetched(&self) -> Fetched<'_> {
        let fetched = Fetched::new(&self.body).cache_control(&self.cache_control).age(self.age);
        match self.expires_in {
            Some(lifetime) => fetched.expires_in(lifetime),
            None => fetched,
        }
    }
}

/// Returns `Expires` minus `Date`. Returns zero if a field is missing or unreadable, or if `Expires` is in the past.
fn expires_in(headers: &HeaderMap) -> Duration {
    let seconds = |name| text(headers, name).and_then(imf_date);
    match (seconds(EXPIRES), seconds(DATE)) {
        (Some(expires), Some(date)) => Duration::from_secs(expires.saturating_sub(date)),
        (Some(_) | None, None) | (None, Some(_)) => Duration::ZERO,
    }
}

/// Parses the fixed-length date of RFC 9110 section 5.6.7. SIP has the same date format (RFC 3261 section 20.17). The two
/// obsolete formats count as unreadable, so the document counts as expired. The cache has a minimum lifetime.
fn imf_date(text: &str) -> Option<u64> {
    Date::parse(text.as_bytes()).ok().map(|date| date.unix())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(fields: &[(HeaderName, &'static str)], delay: u64) -> Document {
        let headers = fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Document::new(&headers, Bytes::new(), Duration::from_secs(delay))
    }

    #[test]
    fn header_lines_of_one_name_are_one_list() {
        let document = document(&[(CACHE_CONTROL, "public"), (CACHE_CONTROL, "max-age=60")], 0);
        assert_eq!(document.cache_control, "public, max-age=60");
        assert_eq!((document.age, document.expires_in), (Duration::ZERO, None));
    }

    #[test]
    fn age_includes_the_time_of_the_answer() {
        assert_eq!(document(&[(AGE, "100")], 2).age, Duration::from_secs(102));
        assert_eq!(document(&[(AGE, "old")], 2).age, Duration::from_secs(2));
    }

    #[test]
    fn expires_counts_from_date_and_anything_odd_is_expired() {
        const NOON: &str = "Sun, 22 Nov 2026 12:00:00 GMT";
        const LATER: &str = "Sun, 22 Nov 2026 13:00:00 GMT";
        for (expires, date, seconds) in
            [(LATER, NOON, 3600), (NOON, LATER, 0), ("0", NOON, 0), (LATER, "now", 0)]
        {
            let document = document(&[(EXPIRES, expires), (DATE, date)], 0);
            assert_eq!(document.expires_in, Some(Duration::from_secs(seconds)), "{expires}, {date}");
        }
        assert_eq!(document(&[(EXPIRES, LATER)], 0).expires_in, Some(Duration::ZERO));
    }
}
