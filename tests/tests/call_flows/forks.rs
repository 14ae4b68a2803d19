//! One INVITE, several callees: RFC 3261 sections 12.1 and 13.2.2.4. Bob is a proxy that forks.

use std::time::Duration;

use attesta_sip::Name;
use attesta_tests::sim::{ACK, BYE, CANCEL, INVITE, PRACK, UPDATE, Wording};
use insta::assert_snapshot;

use crate::common::{ANSWER, OFFER, Stage, answered, answered_body, heard};

impl Stage {
    /// Alice calls, and two branches ring. Returns the To tags that she receives.
    fn rings_twice(&self) -> [String; 2] {
        self.alice.sends(INVITE.with("Supported", "100rel"));
        self.bob.gets(INVITE);
        ["one", "two"].map(|branch| {
            self.bob.sends(180.on_branch(branch));
            self.alice.gets(180);
            let to = answered(&self.alice, Name::To);
            assert!(!to.ends_with(branch), "the tags of the callee's side stay there: {to}");
            to
        })
    }
}

#[test]
fn two_branches_ring_and_the_first_answers() {
    let stage = Stage::new();
    let [first, second] = stage.rings_twice();
    assert_ne!(first, second);
    stage.bob.sends(200.on_branch("one"));
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::To), first);
    stage.bob.gets(ACK);
    assert!(heard(&stage.bob, Name::To).ends_with(";tag=one"));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn two_branches_ring_and_the_second_answers() {
    let stage = Stage::new();
    let [_, second] = stage.rings_twice();
    stage.bob.sends(200.on_branch("two"));
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::To), second);
    stage.bob.gets(ACK);
    assert!(heard(&stage.bob, Name::To).ends_with(";tag=two"));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_branch_that_never_rang_answers() {
    let stage = Stage::new();
    let rang = stage.rings_twice();
    stage.bob.sends(200.on_branch("three"));
    stage.alice.gets(200);
    assert!(!rang.contains(&answered(&stage.alice, Name::To)));
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 13.2.2.4: the 2xx of a second branch is acknowledged, and its call is ended.
#[test]
fn two_branches_answer_and_the_second_is_hung_up() {
    let stage = Stage::new();
    stage.rings_twice();
    stage.bob.sends(200.on_branch("one"));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.bob.sends(200.on_branch("two"));
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    assert!(heard(&stage.bob, Name::To).ends_with(";tag=two"));
    stage.bob.sends(200);
    stage.net.run_for(Duration::from_secs(1));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn two_branches_answer_at_once_and_the_second_is_hung_up() {
    let stage = Stage::new();
    stage.rings_twice();
    stage.bob.sends(200.on_branch("two"));
    stage.bob.sends(200.on_branch("one"));
    stage.bob.gets(BYE);
    assert!(heard(&stage.bob, Name::To).ends_with(";tag=one"));
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.net.run_for(Duration::from_secs(1));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 13.2.2.4: the INVITE is answered after the call has ended.
#[test]
fn a_branch_that_answers_after_the_call_is_hung_up() {
    let stage = Stage::new();
    stage.rings_twice();
    stage.bob.sends(200.on_branch("one"));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.sends(200.on_branch("two"));
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn early_media_of_two_branches_crosses() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    for (branch, session) in [("one", OFFER), ("two", ANSWER)] {
        stage.bob.sends(183.on_branch(branch).answering(session));
        stage.alice.gets(183);
        assert_eq!(answered_body(&stage.alice), session);
    }
    stage.bob.sends(200.on_branch("two").answering(ANSWER));
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3: each early dialog has its own reliable responses.
#[test]
fn reliable_responses_of_two_branches_are_acknowledged_apart() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Supported", "100rel"));
    stage.bob.gets(INVITE);
    for (branch, number) in [("one", 10), ("two", 20)] {
        stage.bob.sends(183.on_branch(branch).reliably(number).to(INVITE));
        stage.alice.gets(183);
        stage.alice.sends(PRACK);
        stage.bob.gets(PRACK);
        assert_eq!(heard(&stage.bob, Name::RAck), format!("{number} 1 INVITE"));
        assert!(heard(&stage.bob, Name::To).ends_with(&format!(";tag={branch}")));
        stage.bob.sends(200);
        stage.alice.gets(200);
    }
    stage.bob.sends(200.on_branch("one"));
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn an_early_update_reaches_its_own_branch() {
    let stage = Stage::new();
    stage.rings_twice();
    stage.alice.sends(UPDATE);
    stage.bob.gets(UPDATE);
    assert!(heard(&stage.bob, Name::To).ends_with(";tag=two"));
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.sends(180.on_branch("one"));
    stage.alice.gets(180);
    stage.alice.sends(UPDATE);
    stage.bob.gets(UPDATE);
    assert!(heard(&stage.bob, Name::To).ends_with(";tag=one"));
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.sends(486);
    stage.alice.gets(486);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// One CANCEL ends all branches. The proxy cancels each branch (RFC 3261 section 16.10).
#[test]
fn a_cancel_ends_a_call_with_two_branches() {
    let stage = Stage::new();
    stage.rings_twice();
    stage.alice.sends(CANCEL);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.alice.gets(487);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 6228: one branch ends while the other branch continues to ring.
#[test]
fn a_199_of_one_branch_crosses_and_the_other_answers() {
    let stage = Stage::new();
    let [first, second] = stage.rings_twice();
    stage.bob.sends(199.on_branch("one"));
    stage.alice.gets(199);
    assert_eq!(answered(&stage.alice, Name::To), first);
    stage.bob.sends(200.on_branch("two"));
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::To), second);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}
