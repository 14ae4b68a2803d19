//! MESSAGEs outside any dialog: RFC 3428, and RFC 4320 for what is not answered.

use std::time::Duration;

use attesta_sip::Name;

use super::pki::Pki;
use super::rig::*;
use crate::{
    Caps, Consequence, InboundIdentity, Input, OutboundIdentity, Outcomes, ResolveError, Trunk, answer_alone,
};

const TEXT: &str = "Watson, come here.";

/// Alice's MESSAGE to Bob.
fn message(id: &str, headers: &str) -> String {
    dialog_forming(&format!("Content-Type: text/plain\r\n{headers}"))
        .replace("INVITE", "MESSAGE")
        .replace("call-1", id)
}

#[test]
fn a_message_and_its_response_are_relayed() {
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
fn a_message_is_screened_like_an_invite() {
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
fn a_message_that_no_target_answers_gets_no_408() {
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
fn a_408_to_a_message_is_not_relayed() {
    let mut rig = Rig::plain();
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m", ""), TEXT);
    let sent = rig.gets_request(BOB, "MESSAGE");
    rig.reply(BOB, &sent, 408, "b", "");
    rig.is_silent();
}

#[test]
fn a_message_gets_504_if_its_target_is_not_resolved_in_time() {
    let mut rig = Rig::plain();
    rig.holds_names = true;
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m", ""), TEXT);
    rig.run_for(Duration::from_secs(11));
    rig.gets_response(ALICE, 100);
    rig.gets_response(ALICE, 504);
    let (token, _) = rig.names.pop_front().unwrap();
    rig.input(Input::Resolved { token, result: Err(ResolveError::NotFound) });
    rig.is_silent();
}

#[test]
fn trunks_strip_the_identity_of_messages_and_the_cap_holds() {
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

/// The digest of [`TEXT`] (RFC 9475 section 3.2).
const MSGI: &str = r#""msgi":"sha256-ue/P9bl3JA2dP1gHlIE963aIq2n6vvZ7JTG44Tqu3o0=""#;

/// An edge that verifies what Alice sends.
fn verifying(pki: &Pki, adjust: impl FnOnce(Trunk) -> Trunk) -> Rig {
    let (alice, bob) = trunks();
    let alice = adjust(alice.inbound_identity(InboundIdentity::Verify));
    Rig::new(builder().trunk(alice).trunk(bob).trust_domain(pki.domain()).build().unwrap())
}

fn rejecting(alice: Trunk) -> Trunk {
    alice.outcomes(Outcomes {
        failed: Consequence::Reject,
        missing: Consequence::Reject,
        ..Outcomes::default()
    })
}

#[test]
fn the_identity_of_a_message_is_verified_like_that_of_a_call() {
    let pki = Pki::new();
    let identity = |claims: &str| format!("Identity: {}\r\n", pki.typed("msg", CALLER, CALLEE, claims));
    let (good, other) = (identity(MSGI), identity(&MSGI.replace("sha256-", "sha256-A")));
    let mut rig = verifying(&pki, rejecting);
    rig.input(Input::Certificates(pki.fetched()));
    for (headers, status, phrase) in [
        (&other[..], 438, "Invalid Identity Header"),
        ("", 428, "Use Identity Header"),
        ("Identity: x\r\n", 438, "Invalid Identity Header"),
    ] {
        let id = format!("m{}", headers.len());
        rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message(&id, headers), TEXT);
        let response = rig.gets_response(ALICE, status);
        assert_eq!(String::from_utf8_lossy(response.reason()), phrase);
        rig.is_silent();
    }
    assert_eq!(rig.refused("not-verified"), 3);
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("good", &good), TEXT);
    let sent = rig.gets_request(BOB, "MESSAGE");
    assert!(value(&sent, Name::From).contains(";verstat=TN-Validation-Passed@"));
    assert_eq!(format!("Identity: {}\r\n", value(&sent, Name::Identity)), good);
    assert_eq!(rig.counters().verdicts().map(|(.., count)| count).sum::<u64>(), 4);
    // An emergency service is never kept from a message.
    rig.request(ALICE, "MESSAGE", "urn:service:sos", &message("sos", ""), TEXT);
    assert!(value(&rig.gets_request(BOB, "MESSAGE"), Name::From).contains(";verstat=No-TN-Validation@"));
    // Where the policy lets it go on, the recipient is told by verstat and the sender by Reason (RFC 9410).
    let mut rig = verifying(&pki, |alice| alice);
    rig.input(Input::Certificates(pki.fetched()));
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m", &other), TEXT);
    let sent = rig.gets_request(BOB, "MESSAGE");
    assert!(value(&sent, Name::From).contains(";verstat=TN-Validation-Failed@"));
    rig.reply(BOB, &sent, 200, "b", "");
    let ok = rig.gets_response(ALICE, 200);
    assert_eq!(header(&ok, Name::Reason), "STIR;cause=438;text=\"Invalid Identity Header\"");
}

#[test]
fn a_message_waits_at_most_300_ms_for_a_certificate() {
    let pki = Pki::new();
    let headers = format!("Identity: {}\r\n", pki.typed("msg", CALLER, CALLEE, MSGI));
    let mut rig = verifying(&pki, |alice| alice);
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m1", &headers), TEXT);
    rig.run_for(Duration::from_millis(299));
    rig.is_silent();
    assert_eq!(rig.fetches.len(), 1);
    rig.input(Input::Certificates(pki.fetched()));
    assert!(value(&rig.gets_request(BOB, "MESSAGE"), Name::From).contains("=TN-Validation-Passed@"));

    let mut rig = verifying(&pki, rejecting);
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m2", &headers), TEXT);
    rig.run_for(Duration::from_millis(300));
    assert!(value(&rig.gets_request(BOB, "MESSAGE"), Name::From).contains("=No-TN-Validation@"));
    rig.input(Input::Certificates(pki.fetched()));
    rig.is_silent();
    rig.run_for(Duration::from_secs(70));
    assert!(rig.is_asleep() && rig.board.counters().transactions_live == 0);
}

#[test]
fn hang_up_refuses_a_message_that_waits_for_a_certificate() {
    let pki = Pki::new();
    let headers = format!("Identity: {}\r\n", pki.typed("msg", CALLER, CALLEE, MSGI));
    let mut rig = verifying(&pki, |alice| alice);
    rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message("m", &headers), TEXT);
    rig.is_silent();
    assert!(!rig.board.is_empty());
    rig.input(Input::HangUp);
    rig.gets_response(ALICE, 503);
    rig.is_silent();
    assert!(rig.board.is_empty() && rig.board.is_settled());
}

#[test]
fn messages_and_calls_share_the_status_of_targets() {
    let (alice, bob) = trunks();
    let bob = bob.target("sip:192.0.2.3:5060".parse().unwrap());
    let mut rig = Rig::new(builder().trunk(alice).trunk(bob).build().unwrap());
    let send = |rig: &mut Rig, id: &str| {
        rig.clear();
        rig.request(ALICE, "MESSAGE", &uri(CALLEE), &message(id, ""), TEXT);
    };
    send(&mut rig, "m1");
    let sent = rig.gets_request(BOB, "MESSAGE");
    rig.reply(BOB, &sent, 503, "b", "Retry-After: 60\n");
    let sent = rig.gets_request(CAROL, "MESSAGE");
    rig.reply(CAROL, &sent, 200, "c", "");
    // A call passes Bob by, and Carol cannot be reached.
    rig.clear();
    rig.invite("");
    rig.fails_to_reach(CAROL);
    rig.gets_response(ALICE, 500);
    assert_eq!(rig.counters().targets_aside, 2);
    // Of these only Carol is tried all the same.
    send(&mut rig, "m2");
    assert!(rig.gets_if_any(BOB).is_none());
    let sent = rig.gets_request(CAROL, "MESSAGE");
    rig.reply(CAROL, &sent, 503, "c", "Retry-After: 30\n");
    rig.gets_response(ALICE, 500);
    send(&mut rig, "m3");
    assert_eq!(header(&rig.gets_response(ALICE, 500), Name::RetryAfter), "30");
    rig.run_for(Duration::from_secs(30));
    send(&mut rig, "m4");
    rig.gets_request(CAROL, "MESSAGE");
}
