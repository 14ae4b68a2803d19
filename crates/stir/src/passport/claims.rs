//! The claims of a PASSporT (RFC 8225 section 5), read in place.

use std::borrow::Cow;

use crate::identity::{Identity, IdentityUri};
use crate::json::{JsonError, Kind, Scanner, Text};
use crate::tn::TelephoneNumber;

/// A claim that may be absent or of the wrong type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Claim<T> {
    #[default]
    Absent,
    Invalid,
    Is(T),
}

impl<T> Claim<T> {
    pub(crate) fn get(self) -> Option<T> {
        match self {
            Self::Absent | Self::Invalid => None,
            Self::Is(value) => Some(value),
        }
    }
}

/// The payload of a PASSporT. Claims without a field here stay in `text`.
#[derive(Debug, Default)]
pub(crate) struct Claims<'a> {
    pub(crate) attest: Claim<Text<'a>>,
    pub(crate) dest: Claim<Dest<'a>>,
    pub(crate) div: Claim<IdentityClaim<'a>>,
    pub(crate) iat: Claim<u64>,
    pub(crate) orig: Claim<IdentityClaim<'a>>,
    pub(crate) origid: Claim<Text<'a>>,
    extensions: bool,
    text: &'a [u8],
}

/// One identity of `orig`, `div` or `dest`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum IdentityClaim<'a> {
    Tn(Text<'a>),
    Uri(Text<'a>),
}

impl IdentityClaim<'_> {
    /// Whether this is `identity`, compared in canonical form.
    pub(crate) fn is(&self, identity: &Identity) -> bool {
        match (self, identity) {
            (Self::Tn(text), Identity::Tn(number)) => number.matches(&text.decoded()),
            (Self::Uri(text), Identity::Uri(uri)) => uri.matches(&text.decoded()),
            (Self::Tn(_), Identity::Uri(_)) | (Self::Uri(_), Identity::Tn(_)) => false,
        }
    }

    /// Whether this and `other` are the same identity, compared in canonical form.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tn(own), Self::Tn(other)) => {
                TelephoneNumber::parse(&*own.decoded()).is_ok_and(|number| number.matches(&other.decoded()))
            }
            (Self::Uri(own), Self::Uri(other)) => {
                IdentityUri::parse(&own.decoded()).is_ok_and(|uri| uri.matches(&other.decoded()))
            }
            (Self::Tn(_), Self::Uri(_)) | (Self::Uri(_), Self::Tn(_)) => false,
        }
    }
}

