//! The TNAuthList extension: the numbers or the provider that a certificate covers (RFC 8226 section 9).

use std::fmt;

use der::asn1::{AnyRef, Ia5StringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};

use crate::tn::TelephoneNumber;

/// The entries of a TNAuthList, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TnAuthList {
    entries: Vec<TnEntry>,
}

/// One entry of a [`TnAuthList`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TnEntry {
    /// All numbers of the provider with this service provider code.
    Spc(Box<str>),
    /// `count` consecutive numbers, beginning with `start`.
    Range {
        /// The first number.
        start: TelephoneNumber,
        /// The number of numbers, at least 2.
        count: u64,
    },
    /// One number.
    One(TelephoneNumber),
}

/// The reason for which a TNAuthList cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TnAuthListError {
    /// The content is not DER of a sequence of entries, or an entry has an unknown or implicit tag.
    Malformed,
    /// The list has no entry.
    Empty,
    /// A code or a number is not an `IA5String`.
    NotIa5String,
    /// A service provider code is empty or has other characters than visible ASCII.
    BadCode,
    /// A number is not 1 to 15 digits, `*` or `#`, or the start of a range has other characters than digits.
    BadNumber,
    /// A range has fewer than two numbers, or exceeds the number of digits of its start.
    BadRange,
}

impl TnAuthList {
    /// Reads the DER content of the extension.
    ///
    /// # Errors
    /// [`TnAuthListError`] for the first malformed entry.
    pub fn from_der(der: &[u8]) -> Result<Self, TnAuthListError> {
        let mut reader = inside(der, Tag::Sequence)?;
        let mut entries = Vec::new();
        while !reader.is_finished() {
            entries.push(TnEntry::read(&mut reader)?);
        }
        if entries.is_empty() { Err(TnAuthListError::Empty) } else { Ok(Self { entries }) }
    }

    /// The entries in the order of the certificate.
    pub fn entries(&self) -> &[TnEntry] {
        &self.entries
    }

    /// The service provider codes.
    pub fn spcs(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match entry {
            TnEntry::Spc(code) => Some(&**code),
            TnEntry::Range { .. } | TnEntry::One(_) => None,
        })
    }

    /// Whether the list contains `number`, alone or in a range. Service provider codes are ignored here, because a certificate
    /// does not list the numbers of a code.
    pub fn covers(&self, number: &TelephoneNumber) -> bool {
        match Block::of_number(number) {
            Some(wanted) => self.entries.iter().filter_map(Block::of_entry).any(|own| own.holds(wanted)),
            None => self.names(number),
        }
    }

    /// Whether this list contains everything in `other`, as a delegate certificate requires (RFC 9060 section
    /// 4.1).
    ///
    /// If this list has a service provider code, every number of `other` counts as a number of the provider. Only a numbering
    /// database knows the numbers of a provider.
    pub fn encompasses(&self, other: &Self) -> bool {
        let has_code = self.spcs().next().is_some();
        let own = if has_code { Vec::new() } else { self.blocks() };
        let within = |wanted: Option<Block>| wanted.is_some_and(|wanted| is_within(&own, wanted));
        other.entries.iter().all(|entry| match entry {
            TnEntry::Spc(code) => self.spcs().any(|own| own == &**code),
            TnEntry::One(_) | TnEntry::Range { .. } if has_code => true,
            TnEntry::One(number) if Block::of_number(number).is_none() => self.names(number),
            TnEntry::One(_) | TnEntry::Range { .. } => within(Block::of_entry(entry)),
        })
    }

    /// Whether the list contains exactly this number. No range contains a number with `*` or `#`.
    fn names(&self, number: &TelephoneNumber) -> bool {
        self.entries.iter().any(|entry| matches!(entry, TnEntry::One(own) if own == number))
    }

    /// All numbers except those with `*` or `#`, in ascending order. Adjacent and overlapping blocks are
    /// joined.
    fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = self.entries.iter().filter_map(Block::of_entry).collect();
        blocks.sort_unstable_by_key(|block| (block.digits, block.first));
        let mut joined: Vec<Block> = Vec::new();
        for block in blocks {
            match joined.last_mut() {
                Some(last) if last.digits == block.digits && block.first <= last.end => {
                    last.end = last.end.max(block.end);
                }
                Some(_) | None => joined.push(block),
            }
        }
        joined
    }
}

/// Whether one of the sorted `blocks` contains `wanted`.
fn is_within(blocks: &[Block], wanted: Block) -> bool {
    let behind = blocks.partition_point(|own| (own.digits, own.first) <= (wanted.digits, wanted.first));
    behind.checked_sub(1).and_then(|place| blocks.get(place)).is_some_and(|own| own.holds(wanted))
}

