//! Responses that a callee forges, or that make no dialog.

use attesta_sip::Name;

use super::ladder::Talk;
use super::rig::{
    ACK, ALICE, ANSWER, BOB, BYE, CALLEE, INFO, INVITE, Rig, contact, outside_dialog, uri, value,
};
use crate::Cause;

/// A 2xx is sent again with CSeq numbers that we never used, while the address of the callee is looked up.
#[test]
fn invented_2xx_get_no_ack() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.holds_names = true;
    rig.reply_with(BOB, &invite, 200, "b", "Contact: <sip:bob@phone.example>\n", ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    for seq in 2..100 {
        let mut forged = talk.invite.clone();
        forged.headers_mut().set(Name::CSeq, format!("{seq} INVITE"));
        rig.reply_with(BOB, &forged, 200, "b", &contact(BOB), ANSWER);
    }
    rig.finds_names_at(BOB);
    rig.gets_request(BOB, ACK);
    rig.is_silent();
}

#[test]
fn a_response_takes_over_no_dialog_of_another_call() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.request(ALICE, INVITE, &uri(CALLEE), &outside_dialog(INVITE, "call-2", ""), "");
    let second = rig.gets_request(BOB, INVITE);
    let mut forged = second.clone();
    forged.headers_mut().set(Name::From, value(&talk.invite, Name::From));
    rig.reply_with(BOB, &forged, 183, "b", &contact(BOB), "");
    rig.reply(BOB, &second, 486, "b9", "");
    rig.clear();
    rig.bob_sends(&talk, INFO, 5);
    rig.gets_request(ALICE, INFO);
    rig.is_silent();
}

/// The caller has chosen the To tag, so the second fork can have no dialog with the caller.
#[test]
fn a_2xx_without_a_dialog_is_acknowledged_and_ended() {
    let mut rig = Rig::plain();
    rig.invite(&format!("To: <{}>;tag=foreign\r\n", uri(CALLEE)));
    let invite = rig.gets_request(BOB, INVITE);
    rig.reply(BOB, &invite, 180, "b1", &contact(BOB));
    rig.gets_response(ALICE, 180);
    rig.reply_with(BOB, &invite, 200, "b2", &contact(BOB), ANSWER);
    let response = rig.gets_response(ALICE, 502);
    rig.gets_request(BOB, ACK);
    let bye = rig.gets_request(BOB, BYE);
    rig.reply(BOB, &bye, 200, "b2", "");
    rig.ends_clean(Cause::Refused(response.status()));
}
