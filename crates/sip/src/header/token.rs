use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;
use crate::method::Method;
use crate::parse;

/// Defines headers whose values are option tags.
macro_rules! tags {
    ($($type:ident $meaning:literal $source:literal;)*) => {$(
        #[doc = concat!("One value of [`Name::", stringify!($type), "`](crate::Name::", stringify!($type), "): ", $meaning, " (", $source, ").")]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub struct $type<'a>(&'a [u8]);

        impl<'a> $type<'a> {
            /// Reads one value.
            pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                parse::read(value, parse::token).map(Self)
            }

            /// The option tag as written.
            pub fn tag(&self) -> &'a [u8] {
                self.0
            }

            /// True if the option tag is `tag`, ignoring case.
            pub fn is(&self, tag: &str) -> bool {
                self.0.eq_ignore_ascii_case(tag.as_bytes())
            }
        }

        impl fmt::Display for $type<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&lex::text(self.0))
            }
        }

        typed!($type<'a>);
    )*};
}

tags! {
    ProxyRequire "an extension that every proxy must support" "RFC 3261 section 20.29";
    Require "an extension that the other side must support" "RFC 3261 section 20.32";
    Supported "an extension that this side supports" "RFC 3261 section 20.37";
    Unsupported "a required extension that is not supported" "RFC 3261 section 20.40";
}

/// One value of `Allow`: a supported method (RFC 3261 section 20.5).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Allow(pub Method);

impl Allow {
    /// Reads one value.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        parse::read(value, parse::method).map(Self)
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

typed!(Allow);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_methods() {
        assert!(Require::parse(b"100Rel").unwrap().is("100rel"));
        assert_eq!(Allow::parse(b" INVITE").unwrap(), Allow(Method::Invite));
        assert_eq!(Allow::parse(b"invite").unwrap().to_string(), "invite");
        for bad in ["", "a b", "a;b", "\"a\""] {
            assert!(
                Supported::parse(bad.as_bytes()).is_err() && Allow::parse(bad.as_bytes()).is_err(),
                "{bad}"
            );
        }
    }
}
