//! The output of the demonstration: the ladder of one call, its PASSporT, the verdict and the result of all calls.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::call::PlacedCall;
use super::ladder;
use crate::cli::tree;
use crate::console::Palette;

/// Writes the first call that was not verified, or else the first call.
pub(super) fn write_text(out: &mut impl Write, calls: &[PlacedCall], palette: Palette) -> io::Result<()> {
    let Some(shown) = shown(calls) else { return Ok(()) };
    let (bold, dim) = (palette.bold, palette.dim);
    ladder::draw(out, palette, &shown.datagrams)?;
    if let Some(passport) = shown.received.as_ref().and_then(|received| received.passport.clone()) {
        writeln!(out, "\n{bold}The PASSporT that the callee received{bold:#}")?;
        tree::write(out, &Value::Object(passport), palette)?;
    }
    writeln!(out, "\n{bold}The verdict{bold:#}")?;
    let verified = calls.iter().filter(|call| call.is_verified()).count();
    let style = if shown.is_verified() { palette.good } else { palette.bad };
    writeln!(out, "{style}{}{style:#}", verdict(shown))?;
    if calls.len() > 1 {
        let style = if verified == calls.len() { palette.good } else { palette.bad };
        let times = Times::of(calls);
        writeln!(out, "\n{style}{verified} of {} calls verified{style:#}", calls.len())?;
        writeln!(
            out,
            "{dim}time to answer: median {:.1} ms, 99 % within {:.1} ms; {:.0} calls/s when the calls are placed one after the other{dim:#}",
            times.median.as_secs_f64() * 1e3,
            times.most.as_secs_f64() * 1e3,
            times.rate
        )?;
    }
    Ok(())
}

pub(super) fn write_json(out: &mut impl Write, calls: &[PlacedCall]) -> io::Result<()> {
    let Some(shown) = shown(calls) else { return Ok(()) };
    let start = shown.datagrams.first().map(|datagram| datagram.at);
    let ladder: Vec<_> = shown
        .datagrams
        .iter()
        .map(|datagram| {
            let after = start.map_or(Duration::ZERO, |start| datagram.at.saturating_duration_since(start));
            json!({
                "ms": (after.as_secs_f64() * 1e6).round() / 1e3,
                "from": datagram.from.as_str(),
                "to": datagram.to.as_str(),
                "message": datagram.label().text,
            })
        })
        .collect();
    let report = json!({
        "calls": calls.len(),
        "verified": calls.iter().filter(|call| call.is_verified()).count(),
        "verdict": verdict(shown),
        "passport": shown.received.as_ref().and_then(|received| received.passport.clone()),
        "ladder": ladder,
    });
    writeln!(out, "{report}")
}

fn shown(calls: &[PlacedCall]) -> Option<&PlacedCall> {
    calls.iter().find(|call| !call.is_verified()).or(calls.first())
}

/// Returns the verdict in the INVITE that the callee received, or the error of the call.
fn verdict(call: &PlacedCall) -> String {
    match (&call.set_up, call.received.as_ref().and_then(|received| received.verstat.clone())) {
        (Err(error), _) => format!("no call: {error}"),
        (Ok(_), Some(verstat)) => verstat,
        (Ok(_), None) => "the INVITE that the callee received has no verdict on the caller".into(),
    }
}

/// The times from the start of a call to its answer, and the rate of calls.
struct Times {
    median: Duration,
    /// The 99th percentile.
    most: Duration,
    /// Calls per second.
    rate: f64,
}

impl Times {
    fn of(calls: &[PlacedCall]) -> Self {
        let mut set_up: Vec<Duration> =
            calls.iter().filter_map(|call| call.set_up.as_ref().ok()).copied().collect();
        set_up.sort();
        let at = |share: usize| {
            set_up.get((set_up.len() * share / 100).min(set_up.len().saturating_sub(1))).copied()
        };
        let lasted: Duration = calls.iter().map(|call| call.lasted).sum();
        Self {
            median: at(50).unwrap_or_default(),
            most: at(99).unwrap_or_default(),
            rate: calls.len() as f64 / lasted.as_secs_f64().max(f64::EPSILON),
        }
    }
}
