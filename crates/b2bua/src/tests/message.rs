//! MESSAGEs outside a dialog: RFC 3428, and RFC 4320 for a MESSAGE without a final response.

use std::time::Duration;

use attesta_sip::Name;

use super::pki::Pki;
use super::rig::*;
use crate::{
    Caps, Consequence, InboundIdentity, Input, OutboundIdentity, Outcomes, ResolveError, Trunk, answer_alone,
};

const TEXT: &str = "Watson, come here.";

/// Alice sends a MESSAGE to Bob.
fn sends(rig: &mut Rig, call_id: &str, headers: &str) {
    sends_to(rig, &uri(CALLEE), call_id, headers);
}

fn sends_to(rig: &mut Rig, uri: &str, call_id: &str, headers: &str) {
    rig.request(ALICE, MESSAGE, uri, &message(call_id, headers), TEXT);
}

/// The header fields of a MESSAGE of Alice to Bob.
fn message(call_id: &str, headers: &str) -> String {
    outside_dialog(MESSAGE, call_id, &format!("Content-Type: text/plain\r\n{headers}"))
}

/// An edge with two targets for Bob's trunk: Bob, then Carol.
fn two_targets() -> Rig {
    let (alice, bob) = trunks();
    let bob = bob.target("sip:192.0.2.3:5060".parse().unwrap());
    Rig::new(builder().trunk(alice).trunk(bob).build().unwrap())
}

#[test]
fn a_message_and_its_response_are_relayed() {
    let mut rig = Rig::plain();
    sends(&mut rig, "m", "Identity: x\r\nX-Odd: \u{fffd}\r\n");
    let sent = rig.gets_request(BOB, MESSAGE);
    assert_eq!(answer_alone(&sent), None);
    assert_eq!(sent.uri(), format!("sip:{CALLEE}@{BOB}").as_bytes());
    assert_eq!(sent.body(), TEXT.as_bytes());
    assert_eq!(value(&sent, Name::MaxForwards), "69");
    assert_eq!(value(&sent, Name::CSeq), "1 MESSAGE");
    assert_eq!(value(&sent, Name::Identity), "x");
    assert_eq!(sent.headers().named("x-odd"), Some("\u{fffd}".as_bytes()));
    // The transaction is our own: no Via, Call-ID or tag of the sender is in it.
    assert!(value(&sent, Name::Via).contains(EDGE) && sent.headers().count(Name::Via) == 1);
    assert_ne!(value(&sent, Name::CallId), "m");
    assert!(!value(&sent, Name::From).ends_with("tag=a"));
    assert!(!sent.headers().contains(Name::Contact), "RFC 3428 section 4");
    rig.responds(BOB, &sent, 100);
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
    rig.request(MALLORY, MESSAGE, &uri(CALLEE), &message("m0", ""), TEXT);
    rig.gets_response(MALLORY, 403);
    for (uri, headers, status) in [
        (uri(CALLEE), "Max-Forwards: 0\r\n", 483),
        (uri(CALLEE), "Require: frob\r\n", 420),
        ("unknown:x".to_owned(), "", 416),
    ] {
        sends_to(&mut rig, &uri, &status.to_string(), headers);
        rig.gets_response(ALICE, status);
    }
    rig.is_silent();
}

#[test]
fn a_message_fails_over_and_gets_the_503_of_the_last_target() {
    let mut rig = two_targets();
    sends(&mut rig, "m1", "");
    rig.fails_to_reach(BOB);
    let sent = rig.gets_request(CAROL, MESSAGE);
    rig.responds(CAROL, &sent, 503);
    rig.gets_response(ALICE, 503);
}

#[test]
fn a_message_that_no_target_answers_gets_no_408() {
    let mut rig = two_targets();
    sends(&mut rig, "m2", "");
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
    sends(&mut rig, "m", "");
    let sent = rig.gets_request(BOB, MESSAGE);
    rig.responds(BOB, &sent, 408);
    rig.is_silent();
}

