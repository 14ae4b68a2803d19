//! The switchboard against a model of its peers.
//!
//! A history is a sequence of steps that is decoded from octets: callers, callees and the shell each do something, messages get
//! lost or arrive twice, time passes. The peers keep enough state to send valid messages most of the time. These rules always
//! hold:
//!
//! * Nothing panics, and what the switchboard sends can be read.
//! * A request gets one final response. Each retransmission of the response has the same octets.
//! * Once no message is in flight and no timer is due, both sides of a call agree whether it is established.
//! * After the caller has given up, no callee rings for this call.
//! * After all peers stop sending, all calls and transactions end, and the switchboard holds no state.

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
pub use soak::{Left, soak};

/// The number of octets of an ordinary history.
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
/// If the history fails. Before the panic, the history is run a second time, and each message is printed.
#[must_use]
#[expect(clippy::panic, reason = "a seed that fails stops the program")]
pub fn replayable(seed: u64) -> Outcome {
    if let Ok(Ok(outcome)) = std::panic::catch_unwind(|| run_seed(seed, false)) {
        return outcome;
    }
    let replay = format!("replay with ATTESTA_SEED={seed} just histories 1");
    match std::panic::catch_unwind(|| run_seed(seed, true)) {
        Ok(Err(what)) => panic!("{what}: {replay}"),
        Ok(Ok(_)) => panic!("the first run failed, and the second run of the same history passed: {replay}"),
        Err(_) => panic!("the switchboard panicked: {replay}"),
    }
}
