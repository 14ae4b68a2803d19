//! The URL of a certificate, with the rules of ATIS-1000074 and ATIS-1000080.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

/// The ports that a certificate URL may name by default.
pub const DEFAULT_PORTS: &[u16] = &[443, 8443];

/// An `https` URL that satisfies the rules for `x5u`. The URL has no userinfo, query or fragment. Its port is in a list. It
/// consists of visible ASCII and has at most 2,048 octets.
///
/// Two values are equal if their texts are equal (RFC 3986 section 6.2.1). RFC 8224 section 4.1 compares `info` and `x5u` in
/// this way, and the cache uses the same comparison. Clones share the text.
#[derive(Clone)]
pub struct X5u {
    text: Arc<str>,
    host: (usize, usize),
    port: u16,
}

impl X5u {
    /// Reads `text`. Its port must be one of `ports`. The port is 443 if the URL names no port.
    ///
    /// # Errors
    /// [`X5uError`] for the first rule that `text` violates.
    pub fn parse(text: &str, ports: &[u16]) -> Result<Self, X5uError> {
        let (host, port) = check(text, ports)?;
        Ok(Self { text: text.into(), host, port })
    }

    /// The URL as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host: a name, an IPv4 address, or an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        let (start, end) = self.host;
        self.text.get(start..end).unwrap_or_default()
    }

    /// The host for limits per host, in lower case and without a dot at its end (RFC 3986 section 6.2.2.1). Another spelling of
    /// the same host therefore cannot avoid the limits.
    pub fn folded_host(&self) -> Box<str> {
        self.host().trim_end_matches('.').to_ascii_lowercase().into()
    }

    /// The site for limits per site: the registrable domain of the host, by the Public Suffix List. All names below a domain
    /// that one party has registered are one site. For an address, the site is its network: /24 for IPv4 and /48 for IPv6.
    pub fn site(&self) -> Box<str> {
        let host = self.folded_host();
        match host.parse() {
            Ok(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24").into()
            }
            Ok(IpAddr::V6(address)) => {
                let [a, b, c, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}::/48").into()
            }
            Err(_) => match psl::domain_str(&host) {
                Some(domain) => domain.into(),
                None => host,
            },
        }
    }

    /// The port: 443 unless the URL names another port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path with its leading `/`.
    pub fn path(&self) -> &str {
        let after_scheme = self.text.get(SCHEME.len()..).unwrap_or_default();
        after_scheme.find('/').and_then(|at| after_scheme.get(at..)).unwrap_or("/")
    }
}

