//! A soak: one switchboard goes through many histories, one after the other, in virtual time.

use std::ops::Range;

use super::LENGTH;
use super::choices::{Choices, octets_of};
use super::edge::config;
use super::history::{Outcome, run_on};
use super::shell::Shell;

/// One switchboard, and the histories that it has gone through.
pub struct Soak {
    shell: Option<Shell>,
    outcome: Outcome,
    seeds: Range<u64>,
}

impl Soak {
    /// A new switchboard. Its histories have the seeds from `first` on.
    #[must_use]
    pub fn new(first: u64) -> Self {
        // Each question of the switchboard is answered at once, some decisions of the policy later.
        let shell = Shell::new(config(3), false, 0b0101);
        Self { shell: Some(shell), outcome: Outcome::default(), seeds: first..u64::MAX }
    }

    /// Goes through histories until so many calls have begun in all.
    ///
    /// # Panics
    ///
    /// If a history breaks the model, or leaves a call, a dialog, a transaction or a timer.
    #[expect(clippy::panic, reason = "a history that fails stops the program")]
    pub fn until(&mut self, calls: u64) {
        while self.outcome.calls < calls {
            let (Some(seed), Some(shell)) = (self.seeds.next(), self.shell.take()) else { return };
            let octets = octets_of(seed, LENGTH);
            match run_on(shell, Choices::new(&octets), true, false) {
                Ok((outcome, shell)) => {
                    self.outcome.add(&outcome);
                    self.shell = Some(shell);
                }
                Err(what) => panic!("history {seed} of the soak after {}: {what}", self.outcome),
            }
        }
    }

    /// How the histories went.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}
