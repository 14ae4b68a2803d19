//! Names of dialogs of other workers: the question to the worker, its answer, and the limits.

use std::time::Duration;

use attesta_sip::Name;
use bytes::Bytes;

use super::rig::*;
use crate::{DialogName, Input};

const REFER: &str = "REFER";
/// A tag of the worker 1 of this edge.
const OTHER_WORKER: &str = "at0001010123456789abcdef";

fn name(call_id: &str, to_tag: &str, from_tag: &str) -> DialogName {
    let [call_id, to_tag, from_tag] =
        [call_id, to_tag, from_tag].map(|text| Bytes::copy_from_slice(text.as_bytes()));
    DialogName { call_id, to_tag, from_tag }
}

fn refer_to(number: u32) -> String {
    format!("Refer-To: <sip:c@c?Replaces=far{number}%3Bto-tag%3D{OTHER_WORKER}%3Bfrom-tag%3Da>\r\n")
}

#[test]
fn a_refer_asks_the_worker_of_the_dialog() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_sends_with(&talk, REFER, 2, &refer_to(1), "");
    rig.is_silent();
    let (token, place, dialog) = rig.lookups.pop_front().unwrap();
    assert_eq!((place.instance, place.worker), (1, 1));
    assert_eq!(dialog, name("far1", OTHER_WORKER, "a"));
    let found = Some(name("near", "c", "at000101ffffffffffffffff"));
    rig.input(Input::DialogFound { token, dialog: found.clone() });
    let refer = rig.gets_request(BOB, REFER);
    let expected = "<sip:c@c?Replaces=near%3Bto-tag%3Dc%3Bfrom-tag%3Dat000101ffffffffffffffff>";
    assert_eq!(value(&refer, Name::ReferTo), expected);
    rig.responds(BOB, &refer, 603);
    rig.gets_response(ALICE, 603);
    // The answer to a question that was answered before has no owner.
    rig.input(Input::DialogFound { token, dialog: found });
    rig.is_silent();
    assert!(rig.lookups.is_empty());
}

#[test]
fn a_worker_that_does_not_know_the_dialog_or_is_silent_leads_to_481() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_sends_with(&talk, REFER, 2, &refer_to(1), "");
    let (token, ..) = rig.lookups.pop_front().unwrap();
    rig.input(Input::DialogFound { token, dialog: None });
    rig.gets_response(ALICE, 481);
    rig.alice_sends_with(&talk, REFER, 3, &refer_to(2), "");
    rig.run_for(Duration::from_millis(1_900));
    rig.is_silent();
    rig.run_for(Duration::from_millis(200));
    rig.gets_response(ALICE, 481);
    assert_eq!(rig.refused("named-dialog"), 2);
}

#[test]
fn the_number_of_open_questions_is_limited() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    for seq in 2..=257 {
        rig.alice_sends_with(&talk, REFER, seq, &refer_to(seq), "");
    }
    rig.is_silent();
    assert_eq!(rig.lookups.len(), 256);
    rig.alice_sends_with(&talk, REFER, 258, &refer_to(258), "");
    rig.gets_response(ALICE, 481);
    assert_eq!(rig.lookups.len(), 256);
    rig.run_for(Duration::from_secs(3));
    assert_eq!(rig.refused("named-dialog"), 257);
}

#[test]
fn a_dialog_is_found_by_the_names_that_its_peers_know() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_sends_with(&talk, INFO, 2, "", "");
    let info = rig.gets_request(BOB, INFO);
    let tag_of = |name| value(&info, name).split_once(";tag=").map(|(_, tag)| tag.to_owned()).unwrap();
    let call_id = value(&info, Name::CallId);
    let bobs = name(&call_id, &tag_of(Name::To), &tag_of(Name::From));
    rig.responds(BOB, &info, 200);
    let ok = rig.gets_response(ALICE, 200);
    let to = header(&ok, Name::To);
    let alices = name("call-1", to.split_once(";tag=").unwrap().1, "a");
    // Alice says the name of her dialog for the party at the other end, who is Bob.
    assert_eq!(rig.board.find_dialog(&alices), Some(bobs.clone()));
    // Bob's own name, which the INVITE after the REFER contains.
    assert_eq!(rig.board.find_dialog(&bobs), Some(bobs.clone()));
    let wrong = DialogName { call_id: Bytes::from_static(b"call-2"), ..alices };
    assert_eq!(rig.board.find_dialog(&wrong), None, "the Call-ID counts");
}
