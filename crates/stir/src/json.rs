//! A JSON scanner with limits (RFC 8259). It reads in place, does not allocate, and refuses duplicate member names.
//!
//! PASSporTs are small objects from untrusted senders. The scanner reads each octet once and passes each member to its caller.
//! It also checks the depth, the number of members per object and the text encoding. Every scanned value is therefore well
//! formed.

use std::borrow::Cow;

/// The largest depth of nested objects and arrays.
const MAX_DEPTH: usize = 8;
/// The largest number of members in an object. The scanner compares all pairs of names to find duplicates.
const MAX_MEMBERS: usize = 24;

/// The reason for which a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// The text is not JSON in UTF-8, or a member does not have the type that the caller needs.
    Malformed,
    /// An object has two members with the same name.
    Duplicate,
    /// The text has more levels, or an object has more members, than a PASSporT needs.
    Limit,
}

/// The type of the next value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Literal,
}

/// The raw text of a string, between its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// A text without quotes, backslashes and control characters.
    pub(crate) fn of_plain(raw: &'a str) -> Self {
        Self { raw, escaped: false }
    }

    /// The text with escapes decoded. It is borrowed if it has no escape.
    pub(crate) fn decoded(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(self.characters().collect()) } else { Cow::Borrowed(self.raw) }
    }

    /// The text, if it has no escape. This is enough to compare a value with plain ASCII.
    pub(crate) fn plain(self) -> Option<&'a str> {
        if self.escaped { None } else { Some(self.raw) }
    }

    fn same(self, other: Self) -> bool {
        if self.escaped || other.escaped {
            self.characters().eq(other.characters())
        } else {
            self.raw == other.raw
        }
    }

    /// The characters with escapes decoded. An unpaired surrogate becomes U+FFFD.
    fn characters(self) -> impl Iterator<Item = char> + 'a {
        let mut rest = self.raw.chars();
        std::iter::from_fn(move || match rest.next()? {
            '\\' => match rest.next()? {
                'u' => Some(unicode(&mut rest)),
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                itself => Some(itself),
            },
            plain => Some(plain),
        })
    }
}

/// Reads `XXXX`, and a low surrogate if the first value is a high surrogate.
fn unicode(rest: &mut std::str::Chars<'_>) -> char {
    let unit = |rest: &mut std::str::Chars<'_>| {
        rest.by_ref().take(4).fold(0, |value, digit| value << 4 | digit.to_digit(16).unwrap_or(0))
    };
    let high = unit(rest);
    if (0xd800..0xdc00).contains(&high) {
        let mut ahead = rest.clone();
        if ahead.next() == Some('\\') && ahead.next() == Some('u') {
            let low = unit(&mut ahead);
            if (0xdc00..0xe000).contains(&low) {
                *rest = ahead;
                let value = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            }
        }
    }
    char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// A position in a JSON text.
pub(crate) struct Scanner<'a> {
    rest: &'a str,
    depth: usize,
    /// Whether the text has no escapes and no control characters. A string then ends at the next quote.
    plain: bool,
}

impl<'a> Scanner<'a> {
    /// Starts at the beginning of `text`.
    pub(crate) fn new(text: &'a [u8]) -> Result<Self, JsonError> {
        let rest = std::str::from_utf8(text).map_err(|_| JsonError::Malformed)?;
        let plain = text.iter().fold(true, |plain, octet| plain & (*octet >= b' ') & (*octet != b'\\'));
        Ok(Self { rest: skip_space(rest), depth: 0, plain })
    }

    /// Starts at the beginning of a part that was scanned before. `plain` is the [`Self::is_plain`] of that
    /// scan.
    pub(crate) fn resume(rest: &'a str, plain: bool) -> Self {
        Self { rest, depth: 0, plain }
    }

