use std::borrow::Cow;
use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::header::typed::typed;
use crate::lex::{self, Cursor};
use crate::param::{Params, unquote};

/// One value of `Reason` (RFC 3326 section 2): a protocol, a cause and a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reason<'a> {
    protocol: &'a [u8],
    cause: Option<u16>,
    text: Option<&'a [u8]>,
    params: Params<'a>,
}

impl<'a> Reason<'a> {
    /// Reads one value. [`Headers::values`](crate::Headers::values) splits a line into values.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let protocol = cursor.take_some(lex::TOKEN)?;
        let start = cursor;
        let (mut cause, mut text) = (None, None);
        let params = Params::read(&mut cursor, |name, value| {
            if cause.is_none() && name.eq_ignore_ascii_case(b"cause") {
                cause = value;
            } else if text.is_none() && name.eq_ignore_ascii_case(b"text") {
                text = value;
            }
        })?;
        let number = |digits| lex::number(digits).and_then(|cause| u16::try_from(cause).ok());
        let cause =
            cause.map(|digits| number(digits).ok_or(start.error(ParseErrorKind::Number))).transpose()?;
        Ok(Self { protocol, cause, text, params })
    }

    /// The protocol of the cause: `SIP`, `Q.850`, `STIR` or another token.
    pub fn protocol(&self) -> &'a [u8] {
        self.protocol
    }

    /// True if the protocol is `name`, ignoring case.
    pub fn is_protocol(&self, name: &str) -> bool {
        self.protocol.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The `cause` parameter.
    pub fn cause(&self) -> Option<u16> {
        self.cause
    }

    /// The `text` parameter without quotes and escapes.
    pub fn text(&self) -> Option<Cow<'a, [u8]>> {
        self.text.map(unquote)
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

typed!(Reason<'a>);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", String::from_utf8_lossy(self.protocol), self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::values::Values;

    #[test]
    fn several_values_on_one_line() {
        let line = b"Q.850 ;cause=16 ;text=\"Terminated, \\\"really\\\"\", SIP;cause=600";
        let reasons: Vec<_> = Values::list(line).map(|value| Reason::parse(value).unwrap()).collect();
        let [first, second] = reasons[..] else { panic!("two values") };
        assert!(first.is_protocol("q.850"));
        assert_eq!(first.text().unwrap().as_ref(), b"Terminated, \"really\"");
        assert_eq!((second.protocol(), second.cause()), (&b"SIP"[..], Some(600)));
        assert!(Reason::parse(b"SIP;cause=abc").is_err());
        // If a parameter occurs twice, the first counts, as in `Params`.
        assert_eq!(Reason::parse(b"SIP;cause=486;cause=200").unwrap().cause(), Some(486));
    }
}
