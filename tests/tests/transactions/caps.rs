//! Tests in which the transaction layer reaches its caps.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_sip::{Name, Request};
use attesta_tests::sim::{ACK, BYE, INVITE, MESSAGE, OPTIONS, pair};
use attesta_transaction::{
    Config, Endpoint, Event, Flow, Input, Output, Refusal, Seed, SentBy, ServerId, WorkerPlace,
};
use insta::assert_snapshot;

/// RFC 3261 section 21.5.4.
#[test]
fn at_the_cap_new_requests_get_503_and_old_ones_are_safe() {
    let (net, alice, bob) = pair();
    bob.is_configured(Config::default().max_transactions(1).retry_after(Duration::from_secs(7)));
    alice.sends(INVITE);
    bob.gets(INVITE);
    alice.sends(OPTIONS);
    alice.gets(503);
    assert_eq!(alice.last_response().headers().get(Name::RetryAfter), Some(&b"7"[..]));
    bob.sends(486);
    alice.gets(486);
    bob.gets(ACK);
    alice.hears_no_more();
    assert_eq!(bob.counters().refused.of(Refusal::Overloaded), 1);
    assert_snapshot!(net.ladder());
}

#[test]
fn at_the_cap_a_bye_still_leaves() {
    let (net, alice, bob) = pair();
    alice.is_configured(Config::default().max_transactions(1));
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    alice.sends(OPTIONS);
    alice.sends(BYE);
    bob.gets(OPTIONS);
    bob.gets(BYE);
    bob.sends(200);
    bob.sends(200);
    alice.gets(200);
    alice.gets(200);
    net.settles();
}

/// A transaction with a final response only absorbs, and does not count against the cap for new transactions.
#[test]
fn what_only_absorbs_does_not_count_against_the_cap() {
    let (_net, alice, bob) = pair();
    for agent in [&alice, &bob] {
        agent.is_configured(Config::default().max_transactions(1));
    }
    for number in 1..=10 {
        alice.sends(MESSAGE);
        bob.gets(MESSAGE);
        bob.sends(200);
        alice.gets(200);
        assert_eq!((alice.counters().absorbing, bob.counters().absorbing), (number, number));
    }
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    alice.sends(OPTIONS);
    bob.gets(OPTIONS);
    bob.sends(200);
    alice.gets(200);
    alice.hears_no_more();
    assert_eq!(bob.counters().refused.of(Refusal::Overloaded), 0);
    assert_eq!((alice.counters().absorbing, bob.counters().absorbing), (0, 0));
}

/// If there are too many absorbing transactions, the endpoint drops the transaction nearest to its end. The endpoint refuses no
/// request, and the user gets an event for each end.
#[test]
fn what_only_absorbs_is_shed_before_it_grows_without_bound() {
    let (_net, alice, bob) = pair();
    for agent in [&alice, &bob] {
        agent.is_configured(Config::default().max_absorbing(2));
    }
    for shed in [0, 0, 1, 2, 3] {
        alice.sends(MESSAGE);
        bob.gets(MESSAGE);
        bob.sends(200);
        alice.gets(200);
        assert_eq!((alice.counters().shed, bob.counters().shed), (shed, shed));
        assert!(alice.counters().absorbing <= 2 && bob.counters().absorbing <= 2);
    }
    // `settles` fails if a user waits for the end of a transaction that does not exist.
    alice.hears_no_more();
    bob.hears_no_more();
}

/// Above the cap, the user still receives INVITEs until the reserve is used up, because an emergency call may be among them.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test needs a start time")]
fn an_emergency_call_passes_the_cap_and_others_are_turned_away() {
    let now = Instant::now();
    let (us, them) = (SocketAddr::from(([192, 0, 2, 1], 5060)), SocketAddr::from(([192, 0, 2, 2], 5060)));
    let flow = Flow::udp(us, them);
    let mut endpoint =
        Endpoint::new(Config::default().max_transactions(4), WorkerPlace::default(), &Seed::new([5; 32]));
    let arrives = |endpoint: &mut Endpoint, number: usize, method: &str| {
        let data = invite(number).replace("INVITE", method).into();
        endpoint.handle_input(now, Input::Datagram { flow: flow.clone(), data });
        outcome(endpoint)
    };
    for number in 1..=4 {
        assert!(matches!(arrives(&mut endpoint, number, "INVITE"), Outcome::Taken { on_reserve: false, .. }));
    }
    assert!(matches!(arrives(&mut endpoint, 5, "OPTIONS"), Outcome::Refused(503)));
    let Outcome::Taken { id, request, on_reserve: true } = arrives(&mut endpoint, 6, "INVITE") else {
        panic!("the request must reach the user")
    };
    endpoint.turn_away(now, id, &request, &Flow::udp(us, them));
    assert!(matches!(outcome(&mut endpoint), Outcome::Refused(503)));
    assert_eq!(endpoint.counters().refused.of(Refusal::Overloaded), 2);
    for number in 7..=8 {
        assert!(matches!(arrives(&mut endpoint, number, "INVITE"), Outcome::Taken { on_reserve: true, .. }));
    }
    assert!(matches!(arrives(&mut endpoint, 9, "INVITE"), Outcome::Refused(503)), "the reserve is bounded");
    assert_eq!(endpoint.counters().live_servers, 6);

    let sent_by = SentBy::from(us);
    let mut outgoing = *request;
    outgoing.headers_mut().remove(Name::Via);
    endpoint.request(now, outgoing.clone(), Flow::udp(us, them), &sent_by).unwrap_err();
    endpoint.emergency_request(now, outgoing, Flow::udp(us, them), &sent_by).unwrap_err();
}

enum Outcome {
    Taken { id: ServerId, request: Box<Request>, on_reserve: bool },
    Refused(u16),
}

/// Returns the first effect of the endpoint, without events for ended transactions.
fn outcome(endpoint: &mut Endpoint) -> Outcome {
    loop {
        match endpoint.poll_output() {
            Output::Event(Event::Request { id, request, on_reserve, .. }) => {
                return Outcome::Taken { id, request: Box::new(request), on_reserve };
            }
            Output::Transmit(transmit) => {
                let text = String::from_utf8_lossy(&transmit.payload).into_owned();
                assert!(text.contains("Retry-After: 5\r\n"), "{text}");
                return Outcome::Refused(text["SIP/2.0 ".len()..][..3].parse().expect("a status"));
            }
            Output::Event(_) => {}
            Output::Timeout(_) => unreachable!("an endpoint answers a request"),
        }
    }
}

fn invite(number: usize) -> String {
    format!(
        "INVITE sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{number}\r\n\
         From: <sip:x@192.0.2.2>;tag={number}\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: {number}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:x@192.0.2.2>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}
