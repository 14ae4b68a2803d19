use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;
use crate::param::Params;
use crate::parse;

/// The value of `Content-Disposition` (RFC 3261 section 20.11).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentDisposition<'a> {
    kind: &'a [u8],
    params: Params<'a>,
}

impl<'a> ContentDisposition<'a> {
    /// Reads the value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (kind, params) = parse::read(value, parse::token_params)?;
        Ok(Self { kind, params })
    }

    /// The disposition: `session`, `render`, `icon`, `alert` or another token.
    pub fn kind(&self) -> &'a [u8] {
        self.kind
    }

    /// Whether the recipient may ignore a body that it does not understand: `handling=optional`.
    pub fn is_optional(&self) -> bool {
        self.params.value("handling").is_some_and(|handling| handling.eq_ignore_ascii_case(b"optional"))
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

typed!(ContentDisposition<'a>);

impl fmt::Display for ContentDisposition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", lex::text(self.kind), self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handling_is_required_unless_it_says_optional() {
        let optional = ContentDisposition::parse(b"render; handling=Optional").unwrap();
        assert!(optional.is_optional());
        assert_eq!(optional.to_string(), "render; handling=Optional");
        assert!(!ContentDisposition::parse(b"session").unwrap().is_optional());
        assert!(ContentDisposition::parse(b";handling=optional").is_err());
    }
}
