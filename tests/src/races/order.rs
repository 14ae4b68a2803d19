//! All sequences of choices, one after the other.

/// A sequence of choices that is made again and again, each time another one, until all were made.
pub(super) struct Order {
    /// Each choice and how many there were.
    choices: Vec<(usize, usize)>,
    place: usize,
}

impl Order {
    pub(super) const fn first() -> Self {
        Self { choices: Vec::new(), place: 0 }
    }

    /// The sequence of these choices.
    pub(super) fn replaying(taken: Vec<usize>) -> Self {
        Self { choices: taken.into_iter().map(|choice| (choice, usize::MAX)).collect(), place: 0 }
    }

    pub(super) const fn begins(&mut self) {
        self.place = 0;
    }

    /// The next choice, below `count`.
    pub(super) fn of(&mut self, count: usize) -> usize {
        let choice = match self.choices.get_mut(self.place) {
            Some((choice, of)) => {
                *of = count;
                *choice
            }
            None => {
                self.choices.push((0, count));
                0
            }
        };
        self.place += 1;
        choice
    }

    /// Turns to the next sequence; `false` after the last.
    pub(super) fn advances(&mut self) -> bool {
        self.choices.truncate(self.place);
        while let Some((choice, of)) = self.choices.pop() {
            if choice + 1 < of {
                self.choices.push((choice + 1, of));
                return true;
            }
        }
        false
    }

    /// The choices of the present sequence.
    pub(super) fn taken(&self) -> Vec<usize> {
        self.choices.iter().take(self.place).map(|(choice, _)| *choice).collect()
    }
}
