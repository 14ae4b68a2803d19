//! Instructions of whole transactions, client and server together, with no network between them, beside the ceilings this
//! project holds itself to.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use attesta_benches::callgrind;
use attesta_benches::transactions::Pair;

fn main() -> ExitCode {
    if let Some((words, rounds)) = callgrind::asked() {
        measured(&words, rounds);
        return ExitCode::SUCCESS;
    }
    if table() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the table; gives whether every ceiling holds.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn table() -> bool {
    let mut holds = true;
    println!("{:<24}{:>14}{:>14}", "transaction", "instructions", "at most");
    for (case, ceiling) in CEILINGS {
        let count = callgrind::instructions(&[case], 100);
        println!("{case:<24}{count:>14}{ceiling:>14}");
        holds &= count <= ceiling;
    }
    holds
}

const CEILINGS: [(&str, u64); 2] = [("invite", 105_000), ("options", 56_000)];

#[expect(clippy::disallowed_methods, reason = "a measurement has to start at some instant")]
fn measured(words: &[String], rounds: u32) {
    let mut pair = Pair::new(Instant::now(), Duration::from_secs(60));
    let invite = words.iter().any(|word| word == "invite");
    for _ in 0..rounds {
        if invite { pair.invite() } else { pair.options() }
    }
    assert!(pair.live() > 0, "the work was done");
}
