//! The INVITE server transaction: RFC 3261 section 17.2.1, and RFC 6026 section 7.1. `docs/rfc.md` explains the numbers F-X1 to
//! F-X8.

use std::time::Duration;

use attesta_sip::Name;
use attesta_tests::sim::{ACK, Conditions, INVITE, LATENCY, TIMEOUT, UNREACHABLE, pair};
use insta::assert_snapshot;

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
    assert_eq!(bob.counters().retransmissions_sent, 0, "only the transaction user repeats a 2xx");
    assert_snapshot!(net.ladder());
}

/// F-X2: RFC 3261 section 13.3.1.4.
#[test]
fn f_x2_a_2xx_without_an_ack_ends_after_64_t1() {
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

#[test]
fn timer_h_ends_a_failure_without_an_ack() {
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
