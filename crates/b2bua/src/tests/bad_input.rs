//! Peers that send far more than they should. Each excess is bounded and counted, and other calls continue.

use std::time::Duration;

use attesta_sip::{Message, Name, Request};

use super::ladder::Talk;
use super::rig::*;
use crate::Cause;
use crate::late_answers::MOST_ACKS_AGAIN;
use crate::leg::requests::MOST_PROVISIONAL_RESPONSES;

/// The number of times that a peer repeats itself.
const FLOOD: usize = 1_000;

impl Rig {
    /// The number of messages to `at` on the wire. They are dropped.
    fn drops(&mut self, at: &str) -> usize {
        std::iter::from_fn(|| self.gets_if_any(at)).count()
    }

    /// The call continues: an INFO crosses.
    fn goes_on(&mut self, talk: &Talk, seq: u32) {
        self.alice_sends(talk, INFO, seq);
        let info = self.gets_request(BOB, INFO);
        self.responds(BOB, &info, 200);
        self.gets_response(ALICE, 200);
        self.is_silent();
    }

    /// Bob is a proxy: he sends a request of the edge back to the edge.
    fn bob_returns(&mut self, request: &Request) {
        self.bob_retargets(request, &String::from_utf8_lossy(request.uri()), "p");
    }

    /// Bob is a proxy: he sends a request of the edge to another Request-URI, which leads back to the edge.
    fn bob_retargets(&mut self, request: &Request, uri: &str, branch: &str) {
        let mut returned = Request::new(request.method().clone(), uri.to_owned());
        *returned.headers_mut() = request.headers().clone();
        let via = format!("SIP/2.0/UDP {BOB};branch=z9hG4bKp{branch}");
        returned.headers_mut().push_front(Name::Via, via);
        returned.set_body(request.body().to_vec());
        self.receives(BOB, returned.to_bytes());
    }
}

#[test]
fn a_thousand_early_dialogs_are_bounded_and_counted() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    for fork in 0..FLOOD {
        rig.reply(BOB, &invite, 180, &format!("b{fork}"), &contact(BOB));
    }
    assert_eq!(rig.counters().dialogs_live, 16, "eight early dialogs have two sides each");
    assert_eq!(rig.refused("fork-cap"), FLOOD as u64 - 8);
    assert_eq!(rig.drops(ALICE), 8);
    rig.reply_with(BOB, &invite, 200, "b3", &contact(BOB), ANSWER);
    rig.gets_response(ALICE, 200);
    rig.ends_clean(Cause::NotAcknowledged);
}

#[test]
fn a_storm_of_provisional_responses_is_bounded_and_counted() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    for _ in 0..FLOOD {
        rig.reply(BOB, &invite, 180, "b", &contact(BOB));
    }
    let most = usize::from(MOST_PROVISIONAL_RESPONSES);
    assert_eq!((rig.drops(ALICE), rig.refused("provisional-cap")), (most, (FLOOD - most) as u64));
    // The answer still crosses.
    let ok = rig.bob_answers(&invite);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    rig.gets_request(BOB, ACK);
    rig.goes_on(&talk, 2);
}

#[test]
fn a_storm_of_provisional_responses_to_a_re_invite_is_bounded_and_counted() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_re_invites(&talk, 2);
    let relayed = rig.gets_request(BOB, INVITE);
    for _ in 0..FLOOD {
        rig.responds(BOB, &relayed, 183);
    }
    let most = usize::from(MOST_PROVISIONAL_RESPONSES);
    assert_eq!((rig.drops(ALICE), rig.refused("provisional-cap")), (most, (FLOOD - most) as u64));
    rig.responds(BOB, &relayed, 488);
    rig.gets_request(BOB, ACK);
    rig.gets_response(ALICE, 488);
    rig.goes_on(&talk, 3);
}

/// RFC 3261 section 14.2: each further re-INVITE gets a 500 while the first is open.
#[test]
fn a_flood_of_re_invites_is_refused_and_counted() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_re_invites(&talk, 2);
    let relayed = rig.gets_request(BOB, INVITE);
    for seq in 0..FLOOD {
        rig.alice_re_invites(&talk, 3 + u32::try_from(seq).unwrap());
        let refused = rig.gets_response(ALICE, 500);
        assert!(!header(&refused, Name::RetryAfter).is_empty());
    }
    rig.is_silent();
    assert_eq!(rig.refused("glare"), FLOOD as u64);
    rig.responds(BOB, &relayed, 488);
    rig.gets_request(BOB, ACK);
    rig.gets_response(ALICE, 488);
    // The transactions of the refused re-INVITEs end by themselves: Alice sends no ACK.
    rig.run_for(Duration::from_secs(40));
    rig.clear();
    assert_eq!((rig.counters().transactions_live, rig.counters().calls_live), (0, 1));
    rig.goes_on(&talk, 2_000);
}

