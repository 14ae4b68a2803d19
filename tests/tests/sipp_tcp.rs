//! Calls over TCP, by SIPp at both ends: on one connection and on one for each call, on IPv4 and on IPv6.

use attesta_tests::ring::{Edge, Ring, Sipp, free_v6, skips, until};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

#[test]
fn a_thousand_calls_over_one_connection() {
    let Some(ring) = Ring::enter("tcp-one", 70) else { return };
    let (caller, callee) = (ring.free(2), ring.free(3));
    let edge = calls(&ring, &format!("{}:0", ring.host(1)), &[caller], callee, Sipp::over_tcp);
    edge.wait_until_idle(Duration::from_secs(60));
}

#[test]
fn a_thousand_calls_over_a_connection_each() {
    let Some(ring) = Ring::enter("tcp-each", 71) else { return };
    let callers = [(); CALLERS].map(|()| ring.free(2));
    calls(&ring, &format!("{}:0", ring.host(1)), &callers, ring.free(3), Sipp::over_tcp_per_call);
}

#[test]
fn a_thousand_calls_over_one_connection_on_ipv6() {
    let Some(ring) = Ring::enter("tcp-one-v6", 72) else { return };
    calls_on_ipv6(&ring, "tcp-one-v6", 1, Sipp::over_tcp);
}

#[test]
fn a_thousand_calls_over_a_connection_each_on_ipv6() {
    let Some(ring) = Ring::enter("tcp-each-v6", 73) else { return };
    calls_on_ipv6(&ring, "tcp-each-v6", CALLERS, Sipp::over_tcp_per_call);
}

#[test]
fn signed_calls_beyond_1300_octets_leave_over_tcp() {
    let Some(ring) = Ring::enter("oversize", 74) else { return };
    let (edge, invites) = large_calls(&ring, 100, 20, Sipp::over_tcp);
    assert!(invites.iter().all(|via| via.starts_with("SIP/2.0/TCP ")), "{invites:?}");
    assert_eq!(edge.metrics().sum("attesta_oversize_refused_total", &[]), 0.0);
}

#[test]
fn without_tcp_at_the_callee_large_invites_leave_over_udp() {
    let Some(ring) = Ring::enter("oversize-udp", 75) else { return };
    let (edge, invites) = large_calls(&ring, 100, 20, |callee| callee);
    assert!(invites.iter().all(|via| via.starts_with("SIP/2.0/UDP ")), "{invites:?}");
    let refused = edge.metrics().sum("attesta_oversize_refused_total", &[]);
    assert!((1.0..=3.0).contains(&refused), "a refusal is remembered: {refused} of 100 calls asked");
}

#[test]
fn a_firewall_that_drops_costs_one_call_its_half_second() {
    let Some(ring) = Ring::enter("oversize-drop", 76) else { return };
    // The listener never accepts. After its queue is full, an attempt to connect gets no answer at all.
    let listener = ring.listener(3);
    let there = listener.local_addr().expect("a bound socket has an address");
    let quiet = Duration::from_millis(300);
    let queued: Vec<_> =
        std::iter::from_fn(|| TcpStream::connect_timeout(&there, quiet).ok()).take(10_000).collect();
    assert!(queued.len() < 10_000, "the queue is full at some point");
    let (edge, invites) = large_calls_to(&ring, there, 8, 1, |callee| callee);
    assert!(invites.iter().all(|via| via.starts_with("SIP/2.0/UDP ")), "{invites:?}");
    assert_eq!(edge.metrics().sum("attesta_oversize_refused_total", &[]), 1.0);
    drop((listener, queued));
}

/// Signed calls of more than 1,300 octets that arrive by UDP; gives the edge and the Via of each INVITE at the callee.
fn large_calls(ring: &Ring, calls: u32, rate: u32, over: fn(Sipp) -> Sipp) -> (Edge, Vec<String>) {
    large_calls_to(ring, ring.free(3), calls, rate, over)
}

