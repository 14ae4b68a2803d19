//! The end of a call while other messages are under way: RFC 3261 sections 13.3.1.4 and 15, RFC 5407.

use std::time::Duration;

use attesta_b2bua::TrunkTimers;
use attesta_sip::Name;
use attesta_tests::sim::{ACK, BYE, CANCEL, INFO, INVITE, TIMEOUT, Wording};
use insta::assert_snapshot;

use crate::common::{ANSWER, OFFER, Stage, alice, bob, builder, heard};

/// RFC 3326 section 2.
#[test]
fn the_reason_of_the_callers_bye_crosses() {
    let stage = Stage::new();
    stage.talk();
    let reason = "Q.850;cause=16;text=\"Normal call clearing\"";
    stage.alice.sends(BYE.with("Reason", reason));
    stage.bob.gets(BYE);
    assert_eq!(heard(&stage.bob, Name::Reason), reason);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn the_reason_of_the_callees_bye_crosses() {
    let stage = Stage::new();
    stage.talk();
    let reason = "Q.850;cause=31";
    stage.bob.sends(BYE.with("Reason", reason));
    stage.alice.gets(BYE);
    assert_eq!(heard(&stage.alice, Name::Reason), reason);
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 5407 section 3.2.2: both BYEs are answered.
#[test]
fn byes_of_both_sides_cross() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(BYE);
    stage.net.run_for(Duration::from_millis(15));
    stage.alice.sends(BYE);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 15.1.1: the edge sends the ACK on the other leg, then its BYE.
#[test]
fn the_caller_hangs_up_before_it_acknowledges() {
    let stage = Stage::new();
    stage.rings();
    stage.alice.acknowledges_nothing();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.alice.sends(BYE);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 15.1.2: the side whose re-INVITE is open sends a BYE.
#[test]
fn the_caller_hangs_up_while_its_re_invite_is_open() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.alice.sends(BYE);
    stage.alice.gets(200);
    stage.alice.gets(487);
    stage.bob.gets(CANCEL);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.bob.sends(487.to(INVITE));
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 15.1.2: the side that has not answered the re-INVITE sends a BYE.
#[test]
fn the_callee_hangs_up_while_the_callers_re_invite_is_open() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.bob.sends(BYE);
    stage.bob.gets(200);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487.to(INVITE));
    stage.alice.gets(487);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 15.1.2: all other open requests are answered with 487.
#[test]
fn an_info_in_flight_gets_487_when_the_call_ends() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INFO);
    stage.bob.gets(INFO);
    stage.bob.sends(BYE);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.alice.gets(487);
    stage.bob.gets(200);
    stage.bob.sends(200.to(INFO));
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 5407 section 3.2: the edge's BYE to Bob is already under way.
#[test]
fn a_re_invite_that_crosses_the_bye_gets_481() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(BYE);
    stage.net.run_for(Duration::from_millis(15));
    stage.bob.sends(INVITE.offering(OFFER));
    stage.bob.gets(BYE);
    stage.bob.gets(481);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 13.2.2.4: a repeated 200 gets its ACK again.
#[test]
fn an_ack_that_is_lost_is_sent_again_for_the_next_200() {
    let stage = Stage::new();
    stage.rings();
    for _ in ["200 to the edge", "200 to Alice"] {
        stage.net.spare_next();
    }
    stage.net.lose_next();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.net.run_for(Duration::from_secs(3));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn an_ack_that_is_lost_on_the_second_leg_is_sent_again() {
    let stage = Stage::new();
    stage.rings();
    for _ in ["200 to the edge", "200 to Alice", "ACK to the edge"] {
        stage.net.spare_next();
    }
    stage.net.lose_next();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.net.run_for(Duration::from_secs(3));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 13.3.1.4: the edge itself repeats its 200.
#[test]
fn a_200_that_is_lost_on_the_first_leg_comes_again() {
    let stage = Stage::new();
    stage.rings();
    stage.net.spare_next();
    stage.net.lose_next();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.net.run_for(Duration::from_secs(3));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_200_that_is_lost_on_the_second_leg_comes_again() {
    let stage = Stage::new();
    stage.rings();
    stage.net.lose_next();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.net.run_for(Duration::from_secs(3));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 13.3.1.4: without an ACK within 64 T1, the call ends.
#[test]
fn a_re_invite_that_is_never_acknowledged_ends_the_call() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.acknowledges_nothing();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    stage.bob.gets(TIMEOUT);
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

/// The call reaches the maximum duration of the trunk.
#[test]
fn a_call_that_lasts_too_long_is_hung_up_on_both_sides() {
    let timers = TrunkTimers { max_call: Duration::from_secs(30), ..TrunkTimers::default() };
    let stage = Stage::with_config(builder().trunk(alice()).trunk(bob().timers(timers)));
    stage.talk();
    stage.net.run_for(Duration::from_secs(29));
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 15.1.1: a 481 to a BYE ends the dialog as a 200 does.
#[test]
fn a_481_to_the_edges_bye_ends_the_leg() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(BYE);
    stage.alice.gets(200);
    stage.bob.gets(BYE);
    stage.bob.sends(481);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_bye_whose_200_is_lost_is_answered_again() {
    let stage = Stage::new();
    stage.talk();
    stage.net.spare_next();
    stage.net.lose_next();
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_bye_that_is_lost_on_both_legs_comes_again() {
    let stage = Stage::new();
    stage.talk();
    stage.net.lose_next();
    for _ in ["BYE to the edge", "its 200"] {
        stage.net.spare_next();
    }
    stage.net.lose_next();
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}
