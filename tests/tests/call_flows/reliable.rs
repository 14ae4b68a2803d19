//! Reliable provisional responses, early media and early UPDATE: RFC 3262, RFC 3311, RFC 3960.

use attesta_sip::Name;
use attesta_tests::sim::{ACK, INVITE, PRACK, T1, UPDATE, Wording};
use insta::assert_snapshot;

use crate::common::{ANSWER, HELD, HOLD, OFFER, Stage, answered, answered_body, heard, heard_body};

impl Stage {
    /// Alice calls with an offer, and Bob answers it in a reliable 183 with this RSeq.
    fn rings_reliably(&self, number: u32) {
        self.alice.sends(INVITE.offering(OFFER).with("Supported", "100rel"));
        self.bob.gets(INVITE);
        self.bob.sends(183.reliably(number).answering(ANSWER));
        self.alice.gets(183);
    }

    /// Alice acknowledges the last reliable response.
    fn is_acknowledged(&self) {
        self.alice.sends(PRACK);
        self.bob.gets(PRACK);
        self.bob.sends(200);
        self.alice.gets(200);
    }

    /// Bob answers without a body, because the session already exists.
    fn is_answered(&self) {
        self.bob.sends(200.to(INVITE).without_body());
        self.alice.gets(200);
        self.bob.gets(ACK);
    }
}

