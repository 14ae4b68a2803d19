//! The effects of verification on a call: RFC 8224 section 6.2, RFC 9410, 3GPP TS 24.229.

use std::time::Duration;

use attesta_sip::{Name, Status};
use attesta_stir::{Attestation, DialPlan, Identity, OrigId, Shaken};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};

use super::pki::{Pki, URL};
use super::rig::*;
use crate::{
    CallEvent, Caps, Cause, Consequence, InboundIdentity, Input, OutboundIdentity, Outcomes, Trunk, Trusts,
};

/// An edge that verifies the calls of Alice.
fn verifying(pki: &Pki, adjust: impl FnOnce(Trunk) -> Trunk) -> Rig {
    let (alice, bob) = trunks();
    let alice = adjust(alice.inbound_identity(InboundIdentity::Verify));
    let caps = Caps { waiting_per_certificate: 2, certificates_per_source: 3, ..Caps::default() };
    Rig::new(builder().trunk(alice).trunk(bob).trust_domain(pki.domain()).caps(caps).build().unwrap())
}

/// The same edge, after it has fetched the certificate.
fn knowing(pki: &Pki, adjust: impl FnOnce(Trunk) -> Trunk) -> Rig {
    let mut rig = verifying(pki, adjust);
    rig.input(Input::Certificates(pki.fetched()));
    rig
}

fn identity(uri: &str) -> Identity {
    Identity::callee(uri.as_bytes(), &DialPlan::default()).unwrap()
}

/// An Identity value for a call from [`CALLER`] to `callee`.
fn signed(pki: &Pki, callee: &str) -> String {
    let claims = Shaken {
        attest: Attestation::A,
        dest: &[identity(&uri(callee))],
        iat: unix(EPOCH),
        orig: &identity(&uri(CALLER)),
        origid: OrigId::from_random([9; 16]),
    };
    let mut value = Vec::new();
    pki.signer.sign_shaken(&claims, &mut value).unwrap();
    String::from_utf8(value).unwrap()
}

/// The Identity value with one octet of its signature changed.
fn tampered(value: &str) -> String {
    let signature = value.find(';').unwrap() - 40;
    let other = if value.as_bytes()[signature] == b'A' { "B" } else { "A" };
    [&value[..signature], other, &value[signature + 1..]].concat()
}

/// An Identity header line.
fn line(value: &str) -> String {
    format!("Identity: {value}\r\n")
}

#[test]
fn a_valid_identity_passes_and_sets_verstat_in_from() {
    let pki = Pki::new();
    let mut rig = knowing(&pki, |alice| alice);
    let value_sent = signed(&pki, CALLEE);
    let invite = rig.alice_calls(&line(&value_sent));
    assert!(
        value(&invite, Name::From).contains("<sip:+12155551212;verstat=TN-Validation-Passed@edge.example>")
    );
    assert_eq!(value(&invite, Name::Identity), value_sent, "relayed octet for octet");
    rig.reply(BOB, &invite, 180, "b", &contact(BOB));
    assert_eq!(rig.gets_response(ALICE, 180).headers().count(Name::Reason), 0);
    assert_eq!(rig.counters().verdicts().collect::<Vec<_>>(), [("pass", "", 1)]);
    assert!(rig.events.iter().any(|event| matches!(event, CallEvent::Verified { .. })));
}

#[test]
fn verstat_is_set_in_p_asserted_identity_instead_of_from() {
    let pki = Pki::new();
    let mut rig = knowing(&pki, |alice| alice);
    let pai =
        format!("P-Asserted-Identity: \"A\" <{}>\r\nP-Asserted-Identity: <tel:{CALLER}>\r\n", uri(CALLER));
    let invite = rig.alice_calls(&(line(&signed(&pki, CALLEE)) + &pai));
    let asserted: Vec<_> =
        invite.headers().values(Name::PAssertedIdentity).map(String::from_utf8_lossy).collect();
    assert_eq!(
        asserted,
        [
            "\"A\" <sip:+12155551212;verstat=TN-Validation-Passed@edge.example>",
            "<tel:+12155551212;verstat=TN-Validation-Passed>",
        ]
    );
    assert!(!value(&invite, Name::From).contains("verstat"));
}

