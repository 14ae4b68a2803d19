//! Runs the ring's scenarios without an edge between them. If they fail only with an edge, the fault is in the edge.

use attesta_tests::ring::{Ring, Sipp};
use std::time::Duration;

#[test]
fn the_scenarios_fit_each_other() {
    let Some(ring) = Ring::enter("scenarios", 1) else { return };
    let pairs = [
        ("caller_hangs_up", "callee_answers"),
        ("caller_hears_bye", "callee_hangs_up"),
        ("caller_cancels", "callee_rings"),
        ("caller_is_refused", "callee_busy"),
    ];
    let running: Vec<_> = pairs
        .into_iter()
        .map(|(from, to)| {
            let there = ring.free(3);
            let callee = Sipp::callee(to, there).calls(20, 100).start(&ring);
            let caller = Sipp::caller(from, ring.free(2), there).calls(20, 100).pause(PAUSE).start(&ring);
            (caller, callee)
        })
        .collect();
    for (mut caller, mut callee) in running {
        for report in [caller.finish(LIMIT), callee.finish(LIMIT)] {
            report.assert_successful();
            report.assert_few_repeats();
        }
        assert_eq!(callee.requests("INVITE").len(), 20);
        assert_eq!(
            callee.requests("INVITE").first().and_then(|invite| invite.header("Max-Forwards")),
            Some("70")
        );
    }
}

const PAUSE: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(30);