#[test]
fn a_message_gets_504_if_its_target_is_not_resolved_in_time() {
    let mut rig = Rig::plain();
    rig.holds_names = true;
    sends(&mut rig, "m", "");
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
        sends(&mut rig, "m1", "Identity: x\r\n");
        assert!(!rig.gets_request(BOB, MESSAGE).headers().contains(Name::Identity));
        sends(&mut rig, "m2", "");
        assert_eq!(header(&rig.gets_response(ALICE, 503), Name::RetryAfter), "5");
        assert_eq!(rig.refused("call-cap"), 1);
        // A MESSAGE in flight does not count against the cap of calls.
        rig.alice_calls("");
    }
}

/// The digest of [`TEXT`] (RFC 9475 section 3.2).
const MSGI: &str = r#""msgi":"sha256-ue/P9bl3JA2dP1gHlIE963aIq2n6vvZ7JTG44Tqu3o0=""#;

/// An edge that verifies the requests of Alice.
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
        sends(&mut rig, &id, headers);
        let response = rig.gets_response(ALICE, status);
        assert_eq!(String::from_utf8_lossy(response.reason()), phrase);
        rig.is_silent();
    }
    assert_eq!(rig.refused("not-verified"), 3);
    sends(&mut rig, "good", &good);
    let sent = rig.gets_request(BOB, MESSAGE);
    assert!(value(&sent, Name::From).contains(";verstat=TN-Validation-Passed@"));
    assert_eq!(format!("Identity: {}\r\n", value(&sent, Name::Identity)), good);
    assert_eq!(rig.counters().verdicts().map(|(.., count)| count).sum::<u64>(), 4);
    // A MESSAGE to an emergency service is never refused.
    sends_to(&mut rig, "urn:service:sos", "sos", "");
    assert!(value(&rig.gets_request(BOB, MESSAGE), Name::From).contains(";verstat=No-TN-Validation@"));
    // Without a rejecting policy, verstat informs the recipient and Reason informs the sender (RFC 9410).
    let mut rig = verifying(&pki, |alice| alice);
    rig.input(Input::Certificates(pki.fetched()));
    sends(&mut rig, "m", &other);
    let sent = rig.gets_request(BOB, MESSAGE);
    assert!(value(&sent, Name::From).contains(";verstat=TN-Validation-Failed@"));
    rig.responds(BOB, &sent, 200);
    let ok = rig.gets_response(ALICE, 200);
    assert_eq!(header(&ok, Name::Reason), "STIR;cause=438;text=\"Invalid Identity Header\"");
}

#[test]
fn a_message_waits_at_most_300_ms_for_a_certificate() {
    let pki = Pki::new();
    let headers = format!("Identity: {}\r\n", pki.typed("msg", CALLER, CALLEE, MSGI));
    let mut rig = verifying(&pki, |alice| alice);
    sends(&mut rig, "m1", &headers);
    rig.run_for(Duration::from_millis(299));
    rig.is_silent();
    assert_eq!(rig.fetches.len(), 1);
    rig.input(Input::Certificates(pki.fetched()));
    assert!(value(&rig.gets_request(BOB, MESSAGE), Name::From).contains("=TN-Validation-Passed@"));

    let mut rig = verifying(&pki, rejecting);
    sends(&mut rig, "m2", &headers);
    rig.run_for(Duration::from_millis(300));
    assert!(value(&rig.gets_request(BOB, MESSAGE), Name::From).contains("=No-TN-Validation@"));
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
    sends(&mut rig, "m", &headers);
    rig.is_silent();
    assert!(!rig.board.is_empty());
    rig.input(Input::HangUp);
    rig.gets_response(ALICE, 503);
    rig.is_silent();
    assert!(rig.board.is_empty() && rig.board.is_settled());
}

#[test]
fn messages_and_calls_share_the_status_of_targets() {
    let mut rig = two_targets();
    for id in ["m1", "m2", "m3"] {
        rig.clear();
        sends(&mut rig, id, "");
        let sent = rig.gets_request(BOB, MESSAGE);
        rig.reply(BOB, &sent, 503, "b", "Retry-After: 60\n");
        let sent = rig.gets_request(CAROL, MESSAGE);
        rig.responds(CAROL, &sent, 200);
    }
    // A call skips Bob, and Carol cannot be reached.
    rig.clear();
    rig.invite("");
    rig.fails_to_reach(CAROL);
    rig.gets_request(BOB, INVITE);
    assert_eq!(rig.counters().targets_out_of_service, 2);
}