#[test]
fn a_failed_identity_is_reported_to_both_sides_of_the_call() {
    let pki = Pki::new();
    let mut rig = knowing(&pki, |alice| alice);
    let invite = rig.alice_calls(&line(&tampered(&signed(&pki, CALLEE))));
    assert!(value(&invite, Name::From).contains(";verstat=TN-Validation-Failed@"));
    rig.responds(BOB, &invite, 100);
    rig.reply(BOB, &invite, 180, "b", &contact(BOB));
    let ringing = rig.gets_response(ALICE, 180);
    assert_eq!(header(&ringing, Name::Reason), "STIR;cause=438;text=\"Invalid Identity Header\"");
    rig.reply_with(BOB, &invite, 200, "b", &contact(BOB), ANSWER);
    assert_eq!(
        rig.gets_response(ALICE, 200).headers().count(Name::Reason),
        0,
        "the Reason is sent only once"
    );
    assert_eq!(rig.counters().verdicts().collect::<Vec<_>>(), [("fail", "signature-invalid", 1)]);
}

#[test]
fn the_reason_is_in_the_final_response_if_it_is_the_first() {
    let pki = Pki::new();
    let mut rig = knowing(&pki, |alice| alice);
    let invite = rig.alice_calls(&line(&tampered(&signed(&pki, CALLEE))));
    rig.reply(BOB, &invite, 486, "b", "Reason: Q.850;cause=17\n");
    let response = rig.gets_response(ALICE, 486);
    let reasons: Vec<_> = response.headers().values(Name::Reason).map(String::from_utf8_lossy).collect();
    assert_eq!(reasons, ["Q.850;cause=17", "STIR;cause=438;text=\"Invalid Identity Header\""]);
}

#[test]
fn each_failed_identity_has_its_reason_in_the_180() {
    let pki = Pki::new();
    let mut rig = knowing(&pki, |alice| alice);
    let (bad, elsewhere) = (tampered(&signed(&pki, CALLEE)), signed(&pki, "+12155550000"));
    let invite = rig.alice_calls(&(line(&bad) + &line(&elsewhere) + &line("no.token.at;all")));
    rig.reply(BOB, &invite, 180, "b", &contact(BOB));
    let ringing = rig.gets_response(ALICE, 180);
    let reasons: Vec<_> = ringing.headers().values(Name::Reason).map(String::from_utf8_lossy).collect();
    let compact = |value: &str| format!(";ppi=\"..{}\"", value.split(['.', ';']).nth(2).unwrap());
    assert_eq!(reasons.len(), 3);
    assert!(reasons[0].ends_with(&compact(&bad)), "{reasons:?}");
    assert!(reasons[1].ends_with(&compact(&elsewhere)), "{reasons:?}");
    // One valid Identity among several is enough (RFC 8224 section 6.2.1).
    let mut rig = knowing(&pki, |alice| alice);
    rig.invite(&(line(&bad) + &line(&signed(&pki, CALLEE))));
    assert!(value(&rig.gets_request(BOB, INVITE), Name::From).contains("TN-Validation-Passed"));
}

#[test]
fn rejected_calls_get_the_status_and_phrase_of_rfc_8224() {
    let pki = Pki::new();
    let all = Outcomes {
        failed: Consequence::Reject,
        missing: Consequence::Reject,
        unavailable: Consequence::Reject,
        no_number: Consequence::Reject,
    };
    let anonymous = "From: <sip:anonymous@anonymous.invalid>;tag=a\r\n";
    for (headers, status, phrase) in [
        (line(&tampered(&signed(&pki, CALLEE))), 438, "Invalid Identity Header"),
        (String::new(), 428, "Use Identity Header"),
        (
            line("a.b.c;info=<https://cr.example.net/leaf.pem>;ppt=unheard"),
            428,
            "Use Supported PASSporT Format",
        ),
        (line(&signed(&pki, CALLEE)) + anonymous, 438, "Invalid Identity Header"),
    ] {
        let mut rig = knowing(&pki, |alice| alice.outcomes(all));
        rig.invite(&headers);
        let response = rig.gets_response(ALICE, status);
        assert_eq!(String::from_utf8_lossy(response.reason()), phrase);
        assert_eq!(response.headers().count(Name::Reason), 0);
        rig.is_silent();
        rig.ends_clean(Cause::Refused(response.status()));
    }
    let code = Consequence::RejectWith(Status::DECLINE);
    let mut rig = knowing(&pki, |alice| alice.outcomes(Outcomes { missing: code, ..Outcomes::default() }));
    rig.invite("");
    rig.gets_response(ALICE, 603);
}

