//! Signed tokens verify, and changed tokens do not.

use attesta_stir::cert::Snapshot;
use attesta_stir::{
    Attestation, Check, Facts, FindingResult, IdentityField, Outcome, Reason, Verdict, VerifyPolicy, Verstat,
};

use crate::support::{
    self, CALLEE, CALLER, NOW, Pki, at, field, identity, now, signed, snapshot, token, verify,
};

#[test]
fn a_signed_call_verifies() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let value = signed(&signer);
    assert!(value.ends_with(";info=<https://cr.example.net/leaf.pem>;alg=ES256;ppt=shaken"));
    let known = snapshot(&pki.anchors(), &[(support::URL, &bundle)]);
    let verification = verify(&pki.anchors(), &[field(&value)], &known);
    assert_eq!(verification.verdict(), Verdict::Pass, "{:?}", verification.reason());
    assert_eq!(verification.verstat(), Verstat::TnValidationPassed);
    assert_eq!(verification.attestation(), Some(Attestation::A));
    assert!(verification.origid().is_some() && verification.is_final());
    let [finding] = verification.findings() else { panic!("one field, one finding") };
    for (check, outcome) in finding.checks().iter() {
        let applies = !matches!(check, Check::Extension | Check::Revocation);
        assert_eq!(outcome, if applies { Outcome::Pass } else { Outcome::Skipped }, "{check}");
    }
}

#[test]
fn a_missing_certificate_is_requested_then_unavailable() {
    let pki = Pki::new();
    let value = signed(&pki.signer().0);
    let fields = [field(&value), field(&value)];
    let verification = verify(&pki.anchors(), &fields, &Snapshot::default());
    assert!(!verification.is_final());
    assert_eq!(verification.wanted().iter().map(|url| url.as_str()).collect::<Vec<_>>(), [support::URL]);
    let verification = verification.give_up();
    assert!(verification.is_final());
    assert_eq!(verification.reason(), Some(Reason::CertificateUnavailable));
    assert_eq!(verification.reason().unwrap().code(), 436);
    assert_eq!(verification.verstat(), Verstat::NoTnValidation);
    assert_eq!(verification.verdict(), Verdict::None);
}

#[test]
fn cheap_checks_come_before_the_certificate() {
    let pki = Pki::new();
    let value = signed(&pki.signer().0);
    let wrong = IdentityField { info: Some("https://cr.example.net/other.pem"), ..field(&value) };
    let verification = verify(&pki.anchors(), &[wrong], &Snapshot::default());
    assert!(verification.is_final(), "nothing is fetched for a field that is wrong anyway");
    assert_eq!(verification.reason(), Some(Reason::X5uMismatch));
    let checks = verification.findings().first().unwrap().checks();
    assert_eq!(checks.outcome(Check::Info), Outcome::Fail);
    assert_eq!(checks.outcome(Check::Dest), Outcome::Pass, "later cheap checks are made all the same");
    assert_eq!(checks.outcome(Check::Signature), Outcome::Skipped);
}

#[test]
fn one_valid_field_is_enough_and_unsupported_types_are_ignored() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let value = signed(&signer);
    let known = snapshot(&pki.anchors(), &[(support::URL, &bundle)]);
    let unknown = IdentityField { token: b"x", ppt: Some("rsp"), ..IdentityField::default() };
    let broken = IdentityField { token: b"x", ppt: Some("shaken"), ..IdentityField::default() };
    let verification = verify(&pki.anchors(), &[unknown, broken, field(&value)], &known);
    assert_eq!(verification.verdict(), Verdict::Pass);
    let results: Vec<_> = verification.findings().iter().map(|finding| finding.result()).collect();
    assert_eq!(
        results,
        [
            FindingResult::Ignored(Reason::UnsupportedPpt),
            FindingResult::Fail(Reason::TokenMalformed),
            FindingResult::Pass
        ]
    );
    let verification = verify(&pki.anchors(), &[unknown], &known);
    assert_eq!(
        verification.reason().map(|reason| (reason, reason.code())),
        Some((Reason::UnsupportedPpt, 428))
    );
    assert_eq!(verify(&pki.anchors(), &[], &known).reason(), Some(Reason::NoIdentity));
}

