use std::borrow::Cow;
use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;
use crate::param::unquote;
use crate::parse;

/// A scheme and its parameters: a challenge or credentials (RFC 3261 section 25.1).
///
/// `Debug` shows only the scheme and the parameter names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Authentication<'a> {
    scheme: &'a [u8],
    list: &'a [u8],
}

impl<'a> Authentication<'a> {
    /// Reads a value of any scheme whose parameters are `name=value` pieces, separated by commas.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let (scheme, list) = parse::read(value, parse::authentication)?;
        Ok(Self { scheme, list })
    }

    /// The scheme, for example `Digest`.
    pub fn scheme(&self) -> &'a [u8] {
        self.scheme
    }

    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    /// All parameters in order: name and value. Values have no quotes, but keep their escapes.
    pub fn params(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.list;
        std::iter::from_fn(move || parse::next_authentication_param(&mut rest))
    }

    /// The value of the first parameter with this name, without quotes and escapes.
    pub fn value(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let mut params = self.params();
        params.find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| unquote(value))
    }

    /// `realm`.
    pub fn realm(&self) -> Option<Cow<'a, [u8]>> {
        self.value("realm")
    }

    /// `nonce`.
    pub fn nonce(&self) -> Option<Cow<'a, [u8]>> {
        self.value("nonce")
    }

    /// `algorithm`.
    pub fn algorithm(&self) -> Option<Cow<'a, [u8]>> {
        self.value("algorithm")
    }

    /// The values of `qop`; a challenge may offer several.
    pub fn qop(&self) -> Vec<Vec<u8>> {
        let qop = self.value("qop").unwrap_or_default();
        qop.split(|&octet| octet == b',')
            .map(|value| lex::trim(value).to_vec())
            .filter(|value| !value.is_empty())
            .collect()
    }
}

impl fmt::Display for Authentication<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", lex::text(self.scheme), lex::text(self.list))
    }
}

impl fmt::Debug for Authentication<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", lex::text(self.scheme))?;
        f.debug_list().entries(self.params().map(|(name, _)| lex::text(name))).finish()
    }
}

/// Defines headers whose value is a challenge or credentials.
macro_rules! authentications {
    ($($type:ident $meaning:literal $source:literal;)*) => {$(
        #[doc = concat!("The value of a line of [`Name::", stringify!($type), "`](crate::Name::", stringify!($type), "): ", $meaning, " (", $source, ").")]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $type<'a>(Authentication<'a>);

        impl<'a> $type<'a> {
            /// Reads the value of one line.
            pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                Authentication::parse(value).map(Self)
            }
        }

        impl<'a> std::ops::Deref for $type<'a> {
            type Target = Authentication<'a>;

            fn deref(&self) -> &Authentication<'a> {
                &self.0
            }
        }

        impl fmt::Display for $type<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        typed!($type<'a>);
    )*};
}

authentications! {
    Authorization "credentials for a server" "RFC 3261 section 20.7";
    ProxyAuthenticate "the challenge of a proxy" "RFC 3261 section 20.27";
    ProxyAuthorization "credentials for a proxy" "RFC 3261 section 20.28";
    WwwAuthenticate "the challenge of a server" "RFC 3261 section 20.44";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read() {
        let line = b"Digest realm=\"atlanta, \\\"west\\\"\", domain=\"sip:a.example.com\",\r\n qop=\"auth, auth-int\" , nonce=\"f84f1c\", opaque=\"\", stale=FALSE, algorithm=MD5";
        let challenge = WwwAuthenticate::parse(line).unwrap();
        assert!(challenge.is_digest());
        assert_eq!(challenge.realm().unwrap().as_ref(), b"atlanta, \"west\"");
        assert_eq!(challenge.qop(), [&b"auth"[..], b"auth-int"]);
        assert_eq!(challenge.value("STALE").unwrap().as_ref(), b"FALSE");
        assert_eq!(challenge.value("opaque").unwrap().as_ref(), b"");
        assert_eq!(challenge.params().count(), 7);
    }

    #[test]
    fn no_secret_shows_in_debug() {
        let credentials =
            Authorization::parse(b"Digest username=\"bob\", response=\"245f23415f11432b3434341c022\"")
                .unwrap();
        let shown = format!("{credentials:?}");
        assert!(!shown.contains("245f") && !shown.contains("bob") && shown.contains("response"), "{shown}");
        for bad in
            ["", "Digest", "Digest realm", "Digest realm=", "Digest realm=\"a", "Digest realm=a realm=b"]
        {
            assert!(Authorization::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
