//! Certificates with one fault each, and the effect of revocation lists.

use attesta_stir::cert::{Cache, CacheConfig, Crl, CrlError, Fetched, Revocations, TrustAnchors};
use attesta_stir::{
    Base, DEFAULT_PORTS, Facts, IdentityField, Reason, SignerError, SigningKey, Verdict, Verifier,
    VerifyPolicy, Verstat, VerstatProfile, X5u,
};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, KeyPair, KeyUsagePurpose};

use crate::forge;
use crate::lists::{ListIssuer, extension, indirect, issuer_of, read, subject_of};
use crate::support::{
    self, CALLEE, CALLER, NOW, Pki, TN_AUTH_LIST, URL, at, authority, field, identity, leaf, now, signed,
    snapshot, spc,
};

const POLICIES: &[u64] = &[2, 5, 29, 32];
/// One policy, 2.16.840.1.114569.1.1.1.
const POLICY: &[u8] = &[0x30, 14, 0x30, 12, 6, 10, 0x60, 0x86, 0x48, 1, 0x86, 0xff, 9, 1, 1, 1];
const CONSTRAINTS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 27];

fn critical(oid: &[u64], content: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(true);
    extension
}

fn ordinary() -> CertificateParams {
    leaf("SHAKEN 1234", &spc("1234"))
}

/// Verifies the ordinary call with a leaf made from `params`.
fn judged(pki: &Pki, params: &CertificateParams, key: &KeyPair) -> Option<Reason> {
    let token = forge::token(key, &forge::header(), &forge::payload());
    let fields = [IdentityField { token: token.as_bytes(), info: Some(URL), alg: None, ppt: Some("shaken") }];
    let known = snapshot(&pki.anchors(), &[(URL, &pki.bundle(params, key))]);
    support::verify(&pki.anchors(), &fields, &known).reason()
}

#[test]
fn faults_of_the_leaf() {
    let pki = Pki::new();
    let key = KeyPair::generate().unwrap();
    let edited = |edit: &dyn Fn(&mut CertificateParams)| {
        let mut params = ordinary();
        edit(&mut params);
        judged(&pki, &params, &key)
    };
    assert_eq!(edited(&|_| {}), None);
    assert_eq!(edited(&|leaf| leaf.not_after = support::date(NOW - 1)), Some(Reason::CertificateExpired));
    assert_eq!(
        edited(&|leaf| leaf.not_before = support::date(NOW + 1)),
        Some(Reason::CertificateNotYetValid)
    );
    assert_eq!(edited(&|leaf| leaf.custom_extensions.clear()), Some(Reason::TnAuthListMissing));
    assert_eq!(
        edited(&|leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        Some(Reason::LeafIsAuthority)
    );
    assert_eq!(edited(&|leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyAgreement]), Some(Reason::KeyUsage));
    assert_eq!(edited(&|leaf| leaf.key_usages.clear()), None, "no key usage leaves it open");
    assert_eq!(edited(&|leaf| leaf.is_ca = IsCa::NoCa), None, "no basic constraints");
    assert_eq!(edited(&|leaf| leaf.custom_extensions.push(critical(POLICIES, POLICY))), None);
    assert_eq!(edited(&|leaf| leaf.custom_extensions = vec![critical(TN_AUTH_LIST, &spc("1234"))]), None);
    assert_eq!(
        edited(&|leaf| leaf.custom_extensions.push(critical(&[1, 3, 6, 1, 4, 1, 32473, 1], &[5, 0]))),
        Some(Reason::CriticalExtension)
    );
    for list in [&[0x30, 0][..], &[0x30, 6, 0x80, 4, b'1', b'2', b'3', b'4'], &[5, 0], &[]] {
        let params = leaf("SHAKEN 1234", list);
        assert_eq!(judged(&pki, &params, &key), Some(Reason::TnAuthListMalformed), "{list:02x?}");
    }
    let repeated = edited(&|leaf| {
        leaf.custom_extensions.push(CustomExtension::from_oid_content(TN_AUTH_LIST, spc("5678")));
    });
    assert_eq!(repeated, Some(Reason::CertificateUnparsable), "one TNAuthList, not two");
}

