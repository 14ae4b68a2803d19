use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;
use crate::mask::Masked;
use crate::param::Params;
use crate::parse;
use crate::uri::Uri;

/// One value of `Call-Info`: more information about the caller or the callee (RFC 3261 section
/// 20.9).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CallInfo<'a> {
    uri: &'a [u8],
    params: Params<'a>,
}

impl<'a> CallInfo<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (uri, params) = parse::read(value, parse::angle_params)?;
        Ok(Self { uri, params })
    }

    /// The URI of the information. Any scheme is allowed; the URI is not parsed.
    pub fn uri(&self) -> &'a [u8] {
        self.uri
    }

    /// The purpose: `icon`, `info`, `card`, `jcard` or another token.
    pub fn purpose(&self) -> Option<&'a [u8]> {
        self.params.value("purpose")
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

/// One value of `Geolocation`: the URI of a location, not parsed (RFC 6442 section 4.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Geolocation<'a> {
    uri: &'a [u8],
    params: Params<'a>,
}

impl<'a> Geolocation<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (uri, params) = parse::read(value, parse::angle_params)?;
        Ok(Self { uri, params })
    }

    /// A `cid:`, `sip:`, `http:` or other URI.
    pub fn uri(&self) -> &'a [u8] {
        self.uri
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

typed!(CallInfo<'a>, Geolocation<'a>);

/// The masked URI and the names of the parameters, because the URI and the values may be personal
/// data.
impl fmt::Debug for CallInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        masked(self.uri, self.params, f)
    }
}

/// Masked like [`CallInfo`].
impl fmt::Debug for Geolocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        masked(self.uri, self.params, f)
    }
}

fn masked(uri: &[u8], params: Params<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match Uri::parse(uri) {
        Ok(uri) => write!(f, "<{uri:?}>{params:?}"),
        Err(_) => write!(f, "<{:?}>{params:?}", Masked(uri)),
    }
}

impl fmt::Display for CallInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>{}", lex::text(self.uri), self.params)
    }
}

impl fmt::Display for Geolocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>{}", lex::text(self.uri), self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uri_and_purpose() {
        let info = CallInfo::parse(b"<http://www.example.com/alice/photo.jpg> ;purpose=icon").unwrap();
        assert_eq!(info.uri(), b"http://www.example.com/alice/photo.jpg");
        assert_eq!(info.purpose(), Some(&b"icon"[..]));
        assert_eq!(Geolocation::parse(b"<cid:target123@atlanta.example.com>").unwrap().uri().len(), 33);
        assert!(CallInfo::parse(b"http://www.example.com").is_err());
        let info = CallInfo::parse(b"<sip:alice@example.com>;purpose=card").unwrap();
        assert_eq!(format!("{info:?}"), "<sip:a****@example.com>[\"purpose\"]");
    }
}
