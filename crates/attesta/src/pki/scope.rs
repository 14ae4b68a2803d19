//! The scope of a certificate: the entries of a TNAuthList (RFC 8226 section 9).

use std::error::Error;
use std::fmt;

use yasna::{DERWriter, Tag};

/// One entry of a TNAuthList: a service provider, a telephone number or a range of numbers (RFC 8226 section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A service provider code: one or more of `0`-`9` and `A`-`Z`.
    Provider(ProviderCode),
    /// A single telephone number.
    Number(Digits),
    /// `count` consecutive telephone numbers, beginning with `start`.
    Range {
        /// The first number.
        start: Digits,
        /// The number of telephone numbers, including the first: two or more.
        count: u64,
    },
}

/// A service provider code in a SHAKEN certificate (ATIS-1000080): `[0-9A-Z]+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderCode(String);

/// 1 to 15 decimal digits: an E.164 number without its `+`.
#[derive(Clone, PartialEq, Eq)]
pub struct Digits(String);

impl Scope {
    /// Parses a service provider code, such as `1234` or `818H`.
    ///
    /// # Errors
    /// The code is empty, has more than ten characters, or has a character outside `0`-`9` and `A`-`Z`.
    pub fn provider(code: &str) -> Result<Self, ScopeError> {
        let valid = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        if code.is_empty() || code.len() > MAX_PROVIDER_CODE || !code.bytes().all(valid) {
            return Err(ScopeError::ProviderCode);
        }
        Ok(Self::Provider(ProviderCode(code.to_owned())))
    }

    /// Parses a telephone number, such as `+12155551212`, or a range of numbers. In a range each trailing dot means any
    /// digit: `+1215555....` means the ten thousand numbers from `+12155550000`.
    ///
    /// # Errors
    /// * The text does not have the form: `+`, one or more digits, optional dots.
    /// * The text has more than 15 digits and dots.
    /// * The last number of the range is all nines. RFC 8226 section 9 does not allow this.
    pub fn numbers(pattern: &str) -> Result<Self, ScopeError> {
        let places = pattern.strip_prefix('+').ok_or(ScopeError::Plus)?;
        let fixed = places.trim_end_matches('.');
        if fixed.is_empty() || !fixed.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ScopeError::Digits);
        }
        if places.len() > MAX_DIGITS {
            return Err(ScopeError::TooLong);
        }
        if fixed.len() == places.len() {
            return Ok(Self::Number(Digits(fixed.to_owned())));
        }
        if fixed.bytes().all(|byte| byte == b'9') {
            return Err(ScopeError::LastRange);
        }
        let free = places.len() - fixed.len();
        let count = (0..free).fold(1, |count: u64, _| count.saturating_mul(10));
        Ok(Self::Range { start: Digits(format!("{fixed}{}", "0".repeat(free))), count })
    }

    /// Returns the provider code, if this entry is a provider.
    pub fn provider_code(&self) -> Option<&str> {
        match self {
            Self::Provider(code) => Some(&code.0),
            Self::Number(_) | Self::Range { .. } => None,
        }
    }

    /// Writes the entry with explicit tags, as the ASN.1 module of RFC 8226 appendix A requires.
    fn write(&self, writer: DERWriter<'_>) {
        match self {
            Self::Provider(ProviderCode(code)) => {
                writer.write_tagged(Tag::context(0), |writer| writer.write_ia5_string(code));
            }
            Self::Range { start: Digits(start), count } => {
                writer.write_tagged(Tag::context(1), |writer| {
                    writer.write_sequence(|writer| {
                        writer.next().write_ia5_string(start);
                        writer.next().write_u64(*count);
                    });
                });
            }
            Self::Number(Digits(number)) => {
                writer.write_tagged(Tag::context(2), |writer| writer.write_ia5_string(number));
            }
        }
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.len().saturating_sub(MASKED_DIGITS);
        let masked = self.0.len() - shown;
        write!(f, "+{}{}", self.0.get(..shown).unwrap_or_default(), "*".repeat(masked))
    }
}

/// Returns the DER of a TNAuthList with `scopes` as its entries.
pub(super) fn tn_auth_list(scopes: &[Scope]) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            for scope in scopes {
                scope.write(writer.next());
            }
        });
    })
}

/// Reports why a text is not a [`Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeError {
    /// A provider code must have 1 to 10 characters of `0`-`9` and `A`-`Z`.
    ProviderCode,
    /// A number must begin with `+` and its country code.
    Plus,
    /// After the `+`, a number must have digits. A range has dots after the digits.
    Digits,
    /// A number has more than the 15 digits of E.164.
    TooLong,
    /// The last number of the range is all nines, which RFC 8226 section 9 does not allow.
    LastRange,
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProviderCode => {
                "a service provider code has 1 to 10 characters of 0-9 and A-Z, such as 1234 or 818H"
            }
            Self::Plus => "a telephone number begins with + and its country code, such as +12155551212",
            Self::Digits => {
                "a telephone number is + and digits; trailing dots make a range, such as +1215555...."
            }
            Self::TooLong => "a telephone number has 15 digits at most",
            Self::LastRange => {
                "the last number of a range must not be all nines, such as +9999 (RFC 8226 section 9)"
            }
        })
    }
}

impl Error for ScopeError {}

const MAX_PROVIDER_CODE: usize = 10;
/// The longest number of ITU-T E.164.
const MAX_DIGITS: usize = 15;
const MASKED_DIGITS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn der(scopes: &[Scope]) -> String {
        tn_auth_list(scopes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn entries_are_written_with_explicit_tags() {
        assert_eq!(der(&[Scope::provider("1234").unwrap()]), "3008a006160431323334");
        assert_eq!(der(&[Scope::numbers("+12125551824").unwrap()]), "300fa20d160b3132313235353531383234");
        assert_eq!(
            der(&[Scope::numbers("+121255515..").unwrap()]),
            "3014a1123010160b3132313235353531353030020164",
            "a hundred numbers from +12125551500"
        );
    }

    #[test]
    fn entries_keep_their_order() {
        let scopes = [Scope::provider("1234").unwrap(), Scope::numbers("+18005551212").unwrap()];
        assert_eq!(der(&scopes), "3017a006160431323334a20d160b3138303035353531323132");
    }

    #[test]
    fn malformed_scopes_are_refused() {
        for code in ["", "12a4", "12 4", "ÄÖ", "12345678901"] {
            assert_eq!(Scope::provider(code), Err(ScopeError::ProviderCode), "{code:?}");
        }
        assert_eq!(Scope::numbers("12155551212"), Err(ScopeError::Plus));
        assert_eq!(Scope::numbers("+"), Err(ScopeError::Digits));
        assert_eq!(Scope::numbers("+1215.555"), Err(ScopeError::Digits));
        assert_eq!(Scope::numbers("+...."), Err(ScopeError::Digits));
        assert_eq!(Scope::numbers("+1234567890123456"), Err(ScopeError::TooLong));
        assert_eq!(Scope::numbers("+999..."), Err(ScopeError::LastRange));
    }

    #[test]
    fn a_number_masks_itself() {
        assert_eq!(format!("{:?}", Scope::numbers("+12155551212").unwrap()), "Number(+1215555****)");
    }
}