/// RFC 3261 section 13.2.2.4 asks for an ACK to each 2xx. RFC 6026 section 7.2 ends this after 64*T1.
#[test]
fn a_callee_that_answers_for_ever_gets_a_bounded_number_of_acks() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    let answer = |rig: &mut Rig| rig.reply_with(BOB, &talk.invite, 200, "b", &contact(BOB), ANSWER);
    for _ in 0..FLOOD {
        answer(&mut rig);
    }
    let most = usize::from(MOST_ACKS_AGAIN);
    assert_eq!((rig.drops(BOB), rig.refused("ack-cap")), (most, (FLOOD - most) as u64));
    rig.goes_on(&talk, 2);
    rig.run_for(Duration::from_secs(33));
    answer(&mut rig);
    rig.is_silent();
    assert_eq!(rig.refused("stray-response"), 1);
    rig.goes_on(&talk, 3);
}

#[test]
fn a_callee_that_answers_for_ever_after_the_bye_gets_a_bounded_number_of_acks() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    rig.alice_sends(&talk, BYE, 2);
    let bye = rig.gets_request(BOB, BYE);
    rig.responds(BOB, &bye, 200);
    rig.gets_response(ALICE, 200);
    for _ in 0..FLOOD {
        rig.reply_with(BOB, &talk.invite, 200, "b", &contact(BOB), ANSWER);
    }
    let most = usize::from(MOST_ACKS_AGAIN);
    assert_eq!((rig.drops(BOB), rig.refused("ack-cap")), (most, (FLOOD - most) as u64));
    rig.ends_clean(Cause::CallerHungUp);
}

/// RFC 3261 section 16.3 item 4.
#[test]
fn an_invite_that_comes_back_unchanged_is_a_loop() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.bob_returns(&invite);
    let refused = rig.gets_response(BOB, 482);
    assert_eq!(header(&refused, Name::CallId), value(&invite, Name::CallId));
    rig.is_silent();
    assert_eq!((rig.refused("loop"), rig.counters().calls_live), (1, 1));
    // The proxy relays the 482 to the edge, and the caller gets it.
    rig.responds(BOB, &invite, 482);
    rig.gets_request(BOB, ACK);
    rig.gets_response(ALICE, 482);
}

#[test]
fn a_message_that_comes_back_unchanged_is_a_loop() {
    let mut rig = Rig::plain();
    let headers = outside_dialog(MESSAGE, "call-1", "");
    rig.request(ALICE, MESSAGE, &uri(CALLEE), &headers, "hello");
    let relayed = rig.gets_request(BOB, MESSAGE);
    rig.bob_returns(&relayed);
    rig.gets_response(BOB, 482);
    assert_eq!(rig.refused("loop"), 1);
}

/// RFC 3261 section 16.3 item 4: another Request-URI makes a spiral, which is no loop. Max-Forwards ends it.
#[test]
fn a_spiral_continues_until_max_forwards_is_used_up() {
    let mut rig = Rig::plain();
    let mut invite = rig.alice_calls("Max-Forwards: 10\r\n");
    for turn in 0..10 {
        assert_eq!(value(&invite, Name::MaxForwards), (9 - turn).to_string());
        rig.bob_retargets(&invite, &format!("sip:+1215555{turn:04}@edge.example"), &turn.to_string());
        match rig.gets(BOB) {
            Message::Request(next) => invite = next,
            Message::Response(refused) => {
                assert_eq!((turn, refused.status().code()), (9, 483));
            }
        }
    }
    assert_eq!((rig.refused("max-forwards"), rig.refused("loop")), (1, 0));
    assert_eq!(rig.counters().calls_live, 10);
}

/// A request that only resembles a request of ours is a new call.
#[test]
fn an_invite_with_a_via_of_a_stranger_is_no_loop() {
    let mut rig = Rig::plain();
    let mut invite = rig.alice_calls("");
    let own = value(&invite, Name::Via).replace("branch=z9hG4bK-at", "branch=z9hG4bK-aT");
    invite.headers_mut().set(Name::Via, own);
    rig.bob_returns(&invite);
    rig.gets_request(BOB, INVITE);
    assert_eq!((rig.refused("loop"), rig.counters().calls_live), (0, 2));
}
