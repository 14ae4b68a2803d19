use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::method::Method;
use crate::parse;

/// The value of `RAck`: the reliable provisional response that a PRACK acknowledges (RFC 3262
/// section 7.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RAck {
    response: u32,
    sequence: u32,
    method: Method,
}

impl RAck {
    /// Acknowledges the response with RSeq `response` to the request whose CSeq is `sequence` and
    /// `method`.
    pub fn new(response: u32, sequence: u32, method: Method) -> Self {
        Self { response, sequence, method }
    }

    /// Reads the value.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let (response, sequence, method) = parse::read(value, parse::acknowledged)?;
        Ok(Self { response, sequence, method })
    }

    /// The RSeq of the response.
    pub fn response(&self) -> u32 {
        self.response
    }

    /// The number in the CSeq of the request.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.method
    }
}

typed!(RAck);

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.response, self.sequence, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_and_a_method() {
        let rack = RAck::parse(b"776656 1\t INVITE").unwrap();
        assert_eq!((rack.response(), rack.sequence(), rack.method()), (776_656, 1, &Method::Invite));
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        for bad in ["", "1 INVITE", "1 2", "1 2INVITE", "a 1 INVITE"] {
            assert!(RAck::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
