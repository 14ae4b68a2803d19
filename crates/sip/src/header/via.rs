use std::fmt;
use std::net::IpAddr;

use crate::error::{ParseError, ParseErrorKind};
use crate::header::typed::typed;
use crate::host::{self, Host};
use crate::lex::{self, Cursor};
use crate::param::Params;

/// One value of `Via`: a hop on the path of a request (RFC 3261 section 20.42).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Via<'a> {
    transport: &'a [u8],
    host: Host<'a>,
    port: Option<u16>,
    params: Params<'a>,
    branch: Option<&'a [u8]>,
}

impl<'a> Via<'a> {
    /// Reads one value. [`Headers::values`](crate::Headers::values) splits a line into values.
    ///
    /// Port 0 is an error, because no response can be sent to port 0.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        read_protocol(&mut cursor)?;
        let transport = cursor.take_some(lex::TOKEN)?;
        if !matches!(cursor.rest().first(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            return Err(cursor.unexpected());
        }
        cursor.skip_lws();
        let host = Host::read(&mut cursor)?;
        let port = read_port(&mut cursor)?;
        if port == Some(0) {
            return Err(cursor.error(ParseErrorKind::Number));
        }
        let mut branch = None;
        let params = Params::read(&mut cursor, |name, value| {
            if branch.is_none() && name.eq_ignore_ascii_case(b"branch") {
                branch = value;
            }
        })?;
        Ok(Self { transport, host, port, params, branch })
    }

    /// The transport as written: `UDP`, `TCP`, `TLS`, `WS`, `WSS` or another token.
    pub fn transport(&self) -> &'a [u8] {
        self.transport
    }

    /// The host of `sent-by`.
    pub fn host(&self) -> Host<'a> {
        self.host
    }

    /// The port of `sent-by`, if present.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The `branch` parameter, which identifies the transaction (RFC 3261 section 8.1.1.7).
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.branch
    }

    /// The `received` address, with or without brackets (RFC 5118 section 4.5); `None` if the
    /// parameter is absent or not an address.
    pub fn received(&self) -> Option<IpAddr> {
        Host::parse_bare(self.params.value("received")?).ok()?.address()
    }

    /// The `rport` parameter: `None` if absent, `Some(None)` if present without a value (RFC 3581
    /// section 3).
    pub fn rport(&self) -> Option<Option<u16>> {
        let value = self.params.get("rport")?;
        Some(value.and_then(lex::number).and_then(|port| u16::try_from(port).ok()))
    }

    /// The `maddr` parameter.
    pub fn maddr(&self) -> Option<Host<'a>> {
        Host::parse_bare(self.params.value("maddr")?).ok()
    }

    /// The `ttl` parameter, if it is a number from 0 to 255.
    pub fn ttl(&self) -> Option<u8> {
        u8::try_from(lex::number(self.params.value("ttl")?)?).ok()
    }
}

typed!(Via<'a>);

impl fmt::Display for Via<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", String::from_utf8_lossy(self.transport), self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)
    }
}

/// `SIP/2.0/`, with white space around the slashes as RFC 3261 allows.
#[inline]
fn read_protocol(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if cursor.rest().starts_with(b"SIP/2.0/") {
        cursor.take(8);
        return Ok(());
    }
    for (expected, kind) in [(&b"SIP"[..], ParseErrorKind::Unexpected), (b"2.0", ParseErrorKind::Version)] {
        let found = *cursor;
        if !cursor.take_all(lex::TOKEN).eq_ignore_ascii_case(expected) {
            return Err(found.error(kind));
        }
        cursor.skip_lws();
        cursor.expect(b'/')?;
        cursor.skip_lws();
    }
    Ok(())
}

/// `[ COLON port ]`, with optional white space around the colon.
#[inline]
fn read_port(cursor: &mut Cursor<'_>) -> Result<Option<u16>, ParseError> {
    cursor.skip_lws();
    let mut after = *cursor;
    if after.eat(b':') {
        after.skip_lws();
        if !matches!(cursor.rest(), [b':', b'0'..=b'9', ..]) {
            let digits = after.take_some(lex::DIGIT)?;
            let port = lex::number(digits).and_then(|port| u16::try_from(port).ok());
            *cursor = after;
            return port.map(Some).ok_or(cursor.error(ParseErrorKind::Number));
        }
    }
    host::read_port(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_parsed() {
        let via = Via::parse(
            b"SIP/2.0/UDP pc33.example.com:5066;branch=z9hG4bK776;received=192.0.2.1;rport=5070;ttl=16;maddr=224.2.0.1",
        )
        .unwrap();
        assert_eq!(via.transport(), b"UDP");
        assert_eq!(via.host(), Host::Name("pc33.example.com"));
        assert_eq!(via.port(), Some(5066));
        assert_eq!(via.branch(), Some(&b"z9hG4bK776"[..]));
        assert_eq!(via.received().unwrap().to_string(), "192.0.2.1");
        assert_eq!(via.rport(), Some(Some(5070)));
        assert_eq!(via.ttl(), Some(16));
        assert_eq!(via.maddr().unwrap().to_string(), "224.2.0.1");
    }

    #[test]
    fn white_space_and_folds_of_the_grammar_are_accepted() {
        let via =
            Via::parse(b"SIP  /   2.0\r\n /UDP\r\n    192.0.2.2 : 5060 ;branch=390skdjuw;rport").unwrap();
        assert_eq!(via.to_string(), "SIP/2.0/UDP 192.0.2.2:5060;branch=390skdjuw;rport");
        assert_eq!(via.rport(), Some(None));
    }

    #[test]
    fn received_may_lack_brackets() {
        for text in [
            "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255]",
            "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255",
        ] {
            assert_eq!(
                Via::parse(text.as_bytes()).unwrap().received().unwrap().to_string(),
                "2001:db8::9:255"
            );
        }
    }

    #[test]
    fn broken_hops_are_refused() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/3.0/UDP a",
            "HTTP/2.0/UDP a",
            "SIP/2.0/UDP a;;",
            "SIP/2.0/UDP a:",
            "SIP/2.0/UDP a:70000",
            "SIP/2.0/UDP a:0",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP a b",
        ] {
            assert!(Via::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
