//! Sets of telephone numbers: the numbers of a trunk's callers, of a route, or of the configuration.

use std::fmt;
use std::str::FromStr;

use attesta_stir::TelephoneNumber;

/// A set of telephone numbers: all numbers, or the numbers that start with one of several prefixes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Numbers(NumberSet);

#[derive(Clone, PartialEq, Eq, Debug)]
enum NumberSet {
    Any,
    Prefixes(Vec<Prefix>),
}

impl Numbers {
    /// No number.
    #[must_use]
    pub const fn none() -> Self {
        Self(NumberSet::Prefixes(Vec::new()))
    }

    /// Every number.
    #[must_use]
    pub const fn any() -> Self {
        Self(NumberSet::Any)
    }

    /// The numbers that start with one of these prefixes.
    #[must_use]
    pub const fn starting(prefixes: Vec<Prefix>) -> Self {
        Self(NumberSet::Prefixes(prefixes))
    }

    /// True if the set contains `number`.
    #[must_use]
    pub fn contains(&self, number: &TelephoneNumber) -> bool {
        match &self.0 {
            NumberSet::Any => true,
            NumberSet::Prefixes(prefixes) => prefixes.iter().any(|prefix| prefix.starts(number)),
        }
    }
}

/// The leading digits of telephone numbers, in the canonical form of RFC 8224 section 8.3. A leading `+` is accepted
/// and dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// True if `number` starts with these digits.
    #[must_use]
    pub fn starts(&self, number: &TelephoneNumber) -> bool {
        number.as_str().starts_with(&*self.0)
    }

    /// True if these are all the digits of `number`.
    #[must_use]
    pub fn equals(&self, number: &TelephoneNumber) -> bool {
        number.as_str() == &*self.0
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let valid = !digits.is_empty()
            && digits.len() <= MAX_PREFIX
            && digits.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'*' | b'#'));
        if valid { Ok(Self(digits.into())) } else { Err(InvalidPrefix) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Prefix {
    /// Shows at most four digits, since a prefix may be a whole number, and numbers are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(4).collect();
        write!(f, "{shown}*")
    }
}

/// A prefix that is empty, too long, or contains other characters than digits, `*` and `#`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidPrefix;

impl fmt::Display for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number prefix is 1 to {MAX_PREFIX} digits, with or without a + in front")
    }
}

impl std::error::Error for InvalidPrefix {}

/// E.164 allows 15 digits. National extensions and dial strings need a few more.
const MAX_PREFIX: usize = 32;
