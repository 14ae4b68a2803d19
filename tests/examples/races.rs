//! Pairs of events that cross in a call: `just races [BEFORE] [AFTER] [LOSSES]`.
//!
//! BEFORE deliveries are chosen between the two events and AFTER deliveries after both. LOSSES of them may be lost.

use std::thread;
use std::time::Instant;

use attesta_tests::races::{Bound, Setup, Tally, run_all};

#[expect(clippy::print_stdout, reason = "the summary is what it is for")]
#[expect(clippy::disallowed_methods, reason = "the summary says how long it took")]
fn main() {
    let number = |place, default| {
        std::env::args().nth(place).map_or(default, |text| text.parse().expect("the bound is of numbers"))
    };
    let bound = Bound { before: number(1, 3), after: number(2, 3), losses: number(3, 1) };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let begun = Instant::now();
    let mut total = Tally::default();
    for setup in Setup::ALL {
        let tally = run_all(&[setup], bound, threads);
        println!("{setup:?}: {tally}");
        total.add(tally);
    }
    for (first, second) in total.apart() {
        println!("never: {first:?}, then {second:?}");
    }
    println!("in all: {total}");
    println!("{:.1} seconds", begun.elapsed().as_secs_f64());
    assert!(total.failures.is_empty(), "crossings that ended wrong");
}
