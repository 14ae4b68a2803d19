use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{ParseError, ParseErrorKind};
use crate::lex::{self, Cursor};

/// The host of a URI or of `Via`: an address or a domain name (RFC 3261 section 25.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Host<'a> {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; in brackets on the wire.
    V6(Ipv6Addr),
    /// A domain name: letters, digits, `-`, `.` and, beyond the grammar, `_`.
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Reads the whole text as a host.
    pub fn parse(text: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(text);
        let host = Self::read(&mut cursor)?;
        if cursor.at_end() { Ok(host) } else { Err(cursor.error(ParseErrorKind::Host)) }
    }

    /// Reads a host that may be an IPv6 address without brackets, as in `received` (RFC 5118
    /// section 4.5).
    pub fn parse_bare(text: &'a [u8]) -> Result<Self, ParseError> {
        if text.contains(&b':') && text.first() != Some(&b'[') {
            return v6(text).map(Self::V6).ok_or(ParseError::new(ParseErrorKind::Host, 0));
        }
        Self::parse(text)
    }

    /// The address; `None` for a domain name.
    pub fn address(&self) -> Option<IpAddr> {
        match *self {
            Self::V4(address) => Some(IpAddr::V4(address)),
            Self::V6(address) => Some(IpAddr::V6(address)),
            Self::Name(_) => None,
        }
    }

    /// Whether both hosts are the same: names are compared without case, addresses by value (RFC
    /// 3261 section 19.1.4).
    pub fn same(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Self::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            (Self::V4(_) | Self::V6(_) | Self::Name(_), _) => {
                self.address().is_some() && self.address() == other.address()
            }
        }
    }

    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let start = *cursor;
        let failed = || start.error(ParseErrorKind::Host);
        if cursor.eat(b'[') {
            let inside = cursor.take(memchr::memchr(b']', cursor.rest()).ok_or_else(failed)?);
            cursor.take(1);
            return v6(inside).map(Self::V6).ok_or_else(failed);
        }
        let text = cursor.take_all(lex::HOST);
        if let Some(address) = v4(text) {
            return Ok(Self::V4(address));
        }
        // The top label of a domain name holds a letter, so a numeric top label is a broken
        // address.
        let name = text.strip_suffix(b".").unwrap_or(text);
        let numeric = matches!(name.last(), Some(b'0'..=b'9')) && is_numeric(name);
        if numeric || matches!(name.first(), Some(b'.') | None) {
            return Err(failed());
        }
        std::str::from_utf8(text).map(Self::Name).map_err(|_| failed())
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl From<IpAddr> for Host<'_> {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

/// Reads `:port` if present. A colon without a number is an error.
#[inline]
pub(crate) fn read_port(cursor: &mut Cursor<'_>) -> Result<Option<u16>, ParseError> {
    if !cursor.eat(b':') {
        return Ok(None);
    }
    let start = *cursor;
    let digits = cursor.take_all(lex::DIGIT);
    match lex::number(digits).map(u16::try_from) {
        Some(Ok(port)) => Ok(Some(port)),
        Some(Err(_)) | None => Err(start.error(ParseErrorKind::Number)),
    }
}

/// Whether the top label is a number.
fn is_numeric(name: &[u8]) -> bool {
    name.rsplit(|&octet| octet == b'.').next().is_some_and(|top| lex::all(top, lex::DIGIT))
}

fn v4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut address, mut octet, mut digits, mut dots) = (0u32, 0u32, 0, 0);
    for &next in text {
        match next {
            b'0'..=b'9' if digits < 3 => {
                octet = octet * 10 + u32::from(next - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && octet < 256 && dots < 3 => {
                address = address << 8 | octet;
                (octet, digits, dots) = (0, 0, dots + 1);
            }
            _ => return None,
        }
    }
    (digits > 0 && octet < 256 && dots == 3).then(|| Ipv4Addr::from_bits(address << 8 | octet))
}

fn v6(text: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_distinguished() {
        assert_eq!(Host::parse(b"192.0.2.1").unwrap(), Host::V4(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(Host::parse(b"[2001:db8::1]").unwrap().to_string(), "[2001:db8::1]");
        assert_eq!(Host::parse(b"3com.example.").unwrap(), Host::Name("3com.example."));
        for bad in
            [&b"192.0.2"[..], b"192.0.2.256", b"2001:db8::1", b"[2001:db8::1", b"", b".", b".example", b"a b"]
        {
            assert!(Host::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn received_may_omit_the_brackets() {
        let bare = Host::parse_bare(b"2001:db8::9:255").unwrap();
        assert!(bare.same(&Host::parse_bare(b"[2001:db8::9:255]").unwrap()));
        assert_eq!(bare.address().unwrap().to_string(), "2001:db8::9:255");
    }
}
