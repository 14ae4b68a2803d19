//! Requests within a dialog: RFC 3261 sections 12.2 and 14, RFC 3262, RFC 3311.

use std::time::Duration;

use attesta_sip::Name;

use super::ladder::{Talk, session_of};
use super::rig::*;
use crate::Cause;

#[test]
fn a_re_invite_of_the_callee_and_its_answer_are_relayed() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.bob_sends_with(&talk, INVITE, 5, &session_of(&format!("{BOB};new")), OFFER);
    let relayed = rig.gets_request(ALICE, INVITE);
    assert_eq!(value(&relayed, Name::CSeq), "1 INVITE");
    assert_eq!(value(&relayed, Name::Contact), format!("<sip:{EDGE}>"));
    assert_eq!(relayed.body(), OFFER.as_bytes());
    rig.responds(ALICE, &relayed, 100);
    rig.reply_with(ALICE, &relayed, 200, "", &contact(ALICE), ANSWER);
    let ok = rig.gets_response(BOB, 200);
    assert_eq!(header(&ok, Name::CSeq), "5 INVITE");
    assert_eq!(ok.body(), ANSWER.as_bytes());
    rig.bob_sends(&talk, ACK, 5);
    assert_eq!(value(&rig.gets_request(ALICE, ACK), Name::CSeq), "1 ACK");
    rig.is_silent();
    // The re-INVITE was a target refresh: later requests go to the new Contact.
    rig.alice_sends(&talk, BYE, 2);
    assert_eq!(rig.gets_request(BOB, BYE).uri(), format!("sip:{BOB};new").as_bytes());
}

#[test]
fn a_refused_re_invite_leaves_the_call_up() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_re_invites(&talk, 2);
    let relayed = rig.gets_request(BOB, INVITE);
    rig.responds(BOB, &relayed, 488);
    rig.gets_request(BOB, ACK);
    rig.gets_response(ALICE, 488);
    assert_eq!(rig.counters().calls_live, 1);
}

#[test]
fn a_cancel_of_a_re_invite_is_relayed_and_the_call_goes_on() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    let again = talk.alice(INVITE, 2) + &session_of(ALICE);
    rig.receives(ALICE, request(ALICE, INVITE, &edge(), "z9hG4bKre", &again, OFFER));
    let relayed = rig.gets_request(BOB, INVITE);
    rig.responds(BOB, &relayed, 180);
    rig.gets_response(ALICE, 180);
    let cancel = talk.alice(CANCEL, 2);
    rig.receives(ALICE, request(ALICE, CANCEL, &edge(), "z9hG4bKre", &cancel, ""));
    rig.gets_response(ALICE, 200);
    rig.gets_request(BOB, CANCEL);
    rig.responds(BOB, &relayed, 487);
    rig.gets_response(ALICE, 487);
    assert_eq!(rig.counters().calls_live, 1);
}

#[test]
fn re_invites_during_an_open_re_invite_get_491_or_500() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_re_invites(&talk, 2);
    rig.gets_request(BOB, INVITE);
    rig.bob_sends_with(&talk, INVITE, 1, &format!("Contact: <sip:{BOB}>\r\n"), OFFER);
    rig.gets_response(BOB, 491);
    // A second re-INVITE of the same side: RFC 3261 section 14.2.
    rig.alice_re_invites(&talk, 3);
    let response = rig.gets_response(ALICE, 500);
    assert!(header(&response, Name::RetryAfter).parse::<u8>().unwrap() <= 10);
    assert_eq!(rig.refused("glare"), 2);
}

#[test]
fn invites_in_an_early_dialog_get_500_or_491() {
    let mut rig = Rig::plain();
    let talk = rig.rings();
    rig.alice_re_invites(&talk, 2);
    rig.gets_response(ALICE, 500);
    rig.bob_sends_with(&talk, INVITE, 1, &format!("Contact: <sip:{BOB}>\r\n"), OFFER);
    rig.gets_response(BOB, 491);
}

