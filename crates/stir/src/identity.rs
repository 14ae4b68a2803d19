//! Identities in PASSporTs: telephone numbers and URIs (RFC 8224 section 8).

use std::fmt;

use crate::tn::{DialPlan, TelephoneNumber};

/// The canonical identity of a caller or a callee, as in `orig` and `dest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A telephone number (`tn`), RFC 8224 section 8.3.
    Tn(TelephoneNumber),
    /// Any other URI (`uri`), RFC 8224 section 8.5.
    Uri(IdentityUri),
}

impl Identity {
    /// The caller in a From or P-Asserted-Identity URI. A number that has no global form is treated as a URI (RFC 8224 section
    /// 8.1, last paragraph). The number in a `tel:` URI stays a number, because such a URI has no other form.
    ///
    /// # Errors
    /// If `uri` has no identity.
    pub fn caller(uri: &[u8], plan: &DialPlan) -> Result<Self, IdentityError> {
        let parts = UriParts::split(uri)?;
        match parts.number(plan) {
            Some(number) if number.is_global() || parts.kind == Kind::Tel => Ok(Self::Tn(number)),
            Some(_) | None => parts.normalised().map(Self::Uri),
        }
    }

    /// The callee in a To or Request-URI. Service codes and emergency numbers stay numbers in their national
    /// form. `urn:service:sos` stays a URI (RFC 8224 section 8.3, RFC 9027 section 3).
    ///
    /// # Errors
    /// If `uri` has no identity.
    pub fn callee(uri: &[u8], plan: &DialPlan) -> Result<Self, IdentityError> {
        let parts = UriParts::split(uri)?;
        match parts.number(plan) {
            Some(number) => Ok(Self::Tn(number)),
            None => parts.normalised().map(Self::Uri),
        }
    }

    /// The telephone number. `None` if the identity is a URI.
    pub fn tn(&self) -> Option<&TelephoneNumber> {
        match self {
            Self::Tn(number) => Some(number),
            Self::Uri(_) => None,
        }
    }
}

impl From<TelephoneNumber> for Identity {
    fn from(number: TelephoneNumber) -> Self {
        Self::Tn(number)
    }
}

/// The digits or the URI, for the wire and the call record.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tn(number) => number.fmt(f),
            Self::Uri(uri) => uri.fmt(f),
        }
    }
}

/// A URI in the canonical form of RFC 8224 section 8.5: `sip:user@host` in lower case, without password,
/// port, parameters and headers. The text is visible ASCII without quotes, so JSON needs no escapes.
///
/// `Debug` shows only the scheme and the host.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityUri(Box<str>);

