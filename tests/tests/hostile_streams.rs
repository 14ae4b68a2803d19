//! Hostile stream peers against the real edge. Each peer meets a limit that has a name and a counter, memory does not grow,
//! and all calls of another peer at the same time succeed.

use attesta_tests::ring::{Edge, Metrics, Ring, Sipp, until};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

#[test]
fn slow_loris() {
    beside("loris", 80, "message = \"2s\"", |edge| {
        let mut crowd = connect(edge.tcp(), 100);
        for octet in REQUEST.bytes().cycle() {
            let mut open = 0;
            for stream in &mut crowd {
                open += usize::from(stream.write_all(&[octet]).is_ok());
            }
            if open == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        closed(edge, "slow-sender", 100);
    });
}

#[test]
fn a_connection_flood() {
    beside("flood", 81, "per_peer = 100\nfirst_message = \"2s\"", |edge| {
        let crowd = connect(edge.tcp(), 600);
        until(LIMIT, "most of the flood is refused", || {
            let refused = edge.metrics().sum("attesta_connections_refused_total", &["reason=\"peer-cap\""]);
            (refused >= 500.0).then_some(())
        });
        closed(edge, "silent", 100);
        drop(crowd);
    });
}

#[test]
fn half_a_message_then_silence() {
    beside("half", 82, "message = \"2s\"", |edge| {
        let half = REQUEST.replace("Content-Length: 0", "Content-Length: 60000") + &"x".repeat(30_000);
        let mut crowd = connect(edge.tcp(), 100);
        for stream in &mut crowd {
            stream.write_all(half.as_bytes()).expect("the edge reads it");
        }
        closed(edge, "slow-sender", 100);
    });
}

#[test]
fn four_gigabytes_announced() {
    beside("announced", 83, "", |edge| {
        let huge = REQUEST.replace("Content-Length: 0", "Content-Length: 4294967295");
        for mut stream in connect(edge.tcp(), 50) {
            stream.write_all(huge.as_bytes()).expect("the edge reads it");
            let answer = read_to_end(&mut stream);
            assert!(answer.starts_with("SIP/2.0 4"), "refused, and closed: {answer}");
        }
        // This peer sends the body that its Content-Length announces, until the edge closes the connection.
        let mut stream = connect(edge.tcp(), 1).pop().expect("one connection");
        stream.write_all(huge.as_bytes()).expect("the edge reads it");
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
        closed(edge, "framing", 51);
        let refused = edge.metrics().sum("attesta_messages_refused_total", &["reason=\"malformed\""]);
        assert!(refused >= 51.0, "attesta_messages_refused_total is {refused}");
    });
}

#[test]
fn framing_garbage() {
    beside("garbage", 84, "", |edge| {
        let mut state = 1_u64;
        for mut stream in connect(edge.tcp(), 50) {
            let mut garbage: Vec<u8> = Vec::new();
            while garbage.len() < 70_000 {
                // Any generator works that produces the same octets each time.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                garbage.extend_from_slice(&state.to_be_bytes());
            }
            // The edge may close the connection before it has read all octets.
            let _ = stream.write_all(&garbage);
            read_to_end(&mut stream);
        }
        closed(edge, "framing", 50);
    });
}

#[test]
fn as_fast_as_it_can() {
    beside("fast", 85, "", |edge| {
        let mut stream = connect(edge.tcp(), 1).pop().expect("one connection");
        let mut reader = stream.try_clone().expect("a socket has two handles");
        let reading = std::thread::spawn(move || {
            let (mut octets, mut slot) = (0, vec![0; 65_536]);
            while let Ok(read @ 1..) = reader.read(&mut slot) {
                octets += read;
            }
            octets
        });
        pump(&mut stream, Duration::from_secs(5));
        let _ = stream.shutdown(std::net::Shutdown::Both);
        let octets = reading.join().expect("the reader reads");
        assert!(octets > 10_000, "the edge answers the whole time: {octets} octets");
    });
}

#[test]
fn one_that_never_reads() {
    beside("deaf", 86, "stalled = \"2s\"", |edge| {
        let mut stream = connect(edge.tcp(), 1).pop().expect("one connection");
        pump(&mut stream, LIMIT);
        until(LIMIT, "a peer that does not read is disconnected", || {
            let metrics = edge.metrics();
            let cut = |reason: &str| metrics.sum("attesta_connections_closed_total", &[reason]);
            (cut("reason=\"queue-full\"") + cut("reason=\"slow-reader\"") >= 1.0).then_some(())
        });
    });
}

/// Runs an attack on an edge, and calls over TCP at the same time.
fn beside(test: &str, subnet: u8, streams: &str, attack: impl FnOnce(&Edge)) {
    let Some(ring) = Ring::enter(test, subnet) else { return };
    let (near, far) = (ring.free(2), ring.free(3));
    let config = format!(
        r#"
[workers]
count = 1

[[listen]]
address = "{}:0"
transport = "tcp"

[streams]
{streams}

[[trunk]]
name = "near"
sources = ["{}"]
inbound_identity = "pass"

[[trunk]]
name = "far"
targets = ["sip:{far};transport=tcp"]
outbound_identity = "pass"

[[route]]
to = "far"
"#,
        ring.host(1),
        near.ip()
    );
    let mut edge = Edge::start(&ring, "edge", 1, &config);
    let before = edge.usage();
    let mut callee = Sipp::callee("callee_answers", far).calls(CALLS, RATE).over_tcp().start(&ring);
    let mut caller = Sipp::caller("caller_hangs_up", near, edge.tcp())
        .calls(CALLS, RATE)
        .pause(Duration::from_millis(300))
        .over_tcp()
        .start(&ring);
    attack(&edge);
    caller.finish(LIMIT).assert_successful();
    callee.finish(LIMIT).assert_successful();
    edge.assert_alive();
    edge.wait_until_no_calls(LIMIT);
    until(LIMIT, "all connections are closed", || {
        (edge.metrics().sum("attesta_connections_live", &[]) == 0.0).then_some(())
    });
    let after = edge.usage();
    assert!(
        after.peak < before.resident + GROWTH,
        "{} KiB at the start, {} KiB at the most, {} KiB at the end",
        before.resident,
        after.peak,
        after.resident
    );
}

/// Opens `count` connections from an address that belongs to no trunk.
fn connect(edge: SocketAddr, count: usize) -> Vec<TcpStream> {
    let connection = || {
        let stream = TcpStream::connect(edge).expect("the edge listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a time that is not zero");
        stream.set_write_timeout(Some(LIMIT)).expect("a time that is not zero");
        stream
    };
    std::iter::repeat_with(connection).take(count).collect()
}

/// Sends requests for this time, or until the edge closes the connection.
fn pump(stream: &mut TcpStream, time: Duration) {
    let begun = now();
    for at in 0_u64.. {
        let request = REQUEST.replace("hostile", &format!("hostile{at}"));
        if begun.elapsed() > time || stream.write_all(request.as_bytes()).is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the processes under test live in real time")]
fn now() -> Instant {
    Instant::now()
}

fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the edge closes: {error}"),
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Waits until `count` connections were closed for this reason.
fn closed(edge: &Edge, reason: &str, count: u32) {
    let label = format!("reason=\"{reason}\"");
    let counted = |metrics: &Metrics| metrics.sum("attesta_connections_closed_total", &[&label]);
    until(LIMIT, &format!("{count} connections are closed: {reason}"), || {
        (counted(&edge.metrics()) >= f64::from(count)).then_some(())
    });
}

const REQUEST: &str = "OPTIONS sip:edge.example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.66:5060;branch=z9hG4bKhostile\r\n\
    Max-Forwards: 70\r\nFrom: <sip:mallory@192.0.2.66>;tag=1\r\nTo: <sip:edge.example>\r\nCall-ID: hostile\r\n\
    CSeq: 1 OPTIONS\r\nContact: <sip:mallory@192.0.2.66>\r\nContent-Length: 0\r\n\r\n";
const CALLS: u32 = 100;
const RATE: u32 = 20;
const LIMIT: Duration = Duration::from_secs(60);

/// The most memory that an attack may add, in KiB.
const GROWTH: u64 = 48 * 1024;
