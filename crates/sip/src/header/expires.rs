use std::fmt;

use crate::error::ParseError;
use crate::header::typed::typed;
use crate::parse;

/// Defines headers whose value is a number.
macro_rules! counts {
    ($($type:ident $meaning:literal $source:literal;)*) => {$(
        #[doc = concat!("The value of [`Name::", stringify!($type), "`](crate::Name::", stringify!($type), "): ", $meaning, " (", $source, ").")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $type(pub u32);

        impl $type {
            /// Reads the value.
            pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
                parse::read(value, parse::number).map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        typed!($type);
    )*};
}

counts! {
    Expires "seconds until a message or a binding expires" "RFC 3261 section 20.19";
    MinExpires "the shortest expiry that is accepted, in seconds" "RFC 3261 section 20.23";
    RSeq "the number of a reliable provisional response" "RFC 3262 section 7.1";
    MaxBreadth "how many parallel branches may be made" "RFC 5393 section 5.3";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_32_bits() {
        assert_eq!(Expires::parse(b" 3600 "), Ok(Expires(3600)));
        assert_eq!(RSeq(7).to_string(), "7");
        for bad in ["", "-1", "4294967296", "1 2", "1;x"] {
            assert!(Expires::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