/// ADR 6: a PASSporT that does not state the caller does not vouch for the call, alone or beside a shaken PASSporT.
#[test]
fn rcd_rph_and_msg_passports_do_not_count_as_an_identity() {
    let pki = Pki::new();
    let missing = |consequence| Outcomes { missing: consequence, ..Outcomes::default() };
    for (ppt, claims) in [
        ("rcd", r#""rcd":{"nam":"Your Bank"}"#),
        ("rph", r#""rph":{"auth":["ets.0"]}"#),
        ("msg", r#""msgi":"sha256-x""#),
    ] {
        let identity = line(&pki.typed(ppt, CALLER, CALLEE, claims));
        let mut rig = knowing(&pki, |alice| alice.outcomes(missing(Consequence::Reject)));
        rig.invite(&identity);
        let response = rig.gets_response(ALICE, 428);
        assert_eq!(String::from_utf8_lossy(response.reason()), "Use Supported PASSporT Format", "{ppt}");
        rig.is_silent();
        // Beside a valid shaken PASSporT it does no harm. Without a rejecting policy the call continues as unverified.
        rig = knowing(&pki, |alice| alice.outcomes(missing(Consequence::Reject)));
        rig.invite(&(identity.clone() + &line(&signed(&pki, CALLEE))));
        assert!(value(&rig.gets_request(BOB, INVITE), Name::From).contains("=TN-Validation-Passed"));
        rig = knowing(&pki, |alice| alice);
        let invite = rig.alice_calls(&identity);
        assert!(value(&invite, Name::From).contains(";verstat=No-TN-Validation@"), "{ppt}");
        assert_eq!(value(&invite, Name::Identity), identity.trim_end().trim_start_matches("Identity: "));
    }
}

#[test]
fn an_emergency_call_is_never_refused_by_verification() {
    let pki = Pki::new();
    let all = Outcomes { failed: Consequence::Reject, missing: Consequence::Reject, ..Outcomes::default() };
    let mut rig = knowing(&pki, |alice| alice.outcomes(all));
    let to = "To: <urn:service:sos>\r\n";
    rig.request(ALICE, INVITE, "urn:service:sos", &dialog_forming(&(line("x") + to)), OFFER);
    rig.gets_request(BOB, INVITE);
}

#[test]
fn a_call_waits_for_a_certificate_within_its_budget() {
    let pki = Pki::new();
    let mut rig = verifying(&pki, |alice| alice);
    rig.invite(&line(&signed(&pki, CALLEE)));
    assert_eq!(rig.fetches.iter().map(|url| url.as_str()).collect::<Vec<_>>(), [URL]);
    rig.run_for(Duration::from_millis(150));
    rig.is_silent();
    rig.input(Input::Certificates(pki.fetched()));
    assert!(value(&rig.gets_request(BOB, INVITE), Name::From).contains("TN-Validation-Passed"));

    let mut rig = verifying(&pki, |alice| alice.budget(Duration::from_millis(100)));
    rig.invite(&line(&signed(&pki, CALLEE)));
    rig.run_for(Duration::from_millis(99));
    rig.is_silent();
    rig.run_for(Duration::from_millis(1));
    let invite = rig.gets_request(BOB, INVITE);
    assert!(value(&invite, Name::From).contains("No-TN-Validation"));
    rig.reply(BOB, &invite, 180, "b", &contact(BOB));
    assert_eq!(
        header(&rig.gets_response(ALICE, 180), Name::Reason),
        "STIR;cause=436;text=\"Bad Identity Info\""
    );
    // A certificate that arrives too late has no effect.
    rig.input(Input::Certificates(pki.fetched()));
    rig.is_silent();
}

#[test]
fn a_cached_fetch_failure_is_used_without_waiting() {
    let pki = Pki::new();
    let mut rig = verifying(&pki, |alice| alice);
    rig.input(Input::Certificates(pki.unreachable()));
    rig.invite(&line(&signed(&pki, CALLEE)));
    assert!(value(&rig.gets_request(BOB, INVITE), Name::From).contains("No-TN-Validation"));
    assert!(rig.fetches.is_empty());

    let unavailable = Outcomes { unavailable: Consequence::Reject, ..Outcomes::default() };
    let mut rig = verifying(&pki, |alice| alice.outcomes(unavailable));
    rig.input(Input::Certificates(pki.unreachable()));
    rig.invite(&line(&signed(&pki, CALLEE)));
    rig.gets_response(ALICE, 436);
}

#[test]
fn calls_share_one_fetch_and_a_limited_number_waits() {
    let pki = Pki::new();
    let mut rig = verifying(&pki, |alice| alice);
    for call in 0..3 {
        let headers = outside_dialog(INVITE, &format!("call-{call}"), &line(&signed(&pki, CALLEE)));
        rig.request(ALICE, INVITE, &uri(CALLEE), &headers, OFFER);
    }
    assert!(
        value(&rig.gets_request(BOB, INVITE), Name::From).contains("No-TN-Validation"),
        "the third call does not wait"
    );
    rig.is_silent();
    assert_eq!(rig.fetches.len(), 1);
    rig.input(Input::Certificates(pki.fetched()));
    for _ in 0..2 {
        assert!(value(&rig.gets_request(BOB, INVITE), Name::From).contains("TN-Validation-Passed"));
    }
}

/// The caller names a new URL in every call. If this test fails, one address takes all fetches of the edge.
#[test]
fn one_address_waits_for_a_limited_number_of_certificates() {
    let pki = Pki::new();
    let mut rig = verifying(&pki, |alice| alice);
    let value = signed(&pki, CALLEE);
    let (header, rest) = value.split_once('.').unwrap();
    for call in 0..5 {
        let other = URL.replace("https://", &format!("https://h{call}."));
        let header = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        let header = BASE64_URL_SAFE_NO_PAD.encode(header.replace(URL, &other));
        let identity = format!("{header}.{}", rest.replace(URL, &other));
        let headers = outside_dialog(INVITE, &format!("call-{call}"), &line(&identity));
        rig.request(ALICE, INVITE, &uri(CALLEE), &headers, OFFER);
    }
    for _ in 0..2 {
        let from = rig.gets_request(BOB, INVITE);
        assert!(super::rig::value(&from, Name::From).contains("No-TN-Validation"), "it does not wait");
    }
    rig.is_silent();
    assert_eq!(rig.fetches.len(), 3);
}

#[test]
fn a_cancel_ends_the_wait_for_a_certificate() {
    let pki = Pki::new();
    let mut rig = verifying(&pki, |alice| alice);
    rig.invite(&line(&signed(&pki, CALLEE)));
    rig.alice_cancels();
    rig.input(Input::Certificates(pki.fetched()));
    rig.is_silent();
    rig.ends_clean(Cause::Cancelled);
}

#[test]
fn verification_claims_of_an_untrusted_peer_are_removed() {
    let mut rig = Rig::plain();
    let from = format!("From: <sip:{CALLER};verstat=TN-Validation-Passed@edge.example>;tag=a\r\n");
    let invite = rig.alice_calls(&(from.clone() + "P-Attestation-Indicator: A\r\nP-Origination-ID: 1\r\n"));
    assert!(!String::from_utf8_lossy(&invite.to_bytes()).contains("verstat"));
    assert_eq!(invite.headers().named("P-Attestation-Indicator"), None);
    assert_eq!(invite.headers().named("P-Origination-ID"), None);

    let (alice, bob) = trunks();
    let trusts =
        Trusts { asserted_identity: false, verstat: true, attest_headers: true, ..Trusts::default() };
    let mut rig = Rig::new(builder().trunk(alice.trusts(trusts)).trunk(bob).build().unwrap());
    let invite =
        rig.alice_calls(&(from + "P-Attestation-Indicator: A\r\nP-Asserted-Identity: <tel:+1999>\r\n"));
    assert!(value(&invite, Name::From).contains(";verstat=TN-Validation-Passed@"));
    assert_eq!(invite.headers().named("P-Attestation-Indicator"), Some(&b"A"[..]));
    assert_eq!(invite.headers().count(Name::PAssertedIdentity), 0);
}

#[test]
fn diversion_headers_are_relayed_from_trusted_peers_only() {
    let diverted = "Diversion: <tel:+12155550000>;reason=no-answer\r\nHistory-Info: <sip:h>;index=1\r\n";
    for diversion in [false, true] {
        let (alice, bob) = trunks();
        let alice = alice.trusts(Trusts { diversion, ..Trusts::default() });
        let mut rig = Rig::new(builder().trunk(alice).trunk(bob).build().unwrap());
        let invite = rig.alice_calls(diverted);
        for name in [Name::Diversion, Name::HistoryInfo] {
            assert_eq!(invite.headers().count(name), usize::from(diversion));
        }
    }
}

#[test]
fn acks_and_byes_are_relayed_without_claimed_outcomes() {
    let mut rig = Rig::plain();
    let talk = rig.answered();
    for (method, seq) in [(ACK, 1), (BYE, 2)] {
        rig.alice_sends_with(&talk, method, seq, &claims(), "");
        let request = rig.gets_request(BOB, method);
        assert!(!String::from_utf8_lossy(&request.to_bytes()).contains("alidation"), "{method}");
        assert_eq!(request.headers().named("P-Attestation-Indicator"), None);
    }
}

#[test]
fn the_trunk_decides_if_identities_are_relayed_or_removed() {
    for (inbound, outbound, count) in [
        (InboundIdentity::Pass, OutboundIdentity::Pass, 2),
        (InboundIdentity::Strip, OutboundIdentity::Pass, 0),
        (InboundIdentity::Pass, OutboundIdentity::Strip, 0),
    ] {
        let (alice, bob) = trunks();
        let (alice, bob) = (alice.inbound_identity(inbound), bob.outbound_identity(outbound));
        let mut rig = Rig::new(builder().trunk(alice).trunk(bob).build().unwrap());
        rig.invite("Identity: a.b.c;info=<x:y>\r\nIdentity: not even one\r\n");
        assert_eq!(rig.gets_request(BOB, INVITE).headers().count(Name::Identity), count);
    }
}

#[test]
fn an_identity_marks_only_its_own_asserted_number() {
    let pki = Pki::new();
    let value_sent = line(&signed(&pki, CALLEE));
    // The number of the Identity comes second. A mark would make the first number, of another party, look verified.
    let mut rig = knowing(&pki, |alice| alice);
    let invite =
        rig.alice_calls(&format!("{value_sent}P-Asserted-Identity: <tel:+12155559999>, <tel:{CALLER}>\r\n"));
    assert!(!String::from_utf8_lossy(&invite.to_bytes()).contains("TN-Validation-Passed"));
    // The number of the Identity comes first: only this number is marked.
    let mut rig = knowing(&pki, |alice| alice);
    let invite =
        rig.alice_calls(&format!("{value_sent}P-Asserted-Identity: <tel:{CALLER}>, <tel:+12155559999>\r\n"));
    let asserted: Vec<_> =
        invite.headers().values(Name::PAssertedIdentity).map(String::from_utf8_lossy).collect();
    assert_eq!(asserted, ["<tel:+12155551212;verstat=TN-Validation-Passed>", "<tel:+12155559999>"]);
}

/// Every place where a caller may claim an outcome of verification.
const CLAIMS: &str = "P-Asserted-Identity: <sip:+12155551212;verst%61t=TN-Validation-Passed@h>\r\n\
    p-asserted-IDENTITY: <sip:+12155551212@h\r\n ;verstat=TN-Validation-Passed>\r\n\
    P-Asserted-Identity: <tel:+12155551212>;verstat=TN-Validation-Passed\r\n\
    P-Preferred-Identity: <tel:+12155551212;verstat=TN-Validation-Passed>\r\n\
    Remote-Party-ID: <sip:+12155551212;verstat=TN-Validation-Passed@h>;party=calling\r\n\
    Priority-Verstat: RPH-Validation-Passed\r\n\
    P-ATTESTATION-INDICATOR : A\r\nAttestation-Info: A\r\nOrigination-Id: x\r\n";

/// The same header fields, each on a line of its own.
fn claims() -> String {
    CLAIMS.replace("\r\n ", " ").replace(" :", ":")
}

fn assert_claims_nothing(message: &[u8]) {
    let text = String::from_utf8_lossy(message).to_ascii_lowercase();
    for word in ["validation-passed", "attestation", "origination"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[test]
fn an_invite_is_relayed_without_claimed_outcomes() {
    let mut rig = Rig::plain();
    let from = "From: <sip:+12155551212@edge.example>;verstat=TN-Validation-Passed;tag=a\r\n";
    rig.invite(&format!("{from}{CLAIMS}"));
    assert_claims_nothing(&rig.gets_request(BOB, INVITE).to_bytes());
}

#[test]
fn requests_in_a_dialog_are_relayed_without_claimed_outcomes() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    for (seq, method) in [(2, UPDATE), (3, INFO), (4, INVITE)] {
        rig.alice_sends_with(&talk, method, seq, &format!("{CLAIMS}Contact: <sip:{ALICE}>\r\n"), "");
        let relayed = rig.gets_request(BOB, method);
        assert_claims_nothing(&relayed.to_bytes());
        rig.reply(BOB, &relayed, 200, "", &(contact(BOB) + "\r\n" + &claims()));
        assert_claims_nothing(&rig.gets_response(ALICE, 200).to_bytes());
    }
}

#[test]
fn responses_are_relayed_without_claimed_outcomes() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.reply(BOB, &invite, 180, "b", &(contact(BOB) + "\r\n" + &claims()));
    assert_claims_nothing(&rig.gets_response(ALICE, 180).to_bytes());
    rig.reply(BOB, &invite, 486, "b", &claims());
    assert_claims_nothing(&rig.gets_response(ALICE, 486).to_bytes());
}
