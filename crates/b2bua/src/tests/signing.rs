//! Which calls are signed, by which signer and with which attestation: RFC 8224 section 6.1, RFC 8588.

use std::time::Duration;

use attesta_sip::{Date, Name};
use attesta_stir::{Attestation, Verdict};

use super::pki::Pki;
use super::rig::*;
use crate::{
    CallEvent, Cause, Config, InboundIdentity, Input, NamedSigner, Numbers, OnSignFailure, OutboundIdentity,
    SignError, SigningMeans, Trunk, Trusts,
};

/// The configuration of an edge that signs the calls of Alice to Bob.
fn config(means: SigningMeans, adjust: impl FnOnce(Trunk, Trunk) -> (Trunk, Trunk)) -> Config {
    let (alice, bob) = trunks();
    let alice = alice.vouched_by("acme").numbers(Numbers::starting(vec!["+1215".parse().unwrap()]));
    let (alice, bob) = adjust(alice, bob.outbound_identity(OutboundIdentity::Sign));
    builder().trunk(alice).trunk(bob).signer(NamedSigner::new("acme", means)).build().unwrap()
}

fn signing(pki: &Pki, adjust: impl FnOnce(Trunk, Trunk) -> (Trunk, Trunk)) -> Rig {
    Rig::new(config(SigningMeans::Key(pki.signer.clone()), adjust))
}

/// The verdict of the next edge on an INVITE that the signing edge sent.
fn verdict(pki: &Pki, invite: &attesta_sip::Request) -> (Verdict, Option<Attestation>) {
    let carrier = Trunk::new("carrier").source("192.0.2.100".parse().unwrap());
    let (_, bob) = trunks();
    let config = builder().trunk(carrier).trunk(bob).trust_domain(pki.domain()).build().unwrap();
    let mut rig = Rig::new(config);
    rig.input(Input::Certificates(pki.fetched()));
    rig.receives(EDGE, invite.to_bytes());
    let verified = rig.events.iter().find_map(|event| {
        let CallEvent::Verified { verification, .. } = event else { return None };
        Some((verification.verdict(), verification.attestation()))
    });
    verified.unwrap()
}

#[test]
fn a_call_from_an_own_number_gets_attestation_a_and_a_date() {
    let pki = Pki::new();
    let mut rig = signing(&pki, |alice, bob| (alice, bob));
    let invite = rig.alice_calls("");
    assert_eq!(invite.headers().count(Name::Identity), 1);
    assert!(
        value(&invite, Name::Identity)
            .ends_with(";info=<https://cr.example.net/leaf.pem>;alg=ES256;ppt=shaken")
    );
    assert_eq!(value(&invite, Name::Date), Date::from_unix(EPOCH).unwrap().to_string());
    assert_eq!(verdict(&pki, &invite), (Verdict::Pass, Some(Attestation::A)));
    assert_eq!(rig.counters().identity_signed, 1);
    let signed = |event: &&CallEvent| matches!(event, CallEvent::Signed { attestation: Attestation::A, .. });
    assert_eq!(rig.events.iter().filter(signed).count(), 1);
}

#[test]
fn a_fresh_date_is_kept_and_a_stale_date_is_replaced() {
    let pki = Pki::new();
    for age in [30, 3600] {
        let mut rig = signing(&pki, |alice, bob| (alice, bob));
        let date = Date::from_unix(EPOCH - age).unwrap().to_string();
        let invite = rig.alice_calls(&format!("Date: {date}\r\n"));
        let shown = Date::from_unix(if age == 30 { EPOCH - age } else { EPOCH }).unwrap();
        assert_eq!(value(&invite, Name::Date), shown.to_string());
        assert_eq!(verdict(&pki, &invite).0, Verdict::Pass);
    }
}

