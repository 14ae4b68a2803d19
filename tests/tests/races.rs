//! Pairs of events that cross in a call: see `attesta_tests::races`. `just races` runs more of them.

use attesta_tests::races::{Bound, Race, run_all};

/// What the gate runs.
const BOUND: Bound = Bound { deliveries: 1, losses: 0 };

#[test]
#[expect(clippy::print_stdout, reason = "the count is for a reader of the output")]
fn crossing_events_leave_both_sides_in_agreement() {
    if let Ok(text) = std::env::var("ATTESTA_RACE") {
        let race = Race::parse(&text).expect("ATTESTA_RACE names a race");
        race.replay().expect("the race ends well");
        return;
    }
    let tally = run_all(BOUND);
    println!("{tally}");
    assert!(tally.failures.is_empty(), "{tally}");
}
