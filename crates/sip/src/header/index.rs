//! The positions of the header lines in a message.

use crate::header::name::Name;

/// The number of lines that need no heap memory.
pub(crate) const INLINE: usize = 32;

/// One header line: its name, and ranges in the text of its message.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    /// Offset of the first octet of the name.
    pub(crate) start: u32,
    /// Length of the line in octets, with folds and line end.
    pub(crate) length: u32,
    /// Length of the value in octets, without the white space around it.
    pub(crate) value_length: u32,
    /// Offset of the first octet of the value, counted from `start`.
    pub(crate) value: u16,
    /// Length of the name in octets.
    pub(crate) name_length: u8,
    /// The known header name, if any.
    pub(crate) name: Option<Name>,
}

impl Line {
    const EMPTY: Self = Self { start: 0, length: 0, value_length: 0, value: 0, name_length: 0, name: None };

    pub(crate) fn end(&self) -> u32 {
        self.start + self.length
    }
}

/// The lines of a message in order. An array holds up to [`INLINE`] lines. If there are more lines, a vector holds all lines.
#[derive(Clone)]
pub(crate) struct Index {
    count: usize,
    inline: [Line; INLINE],
    /// All lines if there are more than the array holds; otherwise empty.
    spill: Vec<Line>,
}

impl Index {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { count: 0, inline: [Line::EMPTY; INLINE], spill: Vec::new() }
    }

    #[inline]
    pub(crate) fn lines(&self) -> &[Line] {
        self.inline.get(..self.count).unwrap_or(&self.spill)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn push(&mut self, line: Line) {
        match self.inline.get_mut(self.count) {
            Some(slot) => *slot = line,
            None => self.spill(line),
        }
        self.count += 1;
    }

    /// Inserts a line before the line at `at`, or at the end if there are fewer lines.
    pub(crate) fn insert(&mut self, at: usize, line: Line) {
        self.push(line);
        let lines = self.inline.get_mut(..self.count).unwrap_or(&mut self.spill);
        if let Some(moved) = lines.get_mut(at..) {
            moved.rotate_right(1);
        }
    }

    /// Keeps the lines for which `keep` returns true. Returns the number of removed lines.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Line) -> bool) -> usize {
        let before = self.count;
        let mut kept = Self::new();
        for line in self.lines().iter().filter(|line| keep(line)) {
            kept.push(*line);
        }
        if kept.count < before {
            *self = kept;
        }
        before - self.count
    }

    #[cold]
    fn spill(&mut self, line: Line) {
        if self.spill.is_empty() {
            self.spill.reserve(INLINE * 2);
            self.spill.extend_from_slice(&self.inline);
        }
        self.spill.push(line);
    }
}
