use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;
use crate::param::Params;
use crate::parse;

/// The value of `Retry-After` (RFC 3261 section 20.33).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryAfter<'a> {
    seconds: u32,
    comment: Option<&'a [u8]>,
    params: Params<'a>,
}

impl<'a> RetryAfter<'a> {
    /// Reads the value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (seconds, comment, params) = parse::read(value, parse::retry_after)?;
        Ok(Self { seconds, comment, params })
    }

    /// The time to wait, in seconds.
    pub fn seconds(&self) -> u32 {
        self.seconds
    }

    /// The text in parentheses after the number.
    pub fn comment(&self) -> Option<&'a [u8]> {
        self.comment
    }

    /// The time for which the other side can be reached after the wait, in seconds.
    pub fn duration(&self) -> Option<u32> {
        lex::number(self.params.value("duration")?)
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

typed!(RetryAfter<'a>);

impl fmt::Display for RetryAfter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seconds.fmt(f)?;
        if let Some(comment) = self.comment {
            write!(f, " ({})", lex::text(comment))?;
        }
        self.params.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comment_and_duration() {
        let retry = RetryAfter::parse(b"18000 (I'm (still) away) ;duration=3600").unwrap();
        assert_eq!((retry.seconds(), retry.duration()), (18_000, Some(3600)));
        assert_eq!(retry.comment(), Some(&b"I'm (still) away"[..]));
        assert_eq!(retry.to_string(), "18000 (I'm (still) away);duration=3600");
        for bad in ["", "soon", "5 (", "5 )"] {
            assert!(RetryAfter::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
