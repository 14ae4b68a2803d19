//! Caller, signing edge, callee: 2,000 calls at 200 calls/s. A program that shares no code with Attesta checks each Identity.

use attesta_tests::ring::{Check, Edge, Mood, Pki, Repository, Ring, Sipp, check_identities, configuration};
use std::time::Duration;

#[test]
fn two_thousand_calls_leave_signed() {
    let Some(ring) = Ring::enter("sign", 4) else { return };
    let pki = Pki::new(&ring, "pki");
    let repository = Repository::start(ring.host(4), pki.chain_octets(), Mood::Serves);
    let there = ring.free(3);
    let config = configuration::signing(&ring, 1, &pki, &repository, ring.host(2), there);
    let mut edge = Edge::start(&ring, "edge", 1, &config);

    let mut callee = Sipp::callee("callee_answers", there).calls(CALLS, 200).start(&ring);
    let mut caller = Sipp::caller("caller_hangs_up", ring.free(2), edge.udp())
        .calls(CALLS, 200)
        .pause(Duration::from_millis(500))
        .start(&ring);
    let (heard, said) = (caller.finish(LIMIT), callee.finish(LIMIT));
    heard.assert_successful();
    said.assert_successful();
    heard.assert_few_repeats();
    said.assert_few_repeats();

    assert_eq!(
        check_identities(&callee.log(), Check::Against(&pki.chain(), &repository.x5u())),
        CALLS as usize
    );
    let metrics = edge.metrics();
    assert_eq!(metrics.sum("attesta_identity_signed_total", &[]), f64::from(CALLS));
    edge.assert_alive();

    // The callee must not see the caller's side of the call (topology hiding).
    let near = format!("{}", ring.host(2));
    for invite in callee.requests("INVITE").iter().take(50) {
        for name in ["Via", "Contact", "Call-ID", "Record-Route"] {
            for value in invite.headers(name) {
                assert!(!value.contains(&near), "{name}: {value} shows the caller's address");
            }
        }
    }
}

const CALLS: u32 = 2000;
const LIMIT: Duration = Duration::from_secs(90);
