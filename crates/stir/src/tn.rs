//! Telephone numbers (RFC 8224 section 8.3).

use std::fmt;
use std::ops::RangeInclusive;

/// A telephone number in the canonical form of RFC 8224 section 8.3: 1 to 31 of the characters `0` to `9`,
/// `*` and `#`, without `+` or visual separators.
///
/// The value is stored inline, so a copy allocates nothing. `Debug` masks the last digits. `Display` shows all digits, for
/// messages and the call record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TelephoneNumber {
    characters: [u8; MAX_CHARACTERS],
    length: u8,
}

/// The largest length. Every E.164 number (15 digits) and long dial strings are shorter. A longer `tn` is not a subscriber
/// number.
const MAX_CHARACTERS: usize = 31;

impl TelephoneNumber {
    /// Reads a number. Removes a leading `+` and visual separators (RFC 3966 section 5.1.1). No dial plan is applied.
    ///
    /// # Errors
    /// If the text has no character of a number, more than 31, or any other octet.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, NumberError> {
        Self::strip(text.as_ref().iter().copied())
    }

    /// The canonical characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The canonical characters, as octets.
    pub fn as_bytes(&self) -> &[u8] {
        self.characters.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Whether this can be a global number: 7 to 15 digits, and the first digit is not zero (ITU-T E.164).
    ///
    /// Shorter numbers are short codes and emergency numbers. They keep their national form.
    pub fn is_global(&self) -> bool {
        let digits = self.as_bytes();
        (7..=15).contains(&digits.len())
            && digits.iter().all(u8::is_ascii_digit)
            && digits.first().is_some_and(|first| *first != b'0')
    }

    /// Whether `text` is this number in any form that [`TelephoneNumber::parse`] reads.
    pub fn matches(&self, text: &str) -> bool {
        text.as_bytes() == self.as_bytes() || Self::parse(text).is_ok_and(|number| number == *self)
    }

    pub(crate) fn strip(octets: impl Iterator<Item = u8>) -> Result<Self, NumberError> {
        let mut number = Self { characters: [0; MAX_CHARACTERS], length: 0 };
        for (position, octet) in octets.enumerate() {
            match octet {
                b'0'..=b'9' | b'*' | b'#' => number.push(octet)?,
                b'+' if position == 0 => {}
                b'-' | b'.' | b'(' | b')' | b' ' => {}
                _ => return Err(NumberError::NotANumber),
            }
        }
        if number.length == 0 { Err(NumberError::Empty) } else { Ok(number) }
    }

    fn push(&mut self, octet: u8) -> Result<(), NumberError> {
        let place = self.characters.get_mut(usize::from(self.length)).ok_or(NumberError::TooLong)?;
        *place = octet;
        self.length += 1;
        Ok(())
    }

    fn joined(prefix: &[u8], rest: &[u8]) -> Result<Self, NumberError> {
        Self::strip(prefix.iter().chain(rest).copied())
    }
}

impl fmt::Display for TelephoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TelephoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, hidden) = self.as_str().split_at(usize::from(self.length).saturating_sub(4));
        write!(f, "{shown}{:*<1$}", "", hidden.len())
    }
}

impl std::str::FromStr for TelephoneNumber {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        Self::parse(text)
    }
}

/// The reason for which a text is not a telephone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NumberError {
    /// The text has no digit, `*` or `#`.
    Empty,
    /// The text has more than 31 characters of a number.
    TooLong,
    /// The text has an octet that is neither part of a number nor a visual separator.
    NotANumber,
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a telephone number needs at least one digit",
            Self::TooLong => "a telephone number has at most 31 characters",
            Self::NotANumber => {
                "a telephone number has only digits, '*', '#', a leading '+' and visual separators"
            }
        })
    }
}

impl std::error::Error for NumberError {}

/// The dial plan of a request's source. It converts local numbers to E.164 numbers (RFC 8224 section 8.3,
/// second step).
///
/// The default has no country and leaves every number unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialPlan {
    country: Box<str>,
    national: Box<str>,
    international: Box<str>,
    significant: RangeInclusive<usize>,
}

impl DialPlan {
    /// Creates a plan for the country code `country` (`"1"`, `"33"`). `national` is the prefix of a national number (`"1"`,
    /// `"0"`, or `""` for no prefix). `international` is the prefix of an international number (`"011"`, `"00"`).
    ///
    /// # Errors
    /// If a value has characters other than digits, or if the country code is empty.
    pub fn new(country: &str, national: &str, international: &str) -> Result<Self, DialPlanError> {
        let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
        if country.is_empty() || !digits(country) || !digits(national) || !digits(international) {
            return Err(DialPlanError);
        }
        let significant = if country == "1" { 10..=10 } else { 6..=12 };
        Ok(Self {
            country: country.into(),
            national: national.into(),
            international: international.into(),
            significant,
        })
    }