impl PartialEq for X5u {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for X5u {}

impl PartialOrd for X5u {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for X5u {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for X5u {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Borrow<str> for X5u {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for X5u {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X5u({})", self.text)
    }
}

impl fmt::Display for X5u {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The rule that a certificate URL violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum X5uError {
    /// The text is not a URL: there is no host, or an octet is not allowed.
    Malformed,
    /// The scheme is not `https`.
    NotHttps,
    /// The URL has userinfo, a query or a fragment, even an empty one.
    ForbiddenPart,
    /// The port is not in the list.
    ForbiddenPort,
    /// The URL is longer than 2,048 octets.
    TooLong,
}

impl fmt::Display for X5uError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the certificate URL is not a URL",
            Self::NotHttps => "the certificate URL is not https",
            Self::ForbiddenPart => "a certificate URL must not have userinfo, a query or a fragment",
            Self::ForbiddenPort => "the certificate URL names a port that is not allowed",
            Self::TooLong => "the certificate URL is longer than 2,048 octets",
        })
    }
}

impl std::error::Error for X5uError {}

const SCHEME: &str = "https://";
const MAX_LENGTH: usize = 2048;

/// Checks the rules. Returns the position of the host in `text`, and the port.
pub(crate) fn check(text: &str, ports: &[u16]) -> Result<((usize, usize), u16), X5uError> {
    if text.len() > MAX_LENGTH {
        return Err(X5uError::TooLong);
    }
    let mut parts = false;
    for octet in text.bytes() {
        match octet {
            b'?' | b'#' => parts = true,
            b'"' | b'\\' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => return Err(X5uError::Malformed),
            b'!'..=b'~' => {}
            _ => return Err(X5uError::Malformed),
        }
    }
    let rest = match text.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
        Some(_) | None if text.contains(':') => return Err(X5uError::NotHttps),
        Some(_) | None => return Err(X5uError::Malformed),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if parts || authority.contains('@') {
        return Err(X5uError::ForbiddenPart);
    }
    let (host, port) = match authority.strip_prefix('[').map(|literal| literal.split_once(']')) {
        Some(Some((address, port))) if address.parse::<std::net::Ipv6Addr>().is_ok() => (address, port),
        Some(_) => return Err(X5uError::Malformed),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let named = |octet: u8| octet.is_ascii_alphanumeric() || b"-._:".contains(&octet);
    if host.is_empty() || !host.bytes().all(named) {
        return Err(X5uError::Malformed);
    }
    let port = match port.strip_prefix(':') {
        // `parse` accepts a sign, but a port has no sign (RFC 3986 section 3.2.3).
        Some(digits) if digits.starts_with('+') => return Err(X5uError::Malformed),
        Some(digits) => digits.parse().map_err(|_| X5uError::Malformed)?,
        None if port.is_empty() => 443,
        None => return Err(X5uError::Malformed),
    };
    if !ports.contains(&port) {
        return Err(X5uError::ForbiddenPort);
    }
    let start = SCHEME.len() + usize::from(authority.starts_with('['));
    Ok(((start, start + host.len()), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<X5u, X5uError> {
        X5u::parse(text, DEFAULT_PORTS)
    }

    #[test]
    fn a_url_that_keeps_the_rules() {
        let url = parse("https://cr.example.net/a/b.pem").unwrap();
        assert_eq!((url.host(), url.port(), url.path()), ("cr.example.net", 443, "/a/b.pem"));
        let url = parse("HTTPS://[2001:db8::1]:8443").unwrap();
        assert_eq!((url.host(), url.port(), url.path()), ("2001:db8::1", 8443, "/"));
    }

    #[test]
    fn each_rule_has_its_own_error() {
        for (text, error) in [
            ("http://cr.example.net/a", X5uError::NotHttps),
            ("cid:x@y", X5uError::NotHttps),
            ("https://u@cr.example.net/a", X5uError::ForbiddenPart),
            ("https://cr.example.net/a?", X5uError::ForbiddenPart),
            ("https://cr.example.net/a#", X5uError::ForbiddenPart),
            ("https://cr.example.net/a?b=c", X5uError::ForbiddenPart),
            ("https://cr.example.net:80/a", X5uError::ForbiddenPort),
            ("https://cr.example.net:/a", X5uError::Malformed),
            ("https://cr.example.net:x/a", X5uError::Malformed),
            ("https://cr.example.net:+443/a", X5uError::Malformed),
            ("https://:443/a", X5uError::Malformed),
            ("https:///a", X5uError::Malformed),
            ("https://[::g]/a", X5uError::Malformed),
            ("https://cr.example.net/ a", X5uError::Malformed),
            ("https://cr.example.net/\"", X5uError::Malformed),
            ("https://cr.example.net/\u{e9}", X5uError::Malformed),
            ("cr.example.net/a", X5uError::Malformed),
            ("", X5uError::Malformed),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert_eq!(parse(&format!("https://h/{}", "a".repeat(2048))), Err(X5uError::TooLong));
    }

    #[test]
    fn different_spellings_are_the_same_host() {
        let url = parse("https://h.example/a").unwrap();
        for text in ["https://H.Example/b", "https://h.example.:8443/a"] {
            assert_eq!(url.folded_host(), parse(text).unwrap().folded_host(), "{text}");
        }
        assert_ne!(url.folded_host(), parse("https://g.example/a").unwrap().folded_host());
    }

    #[test]
    fn names_below_a_registered_domain_are_one_site() {
        for (text, site) in [
            ("https://a.b.c.example.com/a", "example.com"),
            ("https://EXAMPLE.com.:8443/a", "example.com"),
            ("https://a.example.co.uk/a", "example.co.uk"),
            ("https://one.s3.amazonaws.com/a", "one.s3.amazonaws.com"),
            ("https://localhost/a", "localhost"),
            ("https://203.0.113.77/a", "203.0.113.0/24"),
            ("https://[2001:db8:1:2::3]/a", "2001:db8:1::/48"),
        ] {
            assert_eq!(&*parse(text).unwrap().site(), site, "{text}");
        }
    }

    #[test]
    fn urls_are_equal_if_their_texts_are_equal() {
        assert_ne!(parse("https://h.example/a"), parse("https://H.example/a"));
        assert_ne!(parse("https://h.example/a"), parse("https://h.example:443/a"));
    }
}
