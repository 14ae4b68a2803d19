//! Ladders of the transaction layer alone: two user agents, and a network that does what the test says.
//!
//! Each picture shows what was sent, when, and what became of it; a change to a picture is a change to a call flow.

use std::time::Duration;

use attesta_sip::Name;
use attesta_tests::sim::{
    ACK, Agent, BYE, CANCEL, Conditions, INVITE, LATENCY, MESSAGE, Network, OPTIONS, T1, TIMEOUT, UNREACHABLE,
};
use attesta_transaction::Refusal;
use insta::assert_snapshot;

fn pair() -> (Network, Agent, Agent) {
    let net = Network::new(1);
    let (alice, bob) = net.pair("alice", "bob");
    (net, alice, bob)
}

#[test]
fn invite_over_loss() {
    let (net, alice, bob) = pair();
    net.lose_next();
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(180);
    alice.gets(180);
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    alice.sends(BYE);
    bob.gets(BYE);
    bob.sends(200);
    alice.gets(200);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X1: RFC 3261 section 17.2.1.
#[test]
fn f_x1_a_slow_user_has_100_sent_for_it() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    alice.gets(100);
    assert_eq!(net.elapsed(), LATENCY + Duration::from_millis(200) + LATENCY);
    assert_eq!(alice.last_response().headers().get(Name::To), bob.last_request().headers().get(Name::To));
    bob.sends(486);
    alice.gets(486);
    bob.gets(ACK);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X1: RFC 3261 section 17.2.1.
#[test]
fn f_x1_a_retransmitted_invite_gets_the_last_provisional_response() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.lose_next();
    bob.sends(180);
    net.lose_next();
    bob.sends(183);
    alice.gets(183);
    bob.sends(486);
    alice.gets(486);
    bob.gets(ACK);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X2: RFC 6026 section 7.1.
#[test]
fn f_x2_accepted_absorbs_the_invite_and_leaves_the_2xx_to_the_user() {
    let (net, alice, bob) = pair();
    net.double_next();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.lose_next();
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    bob.hears_no_more();
    assert_eq!(bob.counters().retransmissions_absorbed, 2);
    assert_eq!(bob.counters().retransmissions_sent, 0, "only the user repeats a 2xx");
    assert_snapshot!(net.ladder());
}

/// F-X2: RFC 3261 section 13.3.1.4.
#[test]
fn f_x2_a_2xx_that_nobody_acknowledges_ends_after_64_t1() {
    let (net, alice, bob) = pair();
    alice.acknowledges_nothing();
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(200);
    alice.gets(200);
    bob.gets(TIMEOUT);
    net.settles();
    assert_snapshot!(net.ladder());
}

/// F-X3: RFC 6026 sections 7.2 and 8.4.
#[test]
fn f_x3_each_2xx_goes_to_the_user_and_its_ack_is_the_users() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.spare_next();
    net.lose_next();
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X3: RFC 3261 section 17.1.1.3.
#[test]
fn f_x3_a_failure_is_acknowledged_by_the_transaction_each_time() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.spare_next();
    net.lose_next();
    bob.sends(486);
    alice.gets(486);
    bob.gets(ACK);
    alice.hears_no_more();
    assert_eq!(alice.counters().retransmissions_absorbed, 1);
    assert_snapshot!(net.ladder());
}

/// F-X4: RFC 6026 section 7.2.
#[test]
fn f_x4_a_stray_response_is_dropped_and_counted() {
    let net = Network::new(1);
    let alice = net.agent("alice");
    let probe = net.probe("probe");
    probe.sends(
        alice.address(),
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-at000100ffffffffffffffff\r\n\
         From: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:b@192.0.2.2>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
         Content-Length: 0\r\n\r\n",
    );
    alice.hears_no_more();
    assert_eq!(alice.counters().refused.of(Refusal::StrayResponse), 1);
    assert!(probe.heard_all());
    assert_snapshot!(net.ladder());
}

