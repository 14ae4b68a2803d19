//! Runs many random histories of a switchboard and its peers, and prints a summary: `just histories [COUNT]`.
//!
//! A failed seed prints its messages and the line that repeats only this seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use attesta_tests::sim::seeds;
use attesta_tests::switchboard_model::{Outcome, replayable};

#[expect(clippy::print_stdout, reason = "the program prints a summary")]
#[expect(clippy::disallowed_methods, reason = "the summary contains the duration")]
fn main() {
    let count = std::env::args().nth(1).map_or(100_000, |text| text.parse().expect("COUNT is a number"));
    let (begun, seeds) = (Instant::now(), seeds(count));
    let next = AtomicU64::new(seeds.start);
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get());
    let total = thread::scope(|scope| {
        let work = || {
            let mut total = Outcome::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return total;
                }
                total.add(&replayable(seed));
            }
        };
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut total = Outcome::default();
        for handle in handles {
            total.add(&handle.join().expect("no seed fails"));
        }
        total
    });
    println!("{} histories, {total}", seeds.end - seeds.start);
    println!("{:.1} seconds", begun.elapsed().as_secs_f64());
}
