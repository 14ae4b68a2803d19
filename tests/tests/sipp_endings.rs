//! Tests of each way in which a call ends. Both legs end correctly, and no state remains after the longest timer.

use attesta_tests::ring::{Edge, Mood, Pki, Repository, Ring, Sipp, SippParty, configuration};
use std::time::Duration;

/// All endings are in one test, so that they wait for their timers in parallel, whatever the number of test threads.
#[test]
fn both_legs_end_and_nothing_is_left() {
    let endings: [(&str, fn()); 6] = [
        ("the caller hangs up", the_caller_hangs_up),
        ("the callee hangs up first", the_callee_hangs_up_first),
        ("the caller cancels while it rings", the_caller_cancels_while_it_rings),
        ("the callee is busy", the_callee_is_busy),
        ("the callee never answers", the_callee_never_answers),
        ("the callee rings for too long", the_callee_rings_for_too_long),
    ];
    let running = endings.map(|(name, ending)| {
        let thread = std::thread::Builder::new().name(name.to_owned());
        (name, thread.spawn(ending).expect("a thread can be started"))
    });
    let failed: Vec<&str> =
        running.into_iter().filter_map(|(name, thread)| thread.join().err().map(|_| name)).collect();
    assert!(failed.is_empty(), "these did not end correctly: {failed:?}");
}

fn the_caller_hangs_up() {
    let Some(ring) = Ring::enter("caller-hangs-up", 11) else { return };
    let end = run(&ring, "caller_hangs_up", "callee_answers", "");
    assert_eq!(end.callee.requests("BYE").len(), CALLS as usize);
}

fn the_callee_hangs_up_first() {
    let Some(ring) = Ring::enter("callee-hangs-up", 12) else { return };
    let end = run(&ring, "caller_hears_bye", "callee_hangs_up", "");
    assert_eq!(end.caller.requests("BYE").len(), CALLS as usize);
}

fn the_caller_cancels_while_it_rings() {
    let Some(ring) = Ring::enter("caller-cancels", 13) else { return };
    let end = run(&ring, "caller_cancels", "callee_rings", "");
    assert_eq!(end.callee.requests("CANCEL").len(), CALLS as usize);
    assert_eq!(end.caller.responses(487).len(), CALLS as usize);
}

fn the_callee_is_busy() {
    let Some(ring) = Ring::enter("busy", 14) else { return };
    let end = run(&ring, "caller_is_refused", "callee_busy", "");
    assert_eq!(end.caller.responses(486).len(), CALLS as usize);
}

fn the_callee_never_answers() {
    let Some(ring) = Ring::enter("silence", 15) else { return };
    let end = run(&ring, "caller_is_refused", "callee_silent", "");
    assert_eq!(end.caller.responses(408).len(), CALLS as usize, "timer B ends the attempt: 408");
}

fn the_callee_rings_for_too_long() {
    let Some(ring) = Ring::enter("no-answer", 16) else { return };
    let end = run(&ring, "caller_is_refused", "callee_rings", "timers = { ring = \"2s\" }");
    assert_eq!(end.callee.requests("CANCEL").len(), CALLS as usize);
    let refusals = end.caller.responses(408).len() + end.caller.responses(480).len();
    assert_eq!(refusals, CALLS as usize);
}

struct End {
    caller: SippParty,
    callee: SippParty,
}

/// Runs the calls, asserts that both sides followed their scenario, and waits until the edge is idle.
fn run(ring: &Ring, from: &'static str, to: &'static str, carrier: &str) -> End {
    let pki = Pki::new(ring, "pki");
    let repository = Repository::start(ring.host(4), pki.chain_octets(), Mood::Serves);
    let there = ring.free(3);
    let config = configuration::signing(ring, 1, &pki, &repository, ring.host(2), there)
        .replace("outbound_identity = \"sign\"", &format!("outbound_identity = \"sign\"\n{carrier}"));
    let mut edge = Edge::start(ring, "edge", 1, &config);
    // The silent callee must run as long as it is called: longer than Timer B.
    let pause = Duration::from_millis(if to == "callee_silent" { 36_000 } else { 300 });
    let mut callee = Sipp::callee(to, there).calls(CALLS, 20).pause(pause).start(ring);
    let mut caller = Sipp::caller(from, ring.free(2), edge.udp())
        .calls(CALLS, 20)
        .pause(Duration::from_millis(300))
        .start(ring);
    caller.finish(LIMIT).assert_successful();
    callee.finish(LIMIT).assert_successful();
    edge.wait_until_idle(LIMIT);
    edge.assert_alive();
    assert!(edge.metrics().sum("attesta_identity_signed_total", &[]) >= f64::from(CALLS));
    End { caller, callee }
}

const CALLS: u32 = 10;

/// Longer than 64*T1 for the attempt plus 64*T1 for its remaining transactions.
const LIMIT: Duration = Duration::from_secs(100);
