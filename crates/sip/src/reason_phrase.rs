use std::borrow::Cow;
use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::lex;
use crate::uri::unescape;

/// The phrase after a status code (`Reason-Phrase`, RFC 3261 section 25.1): for people, never for
/// programs.
///
/// The phrase may be empty. The grammar allows little besides letters, digits and UTF-8. This type
/// also accepts other visible characters and octets that are not UTF-8. Control characters other
/// than the tab are errors.
///
/// ```
/// use attesta_sip::ReasonPhrase;
///
/// let phrase = ReasonPhrase::parse(b"Non%20pr\xc3\xa9vu")?;
/// assert_eq!(phrase.text(), "Non pr\u{e9}vu");
/// assert!(ReasonPhrase::parse(b"OK\r\nVia: x").is_err());
/// # Ok::<(), attesta_sip::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReasonPhrase<'a>(&'a [u8]);

impl<'a> ReasonPhrase<'a> {
    /// Reads a phrase.
    ///
    /// # Errors
    ///
    /// Fails at the first control character other than the tab.
    pub fn parse(phrase: &'a [u8]) -> Result<Self, ParseError> {
        match phrase.iter().position(|octet| octet.is_ascii_control() && *octet != b'\t') {
            Some(at) => Err(ParseError::new(ParseErrorKind::Unexpected, at)),
            None => Ok(Self(phrase)),
        }
    }

    /// The octets as received.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether the phrase is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The phrase for people, with `%` escapes undone and invalid UTF-8 replaced. An escape may
    /// hide a control character, so the text may contain control characters.
    pub fn text(&self) -> Cow<'a, str> {
        match unescape(self.0) {
            Cow::Borrowed(octets) => lex::text(octets),
            Cow::Owned(octets) => Cow::Owned(lex::text(&octets).into_owned()),
        }
    }
}

impl fmt::Display for ReasonPhrase<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&lex::text(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_in_any_language_and_empty_phrases_are_read() {
        for (phrase, text) in [
            (&b""[..], ""),
            (b"OK", "OK"),
            (b"= 2**3 * 5**2 \xd0\xbd\xd0\xbe", "= 2**3 * 5**2 \u{43d}\u{43e}"),
            (b"a\tb%2", "a\tb%2"),
            (b"\xff", "\u{fffd}"),
        ] {
            let parsed = ReasonPhrase::parse(phrase).unwrap();
            assert_eq!((parsed.as_bytes(), parsed.text().as_ref()), (phrase, text));
            assert_eq!(parsed.is_empty(), phrase.is_empty());
        }
        for bad in [&b"a\nb"[..], b"a\0", b"\x7f"] {
            assert!(ReasonPhrase::parse(bad).is_err());
        }
    }
}
