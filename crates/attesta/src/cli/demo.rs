//! `attesta demo`: places calls over loopback sockets and shows the result.
//!
//! A caller, a signing edge, a verifying edge and a callee each have their own sockets. A relay between the edges
//! captures the datagrams. The command draws the ladder from these datagrams, and reads the verdict from the INVITE that
//! the callee received.

mod call;
mod ladder;
mod network;
mod phone;
mod relay;
mod report;

use std::io::Write;

use clap::Args;

use self::call::PlacedCall;
use self::network::DemoNetwork;
use super::outcome::Outcome;
use super::runtime::runtime;
use crate::console::{Console, Progress};
use crate::fault::{Failure, Fault};

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The number of calls, placed one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    calls: u32,
}

pub(super) fn demo(args: &Demo, console: &Console) -> Result<Outcome, Failure> {
    let calls = runtime()?.block_on(place_calls(args))?;
    let verified = calls.iter().filter(|call| call.is_verified()).count();
    let mut out = console.out();
    if console.json() {
        report::write_json(&mut out, &calls)?;
    } else {
        report::write_text(&mut out, &calls, console.palette())?;
    }
    out.flush()?;
    Ok(if verified == calls.len() { Outcome::Done } else { Outcome::No })
}

async fn place_calls(args: &Demo) -> Result<Vec<PlacedCall>, Fault> {
    let mut network = DemoNetwork::start().await?;
    let total = usize::try_from(args.calls).unwrap_or(usize::MAX);
    let mut progress = Progress::new(total);
    let mut calls = Vec::new();
    for number in 0..args.calls {
        let mut call = network.place_call(number).await;
        // The report shows one ladder only: of the first call that fails, or else of the first call.
        if number > 0 && call.is_verified() {
            call.datagrams = Vec::new();
        }
        calls.push(call);
        progress.step();
    }
    progress.finish();
    Ok(calls)
}
