use std::borrow::Cow;
use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;
use crate::param::unquote;
use crate::parse;

/// One value of `Warning` (RFC 3261 section 20.43).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Warning<'a> {
    code: u32,
    agent: &'a [u8],
    text: &'a [u8],
}

impl<'a> Warning<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (code, agent, text) = parse::read(value, parse::warning)?;
        Ok(Self { code, agent, text })
    }

    /// The code: 300 to 399 for faults in a session description.
    pub fn code(&self) -> u32 {
        self.code
    }

    /// The host or pseudonym that added the warning.
    pub fn agent(&self) -> &'a [u8] {
        self.agent
    }

    /// The text without quotes and escapes.
    pub fn text(&self) -> Cow<'a, [u8]> {
        unquote(self.text)
    }
}

typed!(Warning<'a>);

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {} \"{}\"", self.code, lex::text(self.agent), lex::text(self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_agent_and_text() {
        let warning =
            Warning::parse(b"307 isi.edu:5060 \"Session parameter 'foo' not \\\"understood\\\"\"").unwrap();
        assert_eq!((warning.code(), warning.agent()), (307, &b"isi.edu:5060"[..]));
        assert_eq!(warning.text().as_ref(), b"Session parameter 'foo' not \"understood\"");
        for bad in ["", "307", "307 isi.edu", "307 isi.edu text", "x isi.edu \"t\""] {
            assert!(Warning::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