#[test]
fn faults_of_the_chain() {
    let key = KeyPair::generate().unwrap();
    let judged_with = |intermediate: CertificateParams| {
        judged(&Pki::with(authority("SHAKEN ROOT"), intermediate), &ordinary(), &key)
    };
    assert_eq!(judged_with(authority("SHAKEN Intermediate")), None);
    let mut expired = authority("SHAKEN Intermediate");
    expired.not_after = support::date(NOW - 1);
    assert_eq!(judged_with(expired), Some(Reason::CertificateExpired));
    let mut future = authority("SHAKEN Intermediate");
    future.not_before = support::date(NOW + 1);
    assert_eq!(judged_with(future), Some(Reason::CertificateNotYetValid));
    let mut no_authority = authority("SHAKEN Intermediate");
    no_authority.is_ca = IsCa::ExplicitNoCa;
    assert_eq!(judged_with(no_authority), Some(Reason::ChainNotPermitted));
    let mut policy = authority("SHAKEN Intermediate");
    policy.custom_extensions.push(critical(POLICIES, POLICY));
    assert_eq!(judged_with(policy), None, "critical policies of an authority");
    let mut limited = authority("SHAKEN Intermediate");
    limited.custom_extensions.push(CustomExtension::from_oid_content(TN_AUTH_LIST, spc("1234")));
    assert_eq!(judged_with(limited.clone()), None);
    limited.custom_extensions = vec![CustomExtension::from_oid_content(TN_AUTH_LIST, spc("9999"))];
    assert_eq!(judged_with(limited), Some(Reason::ChainNotEncompassed));
}

#[test]
fn unknown_issuers_and_incomplete_chains() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let value = signed(&signer);
    let other = Pki::with(authority("ANOTHER ROOT"), authority("SHAKEN Intermediate")).anchors();
    let judge = |anchors: &TrustAnchors, bundle: &str| {
        support::verify(anchors, &[field(&value)], &snapshot(anchors, &[(URL, bundle)])).reason()
    };
    assert_eq!(judge(&other, &bundle), Some(Reason::UntrustedIssuer));
    let alone = bundle.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    assert_eq!(judge(&pki.anchors(), alone), Some(Reason::UntrustedIssuer), "the intermediate is missing");
    let forged = Pki::new();
    let mixed = alone.to_owned() + &forged.intermediate_pem;
    assert_eq!(
        judge(&pki.anchors(), &mixed),
        Some(Reason::ChainSignatureInvalid),
        "the same names, another key"
    );
    assert_eq!(judge(&pki.anchors(), "no certificate"), Some(Reason::CertificateUnparsable));
    assert_eq!(judge(&pki.anchors(), &(bundle.clone() + &pki.root_pem)), None, "the root may be served too");
}

#[test]
fn delegates_sign_for_their_own_numbers() {
    let pki = Pki::new();
    let key = KeyPair::generate().unwrap();
    let range = [&[0x30, 20, 0xa1, 18, 0x30, 16, 0x16, 11][..], b"12155551000", &[2, 1, 100]].concat();
    let wide = [&[0x30, 21, 0xa1, 19, 0x30, 17, 0x16, 11][..], b"12155551000", &[2, 2, 3, 0xe8]].concat();
    for (list, caller, reason) in [
        (&wide, CALLER, None),
        (&range, CALLER, Some(Reason::NumberNotCovered)),
        (&range, "tel:+12155551099", None),
        (&range, "tel:+12155551100", Some(Reason::NumberNotCovered)),
        (&range, "sip:president@example.gov", Some(Reason::NumberNotCovered)),
    ] {
        let bundle = pki.bundle(&leaf("Delegate", list), &key);
        let signer = support::signer(&key, &bundle);
        let mut value = Vec::new();
        let (orig, dest) = ([identity(caller)], [identity(CALLEE)]);
        let [caller_identity] = &orig;
        signer.sign_base(&Base { dest: &dest, iat: now(), orig: caller_identity }, &mut value).unwrap();
        let value = String::from_utf8(value).unwrap();
        let fields = [field(&value)];
        let facts = Facts::new(&fields).orig(&orig).dest(&dest);
        let known = snapshot(&pki.anchors(), &[(URL, &bundle)]);
        let verification =
            Verifier::new(pki.anchors(), VerifyPolicy::default()).verify(&facts, &known, now());
        assert_eq!(verification.reason(), reason, "{caller}");
        let passed = if reason.is_none() { Verstat::TnValidationPassed } else { Verstat::TnValidationFailed };
        assert_eq!((verification.verstat(), verification.attestation()), (passed, None));
    }
}

