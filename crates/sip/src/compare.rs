//! Equivalence of two URIs (RFC 3261 section 19.1.4).

use std::borrow::Cow;

use crate::lex;
use crate::param::Params;
use crate::uri::{SipUri, Uri, unescape};

impl Uri<'_> {
    /// Whether both URIs name the same resource. SIP URIs are compared by RFC 3261 section 19.1.4,
    /// tel URIs by RFC 3966 section 4. Other URIs must be equal octet for octet, except for the
    /// case of the scheme.
    ///
    /// The relation is not transitive, because most parameters that only one side has are ignored.
    pub fn is_equivalent(&self, other: &Uri<'_>) -> bool {
        if self.as_bytes() == other.as_bytes() {
            return true;
        }
        match (self, other) {
            (Self::Sip(one), Uri::Sip(two)) => one.is_equivalent(two),
            (Self::Tel(one), Uri::Tel(two)) => {
                same_number(one.number(), two.number()) && same_params(one.params(), two.params())
            }
            (Self::Absolute(one), Uri::Absolute(two)) => {
                one.scheme().eq_ignore_ascii_case(two.scheme()) && one.rest() == two.rest()
            }
            (Self::Sip(_) | Self::Tel(_) | Self::Absolute(_), _) => false,
        }
    }
}

impl SipUri<'_> {
    /// Whether both URIs name the same resource (RFC 3261 section 19.1.4). URIs with more than 64
    /// parameters or headers are equivalent only if they are equal octet for octet.
    pub fn is_equivalent(&self, other: &SipUri<'_>) -> bool {
        self.as_bytes() == other.as_bytes()
            || self.is_comparable() && other.is_comparable() && self.is_same(other)
    }

    fn is_same(&self, other: &SipUri<'_>) -> bool {
        self.secure() == other.secure()
            && self.user().map(normalized) == other.user().map(normalized)
            && self.password().map(normalized) == other.password().map(normalized)
            && self.host().same(&other.host())
            && self.port() == other.port()
            && same_uri_params(self.params(), other.params())
            && same_headers(self, other)
    }

    /// The cost of comparing parts in any order grows with the square of their number. The number is therefore limited.
    fn is_comparable(&self) -> bool {
        self.params().len() <= MAX_PARTS && self.headers().take(MAX_PARTS + 1).count() <= MAX_PARTS
    }
}

/// The largest number of parameters, and of headers, of a URI that is compared part by part.
const MAX_PARTS: usize = 64;

/// Parameters that both sides must have, or neither side. The rule of RFC 3261 section 19.1.4 does not list `transport`, but
/// its examples treat `transport` like the listed parameters.
const ALWAYS_COMPARED: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];

/// A parameter on both sides must have the same value. A parameter on only one side makes the URIs
/// differ only if [`ALWAYS_COMPARED`] lists the parameter.
fn same_uri_params(one: Params<'_>, two: Params<'_>) -> bool {
    let fits = |from: Params<'_>, to: Params<'_>| {
        from.iter().all(|(name, value)| match found(to, name, value) {
            Some(same) => same,
            None => !ALWAYS_COMPARED.iter().any(|listed| normalized(name).eq_ignore_ascii_case(listed)),
        })
    };
    fits(one, two) && fits(two, one)
}

/// All parameters of a tel URI are compared, in any order (RFC 3966 section 4).
fn same_params(one: Params<'_>, two: Params<'_>) -> bool {
    let fits = |from: Params<'_>, to: Params<'_>| {
        from.iter().all(|(name, value)| found(to, name, value) == Some(true))
    };
    one.len() == two.len() && one.len() <= MAX_PARTS && fits(one, two) && fits(two, one)
}

/// Whether a parameter with this name has this value. `None` if no parameter has this name. RFC 3261 section 19.1.1 forbids a
/// name that occurs twice. Such a name matches each of its values.
fn found(params: Params<'_>, name: &[u8], value: Option<&[u8]>) -> Option<bool> {
    let name = normalized(name);
    let mut values =
        params.iter().filter(|(found, _)| normalized(found).eq_ignore_ascii_case(&name)).peekable();
    values.peek()?;
    Some(values.any(|(_, found)| same_value(value, found)))
}

fn same_value(one: Option<&[u8]>, two: Option<&[u8]>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => normalized(one).eq_ignore_ascii_case(&normalized(two)),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Both header parts must hold the same headers, in any order.
fn same_headers(one: &SipUri<'_>, two: &SipUri<'_>) -> bool {
    let fits = |from: &SipUri<'_>, to: &SipUri<'_>| {
        from.headers().all(|(name, value)| {
            let same = |(found, other): (&[u8], &[u8])| {
                unescape(found).eq_ignore_ascii_case(&unescape(name)) && unescape(other) == unescape(value)
            };
            to.headers().any(same)
        })
    };
    one.headers().count() == two.headers().count() && fits(one, two) && fits(two, one)
}

/// Compares the digits without visual separators and without case.
fn same_number(one: &[u8], two: &[u8]) -> bool {
    let digits = |number: &[u8]| {
        let kept = number.iter().filter(|octet| !matches!(octet, b'-' | b'.' | b'(' | b')'));
        kept.map(u8::to_ascii_lowercase).collect::<Vec<_>>()
    };
    digits(one) == digits(two)
}

/// Undoes the escapes of `unreserved` octets. Escapes of other octets stay, because the escape
/// changes their meaning (RFC 3261 section 19.1.2). The hexadecimal digits of these escapes become
/// upper case.
fn normalized(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let (escape, after) = lex::split(rest, 3);
        match unescape(escape).as_ref() {
            [octet] if *first == b'%' && escape.len() == 3 => {
                if lex::is(*octet, lex::UNRESERVED) {
                    plain.push(*octet);
                } else {
                    plain.extend(escape.iter().map(u8::to_ascii_uppercase));
                }
                rest = after;
            }
            _ => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, two: &str) -> bool {
        let (one, two) = (Uri::parse(one.as_bytes()).unwrap(), Uri::parse(two.as_bytes()).unwrap());
        assert_eq!(one.is_equivalent(&two), two.is_equivalent(&one));
        one.is_equivalent(&two)
    }

    #[test]
    fn the_equivalent_pairs_of_rfc_3261() {
        for (one, two) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
        ] {
            assert!(same(one, two), "{one} {two}");
        }
    }

    #[test]
    fn the_different_pairs_of_rfc_3261() {
        for (one, two) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@b", "sips:a@b"),
            ("sip:a@b", "tel:+1"),
        ] {
            assert!(!same(one, two), "{one} {two}");
        }
    }

    #[test]
    fn an_escaped_reserved_octet_differs_from_the_octet() {
        assert!(!same("sip:a%3bb@c", "sip:a;b@c"));
        assert!(same("sip:a%3bb@c", "sip:a%3Bb@c"));
        assert!(!same("sip:a%00@c", "sip:a@c"));
        assert!(same("sip:a;x=1;x=2", "sip:a;x=2;x=1"));
    }

    #[test]
    fn other_schemes() {
        assert!(same("tel:+1-201-555-0123;ext=1", "TEL:+12015550123;EXT=1"));
        assert!(!same("tel:+12015550123", "tel:12015550123;phone-context=+1"));
        let many = format!("tel:+1{}", ";a=1".repeat(100));
        assert!(same(&many, &many));
        assert!(same("urn:service:sos", "URN:service:sos"));
        assert!(!same("urn:service:sos", "urn:service:sos.fire"));
    }
}