/// RFC 3262 section 7.2: RAck names the INVITE of its own leg.
#[test]
fn a_reliable_183_and_its_prack_cross() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.offering(OFFER).with("Supported", "100rel").with("CSeq", "7 INVITE"));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::Supported), "100rel, timer");
    stage.bob.sends(183.reliably(41).answering(ANSWER));
    stage.alice.gets(183);
    assert_eq!(
        (answered(&stage.alice, Name::RSeq).as_str(), answered_body(&stage.alice).as_str()),
        ("41", ANSWER)
    );
    assert_eq!(answered(&stage.alice, Name::Require), "100rel");
    stage.alice.sends(PRACK);
    stage.bob.gets(PRACK);
    assert_eq!(heard(&stage.bob, Name::RAck), "41 1 INVITE");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_answered();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn two_reliable_responses_are_acknowledged_in_turn() {
    let stage = Stage::new();
    stage.rings_reliably(1);
    stage.is_acknowledged();
    stage.bob.sends(180.reliably(2).to(INVITE));
    stage.alice.gets(180);
    stage.alice.sends(PRACK);
    stage.bob.gets(PRACK);
    assert_eq!(heard(&stage.bob, Name::RAck), "2 1 INVITE");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_answered();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3: the callee repeats the response until its PRACK, and the edge forwards each repetition.
#[test]
fn a_reliable_response_is_repeated_until_its_prack() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Supported", "100rel"));
    stage.bob.gets(INVITE);
    stage.net.spare_next();
    stage.net.lose_next();
    stage.bob.sends(183.reliably(1));
    stage.net.run_for(T1);
    stage.bob.sends(183.reliably(1));
    stage.alice.gets(183);
    stage.is_acknowledged();
    stage.is_answered();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 5: a reliable response may contain an offer. Then the PRACK contains the answer.
#[test]
fn an_offer_in_a_reliable_183_is_answered_in_the_prack() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.without_body().with("Supported", "100rel"));
    stage.bob.gets(INVITE);
    stage.bob.sends(183.reliably(1).offering(OFFER));
    stage.alice.gets(183);
    assert_eq!(answered_body(&stage.alice), OFFER);
    stage.alice.sends(PRACK.answering(ANSWER));
    stage.bob.gets(PRACK);
    assert_eq!(heard_body(&stage.bob), ANSWER);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.alice.acknowledges_nothing();
    stage.bob.sends(200.to(INVITE).without_body());
    stage.alice.gets(200);
    stage.alice.sends(ACK.without_body());
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 5: a PRACK may contain a second offer. Its 200 contains the answer.
#[test]
fn an_offer_in_a_prack_is_answered_in_its_200() {
    let stage = Stage::new();
    stage.rings_reliably(1);
    stage.alice.sends(PRACK.offering(HOLD));
    stage.bob.gets(PRACK);
    assert_eq!(heard_body(&stage.bob), HOLD);
    stage.bob.sends(200.answering(HELD));
    stage.alice.gets(200);
    assert_eq!(answered_body(&stage.alice), HELD);
    stage.is_answered();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3: a PRACK that matches no response gets 481, and the call continues.
#[test]
fn a_prack_for_no_response_gets_481_and_the_call_goes_on() {
    let stage = Stage::new();
    stage.rings_reliably(1);
    stage.alice.sends(PRACK.with("RAck", "99 1 INVITE"));
    stage.alice.gets(481);
    stage.is_acknowledged();
    stage.is_answered();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 4: the PRACK is under way when the call is answered.
#[test]
fn a_prack_that_crosses_the_200_is_still_answered() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Supported", "100rel"));
    stage.bob.gets(INVITE);
    stage.bob.sends(180.reliably(1));
    stage.alice.gets(180);
    stage.alice.sends(PRACK);
    stage.bob.sends(200);
    stage.bob.gets(PRACK);
    stage.bob.sends(200.to(PRACK));
    stage.alice.gets(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3: the call may be refused while a PRACK is due.
#[test]
fn a_call_is_refused_after_a_reliable_183() {
    let stage = Stage::new();
    stage.rings_reliably(1);
    stage.is_acknowledged();
    stage.bob.sends(486.to(INVITE));
    stage.alice.gets(486);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3960 section 3: early media without reliability.
#[test]
fn early_media_in_a_183_crosses() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(183.answering(ANSWER));
    stage.alice.gets(183);
    assert_eq!(answered_body(&stage.alice), ANSWER);
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    assert_eq!(answered_body(&stage.alice), ANSWER);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3311 section 5.1.
#[test]
fn an_early_update_crosses_from_both_sides() {
    let stage = Stage::new();
    stage.rings_reliably(1);
    stage.is_acknowledged();
    stage.alice.sends(UPDATE.offering(HOLD));
    stage.bob.gets(UPDATE);
    assert_eq!(heard_body(&stage.bob), HOLD);
    stage.bob.sends(200.answering(HELD));
    stage.alice.gets(200);
    stage.bob.sends(UPDATE.offering(OFFER));
    stage.alice.gets(UPDATE);
    assert_eq!(heard_body(&stage.alice), OFFER);
    stage.alice.sends(200.answering(ANSWER));
    stage.bob.gets(200);
    assert_eq!(answered_body(&stage.bob), ANSWER);
    stage.is_answered();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3311 section 5.2.
#[test]
fn an_early_update_is_refused_and_the_call_is_answered() {
    let stage = Stage::new();
    stage.rings_reliably(1);
    stage.is_acknowledged();
    stage.alice.sends(UPDATE.offering(HOLD));
    stage.bob.gets(UPDATE);
    stage.bob.sends(504);
    stage.alice.gets(504);
    stage.is_answered();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3312 section 13: resources are reserved before the callee rings.
#[test]
fn a_call_with_preconditions_rings_after_the_update() {
    let stage = Stage::new();
    let invite = INVITE.offering(OFFER).with("Supported", "100rel").with("Require", "precondition");
    stage.alice.sends(invite);
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::Require), "precondition");
    stage.bob.sends(183.reliably(1).answering(ANSWER));
    stage.alice.gets(183);
    stage.is_acknowledged();
    stage.alice.sends(UPDATE.offering(OFFER));
    stage.bob.gets(UPDATE);
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    stage.bob.sends(180.to(INVITE));
    stage.alice.gets(180);
    stage.is_answered();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3 also applies to a re-INVITE.
#[test]
fn a_reliable_response_to_a_re_invite_is_acknowledged() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER).with("Supported", "100rel"));
    stage.bob.gets(INVITE);
    stage.bob.sends(183.reliably(5).answering(ANSWER));
    stage.alice.gets(183);
    stage.alice.sends(PRACK);
    stage.bob.gets(PRACK);
    assert_eq!(heard(&stage.bob, Name::RAck), "5 2 INVITE");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_answered();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}