/// A `dest` object that is well formed and not empty.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dest<'a> {
    /// One number and no other identity.
    Number(Text<'a>),
    /// Arrays of numbers and URIs.
    Lists { text: &'a str, plain: bool },
}

impl<'a> Dest<'a> {
    /// Whether any of the identities satisfies `wanted`.
    pub(crate) fn any(&self, mut wanted: impl FnMut(IdentityClaim<'a>) -> bool) -> bool {
        match *self {
            Self::Number(text) => wanted(IdentityClaim::Tn(text)),
            Self::Lists { text, plain } => {
                let mut found = false;
                // The text was scanned before, so it has no error.
                let _: Result<(), JsonError> =
                    each(&mut Scanner::resume(text, plain), |identity| found |= wanted(identity));
                found
            }
        }
    }
}

impl<'a> Claims<'a> {
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, JsonError> {
        if let Some(claims) = Self::parse_common_shaken(json) {
            return Ok(claims);
        }
        Self::scan(json)
    }

    /// Reads a canonical `shaken` payload (RFC 8588 section 8) from one number to one number, without a scan. Nearly every call
    /// has this form. Returns `None` for any other payload, even if it is well formed.
    fn parse_common_shaken(json: &'a [u8]) -> Option<Self> {
        let rest = std::str::from_utf8(json).ok()?.strip_prefix("{\"attest\":\"")?;
        let (attest, rest) = leading_run(rest, u8::is_ascii_uppercase)?;
        let (called, rest) = leading_run(rest.strip_prefix("\",\"dest\":{\"tn\":[\"")?, u8::is_ascii_digit)?;
        let (iat, rest) = leading_run(rest.strip_prefix("\"]},\"iat\":")?, u8::is_ascii_digit)?;
        let (caller, rest) = leading_run(rest.strip_prefix(",\"orig\":{\"tn\":\"")?, u8::is_ascii_digit)?;
        let (origid, end) = rest.strip_prefix("\"},\"origid\":\"")?.split_at_checked(36)?;
        let of_uuid = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        if end != "\"}" || !origid.bytes().all(of_uuid) || iat.starts_with('0') {
            return None;
        }
        Some(Self {
            attest: Claim::Is(Text::of_plain(attest)),
            dest: Claim::Is(Dest::Number(Text::of_plain(called))),
            div: Claim::Absent,
            iat: Claim::Is(iat.parse().ok()?),
            orig: Claim::Is(IdentityClaim::Tn(Text::of_plain(caller))),
            origid: Claim::Is(Text::of_plain(origid)),
            extensions: false,
            text: json,
        })
    }

    fn scan(json: &'a [u8]) -> Result<Self, JsonError> {
        let mut claims = Self { text: json, ..Self::default() };
        let mut scanner = Scanner::new(json)?;
        scanner.object(|name, value| {
            match name.plain() {
                Some("attest") => claims.attest = string(value)?,
                Some("dest") => claims.dest = dest(value)?,
                Some("div") => claims.div = identity(value, true)?,
                Some("iat") => claims.iat = iat_claim(value)?,
                Some("orig") => claims.orig = identity(value, false)?,
                Some("origid") => claims.origid = string(value)?,
                Some(_) | None => {
                    claims.extensions = true;
                    value.value()?;
                }
            }
            Ok(())
        })?;
        scanner.end()?;
        Ok(claims)
    }

    /// Whether the payload has claims for which this type has no field.
    pub(crate) fn has_extensions(&self) -> bool {
        self.extensions
    }

    /// The JSON of the claim `wanted`, as received.
    pub(crate) fn json(&self, wanted: &str) -> Option<&'a str> {
        let mut found = None;
        self.each(|name, value| {
            let value = value.value()?;
            if name.decoded() == wanted {
                found = Some(value);
            }
            Ok(())
        });
        found
    }

    /// The text of the claim `wanted`, if it is a string.
    pub(crate) fn string(&self, wanted: &str) -> Option<Cow<'a, str>> {
        self.json(wanted).filter(|json| json.starts_with('"'))?;
        self.value(wanted)
    }

    /// The value of the claim `wanted`: the text of a string, or the received JSON of any other type.
    pub(crate) fn value(&self, wanted: &str) -> Option<Cow<'a, str>> {
        let mut found = None;
        self.each(|name, value| {
            if name.decoded() == wanted {
                found = Some(match value.kind()? {
                    Kind::String => value.string()?.decoded(),
                    Kind::Object | Kind::Array | Kind::Number | Kind::Literal => {
                        Cow::Borrowed(value.value()?)
                    }
                });
                return Ok(());
            }
            value.value().map(drop)
        });
        found
    }

    /// Reads the members again. The payload is well formed, because it was scanned before.
    fn each(&self, member: impl FnMut(Text<'a>, &mut Scanner<'a>) -> Result<(), JsonError>) {
        let _: Result<(), JsonError> = Scanner::new(self.text).and_then(|mut scanner| scanner.object(member));
    }
}

/// Splits `text` after its longest prefix whose octets all satisfy `kind`. Returns `None` if this prefix is empty or is all of
/// `text`.
fn leading_run(text: &str, kind: fn(&u8) -> bool) -> Option<(&str, &str)> {
    let length = text.as_bytes().iter().position(|octet| !kind(octet))?;
    if length == 0 { None } else { text.split_at_checked(length) }
}

