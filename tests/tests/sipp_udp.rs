//! UDP on both families and over two workers, a thousand calls each.

use attesta_tests::ring::{Edge, Ring, Sipp, free_v6, skips};
use std::net::SocketAddr;
use std::time::Duration;

#[test]
fn a_thousand_calls_over_ipv4_on_two_workers() {
    let Some(ring) = Ring::enter("udp-ipv4", 30) else { return };
    a_thousand_calls(&ring, &ring.host(1).to_string(), ring.free(2), ring.free(3));
}

#[test]
fn a_thousand_calls_over_ipv6_on_two_workers() {
    let Some(ring) = Ring::enter("udp-ipv6", 31) else { return };
    let (Some(caller), Some(callee)) = (free_v6(), free_v6()) else {
        return skips("udp-ipv6", "there is no IPv6 loopback");
    };
    a_thousand_calls(&ring, "[::1]", caller, callee);
}

/// All of one caller's calls come from one address and port, so that the system gives them to one worker's socket.
fn a_thousand_calls(ring: &Ring, host: &str, caller: SocketAddr, callee: SocketAddr) {
    let edge = Edge::start(ring, "edge", 1, &passing(host, caller, callee));
    let mut said = Sipp::callee("callee_answers", callee).calls(CALLS, 100).quiet().start(ring);
    let mut heard = Sipp::caller("caller_hangs_up", caller, edge.udp())
        .calls(CALLS, 100)
        .pause(Duration::from_millis(500))
        .quiet()
        .start(ring);
    heard.finish(LIMIT).assert_successful();
    said.finish(LIMIT).assert_successful();

    let metrics = edge.metrics();
    for worker in ["worker=\"0\"", "worker=\"1\""] {
        let calls = metrics.sum("attesta_worker_calls_total", &[worker]);
        assert!(calls >= f64::from(CALLS) * 0.4, "{worker} had {calls} of {CALLS} calls");
    }
    assert!(metrics.sum("attesta_worker_handed_over_total", &[]) > f64::from(CALLS));
    for none in [
        "attesta_handovers_dropped_total",
        "attesta_messages_refused_total",
        "attesta_datagrams_dropped_total",
    ] {
        assert!(metrics.has(none) && metrics.sum(none, &[]) == 0.0, "{none}");
    }
    edge.wait_until_idle(LIMIT);
}

/// An edge on `host` that passes calls of `caller` on to `callee`, unsigned, on two workers.
fn passing(host: &str, caller: SocketAddr, callee: SocketAddr) -> String {
    format!(
        r#"
[[listen]]
address = "{host}:0"
transport = "udp"

[[trunk]]
name = "callers"
sources = ["{caller}"]
inbound_identity = "pass"

[[trunk]]
name = "callees"
sources = ["{callee}"]
targets = ["sip:{callee};transport=udp"]
inbound_identity = "pass"
outbound_identity = "pass"

[[route]]
to = "callees"

[workers]
count = 2

[log]
level = "warn"
"#
    )
}

const CALLS: u32 = 1000;
const LIMIT: Duration = Duration::from_secs(120);
