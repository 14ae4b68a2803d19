//! Counts the instructions of whole transactions, client and server together, without a network between them, and compares them
//! with this project's ceilings.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use attesta_benches::callgrind;
use attesta_benches::transactions::{Crowd, Pair};

fn main() -> ExitCode {
    if let Some((words, rounds)) = callgrind::asked() {
        measured(&words, rounds);
        return ExitCode::SUCCESS;
    }
    if table() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the table. Returns true if no count exceeds its ceiling.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn table() -> bool {
    let mut holds = true;
    println!("{:<24}{:>14}{:>14}", "operation", "instructions", "at most");
    for (case, ceiling) in CEILINGS {
        let words: Vec<_> = case.split_whitespace().collect();
        let count = callgrind::instructions(&words, 100);
        println!("{case:<24}{count:>14}{ceiling:>14}");
        holds &= count <= ceiling;
    }
    holds
}

/// The most instructions for a transaction of each kind, and for a timeout at which no timer is due, with few and with many
/// idle transactions.
const CEILINGS: [(&str, u64); 4] =
    [("invite", 95_000), ("options", 52_000), ("timeout 1", 250), ("timeout 100000", 250)];

#[expect(clippy::disallowed_methods, reason = "a measurement has to start at some instant")]
fn measured(words: &[String], rounds: u32) {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    if let ["timeout", idle] = words[..] {
        let idle = idle.parse().expect("a count of transactions");
        let mut crowd = Crowd::idle(Instant::now(), idle);
        (0..rounds).for_each(|_| crowd.wakes());
        assert_eq!(crowd.live(), idle as u64, "nothing was due");
        return;
    }
    let mut pair = Pair::new(Instant::now(), Duration::from_secs(60));
    for _ in 0..rounds {
        if words == ["invite"] { pair.invite() } else { pair.options() }
    }
    assert!(pair.live() > 0, "the work was done");
}
