//! Calls over UDP on IPv4 and IPv6 and over two workers, a thousand calls each, and calls during a flood.

use attesta_tests::ring::{Edge, Metrics, Ring, Sipp, free_v6, skips, until};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

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

/// All calls of the caller come from one address and port, so that the system gives them to the socket of one worker.
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
    for none in ["attesta_messages_refused_total", "attesta_handovers_dropped_total"] {
        assert!(metrics.has(none) && metrics.sum(none, &[]) == 0.0, "{none}");
    }
    edge.wait_until_idle(LIMIT);
}

#[test]
fn a_flood_of_an_unknown_source_costs_no_memory_and_no_calls() {
    let Some(ring) = Ring::enter("udp-flood", 32) else { return };
    let (caller, callee) = (ring.free(2), ring.free(3));
    let mut edge = Edge::start(&ring, "edge", 1, &passing(&ring.host(1).to_string(), caller, callee));
    let target = edge.udp();
    let mut said = Sipp::callee("callee_answers", callee).calls(BESIDE, 20).quiet().start(&ring);
    let mut heard = Sipp::caller("caller_hangs_up_despite_loss", caller, target)
        .calls(BESIDE, 20)
        .pause(Duration::from_secs(1))
        .quiet()
        .start(&ring);

    let unknown = UdpSocket::bind((ring.host(9), 0)).expect("a loopback address has a free port");
    let flood = std::thread::spawn(move || flood(&unknown, target));
    // By now the edge has allocated all memory that the flood makes it allocate.
    until(LIMIT, "the edge drops datagrams of the flood", || {
        (unread(&edge.metrics()) > 1000.0).then_some(())
    });
    let before = edge.usage().resident;
    let sent = flood.join().expect("a flood does not panic");
    let after = edge.usage().resident;
    assert!(after < before + GROWTH_KIB, "{before} KiB before, {after} KiB after");
    // The parties retransmit the messages for which the system had no room.
    heard.finish(LIMIT).assert_successful();
    said.finish(LIMIT).assert_successful();

    edge.assert_alive();
    let metrics = edge.metrics();
    let dropped = metrics.sum("attesta_datagrams_dropped_total", &[]);
    let unread = unread(&metrics);
    let answered = refused(&metrics);
    assert!(
        unread > answered,
        "{sent} sent, {answered} answered, {unread} unread, {dropped} dropped by the system"
    );
    assert_eq!(metrics.sum("attesta_worker_calls_total", &[]), f64::from(BESIDE));
    edge.wait_until_no_calls(LIMIT);
}

fn refused(metrics: &Metrics) -> f64 {
    metrics.sum("attesta_messages_refused_total", &["reason=\"unknown-source\""])
}

fn unread(metrics: &Metrics) -> f64 {
    metrics.sum("attesta_unknown_sources_dropped_total", &[])
}

/// Sends INVITEs from an unknown source, each for a new call, as fast as possible. Returns the number of INVITEs.
fn flood(unknown: &UdpSocket, target: SocketAddr) -> u32 {
    let from = unknown.local_addr().expect("a bound socket has an address");
    let begun = now();
    for call in 0.. {
        if begun.elapsed() > FLOOD {
            return call;
        }
        let invite = format!(
            "INVITE sip:+12025550143@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKflood{call}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+12155550111@{from}>;tag={call}\r\nTo: <sip:+12025550143@{target}>\r\n\
             Call-ID: flood-{call}@{from}\r\nCSeq: 1 INVITE\r\nContact: <sip:{from}>\r\nContent-Length: 0\r\n\r\n"
        );
        // A full send buffer concerns only the sender.
        let _ = unknown.send_to(invite.as_bytes(), target);
    }
    u32::MAX
}

#[expect(clippy::disallowed_methods, reason = "the processes under test live in real time")]
fn now() -> Instant {
    Instant::now()
}

/// Configures an edge on `host` with two workers that sends calls of `caller` to `callee` unsigned.
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
timers = {{ no_response = "30s" }}
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
/// How long the unknown source sends. Shorter than the time in which the simultaneous calls can retransmit, even on a slow
/// machine.
const FLOOD: Duration = Duration::from_secs(5);
/// The number of calls during the flood.
const BESIDE: u32 = 200;
const LIMIT: Duration = Duration::from_secs(120);
/// The most memory that the calls may add, including memory that the allocator keeps.
const GROWTH_KIB: u64 = 16 * 1024;