/// A chain with too many certificates is refused, even if the certificates are empty.
#[test]
fn a_chain_has_at_most_six_certificates() {
    use attesta_stir::cert::{CertificateChain, ChainError};
    let empty = [0x30, 0];
    assert_eq!(CertificateChain::parse(&empty.repeat(6)).unwrap().certificates().len(), 6);
    for many in [7, 30_000] {
        assert_eq!(CertificateChain::parse(&empty.repeat(many)), Err(ChainError::TooMany), "{many}");
    }
}

#[test]
fn claim_constraints_are_enforced() {
    let pki = Pki::new();
    let key = KeyPair::generate().unwrap();
    let constrained = |der: Vec<u8>| {
        let mut params = ordinary();
        params.custom_extensions.push(CustomExtension::from_oid_content(CONSTRAINTS, der));
        judged(&pki, &params, &key)
    };
    let include = |name: &[u8]| {
        let length = u8::try_from(name.len()).unwrap();
        [&[0x30, length + 6, 0xa0, length + 4, 0x30, length + 2, 0x16, length], name].concat()
    };
    assert_eq!(constrained(include(b"attest")), None);
    assert_eq!(constrained(include(b"confidence")), Some(Reason::ConstraintsViolated));
    let permit = |value: u8| {
        [&[0x30, 19, 0xa1, 17, 0x30, 15, 0x30, 13, 0x16, 6][..], b"attest", &[0x30, 3, 0x0c, 1, value]]
            .concat()
    };
    assert_eq!(constrained(permit(b'A')), None);
    assert_eq!(constrained(permit(b'B')), Some(Reason::ConstraintsViolated));
    assert_eq!(constrained(vec![0x30, 0]), Some(Reason::ConstraintsMalformed));
}

#[test]
fn faults_of_a_signer() {
    let pki = Pki::new();
    let key = KeyPair::generate().unwrap();
    let made = |params: &CertificateParams, moment: u64| {
        let chain = attesta_stir::cert::CertificateChain::parse(pki.bundle(params, &key).as_bytes()).unwrap();
        let signing = SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap();
        attesta_stir::Signer::new(signing, &chain, X5u::parse(URL, DEFAULT_PORTS).unwrap(), at(moment)).err()
    };
    assert_eq!(made(&ordinary(), NOW), None);
    assert_eq!(made(&ordinary(), NOW + 86_401), Some(SignerError::Expired));
    assert_eq!(made(&ordinary(), NOW - 86_401), Some(SignerError::NotYetValid));
    assert_eq!(made(&support::params("SHAKEN 1234"), NOW), Some(SignerError::NoTnAuthList));
    assert_eq!(made(&authority("SHAKEN 1234"), NOW), Some(SignerError::NotForSigning));
    let chain = attesta_stir::cert::CertificateChain::parse(pki.signer().1.as_bytes()).unwrap();
    let signing = SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap();
    let mismatch = attesta_stir::Signer::new(signing, &chain, X5u::parse(URL, DEFAULT_PORTS).unwrap(), now());
    assert_eq!(mismatch.err(), Some(SignerError::KeyMismatch));
}

