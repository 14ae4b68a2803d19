use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;
use crate::parse;

/// One value of `Privacy`: levels of privacy, separated by `;` (RFC 3323 section 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Privacy<'a>(&'a [u8]);

impl<'a> Privacy<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        parse::read(value, parse::tokens(b';')).map(Self)
    }

    /// The levels: `header`, `session`, `user`, `id`, `history`, `critical`, `none` or others.
    pub fn levels(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.split(|&octet| octet == b';').map(lex::trim)
    }

    /// Whether this level is present, ignoring case.
    pub fn has(&self, level: &str) -> bool {
        self.levels().any(|found| found.eq_ignore_ascii_case(level.as_bytes()))
    }
}

typed!(Privacy<'a>);

impl fmt::Display for Privacy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&lex::text(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_levels() {
        let privacy = Privacy::parse(b"id ; Critical").unwrap();
        assert!(privacy.has("ID") && privacy.has("critical") && !privacy.has("none"));
        assert_eq!(privacy.to_string(), "id ; Critical");
        for bad in ["", ";", "id;", "id header"] {
            assert!(Privacy::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