#[test]
fn requests_of_any_method_and_their_responses_are_relayed() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    for (seq, method) in (2..).zip([UPDATE, INFO, OPTIONS, MESSAGE, "REFER", "NOTIFY", "FROB"]) {
        let headers = "X-Kept: yes\r\nContent-Type: text/plain\r\n";
        rig.alice_sends_with(&talk, method, seq, headers, "body");
        let relayed = rig.gets_request(BOB, method);
        assert_eq!(value(&relayed, Name::CSeq), format!("{seq} {method}"));
        assert_eq!(relayed.headers().named("X-Kept"), Some(&b"yes"[..]));
        assert_eq!(relayed.body(), b"body");
        rig.reply(BOB, &relayed, 202, "", "X-Back: too\n");
        let response = rig.gets_response(ALICE, 202);
        assert_eq!(response.headers().named("X-Back"), Some(&b"too"[..]));
        rig.is_silent();
    }
}

#[test]
fn a_reliable_183_its_prack_and_an_early_update_are_relayed() {
    let mut rig = Rig::plain();
    let headers = dialog_forming(
        "Supported: 100rel, replaces, path\r\nRequire: 100rel\r\nAllow: INVITE, REGISTER\r\nAllow: FROB\r\n",
    )
    .replace("1 INVITE", "314 INVITE");
    rig.request(ALICE, INVITE, &uri(CALLEE), &headers, OFFER);
    let invite = rig.gets_request(BOB, INVITE);
    assert_eq!(value(&invite, Name::Require), "100rel");
    assert_eq!(
        value(&invite, Name::Supported),
        "100rel, replaces, timer",
        "only extensions that the edge can relay"
    );
    assert_eq!(value(&invite, Name::Allow), "INVITE, FROB");
    rig.reply_with(BOB, &invite, 183, "b", &format!("{}Require: 100rel\nRSeq: 988\n", contact(BOB)), ANSWER);
    let ok = rig.gets_response(ALICE, 183);
    assert_eq!(header(&ok, Name::RSeq), "988");
    let talk = Talk { invite, ok };
    rig.alice_sends_with(&talk, PRACK, 315, "RAck: 988 314 INVITE\r\n", "");
    let prack = rig.gets_request(BOB, PRACK);
    assert_eq!(value(&prack, Name::RAck), "988 1 INVITE");
    rig.responds(BOB, &prack, 200);
    rig.gets_response(ALICE, 200);
    // UPDATE within the early dialog (RFC 3311 section 5.1).
    rig.alice_sends_with(&talk, UPDATE, 316, "", OFFER);
    let update = rig.gets_request(BOB, UPDATE);
    assert_eq!(value(&update, Name::CSeq), "3 UPDATE");
}

#[test]
fn requests_out_of_order_or_outside_a_dialog_are_refused() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_sends(&talk, INFO, 9);
    rig.gets_request(BOB, INFO);
    rig.alice_sends(&talk, INFO, 8);
    rig.gets_response(ALICE, 500);
    assert_eq!(rig.refused("out-of-order"), 1);
    for method in [INFO, BYE, INVITE, "FROB"] {
        let headers = talk.alice(method, 20).replace("tag=a\r\n", "tag=z\r\n");
        rig.request(ALICE, method, &edge(), &headers, "");
        rig.gets_response(ALICE, 481);
    }
    rig.alice_sends(&talk, ACK, 99);
    rig.is_silent();
}

#[test]
fn max_forwards_and_require_are_checked_within_dialogs() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_sends_with(&talk, INFO, 2, "Max-Forwards: 0\r\n", "");
    rig.gets_response(ALICE, 483);
    rig.alice_sends_with(&talk, INFO, 3, "Require: frob\r\n", "");
    assert_eq!(header(&rig.gets_response(ALICE, 420), Name::Unsupported), "frob");
}