#[test]
fn other_numbers_get_the_unknown_attestation_or_no_identity() {
    let pki = Pki::new();
    let other = "From: <sip:+442079460000@h>;tag=a\r\n";
    let mut rig = signing(&pki, |alice, bob| (alice, bob));
    let invite = rig.alice_calls(other);
    assert_eq!(verdict(&pki, &invite), (Verdict::Pass, Some(Attestation::B)));

    let mut rig = signing(&pki, |alice, bob| (alice.unknown_attest(Some(Attestation::C)), bob));
    rig.invite(other);
    assert_eq!(verdict(&pki, &rig.gets_request(BOB, INVITE)).1, Some(Attestation::C));

    let mut rig = signing(&pki, |alice, bob| (alice.unknown_attest(None), bob));
    rig.invite(other);
    assert_eq!(rig.gets_request(BOB, INVITE).headers().count(Name::Identity), 0);

    // Our own number in P-Asserted-Identity does not cover another number in From.
    let mut rig = signing(&pki, |alice, bob| (alice, bob));
    let invite = rig.alice_calls(&format!("{other}P-Asserted-Identity: <tel:{CALLER}>\r\n"));
    assert_eq!(verdict(&pki, &invite), (Verdict::Pass, Some(Attestation::B)));

    // A caller without a number is not signed for.
    let mut rig = signing(&pki, |alice, bob| (alice, bob));
    rig.invite("From: <sip:anonymous@anonymous.invalid>;tag=a\r\n");
    assert_eq!(rig.gets_request(BOB, INVITE).headers().count(Name::Identity), 0);
    assert_eq!(rig.counters().identity_sign_failures, 0);
}

#[test]
fn a_stir_reason_about_our_signature_is_not_relayed() {
    let pki = Pki::new();
    for (reasons, told, disputed) in [
        ("Reason: STIR;cause=438;text=\"x\"\r\n", None, 1),
        (
            "Reason: STIR;cause=437;ppi=\"..sig\", SIP;cause=200\r\nReason: STIR;cause=436\r\n",
            Some("SIP;cause=200"),
            1,
        ),
        ("Reason: Q.850;cause=16\r\n", Some("Q.850;cause=16"), 0),
    ] {
        let mut rig = signing(&pki, |alice, bob| (alice, bob));
        let invite = rig.alice_calls("");
        rig.reply(BOB, &invite, 180, "b", &(contact(BOB) + reasons));
        let ringing = rig.gets_response(ALICE, 180);
        let reason = ringing.headers().get(Name::Reason).map(String::from_utf8_lossy);
        assert_eq!(reason.as_deref(), told, "{reasons}");
        assert_eq!(rig.counters().identity_disputed, disputed);
    }
    // A Reason about a PASSporT of the caller is relayed.
    let mut rig = signing(&pki, |alice, bob| (alice, bob));
    let invite = rig.alice_calls("Identity: a.b.c;info=<https://h/x>;ppt=shaken\r\n");
    rig.reply(BOB, &invite, 486, "b", "Reason: STIR;cause=438;ppi=\"..c\"\r\nReason: STIR;cause=436\r\n");
    rig.gets_request(BOB, ACK);
    let busy = rig.gets_response(ALICE, 486);
    assert_eq!(busy.headers().values(Name::Reason).count(), 2);
    assert_eq!(rig.counters().identity_disputed, 0);
}

