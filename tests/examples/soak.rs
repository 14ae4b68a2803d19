//! One switchboard goes through COUNT calls of random histories in virtual time: `just soak [COUNT]`.
//!
//! After each history, no call, dialog, transaction or timer is left. At the end, the live heap is compared with the live heap
//! after the first 10,000 calls. If it has grown by more than 5 %, the exit code is 1.

use std::process::ExitCode;
use std::time::Instant;

use attesta_tests::sim::seeds;
use attesta_tests::switchboard_model::soak;
use dhat::{HeapStats, Profiler};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

#[expect(clippy::print_stdout, reason = "the summary is what it is for")]
#[expect(clippy::disallowed_methods, reason = "the summary says how long it took")]
fn main() -> ExitCode {
    let count = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("COUNT is a number"));
    let _profiler = Profiler::builder().testing().build();
    let begun = Instant::now();
    let left = soak(seeds(1).start, count, || HeapStats::get().curr_bytes);
    println!("{left}\n{:.1} seconds", begun.elapsed().as_secs_f64());
    if left.is_nothing() {
        return ExitCode::SUCCESS;
    }
    println!("something is left, or the live heap has grown by more than 5 %");
    ExitCode::FAILURE
}
