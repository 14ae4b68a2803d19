//! A small soak: one switchboard, 20,000 calls of random histories. `just soak` runs a million calls.

use attesta_tests::sim::seeds;
use attesta_tests::switchboard_model::soak;
use dhat::{HeapStats, Profiler};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

#[test]
fn twenty_thousand_calls_leave_nothing_and_no_memory() {
    let _profiler = Profiler::builder().testing().build();
    let left = soak(seeds(1).start, 20_000, || HeapStats::get().curr_bytes);
    assert!(left.is_nothing(), "{left}");
    assert!(4 * left.outcome.answered > left.outcome.calls, "{left}");
}
