//! Targets that fail: RFC 3263 section 4.3, RFC 3261 sections 16.7 and 21.5.4.

use std::time::Duration;

use attesta_sip::{Name, Status};
use attesta_tests::sim::{ACK, BYE, CANCEL, INVITE, Wording};
use attesta_transaction::Transport;
use insta::assert_snapshot;

use crate::common::{TwoTargets, answered, heard};

#[test]
fn a_503_leads_to_the_next_target_with_a_new_call_id_and_branch() {
    let stage = TwoTargets::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    let names = [Name::Via, Name::CallId, Name::From];
    let first = names.map(|name| heard(&stage.bob, name));
    stage.bob.sends(503);
    stage.carol.gets(INVITE);
    let second = names.map(|name| heard(&stage.carol, name));
    assert!(first.iter().zip(&second).all(|(first, second)| first != second), "{first:?} {second:?}");
    stage.carol.sends(200);
    stage.alice.gets(200);
    stage.carol.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up_on(&stage.carol);
    stage.bob.gets(ACK);
    stage.is_over();
}

#[test]
fn silence_leads_to_the_next_target() {
    let stage = TwoTargets::new();
    stage.net.silences(stage.bob.address());
    stage.alice.sends(INVITE);
    stage.is_taken_by(&stage.carol);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up_on(&stage.carol);
    stage.is_over();
}

#[test]
fn an_icmp_error_leads_to_the_next_target() {
    let stage = TwoTargets::new();
    stage.net.refuses(stage.bob.address());
    stage.alice.sends(INVITE);
    stage.is_taken_by(&stage.carol);
    assert_eq!(stage.edge.counters().targets_out_of_service, 1);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up_on(&stage.carol);
    stage.is_over();
}

/// RFC 3261 section 13.2.2.4: the first target answers when the second target already has the call.
#[test]
fn a_target_that_answers_too_late_is_hung_up() {
    let stage = TwoTargets::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.net.cuts("edge", "bob");
    stage.is_taken_by(&stage.carol);
    stage.net.heals("edge", "bob");
    stage.bob.sends(200);
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.net.run_for(Duration::from_secs(1));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up_on(&stage.carol);
    stage.is_over();
}

/// RFC 3261 section 9.1: the edge cancels the abandoned INVITE as soon as a CANCEL is allowed.
#[test]
fn a_target_that_rings_too_late_is_cancelled() {
    let stage = TwoTargets::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.net.cuts("edge", "bob");
    stage.is_taken_by(&stage.carol);
    stage.net.heals("edge", "bob");
    stage.bob.sends(180);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up_on(&stage.carol);
    stage.is_over();
}

/// A new target makes a new dialog, so the caller sees another To tag (RFC 3261 section 12.1.2).
#[test]
fn a_target_rings_and_refuses_and_the_next_one_rings() {
    let stage = TwoTargets::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(180);
    stage.alice.gets(180);
    let first = answered(&stage.alice, Name::To);
    stage.bob.sends(503);
    stage.carol.gets(INVITE);
    stage.carol.sends(180);
    stage.alice.gets(180);
    assert_ne!(answered(&stage.alice, Name::To), first);
    stage.carol.sends(200);
    stage.alice.gets(200);
    stage.carol.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.bob.gets(ACK);
    stage.alice_hangs_up_on(&stage.carol);
    stage.is_over();
}

