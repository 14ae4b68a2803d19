//! Tests of the embedded default from outside. The built-in callee answers its numbers. Other calls are signed and sent to the
//! address in their Request-URI.

use attesta_tests::ring::{Check, Edge, Ring, Sipp, check_identities, skips};
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

#[test]
fn the_default_itself() {
    let Some(ring) = Ring::enter("default", 2) else { return };
    // The ports of the default are fixed. If another program uses them, this test is skipped and the next test replaces it.
    let free = UdpSocket::bind("127.0.0.1:5060").is_ok()
        && TcpListener::bind("127.0.0.1:5060").is_ok()
        && TcpListener::bind("127.0.0.1:8060").is_ok();
    if !free {
        skips("default", "the default's ports are taken");
        return;
    }
    let edge = Edge::start_default(&ring, "edge");
    assert!(edge.is_healthy());
    calls_to_both(&ring, &edge);
}

#[test]
fn the_default_as_a_file() {
    let Some(ring) = Ring::enter("default-as-file", 3) else { return };
    let config = format!(
        r#"
[[listen]]
address = "{}:0"
transport = "udp"

[[signer]]
name = "ephemeral"
ephemeral = true

[[trunk]]
name = "loopback"
sources = ["127.0.0.0/8"]
numbers = "any"
attest = "A"
signers = ["ephemeral"]
inbound_identity = "verify"
outbound_identity = "sign"

[[route]]
to = "request-uri"

[callee]
numbers = ["+120255501"]
"#,
        ring.host(1)
    );
    let edge = Edge::start(&ring, "edge", 1, &config);
    assert!(edge.is_healthy());
    calls_to_both(&ring, &edge);
}

fn calls_to_both(ring: &Ring, edge: &Edge) {
    let mut to_built_in = Sipp::caller("caller_hangs_up", ring.free(2), edge.udp())
        .numbers("+12155550111", "+12025550100")
        .calls(20, 50)
        .pause(Duration::from_millis(200))
        .start(ring);
    let report = to_built_in.finish(LIMIT);
    report.assert_successful();
    for answer in to_built_in.responses(200).iter().filter(|answer| answer.header("CSeq") == Some("1 INVITE"))
    {
        assert!(answer.text.contains("m=audio"), "the built-in callee answers with SDP:\n{}", answer.text);
    }

    let there = ring.free(3);
    let mut callee = Sipp::callee("callee_answers", there).calls(20, 50).start(ring);
    let mut to_callee = Sipp::caller("caller_hangs_up", ring.free(2), edge.udp())
        .numbers("+12155550111", "+12155550143")
        .target(there)
        .calls(20, 50)
        .start(ring);
    to_callee.finish(LIMIT).assert_successful();
    callee.finish(LIMIT).assert_successful();
    assert_eq!(check_identities(&callee.log(), Check::Fetched), 20);
    let signed = edge.metrics().sum("attesta_identity_signed_total", &[]);
    assert!(signed >= 20.0, "attesta_identity_signed_total is {signed}");
    for invite in callee.requests("INVITE") {
        assert!(
            invite.start_line().contains(&there.to_string()),
            "the Request-URI leads on: {}",
            invite.start_line()
        );
    }
}

const LIMIT: Duration = Duration::from_secs(60);
