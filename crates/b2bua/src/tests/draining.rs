//! How an edge ends its work: first it drains, then it hangs up.

use std::time::Duration;

use super::rig::*;
use crate::{Cause, Input};

#[test]
fn a_draining_edge_refuses_new_calls_and_keeps_current_ones() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.input(Input::Drain);
    assert_eq!(rig.counters().draining, 1);
    rig.is_silent();
    for method in [INVITE, MESSAGE, OPTIONS] {
        rig.request(ALICE, method, &uri(CALLEE), &outside_dialog(method, method, ""), "");
        let refusal = rig.gets_response(ALICE, 503);
        assert_eq!(header(&refusal, attesta_sip::Name::RetryAfter), "30", "{method}");
    }
    assert_eq!(rig.refused("draining"), 3);
    rig.request(MALLORY, OPTIONS, &uri(CALLEE), &outside_dialog(OPTIONS, "call-1", ""), "");
    rig.gets_response(MALLORY, 403);

    // Requests within the dialog are relayed, even OPTIONS.
    rig.alice_sends(&talk, INFO, 2);
    let info = rig.gets_request(BOB, INFO);
    rig.responds(BOB, &info, 200);
    rig.gets_response(ALICE, 200);
    rig.alice_sends(&talk, OPTIONS, 3);
    assert!(!rig.board.is_empty());
    rig.clear();
    rig.bob_sends(&talk, BYE, 9);
    rig.run_for(Duration::from_secs(4));
    rig.clear();
    assert!(rig.board.is_empty() && !rig.board.is_settled(), "Alice owes a response to the BYE");
    rig.ends_clean(Cause::CalleeHungUp);
    assert!(rig.board.is_settled());
}

#[test]
fn a_draining_edge_accepts_emergency_calls_and_messages() {
    let mut rig = Rig::plain();
    rig.input(Input::Drain);
    assert!(rig.board.is_empty() && rig.board.is_settled());
    rig.invites(ALICE, &uri("911"), "call-1");
    rig.gets_request(BOB, INVITE);
    rig.request(ALICE, MESSAGE, &uri("911"), &outside_dialog(MESSAGE, "message", ""), "");
    rig.gets_request(BOB, MESSAGE);
    assert_eq!((rig.counters().calls_live, rig.refused("draining")), (1, 0));
    assert!(!rig.board.is_empty());
}

#[test]
fn hang_up_ends_answered_calls_on_both_sides() {
    let mut rig = Rig::plain();
    rig.talk();
    rig.input(Input::Drain);
    rig.input(Input::HangUp);
    for peer in [ALICE, BOB] {
        let bye = rig.gets_request(peer, BYE);
        assert!(!rig.board.is_settled());
        rig.responds(peer, &bye, 200);
    }
    rig.is_silent();
    assert!(rig.board.is_settled());
    rig.ends_clean(Cause::ShutDown);
}

#[test]
fn hang_up_cancels_ringing_calls_and_refuses_the_caller() {
    let mut rig = Rig::plain();
    let invite = rig.rings().invite;
    rig.input(Input::HangUp);
    let refusal = rig.gets_response(ALICE, 503);
    assert_eq!(header(&refusal, attesta_sip::Name::RetryAfter), "30");
    let cancel = rig.gets_request(BOB, CANCEL);
    rig.is_silent();
    assert!(rig.board.is_empty() && !rig.board.is_settled());
    rig.responds(BOB, &cancel, 200);
    rig.responds(BOB, &invite, 487);
    rig.gets_request(BOB, ACK);
    let to = format!("To: {}\r\n", header(&refusal, attesta_sip::Name::To));
    let ack = outside_dialog(ACK, "call-1", &to);
    rig.receives(ALICE, request(ALICE, ACK, &uri(CALLEE), "z9hG4bK1", &ack, ""));
    rig.is_silent();
    assert!(rig.board.is_settled());
    rig.ends_clean(Cause::ShutDown);
}

#[test]
fn hang_up_refuses_calls_whose_target_is_being_resolved() {
    let mut rig = Rig::plain();
    rig.holds_names = true;
    rig.invite("");
    rig.clear();
    rig.input(Input::HangUp);
    rig.gets_response(ALICE, 503);
    rig.is_silent();
    rig.ends_clean(Cause::ShutDown);
}

#[test]
fn hang_up_sends_no_bye_before_the_ack_of_our_2xx() {
    let mut rig = Rig::plain();
    let talk = rig.answered();
    rig.input(Input::HangUp);
    rig.gets_request(BOB, ACK);
    rig.gets_request(BOB, BYE);
    // RFC 3261 section 15.1.1: no BYE before the ACK of our own 2xx.
    rig.is_silent();
    rig.alice_sends(&talk, ACK, 1);
    rig.gets_request(ALICE, BYE);
    rig.ends_clean(Cause::ShutDown);
}

#[test]
fn after_hang_up_even_emergency_calls_get_503() {
    let mut rig = Rig::plain();
    rig.input(Input::HangUp);
    rig.input(Input::Drain);
    rig.invites(ALICE, &uri("911"), "call-1");
    rig.gets_response(ALICE, 503);
    rig.is_silent();
    assert_eq!((rig.counters().calls, rig.counters().draining), (0, 1));
}
