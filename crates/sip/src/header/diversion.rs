use std::fmt;

use crate::error::ParseError;
use crate::header::address::NameAddr;
use crate::header::typed::typed;
use crate::lex;

/// One value of `Diversion`: a party that diverted the call, and the reason (RFC 5806 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Diversion<'a>(NameAddr<'a>);

impl<'a> Diversion<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        NameAddr::parse(value).map(Self)
    }

    /// The address of the party that diverted the call.
    pub fn address(&self) -> NameAddr<'a> {
        self.0
    }

    /// The reason: `unknown`, `user-busy`, `no-answer`, `unconditional` and others.
    pub fn reason(&self) -> Option<&'a [u8]> {
        self.0.params().value("reason")
    }

    /// The number of diversions that this value represents.
    pub fn counter(&self) -> Option<u32> {
        lex::number(self.0.params().value("counter")?)
    }

    /// The `privacy` parameter.
    pub fn privacy(&self) -> Option<&'a [u8]> {
        self.0.params().value("privacy")
    }
}

typed!(Diversion<'a>);

impl fmt::Display for Diversion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diverting_party_and_reason() {
        let diversion =
            Diversion::parse(b"\"Bob\" <sip:bob@example.com>;reason=no-answer;counter=2;privacy=full")
                .unwrap();
        assert_eq!((diversion.reason(), diversion.counter()), (Some(&b"no-answer"[..]), Some(2)));
        assert_eq!(diversion.privacy(), Some(&b"full"[..]));
        assert_eq!(diversion.address().uri().user(), Some(&b"bob"[..]));
    }
}
