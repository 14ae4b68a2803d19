//! How calls end: BYE and CANCEL (RFC 3261 sections 15 and 9), and that nothing of them remains.

use std::time::Duration;

use attesta_sip::Name;

use super::ladder::{Talk, alice_cancel};
use super::rig::*;
use crate::{Cause, Config, InboundIdentity, Trunk, TrunkTimers};

#[test]
fn the_caller_hangs_up() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_sends_with(&talk, BYE, 2, "Reason: Q.850;cause=16\r\n", "");
    let bye = rig.gets_request(BOB, BYE);
    rig.is_silent();
    assert_eq!(value(&bye, Name::CSeq), "2 BYE");
    assert_eq!(value(&bye, Name::Reason), "Q.850;cause=16");
    rig.responds(BOB, &bye, 200);
    rig.gets_response(ALICE, 200);
    rig.is_silent();
    rig.ends_clean(Cause::CallerHungUp);
}

#[test]
fn the_callee_hangs_up() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.bob_sends(&talk, BYE, 77);
    let bye = rig.gets_request(ALICE, BYE);
    assert_eq!(value(&bye, Name::CallId), "call-1");
    assert_eq!(value(&bye, Name::CSeq), "1 BYE");
    rig.responds(ALICE, &bye, 200);
    rig.gets_response(BOB, 200);
    rig.ends_clean(Cause::CalleeHungUp);
}

#[test]
fn both_hang_up_at_once() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_sends(&talk, BYE, 2);
    rig.bob_sends(&talk, BYE, 1);
    rig.gets_response(ALICE, 200);
    rig.gets_request(BOB, BYE);
    rig.gets_response(BOB, 200);
    rig.is_silent();
    rig.ends_clean(Cause::CallerHungUp);
}

#[test]
fn a_call_ends_even_if_the_callee_ignores_the_bye() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_sends(&talk, BYE, 2);
    rig.run_for(Duration::from_millis(2_900));
    rig.clear();
    rig.run_for(Duration::from_millis(100));
    rig.gets_response(ALICE, 200);
    rig.clear();
    assert_eq!((rig.counters().calls_live, rig.counters().dialogs_live), (0, 1));
    rig.ends_clean(Cause::CallerHungUp);
}

#[test]
fn a_bye_before_the_callers_ack_reaches_the_caller_after_it() {
    let mut rig = Rig::plain();
    let talk = rig.answered();
    rig.bob_sends(&talk, BYE, 1);
    rig.gets_response(BOB, 200);
    // RFC 5407 section 3.1.3: the 2xx of the callee gets its ACK.
    rig.gets_request(BOB, ACK);
    rig.is_silent();
    // RFC 3261 section 15.1.1: no BYE before the ACK of our own 2xx.
    rig.alice_sends(&talk, ACK, 1);
    rig.gets_request(ALICE, BYE);
    rig.is_silent();
    rig.ends_clean(Cause::CalleeHungUp);
}

#[test]
fn the_caller_cancels_while_the_callee_rings() {
    let mut rig = Rig::plain();
    let invite = rig.rings().invite;
    rig.alice_cancels();
    let cancel = rig.gets_request(BOB, CANCEL);
    assert_eq!(value(&cancel, Name::Reason), "SIP;cause=200;text=\"elsewhere\"");
    assert_eq!(value(&cancel, Name::Via), value(&invite, Name::Via));
    rig.responds(BOB, &cancel, 200);
    rig.responds(BOB, &invite, 487);
    rig.gets_request(BOB, ACK);
    rig.is_silent();
    rig.ends_clean(Cause::Cancelled);
}

/// An edge whose trunk `alice` is a subnet. One address of this subnet is another trunk, `mallory`.
fn neighbours() -> Config {
    let (alice, bob) = trunks();
    let alice = alice.source("198.51.100.0/24".parse().unwrap());
    let mallory = Trunk::new("mallory").source("198.51.100.66".parse().unwrap());
    let mallory = mallory.inbound_identity(InboundIdentity::Pass);
    builder().trunk(alice).trunk(bob).trunk(mallory).build().unwrap()
}

