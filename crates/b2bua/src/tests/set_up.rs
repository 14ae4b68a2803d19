//! From the INVITE to the ACK: RFC 3261 section 13.

use std::time::Duration;

use attesta_sip::{Message, Name};

use super::ladder::{Talk, session_of};
use super::rig::*;
use crate::{CallEvent, Cause, Destination, Input};

#[test]
fn a_call_is_set_up_and_each_leg_has_its_own_dialog() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls(
        "Subject: lunch\r\nX-Unknown: a,b;c\r\nMax-Forwards: 10\r\nRecord-Route: <sip:192.0.2.1;lr>\r\n",
    );
    assert_eq!(invite.uri(), format!("sip:{CALLEE}@192.0.2.2:5060").as_bytes());
    assert_eq!(value(&invite, Name::MaxForwards), "9");
    assert_eq!(value(&invite, Name::Contact), format!("<sip:{EDGE}>"));
    assert_eq!(value(&invite, Name::CSeq), "1 INVITE");
    assert!(value(&invite, Name::CallId).starts_with("at0001"));
    assert!(value(&invite, Name::From).starts_with(&format!("\"Alice\" <{}>;tag=at0001", uri(CALLER))));
    assert_eq!(value(&invite, Name::To), format!("<{}>", uri(CALLEE)));
    assert_eq!(invite.headers().count(Name::Via), 1);
    assert_eq!(invite.headers().count(Name::RecordRoute), 0);
    assert_eq!(value(&invite, Name::Subject), "lunch");
    assert_eq!(invite.headers().named("X-Unknown"), Some(&b"a,b;c"[..]));
    assert_eq!(invite.body(), OFFER.as_bytes());

    rig.responds(BOB, &invite, 100);
    rig.is_silent();
    rig.reply_with(
        BOB,
        &invite,
        183,
        "b",
        &format!("{}Server: bob\nRecord-Route: <sip:192.0.2.2;lr>\n", contact(BOB)),
        ANSWER,
    );
    let progress = rig.gets_response(ALICE, 183);
    assert_eq!(progress.body(), ANSWER.as_bytes());
    assert_eq!(header(&progress, Name::CallId), "call-1");
    assert_eq!(header(&progress, Name::Contact), format!("<sip:{EDGE}>"));
    assert_eq!(progress.headers().count(Name::Server), 0, "the software of the callee is not disclosed");
    assert_eq!(
        header(&progress, Name::RecordRoute),
        "<sip:192.0.2.1;lr>",
        "the path of the caller, not of the callee"
    );
    assert_eq!(progress.headers().count(Name::RecordRoute), 1);
    assert!(header(&progress, Name::To).contains(";tag=at0001"));

    let ok = rig.bob_answers(&invite);
    assert_eq!(header(&ok, Name::To), header(&progress, Name::To), "one early dialog, confirmed");
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    let ack = rig.gets_request(BOB, ACK);
    assert_eq!(ack.uri(), format!("sip:{BOB}").as_bytes());
    assert_eq!(value(&ack, Name::CSeq), "1 ACK");
    assert_eq!(value(&ack, Name::To), format!("<{}>;tag=b", uri(CALLEE)));
    assert!(rig.events.iter().any(|event| matches!(event, CallEvent::Answered { .. })));
    assert_eq!(rig.counters().calls_live, 1);
    assert_eq!(rig.counters().dialogs_live, 2);
}

