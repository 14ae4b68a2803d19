//! Measures the wall time of whole transactions, client and server together, without a network between them: `cargo bench
//! --bench transaction`.

use std::time::{Duration, Instant};

use attesta_benches::transactions::Pair;
use divan::{Bencher, counter::ItemsCount};

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// Milliseconds between two transactions. At 60,000 ms no earlier transaction is live. At 1 ms about as many are live as at a
/// busy worker.
const PACES: [u64; 2] = [60_000, 1];

#[divan::bench(args = PACES)]
fn invite(bencher: Bencher<'_, '_>, pace: u64) {
    let mut pair = pair(pace);
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| pair.invite());
}

#[divan::bench(args = PACES)]
fn options(bencher: Bencher<'_, '_>, pace: u64) {
    let mut pair = pair(pace);
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| pair.options());
}

#[expect(clippy::disallowed_methods, reason = "a measurement has to start at some instant")]
fn pair(pace: u64) -> Pair {
    Pair::new(Instant::now(), Duration::from_millis(pace))
}
