use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::header::typed::typed;
use crate::lex::{self, Cursor};
use crate::param::Params;

/// One value of `Identity` (RFC 8224 section 4): a PASSporT and the parameters needed to verify it.
///
/// The parameters may come in any order, quoted or not. This type does not check whether the token
/// is a PASSporT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    token: &'a [u8],
    info: Option<&'a str>,
    alg: Option<&'a str>,
    ppt: Option<&'a str>,
    params: Params<'a>,
}

impl<'a> Identity<'a> {
    /// Reads one value. [`Headers::values`](crate::Headers::values) splits a line into values.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let token = cursor.take_some(lex::BASE64)?;
        let start = cursor;
        let (mut info, mut alg, mut ppt) = (None, None, None);
        let mut twice = false;
        let params = Params::read(&mut cursor, |name, value| {
            let slot = match name {
                [b'i' | b'I', b'n' | b'N', b'f' | b'F', b'o' | b'O'] => &mut info,
                [b'a' | b'A', b'l' | b'L', b'g' | b'G'] => &mut alg,
                [b'p' | b'P', b'p' | b'P', b't' | b'T'] => &mut ppt,
                _ => return,
            };
            twice |= slot.is_some();
            *slot = value.map(lex::trim);
        })?;
        if twice {
            return Err(start.error(ParseErrorKind::DuplicateParam));
        }
        let text = |value: Option<&'a [u8]>| {
            let text = value.map(std::str::from_utf8).transpose();
            text.map_err(|_| start.error(ParseErrorKind::Unexpected))
        };
        Ok(Self { token, info: text(info)?, alg: text(alg)?, ppt: text(ppt)?, params })
    }

    /// The PASSporT as received (`signed-identity-digest`).
    pub fn token(&self) -> &'a [u8] {
        self.token
    }

    /// The URI of `info`, without its angle brackets.
    pub fn info(&self) -> Option<&'a str> {
        self.info
    }

    /// The `alg` parameter without quotes.
    pub fn alg(&self) -> Option<&'a str> {
        self.alg
    }

    /// The `ppt` parameter without quotes.
    pub fn ppt(&self) -> Option<&'a str> {
        self.ppt
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

typed!(Identity<'a>);

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", String::from_utf8_lossy(self.token), self.params)
    }
}

/// Shows only the length of the token, because the token names the caller.
impl fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Identity");
        shown.field("token", &format_args!("({} octets)", self.token.len()));
        shown.field("info", &self.info).field("alg", &self.alg).field("ppt", &self.ppt).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_any_order_quoted_or_folded() {
        let value = b"eyJ.eyI.c2ln_-\r\n ;ppt=\"shaken\" ; alg = ES256;\r\n\tinfo = < https://cr.example.net/a.pem > ;x";
        let identity = Identity::parse(value).unwrap();
        assert_eq!(identity.token(), b"eyJ.eyI.c2ln_-");
        assert_eq!(identity.info(), Some("https://cr.example.net/a.pem"));
        assert_eq!((identity.alg(), identity.ppt()), (Some("ES256"), Some("shaken")));
        assert!(identity.params().has("x"));
    }

    #[test]
    fn a_token_alone_is_accepted_and_a_broken_token_is_refused() {
        assert_eq!(Identity::parse(b"a.b.c").unwrap().info(), None);
        assert_eq!(Identity::parse(b"..sig;info=<https://a>").unwrap().token(), b"..sig");
        for bad in [
            "",
            ";info=<https://a>",
            "a b;info=<https://a>",
            "a.b.c;info=<https://a>;info=<https://b>",
            "a;info=<",
        ] {
            assert!(Identity::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