#[test]
fn a_call_with_a_shaken_passport_is_not_signed_again() {
    let pki = Pki::new();
    let mut rig = signing(&pki, |alice, bob| (alice, bob));
    let invite = rig.alice_calls("Identity: a.b.c;info=<https://h/x>;ppt=\"shaken\"\r\n");
    assert_eq!(invite.headers().count(Name::Identity), 1);
    // The PASSporT counts as shaken even if only its token names the type. The edge must verify to read the token.
    let (alice, bob) = trunks();
    let alice = alice.inbound_identity(InboundIdentity::Verify).vouched_by("acme");
    let bob = bob.outbound_identity(OutboundIdentity::Sign);
    let acme = NamedSigner::new("acme", SigningMeans::Key(pki.signer.clone()));
    let config = builder().trunk(alice).trunk(bob).trust_domain(pki.domain()).signer(acme).build();
    let mut rig = Rig::new(config.unwrap());
    let token = format!("eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbiJ9.e30.{}", "A".repeat(86));
    rig.invite(&format!("Identity: {token};info=<https://h/x>\r\n"));
    assert_eq!(rig.gets_request(BOB, INVITE).headers().count(Name::Identity), 1);
    // A PASSporT of another type does not count, and a PASSporT that the edge removed does not count.
    let mut rig = signing(&pki, |alice, bob| (alice, bob));
    rig.invite("Identity: a.b.c;info=<https://h/x>;ppt=rcd\r\n");
    assert_eq!(rig.gets_request(BOB, INVITE).headers().count(Name::Identity), 2);
    let mut rig = signing(&pki, |alice, bob| (alice.inbound_identity(InboundIdentity::Strip), bob));
    let invite = rig.alice_calls("Identity: a.b.c;info=<https://h/x>;ppt=shaken\r\n");
    assert_eq!(invite.headers().count(Name::Identity), 1);
    assert_eq!(verdict(&pki, &invite).0, Verdict::Pass);
}

/// An edge that verifies the calls of Alice, then signs them for Bob.
fn judging(pki: &Pki, means: SigningMeans, adjust: impl FnOnce(Trunk, Trunk) -> (Trunk, Trunk)) -> Rig {
    let (alice, bob) = trunks();
    let alice = alice
        .inbound_identity(InboundIdentity::Verify)
        .vouched_by("acme")
        .numbers(Numbers::starting(vec!["+1215".parse().unwrap()]));
    let (alice, bob) = adjust(alice, bob.outbound_identity(OutboundIdentity::Sign));
    let acme = NamedSigner::new("acme", means);
    let config = builder().trunk(alice).trunk(bob).trust_domain(pki.domain()).signer(acme).build();
    let mut rig = Rig::new(config.unwrap());
    rig.input(Input::Certificates(pki.fetched()));
    rig
}

/// The header fields of a caller that claims an outcome of verification.
const CLAIMING: &str = "From: <sip:+12155551212;verstat=TN-Validation-Passed@edge.example>;tag=a\r\n\
    P-Asserted-Identity: <tel:+12155551212;verstat=TN-Validation-Passed>\r\n";

#[test]
fn a_call_that_we_sign_carries_no_verstat() {
    let pki = Pki::new();
    let asserted = format!("P-Asserted-Identity: <tel:{CALLER}>\r\n");
    // An rcd that cannot be verified does not count either: the call is signed, and its verdict is not sent on.
    let rcd = "Identity: a.b.c;info=<https://h/x>;ppt=rcd\r\n";
    for (headers, identities) in [("", 1), (asserted.as_str(), 1), (rcd, 2), (CLAIMING, 1)] {
        for trusted in [false, true] {
            let trusts = Trusts { verstat: trusted, ..Trusts::default() };
            let key = SigningMeans::Key(pki.signer.clone());
            let mut rig = judging(&pki, key, |alice, bob| (alice.trusts(trusts), bob));
            let invite = rig.alice_calls(headers);
            assert_eq!(invite.headers().count(Name::Identity), identities, "{headers}");
            assert!(!String::from_utf8_lossy(&invite.to_bytes()).contains("verstat"), "{headers}");
            assert_eq!(verdict(&pki, &invite), (Verdict::Pass, Some(Attestation::A)), "{headers}");
            assert_eq!(rig.counters().verdicts().count(), 1, "the call was still verified");
        }
    }
    // The same holds for the signature of an outside signer.
    let mut rig = judging(&pki, SigningMeans::Outside, |alice, bob| (alice, bob));
    rig.invite("");
    let (token, ..) = rig.to_sign.pop_front().unwrap();
    let given = "a.b.c;info=<https://h/x>;alg=ES256;ppt=shaken";
    rig.input(Input::Signed { token, result: Ok(given.into()) });
    let invite = rig.gets_request(BOB, INVITE);
    assert_eq!(value(&invite, Name::Identity), given);
    assert!(!String::from_utf8_lossy(&invite.to_bytes()).contains("verstat"));
}

