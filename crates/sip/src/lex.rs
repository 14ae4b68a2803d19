//! Character classes and basic parsing steps of RFC 3261 section 25.1.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::error::{ParseError, ParseErrorKind};

/// `token`.
pub(crate) const TOKEN: u32 = 1;
/// `DIGIT`.
pub(crate) const DIGIT: u32 = 1 << 1;
/// `HEXDIG`, upper or lower case.
pub(crate) const HEX: u32 = 1 << 2;
/// Octets that the user part of a SIP URI may hold without an escape. The grammar does not allow `#`, but many dial strings
/// have an unescaped `#`. Calls would fail if these strings were rejected.
pub(crate) const USER: u32 = 1 << 3;
/// Octets that the password of a SIP URI may hold without an escape.
pub(crate) const PASSWORD: u32 = 1 << 4;
/// `paramchar` of a URI parameter, without escapes.
pub(crate) const URI_PARAM: u32 = 1 << 5;
/// `hnv-unreserved`, `unreserved`, `&` and `=`: the header part of a SIP URI, without escapes.
pub(crate) const URI_HEADER: u32 = 1 << 6;
/// Octets of a URI with an unknown scheme: RFC 3986 characters and `%`.
pub(crate) const URIC: u32 = 1 << 7;
/// Octets that the value of a header parameter may hold outside quotes: `token`, a host with or
/// without brackets, and other visible octets that are not delimiters.
pub(crate) const VALUE: u32 = 1 << 8;
/// Letters, digits, `-`, `.` and `_`: host names and IPv4 addresses.
pub(crate) const HOST: u32 = 1 << 9;
/// Octets of an unquoted display name, besides white space: `token`, octets beyond ASCII and
/// visible characters that are not delimiters.
pub(crate) const DISPLAY: u32 = 1 << 10;
/// Visible ASCII: a Call-ID. The grammar does not allow `;`, `,`, `=` and some other characters. These characters are safe,
/// because a Call-ID is only compared.
pub(crate) const CALL_ID: u32 = 1 << 11;
/// The standard and URL-safe base64 alphabets, `=` and `.`: a PASSporT in compact form.
pub(crate) const BASE64: u32 = 1 << 12;
/// `scheme` of a URI, after its first letter.
pub(crate) const SCHEME: u32 = 1 << 13;
/// Octets of `LWS`.
pub(crate) const WHITE: u32 = 1 << 14;
/// Octets of a parameter name in a header or in a URI. In a URI, the name may also contain escapes.
pub(crate) const PARAM_NAME: u32 = 1 << 15;
/// `unreserved`: octets that never need an escape in a URI.
pub(crate) const UNRESERVED: u32 = 1 << 16;

static CLASSES: [u32; 256] = classes();

const fn classes() -> [u32; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, within the array")]
        {
            table[octet] = class_of(octet as u8);
        }
        octet += 1;
    }
    table
}

const fn class_of(b: u8) -> u32 {
    let alphanumeric = b.is_ascii_alphanumeric();
    let mark = matches!(b, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')');
    let unreserved = alphanumeric || mark;
    let token =
        alphanumeric || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
    let mut class = 0;
    if token {
        class |= TOKEN;
    }
    if b.is_ascii_digit() {
        class |= DIGIT;
    }
    if b.is_ascii_hexdigit() {
        class |= HEX;
    }
    if unreserved {
        class |= UNRESERVED;
    }
    if unreserved || matches!(b, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/' | b'#') {
        class |= USER;
    }
    if unreserved || matches!(b, b'&' | b'=' | b'+' | b'$' | b',') {
        class |= PASSWORD;
    }
    if unreserved || matches!(b, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$') {
        class |= URI_PARAM;
    }
    if unreserved || matches!(b, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$' | b'&' | b'=') {
        class |= URI_HEADER;
    }
    if b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"' | b'{' | b'}' | b'|' | b'\\' | b'^' | b'`') {
        class |= URIC;
    }
    if b >= 0x80 || (b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'"' | b'<' | b'>' | b'\\')) {
        class |= VALUE;
    }
    if alphanumeric || matches!(b, b'-' | b'.' | b'_') {
        class |= HOST;
    }
    if b >= 0x80 || (b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b':' | b'<' | b'>' | b'\\')) {
        class |= DISPLAY;
    }
    if b.is_ascii_graphic() {
        class |= CALL_ID;
    }
    if alphanumeric || matches!(b, b'-' | b'_' | b'+' | b'/' | b'=' | b'.') {
        class |= BASE64;
    }
    if alphanumeric || matches!(b, b'+' | b'-' | b'.') {
        class |= SCHEME;
    }
    if matches!(b, b' ' | b'\t' | b'\r' | b'\n') {
        class |= WHITE;
    }
    if class & (TOKEN | URI_PARAM) != 0 {
        class |= PARAM_NAME;
    }
    class
}