#[test]
fn any_flipped_bit_of_the_token_is_refused() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let value = signed(&signer);
    let known = snapshot(&pki.anchors(), &[(support::URL, &bundle)]);
    for position in 0..token(&value).len() {
        for bit in 0..8 {
            let mut octets = token(&value).as_bytes().to_vec();
            *octets.get_mut(position).unwrap() ^= 1 << bit;
            let flipped = IdentityField { token: &octets, ..field(&value) };
            let verification = verify(&pki.anchors(), &[flipped], &known);
            assert_ne!(verification.verdict(), Verdict::Pass, "octet {position}, bit {bit}");
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// For every caller, callee and attestation, a signed token verifies. The token with one changed bit does not verify.
    #[test]
    fn signed_tokens_verify(
        caller in "[1-9][0-9]{6,14}",
        callees in proptest::collection::vec("[1-9][0-9]{2,14}", 1..5),
        level in 0..3_usize,
        random: [u8; 16],
        flip: proptest::sample::Index,
    ) {
        thread_local!(static PKI: (Pki, attesta_stir::Signer, String) = {
            let pki = Pki::new();
            let (signer, bundle) = pki.signer();
            (pki, signer, bundle)
        });
        PKI.with(|(pki, signer, bundle)| {
            let orig = identity(&format!("tel:+{caller}"));
            let dest: Vec<_> = callees.iter().map(|callee| identity(&format!("tel:+{callee}"))).collect();
            let attest = *[Attestation::A, Attestation::B, Attestation::C].get(level).unwrap();
            let origid = attesta_stir::OrigId::from_random(random);
            let mut value = Vec::new();
            let claims = attesta_stir::Shaken { attest, dest: &dest, iat: now(), orig: &orig, origid };
            signer.sign_shaken(&claims, &mut value).unwrap();
            let value = String::from_utf8(value).unwrap();
            let known = snapshot(&pki.anchors(), &[(support::URL, bundle)]);
            let verifier = attesta_stir::Verifier::new(pki.anchors(), VerifyPolicy::default());
            let judge = |token: &[u8]| {
                let fields = [IdentityField { token, ..field(&value) }];
                let facts = Facts::new(&fields).orig(std::slice::from_ref(&orig)).dest(&dest);
                let verification = verifier.verify(&facts, &known, now());
                (verification.verdict(), verification.attestation(), verification.origid())
            };
            assert_eq!(judge(token(&value).as_bytes()), (Verdict::Pass, Some(attest), Some(origid)));
            let mut flipped = token(&value).as_bytes().to_vec();
            let bit = flip.index(flipped.len() * 8);
            *flipped.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
            assert_ne!(judge(&flipped).0, Verdict::Pass);
        });
    }
}

#[test]
fn examine_needs_no_certificate() {
    let (signer, _) = Pki::new().signer();
    let value = signed(&signer);
    let fields = [field(&value)];
    let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
    let facts = Facts::new(&fields).orig(&orig).dest(&dest);
    let findings = attesta_stir::examine(&facts, &VerifyPolicy::default(), now());
    let [finding] = findings.as_slice() else { panic!("one field, {} findings", findings.len()) };
    assert_eq!(finding.reason(), None);
    assert_eq!(finding.checks().outcome(Check::Signature), Outcome::Skipped);
    let late = attesta_stir::examine(&facts.orig(&dest), &VerifyPolicy::default(), at(NOW + 61));
    let checks = late.first().unwrap().checks();
    let reasons = [Check::Orig, Check::Freshness, Check::Dest].map(|check| checks.reason(check));
    assert_eq!(reasons, [Some(Reason::OrigMismatch), Some(Reason::IatStale), None], "each check has its own");
    assert_eq!(Reason::IatStale.explanation(), "`iat` is older than the policy allows.");
}