/// The entries, separated by commas.
impl fmt::Display for TnAuthList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, entry) in self.entries.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            entry.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for TnEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spc(code) => write!(f, "SPC {code}"),
            Self::Range { start, count } => write!(f, "{count} numbers from {start}"),
            Self::One(number) => write!(f, "number {number}"),
        }
    }
}

impl TnEntry {
    /// Reads one entry. The tags are explicit, so each `[n]` contains a whole value.
    fn read(reader: &mut SliceReader<'_>) -> Result<Self, TnAuthListError> {
        let entry = AnyRef::decode(reader).map_err(|_| TnAuthListError::Malformed)?;
        let Tag::ContextSpecific { constructed: true, number } = entry.tag() else {
            return Err(TnAuthListError::Malformed);
        };
        match number.value() {
            0 => read_code(entry.value()),
            1 => read_range(entry.value()),
            2 => {
                let mut reader = SliceReader::new(entry.value()).map_err(|_| TnAuthListError::Malformed)?;
                let one = read_number(&mut reader)?;
                finish(&reader)?;
                Ok(Self::One(one))
            }
            _ => Err(TnAuthListError::Malformed),
        }
    }
}

fn read_code(value: &[u8]) -> Result<TnEntry, TnAuthListError> {
    let mut reader = SliceReader::new(value).map_err(|_| TnAuthListError::Malformed)?;
    let code = read_ia5(&mut reader)?;
    finish(&reader)?;
    if code.is_empty() || !code.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(TnAuthListError::BadCode);
    }
    Ok(TnEntry::Spc(code.into()))
}

/// Reads a range. Later versions may add members to the sequence, so everything after `count` is ignored.
fn read_range(value: &[u8]) -> Result<TnEntry, TnAuthListError> {
    let mut reader = inside(value, Tag::Sequence)?;
    let start = read_number(&mut reader)?;
    let count = u64::decode(&mut reader).map_err(|_| TnAuthListError::BadRange)?;
    if !start.as_bytes().iter().all(u8::is_ascii_digit) {
        return Err(TnAuthListError::BadNumber);
    }
    match Block::new(&start, count) {
        Some(_) if count >= 2 => Ok(TnEntry::Range { start, count }),
        Some(_) | None => Err(TnAuthListError::BadRange),
    }
}

fn read_number(reader: &mut SliceReader<'_>) -> Result<TelephoneNumber, TnAuthListError> {
    let text = read_ia5(reader)?;
    let canonical = (1..=15).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_digit() || matches!(octet, b'*' | b'#'));
    if !canonical {
        return Err(TnAuthListError::BadNumber);
    }
    TelephoneNumber::parse(text).map_err(|_| TnAuthListError::BadNumber)
}

fn read_ia5<'a>(reader: &mut SliceReader<'a>) -> Result<&'a str, TnAuthListError> {
    let value = AnyRef::decode(reader).map_err(|_| TnAuthListError::Malformed)?;
    if value.tag() != Tag::Ia5String {
        return Err(TnAuthListError::NotIa5String);
    }
    let text = value.decode_as::<Ia5StringRef<'a>>().map_err(|_| TnAuthListError::NotIa5String)?;
    Ok(text.as_str())
}

/// Returns a reader for the content of the single value in `der`. The value must have the tag `tag`.
fn inside(der: &[u8], tag: Tag) -> Result<SliceReader<'_>, TnAuthListError> {
    let value = AnyRef::from_der(der).map_err(|_| TnAuthListError::Malformed)?;
    if value.tag() != tag {
        return Err(TnAuthListError::Malformed);
    }
    SliceReader::new(value.value()).map_err(|_| TnAuthListError::Malformed)
}

fn finish(reader: &SliceReader<'_>) -> Result<(), TnAuthListError> {
    if reader.is_finished() { Ok(()) } else { Err(TnAuthListError::Malformed) }
}

impl fmt::Display for TnAuthListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the TNAuthList is not well-formed DER with explicit tags",
            Self::Empty => "the TNAuthList has no entry",
            Self::NotIa5String => "the TNAuthList has a string that is not an IA5String",
            Self::BadCode => "the TNAuthList has an empty or malformed service provider code",
            Self::BadNumber => "the TNAuthList has a number that is not a telephone number",
            Self::BadRange => {
                "the TNAuthList has a range with fewer than two numbers, or with more than its digits allow"
            }
        })
    }
}

impl std::error::Error for TnAuthListError {}

/// Consecutive numbers of one length, from `first` to the number before `end`.
#[derive(Clone, Copy)]
struct Block {
    digits: usize,
    first: u64,
    end: u64,
}

impl Block {
    fn holds(self, other: Self) -> bool {
        self.digits == other.digits && self.first <= other.first && other.end <= self.end
    }

