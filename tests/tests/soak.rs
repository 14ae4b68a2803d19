//! A small soak: one switchboard, 20,000 calls of random histories. `just soak` runs a million calls.

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
    // The tables grow to their highest number of entries. If each call kept a message, the heap would grow many times as much.
    assert!(end < warm + TABLES, "{warm} octets after 10,000 calls, {end} after 20,000");
    let outcome = soak.outcome();
    assert!(4 * outcome.answered > outcome.calls, "{outcome}");
}

/// The number of octets by which the tables of the switchboard may grow after the first calls.
const TABLES: usize = 32 * 1024;
