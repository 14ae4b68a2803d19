use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex::{self, Cursor};

/// The value of `Call-ID`: visible ASCII, compared octet for octet (RFC 3261 section 20.8).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CallId<'a>(&'a [u8]);

impl<'a> CallId<'a> {
    /// Reads the value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let id = cursor.take_some(lex::CALL_ID)?;
        if cursor.at_end() { Ok(Self(id)) } else { Err(cursor.unexpected()) }
    }

    /// The octets.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

typed!(CallId<'a>);

impl fmt::Display for CallId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_may_hold_every_character_of_a_word() {
        assert!(CallId::parse(b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{").is_ok());
        for bad in ["", "a b", "a\u{e9}"] {
            assert!(CallId::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