impl IdentityUri {
    /// Normalises `text`.
    ///
    /// # Errors
    /// If `text` has no identity.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        UriParts::split(text.as_bytes())?.normalised()
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` is the same URI after normalisation.
    pub fn matches(&self, text: &str) -> bool {
        text == self.as_str()
            || UriParts::split(text.as_bytes())
                .and_then(|parts| parts.normalised())
                .is_ok_and(|uri| uri == *self)
    }
}

impl fmt::Display for IdentityUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for IdentityUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once(':').unwrap_or_default();
        match rest.rsplit_once('@') {
            Some((_, host)) => write!(f, "{scheme}:****@{host}"),
            None => write!(f, "{scheme}:****"),
        }
    }
}

/// The reason for which a URI has no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// There is no scheme, no host, or an escape is malformed.
    Malformed,
    /// The URI has octets outside visible ASCII, quotes, backslashes or angle brackets.
    ForbiddenOctet,
    /// The URI is longer than 1,024 octets.
    TooLong,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the URI has no scheme, no host or a malformed escape",
            Self::ForbiddenOctet => "the URI has an octet that is not allowed in a URI",
            Self::TooLong => "the URI is longer than 1,024 octets",
        })
    }
}

impl std::error::Error for IdentityError {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tel,
    Sip,
    Other,
}

/// The parts of a URI that canonicalisation uses.
struct UriParts<'a> {
    kind: Kind,
    scheme: &'a [u8],
    /// The user of a SIP URI without its password, or the subscriber of a `tel:` URI. For another URI, everything after the
    /// scheme.
    user: &'a [u8],
    host: &'a [u8],
    parameters: &'a [u8],
}

impl<'a> UriParts<'a> {
    const MAX_LENGTH: usize = 1024;

    fn split(uri: &'a [u8]) -> Result<Self, IdentityError> {
        if uri.len() > Self::MAX_LENGTH {
            return Err(IdentityError::TooLong);
        }
        if !uri.iter().all(|octet| octet.is_ascii_graphic() && !b"\"\\<>".contains(octet)) {
            return Err(IdentityError::ForbiddenOctet);
        }
        let (scheme, rest) = split_once_at(uri, b':').ok_or(IdentityError::Malformed)?;
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || rest.is_empty() {
            return Err(IdentityError::Malformed);
        }
        if scheme.eq_ignore_ascii_case(b"tel") {
            let (user, parameters) = split_once_at(rest, b';').unwrap_or((rest, &[]));
            return Ok(Self { kind: Kind::Tel, scheme, user, host: &[], parameters });
        }
        if !scheme.eq_ignore_ascii_case(b"sip") && !scheme.eq_ignore_ascii_case(b"sips") {
            return Ok(Self { kind: Kind::Other, scheme, user: rest, host: &[], parameters: &[] });
        }
        // A user part may contain `;` and `?`, but no `@`, so the first `@` ends it (RFC 3261 section 25.1).
        let (userinfo, rest) = split_once_at(rest, b'@').unwrap_or((&[], rest));
        let user = split_once_at(userinfo, b':').map_or(userinfo, |(user, _password)| user);
        let rest = split_once_at(rest, b'?').map_or(rest, |(before_headers, _)| before_headers);
        let (hostport, parameters) = split_once_at(rest, b';').unwrap_or((rest, &[]));
        let host = match hostport.first() {
            Some(b'[') => {
                split_once_at(hostport, b']').and_then(|(address, _)| hostport.get(..=address.len()))
            }
            Some(_) => Some(split_once_at(hostport, b':').map_or(hostport, |(host, _port)| host)),
            None => None,
        };
        let host = host.filter(|host| !host.is_empty()).ok_or(IdentityError::Malformed)?;
        Ok(Self { kind: Kind::Sip, scheme, user, host, parameters })
    }

    /// The telephone number in the URI, if RFC 8224 section 8.1 treats the URI as a number.
    fn number(&self, plan: &DialPlan) -> Option<TelephoneNumber> {
        let (subscriber, parameters) = match self.kind {
            Kind::Tel => (self.user, self.parameters),
            Kind::Sip => {
                let (subscriber, inside) = split_once_at(self.user, b';').unwrap_or((self.user, &[]));
                let labelled =
                    parameter(self.parameters, b"user").is_some_and(|v| v.eq_ignore_ascii_case(b"phone"));
                let looks_dialled = unescaped(subscriber).next() == Some(b'+')
                    || unescaped(subscriber).all(|octet| octet.is_ascii_digit());
                if !labelled && !looks_dialled {
                    return None;
                }
                (subscriber, inside)
            }
            Kind::Other => return None,
        };
        let number = TelephoneNumber::strip(unescaped(subscriber)).ok()?;
        if unescaped(subscriber).next() == Some(b'+') {
            return Some(number);
        }
        match parameter(parameters, b"phone-context") {
            Some(context) if context.first() == Some(&b'+') => {
                TelephoneNumber::strip(unescaped(context).chain(number.as_bytes().iter().copied())).ok()
            }
            Some(_) | None => Some(plan.canonical(number)),
        }
    }

    /// The canonical form (RFC 8224 section 8.5).
    fn normalised(&self) -> Result<IdentityUri, IdentityError> {
        let mut text = String::with_capacity(self.scheme.len() + self.user.len() + self.host.len() + 2);
        text.extend(self.scheme.iter().map(|octet| char::from(octet.to_ascii_lowercase())));
        text.push(':');
        push_normalised(&mut text, self.user)?;
        if self.kind == Kind::Sip {
            if !self.user.is_empty() {
                text.push('@');
            }
            push_normalised(&mut text, self.host)?;
        }
        Ok(IdentityUri(text.into_boxed_str()))
    }
}

/// Writes in lower case, except the hexadecimal digits of an escape. Decodes escapes of unreserved characters (RFC 3986 section
/// 6.2.2).
fn push_normalised(text: &mut String, mut rest: &[u8]) -> Result<(), IdentityError> {
    while let Some((octet, tail)) = rest.split_first() {
        rest = tail;
        if *octet != b'%' {
            text.push(char::from(octet.to_ascii_lowercase()));
            continue;
        }
        let (escaped, tail) = unescape(rest).ok_or(IdentityError::Malformed)?;
        if escaped.is_ascii_alphanumeric() || b"-._~".contains(&escaped) {
            text.push(char::from(escaped.to_ascii_lowercase()));
        } else {
            text.push('%');
            text.extend(rest.iter().take(2).map(|digit| char::from(digit.to_ascii_uppercase())));
        }
        rest = tail;
    }
    Ok(())
}

/// Decodes the two hexadecimal digits at the start of `rest`.
fn unescape(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, tail) = rest.split_at_checked(2)?;
    let value = |digit: u8| char::from(digit).to_digit(16);
    match *digits {
        [high, low] => Some((u8::try_from(value(high)? * 16 + value(low)?).ok()?, tail)),
        _ => None,
    }
}

/// The octets with escapes decoded. A malformed escape stays unchanged, so the text is not a number.
fn unescaped(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (octet, tail) = rest.split_first()?;
        let (octet, tail) = match octet {
            b'%' => unescape(tail).unwrap_or((b'%', tail)),
            plain => (*plain, tail),
        };
        rest = tail;
        Some(octet)
    })
}

/// The value of the parameter `name` in `;`-separated parameters.
fn parameter<'a>(parameters: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    parameters
        .split(|octet| *octet == b';')
        .filter_map(|parameter| split_once_at(parameter, b'='))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

fn split_once_at(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = text.iter().position(|octet| *octet == at)?;
    let (before, rest) = text.split_at_checked(position)?;
    Some((before, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> DialPlan {
        DialPlan::new("1", "1", "011").unwrap()
    }

    fn callee(uri: &str) -> String {
        Identity::callee(uri.as_bytes(), &plan()).unwrap().to_string()
    }

    fn caller(uri: &str) -> String {
        Identity::caller(uri.as_bytes(), &plan()).unwrap().to_string()
    }

    #[test]
    fn numbers_are_found_in_every_uri_form() {
        for uri in [
            "tel:+1-215-555-1212",
            "tel:+1(215)5551212;verstat=TN-Validation-Passed",
            "sip:+12155551212;npdi;rn=+12155550000@h.example;user=phone",
            "sip:+1215%35551212@h.example",
            "sip:%2B12155551212@h.example",
            "sip:2155551212@h.example",
            "sip:+12155551212;tgrp=x;trunk-context=h.example@h.example",
            "SIP:+12155551212:secret@h.example:5060;transport=tcp?Subject=x",
            "sips:12155551212@[2001:db8::1]:5061;user=phone",
            "tel:5551212;phone-context=+1215",
            "sip:5551212;phone-context=+1-215@h.example;user=phone",
            "tel:+12155551212;postd=99;isub=1",
        ] {
            assert_eq!(callee(uri), "12155551212", "{uri}");
            assert_eq!(caller(uri), "12155551212", "{uri}");
        }
        assert_eq!(callee("sip:011442079460000@h.example"), "442079460000");
    }

    #[test]
    fn service_and_emergency_numbers_keep_their_form() {
        assert_eq!(callee("sip:911@h.example"), "911");
        assert_eq!(callee("tel:112;phone-context=h.example"), "112");
        assert_eq!(callee("sip:*672155551212@h.example;user=phone"), "*672155551212");
        assert_eq!(callee("urn:service:SOS.police"), "urn:service:sos.police");
    }

    #[test]
    fn a_caller_without_a_global_number_is_a_uri() {
        assert_eq!(caller("sip:911@H.example"), "sip:911@h.example");
        assert_eq!(caller("sip:anonymous@anonymous.invalid;user=phone"), "sip:anonymous@anonymous.invalid");
    }

    #[test]
    fn uris_are_normalised() {
        assert_eq!(
            callee("SIPS:Al%69ce%2f:pw@Biloxi.Example.COM:5061;lr?x=y"),
            "sips:alice%2F@biloxi.example.com"
        );
        assert_eq!(callee("sip:example.com"), "sip:example.com");
        assert_eq!(callee("sip:a@[2001:DB8::1]:5060"), "sip:a@[2001:db8::1]");
    }

    #[test]
    fn malformed_uris_are_refused() {
        for uri in ["", "sip:", "alice", "sip:a@", "sip:a%4@h", "sip:a@[::1", "1:x"] {
            assert_eq!(Identity::callee(uri.as_bytes(), &plan()), Err(IdentityError::Malformed), "{uri}");
        }
        assert_eq!(Identity::callee(b"sip:a\"b@h", &plan()), Err(IdentityError::ForbiddenOctet));
        assert_eq!(Identity::callee("sip:\u{661}@h".as_bytes(), &plan()), Err(IdentityError::ForbiddenOctet));
        assert_eq!(Identity::callee(&[b'a'; 1025], &plan()), Err(IdentityError::TooLong));
    }

    #[test]
    fn debug_masks_the_user() {
        let identity = Identity::callee(b"sip:alice@h.example", &plan()).unwrap();
        assert_eq!(format!("{identity:?}"), "Uri(sip:****@h.example)");
    }
}