#[test]
fn a_cancel_from_any_address_of_the_callers_trunk_is_accepted() {
    let mut rig = Rig::new(neighbours());
    let invite = rig.rings().invite;
    rig.receives("198.51.100.7:5070", alice_cancel());
    rig.gets_response("198.51.100.7:5070", 200);
    rig.gets_response(ALICE, 487);
    let cancel = rig.gets_request(BOB, CANCEL);
    rig.responds(BOB, &cancel, 200);
    rig.responds(BOB, &invite, 487);
    rig.gets_request(BOB, ACK);
    rig.is_silent();
    rig.ends_clean(Cause::Cancelled);
}

#[test]
fn a_cancel_from_another_trunk_or_source_gets_481() {
    let mut rig = Rig::new(neighbours());
    let invite = rig.rings().invite;
    // An unknown source, the callee, and another trunk within the subnet of the caller.
    for from in [MALLORY, BOB, "198.51.100.66:5060"] {
        rig.receives(from, alice_cancel());
        rig.gets_response(from, 481);
        rig.is_silent();
    }
    rig.bob_answers(&invite);
}

#[test]
fn a_cancel_before_the_first_provisional_response_waits_for_it() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.alice_cancels();
    rig.is_silent();
    rig.responds(BOB, &invite, 100);
    rig.gets_request(BOB, CANCEL);
    rig.responds(BOB, &invite, 487);
    rig.gets_request(BOB, ACK);
    rig.ends_clean(Cause::Cancelled);
}

#[test]
fn a_2xx_that_crosses_the_cancel_gets_an_ack_and_a_bye() {
    let mut rig = Rig::plain();
    let invite = rig.rings().invite;
    rig.alice_cancels();
    rig.gets_request(BOB, CANCEL);
    rig.reply_with(BOB, &invite, 200, "b", &contact(BOB), ANSWER);
    rig.gets_request(BOB, ACK);
    let bye = rig.gets_request(BOB, BYE);
    rig.responds(BOB, &bye, 200);
    rig.is_silent();
    rig.ends_clean(Cause::Cancelled);
}

#[test]
fn a_cancel_while_a_name_is_resolved_ends_the_call() {
    let mut rig = Rig::plain();
    rig.holds_names = true;
    rig.invite("");
    rig.alice_cancels();
    rig.is_silent();
    rig.ends_clean(Cause::Cancelled);
}

#[test]
fn a_bye_from_the_caller_ends_an_early_dialog() {
    let mut rig = Rig::plain();
    let talk = rig.rings();
    rig.alice_sends(&talk, BYE, 2);
    rig.gets_response(ALICE, 200);
    rig.gets_response(ALICE, 487);
    rig.gets_request(BOB, CANCEL);
    rig.is_silent();
    rig.ends_clean(Cause::Cancelled);
}

#[test]
fn a_bye_from_the_callee_in_an_early_dialog_gets_481() {
    let mut rig = Rig::plain();
    let talk = rig.rings();
    rig.bob_sends(&talk, BYE, 1);
    rig.gets_response(BOB, 481);
    assert_eq!(rig.counters().calls_live, 1);
}

#[test]
fn a_call_longer_than_max_call_is_hung_up_on_both_sides() {
    let (alice, bob) = trunks();
    let timers = TrunkTimers { max_call: Duration::from_secs(600), ..TrunkTimers::default() };
    let mut rig = Rig::new(builder().trunk(alice).trunk(bob.timers(timers)).build().unwrap());
    rig.talk();
    rig.run_for(Duration::from_secs(599));
    rig.is_silent();
    rig.run_for(Duration::from_secs(1));
    rig.gets_request(ALICE, BYE);
    rig.gets_request(BOB, BYE);
    rig.ends_clean(Cause::TooLong);
}

#[test]
fn a_call_ends_even_if_the_callees_contact_does_not_resolve() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.reply_with(BOB, &invite, 200, "b", "Contact: <sip:bob@nowhere.example>\n", ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    rig.alice_sends(&talk, BYE, 2);
    rig.gets_response(ALICE, 200);
    rig.ends_clean(Cause::CallerHungUp);
}
