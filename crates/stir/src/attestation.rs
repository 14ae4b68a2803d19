//! The claims that `shaken` adds: the attestation level and the origination identifier (RFC 8588).

use std::fmt;
use std::str::FromStr;

/// The degree to which the signing provider attests the caller number (RFC 8588 section 4, ATIS-1000074).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attestation {
    /// Full: the provider knows the customer and the customer's right to the number.
    A,
    /// Partial: the provider knows the customer, but not the right to the number.
    B,
    /// Gateway: the provider knows neither. The call came from another network.
    C,
}

impl Attestation {
    /// The letter of the `attest` claim.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Attestation {
    type Err = UnknownAttestation;

    /// Reads the upper-case letter. No other text is an attestation level.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "A" => Ok(Self::A),
            "B" => Ok(Self::B),
            "C" => Ok(Self::C),
            _ => Err(UnknownAttestation),
        }
    }
}

/// The text is not `A`, `B` or `C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAttestation;

impl fmt::Display for UnknownAttestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attestation level is A, B or C")
    }
}

impl std::error::Error for UnknownAttestation {}

/// The origination identifier: a UUID that only the signer can relate to a call (RFC 8588 sections 5 and 10).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrigId([u8; 16]);

impl OrigId {
    /// Makes a version 4 UUID (RFC 4122 section 4.4) from 16 random octets.
    pub fn from_random(random: [u8; 16]) -> Self {
        let mut value = u128::from_be_bytes(random);
        value = value & !(0xf << 76) | (4 << 76);
        value = value & !(0x3 << 62) | (2 << 62);
        Self(value.to_be_bytes())
    }

    /// The 16 octets of the UUID.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The UUID as lower-case text with hyphens, in ASCII.
    pub(crate) fn text(&self) -> [u8; 36] {
        let mut text = [b'-'; 36];
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
        let mut at = 0;
        for (place, octet) in self.0.iter().enumerate() {
            at += usize::from(matches!(place, 4 | 6 | 8 | 10));
            if let Some([high, low]) = text.get_mut(at..at + 2) {
                (*high, *low) = (digit(octet >> 4), digit(octet & 0xf));
            }
            at += 2;
        }
        text
    }
}

impl fmt::Display for OrigId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for OrigId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrigId({self})")
    }
}

impl FromStr for OrigId {
    type Err = NotAUuid;

    /// Reads the text form of a UUID of any version, in upper or lower case. Some deployed origination
    /// identifiers are not of version 4.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text: &[u8; 36] = text.as_bytes().try_into().map_err(|_| NotAUuid)?;
        let hyphens = [8, 13, 18, 23];
        let (mut value, mut digits) = (0_u128, 0_u8);
        for (place, octet) in text.iter().enumerate() {
            if hyphens.contains(&place) {
                digits |= u8::from(*octet != b'-') << 7;
            } else {
                let nibble = NIBBLES.get(usize::from(*octet)).copied().unwrap_or(NO_DIGIT);
                digits |= nibble;
                value = value << 4 | u128::from(nibble & 0xf);
            }
        }
        if digits < 16 { Ok(Self(value.to_be_bytes())) } else { Err(NotAUuid) }
    }
}

/// The value of each hexadecimal digit. Every other octet maps to [`NO_DIGIT`].
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
static NIBBLES: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        table[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
};
const NO_DIGIT: u8 = 0x80;

/// The text is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAUuid;

impl fmt::Display for NotAUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an origination identifier is a UUID: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12",
        )
    }
}

impl std::error::Error for NotAUuid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attestation_is_one_upper_case_letter() {
        assert_eq!("B".parse(), Ok(Attestation::B));
        for text in ["a", "D", "", "AA"] {
            assert_eq!(text.parse::<Attestation>(), Err(UnknownAttestation));
        }
    }

    #[test]
    fn a_random_origid_is_a_version_4_uuid() {
        let zeros = OrigId::from_random([0; 16]);
        assert_eq!(zeros.to_string(), "00000000-0000-4000-8000-000000000000");
        let ones = OrigId::from_random([0xff; 16]);
        assert_eq!(ones.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(ones.to_string().parse(), Ok(ones));
    }

    #[test]
    fn an_origid_of_any_version_is_read() {
        let text = "DE305D54-75B4-131B-ADB2-EB6B9E546014";
        assert_eq!(text.parse::<OrigId>().unwrap().to_string(), text.to_lowercase());
        for wrong in ["", "de305d54-75b4-131b-adb2-eb6b9e54601", "de305d5475b4-131b-adb2-eb6b9e5460140", "x"]
        {
            assert_eq!(wrong.parse::<OrigId>(), Err(NotAUuid), "{wrong}");
        }
    }
}
