use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::header::address::NameAddr;
use crate::header::typed::typed;
use crate::lex;

/// One value of `History-Info`: an earlier target of the request (RFC 7044 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryInfo<'a> {
    address: NameAddr<'a>,
    index: &'a [u8],
}

impl<'a> HistoryInfo<'a> {
    /// Reads one value. The `index` parameter is required.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let address = NameAddr::parse(value)?;
        let index = address.params().value("index");
        let index = index.ok_or(ParseError::new(ParseErrorKind::MissingParam, value.len()))?;
        if !index.split(|&octet| octet == b'.').all(|part| lex::all(part, lex::DIGIT)) {
            return Err(ParseError::new(ParseErrorKind::Number, value.len()));
        }
        Ok(Self { address, index })
    }

    /// The target. The header part of its URI may carry Reason and Privacy.
    pub fn address(&self) -> NameAddr<'a> {
        self.address
    }

    /// The position of the target in the tree of targets: numbers separated by dots.
    pub fn index(&self) -> &'a [u8] {
        self.index
    }

    /// The `mp` parameter: the index of the target from which retargeting to another user made this
    /// target.
    pub fn mapped_from(&self) -> Option<&'a [u8]> {
        self.address.params().value("mp")
    }
}

typed!(HistoryInfo<'a>);

impl fmt::Display for HistoryInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_and_its_index() {
        let entry =
            HistoryInfo::parse(b"<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302>;index=1.2.1;mp=1.2").unwrap();
        assert_eq!((entry.index(), entry.mapped_from()), (&b"1.2.1"[..], Some(&b"1.2"[..])));
        for bad in ["<sip:a@b>", "<sip:a@b>;index=", "<sip:a@b>;index=1.", "<sip:a@b>;index=a"] {
            assert!(HistoryInfo::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
