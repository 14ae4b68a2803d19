//! Bad input. Each message gets the response that the RFC defines, or no response, and is counted once. Calls in progress are
//! not affected.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_sip::{Limits, Message, Name, Response, Status};
use attesta_tests::sim::{ACK, BYE, INVITE, Network, pair};
use attesta_transaction::{
    Config, Endpoint, Event, Flow, Input, Output, Refusal, Seed, SentBy, Transmit, WorkerPlace,
};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

const GOOD: &str = "INVITE sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.3:5060;branch=z9hG4bKhostile\r\n\
    Max-Forwards: 70\r\nFrom: <sip:mallory@192.0.2.3>;tag=1\r\nTo: <sip:bob@192.0.2.2>\r\nCall-ID: hostile\r\n\
    CSeq: 1 INVITE\r\nContact: <sip:mallory@192.0.2.3>\r\nContent-Length: 0\r\n\r\n";

/// A change to [`GOOD`], the expected response (empty for none), and the counter that counts the message.
struct Case {
    name: &'static str,
    from: &'static str,
    to: &'static str,
    answer: &'static str,
    reason: Refusal,
}

const CASES: [Case; 16] = [
    Case {
        name: "a Via that cannot be read",
        from: ";branch=z9hG4bKhostile",
        to: ";;,;,,",
        answer: "400 INVITE",
        reason: Refusal::Malformed,
    },
    Case {
        name: "another version, in Via too",
        from: "SIP/2.0\r\nVia: SIP/2.0",
        to: "SIP/7.0\r\nVia: SIP/7.0",
        answer: "505 INVITE",
        reason: Refusal::Version,
    },
    Case {
        name: "no Via",
        from: "Via: SIP/2.0/UDP 192.0.2.3:5060;branch=z9hG4bKhostile\r\n",
        to: "",
        answer: "",
        reason: Refusal::Malformed,
    },
    Case {
        name: "no From",
        from: "From: <sip:mallory@192.0.2.3>;tag=1\r\n",
        to: "",
        answer: "400 INVITE",
        reason: Refusal::Malformed,
    },
    Case {
        name: "no Call-ID",
        from: "Call-ID: hostile\r\n",
        to: "",
        answer: "400 INVITE",
        reason: Refusal::Malformed,
    },
    Case { name: "no CSeq", from: "CSeq: 1 INVITE\r\n", to: "", answer: "400", reason: Refusal::Malformed },
    Case {
        name: "another CSeq method",
        from: "1 INVITE",
        to: "1 OPTIONS",
        answer: "400 OPTIONS",
        reason: Refusal::Malformed,
    },
    Case {
        name: "a CSeq out of range",
        from: "CSeq: 1 ",
        to: "CSeq: 4294967296 ",
        answer: "400",
        reason: Refusal::Malformed,
    },
    Case {
        name: "a broken Contact",
        from: "Contact: <sip:",
        to: "Contact: <<",
        answer: "400 INVITE",
        reason: Refusal::Malformed,
    },
    Case {
        name: "another version",
        from: "SIP/2.0\r\nVia",
        to: "SIP/7.0\r\nVia",
        answer: "505 INVITE",
        reason: Refusal::Version,
    },
    Case {
        name: "a body cut short",
        from: "Content-Length: 0",
        to: "Content-Length: 9",
        answer: "400 INVITE",
        reason: Refusal::Malformed,
    },
    Case {
        name: "no length",
        from: "Content-Length: 0",
        to: "Content-Length: many",
        answer: "400 INVITE",
        reason: Refusal::Malformed,
    },
    Case {
        name: "cut off",
        from: "Content-Length: 0\r\n\r\n",
        to: "Content-",
        answer: "400 INVITE",
        reason: Refusal::Malformed,
    },
    Case {
        name: "a broken ACK",
        from: "INVITE sip:bob@192.0.2.2 SIP/2.0",
        to: "ACK sip:bob@192.0.2.2 SIP/2.0",
        answer: "",
        reason: Refusal::Malformed,
    },
    Case {
        name: "a broken status",
        from: "INVITE sip:bob@192.0.2.2 SIP/2.0",
        to: "SIP/2.0 2",
        answer: "",
        reason: Refusal::Malformed,
    },
    Case {
        name: "a stray response",
        from: "INVITE sip:bob@192.0.2.2 SIP/2.0",
        to: "SIP/2.0 200 OK",
        answer: "",
        reason: Refusal::StrayResponse,
    },
];