#[test]
fn a_verified_call_that_is_not_signed_carries_verstat() {
    let pki = Pki::new();
    let unverified = "No-TN-Validation";
    let says = |rig: &mut Rig, found: &str| {
        let invite = rig.gets_request(BOB, INVITE);
        assert!(value(&invite, Name::From).contains(&format!(";verstat={found}@")), "{found}");
        invite
    };
    let key = || SigningMeans::Key(pki.signer.clone());
    let mut rig = judging(&pki, key(), |alice, bob| (alice, bob.outbound_identity(OutboundIdentity::Pass)));
    rig.invite("");
    says(&mut rig, unverified);
    // No key is usable, the outside signer refuses, or the number of the caller gets no attestation.
    let mut rig = judging(&pki, SigningMeans::OutOfService, |alice, bob| (alice, bob));
    rig.invite("");
    says(&mut rig, unverified);
    let mut rig = judging(&pki, SigningMeans::Outside, |alice, bob| (alice, bob));
    rig.invite("");
    let (token, ..) = rig.to_sign.pop_front().unwrap();
    rig.input(Input::Signed { token, result: Err(SignError::Refused) });
    says(&mut rig, unverified);
    let mut rig = judging(&pki, key(), |alice, bob| (alice.unknown_attest(None), bob));
    rig.invite(&format!("From: <{}>;tag=a\r\n", uri("+442079460000")));
    says(&mut rig, unverified);
    // An Identity that the caller sent is relayed, with the verdict on it.
    let mut upstream = signing(&pki, |alice, bob| (alice, bob));
    upstream.invite("");
    let came = value(&upstream.gets_request(BOB, INVITE), Name::Identity);
    let mut rig = judging(&pki, key(), |alice, bob| (alice, bob));
    rig.invite(&format!("Identity: {came}\r\n"));
    let invite = says(&mut rig, "TN-Validation-Passed");
    assert_eq!(value(&invite, Name::Identity), came);
    assert_eq!(rig.counters().identity_signed, 0);
}

#[test]
fn each_attempt_gets_a_signature_of_its_own() {
    let pki = Pki::new();
    let mut rig = signing(&pki, |alice, bob| (alice, bob.target("sip:192.0.2.3".parse().unwrap())));
    let first = rig.alice_calls("");
    rig.responds(BOB, &first, 503);
    let second = rig.gets_request(CAROL, INVITE);
    assert_ne!(value(&first, Name::Identity), value(&second, Name::Identity));
    assert_eq!(verdict(&pki, &second).0, Verdict::Pass);
    // A response to the INVITE adds no signature.
    rig.reply_with(CAROL, &second, 200, "c", &contact(CAROL), ANSWER);
    assert_eq!(rig.counters().identity_signed, 2);
}

#[test]
fn without_a_usable_key_calls_leave_unsigned_or_get_500() {
    let mut rig = Rig::new(config(SigningMeans::OutOfService, |alice, bob| (alice, bob)));
    rig.invite("");
    assert_eq!(rig.gets_request(BOB, INVITE).headers().count(Name::Identity), 0);
    assert_eq!((rig.counters().identity_signed, rig.counters().identity_sign_failures), (0, 1));

    let reject = |alice, bob: Trunk| (alice, bob.on_sign_failure(OnSignFailure::Reject));
    let mut rig = Rig::new(config(SigningMeans::OutOfService, reject));
    rig.invite("");
    let response = rig.gets_response(ALICE, 500);
    rig.ends_clean(Cause::Refused(response.status()));
    // An emergency call still continues.
    let mut rig = Rig::new(config(SigningMeans::OutOfService, reject));
    rig.invites(ALICE, &uri("911"), "call-1");
    rig.gets_request(BOB, INVITE);
}