fn string<'a>(value: &mut Scanner<'a>) -> Result<Claim<Text<'a>>, JsonError> {
    if value.kind()? == Kind::String {
        return value.string().map(Claim::Is);
    }
    value.value().map(|_| Claim::Invalid)
}

/// Reads `iat`, which is a number, never a string (RFC 8225 section 5.1.1).
fn iat_claim(value: &mut Scanner<'_>) -> Result<Claim<u64>, JsonError> {
    if value.kind()? == Kind::Number {
        return Ok(value.number()?.map_or(Claim::Invalid, Claim::Is));
    }
    value.value().map(|_| Claim::Invalid)
}

/// Reads an identity: an object with a string in exactly one of `tn` and `uri` (RFC 8225 section 5.2.1). A `div` claim may also
/// have `hi` (RFC 8946 section 8).
fn identity<'a>(value: &mut Scanner<'a>, with_history: bool) -> Result<Claim<IdentityClaim<'a>>, JsonError> {
    if value.kind()? != Kind::Object {
        return value.value().map(|_| Claim::Invalid);
    }
    let mut found = Claim::Absent;
    value.object(|name, member| {
        let text = string(member)?;
        found = match (name.plain(), text, found) {
            (Some("tn"), Claim::Is(text), Claim::Absent) => Claim::Is(IdentityClaim::Tn(text)),
            (Some("uri"), Claim::Is(text), Claim::Absent) => Claim::Is(IdentityClaim::Uri(text)),
            (Some("hi"), Claim::Is(_), found) if with_history => found,
            _ => Claim::Invalid,
        };
        Ok(())
    })?;
    Ok(if matches!(found, Claim::Absent) { Claim::Invalid } else { found })
}

/// The largest number of identities in `dest`. In a chain of diversions, each identity is compared with each `div` before any
/// signature is checked.
const MAX_DEST: usize = 64;

/// Reads `dest`: an object of arrays of strings, with at least one string in total (RFC 8225 section 5.2.1, erratum 5715).
fn dest<'a>(value: &mut Scanner<'a>) -> Result<Claim<Dest<'a>>, JsonError> {
    if value.kind()? != Kind::Object {
        return value.value().map(|_| Claim::Invalid);
    }
    let (mut valid, mut count) = (true, 0_usize);
    let text = value.measured(|value| {
        value.object(|name, list| {
            if !matches!(name.plain(), Some("tn" | "uri")) || list.kind()? != Kind::Array {
                valid = false;
                return list.value().map(drop);
            }
            list.array(|item| {
                count += 1;
                if count > MAX_DEST {
                    return Err(JsonError::Limit);
                }
                if item.kind()? == Kind::String {
                    return item.string().map(drop);
                }
                valid = false;
                item.value().map(drop)
            })
        })
    })?;
    Ok(if valid && count > 0 {
        Claim::Is(Dest::Lists { text, plain: value.is_plain() })
    } else {
        Claim::Invalid
    })
}

