//! The identifiers that we create, and their random numbers.
//!
//! Each identifier contains the [`WorkerPlace`] that created it, in a fixed format. A worker that receives a response or an
//! in-dialog request can therefore hand the message over to the worker that has the state of the call. The format is:
//!
//! ```text
//! branch    z9hG4bK-at iiii ww hhhhhhhhhhhhhhhh
//! tag               at iiii ww hhhhhhhhhhhhhhhh
//! Call-ID           at iiii ww hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh
//! ```
//!
//! The identifiers have no spaces. `iiii` is the instance, `ww` the worker, and `h` a random part, all in lower-case
//! hexadecimal.

use std::fmt;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The place that created an identifier: an instance of the program and one of its workers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct WorkerPlace {
    /// The instance, unique among the edges that share calls.
    pub instance: u16,
    /// The worker thread within the instance.
    pub worker: u8,
}

impl WorkerPlace {
    /// Reads the place from a branch, tag or Call-ID of ours. `None` for any other text.
    #[must_use]
    pub fn of(identifier: &[u8]) -> Option<Self> {
        let rest = identifier.strip_prefix(COOKIE).unwrap_or(identifier).strip_prefix(MARK)?;
        let (place, random) = rest.split_at_checked(PLACE_DIGITS)?;
        if !matches!(random.len(), SHORT_DIGITS | LONG_DIGITS) || !random.iter().copied().all(is_lower_hex) {
            return None;
        }
        let (instance, worker) = place.split_at_checked(4)?;
        Some(Self { instance: u16::try_from(hex(instance)?).ok()?, worker: u8::try_from(hex(worker)?).ok()? })
    }
}

/// The 256 random bits from which all random values of one worker are derived.
///
/// The same seed and the same inputs give the same outputs. In production the seed comes from the operating system.
#[derive(Clone)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from these octets. Outside tests they must be secret and random.
    #[must_use]
    pub const fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// An independent seed, derived from this seed and `stream`. Each generator gets its own seed.
    #[must_use]
    pub fn fork(&self, stream: u64) -> Self {
        let mut rng = ChaCha12Rng::from_seed(self.0);
        rng.set_stream(stream.wrapping_add(1));
        let mut octets = [0; 32];
        rng.fill_bytes(&mut octets);
        Self(octets)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Makes branches, tags, Call-IDs and plain random numbers from one [`Seed`].
pub struct IdGenerator {
    place: WorkerPlace,
    rng: ChaCha12Rng,
}

impl IdGenerator {
    /// A generator whose identifiers contain `place`.
    #[must_use]
    pub fn new(place: WorkerPlace, seed: &Seed) -> Self {
        Self { place, rng: ChaCha12Rng::from_seed(seed.0) }
    }

    /// A new branch (RFC 3261 section 8.1.1.7).
    pub fn branch(&mut self) -> Branch {
        let mut text = [0; COOKIE.len() + SHORT];
        let random = self.rng.next_u64();
        write(&mut text, [COOKIE, MARK], self.place, &random.to_be_bytes());
        Branch(text)
    }

    /// A new tag. RFC 3261 section 19.3 requires 32 random bits; this tag has 64.
    pub fn tag(&mut self) -> Tag {
        let random = self.rng.next_u64();
        Tag::of(self.place, random)
    }

    /// A new Call-ID (RFC 3261 section 8.1.1.4).
    pub fn call_id(&mut self) -> CallId {
        let mut text = [0; LONG];
        let random = self.bytes16();
        write(&mut text, [MARK, b""], self.place, &random);
        CallId(text)
    }

    /// Sixteen random octets.
    pub fn bytes16(&mut self) -> [u8; 16] {
        let mut octets = [0; 16];
        self.rng.fill_bytes(&mut octets);
        octets
    }

    /// A random number.
    pub fn number(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// The place that the identifiers contain.
    #[must_use]
    pub const fn place(&self) -> WorkerPlace {
        self.place
    }
}

impl fmt::Debug for IdGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdGenerator").field("place", &self.place).finish_non_exhaustive()
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $length:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $length]);

        impl $name {
            /// The text as on the wire.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// The text as on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                str::from_utf8(&self.0).expect("the text has only ASCII letters, digits and hyphens")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
    };
}

identifier! {
    /// The `branch` parameter of our Via. It identifies one client transaction (RFC 3261 section 17.1.3).
    Branch, COOKIE.len() + SHORT
}
identifier! {
    /// A From or To tag that we made. It identifies our side of a dialog (RFC 3261 section 19.3).
    Tag, SHORT
}
identifier! {
    /// A Call-ID that we made (RFC 3261 section 20.8).
    CallId, LONG
}