/// Whether the octet belongs to the class.
#[inline]
pub(crate) fn is(octet: u8, class: u32) -> bool {
    CLASSES.get(usize::from(octet)).is_some_and(|classes| classes & class != 0)
}

/// The number of octets at the start that belong to the class.
#[inline]
pub(crate) fn span(text: &[u8], class: u32) -> usize {
    text.len() - after(text, class).len()
}

/// The text after the octets at the start that belong to the class.
pub(crate) fn after(mut text: &[u8], class: u32) -> &[u8] {
    // Eight octets per step, because one test of the length for eight octets saves time.
    while let [a, b, c, d, e, f, g, h, rest @ ..] = text {
        if !is(*a, class) {
            return text;
        }
        if !is(*b, class) {
            return skip::<1>(text);
        }
        if !is(*c, class) {
            return skip::<2>(text);
        }
        if !is(*d, class) {
            return skip::<3>(text);
        }
        if !is(*e, class) {
            return skip::<4>(text);
        }
        if !is(*f, class) {
            return skip::<5>(text);
        }
        if !is(*g, class) {
            return skip::<6>(text);
        }
        if !is(*h, class) {
            return skip::<7>(text);
        }
        text = rest;
    }
    while let [first, rest @ ..] = text {
        if !is(*first, class) {
            break;
        }
        text = rest;
    }
    text
}

/// The text after the first `N` octets.
#[inline]
fn skip<const N: usize>(text: &[u8]) -> &[u8] {
    text.split_first_chunk::<N>().map_or(&[], |(_, rest)| rest)
}

/// The text before `rest`, where `rest` is the end of the text.
#[inline]
pub(crate) fn before<'a>(text: &'a [u8], rest: &[u8]) -> &'a [u8] {
    text.get(..text.len() - rest.len()).unwrap_or_default()
}

/// Whether all octets belong to the class and there is at least one octet.
pub(crate) fn all(text: &[u8], class: u32) -> bool {
    !text.is_empty() && text.iter().all(|&octet| is(octet, class))
}

/// Splits after `at` octets. If the text is shorter, the first part is the whole text.
#[inline]
pub(crate) fn split(text: &[u8], at: usize) -> (&[u8], &[u8]) {
    text.split_at_checked(at).unwrap_or((text, &[]))
}

/// Splits around the first `octet`.
#[inline]
pub(crate) fn split_once(text: &[u8], octet: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = split(text, memchr(octet, text)?);
    Some((before, rest.get(1..)?))
}

/// A decimal number with any number of leading zeros.
#[inline]
pub(crate) fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    let mut value: u32 = 0;
    for &octet in digits {
        let digit = octet.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u32::from(digit))?;
    }
    Some(value)
}

/// A `qvalue` from 0 to 1 with at most three decimals, in thousandths (RFC 3261 section 25.1).
pub(crate) fn thousandths(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = split_once(text, b'.').unwrap_or((text, &[]));
    if decimals.len() > 3 {
        return None;
    }
    let scale = [1000, 100, 10, 1].get(decimals.len()).copied()?;
    let decimals = if decimals.is_empty() { 0 } else { number(decimals)? };
    let value = number(whole)?.checked_mul(1000)?.checked_add(decimals * scale)?;
    u16::try_from(value).ok().filter(|&value| value <= 1000)
}

/// Octets as text, for printing.
pub(crate) fn text(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets)
}

/// Removes white space and folds (`LWS`) at both ends.
#[inline]
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// Removes white space and folds at the start.
#[inline]
pub(crate) fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is(*first, WHITE) {
            break;
        }
        text = rest;
    }
    text
}