/// ADR 10: the caller gets the response of the last target.
#[test]
fn all_targets_answer_503_and_the_caller_gets_503() {
    let stage = TwoTargets::new();
    stage.alice.sends(INVITE);
    for target in [&stage.bob, &stage.carol] {
        target.gets(INVITE);
        target.sends(503);
        target.gets(ACK);
    }
    stage.alice.gets(503);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn all_targets_are_unreachable_and_the_caller_gets_500() {
    let stage = TwoTargets::new();
    stage.net.refuses(stage.bob.address());
    stage.net.refuses(stage.carol.address());
    stage.alice.sends(INVITE);
    stage.alice.gets(500);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn all_targets_are_silent_and_the_caller_gets_408() {
    let stage = TwoTargets::new();
    stage.net.silences(stage.bob.address());
    stage.net.silences(stage.carol.address());
    stage.alice.sends(INVITE);
    stage.alice.gets(408);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 21.5.4: one 503 does not put a target out of service, three in a row do.
#[test]
fn a_target_is_left_alone_for_the_time_of_its_third_retry_after() {
    let stage = TwoTargets::new();
    for _ in 0..3 {
        stage.alice.sends(INVITE);
        stage.bob.gets(INVITE);
        stage.bob.sends(503.with("Retry-After", "30"));
        stage.is_taken_by(&stage.carol);
        stage.alice_hangs_up_on(&stage.carol);
        stage.bob.gets(ACK);
    }
    stage.net.run_for(Duration::from_secs(20));
    stage.alice.sends(INVITE);
    stage.is_taken_by(&stage.carol);
    stage.alice_hangs_up_on(&stage.carol);
    stage.net.run_for(Duration::from_secs(20));
    stage.alice.sends(INVITE);
    stage.is_taken_by(&stage.bob);
    stage.alice_hangs_up_on(&stage.bob);
    assert_snapshot!(stage.net.ladder());
    stage.is_over();
}

/// The Retry-After of a target is not for the edge, so the caller does not get it.
#[test]
fn all_targets_ask_to_wait_and_the_caller_gets_503_without_retry_after() {
    let stage = TwoTargets::new();
    stage.alice.sends(INVITE);
    for target in [&stage.bob, &stage.carol] {
        target.gets(INVITE);
        target.sends(503.with("Retry-After", "30"));
    }
    stage.alice.gets(503);
    assert_eq!(answered(&stage.alice, Name::RetryAfter), "");
    for target in [&stage.bob, &stage.carol] {
        target.gets(ACK);
    }
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// `no_response` counts only while another target remains. The last target has until Timer B (32 s).
#[test]
fn the_last_target_may_take_longer_than_no_response() {
    let stage = TwoTargets::new();
    stage.net.silences(stage.bob.address());
    stage.alice.sends(INVITE);
    stage.net.run_for(Duration::from_secs(2));
    stage.carol.gets(INVITE);
    stage.net.run_for(Duration::from_secs(20));
    stage.carol.sends(200);
    stage.alice.gets(200);
    stage.carol.gets(ACK);
    stage.alice_hangs_up_on(&stage.carol);
    stage.is_over();
}

/// The last target is silent. The caller gets the response of the first target.
#[test]
fn the_caller_gets_the_last_response_that_a_target_sent() {
    let stage = TwoTargets::new();
    stage.net.silences(stage.carol.address());
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(503.with("X-Why", "full"));
    stage.alice.gets(503);
    assert_eq!(stage.alice.last_response().headers().named("X-Why"), Some(&b"full"[..]));
    stage.bob.gets(ACK);
    stage.is_over();
}

#[test]
fn a_busy_callee_is_not_dialled_around() {
    let stage = TwoTargets::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(486);
    stage.alice.gets(486);
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_status_that_the_trunk_lists_leads_to_the_next_target() {
    let stage = TwoTargets::with_carrier(|carrier| carrier.failover(vec![Status::SERVER_INTERNAL_ERROR]));
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(500);
    stage.is_taken_by(&stage.carol);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up_on(&stage.carol);
    stage.bob.gets(ACK);
    stage.is_over();
}

/// RFC 3263 section 4.3 over streams: a connection that is refused is a failure of transport.
#[test]
fn a_refused_connection_leads_to_the_next_target() {
    let stage = TwoTargets::over(Transport::Tcp);
    stage.net.refuses(stage.bob.address());
    stage.alice.sends(INVITE);
    stage.is_taken_by(&stage.carol);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up_on(&stage.carol);
    stage.is_over();
}