#[test]
fn each_bad_message_is_counted_once() {
    for Case { name, from, to, answer, reason } in CASES {
        let (net, alice, bob) = pair();
        let mallory = net.probe("mallory");
        alice.sends(INVITE);
        bob.gets(INVITE);
        bob.sends(200);
        alice.gets(200);
        bob.gets(ACK);
        assert!(GOOD.contains(from), "{name}");
        mallory.sends(bob.address(), GOOD.replacen(from, to, 1));
        if answer.is_empty() {
            net.run_for(Duration::from_secs(1));
        } else {
            let response = mallory.gets(answer);
            assert!(response.headers().get(Name::To).unwrap().starts_with(b"<sip:bob@192.0.2.2>;tag=at"));
        }
        for (refusal, count) in bob.counters().refused.iter() {
            assert_eq!(count, u64::from(refusal == reason), "{name}: {refusal}\n{}", net.ladder());
        }
        alice.sends(BYE);
        bob.gets(BYE);
        bob.sends(200);
        alice.gets(200);
        bob.hears_no_more();
        assert!(mallory.heard_all(), "{name}: answered twice\n{}", net.ladder());
    }
}

/// A stateless response is sent to the source of its request, whatever the Via says.
#[test]
fn a_refusal_cannot_be_sent_to_a_third_party() {
    let mut endpoint = endpoint();
    let aimed =
        GOOD.replace("192.0.2.3:5060;", "192.0.2.3:5060;maddr=203.0.113.9;").replace("1 INVITE", "1 BYE");
    let outputs = hand_in(&mut endpoint, aimed.into());
    let [Output::Transmit(refusal)] = outputs.as_slice() else { panic!("one answer: {outputs:?}") };
    assert_eq!(refusal.flow.remote, SocketAddr::from(([192, 0, 2, 3], 5060)));
}

/// A response of the user is also sent to the source of the request. `maddr` is used only if it names this source.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test needs a start time")]
fn a_response_cannot_be_sent_to_a_third_party() {
    let mut endpoint = endpoint();
    let aimed = GOOD.replace("192.0.2.3:5060;", "192.0.2.3:5060;maddr=203.0.113.9;");
    let outputs = hand_in(&mut endpoint, aimed.into());
    let [Output::Event(Event::Request { id, request, .. })] = outputs.as_slice() else {
        panic!("a request: {outputs:?}")
    };
    endpoint.respond(Instant::now(), *id, &Response::to_request(request, Status::BUSY_HERE));
    let Output::Transmit(response) = endpoint.poll_output() else { panic!("a response") };
    assert_eq!(response.flow.remote, SocketAddr::from(([192, 0, 2, 3], 5060)));
}

/// The transaction of an INVITE lives for 32 s after its final response, and a signed INVITE is large.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test needs a start time")]
fn an_answered_request_is_not_kept() {
    for status in [Status::OK, Status::BUSY_HERE] {
        let mut endpoint = endpoint();
        let Ok(Message::Request(mut invite)) = Message::parse(GOOD.into(), &Limits::default()) else {
            panic!("a request")
        };
        invite.headers_mut().remove(Name::Via);
        let (us, them) = (SocketAddr::from(([192, 0, 2, 2], 5060)), SocketAddr::from(([192, 0, 2, 3], 5060)));
        endpoint.request(Instant::now(), invite, Flow::udp(us, them), &SentBy::from(us)).unwrap();
        let Output::Transmit(Transmit { payload, .. }) = endpoint.poll_output() else { panic!("an INVITE") };
        let Ok(Message::Request(sent)) = Message::parse(payload.clone(), &Limits::default()) else {
            panic!("a request")
        };
        let answer = Response::to_request(&sent, status).to_bytes();
        drop(sent);
        assert!(!payload.is_unique());
        hand_in(&mut endpoint, answer);
        assert!(payload.is_unique(), "{status}");
        assert_eq!(endpoint.counters().live_clients, 1);
    }
}