impl Tag {
    /// The tag of `place` with a given number.
    pub(crate) fn of(place: WorkerPlace, number: u64) -> Self {
        let mut text = [0; SHORT];
        write(&mut text, [MARK, b""], place, &number.to_be_bytes());
        Self(text)
    }
}

/// Fills `text` with the prefixes, and with the place and the random octets in hexadecimal. `text` has exactly the length of
/// the result.
fn write(text: &mut [u8], prefixes: [&[u8]; 2], place: WorkerPlace, random: &[u8]) {
    let (before, digits) = text.split_at_mut(prefixes.map(<[u8]>::len).iter().sum());
    let (first, second) = before.split_at_mut(prefixes[0].len());
    first.copy_from_slice(prefixes[0]);
    second.copy_from_slice(prefixes[1]);
    let [high, low] = place.instance.to_be_bytes();
    let octets = [high, low, place.worker].into_iter().chain(random.iter().copied());
    for (pair, octet) in digits.chunks_exact_mut(2).zip(octets) {
        pair.copy_from_slice(&hex_digits(octet));
    }
}

const fn hex_digits(octet: u8) -> [u8; 2] {
    [hex_digit(octet >> 4), hex_digit(octet & 0x0f)]
}

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + (nibble - 10) }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, &digit| {
        let value = char::from(digit).to_digit(16).filter(|_| is_lower_hex(digit))?;
        Some(number << 4 | value)
    })
}

const fn is_lower_hex(octet: u8) -> bool {
    matches!(octet, b'0'..=b'9' | b'a'..=b'f')
}

/// The magic cookie of RFC 3261 section 8.1.1.7, with a dash of our own after it.
const COOKIE: &[u8] = b"z9hG4bK-";
const MARK: &[u8] = b"at";
const PLACE_DIGITS: usize = 6;
const SHORT_DIGITS: usize = 16;
const LONG_DIGITS: usize = 32;
const SHORT: usize = MARK.len() + PLACE_DIGITS + SHORT_DIGITS;
const LONG: usize = MARK.len() + PLACE_DIGITS + LONG_DIGITS;

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: WorkerPlace = WorkerPlace { instance: 0xbeef, worker: 7 };

    #[test]
    fn the_formats_are_fixed() {
        let mut ids = IdGenerator::new(PLACE, &Seed::new([1; 32]));
        let (branch, tag, call_id) = (ids.branch(), ids.tag(), ids.call_id());
        assert!(branch.as_str().starts_with("z9hG4bK-atbeef07"), "{branch}");
        assert!(tag.as_str().starts_with("atbeef07"), "{tag}");
        assert!(call_id.as_str().starts_with("atbeef07"), "{call_id}");
        assert_eq!((branch.as_str().len(), tag.as_str().len(), call_id.as_str().len()), (32, 24, 40));
    }

    #[test]
    fn the_place_is_read_back_from_each_identifier() {
        let mut ids = IdGenerator::new(PLACE, &Seed::new([2; 32]));
        assert_eq!(WorkerPlace::of(ids.branch().as_bytes()), Some(PLACE));
        assert_eq!(WorkerPlace::of(ids.tag().as_bytes()), Some(PLACE));
        assert_eq!(WorkerPlace::of(ids.call_id().as_bytes()), Some(PLACE));
    }

    #[test]
    fn no_place_is_read_from_other_identifiers() {
        for text in ["", "at", "atbeef07", "z9hG4bK776asdhds", "z9hG4bK-atBEEF070123456789abcdef"] {
            assert_eq!(WorkerPlace::of(text.as_bytes()), None, "{text}");
        }
        assert_eq!(WorkerPlace::of(b"atbeef070123456789abcdeg"), None);
        assert_eq!(WorkerPlace::of(b"atbeef07+123456789abcdef"), None);
    }

    #[test]
    fn one_seed_gives_one_sequence_and_its_forks_give_others() {
        let seed = Seed::new([3; 32]);
        let tag = |seed: &Seed| IdGenerator::new(PLACE, seed).tag();
        assert_eq!(tag(&seed), tag(&seed.clone()));
        assert_ne!(tag(&seed), tag(&seed.fork(0)));
        assert_ne!(tag(&seed.fork(0)), tag(&seed.fork(1)));
    }
}
