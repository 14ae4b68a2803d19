//! The soak in small: one switchboard, 20,000 calls of random histories. `just soak` runs a million.

use attesta_tests::sim::seeds;
use attesta_tests::switchboard_model::Soak;
use dhat::{HeapStats, Profiler};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

#[test]
fn twenty_thousand_calls_leave_nothing_and_no_memory() {
    let _profiler = Profiler::builder().testing().build();
    let mut soak = Soak::new(seeds(1).start);
    soak.until(10_000);
    let warm = HeapStats::get().curr_bytes;
    soak.until(20_000);
    let end = HeapStats::get().curr_bytes;
    // Tables grow to the most that was ever in them. A call that kept a message would add many times as much.
    assert!(end < warm + TABLES, "{warm} octets after 10,000 calls, {end} after 20,000");
    let outcome = soak.outcome();
    assert!(4 * outcome.answered > outcome.calls, "{outcome}");
}

/// What the tables of the switchboard may grow by after the first calls, in octets.
const TABLES: usize = 32 * 1024;