#[test]
fn a_ninth_request_in_flight_gets_500_with_retry_after() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    for seq in 2..10 {
        rig.alice_sends(&talk, INFO, seq);
        rig.gets_request(BOB, INFO);
    }
    rig.alice_sends(&talk, INFO, 10);
    assert!(rig.gets_response(ALICE, 500).headers().contains(Name::RetryAfter));
    assert_eq!(rig.refused("request-cap"), 1);
}

#[test]
fn a_481_to_an_info_ends_the_call() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_sends(&talk, INFO, 2);
    let info = rig.gets_request(BOB, INFO);
    rig.responds(BOB, &info, 481);
    rig.gets_response(ALICE, 481);
    // RFC 3261 section 12.2.1.2: the side that said 481 gets a BYE too.
    rig.gets_request(ALICE, BYE);
    rig.gets_request(BOB, BYE);
    rig.is_silent();
    rig.ends_clean(Cause::Lost);
}

#[test]
fn a_re_invite_without_a_response_ends_the_call() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_re_invites(&talk, 2);
    rig.run_for(Duration::from_millis(31_900));
    rig.clear();
    rig.run_for(Duration::from_millis(100));
    rig.gets_response(ALICE, 408);
    rig.gets_request(ALICE, BYE);
    rig.gets_request(BOB, BYE);
    rig.ends_clean(Cause::Lost);
}

#[test]
fn an_open_re_invite_gets_487_when_the_call_ends() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_re_invites(&talk, 2);
    let relayed = rig.gets_request(BOB, INVITE);
    rig.responds(BOB, &relayed, 100);
    rig.bob_sends(&talk, BYE, 1);
    rig.gets_response(BOB, 200);
    rig.gets_request(BOB, CANCEL);
    rig.gets_response(ALICE, 487);
    rig.gets_request(ALICE, BYE);
    rig.is_silent();
    rig.ends_clean(Cause::CalleeHungUp);
}

#[test]
fn a_re_invite_that_rings_too_long_is_cancelled() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_re_invites(&talk, 2);
    let relayed = rig.gets_request(BOB, INVITE);
    rig.responds(BOB, &relayed, 180);
    rig.gets_response(ALICE, 180);
    rig.run_for(Duration::from_secs(120));
    let cancel = rig.gets_request(BOB, CANCEL);
    rig.responds(BOB, &cancel, 200);
    rig.is_silent();
    rig.responds(BOB, &relayed, 487);
    rig.gets_request(BOB, ACK);
    rig.gets_response(ALICE, 487);
    assert_eq!(rig.counters().calls_live, 1);
    rig.is_silent();
}

#[test]
fn a_200_that_crosses_the_cancel_of_a_re_invite_is_relayed() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_re_invites(&talk, 2);
    let relayed = rig.gets_request(BOB, INVITE);
    rig.responds(BOB, &relayed, 180);
    rig.gets_response(ALICE, 180);
    rig.run_for(Duration::from_secs(120));
    rig.gets_request(BOB, CANCEL);
    rig.reply_with(BOB, &relayed, 200, "", &contact(BOB), ANSWER);
    rig.gets_response(ALICE, 200);
    rig.alice_sends(&talk, ACK, 2);
    assert_eq!(value(&rig.gets_request(BOB, ACK), Name::CSeq), "2 ACK");
}

#[test]
fn a_481_in_an_early_dialog_does_not_end_the_call() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.reply(BOB, &invite, 183, "b", &contact(BOB));
    let ok = rig.gets_response(ALICE, 183);
    let talk = Talk { invite, ok };
    rig.alice_sends_with(&talk, UPDATE, 2, "", OFFER);
    let update = rig.gets_request(BOB, UPDATE);
    rig.responds(BOB, &update, 481);
    rig.gets_response(ALICE, 481);
    rig.is_silent();
    assert_eq!(rig.counters().calls_live, 1);
}
