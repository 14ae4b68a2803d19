//! The edge ends 100rel towards the caller (RFC 3262): `reliable = "local"` on the trunk of the caller.

use std::time::Duration;

use attesta_b2bua::Reliable;
use attesta_sip::Name;
use attesta_tests::sim::{ACK, Agent, BYE, CANCEL, INVITE, PRACK, T1, UPDATE, Wording};
use insta::assert_snapshot;

use crate::common::{
    ANSWER, HELD, HOLD, OFFER, Stage, alice, answered, answered_body, bob, builder, heard, heard_body,
};

/// The edge ends 100rel towards Alice.
fn towards_alice() -> Stage {
    Stage::with_config(builder().trunk(alice().reliable(Reliable::Local)).trunk(bob()))
}

/// The RSeq of the response that the agent got last.
fn rseq(agent: &Agent) -> u32 {
    answered(agent, Name::RSeq).parse().expect("the response is reliable")
}

impl Stage {
    /// Alice supports 100rel and makes an offer. Bob does not use 100rel.
    fn alice_calls_reliably(&self) {
        self.alice.sends(INVITE.offering(OFFER).with("Supported", "100rel"));
        self.bob.gets(INVITE);
    }

    /// Alice acknowledges the reliable response that came last, and the edge answers.
    fn alice_acknowledges(&self) {
        self.alice.sends(PRACK);
        self.alice.gets(200);
    }

    /// Bob answers with a session description.
    pub(crate) fn bob_answers(&self) {
        self.bob.sends(200.to(INVITE).answering(ANSWER));
        self.alice.gets(200);
        self.bob.gets(ACK);
    }
}

/// RFC 3262 section 3.
#[test]
fn an_unreliable_180_is_reliable_for_the_caller() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    assert_eq!(heard(&stage.bob, Name::Supported), "100rel, timer");
    stage.bob.sends(180);
    stage.alice.gets(180);
    assert_eq!(answered(&stage.alice, Name::Require), "100rel");
    assert!((1..1 << 31).contains(&rseq(&stage.alice)));
    stage.alice_acknowledges();
    stage.bob_answers();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3: the edge fulfils the Require. The callee need not.
#[test]
fn a_require_of_the_caller_is_fulfilled_by_the_edge() {
    let stage = towards_alice();
    stage.alice.sends(INVITE.offering(OFFER).with("Require", "100rel"));
    stage.bob.gets(INVITE);
    assert_eq!(
        (heard(&stage.bob, Name::Require), heard(&stage.bob, Name::Supported)),
        (String::new(), "100rel, timer".to_owned())
    );
    stage.bob.sends(183.answering(ANSWER));
    stage.alice.gets(183);
    assert_eq!(answered_body(&stage.alice), ANSWER);
    stage.alice_acknowledges();
    stage.bob_answers();
    stage.alice_hangs_up();
}

/// RFC 3262 section 3: the response is sent again after T1.
#[test]
fn a_lost_response_of_the_edge_is_sent_again() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183);
    stage.alice.gets(183);
    stage.alice_acknowledges();
    stage.net.spare_next();
    stage.net.lose_next();
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.alice_acknowledges();
    stage.bob_answers();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_lost_prack_to_the_edge_is_sent_again() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.net.lose_next();
    stage.alice_acknowledges();
    stage.bob_answers();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3.
#[test]
fn a_prack_of_no_response_of_the_edge_gets_481() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(180);
    stage.alice.gets(180);
    let wrong = rseq(&stage.alice) + 1;
    stage.alice.sends(PRACK.with("RAck", &format!("{wrong} 1 INVITE")));
    stage.alice.gets(481);
    stage.alice_acknowledges();
    stage.alice.sends(PRACK);
    stage.alice.gets(481);
    stage.bob_answers();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3: 5xx after 64*T1.
#[test]
fn a_caller_without_prack_gets_504_and_the_callee_is_cancelled() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.alice.gets(504);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    assert_snapshot!(stage.net.ladder());
    stage.is_over();
}

/// RFC 3262 section 3: the second response waits for the PRACK of the first.
#[test]
fn two_responses_of_the_edge_are_acknowledged_in_turn() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183);
    stage.bob.sends(180);
    stage.alice.gets(183);
    let first = rseq(&stage.alice);
    stage.net.run_for(T1 / 2);
    stage.alice_acknowledges();
    stage.alice.gets(180);
    assert_eq!(rseq(&stage.alice), first + 1);
    stage.alice_acknowledges();
    stage.bob_answers();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3: the reliable response has a session description, so the 2xx waits for its PRACK.
#[test]
fn a_200_waits_for_the_prack_of_early_media() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183.answering(ANSWER));
    stage.alice.gets(183);
    stage.bob.sends(200.answering(ANSWER));
    stage.net.run_for(T1 / 2);
    stage.alice_acknowledges();
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3: without a session description, the 2xx does not wait, and the PRACK is answered after it.
#[test]
fn a_200_overtakes_the_prack_of_a_180() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.bob_answers();
    stage.net.run_for(2 * T1);
    stage.alice_acknowledges();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 sections 9.2 and 13.2.2.4: the caller has no final response yet, and the callee has answered.
#[test]
fn a_call_is_cancelled_while_its_200_waits_for_a_prack() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183.answering(ANSWER));
    stage.alice.gets(183);
    stage.bob.sends(200.answering(ANSWER));
    stage.net.run_for(T1 / 2);
    stage.alice.sends(CANCEL);
    stage.alice.gets(487);
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    assert_snapshot!(stage.net.ladder());
    stage.is_over();
}

