use std::borrow::Cow;
use std::fmt;

use crate::error::ParseError;
use crate::lex::{self, Cursor};

/// The parameters of a header value or a URI: `;name=value` pieces in order, as received.
///
/// Names are compared without case. A quoted value has no quotes but keeps its escapes; [`unquote`]
/// undoes the escapes. A name with `=` but nothing after it, as in `;rport=`, has no value. The
/// grammar does not allow this form, but some gateways send it. Header parameters may also end with
/// one `;` too many, which some phones send.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Params<'a> {
    raw: &'a [u8],
    count: u32,
}

impl<'a> Params<'a> {
    /// Reads header parameters: `*( SEMI generic-param )` up to the end of the text (RFC 3261
    /// section 25.1).
    pub fn parse(text: &'a [u8]) -> Result<Self, ParseError> {
        Self::read(&mut Cursor::new(text), |_, _| {})
    }

    /// Reads header parameters up to the end of the text and passes each to `each`.
    #[inline]
    pub(crate) fn read(
        cursor: &mut Cursor<'a>,
        mut each: impl FnMut(&'a [u8], Option<&'a [u8]>),
    ) -> Result<Self, ParseError> {
        cursor.skip_lws();
        let raw = cursor.rest();
        let mut count = 0;
        while !cursor.at_end() {
            cursor.expect(b';')?;
            cursor.skip_lws();
            if cursor.at_end() {
                break;
            }
            count += 1;
            let name = cursor.take_some(lex::TOKEN)?;
            cursor.skip_lws();
            let value = if cursor.eat(b'=') { read_value(cursor)? } else { None };
            cursor.skip_lws();
            each(name, value);
        }
        Ok(Self { raw, count })
    }

    /// Reads the parameters of a URI up to the first `?` or the end (`uri-parameters`).
    pub(crate) fn read_uri(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let raw = cursor.rest();
        let (mut length, mut count) = (0, 0);
        while cursor.eat(b';') {
            count += 1;
            let name = cursor.take_escaped(lex::URI_PARAM)?;
            if name.is_empty() {
                return Err(cursor.unexpected());
            }
            if cursor.eat(b'=') {
                cursor.take_escaped(lex::URI_PARAM)?;
            }
            length = raw.len() - cursor.rest().len();
        }
        Ok(Self { raw: lex::split(raw, length).0, count })
    }

    /// The octets as received, from the first `;` on; empty if there are no parameters.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// The number of parameters.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The value of the first parameter with this name: `None` if absent, `Some(None)` if present
    /// without a value.
    pub fn get(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The value of the first parameter with this name, if the parameter has a value.
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.get(name).flatten()
    }

    /// Whether a parameter with this name is present, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The octets of all parameters except those with this name.
    pub(crate) fn without(&self, name: &str) -> Vec<u8> {
        let (mut kept, mut params) = (Vec::with_capacity(self.raw.len()), self.iter());
        loop {
            let before = params.cursor.rest();
            let Some((found, _)) = params.next() else { return kept };
            if !found.eq_ignore_ascii_case(name.as_bytes()) {
                kept.extend_from_slice(lex::before(before, params.cursor.rest()));
            }
        }
    }

    /// All parameters in order: name and value.
    pub fn iter(&self) -> ParamsIter<'a> {
        ParamsIter { cursor: Cursor::new(self.raw) }
    }
}

impl fmt::Display for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.raw))
    }
}

impl fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}

impl<'a> IntoIterator for Params<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);
    type IntoIter = ParamsIter<'a>;

    fn into_iter(self) -> ParamsIter<'a> {
        self.iter()
    }
}

/// The parameters of one value, in order.
#[derive(Clone)]
pub struct ParamsIter<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for ParamsIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.skip_lws();
        if !self.cursor.eat(b';') {
            return None;
        }
        self.cursor.skip_lws();
        if self.cursor.at_end() {
            return None;
        }
        let name = self.cursor.take_all(lex::PARAM_NAME);
        self.cursor.skip_lws();
        let value = if self.cursor.eat(b'=') { read_value(&mut self.cursor).ok().flatten() } else { None };
        Some((name, value))
    }
}

/// Reads the text after the `=` of a parameter: a quoted string, a URI in angle brackets, plain
/// octets, or nothing.
#[inline]
fn read_value<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, ParseError> {
    cursor.skip_lws();
    match cursor.rest().first() {
        Some(b'"') => cursor.take_quoted().map(Some),
        Some(b'<') => cursor.take_angle().map(Some),
        Some(b';') | None => Ok(None),
        Some(_) => cursor.take_some(lex::VALUE).map(Some),
    }
}

/// Undoes the backslash escapes in the content of a quoted string (`quoted-pair`, RFC 3261 section
/// 25.1). Borrows the content if it holds no escapes.
pub fn unquote(content: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', content).is_none() {
        return Cow::Borrowed(content);
    }
    let mut plain = Vec::with_capacity(content.len());
    let mut octets = content.iter();
    while let Some(&octet) = octets.next() {
        let octet = if octet == b'\\' { octets.next().copied().unwrap_or(octet) } else { octet };
        plain.push(octet);
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_quotes_and_bare_names_are_read() {
        let params = Params::parse(b" ; tag = 9fxced ;q=0.33; text=\"a;b=\\\"c\\\"\" ;lr").unwrap();
        let all: Vec<_> = params.iter().collect();
        assert_eq!(
            all,
            [
                (&b"tag"[..], Some(&b"9fxced"[..])),
                (b"q", Some(b"0.33")),
                (b"text", Some(b"a;b=\\\"c\\\"")),
                (b"lr", None)
            ]
        );
        assert_eq!(params.value("TAG"), Some(&b"9fxced"[..]));
        assert_eq!(params.get("lr"), Some(None));
        assert_eq!(unquote(b"a;b=\\\"c\\\"").as_ref(), b"a;b=\"c\"");
    }

    #[test]
    fn an_empty_text_after_the_equals_sign_is_no_value() {
        let params = Params::parse(b";rport=;tag= ;x=\"\";lr = ").unwrap();
        let all: Vec<_> = params.iter().collect();
        assert_eq!(all, [(&b"rport"[..], None), (b"tag", None), (b"x", Some(&b""[..])), (b"lr", None)]);
        assert_eq!((params.len(), params.to_string().as_str()), (4, ";rport=;tag= ;x=\"\";lr = "));
        let mut uri = Cursor::new(b";user=;lr=;x=1;y=?a");
        let params = Params::read_uri(&mut uri).unwrap();
        let all: Vec<_> = params.iter().collect();
        assert_eq!(all, [(&b"user"[..], None), (b"lr", None), (b"x", Some(&b"1"[..])), (b"y", None)]);
        assert_eq!((params.len(), uri.rest()), (4, &b"?a"[..]));
    }

    #[test]
    fn one_semicolon_too_many_at_the_end_is_ignored() {
        for (text, count) in [(&b";tag=1;"[..], 1), (b" ; tag=1 ; ", 1), (b";", 0), (b";a;b=\"c\";", 2)] {
            let params = Params::parse(text).unwrap();
            assert_eq!((params.len(), params.iter().count()), (count, count));
        }
        assert_eq!(Params::parse(b";tag=1;").unwrap().value("tag"), Some(&b"1"[..]));
        assert_eq!(Params::parse(b";x;tag=1;").unwrap().without("tag"), b";x");
    }

    #[test]
    fn empty_pieces_are_refused() {
        for bad in [&b";;"[..], b";a;;", b";=", b";a=,", b";a=\"b", b"a", b";a=b,c", b";a b"] {
            assert!(Params::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
