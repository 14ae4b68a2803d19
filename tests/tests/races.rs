//! Pairs of events that cross in a call: see `attesta_tests::races`. `just races` runs more of them.

use std::num::NonZero;
use std::thread;

use attesta_tests::races::{Bound, Race, Setup, run_all};

/// What the gate runs.
const BOUND: Bound = Bound { before: 2, after: 1, losses: 0 };

#[test]
#[expect(clippy::print_stdout, reason = "the count is for a reader of the output")]
fn crossing_events_leave_both_sides_in_agreement() {
    if let Ok(text) = std::env::var("ATTESTA_RACE") {
        let race = Race::parse(&text).expect("ATTESTA_RACE names a race");
        race.replay().expect("the race ends well");
        return;
    }
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let tally = run_all(&Setup::ALL, BOUND, threads);
    println!("{tally}");
    assert!(tally.failures.is_empty(), "{tally}");
}
