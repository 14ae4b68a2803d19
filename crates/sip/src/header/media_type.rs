use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;
use crate::param::Params;
use crate::parse;

/// `type/subtype` with parameters: the form of Content-Type and of each Accept value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaType<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    params: Params<'a>,
}

impl<'a> MediaType<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (kind, subtype, params) = parse::read(value, parse::media)?;
        Ok(Self { kind, subtype, params })
    }

    /// The type: `application`, or `*` in a range.
    pub fn kind(&self) -> &'a [u8] {
        self.kind
    }

    /// The subtype: `sdp`, or `*` in a range.
    pub fn subtype(&self) -> &'a [u8] {
        self.subtype
    }

    /// Whether type and subtype match, ignoring case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// Whether this range includes a media type: each part is equal or `*`.
    pub fn covers(&self, other: &MediaType<'_>) -> bool {
        let part = |range: &[u8], found: &[u8]| range == b"*" || range.eq_ignore_ascii_case(found);
        part(self.kind, other.kind) && part(self.subtype, other.subtype)
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

impl fmt::Display for MediaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", lex::text(self.kind), lex::text(self.subtype), self.params)
    }
}

/// The value of `Content-Type` (RFC 3261 section 20.15).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentType<'a>(MediaType<'a>);

impl<'a> ContentType<'a> {
    /// Reads the value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        MediaType::parse(value).map(Self)
    }

    /// The media type.
    pub fn media_type(&self) -> MediaType<'a> {
        self.0
    }

    /// Whether the body is SDP.
    pub fn is_sdp(&self) -> bool {
        self.0.is("application", "sdp")
    }

    /// The `boundary` of a multipart body (RFC 2046 section 5.1.1).
    pub fn boundary(&self) -> Option<&'a [u8]> {
        self.0.params.value("boundary")
    }
}

impl fmt::Display for ContentType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One value of `Accept` (RFC 3261 section 20.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accept<'a>(MediaType<'a>);

impl<'a> Accept<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        MediaType::parse(value).map(Self)
    }

    /// The range of media types.
    pub fn range(&self) -> MediaType<'a> {
        self.0
    }

    /// The preference in thousandths; 1000 if `q` is absent or cannot be read.
    pub fn q(&self) -> u16 {
        self.0.params.value("q").and_then(lex::thousandths).unwrap_or(1000)
    }
}

impl fmt::Display for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

typed!(ContentType<'a>, Accept<'a>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_ranges() {
        let content = ContentType::parse(b"multipart / mixed ;boundary=\"unique-boundary-1\"").unwrap();
        assert_eq!(content.boundary(), Some(&b"unique-boundary-1"[..]));
        assert!(!content.is_sdp() && ContentType::parse(b"Application/SDP").unwrap().is_sdp());
        let accept = Accept::parse(b"application/*;q=0.7").unwrap();
        assert_eq!(accept.q(), 700);
        assert!(accept.range().covers(&MediaType::parse(b"application/sdp").unwrap()));
        assert_eq!(accept.to_string(), "application/*;q=0.7");
        for bad in ["", "application", "application/", "/sdp", "a/b;;", "a/b c"] {
            assert!(ContentType::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