    /// The number of digits of a national number without its prefix. Default: 10 in country code 1, otherwise
    /// 6 to 12.
    pub fn significant_digits(mut self, digits: RangeInclusive<usize>) -> Self {
        self.significant = digits;
        self
    }

    /// The canonical form of the dialled `number`, without separators and without a `+`.
    ///
    /// A number that has no global form stays unchanged: service codes with `*` or `#`, short codes, emergency numbers, and
    /// numbers that already have a country code.
    pub fn canonical(&self, number: TelephoneNumber) -> TelephoneNumber {
        let digits = number.as_bytes();
        if self.country.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return number;
        }
        let country = self.country.as_bytes();
        let is_national = |rest: &[u8]| self.significant.contains(&rest.len());
        let converted = if let Some(rest) = after(digits, &self.international).filter(|rest| rest.len() >= 7)
        {
            TelephoneNumber::joined(&[], rest)
        } else if let Some(rest) = after(digits, &self.national).filter(|rest| is_national(rest)) {
            TelephoneNumber::joined(country, rest)
        } else if is_national(digits) && (self.national.is_empty() || self.national == self.country) {
            TelephoneNumber::joined(country, digits)
        } else {
            return number;
        };
        converted.unwrap_or(number)
    }
}

impl Default for DialPlan {
    fn default() -> Self {
        Self {
            country: Box::default(),
            national: Box::default(),
            international: Box::default(),
            significant: 0..=0,
        }
    }
}

/// The error if a value of the dial plan does not consist of digits, or if the country code is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialPlanError;

impl fmt::Display for DialPlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the country code and the dialling prefixes must be digits, and the country code must not be empty",
        )
    }
}

impl std::error::Error for DialPlanError {}

/// The text after a non-empty `prefix`.
fn after<'a>(digits: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    if prefix.is_empty() { None } else { digits.strip_prefix(prefix.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> TelephoneNumber {
        text.parse().unwrap()
    }

    #[test]
    fn separators_and_plus_are_dropped() {
        for text in ["+1 (215) 555-1212", "+1-215-555-1212", "+1.215.555.1212", "12155551212"] {
            assert_eq!(number(text).as_str(), "12155551212");
            assert!(number("12155551212").matches(text));
        }
        assert_eq!(number("*67#").as_str(), "*67#");
    }

    #[test]
    fn other_texts_than_numbers_are_refused() {
        assert_eq!(TelephoneNumber::parse("anonymous"), Err(NumberError::NotANumber));
        assert_eq!(TelephoneNumber::parse("1+2"), Err(NumberError::NotANumber));
        assert_eq!(TelephoneNumber::parse("\u{661}\u{662}"), Err(NumberError::NotANumber));
        assert_eq!(TelephoneNumber::parse("+-()"), Err(NumberError::Empty));
        assert_eq!(TelephoneNumber::parse([b'1'; 32]), Err(NumberError::TooLong));
    }

    #[test]
    fn debug_masks_the_last_four() {
        assert_eq!(format!("{:?}", number("+12155551212")), "1215555****");
        assert_eq!(format!("{:?}", number("911")), "***");
    }

    #[test]
    fn global_numbers_have_seven_to_fifteen_digits() {
        assert!(number("12155551212").is_global());
        for short in ["911", "0442079460000", "*6712155551212", "1234567890123456"] {
            assert!(!number(short).is_global(), "{short}");
        }
    }

    #[test]
    fn a_north_american_plan_makes_local_numbers_global() {
        let plan = DialPlan::new("1", "1", "011").unwrap();
        for (dialled, canonical) in [
            ("2155551212", "12155551212"),
            ("12155551212", "12155551212"),
            ("011442079460000", "442079460000"),
            ("442079460000", "442079460000"),
            ("911", "911"),
            ("5551212", "5551212"),
            ("*672155551212", "*672155551212"),
        ] {
            assert_eq!(plan.canonical(number(dialled)).as_str(), canonical, "{dialled}");
        }
    }

    #[test]
    fn plans_with_and_without_a_trunk_prefix() {
        let france = DialPlan::new("33", "0", "00").unwrap().significant_digits(9..=9);
        assert_eq!(france.canonical(number("0123456789")).as_str(), "33123456789");
        assert_eq!(france.canonical(number("0044207946000")).as_str(), "44207946000");
        assert_eq!(france.canonical(number("33123456789")).as_str(), "33123456789");
        assert_eq!(france.canonical(number("112")).as_str(), "112");
        let denmark = DialPlan::new("45", "", "00").unwrap().significant_digits(8..=8);
        assert_eq!(denmark.canonical(number("32123456")).as_str(), "4532123456");
        assert_eq!(DialPlan::default().canonical(number("2155551212")).as_str(), "2155551212");
    }

    #[test]
    fn a_plan_accepts_only_digits() {
        assert!(DialPlan::new("", "1", "011").is_err());
        assert!(DialPlan::new("+1", "1", "011").is_err());
    }
}
