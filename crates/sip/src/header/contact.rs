use std::fmt;

use crate::error::ParseError;
use crate::header::address::NameAddr;
use crate::header::typed::typed;
use crate::lex;

/// One value of `Contact` (RFC 3261 section 20.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contact<'a> {
    /// `*`: all bindings, in a REGISTER request.
    Wildcard,
    /// An address.
    Address(NameAddr<'a>),
}

impl<'a> Contact<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        if lex::trim(value) == b"*" { Ok(Self::Wildcard) } else { NameAddr::parse(value).map(Self::Address) }
    }

    /// The address; `None` for `*`.
    pub fn address(&self) -> Option<&NameAddr<'a>> {
        match self {
            Self::Wildcard => None,
            Self::Address(address) => Some(address),
        }
    }

    /// The `expires` parameter in seconds, if its value is a 32-bit number.
    pub fn expires(&self) -> Option<u32> {
        lex::number(self.address()?.params().value("expires")?)
    }

    /// The `q` parameter in thousandths, if its value is a number from 0 to 1.
    pub fn q(&self) -> Option<u16> {
        lex::thousandths(self.address()?.params().value("q")?)
    }

    /// The `+sip.instance` parameter without quotes and angle brackets (RFC 5626 section 4.1).
    pub fn instance(&self) -> Option<&'a [u8]> {
        self.address()?.params().value("+sip.instance")?.strip_prefix(b"<")?.strip_suffix(b">")
    }
}

typed!(Contact<'a>);

impl fmt::Display for Contact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wildcard => f.write_str("*"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_binding() {
        let contact = Contact::parse(
            b"\"Quoted string \\\"\\\"\" <sip:a@example.com> ; newparam =\r\n newvalue ; expires=3600;q = 0.33;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"",
        )
        .unwrap();
        assert_eq!(contact.expires(), Some(3600));
        assert_eq!(contact.q(), Some(330));
        assert_eq!(contact.instance(), Some(&b"urn:uuid:00000000-0000-1000-8000-000a95a0e128"[..]));
        assert_eq!(Contact::parse(b"*").unwrap(), Contact::Wildcard);
        assert_eq!(Contact::parse(b"*").unwrap().to_string(), "*");
    }
}
