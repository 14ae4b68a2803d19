use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;
use crate::parse;

/// The value of `Timestamp` (RFC 3261 section 20.38). It contains the time at which the request was sent, by the clock of the
/// sender, and the delay before the response. Both are decimal seconds, stored as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timestamp<'a> {
    sent: &'a [u8],
    delay: Option<&'a [u8]>,
}

impl<'a> Timestamp<'a> {
    /// Reads the value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (sent, delay) = parse::read(value, parse::timestamp)?;
        Ok(Self { sent, delay })
    }

    /// The time at which the request was sent, in seconds.
    pub fn sent(&self) -> &'a [u8] {
        self.sent
    }

    /// The delay before the response, in seconds.
    pub fn delay(&self) -> Option<&'a [u8]> {
        self.delay
    }
}

typed!(Timestamp<'a>);

impl fmt::Display for Timestamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&lex::text(self.sent))?;
        match self.delay {
            Some(delay) => write!(f, " {}", lex::text(delay)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_and_without_a_delay() {
        let both = Timestamp::parse(b"54.21  0.5").unwrap();
        assert_eq!((both.sent(), both.delay()), (&b"54.21"[..], Some(&b"0.5"[..])));
        assert_eq!(both.to_string(), "54.21 0.5");
        assert_eq!(Timestamp::parse(b"54").unwrap().delay(), None);
        assert!(Timestamp::parse(b"now").is_err());
    }
}
