use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::lex;

/// Defines headers whose value is text.
macro_rules! texts {
    ($($type:ident $meaning:literal $source:literal;)*) => {$(
        #[doc = concat!("The value of [`Name::", stringify!($type), "`](crate::Name::", stringify!($type), "): ", $meaning, " (", $source, ").")]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub struct $type<'a>(&'a [u8]);

        impl<'a> $type<'a> {
            /// Reads the value; all octets are accepted.
            pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                Ok(Self(lex::trim(value)))
            }

            /// The text as received; may be invalid UTF-8.
            pub fn as_bytes(&self) -> &'a [u8] {
                self.0
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

texts! {
    Organization "the organization of the sender" "RFC 3261 section 20.25";
    Server "the software of the answering side" "RFC 3261 section 20.35";
    Subject "the subject of the call" "RFC 3261 section 20.36";
    UserAgent "the software of the requesting side" "RFC 3261 section 20.41";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_accepted() {
        assert_eq!(UserAgent::parse(b" Softphone/1.0 (a, b) ").unwrap().as_bytes(), b"Softphone/1.0 (a, b)");
        assert_eq!(Subject::parse(b"\xff").unwrap().to_string(), "\u{fffd}");
    }
}
