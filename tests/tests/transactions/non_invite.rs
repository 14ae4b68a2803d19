//! Transactions of other requests: RFC 3261 sections 17.1.2 and 17.2.2, and RFC 4320.

use std::time::Duration;

use attesta_tests::sim::{Conditions, LATENCY, MESSAGE, OPTIONS, T1, TIMEOUT, pair};
use insta::assert_snapshot;

#[test]
fn timer_f_ends_a_non_invite_request_without_a_response() {
    let (net, alice, _bob) = pair();
    net.suffers(Conditions { loss: 100, ..Conditions::default() });
    alice.sends(OPTIONS);
    alice.gets(TIMEOUT);
    assert_eq!(net.elapsed(), 64 * T1);
    alice.hears_no_more();
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

/// RFC 4320 section 4.2: the client's last retransmission arrives late and starts no new transaction.
#[test]
fn f_x7_an_unanswered_request_does_not_start_again() {
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
