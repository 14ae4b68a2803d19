//! An edge that stops: first it accepts no new calls, then it ends its calls.

use attesta_sip::Name;
use attesta_tests::sim::{ACK, CANCEL, INFO, INVITE, OPTIONS, Wording};
use insta::assert_snapshot;

use crate::common::{OFFER, Stage, alice, answered, bob, builder};

#[test]
fn a_draining_edge_refuses_new_calls_and_options() {
    let stage = Stage::new();
    stage.edge.drains();
    for request in [INVITE, OPTIONS] {
        stage.alice.sends(request);
        stage.alice.gets(503);
        assert_eq!(answered(&stage.alice, Name::RetryAfter), "30");
    }
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_call_that_rings_when_the_edge_drains_is_answered() {
    let stage = Stage::new();
    stage.rings();
    stage.edge.drains();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_call_goes_on_at_a_draining_edge() {
    let stage = Stage::new();
    stage.talk();
    stage.edge.drains();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.sends(INFO);
    stage.alice.gets(INFO);
    stage.alice.sends(200);
    stage.bob.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn an_emergency_call_begins_at_a_draining_edge() {
    let emergency = vec!["911".parse().expect("a prefix")];
    let stage = Stage::with_config(builder().trunk(alice()).trunk(bob()).emergency(emergency));
    stage.edge.drains();
    stage.alice.dials("sip:911@192.0.2.2");
    stage.talk();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_call_that_rings_is_refused_when_the_edge_hangs_up() {
    let stage = Stage::new();
    stage.rings();
    stage.edge.hangs_up();
    stage.alice.gets(503);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_call_is_hung_up_on_both_sides_when_the_edge_hangs_up() {
    let stage = Stage::new();
    stage.talk();
    stage.edge.hangs_up();
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_re_invite_is_open_when_the_edge_hangs_up() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.edge.hangs_up();
    stage.alice.gets(487);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487.to(INVITE));
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 15.1.1: the BYE to the caller waits for the caller's ACK.
#[test]
fn the_callers_ack_is_due_when_the_edge_hangs_up() {
    let stage = Stage::new();
    stage.rings();
    stage.alice.acknowledges_nothing();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.edge.hangs_up();
    stage.bob.gets(ACK);
    stage.alice.sends(ACK);
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}
