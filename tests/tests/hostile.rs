//! Bad input: each gets the answer that the RFC gives, or silence, and one count; calls in progress are not touched.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_tests::sim::{ACK, BYE, INVITE, Network};
use attesta_transaction::{Config, Endpoint, Event, Flow, Input, Output, Place, Refusal, Seed};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

const GOOD: &str = "INVITE sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.3:5060;branch=z9hG4bKhostile\r\n\
    Max-Forwards: 70\r\nFrom: <sip:mallory@192.0.2.3>;tag=1\r\nTo: <sip:bob@192.0.2.2>\r\nCall-ID: hostile\r\n\
    CSeq: 1 INVITE\r\nContact: <sip:mallory@192.0.2.3>\r\nContent-Length: 0\r\n\r\n";

/// What is done to [`GOOD`], what it is answered with, and what it is counted as.
const CASES: [(&str, &str, &str, Option<&str>, Option<Refusal>); 14] = [
    (
        "no Via",
        "Via: SIP/2.0/UDP 192.0.2.3:5060;branch=z9hG4bKhostile\r\n",
        "",
        None,
        Some(Refusal::Malformed),
    ),
    ("no From", "From: <sip:mallory@192.0.2.3>;tag=1\r\n", "", Some("400 INVITE"), Some(Refusal::Malformed)),
    ("no Call-ID", "Call-ID: hostile\r\n", "", Some("400 INVITE"), Some(Refusal::Malformed)),
    ("no CSeq", "CSeq: 1 INVITE\r\n", "", Some("400"), Some(Refusal::Malformed)),
    ("another CSeq method", "1 INVITE", "1 OPTIONS", Some("400 OPTIONS"), Some(Refusal::Malformed)),
    ("a CSeq out of range", "CSeq: 1 ", "CSeq: 4294967296 ", Some("400"), Some(Refusal::Malformed)),
    ("a broken Contact", "Contact: <sip:", "Contact: <<", Some("400 INVITE"), Some(Refusal::Malformed)),
    ("another version", "SIP/2.0\r\nVia", "SIP/7.0\r\nVia", Some("505 INVITE"), Some(Refusal::Version)),
    (
        "a body cut short",
        "Content-Length: 0",
        "Content-Length: 9",
        Some("400 INVITE"),
        Some(Refusal::Malformed),
    ),
    ("no length", "Content-Length: 0", "Content-Length: many", Some("400 INVITE"), Some(Refusal::Malformed)),
    ("cut off", "Content-Length: 0\r\n\r\n", "Content-", Some("400 INVITE"), Some(Refusal::Malformed)),
    (
        "a broken ACK",
        "INVITE sip:bob@192.0.2.2 SIP/2.0",
        "ACK sip:bob@192.0.2.2 SIP/2.0",
        None,
        Some(Refusal::Malformed),
    ),
    ("a broken status", "INVITE sip:bob@192.0.2.2 SIP/2.0", "SIP/2.0 2", None, Some(Refusal::Malformed)),
    (
        "a stray response",
        "INVITE sip:bob@192.0.2.2 SIP/2.0",
        "SIP/2.0 200 OK",
        None,
        Some(Refusal::StrayResponse),
    ),
];

#[test]
fn each_is_answered_or_not_and_counted_once() {
    for (name, from, to, answer, reason) in CASES {
        let net = Network::new(1);
        let (alice, bob) = net.pair("alice", "bob");
        let mallory = net.probe("mallory");
        alice.sends(INVITE);
        bob.gets(INVITE);
        bob.sends(200);
        alice.gets(200);
        bob.gets(ACK);
        assert!(GOOD.contains(from), "{name}");
        mallory.sends(bob.address(), GOOD.replacen(from, to, 1));
        match answer {
            Some(answer) => {
                let response = mallory.gets(answer);
                assert!(
                    response
                        .headers()
                        .get(attesta_sip::Name::To)
                        .unwrap()
                        .starts_with(b"<sip:bob@192.0.2.2>;tag=at")
                );
            }
            None => net.run_for(Duration::from_secs(1)),
        }
        let counted = |refusal| u64::from(Some(refusal) == reason);
        for (refusal, count) in bob.counters().refused.iter() {
            assert_eq!(count, counted(refusal), "{name}: {refusal}\n{}", net.ladder());
        }
        alice.sends(BYE);
        bob.gets(BYE);
        bob.sends(200);
        alice.gets(200);
        bob.hears_no_more();
        assert!(mallory.heard_all(), "{name}: answered twice\n{}", net.ladder());
    }
}

/// RFC 5626 section 3.5.1.
#[test]
fn a_keep_alive_is_no_message() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let probe = net.probe("probe");
    for keep_alive in ["\r\n\r\n", "\r\n", ""] {
        probe.sends(bob.address(), keep_alive);
    }
    bob.hears_no_more();
    assert_eq!(bob.counters().refused.of(Refusal::Malformed), 0);
}

#[test]
fn the_largest_datagram_is_read_and_an_unknown_method_is_the_users() {
    let mut endpoint = endpoint();
    let filler = "x".repeat(65_507 - GOOD.len() - 100);
    let body = GOOD
        .replace("Content-Length: 0\r\n\r\n", &format!("Content-Length: {}\r\n\r\n{filler}", filler.len()));
    assert!(matches!(hand_in(&mut endpoint, body.into()).as_slice(), [Output::Event(Event::Request { .. })]));
    let unknown = GOOD.replace("INVITE", "NEWMETHOD").replace("hostile", "other");
    let outputs = hand_in(&mut endpoint, unknown.into());
    assert!(
        matches!(outputs.as_slice(), [Output::Event(Event::Request { request, .. })] if request.method().as_str() == "NEWMETHOD")
    );
}

proptest! {
    /// Octets by chance, and good messages with octets changed, cut out and doubled.
    #[test]
    fn nothing_panics_and_little_leaves(octets in prop_oneof![vec(any::<u8>(), 0..400), mutated()]) {
        let mut endpoint = endpoint();
        let outputs = hand_in(&mut endpoint, octets.into());
        prop_assert!(outputs.len() <= 1, "one datagram gives one answer or one event: {outputs:?}");
    }
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        Just(GOOD.to_owned()),
        Just(GOOD.replace("INVITE", "ACK")),
        Just(GOOD.replace("INVITE", "CANCEL")),
        Just(GOOD.replace("INVITE sip:bob@192.0.2.2 SIP/2.0", "SIP/2.0 180 Ringing")),
    ];
    let edit = (any::<prop::sample::Index>(), 0..3_u8, any::<u8>());
    (start, vec(edit, 1..6)).prop_map(|(start, edits)| {
        let mut octets = start.into_bytes();
        for (at, kind, octet) in edits {
            let at = at.index(octets.len());
            match kind {
                0 => octets[at] = octet,
                1 => octets.truncate(at.max(1)),
                _ => octets.insert(at, octet),
            }
        }
        octets
    })
}

fn endpoint() -> Endpoint {
    Endpoint::new(Config::default(), Place::default(), &Seed::new([7; 32]))
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn hand_in(endpoint: &mut Endpoint, data: Bytes) -> Vec<Output> {
    let flow = Flow::udp(SocketAddr::from(([192, 0, 2, 2], 5060)), SocketAddr::from(([192, 0, 2, 3], 5060)));
    endpoint.handle_input(Instant::now(), Input::Datagram { flow, data });
    let mut outputs = Vec::new();
    loop {
        match endpoint.poll_output() {
            Output::Timeout(_) => return outputs,
            output => outputs.push(output),
        }
    }
}