#[test]
fn an_expired_certificate_signs_no_call() {
    let pki = Pki::new();
    let mut rig = signing(&pki, |alice, bob| (alice, bob));
    rig.run_for(Duration::from_secs(2 * 86_400));
    rig.invite("");
    assert_eq!(rig.gets_request(BOB, INVITE).headers().count(Name::Identity), 0);
    assert_eq!(rig.counters().identity_sign_failures, 1);
}

#[test]
fn the_identity_of_an_outside_signer_is_sent() {
    let mut rig = Rig::new(config(SigningMeans::Outside, |alice, bob| (alice, bob)));
    rig.invite("");
    rig.is_silent();
    let (token, signer, claims) = rig.to_sign.pop_front().unwrap();
    assert_eq!((&*signer, claims.attestation), ("acme", Attestation::A));
    assert_eq!(
        (claims.orig.to_string(), claims.dest[0].to_string()),
        ("12155551212".into(), "12155551213".into())
    );
    assert_eq!(claims.issued_at, unix(EPOCH));
    let value_given = "a.b.c;info=<https://h/x>;alg=ES256;ppt=shaken";
    rig.input(Input::Signed { token, result: Ok(value_given.into()) });
    assert_eq!(value(&rig.gets_request(BOB, INVITE), Name::Identity), value_given);
    rig.input(Input::Signed { token, result: Ok("again".into()) });
    rig.is_silent();
}

#[test]
fn a_failed_silent_or_invalid_outside_signature_is_counted() {
    let bad = "a.b.c;info=<https://h/x>\r\nX-Injected: yes";
    for answer in [Some(Err(SignError::Refused)), Some(Ok(bad.into())), None] {
        let mut rig = Rig::new(config(SigningMeans::Outside, |alice, bob| (alice, bob)));
        rig.invite("");
        let (token, ..) = rig.to_sign.pop_front().unwrap();
        match answer {
            Some(result) => rig.input(Input::Signed { token, result }),
            None => rig.run_for(Duration::from_millis(500)),
        }
        let invite = rig.gets_request(BOB, INVITE);
        assert_eq!(invite.headers().count(Name::Identity), 0);
        assert_eq!(invite.headers().named("X-Injected"), None);
        assert_eq!(rig.counters().identity_sign_failures, 1);
    }
}

#[test]
fn the_trust_domain_of_the_egress_trunk_chooses_the_signer() {
    let (us, ca) = (Pki::new(), Pki::new());
    let (alice, bob) = trunks();
    let alice = alice.vouched_by("us").vouched_by("ca").trust("us");
    let bob = bob.outbound_identity(OutboundIdentity::Sign).trust("ca");
    let signer = |name: &'static str, pki: &Pki| {
        NamedSigner::new(name, SigningMeans::Key(pki.signer.clone())).trust(name)
    };
    let config = builder()
        .trunk(alice)
        .trunk(bob)
        .trust_domain(us.domain_named("us"))
        .trust_domain(ca.domain_named("ca"))
        .signer(signer("us", &us))
        .signer(signer("ca", &ca));
    let mut rig = Rig::new(config.build().unwrap());
    let invite = rig.alice_calls("");
    assert_eq!(verdict(&ca, &invite).0, Verdict::Pass);
    assert_eq!(verdict(&us, &invite).0, Verdict::Fail);
}

#[test]
fn the_egress_signer_signs_if_the_origin_trunk_has_no_signer() {
    let pki = Pki::new();
    let (alice, bob) = trunks();
    let bob = bob.outbound_identity(OutboundIdentity::Sign).signer("acme");
    let acme = NamedSigner::new("acme", SigningMeans::Key(pki.signer.clone()));
    let mut rig = Rig::new(builder().trunk(alice).trunk(bob).signer(acme).build().unwrap());
    rig.invite("");
    assert_eq!(verdict(&pki, &rig.gets_request(BOB, INVITE)), (Verdict::Pass, Some(Attestation::B)));
}
