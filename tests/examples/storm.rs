//! Runs many storms of random transactions and prints how the transactions ended: `just storm [SEEDS] [TRANSACTIONS]`.
//!
//! A failed seed prints the line that repeats only this seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use attesta_tests::sim::seeds;
use attesta_tests::storm::{Storm, Tally};

#[expect(clippy::print_stdout, reason = "the program prints a summary")]
#[expect(clippy::disallowed_methods, reason = "the summary contains the duration")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().map_or(1_000, |text| text.parse().expect("SEEDS is a number"));
    let transactions: usize =
        arguments.next().map_or(1_000, |text| text.parse().expect("TRANSACTIONS is a number"));

    let (begun, seeds) = (Instant::now(), seeds(count));
    let next = AtomicU64::new(seeds.start);
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get());
    let tally = thread::scope(|scope| {
        let work = || {
            let mut tally = Tally::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return tally;
                }
                let storm = Storm::new(seed, transactions);
                storm.net.is_replayed_by(format!("ATTESTA_SEED={seed} just storm 1 {transactions}"));
                tally.add(&storm.run());
            }
        };
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut tally = Tally::default();
        for handle in handles {
            tally.add(&handle.join().expect("no seed fails"));
        }
        tally
    });
    println!("{tally}");
    println!("{:<52}{:>12.1}", "duration in seconds", begun.elapsed().as_secs_f64());
    println!(
        "every transaction ended by the timer and in the state that the RFCs define; no transaction left state behind"
    );
}