/// RFC 3261 section 8.2.7.
#[test]
fn a_dismissed_unknown_source_leaves_no_state() {
    let mut endpoint = endpoint();
    for _ in 0..2 {
        let outputs = hand_in(&mut endpoint, GOOD.into());
        let [Output::Event(Event::Request { id, request, flow, .. })] = outputs.as_slice() else {
            panic!("a request: {outputs:?}")
        };
        endpoint.dismiss(*id, Response::to_request(request, Status::FORBIDDEN), flow);
        let Output::Event(Event::ServerTerminated { .. }) = endpoint.poll_output() else { panic!("an end") };
        let Output::Transmit(Transmit { payload, .. }) = endpoint.poll_output() else { panic!("an answer") };
        assert!(endpoint.is_idle());
        let answer = Message::parse(payload, &Limits::default()).unwrap();
        let to = String::from_utf8_lossy(answer.headers().get(Name::To).unwrap()).into_owned();
        let ack = GOOD.replace("INVITE", "ACK").replace("<sip:bob@192.0.2.2>", &to);
        assert!(hand_in(&mut endpoint, ack.into()).is_empty());
        assert!(endpoint.is_idle());
    }
}

/// An invalid Date in the ACK or the BYE prevents neither the start nor the end of the call.
#[test]
fn an_ack_and_a_bye_are_taken_with_faults_that_do_not_matter() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let odd = net.probe("odd");
    let invite = GOOD.replace("192.0.2.3", &odd.address().ip().to_string());
    odd.sends(bob.address(), invite.clone());
    bob.gets(INVITE);
    bob.sends(200);
    let answer = odd.gets("200 INVITE");
    let to = String::from_utf8_lossy(answer.headers().get(Name::To).unwrap()).into_owned();
    let later = |method: &str| {
        invite
            .replace("INVITE", method)
            .replace("hostile\r\nMax", &format!("{method}\r\nDate: yesterday\r\nMax"))
            .replace("To: <sip:bob@192.0.2.2>", &format!("To: {to}"))
    };
    odd.sends(bob.address(), later("ACK"));
    bob.gets(ACK);
    odd.sends(bob.address(), later("BYE").replace("1 BYE", "2 BYE"));
    bob.gets(BYE);
    bob.sends(200);
    let _ = odd.gets("200 BYE");
    bob.hears_no_more();
    odd.sends(bob.address(), later("BYE").replace("KBYE", "Kmismatch").replace("1 BYE", "3 OPTIONS"));
    let _ = odd.gets("400 OPTIONS");
    bob.hears_no_more();
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
    /// Random octets, and valid messages with octets changed, removed and doubled.
    #[test]
    fn nothing_panics_and_little_leaves(octets in prop_oneof![vec(any::<u8>(), 0..400), mutated()]) {
        let mut endpoint = endpoint();
        let outputs = hand_in(&mut endpoint, octets.into());
        prop_assert!(outputs.len() <= 1, "one datagram causes at most one answer or one event: {outputs:?}");
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
                0 => octets.splice(at..=at, [octet]).for_each(drop),
                1 => octets.truncate(at.max(1)),
                _ => octets.insert(at, octet),
            }
        }
        octets
    })
}

fn endpoint() -> Endpoint {
    Endpoint::new(Config::default(), WorkerPlace::default(), &Seed::new([7; 32]))
}

#[expect(clippy::disallowed_methods, reason = "a test needs a start time")]
fn hand_in(endpoint: &mut Endpoint, data: Bytes) -> Vec<Output> {
    let flow = Flow::udp(SocketAddr::from(([192, 0, 2, 2], 5060)), SocketAddr::from(([192, 0, 2, 3], 5060)));
    endpoint.handle_input(Instant::now(), Input::Datagram { flow, data });
    let mut outputs = Vec::new();
    loop {
        match endpoint.poll_output() {
            Output::Timeout(_) => return outputs,
            output @ (Output::Transmit(_) | Output::Event(_)) => outputs.push(output),
        }
    }
}