    /// Whether the text has no escapes and no control characters.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// The type of the next value.
    pub(crate) fn kind(&self) -> Result<Kind, JsonError> {
        match self.rest.as_bytes().first() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f' | b'n') => Ok(Kind::Literal),
            Some(_) | None => Err(JsonError::Malformed),
        }
    }

    /// Reads an object and calls `member` with each name. `member` must read the value.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(Text<'a>, &mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        let mut seen = [Text { raw: "", escaped: false }; MAX_MEMBERS];
        let mut count = 0;
        self.enter(b'{')?;
        if self.accept(b'}') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            let name = self.string()?;
            if seen.iter().take(count).any(|earlier| earlier.same(name)) {
                return Err(JsonError::Duplicate);
            }
            *seen.get_mut(count).ok_or(JsonError::Limit)? = name;
            count += 1;
            self.expect(b':')?;
            member(name, self)?;
            if !self.accept(b',') {
                self.expect(b'}')?;
                self.depth -= 1;
                return Ok(());
            }
        }
    }

    /// Reads an array and calls `item` before each element. `item` must read the element.
    pub(crate) fn array(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.enter(b'[')?;
        if self.accept(b']') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            item(self)?;
            if !self.accept(b',') {
                self.expect(b']')?;
                self.depth -= 1;
                return Ok(());
            }
        }
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<Text<'a>, JsonError> {
        let inside = self.rest.strip_prefix('"').ok_or(JsonError::Malformed)?;
        let (length, escaped) = if self.plain {
            (inside.bytes().position(|octet| octet == b'"').ok_or(JsonError::Malformed)?, false)
        } else {
            string_length(inside)?
        };
        let (raw, rest) = inside.split_at_checked(length).ok_or(JsonError::Malformed)?;
        self.rest = rest;
        self.step();
        Ok(Text { raw, escaped })
    }

    /// Reads a number. Returns it if it is a non-negative integer without fraction and exponent.
    pub(crate) fn number(&mut self) -> Result<Option<u64>, JsonError> {
        let octets = self.rest.as_bytes();
        let digits = octets.iter().take_while(|octet| octet.is_ascii_digit()).count();
        if digits > 0 && !octets.get(digits).is_some_and(|next| b".eE+-".contains(next)) {
            let (number, rest) = self.rest.split_at_checked(digits).ok_or(JsonError::Malformed)?;
            if number.len() > 1 && number.starts_with('0') {
                return Err(JsonError::Malformed);
            }
            self.rest = skip_space(rest);
            return Ok(number.parse().ok());
        }
        let of_number = |octet: &u8| matches!(octet, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let end = octets.iter().position(|octet| !of_number(octet)).unwrap_or(octets.len());
        let (number, rest) = self.rest.split_at_checked(end).ok_or(JsonError::Malformed)?;
        if !is_number(number) {
            return Err(JsonError::Malformed);
        }
        self.rest = skip_space(rest);
        Ok(None)
    }

    /// Reads any value and returns its text.
    pub(crate) fn value(&mut self) -> Result<&'a str, JsonError> {
        self.measured(|text| match text.kind()? {
            Kind::Object => text.object(|_, value| value.value().map(drop)),
            Kind::Array => text.array(|item| item.value().map(drop)),
            Kind::String => text.string().map(drop),
            Kind::Number => text.number().map(drop),
            Kind::Literal => {
                let literal =
                    ["true", "false", "null"].into_iter().find_map(|word| text.rest.strip_prefix(word));
                text.rest = skip_space(literal.ok_or(JsonError::Malformed)?);
                Ok(())
            }
        })
    }

    /// Returns the text that `read` consumes, without the white space after it.
    pub(crate) fn measured(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<(), JsonError>,
    ) -> Result<&'a str, JsonError> {
        let before = self.rest;
        read(self)?;
        let length = before.len() - self.rest.len();
        Ok(before.get(..length).unwrap_or_default().trim_ascii_end())
    }

    /// Checks that no text follows.
    pub(crate) fn end(&self) -> Result<(), JsonError> {
        if self.rest.is_empty() { Ok(()) } else { Err(JsonError::Malformed) }
    }

    fn enter(&mut self, bracket: u8) -> Result<(), JsonError> {
        self.expect(bracket)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(JsonError::Limit) } else { Ok(()) }
    }

    fn expect(&mut self, octet: u8) -> Result<(), JsonError> {
        if self.accept(octet) { Ok(()) } else { Err(JsonError::Malformed) }
    }

    fn accept(&mut self, octet: u8) -> bool {
        let found = self.rest.as_bytes().first() == Some(&octet);
        if found {
            self.step();
        }
        found
    }

    /// Skips one ASCII octet and the white space after it.
    fn step(&mut self) {
        self.rest = skip_space(self.rest.get(1..).unwrap_or_default());
    }
}

