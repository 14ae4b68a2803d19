//! Requests within a call, from either side, and their responses: RFC 3261 section 12.2.

use std::time::Duration;

use attesta_sip::Name;
use attesta_tests::sim::{
    Agent, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, REFER, SUBSCRIBE, Said, TIMEOUT, UPDATE, Wording, method,
};
use insta::assert_snapshot;

use crate::common::{OFFER, Stage, answered, heard, heard_body};

/// One side sends a request, the other responds, and the response comes back.
fn crosses(from: &Agent, to: &Agent, request: &Said, status: u16) {
    from.sends(request.clone().with("X-Kept", "yes"));
    to.gets(request.clone());
    assert_eq!(to.last_request().headers().named("X-Kept"), Some(&b"yes"[..]));
    to.sends(status.with("X-Back", "too"));
    from.gets(status);
    assert_eq!(from.last_response().headers().named("X-Back"), Some(&b"too"[..]));
}

/// The request crosses from each side with each of these responses, one after the other.
fn crosses_both_ways(request: &Said, statuses: [u16; 3]) -> Stage {
    let stage = Stage::new();
    stage.talk();
    for status in statuses {
        crosses(&stage.alice, &stage.bob, request, status);
        crosses(&stage.bob, &stage.alice, request, status);
    }
    stage
}

