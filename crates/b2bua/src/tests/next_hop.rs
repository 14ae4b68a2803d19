//! Requests in a dialog whose peer's address is still being found.

use super::ladder::Talk;
use super::rig::{ACK, ALICE, ANSWER, BOB, BYE, Rig};
use crate::{Cause, Input};

#[test]
fn a_queued_request_does_not_leave_after_its_call_is_over() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.holds_names = true;
    rig.reply_with(BOB, &invite, 200, "b", "Contact: <sip:bob@phone.example>\n", ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    rig.alice_sends(&talk, "INFO", 2);
    rig.input(Input::HangUp);
    rig.gets_response(ALICE, 487);
    rig.is_silent();
    // Both names have the same address: one BYE is for Bob, and one for Alice.
    rig.finds_names_at(BOB);
    rig.gets_request(BOB, ACK);
    for _ in 0..2 {
        let bye = rig.gets_request(BOB, BYE);
        rig.responds(BOB, &bye, 200);
    }
    rig.is_silent();
    rig.ends_clean(Cause::ShutDown);
}