#[test]
fn an_indirect_list_revokes_cached_certificates_at_once() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let value = signed(&signer);
    let mut cache = Cache::new(CacheConfig::default(), vec![pki.anchors()]);
    let url = X5u::parse(URL, DEFAULT_PORTS).unwrap();
    cache.want(&url, now());
    cache.fetched(&url, now(), Ok(Fetched::new(bundle.as_bytes())));
    let verifier = Verifier::new(pki.anchors(), VerifyPolicy::default());
    let (fields, orig, dest) = ([field(&value)], [identity(CALLER)], [identity(CALLEE)]);
    let facts = Facts::new(&fields).orig(&orig).dest(&dest);
    assert_eq!(verifier.verify(&facts, &cache.snapshot(), now()).verdict(), Verdict::Pass);

    let lists = ListIssuer::new();
    let own = subject_of(&lists.signer);
    let (leaf_issuer, authority_issuer) = (issuer_of(&bundle), issuer_of(&pki.intermediate_pem));
    let (leaf, intermediate) = (read(&bundle), read(&pki.intermediate_pem));
    let other = read(&pki.root_pem);
    for (revoked, reason) in [
        (vec![(&leaf_issuer[..], true, &leaf)], Some(Reason::CertificateRevoked)),
        (vec![(&authority_issuer[..], true, &intermediate)], Some(Reason::CertificateRevoked)),
        // An entry without an issuer has the issuer of the entry before.
        (vec![(&leaf_issuer[..], true, &other), (&[][..], false, &leaf)], Some(Reason::CertificateRevoked)),
        // The first entry without an issuer has the issuer of the list.
        (vec![(&[][..], false, &leaf)], None),
        (vec![], None),
    ] {
        let crl = lists.read(&lists.list(&revoked, &[indirect()], &own)).unwrap();
        assert!(crl.is_indirect());
        cache.revocations(&pki.anchors(), Revocations::new(vec![crl]));
        let verification = verifier.verify(&facts, &cache.snapshot(), now());
        assert_eq!(verification.reason(), reason, "{} entries", revoked.len());
        assert!(reason.is_none_or(|reason| reason.code() == 437));
    }
    // The cache does not know this trust domain, so each verification finds the path itself. The domain's
    // revocation lists apply too.
    let url = X5u::parse(URL, DEFAULT_PORTS).unwrap();
    let mut strange = Cache::new(CacheConfig::default(), Vec::new());
    strange.want(&url, now());
    strange.fetched(&url, now(), Ok(Fetched::new(bundle.as_bytes())));
    let crl = lists.read(&lists.list(&[(&leaf_issuer[..], true, &leaf)], &[indirect()], &own)).unwrap();
    assert_eq!(verifier.verify(&facts, &strange.snapshot(), now()).verdict(), Verdict::Pass);
    strange.revocations(&pki.anchors(), Revocations::new(vec![crl]));
    let verification = verifier.verify(&facts, &strange.snapshot(), now());
    assert_eq!(verification.reason(), Some(Reason::CertificateRevoked));
    let crl = lists.read(&lists.list(&[], &[indirect()], &own)).unwrap();
    cache.revocations(&pki.anchors(), Revocations::new(vec![crl.clone()]).hard(true));
    assert_eq!(verifier.verify(&facts, &cache.snapshot(), now()).verdict(), Verdict::Pass);
    let late = at(NOW + 3601);
    let fresh = VerifyPolicy::default().freshness(std::time::Duration::from_secs(7200));
    let verifier = Verifier::new(pki.anchors(), fresh);
    assert_eq!(verifier.verify(&facts, &cache.snapshot(), late).reason(), Some(Reason::RevocationUnknown));
    cache.revocations(&pki.anchors(), Revocations::new(vec![crl]));
    assert_eq!(
        verifier.verify(&facts, &cache.snapshot(), late).verdict(),
        Verdict::Pass,
        "stale lists will do"
    );
    cache.revocations(&pki.anchors(), Revocations::new(vec![]).hard(true));
    assert_eq!(verifier.verify(&facts, &cache.snapshot(), now()).reason(), Some(Reason::RevocationUnknown));
}

