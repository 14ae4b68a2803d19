//! Offers and answers in a call: RFC 3261 section 14, RFC 3264, RFC 3311, RFC 6337.

use std::time::Duration;

use attesta_sip::Name;
use attesta_tests::sim::{ACK, BYE, CANCEL, INVITE, UPDATE, Wording};
use insta::assert_snapshot;

use crate::common::{ANSWER, HELD, HOLD, OFFER, Stage, answered, answered_body, heard, heard_body};

#[test]
fn a_re_invite_of_the_caller_crosses_with_offer_and_answer() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    assert_eq!(heard_body(&stage.bob), OFFER);
    assert_eq!(heard(&stage.bob, Name::Contact), "<sip:192.0.2.2:5060>");
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    assert_eq!(answered_body(&stage.alice), ANSWER);
    stage.bob.gets(ACK);
    assert_eq!(heard_body(&stage.bob), "");
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_re_invite_of_the_callee_crosses_with_offer_and_answer() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(INVITE.offering(OFFER));
    stage.alice.gets(INVITE);
    assert_eq!(heard_body(&stage.alice), OFFER);
    stage.alice.sends(200.answering(ANSWER));
    stage.bob.gets(200);
    assert_eq!(answered_body(&stage.bob), ANSWER);
    stage.alice.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 13.2.1: the offer is in the 200, the answer in the ACK.
