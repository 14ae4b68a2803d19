//! The time for which a fetched certificate stays fresh (RFC 9111 section 4.2, rules for shared caches).

use std::time::Duration;

/// A response with status 200 from a certificate URL: the body, and the header fields about its freshness.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    pub(super) body: &'a [u8],
    cache_control: &'a str,
    age: Duration,
    expires_in: Option<Duration>,
}

impl<'a> Fetched<'a> {
    /// A body without header fields about its freshness.
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, cache_control: "", age: Duration::ZERO, expires_in: None }
    }

    /// The value of `Cache-Control`. Join several fields with commas.
    pub fn cache_control(mut self, value: &'a str) -> Self {
        self.cache_control = value;
        self
    }

    /// The value of `Age` plus the response delay. Default: zero.
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// The value of `Expires` minus `Date`. Zero if `Expires` is in the past or malformed. Default: no such field.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.expires_in = Some(lifetime);
        self
    }

    /// The freshness lifetime of the response: `s-maxage`, or else `max-age`, or else `Expires`. `None` if the response has
    /// none of them. A directive that is malformed, or repeated with another value, makes the response stale (RFC 9111 section
    /// 4.2.1).
    pub(super) fn lifetime(&self) -> Option<Duration> {
        if self.has("no-store") || self.has("no-cache") || self.has("private") {
            return Some(Duration::ZERO);
        }
        let lifetime = self.seconds("s-maxage").or_else(|| self.seconds("max-age")).or(self.expires_in);
        lifetime.map(|lifetime| lifetime.saturating_sub(self.age))
    }

    fn has(&self, name: &str) -> bool {
        self.directives().any(|(directive, _)| directive.eq_ignore_ascii_case(name))
    }

    fn seconds(&self, name: &str) -> Option<Duration> {
        let mut values = self
            .directives()
            .filter(|(directive, _)| directive.eq_ignore_ascii_case(name))
            .map(|(_, value)| value);
        let first = values.next()?;
        let agreed = values.all(|value| value == first);
        // `parse` accepts a sign, but delta-seconds has no sign (RFC 9111 section 1.2.2).
        let digits = Some(first.trim_matches('"')).filter(|digits| agreed && !digits.starts_with('+'));
        let seconds = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
        Some(Duration::from_secs(seconds))
    }

    fn directives(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cache_control.split(',').map(|directive| {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            (name.trim(), value.trim())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(cache_control: &str) -> Option<u64> {
        Fetched::new(b"").cache_control(cache_control).lifetime().map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn directives_in_their_order_of_precedence() {
        for (cache_control, seconds) in [
            ("", None),
            ("public", None),
            ("max-age=60", Some(60)),
            ("max-age=60, S-MaxAge = \"120\"", Some(120)),
            ("max-age=60, max-age=60", Some(60)),
            ("max-age=60, max-age=61", Some(0)),
            ("max-age=soon", Some(0)),
            ("max-age=+60", Some(0)),
            ("max-age=60, no-store", Some(0)),
            ("no-cache", Some(0)),
            ("private, max-age=60", Some(0)),
        ] {
            assert_eq!(lifetime(cache_control), seconds, "{cache_control}");
        }
    }

    #[test]
    fn expires_is_the_last_choice_and_age_is_subtracted() {
        let hour = Duration::from_secs(3600);
        let fetched = Fetched::new(b"").expires_in(hour).age(Duration::from_secs(600));
        assert_eq!(fetched.lifetime(), Some(Duration::from_secs(3000)));
        assert_eq!(fetched.cache_control("max-age=660").lifetime(), Some(Duration::from_secs(60)));
        assert_eq!(fetched.cache_control("max-age=60").lifetime(), Some(Duration::ZERO));
    }
}
