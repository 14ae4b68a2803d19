//! Counts instructions with callgrind.
//!
//! A program runs itself under valgrind, once with few rounds and once with more rounds. The difference divided by the number
//! of additional rounds is the cost of one round.

#![expect(clippy::panic, reason = "a measurement that cannot be taken stops the program")]

use std::env;
use std::process::Command;

/// Reads the arguments of a program that runs itself: the words of the case, and the number of rounds.
#[must_use]
pub fn asked() -> Option<(Vec<String>, u32)> {
    let mut words: Vec<_> = env::args().skip(1).collect();
    if words.first().is_none_or(|flag| flag != FLAG) {
        return None;
    }
    let rounds = words.pop()?.parse().expect("a count of rounds");
    words.remove(0);
    Some((words, rounds))
}

/// Returns the instructions of one round of a case. `fewer` is the number of rounds of the shorter run. It must be large enough
/// to hide variation in the cost of the program start.
///
/// # Panics
///
/// If valgrind is not installed.
#[must_use]
pub fn instructions(case: &[&str], fewer: u32) -> u64 {
    (collected(&[], case, 3 * fewer) - collected(&[], case, fewer)) / u64::from(2 * fewer)
}

/// Returns the instructions of one round of a case, counting only what runs inside [`counted`].
///
/// # Panics
///
/// If valgrind is not installed.
#[must_use]
pub fn instructions_counted(case: &[&str], fewer: u32) -> u64 {
    let within = ["--toggle-collect=*callgrind*counted*"];
    (collected(&within, case, 3 * fewer) - collected(&within, case, fewer)) / u64::from(2 * fewer)
}

/// Runs work whose instructions [`instructions_counted`] counts. Calls of this function must not be nested.
#[inline(never)]
pub fn counted<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Runs this program under callgrind and returns its count.
fn collected(options: &[&str], case: &[&str], rounds: u32) -> u64 {
    let program = env::current_exe().expect("the path of this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(options)
        .arg(program)
        .arg(FLAG)
        .args(case)
        .arg(rounds.to_string())
        .output()
        .expect("valgrind is installed");
    let report = String::from_utf8_lossy(&output.stderr);
    let count = report.split("Collected :").nth(1).and_then(|rest| rest.split_whitespace().next());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in the report:\n{report}"))
}

const FLAG: &str = "--measured";
