//! Calls that the caller gives up: RFC 3261 sections 9 and 15.1.1, RFC 3326, RFC 5407.

use std::time::Duration;

use attesta_sip::Name;
use attesta_tests::sim::{ACK, BYE, CANCEL, INVITE, TIMEOUT, Wording};
use insta::assert_snapshot;

use crate::common::{EDGE, Stage, TwoTargets, address, heard};

/// RFC 3261 section 9.1: a CANCEL waits for a provisional response, on either leg.
#[test]
fn a_cancel_waits_for_the_100_on_each_leg() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.alice.sends(CANCEL);
    stage.alice.gets(487);
    stage.bob.gets(INVITE);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_486_of_the_callee_crosses_the_cancel() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.alice.gets(100);
    stage.alice.sends(CANCEL);
    stage.alice.gets(487);
    stage.bob.sends(486);
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3326 section 2.
#[test]
fn the_reason_of_a_cancel_crosses() {
    let stage = Stage::new();
    stage.rings();
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
    stage.alice.sends(CANCEL.with("Reason", reason));
    stage.bob.gets(CANCEL);
    assert_eq!(heard(&stage.bob, Name::Reason), reason);
    stage.bob.sends(487);
    stage.alice.gets(487);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 5407 section 3.1.2: the call is already answered. The CANCEL has no effect, and a BYE ends the call.
#[test]
fn a_cancel_that_crosses_the_200_to_the_caller_has_no_effect() {
    let stage = Stage::new();
    stage.rings();
    stage.net.spare_next();
    stage.bob.sends(200);
    stage.net.run_for(Duration::from_millis(15));
    stage.alice.sends(CANCEL);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.alice_hangs_up();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 9.2.
#[test]
fn a_cancel_of_an_unknown_invite_gets_481() {
    let stage = Stage::new();
    let prober = stage.net.probe("prober");
    stage.rings();
    let cancel = |branch: &str| {
        format!(
            "CANCEL sip:+12155551213@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4:5060;branch={branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@192.0.2.4>;tag=1\r\nTo: <sip:+12155551213@192.0.2.2>\r\n\
             Call-ID: 1\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n"
        )
    };
    prober.sends(address(EDGE), cancel("z9hG4bKnone"));
    let _ = prober.gets("481 CANCEL");
    assert_snapshot!(stage.net.ladder());
    stage.bob.sends(486);
    stage.alice.gets(486);
    stage.is_over();
}

#[test]
fn a_cancel_whose_200_is_lost_is_answered_again() {
    let stage = Stage::new();
    stage.rings();
    stage.net.spare_next();
    stage.net.lose_next();
    stage.alice.sends(CANCEL);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.alice.gets(487);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_cancel_that_is_lost_on_the_way_to_the_callee_comes_again() {
    let stage = Stage::new();
    stage.rings();
    for _ in ["CANCEL to the edge", "its 200", "487 to Alice"] {
        stage.net.spare_next();
    }
    stage.net.lose_next();
    stage.alice.sends(CANCEL);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.alice.gets(487);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 9.1: a cancelled INVITE is given up 64 T1 later.
#[test]
fn a_callee_that_ignores_the_cancel_is_given_up() {
    let stage = Stage::new();
    stage.rings();
    stage.alice.sends(CANCEL);
    stage.bob.gets(CANCEL);
    stage.alice.gets(487);
    stage.net.run_for(Duration::from_secs(40));
    stage.bob.sends(486);
    stage.bob.gets(TIMEOUT);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 15.1.1: a caller may end an early dialog by a BYE. The INVITE is answered with 487.
#[test]
fn the_caller_ends_an_early_dialog_by_a_bye() {
    let stage = Stage::new();
    stage.rings();
    stage.alice.sends(BYE);
    stage.alice.gets(200);
    stage.alice.gets(487);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 9.1: Bob answers before the CANCEL reaches him.
#[test]
fn a_bye_of_an_early_dialog_crosses_the_200() {
    let stage = Stage::new();
    stage.rings();
    stage.alice.sends(BYE);
    stage.net.run_for(Duration::from_millis(5));
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.alice.gets(487);
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_cancel_ends_the_attempt_at_the_second_target() {
    let stage = TwoTargets::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(503);
    stage.carol.gets(INVITE);
    stage.carol.sends(180);
    stage.alice.gets(180);
    stage.alice.sends(CANCEL);
    stage.carol.gets(CANCEL);
    stage.carol.sends(487);
    stage.alice.gets(487);
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}
