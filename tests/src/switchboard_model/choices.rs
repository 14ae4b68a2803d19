//! Reads octets as choices.

/// The octets from which a history is decoded. They come from a seed or from a fuzzer.
pub(super) struct Choices<'a> {
    octets: std::slice::Iter<'a, u8>,
}

impl<'a> Choices<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets: octets.iter() }
    }

    /// Returns the next octet, or `None` at the end of the history.
    pub(super) fn octet(&mut self) -> Option<u8> {
        self.octets.next().copied()
    }

    /// Returns one of `count` choices, or the first choice at the end of the history.
    pub(super) fn of(&mut self, count: usize) -> usize {
        usize::from(self.octet().unwrap_or_default()) % count.max(1)
    }

    /// Returns true in one of `count` cases.
    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.of(count) + 1 == count
    }

    /// Returns one of the choices in a list that is not empty.
    pub(super) fn among<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        choices.get(self.of(choices.len())).copied()
    }
}

/// Returns the octets of a seed's history (SplitMix64).
#[must_use]
pub fn octets_of(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    });
    words.flatten().take(length).collect()
}
