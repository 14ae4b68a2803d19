use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::lex::Cursor;
use crate::mask::Masked;
use crate::param::Params;

/// A `tel:` URI (RFC 3966): a global number, or a local number with its context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TelUri<'a> {
    raw: &'a [u8],
    number: &'a [u8],
    params: Params<'a>,
}

impl<'a> TelUri<'a> {
    pub(crate) fn read(mut cursor: Cursor<'a>, raw: &'a [u8]) -> Result<Self, ParseError> {
        let length = cursor.rest().iter().position(|&octet| octet == b';').unwrap_or(cursor.rest().len());
        let number = cursor.take(length);
        if !is_number(number) {
            return Err(ParseError::new(ParseErrorKind::Uri, cursor.offset() - number.len()));
        }
        let params = Params::read_uri(&mut cursor)?;
        if !cursor.at_end() {
            return Err(cursor.unexpected());
        }
        Ok(Self { raw, number, params })
    }

    /// The octets as received.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// The number with an optional `+` and its visual separators.
    pub fn number(&self) -> &'a [u8] {
        self.number
    }

    /// Whether the number starts with `+` (`global-number-digits`).
    pub fn is_global(&self) -> bool {
        self.number.first() == Some(&b'+')
    }

    /// The parameters: `isub`, `ext`, `phone-context` and others.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The `phone-context` of a local number.
    pub fn context(&self) -> Option<&'a [u8]> {
        self.params.value("phone-context")
    }
}

impl fmt::Display for TelUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.raw))
    }
}

impl fmt::Debug for TelUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tel:{:?}", Masked(self.number))
    }
}

/// Whether the text is `+` and digits, or the digits of a local number. `visual-separator`s are
/// allowed; at least one digit is required.
fn is_number(text: &[u8]) -> bool {
    let (global, digits) = match text {
        [b'+', digits @ ..] => (true, digits),
        local => (false, local),
    };
    let mut any = false;
    digits.iter().all(|octet| match octet {
        b'0'..=b'9' => {
            any = true;
            true
        }
        b'-' | b'.' | b'(' | b')' => true,
        b'a'..=b'f' | b'A'..=b'F' | b'*' | b'#' => {
            any = true;
            !global
        }
        _ => false,
    }) && any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TelUri<'_>, ParseError> {
        TelUri::read(Cursor::at(text.as_bytes(), &text.as_bytes()["tel:".len()..]), text.as_bytes())
    }

    #[test]
    fn global_and_local_numbers() {
        let uri = read("tel:+1-215-555-1234;ext=12").unwrap();
        assert!(uri.is_global());
        assert_eq!(uri.number(), b"+1-215-555-1234");
        assert_eq!(uri.params().value("ext"), Some(&b"12"[..]));
        assert_eq!(format!("{uri:?}"), "tel:+1-215-555-****");
        let uri = read("tel:7042;phone-context=example.com").unwrap();
        assert!(!uri.is_global());
        assert_eq!(uri.context(), Some(&b"example.com"[..]));
    }

    #[test]
    fn broken_numbers_are_refused() {
        for bad in ["tel:", "tel:+", "tel:--", "tel:+1x", "tel:+12;", "tel:+12 3", "tel:alice"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