    /// Returns `None` if the range exceeds the number of digits: start + count < 10^digits (RFC 8226 section
    /// 9).
    fn new(start: &TelephoneNumber, count: u64) -> Option<Self> {
        let first: u64 = start.as_str().parse().ok()?;
        let digits = start.as_bytes().len();
        let end = first.checked_add(count)?;
        (end < 10_u64.checked_pow(u32::try_from(digits).ok()?)?).then_some(Self { digits, first, end })
    }

    fn of_number(number: &TelephoneNumber) -> Option<Self> {
        let first: u64 = number.as_str().parse().ok()?;
        Some(Self { digits: number.as_bytes().len(), first, end: first.checked_add(1)? })
    }

    fn of_entry(entry: &TnEntry) -> Option<Self> {
        match entry {
            TnEntry::Spc(_) => None,
            TnEntry::Range { start, count } => Self::new(start, *count),
            TnEntry::One(number) => Self::of_number(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> TelephoneNumber {
        text.parse().unwrap()
    }

    fn list(entries: &[TnEntry]) -> TnAuthList {
        TnAuthList { entries: entries.to_vec() }
    }

    fn range(start: &str, count: u64) -> TnEntry {
        TnEntry::Range { start: number(start), count }
    }

    #[test]
    fn a_code_is_read() {
        let read = TnAuthList::from_der(&[0x30, 8, 0xa0, 6, 0x16, 4, b'1', b'2', b'3', b'4']).unwrap();
        assert_eq!(read.entries(), [TnEntry::Spc("1234".into())]);
    }

    #[test]
    fn later_members_of_a_range_are_ignored() {
        let mut der = vec![0x30, 16, 0xa1, 14, 0x30, 12, 0x16, 4];
        der.extend(b"1500");
        der.extend([2, 1, 100, 0x04, 1, 0]);
        assert_eq!(TnAuthList::from_der(&der).unwrap().entries(), [range("1500", 100)]);
    }

    #[test]
    fn wrong_strings_and_tags_are_named() {
        for (der, error) in [
            (&[0x30, 8, 0xa0, 6, 0x13, 4, b'1', b'2', b'3', b'4'][..], TnAuthListError::NotIa5String),
            (&[0x30, 6, 0x80, 4, b'1', b'2', b'3', b'4'][..], TnAuthListError::Malformed),
            (&[0x30, 4, 0xa0, 2, 0x16, 0][..], TnAuthListError::BadCode),
            (&[0x30, 0][..], TnAuthListError::Empty),
            (&[0x31, 0][..], TnAuthListError::Malformed),
            (&[0x30, 0, 0][..], TnAuthListError::Malformed),
            (&[][..], TnAuthListError::Malformed),
        ] {
            assert_eq!(TnAuthList::from_der(der), Err(error), "{der:02x?}");
        }
    }

    #[test]
    fn ranges_cover_numbers_of_their_own_length() {
        let own = list(&[
            range("12125551000", 1000),
            TnEntry::One(number("18005551212")),
            TnEntry::One(number("*67")),
        ]);
        for (text, covered) in [
            ("12125551000", true),
            ("12125551999", true),
            ("12125552000", false),
            ("18005551212", true),
            ("012125551000", false),
            ("*67", true),
            ("*68", false),
        ] {
            assert_eq!(own.covers(&number(text)), covered, "{text}");
        }
        assert!(!list(&[TnEntry::Spc("1234".into())]).covers(&number("12125551000")));
    }

    #[test]
    fn a_delegate_is_within_its_parent() {
        let parent = list(&[range("12125551000", 100), range("12125551100", 100)]);
        assert!(parent.encompasses(&list(&[range("12125551050", 100)])), "adjacent ranges join");
        assert!(!parent.encompasses(&list(&[range("12125551150", 100)])));
        assert!(!parent.encompasses(&list(&[TnEntry::Spc("1234".into())])));
        let provider = list(&[TnEntry::Spc("1234".into())]);
        assert!(provider.encompasses(&list(&[range("12125551150", 100)])));
        let starred = list(&[TnEntry::One(number("*67"))]);
        assert!(starred.encompasses(&starred) && !parent.encompasses(&starred));
        assert!(!provider.encompasses(&list(&[TnEntry::Spc("5678".into())])));
    }

    /// The holder of an authority certificate chooses both lists.
    #[test]
    fn long_lists_are_compared_in_one_pass() {
        let start = |place: u64| (12_125_000_000 + 2 * place).to_string();
        let parent = list(&(0..3000).rev().map(|place| range(&start(place), 2)).collect::<Vec<_>>());
        let child = list(&(0..3000).map(|place| range(&start(place), 6000 - 2 * place)).collect::<Vec<_>>());
        assert!(parent.encompasses(&child));
        assert!(!parent.encompasses(&list(&[range(&start(1), 6000)])));
    }
}