fn large_calls_to(
    ring: &Ring,
    callee: SocketAddr,
    calls: u32,
    rate: u32,
    over: fn(Sipp) -> Sipp,
) -> (Edge, Vec<String>) {
    let caller = ring.free(2);
    let config = config(&format!("{}:0", ring.host(1)), caller, callee)
        .replace("transport = \"tcp\"", "transport = [\"udp\", \"tcp\"]")
        .replace(";transport=tcp", "")
        // What an address refused is remembered by the worker that asked.
        .replace("count = 2", "count = 1");
    let edge = Edge::start(ring, "edge", 1, &config);
    let mut far = over(Sipp::callee("callee_answers", callee)).calls(calls, rate).start(ring);
    let heard = Sipp::caller("caller_hangs_up", caller, edge.udp())
        .calls(calls, rate)
        .padded(300)
        .pause(Duration::from_millis(100))
        .start(ring)
        .finish(LIMIT);
    heard.assert_successful();
    far.finish(LIMIT).assert_successful();
    let invites = far.requests("INVITE");
    assert_eq!(invites.len(), calls as usize);
    for invite in &invites {
        assert!(invite.text.len() > 1300 && invite.header("Identity").is_some(), "{}", invite.text);
    }
    let vias = invites.iter().map(|invite| invite.header("Via").unwrap_or_default().to_owned()).collect();
    (edge, vias)
}

fn calls_on_ipv6(ring: &Ring, test: &str, callers: usize, tcp: fn(Sipp) -> Sipp) {
    let mut parties = BTreeSet::new();
    while parties.len() <= callers {
        let Some(free) = free_v6() else { return skips(test, "there is no IPv6 loopback address") };
        parties.insert(free);
    }
    let callee = parties.pop_first().expect("more parties than callers");
    calls(ring, "[::1]:0", &Vec::from_iter(parties), callee, tcp);
}

/// The calls, to which each of `callers` has its share, go through an edge on `listen`, signed, to `callee`; none fails, and no
/// connection outlives its peer. (Over a connection for each call SIPp is slow enough to get a 2xx twice, which RFC 3261 section
/// 13.3.1.4 asks for on TCP too.)
fn calls(
    ring: &Ring,
    listen: &str,
    callers: &[SocketAddr],
    callee: SocketAddr,
    tcp: fn(Sipp) -> Sipp,
) -> Edge {
    let first = callers.first().expect("somebody calls");
    let mut edge = Edge::start(ring, "edge", 1, &config(listen, *first, callee));
    let mut far = Sipp::callee("callee_answers", callee).calls(CALLS, RATE).over_tcp().start(ring);
    let count = callers.len() as u32;
    let near = callers.iter().map(|&caller| {
        let near = Sipp::caller("caller_hangs_up", caller, edge.tcp())
            .calls(CALLS / count, RATE / count)
            .pause(Duration::from_millis(200));
        tcp(near).start(ring)
    });
    for mut near in near.collect::<Vec<_>>() {
        near.finish(LIMIT).assert_successful();
    }
    let said = far.finish(LIMIT);
    said.assert_successful();
    said.assert_few_repeats();
    for request in ["INVITE", "ACK", "BYE"] {
        let requests = far.requests(request);
        assert_eq!(requests.len(), CALLS as usize, "{request}");
        for seen in requests {
            let via = seen.header("Via").unwrap_or_default();
            assert!(via.starts_with("SIP/2.0/TCP "), "{via}");
        }
    }
    edge.wait_until_no_calls(Duration::from_secs(60));
    edge.assert_alive();
    let metrics = edge.metrics();
    assert_eq!(
        metrics.sum("attesta_connections_opened_total", &[]),
        1.0,
        "all calls share one to the callee"
    );
    assert_eq!(metrics.sum("attesta_identity_signed_total", &[]), f64::from(CALLS));
    until(Duration::from_secs(10), "connections end with their peers", || {
        (edge.metrics().sum("attesta_connections_live", &[]) == 0.0).then_some(())
    });
    edge
}

fn config(listen: &str, caller: SocketAddr, callee: SocketAddr) -> String {
    format!(
        r#"
[workers]
count = 2

[[listen]]
address = "{listen}"
transport = "tcp"

[[signer]]
name = "ephemeral"
ephemeral = true

[[trunk]]
name = "near"
sources = ["{}"]
numbers = "any"
signers = ["ephemeral"]
inbound_identity = "pass"

[[trunk]]
name = "far"
targets = ["sip:{callee};transport=tcp"]

[[route]]
to = "far"
"#,
        caller.ip()
    )
}

const CALLS: u32 = 1000;
const RATE: u32 = 50;
/// How many share the calls over a connection each: SIPp closes one after the other, and stands still until the peer's system has
/// acknowledged the end, which Linux puts off for 40 ms.
const CALLERS: usize = 4;
const LIMIT: Duration = Duration::from_secs(120);
