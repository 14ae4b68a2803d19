//! MESSAGEs outside any dialog: RFC 3428, and RFC 4320 for what is not answered.

use std::time::Duration;

use attesta_sip::Name;

use super::rig::*;
use crate::{Caps, InboundIdentity, OutboundIdentity, ResolveError, answer_alone};

const TEXT: &str = "Watson, come here.";

/// Alice's MESSAGE to Bob.
fn message(id: &str, headers: &str) -> String {
    dialog_forming(&format!("Content-Type: text/plain\r\n{headers}"))
        .replace("INVITE", "MESSAGE")
        .replace("call-1", id)
}

#[test]
fn a_message_is_relayed_and_its_response_comes_back() {
    let mut rig = Rig::plain();
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m", "Identity: x\r\nX-Odd: \u{fffd}\r\n"), TEXT);
    let sent = rig.gets_request(BOB, "MESSAGE");
    assert_eq!(answer_alone(&sent), None);
    assert_eq!(sent.uri(), format!("sip:{CALLEE}@{BOB}").as_bytes());
    assert_eq!(sent.body(), TEXT.as_bytes());
    assert_eq!(value(&sent, Name::MaxForwards), "69");
    assert_eq!(value(&sent, Name::CSeq), "1 MESSAGE");
    assert_eq!(value(&sent, Name::Identity), "x");
    assert_eq!(sent.headers().named("x-odd"), Some("\u{fffd}".as_bytes()));
    // Our own transaction, with nothing of the sender's in it.
    assert!(value(&sent, Name::Via).contains(EDGE) && sent.headers().count(Name::Via) == 1);
    assert_ne!(value(&sent, Name::CallId), "m");
    assert!(!value(&sent, Name::From).ends_with("tag=a"));
    assert!(!sent.headers().contains(Name::Contact), "RFC 3428 section 4");
    rig.reply(BOB, &sent, 100, "", "");
    rig.is_silent();
    rig.reply(BOB, &sent, 202, "b", &contact(BOB));
    let ok = rig.gets_response(ALICE, 202);
    assert_eq!(header(&ok, Name::CallId), "m");
    assert!(header(&ok, Name::To).contains(";tag=") && !header(&ok, Name::To).contains("tag=b"));
    assert!(!ok.headers().contains(Name::Contact));
    rig.run_for(Duration::from_secs(40));
    assert_eq!((rig.counters().messages, rig.counters().transactions_live), (1, 0));
    assert!(rig.is_asleep() && rig.events.is_empty());
}

#[test]
fn a_message_is_screened_as_an_invite_is() {
    let mut rig = Rig::plain();
    rig.request(MALLORY, "MESSAGE", &uri(CALLEE), &message("m0", ""), TEXT);
    rig.gets_response(MALLORY, 403);
    for (uri, headers, status) in [
        (uri(CALLEE), "Max-Forwards: 0\r\n", 483),
        (uri(CALLEE), "Require: frob\r\n", 420),
        ("unknown:x".to_owned(), "", 416),
    ] {
        rig.request(ALICE, "MESSAGE", &uri, &message(&status.to_string(), headers), TEXT);
        rig.gets_response(ALICE, status);
    }
    rig.is_silent();
}

#[test]
fn where_a_message_cannot_go_is_said_or_not_at_all() {
    let (alice, bob) = trunks();
    let bob = bob.target("sip:192.0.2.3:5060".parse().unwrap());
    let mut rig = Rig::new(builder().trunk(alice).trunk(bob).build().unwrap());
    // The first target is gone or busy: the second is tried.
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m1", ""), TEXT);
    rig.fails_to_reach(BOB);
    let sent = rig.gets_request(CAROL, "MESSAGE");
    rig.reply(CAROL, &sent, 503, "c", "");
    rig.gets_response(ALICE, 500);
    // Nobody answers: neither does the edge, and it forgets.
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m2", ""), TEXT);
    rig.run_for(Duration::from_secs(70));
    assert!(rig.gets_if_any(ALICE).is_none_or(|message| {
        matches!(message, attesta_sip::Message::Response(response) if response.status().is_provisional())
    }));
    assert!(rig.gets_if_any(ALICE).is_none(), "no 408 (RFC 4320 section 4.2)");
    assert!(rig.is_asleep() && rig.board.counters().transactions_live == 0);
}

#[test]
fn a_408_from_beyond_is_not_passed_on() {
    let mut rig = Rig::plain();
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m", ""), TEXT);
    let sent = rig.gets_request(BOB, "MESSAGE");
    rig.reply(BOB, &sent, 408, "b", "");
    rig.is_silent();
}

#[test]
fn a_name_that_is_not_found_in_time_is_a_504() {
    let mut rig = Rig::plain();
    rig.holds_names = true;
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m", ""), TEXT);
    rig.run_for(Duration::from_secs(11));
    rig.gets_response(ALICE, 100);
    rig.gets_response(ALICE, 504);
    let (token, _) = rig.names.pop_front().unwrap();
    rig.input(crate::Input::Resolved { token, result: Err(ResolveError::NotFound) });
    rig.is_silent();
}

#[test]
fn trunks_strip_the_identity_and_caps_hold() {
    let (alice, bob) = trunks();
    let config = |alice, bob| {
        builder().trunk(alice).trunk(bob).caps(Caps { calls: 1, ..Caps::default() }).build().unwrap()
    };
    for (alice, bob) in [
        (alice.clone().inbound_identity(InboundIdentity::Strip), bob.clone()),
        (alice, bob.outbound_identity(OutboundIdentity::Strip)),
    ] {
        let mut rig = Rig::new(config(alice, bob));
        rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m1", "Identity: x\r\n"), TEXT);
        assert!(!rig.gets_request(BOB, "MESSAGE").headers().contains(Name::Identity));
        rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m2", ""), TEXT);
        assert_eq!(header(&rig.gets_response(ALICE, 503), Name::RetryAfter), "5");
        assert_eq!(rig.refused("call-cap"), 1);
        // One on its way does not keep a call from being made.
        rig.invite("");
        rig.gets_request(BOB, "INVITE");
    }
}