#[test]
fn each_leg_has_its_own_route_set() {
    let mut rig = Rig::plain();
    let record = "Record-Route: <sip:192.0.2.31;lr>\r\nRecord-Route: <sip:192.0.2.32;lr>\r\n";
    let invite = rig.alice_calls(record);
    let routes = "Record-Route: <sip:192.0.2.41;lr>, <sip:192.0.2.42;lr>\n";
    rig.reply_with(BOB, &invite, 200, "b", &format!("{routes}{}", contact(BOB)), ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    // RFC 3261 section 12.1.2: the caller takes the routes in reverse order.
    let ack = rig.gets_request("192.0.2.42:5060", ACK);
    let values: Vec<_> = ack.headers().values(Name::Route).collect();
    assert_eq!(values, [&b"<sip:192.0.2.42;lr>"[..], b"<sip:192.0.2.41;lr>"]);
    // RFC 3261 section 12.1.1: the callee takes the routes in their order.
    rig.bob_sends(&talk, BYE, 1);
    let bye = rig.gets_request("192.0.2.31:5060", BYE);
    assert_eq!(bye.uri(), format!("sip:{ALICE}").as_bytes());
    let values: Vec<_> = bye.headers().values(Name::Route).collect();
    assert_eq!(values, [&b"<sip:192.0.2.31;lr>"[..], b"<sip:192.0.2.32;lr>"]);
}

#[test]
fn a_strict_router_gets_its_own_uri_as_the_request_uri() {
    let mut rig = Rig::plain();
    let talk = rig.answered_with("Record-Route: <sip:192.0.2.31>\r\n");
    rig.alice_sends(&talk, ACK, 1);
    rig.bob_sends(&talk, BYE, 1);
    let bye = rig.gets_request("192.0.2.31:5060", BYE);
    assert_eq!(bye.uri(), b"sip:192.0.2.31");
    assert_eq!(value(&bye, Name::Route), format!("<sip:{ALICE}>"));
}

#[test]
fn the_2xx_is_repeated_until_its_ack() {
    let mut rig = Rig::plain();
    let talk = rig.answered();
    rig.run_for(Duration::from_millis(499));
    rig.is_silent();
    rig.run_for(Duration::from_millis(1));
    rig.gets_response(ALICE, 200);
    rig.run_for(Duration::from_secs(1));
    rig.gets_response(ALICE, 200);
    rig.alice_sends(&talk, ACK, 1);
    rig.gets_request(BOB, ACK);
    rig.run_for(Duration::from_secs(10));
    rig.is_silent();
}

#[test]
fn a_2xx_without_an_ack_ends_both_legs() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.reply_with(BOB, &invite, 200, "b", &contact(BOB), ANSWER);
    rig.run_for(Duration::from_millis(31_999));
    rig.clear();
    rig.run_for(Duration::from_millis(1));
    rig.gets_request(BOB, ACK);
    rig.gets_request(BOB, BYE);
    rig.gets_request(ALICE, BYE);
    rig.ends_clean(Cause::NotAcknowledged);
}

#[test]
fn a_repeated_2xx_gets_the_same_ack() {
    let mut rig = Rig::plain();
    let talk = rig.answered();
    rig.reply_with(BOB, &talk.invite, 200, "b", &contact(BOB), ANSWER);
    rig.is_silent();
    rig.alice_sends(&talk, ACK, 1);
    let first = rig.gets_request(BOB, ACK);
    rig.reply_with(BOB, &talk.invite, 200, "b", &contact(BOB), ANSWER);
    assert_eq!(rig.gets_request(BOB, ACK).to_bytes(), first.to_bytes());
    rig.is_silent();
}

#[test]
fn an_ack_that_waits_for_dns_is_sent_once_before_the_bye() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.holds_names = true;
    let ok = rig.bob_answers(&invite);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    rig.alice_sends(&talk, BYE, 2);
    rig.is_silent();
    let (token, _) = rig.names.pop_front().unwrap();
    let transport = attesta_transaction::Transport::Udp;
    rig.input(Input::Resolved {
        token,
        result: Ok(vec![Destination { transport, address: address(BOB), server_name: None }]),
    });
    rig.gets_request(BOB, ACK);
    rig.gets_request(BOB, BYE);
    rig.is_silent();
}

