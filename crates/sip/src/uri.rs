use std::borrow::Cow;
use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::host::{self, Host};
use crate::lex::{self, Cursor};
use crate::mask::Masked;
use crate::param::Params;
use crate::tel::TelUri;

/// A URI in a request line or an address header.
///
/// `Debug` masks the user; `Display` prints the URI as received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Uri<'a> {
    /// `sip:` or `sips:` (RFC 3261 section 19.1).
    Sip(SipUri<'a>),
    /// `tel:` (RFC 3966).
    Tel(TelUri<'a>),
    /// Any other scheme, for example `urn:`.
    Absolute(AbsoluteUri<'a>),
}

impl<'a> Uri<'a> {
    /// Reads the whole text as a URI.
    pub fn parse(text: &'a [u8]) -> Result<Self, ParseError> {
        match text {
            [b's' | b'S', b'i' | b'I', b'p' | b'P', b':', rest @ ..] => {
                SipUri::read(Cursor::at(text, rest), text, false).map(Self::Sip)
            }
            [b's' | b'S', b'i' | b'I', b'p' | b'P', b's' | b'S', b':', rest @ ..] => {
                SipUri::read(Cursor::at(text, rest), text, true).map(Self::Sip)
            }
            [b't' | b'T', b'e' | b'E', b'l' | b'L', b':', rest @ ..] => {
                TelUri::read(Cursor::at(text, rest), text).map(Self::Tel)
            }
            _ => AbsoluteUri::read(text).map(Self::Absolute),
        }
    }

    /// The octets as received.
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Sip(uri) => uri.raw,
            Self::Tel(uri) => uri.as_bytes(),
            Self::Absolute(uri) => uri.raw,
        }
    }

    /// The scheme as received. Schemes are compared without case.
    pub fn scheme(&self) -> &'a [u8] {
        lex::split_once(self.as_bytes(), b':').map_or(&[], |(scheme, _)| scheme)
    }

    /// The SIP URI; `None` for other schemes.
    pub fn as_sip(&self) -> Option<&SipUri<'a>> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Absolute(_) => None,
        }
    }

    /// The user part of a SIP URI with its escapes, or the number of a tel URI.
    pub fn user(&self) -> Option<&'a [u8]> {
        match self {
            Self::Sip(uri) => uri.user,
            Self::Tel(uri) => Some(uri.number()),
            Self::Absolute(_) => None,
        }
    }

    /// The parameters of a SIP or tel URI.
    pub fn params(&self) -> Params<'a> {
        match self {
            Self::Sip(uri) => uri.params,
            Self::Tel(uri) => uri.params(),
            Self::Absolute(_) => Params::default(),
        }
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.fmt(f),
            Self::Tel(uri) => uri.fmt(f),
            Self::Absolute(uri) => uri.fmt(f),
        }
    }
}

/// A `sip:` or `sips:` URI (RFC 3261 section 19.1.1). Its parts are as received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SipUri<'a> {
    raw: &'a [u8],
    secure: bool,
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    host: Host<'a>,
    port: Option<u16>,
    params: Params<'a>,
    headers: &'a [u8],
}

impl<'a> SipUri<'a> {
    fn read(mut cursor: Cursor<'a>, raw: &'a [u8], secure: bool) -> Result<Self, ParseError> {
        let (user, password) = read_userinfo(&mut cursor)?;
        let host = Host::read(&mut cursor)?;
        let port = host::read_port(&mut cursor)?;
        let params = Params::read_uri(&mut cursor)?;
        let headers = if cursor.eat(b'?') {
            let headers = cursor.take_escaped(lex::URI_HEADER)?;
            if headers.is_empty() {
                return Err(cursor.unexpected());
            }
            headers
        } else {
            &[]
        };
        if !cursor.at_end() {
            return Err(cursor.unexpected());
        }
        Ok(Self { raw, secure, user, password, host, port, params, headers })
    }

    /// The octets as received.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether the scheme is `sips`.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// The user part with its escapes.
    pub fn user(&self) -> Option<&'a [u8]> {
        self.user
    }

    /// The user part after one pass that undoes its escapes.
    pub fn user_unescaped(&self) -> Option<Cow<'a, [u8]>> {
        self.user.map(unescape)
    }

    /// The password with its escapes.
    pub fn password(&self) -> Option<&'a [u8]> {
        self.password
    }

    /// The host.
    pub fn host(&self) -> Host<'a> {
        self.host
    }

    /// The port, if present.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The URI parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The `transport` parameter.
    pub fn transport(&self) -> Option<&'a [u8]> {
        self.params.value("transport")
    }

    /// Whether the `lr` parameter is present, with or without a value: a loose router (RFC 3261
    /// section 19.1.1).
    pub fn is_loose_router(&self) -> bool {
        self.params.has("lr")
    }

    /// The header part after `?`, as received; empty if there is none.
    pub fn headers_raw(&self) -> &'a [u8] {
        self.headers
    }

    /// The header part: names and values with their escapes.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let pieces = self.headers.split(|&octet| octet == b'&').filter(|piece| !piece.is_empty());
        pieces.map(|piece| lex::split_once(piece, b'=').unwrap_or((piece, &[])))
    }
}

impl fmt::Display for SipUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.raw))
    }
}

impl fmt::Debug for SipUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = self.user {
            write!(f, "{:?}@", Masked(user))?;
        }
        write!(f, "{}", self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// A URI of a scheme that this crate does not parse.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AbsoluteUri<'a> {
    raw: &'a [u8],
    scheme: &'a [u8],
}

