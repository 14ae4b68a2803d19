//! A MESSAGE outside any call: RFC 3428, RFC 4320.

use attesta_sip::Name;
use attesta_tests::sim::{MESSAGE, TIMEOUT, Wording};
use insta::assert_snapshot;

use crate::common::{Stage, TwoTargets, answered, heard};

#[test]
fn a_message_is_relayed_with_its_response() {
    let stage = Stage::new();
    stage.alice.sends(MESSAGE.with("Subject", "lunch"));
    stage.bob.gets(MESSAGE);
    assert_eq!(heard(&stage.bob, Name::Subject), "lunch");
    assert_eq!(heard(&stage.bob, Name::Contact), "", "RFC 3428 section 4");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn each_final_response_to_a_message_crosses() {
    let stage = Stage::new();
    for status in [202, 302, 404, 415, 486, 500, 603] {
        stage.alice.sends(MESSAGE);
        stage.bob.gets(MESSAGE);
        stage.bob.sends(status.with("Warning", "399 192.0.2.3 \"so\""));
        stage.alice.gets(status);
        assert_eq!(answered(&stage.alice, Name::Warning), "399 192.0.2.3 \"so\"");
    }
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_message_goes_to_the_next_target_after_a_503() {
    let stage = TwoTargets::new();
    stage.alice.sends(MESSAGE);
    stage.bob.gets(MESSAGE);
    stage.bob.sends(503);
    stage.carol.gets(MESSAGE);
    stage.carol.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_message_goes_to_the_next_target_after_an_icmp_error() {
    let stage = TwoTargets::new();
    stage.net.refuses(stage.bob.address());
    stage.alice.sends(MESSAGE);
    stage.carol.gets(MESSAGE);
    stage.carol.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 16.7: the sender gets 500 instead of 503.
#[test]
fn a_message_that_all_targets_refuse_with_503_gets_503() {
    let stage = TwoTargets::new();
    stage.alice.sends(MESSAGE);
    for target in [&stage.bob, &stage.carol] {
        target.gets(MESSAGE);
        target.sends(503);
    }
    stage.alice.gets(503);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 4320 section 4.2: a timeout is not reported to the sender.
#[test]
fn a_message_that_no_target_answers_gets_no_answer() {
    let stage = Stage::new();
    stage.net.silences(stage.bob.address());
    stage.alice.sends(MESSAGE);
    stage.alice.gets(TIMEOUT);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_message_whose_response_is_lost_is_answered_again() {
    let stage = Stage::new();
    for _ in ["MESSAGE to the edge", "MESSAGE to Bob", "200 to the edge"] {
        stage.net.spare_next();
    }
    stage.net.lose_next();
    stage.alice.sends(MESSAGE);
    stage.bob.gets(MESSAGE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_message_without_hops_or_at_a_draining_edge_is_refused() {
    let stage = Stage::new();
    stage.alice.sends(MESSAGE.with("Max-Forwards", "0"));
    stage.alice.gets(483);
    stage.edge.drains();
    stage.alice.sends(MESSAGE);
    stage.alice.gets(503);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}
