use memchr::{memchr, memchr3};

use crate::lex;

/// The values of one header line, separated by commas outside quotes and angle brackets.
///
/// An empty line holds no value (for example an empty Supported, RFC 3261 section 20.37). An empty
/// piece beside a comma is an empty value, which no typed header accepts. Text after an unclosed
/// quote or bracket is not split.
#[derive(Clone)]
pub struct Values<'a> {
    rest: Option<&'a [u8]>,
    list: bool,
}

impl<'a> Values<'a> {
    /// Splits at commas.
    pub fn list(line: &'a [u8]) -> Self {
        let line = lex::trim_start(line);
        Self { rest: if line.is_empty() { None } else { Some(line) }, list: true }
    }

    /// Takes the whole line as one value.
    pub fn single(line: &'a [u8]) -> Self {
        Self { rest: Some(line), list: false }
    }

    /// The text after the values already returned; `None` at the end.
    pub(crate) fn rest(&self) -> Option<&'a [u8]> {
        self.rest.map(lex::trim)
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        if !self.list {
            return Some(rest);
        }
        match comma(rest) {
            None => Some(lex::trim(rest)),
            Some(at) => {
                let (value, tail) = lex::split(rest, at);
                self.rest = Some(lex::split(tail, 1).1);
                Some(lex::trim(value))
            }
        }
    }
}

/// The first comma outside quotes and angle brackets.
#[inline]
fn comma(text: &[u8]) -> Option<usize> {
    // Most lines hold one value, and then one search is enough.
    memchr(b',', text)?;
    let mut at = 0;
    loop {
        let rest = lex::split(text, at).1;
        at += memchr3(b',', b'"', b'<', rest)?;
        match text.get(at)? {
            b'"' => at = closing_quote(text, at + 1)?,
            b'<' => at += memchr(b'>', lex::split(text, at).1)? + 1,
            _ => return Some(at),
        }
    }
}

/// The position after the closing quote of a quoted string whose content starts at `at`.
fn closing_quote(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', lex::split(text, at).1)?;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        let line = br#""A, <l>;\"ice" <sip:a,b@example.com>;x="1,2" , <sip:c@example.com>,sip:d@example.com"#;
        let values: Vec<_> = Values::list(line).collect();
        assert_eq!(
            values,
            [
                &br#""A, <l>;\"ice" <sip:a,b@example.com>;x="1,2""#[..],
                b"<sip:c@example.com>",
                b"sip:d@example.com"
            ]
        );
    }

    #[test]
    fn a_line_without_commas_is_one_value() {
        assert_eq!(Values::list(b" a ").collect::<Vec<_>>(), [b"a"]);
        assert_eq!(Values::single(b"a, b").collect::<Vec<_>>(), [b"a, b"]);
    }

    #[test]
    fn an_empty_line_holds_no_value_but_an_empty_piece_is_a_value() {
        assert_eq!(Values::list(b"").count() + Values::list(b" \r\n ").count(), 0);
        assert_eq!(Values::list(b"a,").collect::<Vec<_>>(), [&b"a"[..], b""]);
        assert_eq!(Values::list(b",").count(), 2);
        assert_eq!(Values::single(b"").count(), 1);
    }

    #[test]
    fn unclosed_quotes_and_brackets_do_not_split() {
        assert_eq!(Values::list(b"\"a, b").count(), 1);
        assert_eq!(Values::list(b"\"a, b\\").count(), 1);
    }
}
