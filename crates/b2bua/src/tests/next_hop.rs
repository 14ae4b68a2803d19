//! Requests in a dialog whose peer's address is still being found.

use super::rig::{ALICE, ANSWER, BOB, Rig, Talk, address, edge};
use crate::{Cause, Destination, Input};
use attesta_transaction::Transport;

#[test]
fn a_request_answered_for_a_call_that_is_over_does_not_leave() {
    let mut rig = Rig::plain();
    rig.invite("");
    let invite = rig.gets_request(BOB, "INVITE");
    rig.holds_names = true;
    rig.reply_with(BOB, &invite, 200, "b", "Contact: <sip:bob@phone.example>\n", ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.request(ALICE, "ACK", &edge(), &talk.alice("ACK", 1), "");
    rig.request(ALICE, "INFO", &edge(), &talk.alice("INFO", 2), "");
    rig.request(ALICE, "BYE", &edge(), &talk.alice("BYE", 3), "");
    rig.gets_response(ALICE, 200);
    rig.gets_response(ALICE, 487);
    let (token, _) = rig.names.pop_front().expect("Bob's address was asked for");
    let destination = Destination { transport: Transport::Udp, address: address(BOB), server_name: None };
    rig.input(Input::Resolved { token, result: Ok(vec![destination]) });
    rig.gets_request(BOB, "ACK");
    let bye = rig.gets_request(BOB, "BYE");
    rig.is_silent();
    rig.reply(BOB, &bye, 200, "b", "");
    rig.ends_clean(Cause::CallerHungUp);
}