/// The length of the string up to the next unescaped quote, and whether it has escapes (RFC 8259 section 7).
fn string_length(inside: &str) -> Result<(usize, bool), JsonError> {
    let mut escaped = false;
    let mut octets = inside.bytes().enumerate();
    while let Some((position, octet)) = octets.next() {
        match octet {
            b'"' => return Ok((position, escaped)),
            b'\\' => {
                escaped = true;
                let digits = match octets.next() {
                    Some((_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => 0,
                    Some((_, b'u')) => 4,
                    Some(_) | None => return Err(JsonError::Malformed),
                };
                if (0..digits).any(|_| !octets.next().is_some_and(|(_, digit)| digit.is_ascii_hexdigit())) {
                    return Err(JsonError::Malformed);
                }
            }
            0..=0x1f => return Err(JsonError::Malformed),
            _ => {}
        }
    }
    Err(JsonError::Malformed)
}

/// Skips white space. A form feed is not white space (RFC 8259 section 2).
fn skip_space(text: &str) -> &str {
    match text.as_bytes().first() {
        Some(b' ' | b'\t' | b'\n' | b'\r') => text.trim_start_matches([' ', '\t', '\n', '\r']),
        Some(_) | None => text,
    }
}

/// The grammar of RFC 8259 section 6.
fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (integer, fraction) = match mantissa.split_once('.') {
        Some((integer, fraction)) => (integer, Some(fraction)),
        None => (mantissa, None),
    };
    digits(integer)
        && (integer == "0" || !integer.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<&str, JsonError> {
        let mut scanner = Scanner::new(text.as_bytes())?;
        let value = scanner.value()?;
        scanner.end()?;
        Ok(value)
    }

    #[test]
    fn well_formed_texts_are_read_to_the_end() {
        for text in [
            r#"{}"#,
            r#"[]"#,
            r#"{"a":{"b":[1,-2.5e+3,"x\"\\\u00e9",true,false,null]},"c":[]}"#,
            "0",
            r#""""#,
        ] {
            assert_eq!(check(text), Ok(text));
        }
        assert_eq!(check(" { \"a\" : [ 1 , 2 ] }\r\n"), Ok("{ \"a\" : [ 1 , 2 ] }"));
    }

    #[test]
    fn malformed_texts_are_refused() {
        for text in [
            "",
            "{",
            "}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "[1 2]",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "-",
            "tru",
            "nul",
            "\"a",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "{a:1}",
            "1 1",
            "'a'",
            "{\"a\":1}}",
        ] {
            assert_eq!(check(text), Err(JsonError::Malformed), "{text}");
        }
        assert!(matches!(Scanner::new(b"\xff"), Err(JsonError::Malformed)));
    }

    #[test]
    fn duplicate_names_with_escapes_are_found() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":1}"#, r#"{"x":{"b":1,"c":2,"b":3}}"#] {
            assert_eq!(check(text), Err(JsonError::Duplicate), "{text}");
        }
        assert!(check(r#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn depth_and_width_are_bounded() {
        assert!(check(&format!("{}{}", "[".repeat(8), "]".repeat(8))).is_ok());
        assert_eq!(check(&format!("{}{}", "[".repeat(9), "]".repeat(9))), Err(JsonError::Limit));
        let object = |members: u32| {
            let members: Vec<String> = (0..members).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(check(&object(24)).is_ok());
        assert_eq!(check(&object(25)), Err(JsonError::Limit));
    }

    #[test]
    fn strings_are_decoded() {
        let mut scanner = Scanner::new(r#""a\u00e9\ud83d\ude00\n\ud800x""#.as_bytes()).unwrap();
        let text = scanner.string().unwrap();
        assert_eq!(text.decoded(), "a\u{e9}\u{1f600}\n\u{fffd}x");
        assert_eq!(text.plain(), None);
    }

    #[test]
    fn only_whole_numbers_count() {
        for (text, value) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("-1", None),
            ("1.0", None),
            ("1e2", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(Scanner::new(text.as_bytes()).unwrap().number(), Ok(value), "{text}");
        }
    }
}