#[test]
fn a_200_waits_for_a_prack_that_never_comes() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183.answering(ANSWER));
    stage.alice.gets(183);
    stage.net.run_for(Duration::from_secs(28));
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(504);
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    assert_snapshot!(stage.net.ladder());
    stage.is_over();
}

/// RFC 3262 section 3: a call may be refused while a PRACK is due.
#[test]
fn a_call_is_refused_before_the_prack() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183.answering(ANSWER));
    stage.alice.gets(183);
    stage.bob.sends(486);
    stage.alice.gets(486);
    stage.is_over();
}

/// Each early dialog has its own sequence of numbers.
#[test]
fn two_branches_ring_reliably_for_the_caller() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    for branch in ["one", "two"] {
        stage.bob.sends(180.on_branch(branch));
        stage.alice.gets(180);
        stage.alice_acknowledges();
    }
    stage.bob.sends(200.to(INVITE).on_branch("two").answering(ANSWER));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// The 2xx of one branch waits for a PRACK. Another branch answers.
#[test]
fn another_branch_answers_while_a_200_waits() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183.on_branch("one").answering(ANSWER));
    stage.alice.gets(183);
    stage.bob.sends(200.to(INVITE).on_branch("one").answering(ANSWER));
    stage.net.run_for(T1 / 5);
    stage.bob.sends(200.to(INVITE).on_branch("two").answering(ANSWER));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    assert!(heard(&stage.bob, Name::To).ends_with(";tag=one"));
    stage.bob.sends(200);
    stage.bob.gets(ACK);
    assert!(heard(&stage.bob, Name::To).ends_with(";tag=two"));
    stage.net.run_for(T1);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// Both sides have 100rel: nothing is ended.
#[test]
fn a_reliable_response_still_crosses_where_both_sides_have_100rel() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183.reliably(41).answering(ANSWER));
    stage.alice.gets(183);
    assert_eq!(rseq(&stage.alice), 41);
    stage.alice.sends(PRACK.offering(HOLD));
    stage.bob.gets(PRACK);
    assert_eq!(
        (heard(&stage.bob, Name::RAck).as_str(), heard_body(&stage.bob).as_str()),
        ("41 1 INVITE", HOLD)
    );
    stage.bob.sends(200.answering(HELD));
    stage.alice.gets(200);
    stage.bob.sends(200.to(INVITE).without_body());
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.alice_hangs_up();
}

/// The numbers of a dialog form one sequence: after the first response of our own, all are ours.
#[test]
fn reliable_and_unreliable_responses_of_one_callee_are_numbered_in_turn() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183.reliably(41).answering(ANSWER));
    stage.alice.gets(183);
    stage.bob.sends(180);
    stage.net.run_for(T1 / 5);
    stage.alice.sends(PRACK);
    stage.bob.gets(PRACK);
    stage.alice.gets(180);
    assert_eq!(rseq(&stage.alice), 42, "the 180 has waited for the PRACK of the 183");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.alice_acknowledges();
    stage.bob.sends(183.reliably(42).to(INVITE));
    stage.bob.gets(PRACK);
    assert_eq!(heard(&stage.bob, Name::RAck), "42 1 INVITE");
    stage.bob.sends(200);
    stage.alice.gets(183);
    assert_eq!(rseq(&stage.alice), 43);
    stage.alice_acknowledges();
    stage.bob.sends(200.to(INVITE).without_body());
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// The callee has no PRACK in which the offer could cross.
#[test]
fn an_offer_in_a_prack_to_the_edge_gets_488() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183.answering(ANSWER));
    stage.alice.gets(183);
    stage.alice.sends(PRACK.offering(HOLD));
    stage.alice.gets(488);
    stage.bob_answers();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3311 section 5.1: the caller has the answer, the callee has not given it reliably.
#[test]
fn an_update_waits_while_the_offer_is_open_on_the_other_side() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    stage.bob.sends(183.answering(ANSWER));
    stage.alice.gets(183);
    stage.alice_acknowledges();
    stage.alice.sends(UPDATE.offering(HOLD));
    stage.alice.gets(491);
    stage.bob_answers();
    stage.alice.sends(UPDATE.offering(HOLD));
    stage.bob.gets(UPDATE);
    stage.bob.sends(200.answering(HELD));
    stage.alice.gets(200);
    stage.alice_hangs_up();
}

/// RFC 3262 section 5: without an offer, only the caller can acknowledge.
#[test]
fn nothing_is_ended_towards_a_caller_without_an_offer() {
    let stage = towards_alice();
    stage.alice.sends(INVITE.without_body().with("Require", "100rel"));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::Require), "100rel");
    stage.bob.sends(183.reliably(1).offering(OFFER));
    stage.alice.gets(183);
    stage.alice.sends(PRACK.answering(ANSWER));
    stage.bob.gets(PRACK);
    assert_eq!(heard_body(&stage.bob), ANSWER);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.sends(200.to(INVITE).without_body());
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.alice_hangs_up();
}

/// A storm of responses is bounded: what the caller does not acknowledge is not queued without end.
#[test]
fn a_storm_of_responses_is_bounded() {
    let stage = towards_alice();
    stage.alice_calls_reliably();
    for _ in 0..200 {
        stage.bob.sends(180);
    }
    let mut last = None;
    for _ in 0..9 {
        stage.alice.gets(180);
        let number = rseq(&stage.alice);
        assert!(last.is_none_or(|last| number == last + 1));
        last = Some(number);
        stage.alice.sends(PRACK);
        stage.net.run_for(T1 / 5);
        stage.alice.gets(200);
    }
    stage.bob_answers();
    stage.alice_hangs_up();
}
