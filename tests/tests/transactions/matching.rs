//! Tests that find the transaction of a message (RFC 3261 sections 8.2.2.2, 17.1.3 and 17.2.3).

use attesta_sip::Name;
use attesta_tests::sim::{ACK, INVITE, MESSAGE, Network, OPTIONS};
use attesta_transaction::Refusal;
use insta::assert_snapshot;

use crate::common::{acknowledge, field, respond};

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

/// F-X5: RFC 3261 sections 17.1.3 and 17.2.3. The client follows RFC 2543, so its branch identifies nothing.
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
    let to = field(&refusal, Name::To);
    let tag = to.strip_prefix("<sip:bob@192.0.2.1>").unwrap();
    old.sends(bob.address(), request("ACK", tag));
    bob.gets(ACK);
    bob.hears_no_more();
    assert_eq!(bob.counters().servers, 1);
    assert_snapshot!(net.ladder());
}

/// F-X5: RFC 3261 section 17.2.3. A branch identifies a transaction only together with its sent-by and its method.
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

/// F-X5: RFC 3261 section 17.1.3. A response is matched by its branch and the method in its CSeq.
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

/// F-X5: RFC 4475 section 3.2.1. A branch that consists only of the cookie identifies nothing.
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

/// F-X6: RFC 8224 section 6.2.3. Also applies to every proxy that tries its targets one after the other.
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