#[test]
fn domains_with_the_same_roots_have_separate_lists() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let value = signed(&signer);
    let fields = [field(&value)];
    let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
    let facts = Facts::new(&fields).orig(&orig).dest(&dest);
    let lists = ListIssuer::new();
    let (own, issuer, leaf) = (subject_of(&lists.signer), issuer_of(&bundle), read(&bundle));
    let revoking = lists.read(&lists.list(&[(&issuer[..], true, &leaf)], &[indirect()], &own)).unwrap();

    let domains = ["strict", "lax", "insisting"].map(|name| pki.anchors().of_domain(name));
    let [strict, lax, insisting] = domains.clone();
    assert!(strict != lax && lax == lax.clone().of_domain("strict").of_domain("lax"));
    let mut cache = Cache::new(CacheConfig::default(), domains.to_vec());
    let url = X5u::parse(URL, DEFAULT_PORTS).unwrap();
    cache.revocations(&strict, Revocations::new(vec![revoking]));
    cache.want(&url, now());
    cache.fetched(&url, now(), Ok(Fetched::new(bundle.as_bytes())));
    cache.revocations(&insisting, Revocations::new(vec![]).hard(true));
    for (anchors, reason) in [
        (strict, Some(Reason::CertificateRevoked)),
        (lax, None),
        (insisting, Some(Reason::RevocationUnknown)),
    ] {
        let verifier = Verifier::new(anchors, VerifyPolicy::default());
        assert_eq!(verifier.verify(&facts, &cache.snapshot(), now()).reason(), reason);
    }
}

#[test]
fn refused_revocation_lists() {
    let lists = ListIssuer::new();
    let own = subject_of(&lists.signer);
    let good = lists.list(&[], &[indirect()], &own);
    assert!(lists.read(&good).is_ok());
    let pem = format!(
        "-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n",
        base64::prelude::Engine::encode(&base64::prelude::BASE64_STANDARD, &good)
    );
    assert!(lists.read(pem.as_bytes()).is_ok(), "PEM");
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    assert!(matches!(lists.read(&bad), Err(CrlError::BadSignature | CrlError::Malformed)));
    assert_eq!(lists.read(b"no list").err(), Some(CrlError::Malformed));
    let strange = lists.list(&[], &[extension(99, true, &[5, 0])], &own);
    assert_eq!(lists.read(&strange).err(), Some(CrlError::CriticalExtension));
    let delta = lists.list(&[], &[extension(27, true, &[2, 1, 1])], &own);
    assert_eq!(lists.read(&delta).err(), Some(CrlError::CriticalExtension));
    let stranger = ListIssuer::new();
    let read = Crl::read(&good, std::slice::from_ref(&lists.signer), &stranger.anchors, now());
    assert_eq!(read.err(), Some(CrlError::UnknownSigner));
    let root = TrustAnchors::from_pem(lists.root_pem.as_bytes()).unwrap();
    assert_eq!(Crl::read(&good, &[], &root, now()).err(), Some(CrlError::UnknownSigner));
    assert_eq!(
        Crl::read(&good, std::slice::from_ref(&lists.signer), &lists.anchors, at(NOW - 3601)).err(),
        Some(CrlError::NotYetValid)
    );
}

#[test]
fn the_atis_profile_reports_fewer_failures() {
    for (reason, failed) in [(Reason::CertificateRevoked, false), (Reason::UntrustedIssuer, true)] {
        let verstat = reason.verstat(VerstatProfile::Atis1000082);
        assert_eq!(verstat == Verstat::TnValidationFailed, failed, "{reason}");
    }
}