impl<'a> AbsoluteUri<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(raw);
        let scheme = cursor.take_all(lex::SCHEME);
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !cursor.eat(b':') {
            return Err(ParseError::new(ParseErrorKind::Uri, 0));
        }
        if !lex::all(cursor.rest(), lex::URIC) {
            return Err(cursor.error(ParseErrorKind::Uri));
        }
        Ok(Self { raw, scheme })
    }

    /// The octets as received.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// The scheme as received.
    pub fn scheme(&self) -> &'a [u8] {
        self.scheme
    }

    /// The text after the scheme and its colon.
    pub fn rest(&self) -> &'a [u8] {
        lex::split(self.raw, self.scheme.len() + 1).1
    }

    /// Whether the URI is `urn:service:sos` or a subservice: an emergency call (RFC 5031 section
    /// 4.2).
    pub fn is_emergency(&self) -> bool {
        let named = |prefix: &[u8]| {
            self.raw.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
                && matches!(self.raw.get(prefix.len()), None | Some(b'.'))
        };
        named(b"urn:service:sos")
    }
}

impl fmt::Display for AbsoluteUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.raw))
    }
}

impl fmt::Debug for AbsoluteUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme.eq_ignore_ascii_case(b"urn") {
            return fmt::Display::fmt(self, f);
        }
        write!(f, "{}:{:?}", String::from_utf8_lossy(self.scheme), Masked(self.rest()))
    }
}

/// Undoes `%` escapes in one pass. The result is not unescaped again. Borrows the text if it has no escapes.
///
/// An escaped NUL becomes an ordinary octet (RFC 4475 section 3.1.1.4).
pub fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        match rest {
            [b'%', high, low, tail @ ..] if lex::is(*high, lex::HEX) && lex::is(*low, lex::HEX) => {
                plain.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            _ => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(plain)
}

/// Reads the user and the password before an `@`, if present. The later parts cannot hold an `@`,
/// so the first `@` is the separator.
#[inline]
#[expect(clippy::type_complexity, reason = "two optional parts, named where they are used")]
fn read_userinfo<'a>(cursor: &mut Cursor<'a>) -> Result<(Option<&'a [u8]>, Option<&'a [u8]>), ParseError> {
    let start = *cursor;
    let user = cursor.take_escaped(lex::USER)?;
    // A colon comes before a password, or before the port of a URI without a user.
    let password = if cursor.rest().first() == Some(&b':') && memchr::memchr(b'@', cursor.rest()).is_some() {
        cursor.take(1);
        Some(cursor.take_escaped(lex::PASSWORD)?)
    } else {
        None
    };
    if cursor.rest().first() != Some(&b'@') && password.is_none() {
        *cursor = start;
        return Ok((None, None));
    }
    if user.is_empty() {
        return Err(start.unexpected());
    }
    cursor.expect(b'@')?;
    Ok((Some(user), password))
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sip(text: &str) -> SipUri<'_> {
        *Uri::parse(text.as_bytes()).unwrap().as_sip().unwrap()
    }

    #[test]
    fn a_sip_uri_is_parsed() {
        let uri =
            sip("sips:alice:secret@[2001:db8::10]:5070;transport=tcp;lr=on?Subject=a%20b&Priority=urgent");
        assert!(uri.secure());
        assert_eq!(uri.user(), Some(&b"alice"[..]));
        assert_eq!(uri.password(), Some(&b"secret"[..]));
        assert_eq!(uri.host().to_string(), "[2001:db8::10]");
        assert_eq!(uri.port(), Some(5070));
        assert_eq!(uri.transport(), Some(&b"tcp"[..]));
        assert!(uri.is_loose_router());
        let headers: Vec<_> = uri.headers().collect();
        assert_eq!(headers, [(&b"Subject"[..], &b"a%20b"[..]), (b"Priority", b"urgent")]);
    }

    #[test]
    fn the_last_group_of_an_address_is_not_a_port() {
        let uri = sip("sip:[2001:db8::10:5070]");
        assert_eq!((uri.host().to_string().as_str(), uri.port()), ("[2001:db8::10:5070]", None));
    }

    #[test]
    fn semicolons_and_escapes_stay_in_the_user_part() {
        let uri = sip("sip:user;par=u%40example.net@example.com");
        assert_eq!(uri.user_unescaped().unwrap().as_ref(), b"user;par=u@example.net");
        assert!(uri.params().is_empty());
        assert_eq!(sip("sip:null-%00-null@example.com").user_unescaped().unwrap().as_ref(), b"null-\0-null");
        assert_eq!(sip("sip:%2541@example.com").user_unescaped().unwrap().as_ref(), b"%41");
    }

    #[test]
    fn other_schemes_are_not_parsed() {
        let Uri::Absolute(uri) = Uri::parse(b"urn:service:sos.fire").unwrap() else { panic!("a urn") };
        assert!(uri.is_emergency());
        let Uri::Absolute(uri) = Uri::parse(b"nobodyKnowsThisScheme:totallyopaquecontent").unwrap() else {
            panic!("an unknown scheme")
        };
        assert_eq!(uri.scheme(), b"nobodyKnowsThisScheme");
        assert!(!uri.is_emergency());
    }

    #[test]
    fn broken_uris_are_refused() {
        for bad in [
            "",
            "sip",
            "sip:",
            ":a",
            "1sip:a",
            "sip:a b@c",
            "sip:@example.com",
            "sip:2001:db8::10",
            "sip:a@b@c",
            "sip:a@example.com;",
            "sip:a@example.com;lr;;x",
            "sip:a%4@example.com",
            "sip:a@example.com?",
            "urn:",
            "sip:a@example.com:99999",
            "sip:a@example.com;x=%zz",
        ] {
            assert!(Uri::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_hides_the_user() {
        let uri = Uri::parse(b"sip:+12155551234@example.com:5070;user=phone").unwrap();
        assert_eq!(format!("{uri:?}"), "sip:+1215555****@example.com:5070");
    }
}