#[test]
fn an_offer_in_the_200_is_answered_in_the_ack() {
    let stage = Stage::new();
    stage.alice.acknowledges_nothing();
    stage.alice.sends(INVITE.without_body());
    stage.bob.gets(INVITE);
    assert_eq!(heard_body(&stage.bob), "");
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.bob.sends(200.offering(OFFER));
    stage.alice.gets(200);
    assert_eq!(answered_body(&stage.alice), OFFER);
    stage.alice.sends(ACK.answering(ANSWER));
    stage.bob.gets(ACK);
    assert_eq!(heard_body(&stage.bob), ANSWER);
    assert_eq!(heard(&stage.bob, Name::ContentType), "application/sdp");
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 14.1: a re-INVITE without an offer asks for one.
#[test]
fn a_re_invite_without_offer_crosses_from_the_caller() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.acknowledges_nothing();
    stage.alice.sends(INVITE.without_body());
    stage.bob.gets(INVITE);
    stage.bob.sends(200.offering(OFFER));
    stage.alice.gets(200);
    stage.alice.sends(ACK.answering(ANSWER));
    stage.bob.gets(ACK);
    assert_eq!(heard_body(&stage.bob), ANSWER);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_re_invite_without_offer_crosses_from_the_callee() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.acknowledges_nothing();
    stage.bob.sends(INVITE.without_body());
    stage.alice.gets(INVITE);
    stage.alice.sends(200.offering(OFFER));
    stage.bob.gets(200);
    stage.bob.sends(ACK.answering(ANSWER));
    stage.alice.gets(ACK);
    assert_eq!(heard_body(&stage.alice), ANSWER);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3264 section 8.4.
#[test]
fn the_caller_holds_the_call_and_resumes_it() {
    let stage = Stage::new();
    stage.talk();
    for (offer, answer) in [(HOLD, HELD), (OFFER, ANSWER)] {
        stage.alice.sends(INVITE.offering(offer));
        stage.bob.gets(INVITE);
        assert_eq!(heard_body(&stage.bob), offer);
        stage.bob.sends(200.answering(answer));
        stage.alice.gets(200);
        assert_eq!(answered_body(&stage.alice), answer);
        stage.bob.gets(ACK);
        stage.net.run_for(Duration::from_secs(10));
    }
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn the_callee_holds_and_the_caller_holds_as_well() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(INVITE.offering(HOLD));
    stage.alice.gets(INVITE);
    stage.alice.sends(200.answering(HELD));
    stage.bob.gets(200);
    stage.alice.gets(ACK);
    stage.alice.sends(INVITE.offering(HOLD));
    stage.bob.gets(INVITE);
    stage.bob.sends(200.answering(HELD));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 14.1: the session remains unchanged.
fn refused_with(status: u16) -> Stage {
    let stage = Stage::new();
    stage.talk();
    for (from, to) in [(&stage.alice, &stage.bob), (&stage.bob, &stage.alice)] {
        from.sends(INVITE.offering(OFFER));
        to.gets(INVITE);
        to.sends(status.with("Warning", "304 192.0.2.3 \"codec\""));
        from.gets(status);
        assert_eq!(answered(from, Name::Warning), "304 192.0.2.3 \"codec\"");
        to.gets(ACK);
    }
    stage
}

#[test]
fn a_re_invite_refused_with_488_leaves_the_call() {
    let stage = refused_with(488);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_re_invite_refused_with_603_leaves_the_call() {
    let stage = refused_with(603);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_re_invite_refused_with_503_leaves_the_call() {
    let stage = refused_with(503);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 22.2: the challenge crosses, and then the credentials.
#[test]
fn a_re_invite_is_challenged_and_comes_again_with_credentials() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(401.with("WWW-Authenticate", "Digest realm=\"bob\", nonce=\"1\""));
    stage.alice.gets(401);
    assert_eq!(answered(&stage.alice, Name::WwwAuthenticate), "Digest realm=\"bob\", nonce=\"1\"");
    stage.alice.sends(INVITE.offering(OFFER).with("Authorization", "Digest username=\"a\""));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::Authorization), "Digest username=\"a\"");
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 14.2: the edge has an open INVITE to Bob, so Bob's INVITE gets 491. Bob refuses Alice's INVITE with 491 too.
#[test]
fn re_invites_that_cross_both_get_491() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(491);
    stage.bob.gets(491);
    stage.alice.gets(491);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 14.2: the INVITE of the callee reaches the edge first.
#[test]
fn the_callers_re_invite_gets_491_while_the_callees_is_open() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(INVITE.offering(OFFER));
    stage.alice.gets(INVITE);
    stage.alice.sends(INVITE.offering(OFFER));
    stage.alice.gets(491);
    stage.alice.sends(200.answering(ANSWER));
    stage.bob.gets(200);
    stage.alice.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 14.1: after a 491 the INVITE is sent again and accepted.
#[test]
fn after_a_491_the_re_invite_comes_again_and_is_taken() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(INVITE.offering(OFFER));
    stage.bob.gets(491);
    stage.bob.sends(491);
    stage.alice.gets(491);
    stage.net.run_for(Duration::from_secs(1));
    stage.bob.sends(INVITE.offering(OFFER));
    stage.alice.gets(INVITE);
    stage.alice.sends(200.answering(ANSWER));
    stage.bob.gets(200);
    stage.net.run_for(Duration::from_secs(2));
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 14.2: a second INVITE before the first has its final response.
#[test]
fn a_second_re_invite_of_one_side_gets_500_with_retry_after() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.alice.sends(INVITE.offering(HOLD));
    stage.alice.gets(500);
    assert!(answered(&stage.alice, Name::RetryAfter).parse::<u8>().expect("a number") <= 10);
    assert_snapshot!(stage.net.ladder());
    stage.bob.sends(486);
    stage.alice.gets(486);
    stage.alice_hangs_up();
}

/// RFC 3261 section 14.2: the first INVITE has no final response yet.
#[test]
fn invites_in_an_early_dialog_get_500_and_491() {
    let stage = Stage::new();
    stage.rings();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.alice.gets(500);
    stage.bob.sends(INVITE.offering(OFFER));
    stage.bob.gets(491);
    stage.bob.sends(486);
    stage.alice.gets(486);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 14.2: the caller's ACK is still due, so the callee's INVITE meets an open INVITE.
#[test]
fn a_re_invite_of_the_callee_before_the_callers_ack_gets_491() {
    let stage = Stage::new();
    stage.rings();
    stage.alice.acknowledges_nothing();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.sends(INVITE.offering(OFFER));
    stage.bob.gets(491);
    stage.alice.sends(ACK);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_re_invite_is_cancelled_and_the_call_goes_on() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.alice.sends(CANCEL);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487.to(INVITE));
    stage.alice.gets(487);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 9.1: the 200 remains valid although the CANCEL crosses it.
#[test]
fn a_cancel_that_crosses_the_200_of_a_re_invite_has_no_effect() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(INVITE.offering(OFFER));
    stage.alice.gets(INVITE);
    stage.alice.sends(183);
    stage.bob.gets(183);
    stage.alice.sends(200.answering(ANSWER));
    stage.bob.sends(CANCEL);
    stage.bob.gets(200);
    stage.alice.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn provisional_responses_of_a_re_invite_cross() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(INVITE.offering(OFFER));
    stage.alice.gets(INVITE);
    stage.alice.sends(180);
    stage.bob.gets(180);
    stage.alice.sends(183);
    stage.bob.gets(183);
    stage.alice.sends(200.answering(ANSWER));
    stage.bob.gets(200);
    stage.alice.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3311 section 5.1.
#[test]
fn an_update_with_offer_crosses_from_both_sides() {
    let stage = Stage::new();
    stage.talk();
    for (from, to) in [(&stage.alice, &stage.bob), (&stage.bob, &stage.alice)] {
        from.sends(UPDATE.offering(HOLD));
        to.gets(UPDATE);
        assert_eq!(heard_body(to), HOLD);
        assert_eq!(heard(to, Name::Contact), "<sip:192.0.2.2:5060>");
        to.sends(200.answering(HELD));
        from.gets(200);
        assert_eq!(answered_body(from), HELD);
        from.sends(UPDATE.offering(OFFER));
        to.gets(UPDATE);
        to.sends(488);
        from.gets(488);
    }
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 12.2.1.1: requests are sent to the last Contact.
#[test]
fn requests_follow_the_contact_of_a_re_invite_and_of_an_update() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(INVITE.offering(OFFER).with("Contact", "<sip:second@192.0.2.3>"));
    stage.alice.gets(INVITE);
    stage.alice.sends(200.answering(ANSWER).with("Contact", "<sip:moved@192.0.2.1>"));
    stage.bob.gets(200);
    stage.bob.sends(UPDATE);
    stage.alice.gets(UPDATE);
    assert_eq!(stage.alice.last_request().uri(), b"sip:moved@192.0.2.1");
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.alice.sends(UPDATE);
    stage.bob.gets(UPDATE);
    stage.bob.sends(200.with("Contact", "<sip:third@192.0.2.3>"));
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    assert_eq!(stage.bob.last_request().uri(), b"sip:third@192.0.2.3");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
}