#[test]
fn an_offer_in_the_2xx_is_answered_in_the_ack() {
    let mut rig = Rig::plain();
    rig.request(ALICE, INVITE, &uri(CALLEE), &dialog_forming(""), "");
    let invite = rig.gets_request(BOB, INVITE);
    assert!(invite.body().is_empty());
    rig.reply_with(BOB, &invite, 200, "b", &contact(BOB), OFFER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_sends_with(&talk, ACK, 1, "Content-Type: application/sdp\r\n", ANSWER);
    assert_eq!(rig.gets_request(BOB, ACK).body(), ANSWER.as_bytes());
}

#[test]
fn each_fork_has_its_own_dialog_and_the_first_answer_wins() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.reply(BOB, &invite, 180, "b1", &contact(BOB));
    let first = rig.gets_response(ALICE, 180);
    rig.reply(BOB, &invite, 180, "b2", &contact(CAROL));
    let second = rig.gets_response(ALICE, 180);
    assert_ne!(header(&first, Name::To), header(&second, Name::To));
    rig.reply_with(BOB, &invite, 200, "b2", &contact(CAROL), ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    assert_eq!(header(&ok, Name::To), header(&second, Name::To));
    assert_eq!(rig.counters().dialogs_live, 2);
    // RFC 3261 section 13.2.2.4: the second answer gets an ACK and a BYE.
    rig.reply_with(BOB, &invite, 200, "b1", &contact(BOB), ANSWER);
    rig.gets_request(BOB, ACK);
    let bye = rig.gets_request(BOB, BYE);
    assert!(value(&bye, Name::To).ends_with(";tag=b1"));
    rig.responds(BOB, &bye, 200);
    assert_eq!((rig.counters().calls_live, rig.counters().dialogs_live), (1, 2));
}

#[test]
fn at_most_eight_forks_reach_the_caller() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    for fork in 0..20 {
        rig.reply(BOB, &invite, 180, &format!("b{fork}"), &contact(BOB));
    }
    assert_eq!(rig.counters().dialogs_live, 16);
    rig.reply(BOB, &invite, 180, "b3", &contact(BOB));
    let relayed = std::iter::from_fn(|| rig.gets_if_any(ALICE)).count();
    assert_eq!(relayed, 9, "eight forks, and one of them again");
}

/// RFC 3261 section 13.2.2.4: each further answer gets an ACK and a BYE.
#[test]
fn at_most_eight_answers_to_one_invite_are_handled() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    for fork in 0..20 {
        rig.reply_with(BOB, &invite, 200, &format!("b{fork}"), &contact(BOB), ANSWER);
    }
    let byes = std::iter::from_fn(|| rig.gets_if_any(BOB))
        .filter(|message| matches!(message, Message::Request(request) if request.method().as_str() == BYE));
    assert_eq!(byes.count(), 7, "eight answers: one for the call, seven to end");
    assert_eq!(rig.refused("answer-cap"), 12);
}

#[test]
fn a_failure_is_relayed_with_its_header_fields() {
    for status in [404, 486, 488, 600, 603] {
        let mut rig = Rig::plain();
        let invite = rig.alice_calls("");
        rig.reply(BOB, &invite, status, "b", "Warning: 399 bob \"no\"\nX-Reason: because\n");
        rig.gets_request(BOB, ACK);
        let response = rig.gets_response(ALICE, status);
        assert_eq!(header(&response, Name::Warning), "399 bob \"no\"");
        assert_eq!(response.headers().named("X-Reason"), Some(&b"because"[..]));
        assert!(header(&response, Name::To).contains(";tag=at0001"));
        rig.ends_clean(Cause::Declined(response.status()));
    }
}

#[test]
fn a_302_is_relayed_with_its_contact() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.reply(BOB, &invite, 302, "b", "Contact: <sip:elsewhere@example.com>\n");
    let response = rig.gets_response(ALICE, 302);
    assert_eq!(header(&response, Name::Contact), "<sip:elsewhere@example.com>");
}

#[test]
fn the_ack_of_a_2xx_without_contact_goes_to_its_source() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.reply_with(BOB, &invite, 200, "b", "", ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    rig.gets_request(BOB, ACK);
}

/// An edge whose built-in callee takes the numbers that begin with +120255501.
fn with_callee() -> Rig {
    let (alice, bob) = trunks();
    let config = builder().trunk(alice).trunk(bob).callee(vec!["+120255501".parse().unwrap()]).build();
    Rig::new(config.unwrap())
}

#[test]
fn the_built_in_callee_answers_invites_re_invites_and_byes() {
    let mut rig = with_callee();
    let offer = format!("{OFFER}a=rtpmap:0 PCMU/8000\r\nm=video 4002 RTP/AVP 99\r\n");
    rig.request(ALICE, INVITE, &uri("+12025550100"), &dialog_forming(""), &offer);
    rig.gets_response(ALICE, 180);
    let ok = rig.gets_response(ALICE, 200);
    let sdp = String::from_utf8(ok.body().to_vec()).unwrap();
    assert_eq!(header(&ok, Name::ContentType), "application/sdp");
    assert!(
        sdp.contains("m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=inactive\r\nm=video 0 RTP/AVP 99\r\n"),
        "{sdp}"
    );
    let in_dialog = |method: &str, seq| {
        in_dialog(&header(&ok, Name::From), &header(&ok, Name::To), "call-1", method, seq)
    };
    rig.request(ALICE, ACK, &edge(), &in_dialog(ACK, 1), "");
    rig.request(ALICE, INVITE, &edge(), &(in_dialog(INVITE, 2) + &session_of(ALICE)), OFFER);
    assert!(!rig.gets_response(ALICE, 200).body().is_empty());
    rig.request(ALICE, ACK, &edge(), &in_dialog(ACK, 2), "");
    rig.request(ALICE, INFO, &edge(), &in_dialog(INFO, 3), "");
    rig.gets_response(ALICE, 405);
    rig.request(ALICE, BYE, &edge(), &in_dialog(BYE, 4), "");
    rig.gets_response(ALICE, 200);
    rig.is_silent();
    rig.ends_clean(Cause::CallerHungUp);
}

