use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::header::typed::typed;
use crate::lex::{self, Cursor};
use crate::param::Params;

/// The value of `Replaces`: the dialog that the new dialog replaces (RFC 3891 section 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replaces<'a> {
    call_id: &'a [u8],
    to_tag: &'a [u8],
    from_tag: &'a [u8],
    params: Params<'a>,
}

impl<'a> Replaces<'a> {
    /// Reads the value. Each of the two tags must occur exactly once.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let call_id = lex::trim(cursor.take(memchr::memchr(b';', cursor.rest()).unwrap_or(0)));
        if !lex::all(call_id, lex::CALL_ID) {
            return Err(cursor.unexpected());
        }
        let start = cursor;
        let (mut to_tag, mut from_tag, mut twice) = (None, None, false);
        let params = Params::read(&mut cursor, |name, value| {
            if name.eq_ignore_ascii_case(b"to-tag") {
                twice |= to_tag.is_some();
                to_tag = value;
            } else if name.eq_ignore_ascii_case(b"from-tag") {
                twice |= from_tag.is_some();
                from_tag = value;
            }
        })?;
        match (to_tag, from_tag) {
            (Some(_), Some(_)) if twice => Err(start.error(ParseErrorKind::DuplicateParam)),
            (Some(to_tag), Some(from_tag)) => Ok(Self { call_id, to_tag, from_tag, params }),
            (None, _) | (_, None) => Err(start.error(ParseErrorKind::MissingParam)),
        }
    }

    /// The Call-ID of the dialog.
    pub fn call_id(&self) -> &'a [u8] {
        self.call_id
    }

    /// `to-tag`: the tag of the side that receives this header.
    pub fn local_tag(&self) -> &'a [u8] {
        self.to_tag
    }

    /// `from-tag`: the tag of the other side.
    pub fn remote_tag(&self) -> &'a [u8] {
        self.from_tag
    }

    /// Whether only an early dialog may be replaced.
    pub fn is_early_only(&self) -> bool {
        self.params.has("early-only")
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

typed!(Replaces<'a>);

impl fmt::Display for Replaces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", lex::text(self.call_id), self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tags_are_needed() {
        let replaces =
            Replaces::parse(b"98732@sip.example.com ;from-tag=r33th4x0r;to-tag=ff87ff;early-only").unwrap();
        assert_eq!(replaces.call_id(), b"98732@sip.example.com");
        assert_eq!((replaces.local_tag(), replaces.remote_tag()), (&b"ff87ff"[..], &b"r33th4x0r"[..]));
        assert!(replaces.is_early_only());
        for bad in [
            "",
            "a",
            "a;to-tag=1",
            ";to-tag=1;from-tag=2",
            "a;to-tag=1;from-tag=2;to-tag=3",
            "a b;to-tag=1;from-tag=2",
        ] {
            assert!(Replaces::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
