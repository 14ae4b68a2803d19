//! The switchboard against a model of its peers.
//!
//! A history is a sequence of steps that is decoded from octets: callers, callees and the shell each do something, messages get
//! lost or come twice, time passes. The peers keep enough state to send valid messages most of the time. Whatever happens:
//!
//! * Nothing panics, and what the switchboard sends can be read.
//! * A request gets one final response, and where that is repeated, the same octets.
//! * Once everything has come to rest, both sides of a call agree whether it is established.
//! * A caller who gave up is not rung for any more.
//! * Once nobody speaks any more, everything ends, and nothing is left.

mod check;
mod choices;
mod dialog;
mod edge;
mod history;
mod message;
mod peer;
mod rest;
mod sent;
mod shell;
mod soak;

pub use choices::octets_of;
pub use history::{Outcome, run};
pub use soak::Soak;

/// The octets of an ordinary history.
pub const LENGTH: usize = 56;

/// Runs the history of a seed, as `run` does.
///
/// # Errors
///
/// What went wrong.
pub fn run_seed(seed: u64, tells: bool) -> Result<Outcome, String> {
    run(&octets_of(seed, LENGTH), tells)
}

/// Runs the history of a seed.
///
/// # Panics
///
/// If something went wrong: then it is run once more, and each message is printed.
#[must_use]
#[expect(clippy::panic, reason = "a seed that fails stops the program")]
pub fn replayable(seed: u64) -> Outcome {
    if let Ok(Ok(outcome)) = std::panic::catch_unwind(|| run_seed(seed, false)) {
        return outcome;
    }
    let replay = format!("replay with ATTESTA_SEED={seed} just histories 1");
    match std::panic::catch_unwind(|| run_seed(seed, true)) {
        Ok(Err(what)) => panic!("{what}: {replay}"),
        Ok(Ok(_)) => panic!("not the same the second time: {replay}"),
        Err(_) => panic!("the switchboard panicked: {replay}"),
    }
}
