//! Where the header lines of a message stand.

use super::name::Name;

/// Lines kept in place; more go to the heap.
pub(crate) const INLINE: usize = 32;

/// One header line: ranges in the text of its message, and which header it is.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    /// First octet of the name.
    pub(crate) start: u32,
    /// Octets of the line with its folds and its line end.
    pub(crate) length: u32,
    /// Octets of the value without the white space around it.
    pub(crate) value_length: u32,
    /// First octet of the value, from `start`.
    pub(crate) value: u16,
    /// Octets of the name.
    pub(crate) name_length: u8,
    /// Which header it is, if it is known.
    pub(crate) name: Option<Name>,
}

impl Line {
    const EMPTY: Self = Self { start: 0, length: 0, value_length: 0, value: 0, name_length: 0, name: None };

    pub(crate) fn end(&self) -> u32 {
        self.start + self.length
    }
}

/// The lines of a message in order: an array, and a vector once the array is full.
#[derive(Clone)]
pub(crate) struct Index {
    inline: [Line; INLINE],
    /// Lines in `inline`; 0 once they moved to `spill`.
    count: usize,
    spill: Vec<Line>,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { inline: [Line::EMPTY; INLINE], count: 0, spill: Vec::new() }
    }

    #[inline]
    pub(crate) fn lines(&self) -> &[Line] {
        if self.spill.is_empty() { self.inline.get(..self.count).unwrap_or_default() } else { &self.spill }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        if self.spill.is_empty() { self.count } else { self.spill.len() }
    }

    #[inline]
    pub(crate) fn push(&mut self, line: Line) {
        match self.inline.get_mut(self.count) {
            Some(slot) if self.spill.is_empty() => {
                *slot = line;
                self.count += 1;
            }
            Some(_) | None => self.spill(line),
        }
    }

    /// Puts a line before the one at `at`, or at the end if there are fewer.
    pub(crate) fn insert(&mut self, at: usize, line: Line) {
        self.push(line);
        let length = self.len();
        let lines =
            if self.spill.is_empty() { self.inline.get_mut(..length) } else { Some(&mut self.spill[..]) };
        if let Some(moved) = lines.and_then(|lines| lines.get_mut(at..)) {
            moved.rotate_right(1);
        }
    }

    /// Keeps the lines for which `keep` holds; gives how many went.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Line) -> bool) -> usize {
        let before = self.len();
        if self.spill.is_empty() {
            let mut kept = 0;
            for at in 0..self.count {
                let Some(line) = self.inline.get(at).copied() else { break };
                if keep(&line) {
                    if let Some(slot) = self.inline.get_mut(kept) {
                        *slot = line;
                    }
                    kept += 1;
                }
            }
            self.count = kept;
        } else {
            self.spill.retain(keep);
        }
        before - self.len()
    }

    #[cold]
    fn spill(&mut self, line: Line) {
        if self.spill.is_empty() {
            self.spill.reserve(INLINE * 2);
            self.spill.extend_from_slice(&self.inline);
            self.count = 0;
        }
        self.spill.push(line);
    }
}