#[test]
fn info_crosses_from_both_sides_with_its_response() {
    let stage = crosses_both_ways(&INFO, [200, 415, 501]);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn options_in_a_call_crosses_from_both_sides() {
    let stage = crosses_both_ways(&OPTIONS, [200, 406, 500]);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn message_in_a_call_crosses_from_both_sides() {
    let stage = crosses_both_ways(&MESSAGE, [200, 415, 603]);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn notify_crosses_from_both_sides() {
    let stage = crosses_both_ways(&NOTIFY, [200, 489, 500]);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn subscribe_in_a_call_crosses_from_both_sides() {
    let stage = crosses_both_ways(&SUBSCRIBE, [202, 489, 603]);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn refer_in_a_call_crosses_from_both_sides() {
    let stage = crosses_both_ways(&REFER, [202, 405, 603]);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn update_without_offer_crosses_from_both_sides() {
    let stage = crosses_both_ways(&UPDATE, [200, 422, 500]);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_method_that_no_rfc_names_crosses_from_both_sides() {
    let stage = crosses_both_ways(&method("FROB"), [200, 405, 603]);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3515 section 2.4: the outcome of a REFER comes in NOTIFYs.
#[test]
fn a_refer_and_its_notify_cross() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>"));
    stage.bob.gets(REFER);
    assert_eq!(heard(&stage.bob, Name::ReferTo), "<sip:+12155551214@192.0.2.2>");
    stage.bob.sends(202);
    stage.alice.gets(202);
    for state in ["active;expires=60", "terminated;reason=noresource"] {
        stage.bob.sends(NOTIFY.with("Event", "refer").with("Subscription-State", state));
        stage.alice.gets(NOTIFY);
        assert_eq!(heard(&stage.alice, Name::SubscriptionState), state);
        stage.alice.sends(200);
        stage.bob.gets(200);
    }
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn requests_from_both_sides_are_in_flight_at_once() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INFO);
    stage.bob.sends(MESSAGE);
    stage.bob.gets(INFO);
    stage.alice.gets(MESSAGE);
    stage.bob.sends(OPTIONS);
    stage.alice.gets(OPTIONS);
    stage.bob.sends(200);
    stage.alice.sends(486.to(OPTIONS));
    stage.alice.sends(202.to(MESSAGE));
    stage.alice.gets(200);
    stage.bob.gets(486);
    stage.bob.gets(202);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// The callee receives two requests at the same time and may answer them in any order.
#[test]
fn two_requests_of_one_side_are_answered_in_the_other_order() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INFO);
    stage.bob.gets(INFO);
    stage.alice.sends(MESSAGE);
    stage.bob.gets(MESSAGE);
    stage.bob.sends(202.to(MESSAGE));
    stage.alice.gets(202);
    stage.bob.sends(200.to(INFO));
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// An open INVITE delays no other request (RFC 3261 section 14.1 is only about INVITEs).
#[test]
fn an_info_crosses_while_a_re_invite_is_open() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    crosses(&stage.alice, &stage.bob, &INFO, 200);
    crosses(&stage.bob, &stage.alice, &INFO, 200);
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn an_info_in_an_early_dialog_crosses_from_both_sides() {
    let stage = Stage::new();
    stage.rings();
    crosses(&stage.alice, &stage.bob, &INFO, 200);
    crosses(&stage.bob, &stage.alice, &INFO, 200);
    stage.bob.sends(200.to(INVITE));
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 12.2.1.2.
#[test]
fn a_481_to_an_info_ends_the_call() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INFO);
    stage.bob.gets(INFO);
    stage.bob.sends(481);
    stage.alice.gets(481);
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 12.2.1.2.
#[test]
fn a_481_to_a_re_invite_ends_the_call() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(INVITE);
    stage.alice.gets(INVITE);
    stage.alice.sends(481);
    stage.bob.gets(481);
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 12.2.1.2.
#[test]
fn a_408_to_a_re_invite_ends_the_call_on_both_sides() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(408);
    stage.alice.gets(408);
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 12.2.1.2; RFC 4320 section 4.2 leaves the INFO without an answer.
#[test]
fn a_silent_peer_ends_the_call_on_both_sides() {
    let stage = Stage::new();
    stage.talk();
    stage.net.silences(stage.bob.address());
    stage.alice.sends(INFO);
    stage.alice.gets(TIMEOUT);
    stage.net.accepts(stage.bob.address());
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 12.2.1.2: an INVITE, too, may stay without any response.
#[test]
fn a_re_invite_without_a_response_ends_the_call_on_both_sides() {
    let stage = Stage::new();
    stage.talk();
    stage.net.silences(stage.bob.address());
    stage.alice.sends(INVITE.offering(OFFER));
    stage.alice.gets(408);
    stage.net.accepts(stage.bob.address());
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn an_info_that_is_lost_twice_arrives_once() {
    let stage = Stage::new();
    stage.talk();
    for _ in ["Alice's first", "Alice's second"] {
        stage.net.lose_next();
    }
    stage.alice.sends(INFO);
    stage.bob.gets(INFO);
    stage.net.lose_next();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.net.run_for(Duration::from_secs(5));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 12.2.2: a CSeq below the last is out of order.
#[test]
fn a_request_with_an_old_cseq_gets_500() {
    let stage = Stage::new();
    stage.talk();
    crosses(&stage.alice, &stage.bob, &INFO, 200);
    stage.alice.sends(INFO.with("CSeq", "1 INFO"));
    stage.alice.gets(500);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 sections 8.2.2.3 and 16.3.
#[test]
fn a_request_without_hops_or_with_a_strange_require_is_refused() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(INFO.with("Max-Forwards", "0"));
    stage.bob.gets(483);
    stage.bob.sends(INFO.with("Require", "frob"));
    stage.bob.gets(420);
    assert_eq!(answered(&stage.bob, Name::Unsupported), "frob");
    stage.bob.sends(INFO.with("Max-Forwards", "1"));
    stage.alice.gets(INFO);
    assert_eq!(heard(&stage.alice, Name::MaxForwards), "0");
    stage.alice.sends(200);
    stage.bob.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_ninth_request_in_flight_gets_500_with_retry_after() {
    let stage = Stage::new();
    stage.talk();
    for _ in 0..8 {
        stage.alice.sends(INFO);
        stage.bob.gets(INFO);
    }
    stage.alice.sends(INFO);
    stage.alice.gets(500);
    assert!(!answered(&stage.alice, Name::RetryAfter).is_empty());
    for _ in 0..8 {
        stage.bob.sends(200);
        stage.alice.gets(200);
    }
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// A body of any type crosses, in the request and in the response.
#[test]
fn the_bodies_of_an_update_cross() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(UPDATE.offering(OFFER));
    stage.alice.gets(UPDATE);
    assert_eq!(heard_body(&stage.alice), OFFER);
    stage.alice.sends(200.answering("v=0\r\n"));
    stage.bob.gets(200);
    assert_eq!(stage.bob.last_response().body(), b"v=0\r\n");
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}
