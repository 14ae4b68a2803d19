//! One switchboard goes through COUNT calls of random histories in virtual time: `just soak [COUNT]`.
//!
//! After each history, no call, dialog, transaction or timer is left. At the end, the live heap is compared with the live heap
//! after the first 10,000 calls.

use std::time::Instant;

use attesta_tests::sim::seeds;
use attesta_tests::switchboard_model::Soak;
use dhat::{HeapStats, Profiler};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// The calls after which the live heap is measured first.
const WARM: u64 = 10_000;

#[expect(clippy::print_stdout, reason = "the summary is what it is for")]
#[expect(clippy::disallowed_methods, reason = "the summary says how long it took")]
fn main() {
    let count = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("COUNT is a number"));
    let _profiler = Profiler::builder().testing().build();
    let begun = Instant::now();
    let mut soak = Soak::new(seeds(1).start);
    soak.until(WARM);
    let warm = HeapStats::get().curr_bytes;
    soak.until(count);
    let end = HeapStats::get().curr_bytes;
    println!("{}", soak.outcome());
    println!("live heap: {warm} octets after {WARM} calls, {end} octets at the end");
    println!("{:.1} seconds", begun.elapsed().as_secs_f64());
    assert!(end * 100 <= warm * 105, "the live heap has grown by more than 5 %");
}
