//! The edge ends 100rel towards the callee (RFC 3262): `reliable = "local"` on the trunk of the callee.

use attesta_b2bua::Reliable;
use attesta_sip::Name;
use attesta_tests::sim::{ACK, CANCEL, INVITE, PRACK, T1, UPDATE, Wording};
use insta::assert_snapshot;

use crate::common::{
    ANSWER, HOLD, OFFER, Stage, alice, answered, answered_body, bob, builder, heard, heard_body,
};

/// The edge ends 100rel towards Bob.
fn towards_bob() -> Stage {
    Stage::with_config(builder().trunk(alice()).trunk(bob().reliable(Reliable::Local)))
}

impl Stage {
    /// Alice lacks 100rel. Bob answers her offer in a reliable 183, and gets the PRACK of the edge.
    fn bob_rings_reliably(&self) {
        self.alice.sends(INVITE.offering(OFFER));
        self.bob.gets(INVITE);
        assert_eq!(heard(&self.bob, Name::Supported), "100rel, timer");
        self.bob.sends(183.reliably(41).answering(ANSWER));
        self.bob.gets(PRACK);
        self.bob.sends(200.to(PRACK));
        self.alice.gets(183);
    }
}

/// RFC 3262 section 4: the edge acknowledges. The 200 needs no answer for the callee, and the caller gets the answer in it.
#[test]
fn a_caller_without_100rel_gets_the_answer_of_a_reliable_183_in_the_200() {
    let stage = towards_bob();
    stage.bob_rings_reliably();
    assert_eq!(heard(&stage.bob, Name::RAck), "41 1 INVITE");
    assert_eq!(heard_body(&stage.bob), "");
    assert_eq!(answered_body(&stage.alice), ANSWER);
    for name in [Name::Require, Name::RSeq] {
        assert_eq!(answered(&stage.alice, name), "");
    }
    stage.bob.sends(200.to(INVITE).without_body());
    stage.alice.gets(200);
    assert_eq!(answered_body(&stage.alice), ANSWER);
    assert_eq!(answered(&stage.alice, Name::ContentType), "application/sdp");
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_lost_prack_of_the_edge_is_sent_again() {
    let stage = towards_bob();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.net.spare_next();
    stage.net.spare_next();
    stage.net.lose_next();
    stage.bob.sends(183.reliably(41).answering(ANSWER));
    stage.alice.gets(183);
    stage.net.run_for(T1 / 2);
    stage.bob.sends(183.reliably(41).answering(ANSWER));
    stage.bob.gets(PRACK);
    stage.bob.sends(200);
    stage.net.run_for(T1);
    stage.bob_answers();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 4: a repetition and a response after a gap get no PRACK and do not cross.
#[test]
fn repeated_and_missing_responses_are_discarded_by_the_edge() {
    let stage = towards_bob();
    stage.bob_rings_reliably();
    stage.bob.sends(183.reliably(41).answering(ANSWER));
    stage.bob.sends(180.reliably(43));
    stage.net.run_for(T1);
    stage.bob.sends(180.reliably(42));
    stage.bob.gets(PRACK);
    assert_eq!(heard(&stage.bob, Name::RAck), "42 1 INVITE");
    stage.bob.sends(200);
    stage.alice.gets(180);
    stage.bob.sends(200.to(INVITE).without_body());
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 5057 section 5.1: a PRACK that fails ends no call.
#[test]
fn a_callee_that_refuses_our_prack_keeps_its_call() {
    let stage = towards_bob();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(180.reliably(1));
    stage.bob.gets(PRACK);
    stage.bob.sends(481);
    stage.alice.gets(180);
    stage.bob_answers();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn two_branches_ring_reliably_for_the_edge() {
    let stage = towards_bob();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    for (branch, number) in [("one", 7), ("two", 900)] {
        stage.bob.sends(183.to(INVITE).on_branch(branch).reliably(number).answering(ANSWER));
        stage.bob.gets(PRACK);
        assert!(heard(&stage.bob, Name::To).ends_with(branch));
        assert_eq!(heard(&stage.bob, Name::RAck), format!("{number} 1 INVITE"));
        stage.bob.sends(200.to(PRACK).on_branch(branch));
        stage.alice.gets(183);
    }
    stage.bob.sends(200.to(INVITE).on_branch("two").without_body());
    stage.alice.gets(200);
    assert_eq!(answered_body(&stage.alice), ANSWER);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_call_is_cancelled_while_a_prack_of_the_edge_is_unanswered() {
    let stage = towards_bob();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(180.reliably(1));
    stage.bob.gets(PRACK);
    stage.alice.gets(180);
    stage.alice.sends(CANCEL);
    stage.alice.gets(487);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487.to(INVITE));
    stage.bob.sends(200.to(PRACK));
    stage.is_over();
}

/// RFC 3311 section 5.1: the callee has given its answer, the caller has no reliable answer.
#[test]
fn an_update_of_the_callee_waits_until_the_caller_has_the_answer() {
    let stage = towards_bob();
    stage.bob_rings_reliably();
    stage.bob.sends(UPDATE.offering(HOLD));
    stage.bob.gets(491);
    stage.bob_answers();
    stage.alice_hangs_up();
}

/// RFC 3262 section 5: the callee's reliable response would be the offer, and its PRACK the answer.
#[test]
fn a_call_without_an_offer_is_not_offered_100rel() {
    let stage = towards_bob();
    stage.alice.sends(INVITE.without_body());
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::Supported), "timer");
    stage.bob.sends(200.offering(OFFER));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.alice_hangs_up();
}
