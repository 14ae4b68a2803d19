//! `attesta demo`: calls over real sockets on loopback, and what became of them.
//!
//! A caller, an edge that signs, an edge that verifies, a callee, each with sockets of its own. A relay between the edges
//! shows what passes there. The ladder is drawn from the datagrams, and the verdict is read from what the callee received.

mod call;
mod ladder;
mod phone;
mod report;
mod stage;
mod wire;

use std::io::Write;

use self::call::PlacedCall;
use self::stage::Stage;
use super::screen::{Progress, Screen};
use super::{Demo, Outcome, runtime};
use crate::fault::{Failure, Fault};

pub(super) fn demo(args: &Demo, screen: &Screen) -> Result<Outcome, Failure> {
    let calls = runtime()?.block_on(place_calls(args))?;
    let verified = calls.iter().filter(|call| call.is_verified()).count();
    let mut out = screen.out();
    if screen.json() {
        report::write_json(&mut out, &calls)?;
    } else {
        report::write_text(&mut out, &calls, screen.palette())?;
    }
    out.flush()?;
    Ok(if verified == calls.len() { Outcome::Done } else { Outcome::No })
}

async fn place_calls(args: &Demo) -> Result<Vec<PlacedCall>, Fault> {
    let mut stage = Stage::set().await?;
    let total = usize::try_from(args.calls).unwrap_or(usize::MAX);
    let mut progress = Progress::new(total);
    let mut calls = Vec::new();
    for number in 0..args.calls {
        let mut call = stage.place_call(number).await;
        // One ladder is shown: the first, or that of the first call that fails.
        if number > 0 && call.is_verified() {
            call.crossings = Vec::new();
        }
        calls.push(call);
        progress.step();
    }
    progress.finish();
    Ok(calls)
}