/// Removes white space and folds at the end.
#[inline]
pub(crate) fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text {
        if !is(*last, WHITE) {
            break;
        }
        text = rest;
    }
    text
}

/// A position in a header value that is parsed from left to right.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { rest: text, whole: text.len() }
    }

    /// A position in `text`, where `rest` is the end of `text`.
    #[inline]
    pub(crate) fn at(text: &'a [u8], rest: &'a [u8]) -> Self {
        Self { rest, whole: text.len() }
    }

    /// The text that is not read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The number of octets already read.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.whole - self.rest.len()
    }

    /// An error at this position.
    #[cold]
    pub(crate) fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError::new(kind, self.offset())
    }

    /// The error for an octet that is not allowed here, or for an early end.
    #[cold]
    pub(crate) fn unexpected(&self) -> ParseError {
        self.error(if self.rest.is_empty() {
            ParseErrorKind::UnexpectedEnd
        } else {
            ParseErrorKind::Unexpected
        })
    }

    #[inline]
    pub(crate) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the next octet if it equals `octet`.
    #[inline]
    pub(crate) fn eat(&mut self, octet: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == octet => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes the next octet, or fails if it differs from `octet`.
    #[inline]
    pub(crate) fn expect(&mut self, octet: u8) -> Result<(), ParseError> {
        if self.eat(octet) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Skips `LWS`, including folds.
    #[inline]
    pub(crate) fn skip_lws(&mut self) {
        self.rest = trim_start(self.rest);
    }

    /// Takes `octets` octets.
    #[inline]
    pub(crate) fn take(&mut self, octets: usize) -> &'a [u8] {
        let (taken, rest) = split(self.rest, octets);
        self.rest = rest;
        taken
    }

    /// Takes all octets of the class; possibly none.
    #[inline]
    pub(crate) fn take_all(&mut self, class: u32) -> &'a [u8] {
        let start = self.rest;
        self.rest = after(start, class);
        before(start, self.rest)
    }

    /// Takes at least one octet of the class.
    #[inline]
    pub(crate) fn take_some(&mut self, class: u32) -> Result<&'a [u8], ParseError> {
        let taken = self.take_all(class);
        if taken.is_empty() { Err(self.unexpected()) } else { Ok(taken) }
    }

    /// Takes all octets of the class, and escapes among them: `%` and two hexadecimal digits (RFC
    /// 3261 section 25.1, `escaped`). Possibly takes none.
    #[inline]
    pub(crate) fn take_escaped(&mut self, class: u32) -> Result<&'a [u8], ParseError> {
        let start = self.rest;
        self.rest = after(start, class);
        if self.rest.first() == Some(&b'%') {
            self.skip_escaped(class)?;
        }
        Ok(before(start, self.rest))
    }

    /// Skips escapes and the octets of the class between them.
    #[cold]
    fn skip_escaped(&mut self, class: u32) -> Result<(), ParseError> {
        while let [b'%', rest @ ..] = self.rest {
            match rest {
                [high, low, rest @ ..] if is(*high, HEX) && is(*low, HEX) => self.rest = after(rest, class),
                _ => return Err(self.error(ParseErrorKind::Escape)),
            }
        }
        Ok(())
    }

    /// Takes a quoted string that starts here. Returns the text between the quotes, with its
    /// escapes (`quoted-string`).
    pub(crate) fn take_quoted(&mut self) -> Result<&'a [u8], ParseError> {
        let start = *self;
        self.expect(b'"')?;
        let content = self.rest;
        loop {
            let Some(at) = memchr2(b'"', b'\\', self.rest) else {
                return Err(start.error(ParseErrorKind::UnclosedQuote));
            };
            self.take(at);
            if self.eat(b'"') {
                let length = content.len() - self.rest.len() - 1;
                return Ok(split(content, length).0);
            }
            self.take(2);
        }
    }

    /// Takes `<...>` that starts here. Returns the text between the brackets.
    #[inline]
    pub(crate) fn take_angle(&mut self) -> Result<&'a [u8], ParseError> {
        let start = *self;
        self.expect(b'<')?;
        let Some(at) = memchr(b'>', self.rest) else {
            return Err(start.error(ParseErrorKind::UnclosedAngle));
        };
        let content = self.take(at);
        self.take(1);
        Ok(content)
    }
}
