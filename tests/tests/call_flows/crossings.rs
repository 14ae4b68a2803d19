//! The rows of `docs/crossings.md` that decide more than a plain relay, from both sides where the sides differ.

use std::time::Duration;

use attesta_sip::Name;
use attesta_tests::sim::{
    ACK, Agent, BYE, CANCEL, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, PRACK, REFER, Said, UPDATE, Wording,
};
use insta::assert_snapshot;

use crate::common::{ANSWER, HOLD, OFFER, Stage, answered, answered_body, heard, heard_body};

impl Stage {
    /// Alice calls, Bob answers. Alice has not acknowledged the 200.
    fn is_answered_without_ack(&self) {
        self.rings();
        self.alice.acknowledges_nothing();
        self.bob.sends(200);
        self.alice.gets(200);
    }
}

/// RFC 5407 section 3.1.4: the ACK is lost, and the re-INVITE says that the 200 has arrived.
#[test]
fn a_re_invite_of_the_caller_overtakes_its_ack() {
    let stage = Stage::new();
    stage.is_answered_without_ack();
    stage.alice.sends(INVITE.offering(HOLD));
    stage.bob.gets(ACK);
    stage.bob.gets(INVITE);
    assert_eq!(heard_body(&stage.bob), HOLD);
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    stage.alice.sends(ACK);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 5407 section 3.1.5: the 200 made an offer, and the ACK with the answer is still due.
#[test]
fn a_re_invite_before_the_ack_of_a_late_offer_gets_491() {
    let stage = Stage::new();
    stage.alice.acknowledges_nothing();
    stage.alice.sends(INVITE.without_body());
    stage.bob.gets(INVITE);
    stage.bob.sends(200.offering(OFFER));
    stage.alice.gets(200);
    stage.alice.sends(INVITE.offering(HOLD));
    stage.alice.gets(491);
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3311 section 5.2.
#[test]
fn an_update_with_offer_gets_491_while_the_other_sides_offer_is_open() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(UPDATE.offering(HOLD));
    stage.bob.gets(UPDATE);
    stage.bob.sends(UPDATE.offering(OFFER));
    stage.bob.gets(491);
    stage.bob.sends(200.answering(ANSWER).to(UPDATE));
    stage.alice.gets(200);
    assert_eq!(answered_body(&stage.alice), ANSWER);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3311 section 5.2.
#[test]
fn a_second_update_with_offer_of_one_side_gets_500_with_retry_after() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(UPDATE.offering(HOLD));
    stage.alice.gets(UPDATE);
    stage.bob.sends(UPDATE.offering(OFFER));
    stage.bob.gets(500);
    assert!(answered(&stage.bob, Name::RetryAfter).parse::<u32>().is_ok_and(|seconds| seconds <= 10));
    stage.alice.sends(200.answering(ANSWER));
    stage.bob.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn an_update_without_offer_crosses_an_open_offer() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(UPDATE.offering(HOLD));
    stage.bob.gets(UPDATE);
    stage.bob.sends(UPDATE);
    stage.alice.gets(UPDATE);
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.bob.sends(200.answering(ANSWER).to(UPDATE));
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3311 section 5.2: the offer of the INVITE has no reliable answer yet.
#[test]
fn an_early_update_with_offer_gets_500_before_the_answer() {
    let stage = Stage::new();
    stage.rings();
    stage.alice.sends(UPDATE.offering(HOLD));
    stage.alice.gets(500);
    stage.bob.sends(UPDATE.offering(HOLD));
    stage.bob.gets(491);
    stage.bob.sends(200.to(INVITE));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_re_invite_gets_491_while_an_update_with_offer_is_open() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(UPDATE.offering(HOLD));
    stage.bob.gets(UPDATE);
    stage.bob.sends(INVITE.offering(OFFER));
    stage.bob.gets(491);
    stage.bob.sends(200.answering(ANSWER).to(UPDATE));
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 6141 section 3: after the refusal, the next offer is not glare.
#[test]
fn an_offer_after_a_refused_offer_crosses() {
    let stage = Stage::new();
    stage.talk();
    for refused in [UPDATE, INVITE] {
        stage.alice.sends(refused.clone().offering(HOLD));
        stage.bob.gets(refused);
        stage.bob.sends(488);
        stage.alice.gets(488);
        stage.bob.sends(UPDATE.offering(OFFER));
        stage.alice.gets(UPDATE);
        stage.alice.sends(200.answering(ANSWER));
        stage.bob.gets(200);
    }
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// A 2xx without the answer closes the offer. One wrong peer must not block all later offers.
#[test]
fn an_update_whose_200_has_no_answer_blocks_no_later_offer() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(UPDATE.offering(HOLD));
    stage.bob.gets(UPDATE);
    stage.bob.sends(200.without_body());
    stage.alice.gets(200);
    stage.bob.sends(UPDATE.offering(OFFER));
    stage.alice.gets(UPDATE);
    stage.alice.sends(200.answering(ANSWER));
    stage.bob.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// ISUP over SIP: the release is acknowledged by a body in the 200 of the BYE.
#[test]
fn the_body_of_the_200_to_a_bye_crosses() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(BYE.with("X-Billing", "end"));
    stage.bob.gets(BYE);
    assert_eq!(stage.bob.last_request().headers().named("X-Billing"), Some(&b"end"[..]));
    stage.bob.sends(200.answering("released").with("X-Charge", "7"));
    stage.alice.gets(200);
    assert_eq!(answered_body(&stage.alice), "released");
    assert_eq!(stage.alice.last_response().headers().named("X-Charge"), Some(&b"7"[..]));
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_challenge_to_a_bye_crosses_and_the_bye_comes_again() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(BYE);
    stage.alice.gets(BYE);
    stage.alice.sends(407.with("Proxy-Authenticate", "Digest realm=\"a\", nonce=\"n\""));
    stage.bob.gets(407);
    assert_eq!(answered(&stage.bob, Name::ProxyAuthenticate), "Digest realm=\"a\", nonce=\"n\"");
    stage.bob.sends(BYE.with("Proxy-Authorization", "Digest username=\"b\""));
    stage.alice.gets(BYE);
    assert_eq!(heard(&stage.alice, Name::ProxyAuthorization), "Digest username=\"b\"");
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 15.1.1: the sender of a BYE has left the call, even if its BYE was challenged.
#[test]
fn a_challenged_bye_that_does_not_come_again_ends_the_call_all_the_same() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    stage.bob.sends(401.with("WWW-Authenticate", "Digest realm=\"b\", nonce=\"n\""));
    stage.alice.gets(401);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// The caller gets our own 200 after three seconds, and the BYE of the silent side runs on.
#[test]
fn a_bye_whose_far_side_takes_too_long_gets_our_own_200() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    stage.alice.gets(200);
    stage.bob.sends(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_bye_towards_a_closed_port_gets_our_own_200() {
    let stage = Stage::new();
    stage.talk();
    stage.net.refuses(stage.bob.address());
    stage.alice.sends(BYE);
    stage.alice.gets(200);
    stage.alice.hears_no_more();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 5407 section 3.1.3: the callee may not send this BYE, but its 200 still gets an ACK, and the caller's BYE waits.
#[test]
fn the_callee_hangs_up_before_the_callers_ack() {
    let stage = Stage::new();
    stage.is_answered_without_ack();
    stage.bob.sends(BYE);
    stage.bob.gets(200);
    stage.bob.gets(ACK);
    stage.alice.sends(ACK);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 15: the BYE of one early dialog leaves the other.
#[test]
fn a_bye_of_one_early_dialog_leaves_the_other() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    for branch in ["one", "two"] {
        stage.bob.sends(180.on_branch(branch));
        stage.alice.gets(180);
    }
    stage.alice.sends(BYE);
    stage.alice.gets(200);
    stage.bob.gets(BYE);
    assert!(heard(&stage.bob, Name::To).ends_with(";tag=two"));
    stage.bob.sends(200);
    stage.bob.sends(486.to(INVITE));
    stage.alice.gets(486);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// The request gets this final response, and the call goes on.
fn leaves_the_call(request: &Said, status: u16) -> Stage {
    let stage = Stage::new();
    stage.talk();
    let one_way = |from: &Agent, to: &Agent| {
        from.sends(request.clone());
        to.gets(request.clone());
        to.sends(status);
        from.gets(status);
    };
    one_way(&stage.alice, &stage.bob);
    one_way(&stage.bob, &stage.alice);
    stage.alice.sends(INFO);
    stage.bob.gets(INFO);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage
}

/// RFC 5057 section 5.1: the NOTIFY belongs to a subscription.
#[test]
fn a_481_to_a_notify_leaves_the_call() {
    let stage = leaves_the_call(&NOTIFY, 481);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_481_to_an_options_leaves_the_call() {
    let stage = leaves_the_call(&OPTIONS, 481);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_481_to_a_message_leaves_the_call() {
    let stage = leaves_the_call(&MESSAGE, 481);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_481_to_a_refer_leaves_the_call() {
    let stage = leaves_the_call(&REFER, 481);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_404_to_an_info_leaves_the_call() {
    let stage = leaves_the_call(&INFO, 404);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_481_to_an_update_ends_the_call_on_both_sides() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(UPDATE);
    stage.alice.gets(UPDATE);
    stage.alice.sends(481);
    stage.bob.gets(481);
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 8.1.3.1: the port is closed for a moment, and the call goes on.
#[test]
fn a_request_towards_a_closed_port_gets_503_and_the_call_goes_on() {
    let stage = Stage::new();
    stage.talk();
    for (from, to) in [(&stage.alice, &stage.bob), (&stage.bob, &stage.alice)] {
        for request in [INFO, INVITE, UPDATE] {
            stage.net.refuses(to.address());
            from.sends(request.clone());
            from.gets(503);
            stage.net.accepts(to.address());
            from.sends(request.clone());
            to.gets(request.clone());
            to.sends(200);
            from.gets(200);
            if request == INVITE {
                to.gets(ACK);
            }
        }
    }
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 13.2.2.4: the 200 comes again after the BYE, because its ACK was lost.
#[test]
fn a_200_that_comes_again_after_the_bye_gets_its_ack_again() {
    let stage = Stage::new();
    stage.rings();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.net.lose_next();
    stage.net.run_for(Duration::from_millis(100));
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 13.2.2.4: the 200 of a re-INVITE that the end of the call has cancelled gets an ACK, and no second BYE.
#[test]
fn a_late_200_of_a_re_invite_gets_an_ack_and_no_second_bye() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(HOLD));
    stage.bob.gets(INVITE);
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.alice.sends(BYE);
    stage.alice.gets(200);
    stage.alice.gets(487);
    stage.bob.gets(CANCEL);
    stage.bob.gets(BYE);
    stage.bob.sends(200.to(BYE));
    stage.bob.sends(200.answering(ANSWER).to(INVITE));
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 13.2.2.4: the route set of the 200 counts, and not that of the 180 with the same tag.
#[test]
fn the_route_set_and_the_target_come_from_the_200() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage
        .bob
        .sends(180.with("Record-Route", "<sip:192.0.2.3;lr;early>").with("Contact", "<sip:early@192.0.2.3>"));
    stage.alice.gets(180);
    stage
        .bob
        .sends(200.with("Record-Route", "<sip:192.0.2.3;lr;late>").with("Contact", "<sip:late@192.0.2.3>"));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_eq!(stage.bob.last_request().uri(), b"sip:late@192.0.2.3");
    assert_eq!(heard(&stage.bob, Name::Route), "<sip:192.0.2.3;lr;late>");
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    assert_eq!(stage.bob.last_request().uri(), b"sip:late@192.0.2.3");
    assert_eq!(heard(&stage.bob, Name::Route), "<sip:192.0.2.3;lr;late>");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 12: the Call-ID belongs to the dialog as the tags do.
#[test]
fn a_request_with_another_call_id_is_outside_the_dialog() {
    let stage = Stage::new();
    stage.talk();
    for agent in [&stage.alice, &stage.bob] {
        for request in [INFO, BYE, INVITE] {
            agent.sends(request.with("Call-ID", "guessed").within());
            agent.gets(481);
        }
    }
    assert_snapshot!(stage.net.ladder());
}

/// A CSeq number of the re-INVITE is in the RAck, also if the PRACK comes after the 200.
#[test]
fn a_prack_of_a_re_invite_names_the_re_invite_after_its_200() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.acknowledges_nothing();
    stage.bob.sends(INVITE.with("Supported", "100rel"));
    stage.alice.gets(INVITE);
    let invite = heard(&stage.alice, Name::CSeq);
    stage.alice.sends(183.reliably(1));
    stage.bob.gets(183);
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.bob.sends(PRACK);
    stage.alice.gets(PRACK);
    assert_eq!(heard(&stage.alice, Name::RAck), format!("1 {invite}"));
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.bob.sends(ACK);
    stage.alice.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3262 section 3: a PRACK is for one response, once.
#[test]
fn a_second_prack_of_the_same_response_gets_481() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Supported", "100rel"));
    stage.bob.gets(INVITE);
    stage.bob.sends(183.reliably(1));
    stage.alice.gets(183);
    for status in [200, 481] {
        stage.alice.sends(PRACK);
        if status == 200 {
            stage.bob.gets(PRACK);
            stage.bob.sends(200);
        }
        stage.alice.gets(status);
    }
    stage.bob.sends(200.to(INVITE));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 9.1: the CANCEL of a re-INVITE that rings too long comes from the edge.
#[test]
fn a_re_invite_that_rings_for_two_minutes_is_cancelled() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(INVITE.offering(HOLD));
    stage.alice.gets(INVITE);
    stage.alice.sends(180);
    stage.bob.gets(180);
    stage.net.run_for(Duration::from_secs(121));
    stage.alice.gets(CANCEL);
    stage.alice.sends(487.to(INVITE));
    stage.bob.gets(487);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// The callee answers in the early dialog that the caller has ended: this 200 gets an ACK and a BYE.
#[test]
fn a_200_in_an_early_dialog_that_was_ended_is_hung_up() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    for branch in ["one", "two"] {
        stage.bob.sends(180.on_branch(branch));
        stage.alice.gets(180);
    }
    stage.alice.sends(BYE);
    stage.alice.gets(200);
    stage.bob.gets(BYE);
    stage.bob.sends(200.to(BYE));
    stage.bob.sends(200.to(INVITE).on_branch("two"));
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    stage.bob.sends(200.to(BYE));
    stage.alice.gets(487);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}
