use std::fmt;

use crate::error::{ParseError, ParseErrorKind};
use crate::header::typed::typed;
use crate::lex::{self, Cursor};
use crate::method::Method;

/// The value of `CSeq`: a number below 2^31 and a method (RFC 3261 sections 20.16, 8.1.1.5).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CSeq {
    number: u32,
    method: Method,
}

impl CSeq {
    /// A CSeq value; `None` if the number is 2^31 or more.
    pub fn new(number: u32, method: Method) -> Option<Self> {
        if number <= Self::LARGEST { Some(Self { number, method }) } else { None }
    }

    /// Reads the value.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let digits = cursor.take_some(lex::DIGIT)?;
        let number = lex::number(digits).filter(|&number| number <= Self::LARGEST);
        let number = number.ok_or(ParseError::new(ParseErrorKind::Number, 0))?;
        let before = cursor.offset();
        cursor.skip_lws();
        let at = cursor.offset();
        match Method::parse(cursor.rest()) {
            Some(method) if at > before => Ok(Self { number, method }),
            Some(_) | None => Err(cursor.unexpected()),
        }
    }

    /// The number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    const LARGEST: u32 = (1 << 31) - 1;
}

typed!(CSeq);

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_method() {
        let cseq = CSeq::parse(b"0009\r\n  INVITE").unwrap();
        assert_eq!((cseq.number(), cseq.method()), (9, &Method::Invite));
        assert_eq!(cseq.to_string(), "9 INVITE");
        assert_eq!(CSeq::parse(b"2147483647 BYE").unwrap().number(), 2_147_483_647);
        for bad in [
            "",
            "INVITE",
            "1",
            "1INVITE",
            "-1 INVITE",
            "2147483648 INVITE",
            "36893488147419103232 REGISTER",
            "1 INV ITE",
        ] {
            assert!(CSeq::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(CSeq::new(1 << 31, Method::Bye), None);
    }
}