/// F-X4: RFC 6026 section 7.1.
#[test]
fn f_x4_a_transport_error_leaves_the_server_transaction_alive() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.refuses(alice.address());
    bob.sends(486);
    bob.gets(UNREACHABLE);
    net.accepts(alice.address());
    alice.gets(486);
    bob.gets(ACK);
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// RFC 3261 section 17.1.4.
#[test]
fn a_transport_error_ends_the_client_transaction() {
    let (net, alice, bob) = pair();
    net.refuses(bob.address());
    alice.sends(INVITE);
    alice.gets(UNREACHABLE);
    alice.sends(OPTIONS);
    alice.gets(UNREACHABLE);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

#[test]
fn timer_b_ends_an_invite_that_nobody_answers() {
    let (net, alice, bob) = pair();
    net.suffers(Conditions { loss: 100, ..Conditions::default() });
    alice.sends(INVITE);
    alice.gets(TIMEOUT);
    assert_eq!(net.elapsed(), 64 * T1);
    alice.hears_no_more();
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

#[test]
fn timer_f_ends_another_request_that_nobody_answers() {
    let (net, alice, _bob) = pair();
    net.suffers(Conditions { loss: 100, ..Conditions::default() });
    alice.sends(OPTIONS);
    alice.gets(TIMEOUT);
    assert_eq!(net.elapsed(), 64 * T1);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

#[test]
fn timer_h_ends_a_failure_that_nobody_acknowledges() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(486);
    net.suffers(Conditions { loss: 100, ..Conditions::default() });
    alice.gets(486);
    bob.gets(TIMEOUT);
    net.settles();
    assert_snapshot!(net.ladder());
}

#[test]
fn another_request_is_sent_again_until_its_response_comes() {
    let (net, alice, bob) = pair();
    net.lose_next();
    alice.sends(MESSAGE);
    bob.gets(MESSAGE);
    net.lose_next();
    bob.sends(200);
    alice.gets(200);
    alice.hears_no_more();
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    alice.sends(CANCEL);
    bob.gets(INVITE);
    bob.sends(180);
    bob.gets(CANCEL);
    bob.sends(487);
    alice.gets(180);
    alice.gets(487);
    bob.gets(ACK);
    alice.hears_no_more();
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

#[test]
fn cancel_leaves_at_once_after_a_provisional_response() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(180);
    alice.gets(180);
    net.lose_next();
    alice.sends(CANCEL);
    bob.gets(CANCEL);
    bob.sends(487);
    alice.gets(487);
    bob.gets(ACK);
    alice.hears_no_more();
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

#[test]
fn cancel_that_is_kept_back_is_dropped_when_the_call_is_answered() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    alice.sends(CANCEL);
    bob.gets(INVITE);
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    alice.hears_no_more();
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

#[test]
fn cancel_that_crosses_the_answer_has_no_effect() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(180);
    alice.gets(180);
    bob.sends(200);
    alice.sends(CANCEL);
    alice.gets(200);
    bob.gets(ACK);
    alice.hears_no_more();
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// RFC 3261 section 9.1: an INVITE that was cancelled is given up 64 T1 later.
#[test]
fn cancel_that_nobody_heeds_ends_the_invite_after_64_t1() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(180);
    alice.gets(180);
    alice.sends(CANCEL);
    bob.gets(CANCEL);
    alice.gets(TIMEOUT);
    bob.sends(487);
    bob.gets(TIMEOUT);
    net.settles();
    assert_snapshot!(net.ladder());
}

/// F-X5: RFC 3261 sections 17.1.3 and 17.2.3, on a client of RFC 2543, whose branch says nothing.
#[test]
fn f_x5_an_old_client_is_matched_without_a_branch() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let old = net.probe("old");
    let via = "SIP/2.0/UDP 192.0.2.2:5060";
    let request = |method: &str, to_tag: &str| {
        format!(
            "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: {via}\r\nFrom: <sip:old@192.0.2.2>;tag=1\r\n\
             To: <sip:bob@192.0.2.1>{to_tag}\r\nCall-ID: old-1\r\nCSeq: 7 {method}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    old.sends(bob.address(), request("INVITE", ""));
    bob.gets(INVITE);
    old.sends(bob.address(), request("INVITE", ""));
    bob.sends(486);
    let refusal = old.gets("486 INVITE");
    let to = String::from_utf8_lossy(refusal.headers().get(Name::To).unwrap()).into_owned();
    let tag = to.strip_prefix("<sip:bob@192.0.2.1>").unwrap();
    old.sends(bob.address(), request("ACK", tag));
    bob.gets(ACK);
    bob.hears_no_more();
    assert_eq!(bob.counters().servers, 1);
    assert_snapshot!(net.ladder());
}

/// F-X5: RFC 3261 section 17.2.3: the branch counts with its sent-by and its method.
#[test]
fn f_x5_one_branch_of_two_clients_is_two_transactions() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let (one, other) = (net.probe("one"), net.probe("other"));
    let request = |method: &str, host: &str| {
        format!(
            "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {host}:5060;branch=z9hG4bKsame\r\n\
             From: <sip:x@{host}>;tag={host}\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: {host}\r\nCSeq: 1 {method}\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    };
    one.sends(bob.address(), request("OPTIONS", "192.0.2.2"));
    bob.gets(OPTIONS);
    bob.sends(200);
    other.sends(bob.address(), request("OPTIONS", "192.0.2.3"));
    bob.gets(OPTIONS);
    bob.sends(404);
    one.sends(bob.address(), request("MESSAGE", "192.0.2.2"));
    bob.gets(MESSAGE);
    bob.sends(202);
    let answers = [one.gets("200 OPTIONS"), other.gets("404 OPTIONS"), one.gets("202 MESSAGE")];
    assert_eq!(answers.len(), 3);
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X5: RFC 3261 section 17.1.3: a response is matched by its branch and the method in its CSeq.
#[test]
fn f_x5_a_response_is_matched_by_branch_and_method() {
    let net = Network::new(1);
    let alice = net.agent("alice");
    let proxy = net.probe("proxy");
    alice.faces(proxy.address());
    alice.sends(INVITE);
    let invite = proxy.gets("INVITE");
    let other_method = respond(&invite, "486 Busy Here").replace("CSeq: 1 INVITE", "CSeq: 1 OPTIONS");
    proxy.sends(alice.address(), other_method);
    let other_branch = respond(&invite, "486 Busy Here").replace("branch=z9hG4bK-at", "branch=z9hG4bK-ax");
    proxy.sends(alice.address(), other_branch);
    proxy.sends(alice.address(), respond(&invite, "404 Not Found"));
    assert_eq!(proxy.gets("ACK").headers().count(Name::Via), 1);
    alice.gets(404);
    alice.hears_no_more();
    assert_eq!(alice.counters().refused.of(Refusal::StrayResponse), 2);
}

/// F-X5: RFC 4475 section 3.2.1: a branch that is only the cookie names nothing.
#[test]
fn f_x5_a_branch_without_an_identifier_does_not_join_two_requests() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let odd = net.probe("odd");
    for call_id in ["one", "other"] {
        odd.sends(
            bob.address(),
            format!(
                "OPTIONS sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK\r\n\
                 From: <sip:x@192.0.2.2>;tag=1\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: {call_id}\r\n\
                 CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            ),
        );
        bob.gets(OPTIONS);
        bob.sends(200);
        let answer = odd.gets("200 OPTIONS");
        assert_eq!(answer.headers().get(Name::CallId), Some(call_id.as_bytes()));
    }
    bob.hears_no_more();
}

/// F-X6: RFC 3261 section 8.2.2.2.
#[test]
fn f_x6_a_request_that_came_by_two_paths_gets_482_on_the_second() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let (left, right) = (net.probe("left"), net.probe("right"));
    let fork = |branch: &str, host: &str| {
        format!(
            "INVITE sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {host}:5060;branch={branch}\r\n\
             Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKorigin\r\nFrom: <sip:x@198.51.100.1>;tag=1\r\n\
             To: <sip:bob@192.0.2.1>\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    };
    left.sends(bob.address(), fork("z9hG4bKleft", "192.0.2.2"));
    bob.gets(INVITE);
    right.sends(bob.address(), fork("z9hG4bKright", "192.0.2.3"));
    let merged = right.gets("482 INVITE");
    right.sends(bob.address(), acknowledge(&fork("z9hG4bKright", "192.0.2.3"), &merged));
    bob.sends(486);
    let busy = left.gets("486 INVITE");
    left.sends(bob.address(), acknowledge(&fork("z9hG4bKleft", "192.0.2.2"), &busy));
    bob.hears_no_more();
    assert_eq!(bob.counters().refused.of(Refusal::Merged), 1);
    assert_snapshot!(net.ladder());
}

/// F-X6: RFC 8224 section 6.2.3, and every proxy that tries its targets one after the other.
#[test]
fn f_x6_a_request_may_come_by_another_path_once_it_has_failed() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let proxy = net.probe("proxy");
    let attempt = |branch: &str| {
        format!(
            "INVITE sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch={branch}\r\n\
             From: <sip:x@198.51.100.1>;tag=1\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    };
    for branch in ["z9hG4bKfirst", "z9hG4bKsecond"] {
        proxy.sends(bob.address(), attempt(branch));
        bob.gets(INVITE);
        bob.sends(438);
        let failure = proxy.gets("438 INVITE");
        proxy.sends(bob.address(), acknowledge(&attempt(branch), &failure));
        bob.gets(ACK);
    }
    bob.hears_no_more();
    assert_eq!(bob.counters().refused.of(Refusal::Merged), 0);
}

/// F-X7: RFC 4320 section 4.1.
#[test]
fn f_x7_a_slow_request_gets_100_only_when_timer_e_reaches_t2() {
    let (net, alice, bob) = pair();
    alice.sends(OPTIONS);
    bob.gets(OPTIONS);
    bob.sends(183);
    bob.sends(100);
    alice.gets(100);
    assert_eq!(net.elapsed(), LATENCY + Duration::from_millis(3500) + LATENCY);
    net.run_for(Duration::from_secs(5));
    bob.sends(200);
    alice.gets(200);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X7: RFC 4320 section 4.2.
#[test]
fn f_x7_a_request_gets_neither_408_nor_a_late_response() {
    let (net, alice, bob) = pair();
    alice.sends(OPTIONS);
    bob.gets(OPTIONS);
    bob.sends(408);
    alice.gets(TIMEOUT);
    alice.hears_no_more();
    alice.sends(MESSAGE);
    bob.gets(MESSAGE);
    alice.gets(TIMEOUT);
    alice.hears_no_more();
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X8: RFC 3261 sections 17.1.1.3 and 13.2.2.4.
#[test]
fn f_x8_the_ack_of_a_failure_repeats_its_invite_and_that_of_a_2xx_does_not() {
    let net = Network::new(1);
    let alice = net.agent("alice");
    let proxy = net.probe("proxy");
    alice.faces(proxy.address());
    alice.sends(INVITE);
    let invite = proxy.gets("INVITE");
    proxy.sends(alice.address(), respond(&invite, "486 Busy Here"));
    let ack = proxy.gets("ACK");
    let field = |message: &attesta_sip::Message, name| message.headers().get(name).unwrap().to_vec();
    for name in [Name::Via, Name::From, Name::CallId] {
        assert_eq!(field(&ack, name), field(&invite, name));
    }
    assert_eq!(field(&ack, Name::CSeq), b"1 ACK");
    assert_eq!(field(&ack, Name::To), [&field(&invite, Name::To)[..], b";tag=far"].concat());
    assert_eq!(ack.headers().count(Name::Via), 1);

    alice.sends(INVITE);
    let invite = proxy.gets("INVITE");
    proxy.sends(alice.address(), respond(&invite, "200 OK"));
    let ack = proxy.gets("ACK");
    assert_ne!(field(&ack, Name::Via), field(&invite, Name::Via));
    alice.gets(486);
    alice.gets(200);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// RFC 3261 section 9.2.
#[test]
fn a_cancel_without_its_invite_gets_481() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let probe = net.probe("probe");
    probe.sends(
        bob.address(),
        "CANCEL sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\n\
         From: <sip:x@192.0.2.2>;tag=1\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 CANCEL\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
    );
    let answer = probe.gets("481 CANCEL");
    assert!(answer.headers().get(Name::To).unwrap().starts_with(b"<sip:bob@192.0.2.1>;tag=at"));
    bob.hears_no_more();
}

/// RFC 3261 section 9.2: a CANCEL from elsewhere is none, though it knows the branch.
#[test]
fn a_cancel_from_another_address_gets_481() {
    let (net, alice, bob) = pair();
    let mallory = net.probe("mallory");
    alice.sends(INVITE);
    bob.gets(INVITE);
    let via = String::from_utf8_lossy(bob.last_request().headers().get(Name::Via).unwrap()).into_owned();
    mallory.sends(
        bob.address(),
        format!(
            "CANCEL sip:bob@192.0.2.2 SIP/2.0\r\nVia: {via}\r\nFrom: <sip:x@192.0.2.3>;tag=1\r\n\
             To: <sip:bob@192.0.2.2>\r\nCall-ID: 1\r\nCSeq: 1 CANCEL\r\nMax-Forwards: 70\r\n\
             Content-Length: 0\r\n\r\n"
        ),
    );
    let answer = mallory.gets("481 CANCEL");
    assert_eq!(answer.headers().count(Name::Via), 1);
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    bob.hears_no_more();
    assert_eq!(bob.counters().refused.of(Refusal::StrayCancel), 1);
}

/// RFC 4320 section 4.2: what the client sends last, and the network brings late, begins nothing again.
#[test]
fn f_x7_a_request_that_nobody_answered_does_not_begin_again() {
    let (net, alice, bob) = pair();
    alice.sends(OPTIONS);
    bob.gets(OPTIONS);
    net.run_for(31 * Duration::from_secs(1));
    net.suffers(Conditions {
        delay: Duration::from_secs(3)..Duration::from_secs(3),
        ..Conditions::default()
    });
    alice.gets(TIMEOUT);
    bob.hears_no_more();
    assert_eq!(bob.counters().servers, 1);
}

/// The response that a probe gives to a request, with a To tag.
fn respond(request: &attesta_sip::Message, status: &str) -> String {
    let field = |name| String::from_utf8_lossy(request.headers().get(name).unwrap_or_default()).into_owned();
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=far\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:192.0.2.2:5060>\r\nContent-Length: 0\r\n\r\n",
        field(Name::Via),
        field(Name::From),
        field(Name::To),
        field(Name::CallId),
        field(Name::CSeq)
    )
}

/// The ACK of a failure, as a probe makes it from its INVITE.
fn acknowledge(invite: &str, failure: &attesta_sip::Message) -> String {
    let to = String::from_utf8_lossy(failure.headers().get(Name::To).unwrap_or_default()).into_owned();
    invite
        .replace("INVITE", "ACK")
        .replace("To: <sip:bob@192.0.2.1>\r\n", &format!("To: {to}\r\n"))
        .replace("Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKorigin\r\n", "")
}
