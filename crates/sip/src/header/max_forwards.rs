use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::header::typed::typed;
use crate::lex;

/// The value of `Max-Forwards`: the number of hops left, 0 to 255 (RFC 3261 section 20.22).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MaxForwards(pub u8);

impl MaxForwards {
    /// The initial value of a new request (RFC 3261 section 8.1.1.6).
    pub const DEFAULT: Self = Self(70);

    /// Reads the value; leading zeros are allowed.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let hops = lex::number(value).and_then(|hops| u8::try_from(hops).ok());
        hops.map(Self).ok_or(ParseError::new(ParseErrorKind::Number, 0))
    }

    /// The value for the next hop; `None` if the request must not be forwarded.
    pub fn decremented(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

typed!(MaxForwards);

impl fmt::Display for MaxForwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_stay_within_an_octet() {
        assert_eq!(MaxForwards::parse(b"0068"), Ok(MaxForwards(68)));
        assert_eq!(MaxForwards(1).decremented(), Some(MaxForwards(0)));
        assert_eq!(MaxForwards(0).decremented(), None);
        for bad in ["", "256", "-1", "7 0", "a"] {
            assert!(MaxForwards::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