/// Calls `visit` with each identity of a `dest` object.
fn each<'a>(text: &mut Scanner<'a>, mut visit: impl FnMut(IdentityClaim<'a>)) -> Result<(), JsonError> {
    text.object(|name, list| {
        let number = name.plain() == Some("tn");
        list.array(|item| {
            let text = item.string()?;
            visit(if number { IdentityClaim::Tn(text) } else { IdentityClaim::Uri(text) });
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Claims<'_>, JsonError> {
        Claims::parse(json.as_bytes())
    }

    #[test]
    fn the_claims_of_shaken() {
        let json = r#"{"attest":"A","dest":{"tn":["12155551213"],"uri":["sip:bob@h"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"x","other":[1]}"#;
        let claims = parse(json).unwrap();
        assert_eq!(claims.attest.get().unwrap().plain(), Some("A"));
        assert_eq!(claims.iat, Claim::Is(1_443_208_345));
        let identity = |text: &str| Identity::callee(text.as_bytes(), &Default::default()).unwrap();
        assert!(claims.orig.get().unwrap().is(&identity("tel:+12155551212")));
        let dest = claims.dest.get().unwrap();
        for (uri, found) in [("tel:+12155551213", true), ("sip:bob@h", true), ("sip:alice@h", false)] {
            assert_eq!(dest.any(|named| named.is(&identity(uri))), found, "{uri}");
        }
        assert_eq!(claims.value("other").as_deref(), Some("[1]"));
        assert_eq!(claims.value("attest").as_deref(), Some("A"));
        assert_eq!(claims.value("absent"), None);
    }

    proptest::proptest! {
        /// If the quick reader returns claims for a changed payload, the scanner returns the same claims.
        #[test]
        fn the_quick_reader_agrees_with_the_scanner(
            at: proptest::sample::Index, cut in 0..4_usize, put in "[\"{}:,0-9A-Za-z\\\\ ]{0,3}", number in "[0-9]{0,22}",
        ) {
            let origid = "de305d54-75b4-431b-adb2-eb6b9e546014";
            let usual = format!(
                r#"{{"attest":"A","dest":{{"tn":["{number}"]}},"iat":1443208345,"orig":{{"tn":"12155551212"}},"origid":"{origid}"}}"#
            );
            let at = at.index(usual.len());
            let changed = [&usual[..at], put.as_str(), usual.get(at + cut..).unwrap_or_default()].concat();
            for json in [usual.as_bytes(), changed.as_bytes()] {
                let Some(found) = Claims::parse_common_shaken(json) else { continue };
                let read = Claims::scan(json).unwrap();
                let words = |claims: &Claims<'_>| {
                    let mut dest = Vec::new();
                    claims.dest.get().unwrap().any(|identity| {
                        dest.push(format!("{identity:?}"));
                        false
                    });
                    format!("{:?} {dest:?} {:?} {:?} {:?}", claims.attest, claims.iat, claims.orig, claims.origid)
                };
                proptest::prop_assert_eq!(words(&found), words(&read));
                proptest::prop_assert!(!read.extensions && matches!(read.div, Claim::Absent));
            }
        }
    }

    #[test]
    fn dest_has_at_most_64_identities() {
        let parse = |callees: usize| {
            let callees = vec![r#""12155551213""#; callees].join(",");
            Claims::parse(format!(r#"{{"dest":{{"tn":[{callees}]}}}}"#).as_bytes()).map(drop)
        };
        assert_eq!(parse(MAX_DEST), Ok(()));
        assert_eq!(parse(MAX_DEST + 1), Err(JsonError::Limit));
    }

    #[test]
    fn wrong_types_and_missing_claims_differ() {
        for orig in [
            r#"{}"#,
            r#"{"tn":["1"]}"#,
            r#"{"tn":"1","uri":"sip:a@b"}"#,
            r#"{"tn":1}"#,
            r#""1""#,
            r#"{"x":"1"}"#,
        ] {
            let json = format!(r#"{{"orig":{orig}}}"#);
            assert!(matches!(parse(&json).unwrap().orig, Claim::Invalid), "{orig}");
        }
        for dest in
            [r#"{}"#, r#"{"tn":"1"}"#, r#"{"tn":[]}"#, r#"{"tn":[1]}"#, r#"["1"]"#, r#"{"tn":["1"],"x":[]}"#]
        {
            let json = format!(r#"{{"dest":{dest}}}"#);
            assert!(matches!(parse(&json).unwrap().dest, Claim::Invalid), "{dest}");
        }
        for iat in [r#""1443208345""#, "1.5", "-1", "null", "1e9"] {
            let json = format!(r#"{{"iat":{iat}}}"#);
            assert_eq!(parse(&json).unwrap().iat, Claim::Invalid, "{iat}");
        }
        assert!(matches!(parse("{}").unwrap().orig, Claim::Absent));
    }
}
