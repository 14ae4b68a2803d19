//! A soak: one switchboard goes through many histories, one after the other, in virtual time.

use std::ops::Range;

use super::LENGTH;
use super::choices::{Choices, octets_of};
use super::edge::config;
use super::history::{Outcome, run_on};
use super::shell::Shell;

/// One switchboard, and the histories that it has gone through.
struct Soak {
    shell: Option<Shell>,
    outcome: Outcome,
    seeds: Range<u64>,
}

/// What a soak has left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// How the histories went.
    pub outcome: Outcome,
    /// The calls, dialogs and transactions that are live at the end.
    pub live: (u64, u64, u64),
    /// Whether the switchboard asks to be woken at the end.
    pub timer: bool,
    /// The octets of the live heap after the first 10,000 calls. At that moment no call is live.
    pub warm: usize,
    /// The octets of the live heap at the end. No call is live then either.
    pub end: usize,
}

/// The calls after which the live heap is measured first.
const WARM: u64 = 10_000;

/// How much larger the live heap may be at the end than after the first 10,000 calls, in per cent.
const MOST_GROWTH: usize = 5;

/// Runs a soak of so many calls. Its histories have the seeds from `first` on. `heap` returns the octets of the live heap.
///
/// # Panics
///
/// If a history breaks the model, or leaves a call, a dialog, a transaction or a timer.
pub fn soak(first: u64, calls: u64, heap: impl Fn() -> usize) -> Left {
    let mut soak = Soak::new(first);
    soak.until(WARM.min(calls));
    let warm = heap();
    soak.until(calls);
    let end = heap();
    let (live, timer) = soak.live();
    Left { outcome: soak.outcome(), live, timer, warm, end }
}

impl Left {
    /// Whether no call, dialog, transaction and timer is left, and the live heap has not grown.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.live == (0, 0, 0) && !self.timer && self.end * 100 <= self.warm * (100 + MOST_GROWTH)
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { outcome, live: (calls, dialogs, transactions), timer, warm, end } = self;
        let timers = if *timer { "a timer" } else { "no timer" };
        writeln!(f, "{outcome}")?;
        writeln!(f, "left: {calls} calls, {dialogs} dialogs, {transactions} transactions, {timers}")?;
        write!(f, "live heap: {warm} octets after {WARM} calls, {end} octets at the end")
    }
}

impl Soak {
    /// A new switchboard. Its histories have the seeds from `first` on.
    fn new(first: u64) -> Self {
        // Each question of the switchboard is answered at once, some decisions of the policy later.
        let shell = Shell::new(config(3), false, 0b0101);
        Self { shell: Some(shell), outcome: Outcome::default(), seeds: first..u64::MAX }
    }

    /// Goes through histories until so many calls have begun in all.
    #[expect(clippy::panic, reason = "a history that fails stops the program")]
    fn until(&mut self, calls: u64) {
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

    fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The calls, dialogs and transactions at present, and whether there is a timer.
    fn live(&self) -> ((u64, u64, u64), bool) {
        let Some(shell) = &self.shell else { return ((0, 0, 0), false) };
        let counters = shell.counters();
        let live = (counters.calls_live, counters.dialogs_live, counters.transactions_live);
        (live, shell.deadline.is_some() || !shell.is_settled())
    }
}