#[test]
fn an_invite_beyond_the_cap_on_message_size_gets_513() {
    let (alice, bob) = trunks();
    let caps = crate::Caps { message: 700, ..crate::Caps::default() };
    let mut rig = Rig::new(builder().trunk(alice).trunk(bob).caps(caps).build().unwrap());
    rig.invite(&format!("X-Long: {}\r\n", "x".repeat(600)));
    rig.gets_response(ALICE, 513);
}

#[test]
fn the_built_in_callee_checks_content_type_and_accept() {
    let mut rig = with_callee();
    let mut call = |id: &str, headers: &str| {
        let headers = outside_dialog(INVITE, id, headers);
        rig.request(ALICE, INVITE, &uri("+12025550100"), &headers, OFFER);
        let Message::Response(response) = rig.gets(ALICE) else { panic!("no response") };
        assert!(header(&response, Name::To).contains(";tag="));
        let said = header(&response, Name::Accept) + &header(&response, Name::AcceptEncoding);
        (response.status().code(), said)
    };
    let unknown = call("c1", "Content-Type: application/unknownformat\r\n");
    assert_eq!(unknown, (415, "application/sdp".to_owned()));
    assert_eq!(call("c2", "Content-Encoding: gzip\r\n"), (415, "identity".to_owned()));
    assert_eq!(call("c3", "Accept: text/nobodyKnowsThis\r\n").0, 406);
    assert_eq!(call("c4", "Accept: application/*\r\n").0, 180);
}

#[test]
fn a_caller_of_rfc_2543_without_contact_gets_bye_at_its_source() {
    let mut rig = Rig::plain();
    let headers = dialog_forming("From: <sip:a@ift.example>\r\n");
    let headers = headers.replace(&format!("Contact: <sip:{ALICE}>\r\n"), "");
    let invite = request(ALICE, INVITE, &uri(CALLEE), "1", &headers, OFFER);
    rig.receives(ALICE, invite.replace(";branch=1;rport", "").replace("Max-Forwards: 70\r\n", ""));
    let invite = rig.gets_request(BOB, INVITE);
    let ok = rig.bob_answers(&invite);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    rig.gets_request(BOB, ACK);
    rig.bob_sends(&talk, BYE, 2);
    let bye = rig.gets_request(ALICE, BYE);
    assert_eq!(bye.uri(), format!("sip:{ALICE};transport=udp").as_bytes());
    rig.responds(ALICE, &bye, 200);
    rig.gets_response(BOB, 200);
    rig.ends_clean(Cause::CalleeHungUp);
}

#[test]
fn a_to_tag_in_the_initial_invite_is_kept_through_the_call() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls(&format!("To: <{}>;tag=1918181833n\r\n", uri(CALLEE)));
    assert!(!value(&invite, Name::To).contains("tag="));
    rig.reply_with(BOB, &invite, 180, "b", &contact(BOB), "");
    assert!(header(&rig.gets_response(ALICE, 180), Name::To).ends_with(";tag=1918181833n"));
    // The tag allows the caller only one dialog. The 180 of a second fork is not relayed.
    rig.reply_with(BOB, &invite, 180, "fork", &contact(BOB), "");
    rig.is_silent();
    let ok = rig.bob_answers(&invite);
    assert!(header(&ok, Name::To).ends_with(";tag=1918181833n"));
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    rig.gets_request(BOB, ACK);
    rig.alice_sends(&talk, BYE, 2);
    let bye = rig.gets_request(BOB, BYE);
    rig.responds(BOB, &bye, 200);
    rig.gets_response(ALICE, 200);
    rig.ends_clean(Cause::CallerHungUp);
}
