//! CANCEL: when it is sent, and which INVITE it ends (RFC 3261 sections 9.1 and 9.2).

use attesta_sip::Name;
use attesta_tests::sim::{ACK, CANCEL, INVITE, Network, TIMEOUT, pair};
use attesta_transaction::Refusal;
use insta::assert_snapshot;

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

/// RFC 3261 section 9.1: a cancelled INVITE is given up 64 T1 later.
#[test]
fn an_ignored_cancel_ends_the_invite_after_64_t1() {
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

/// RFC 3261 section 9.2: a CANCEL from another source is ignored, even if it has the right branch.
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
