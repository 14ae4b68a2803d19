//! PASSporTs in compact form and nested PASSporTs (`div-o`).

use attesta_stir::{
    Attestation, Facts, Fingerprint, IdentityField, Reason, Verdict, Verification, Verifier, VerifyPolicy,
};
use rcgen::KeyPair;

use crate::forge;
use crate::support::{CALLEE, CALLER, NOW, Pki, URL, at, identity, leaf, now, snapshot, spc};

const TARGET: &str = "tel:+12155551214";
const FINGERPRINTS: &[Fingerprint<'static>] = &[
    Fingerprint { alg: "sha-256", digest: "02:1A:CC" },
    Fingerprint { alg: "sha-1", digest: "4A:AD:B9" },
    Fingerprint { alg: "sha-256", digest: "02:1A:CC" },
];

/// The facts of a request.
#[derive(Clone, Copy)]
struct RequestFacts {
    orig: &'static str,
    dest: &'static str,
    target: &'static str,
    date: u64,
    fingerprints: Option<&'static [Fingerprint<'static>]>,
}

const FACTS: RequestFacts =
    RequestFacts { orig: CALLER, dest: CALLEE, target: TARGET, date: NOW, fingerprints: None };

/// A provider whose certificate is in the snapshot, and a request to verify.
struct Call {
    pki: Pki,
    key: KeyPair,
    bundle: String,
    policy: VerifyPolicy,
}

impl Call {
    fn new() -> Self {
        Self::with(&spc("1234"))
    }

    fn with(tn_auth_list: &[u8]) -> Self {
        let (pki, key) = (Pki::new(), KeyPair::generate().unwrap());
        let bundle = pki.bundle(&leaf("SHAKEN 1234", tn_auth_list), &key);
        Self { pki, key, bundle, policy: VerifyPolicy::default() }
    }

    fn judge(&self, token: &str, ppt: Option<&str>, request: RequestFacts) -> Verification {
        let fields = [IdentityField { token: token.as_bytes(), info: Some(URL), alg: None, ppt }];
        let known = snapshot(&self.pki.anchors(), &[(URL, &self.bundle)]);
        let [orig, dest, target] = [request.orig, request.dest, request.target].map(|uri| [identity(uri)]);
        let facts = Facts::new(&fields).orig(&orig).dest(&dest).target(&target[0]).date(at(request.date));
        let facts = match request.fingerprints {
            Some(fingerprints) => facts.fingerprints(fingerprints),
            None => facts,
        };
        Verifier::new(self.pki.anchors(), self.policy.clone()).verify(&facts, &known, now())
    }

    /// The compact form of a base PASSporT with this payload.
    fn compact(&self, payload: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","typ":"passport","x5u":"{URL}"}}"#);
        let token = forge::token(&self.key, &header, payload);
        format!("..{}", token.rsplit_once('.').unwrap().1)
    }

    fn token(&self, ppt: &str, payload: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","ppt":"{ppt}","typ":"passport","x5u":"{URL}"}}"#);
        forge::token(&self.key, &header, payload)
    }

    fn diverted(&self, dest: &str, div: &str, opt: &str) -> String {
        self.token(
            "div-o",
            &format!(
                r#"{{"dest":{{"tn":["{dest}"]}},"div":{{"tn":"{div}"}},"iat":{NOW},"opt":"{opt}","orig":{{"tn":"12155551212"}}}}"#
            ),
        )
    }
}

fn base(more: &str) -> String {
    format!(r#"{{"dest":{{"tn":["12155551213"]}},"iat":{NOW}{more},"orig":{{"tn":"12155551212"}}}}"#)
}

const MKY: &str = r#","mky":[{"alg":"sha-1","dig":"4AADB9"},{"alg":"sha-256","dig":"021ACC"}]"#;

#[test]
fn a_compact_form_is_reconstructed_from_the_request() {
    let call = Call::new();
    let plain = call.compact(&base(""));
    let keyed = call.compact(&base(MKY));
    let verdict = |verification: Verification| (verification.verdict(), verification.reason());
    let passed = (Verdict::Pass, None);
    assert_eq!(verdict(call.judge(&plain, None, FACTS)), passed);
    assert_eq!(
        verdict(call.judge(&keyed, None, RequestFacts { fingerprints: Some(FINGERPRINTS), ..FACTS })),
        passed
    );
    let wrong = (Verdict::Fail, Some(Reason::SignatureInvalid));
    assert_eq!(verdict(call.judge(&keyed, None, RequestFacts { fingerprints: Some(&[]), ..FACTS })), wrong);
    assert_eq!(
        verdict(call.judge(&plain, None, RequestFacts { fingerprints: Some(FINGERPRINTS), ..FACTS })),
        wrong
    );
    assert_eq!(verdict(call.judge(&plain, None, RequestFacts { dest: TARGET, ..FACTS })), wrong);
    assert_eq!(verdict(call.judge(&plain, None, RequestFacts { orig: TARGET, ..FACTS })), wrong);
    assert_eq!(verdict(call.judge(&plain, None, RequestFacts { date: NOW - 1, ..FACTS })), wrong);
}

#[test]
fn compact_form_is_refused_where_not_allowed() {
    let mut call = Call::new();
    let plain = call.compact(&base(""));
    let reason = |call: &Call, ppt| call.judge(&plain, ppt, FACTS).reason();
    assert_eq!(reason(&call, Some("shaken")), Some(Reason::CompactForm), "RFC 8588 section 3");
    let stale = call.judge(&plain, None, RequestFacts { date: NOW - 61, ..FACTS }).reason();
    assert_eq!(stale, Some(Reason::DateStale));
    let fields = [IdentityField { token: plain.as_bytes(), info: Some(URL), ..IdentityField::default() }];
    let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
    let known = snapshot(&call.pki.anchors(), &[(URL, &call.bundle)]);
    let verifier = Verifier::new(call.pki.anchors(), VerifyPolicy::default());
    let reason_of = |facts: Facts<'_>| verifier.verify(&facts, &known, now()).reason();
    assert_eq!(reason_of(Facts::new(&fields).orig(&orig).dest(&dest)), Some(Reason::DateMissing));
    let without_info = [IdentityField { info: None, ..fields[0] }];
    let facts = Facts::new(&without_info).orig(&orig).dest(&dest).date(now());
    assert_eq!(reason_of(facts), Some(Reason::InfoMissing));
    let elsewhere = [IdentityField { info: Some("http://cr.example.net/leaf.pem"), ..fields[0] }];
    let facts = Facts::new(&elsewhere).orig(&orig).dest(&dest).date(now());
    assert_eq!(reason_of(facts), Some(Reason::InfoNotHttps));
    call.policy = VerifyPolicy::default().compact_form(false);
    assert_eq!(reason(&call, None), Some(Reason::CompactForm), "the knob");
}

#[test]
fn a_nested_diversion_is_verified_with_its_inner_passport() {
    let call = Call::new();
    let inner = forge::token(&call.key, &forge::header(), &forge::payload());
    let once = call.diverted("12155551214", "12155551213", &inner);
    let twice = call.diverted("12155551215", "12155551214", &once);
    let verification = call.judge(&once, Some("div-o"), FACTS);
    assert_eq!((verification.verdict(), verification.attestation()), (Verdict::Pass, Some(Attestation::A)));
    assert!(verification.origid().is_some());
    let verification =
        call.judge(&twice, Some("div-o"), RequestFacts { target: "tel:+12155551215", ..FACTS });
    assert_eq!((verification.verdict(), verification.reason()), (Verdict::Pass, None));
    let verification = call.judge(&once, Some("div-o"), RequestFacts { target: "tel:+12155551215", ..FACTS });
    assert_eq!(verification.reason(), Some(Reason::DestMismatch), "it leads elsewhere");
}

#[test]
fn an_inner_fault_fails_the_outer_passport() {
    let call = Call::new();
    let reason = |call: &Call, inner: &str| {
        let token = call.diverted("12155551214", "12155551213", inner);
        call.judge(&token, Some("div-o"), FACTS).reason()
    };
    let shaken = |payload: String| forge::token(&call.key, &forge::header(), &payload);
    let good = shaken(forge::payload());
    let signature = good.rsplit_once('.').unwrap().1;
    let stranger = forge::token(&KeyPair::generate().unwrap(), &forge::header(), &forge::payload());
    let mut deep = good.clone();
    for _ in 0..6 {
        deep = call.diverted("12155551213", "12155551213", &deep);
    }
    let div = call.token(
        "div",
        &format!(r#"{{"dest":{{"tn":["12155551213"]}},"div":{{"tn":"1"}},"iat":{NOW},"orig":{{"tn":"12155551212"}}}}"#),
    );
    for (inner, expected) in [
        (stranger, Reason::SignatureInvalid),
        (format!("..{signature}"), Reason::NestedMalformed),
        ("x".to_owned(), Reason::TokenMalformed),
        (deep, Reason::NestedMalformed),
        (div, Reason::DivChainIncomplete),
        (shaken(forge::payload().replace("12155551213", "12155551219")), Reason::NestedMismatch),
        (shaken(forge::payload().replace("12155551212", "12155551219")), Reason::OrigMismatch),
        (shaken(forge::payload().replace("\"A\"", "\"D\"")), Reason::AttestInvalid),
        (shaken(forge::payload().replace(&NOW.to_string(), &(NOW - 61).to_string())), Reason::IatStale),
        (call.token("new", &forge::payload()), Reason::UnsupportedPpt),
        (call.token("rcd", &base(r#","rcd":{"nam":"x"}"#)), Reason::UnsupportedPpt),
    ] {
        assert_eq!(reason(&call, &inner), Some(expected), "{inner}");
    }
    assert_eq!(reason(&call, &good), None);
    let lacking = call.token("div-o", &forge::payload());
    let verification = call.judge(&lacking, Some("div-o"), FACTS);
    assert_eq!(verification.reason(), Some(Reason::DivMissing));
}

/// The verifier requests all certificates at once.
#[test]
fn all_nested_certificates_are_requested() {
    let call = Call::new();
    let elsewhere = forge::header().replace("leaf.pem", "other.pem");
    let inner = forge::token(&call.key, &elsewhere, &forge::payload());
    let token = call.diverted("12155551214", "12155551213", &inner);
    let target = identity(TARGET);
    let fields = [IdentityField {
        token: token.as_bytes(),
        info: Some(URL),
        ppt: Some("div-o"),
        ..IdentityField::default()
    }];
    let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
    let facts = Facts::new(&fields).orig(&orig).dest(&dest).target(&target);
    let verifier = Verifier::new(call.pki.anchors(), VerifyPolicy::default());
    let verification = verifier.verify(&facts, &Default::default(), now());
    let wanted: Vec<_> = verification.wanted().iter().map(|url| url.as_str()).collect();
    assert_eq!(wanted, ["https://cr.example.net/other.pem", URL]);
    assert_eq!(verification.give_up().reason(), Some(Reason::CertificateUnavailable));
    let known = snapshot(&call.pki.anchors(), &[(URL, &call.bundle)]);
    let verification = verifier.verify(&facts, &known, now());
    assert!(!verification.is_final() && verification.verdict() != Verdict::Pass);
}

/// A delegate signs base PASSporTs for its numbers, and its provider signs `shaken` (RFC 9060 and ATIS-1000092).
#[test]
fn a_delegate_does_not_sign_shaken() {
    let one = [&[0x30, 15, 0xa2, 13, 0x16, 11][..], b"12155551212"].concat();
    let mut call = Call::with(&one);
    let shaken = forge::token(&call.key, &forge::header(), &forge::payload());
    let header = format!(r#"{{"alg":"ES256","typ":"passport","x5u":"{URL}"}}"#);
    let delegate = forge::token(&call.key, &header, &base(""));
    let reason = |call: &Call, token: &str| call.judge(token, None, FACTS).reason();
    assert_eq!(reason(&call, &delegate), None);
    assert_eq!(reason(&call, &shaken), Some(Reason::ProviderMissing));
    call.policy = VerifyPolicy::default().require_provider_code(false);
    assert_eq!(reason(&call, &shaken), None, "the knob");
}

/// `attest` has a meaning only in `shaken`, which a provider signs. A delegate cannot use it in another type.
#[test]
fn no_other_type_attests() {
    let one = [&[0x30, 15, 0xa2, 13, 0x16, 11][..], b"12155551212"].concat();
    let (delegate, provider) = (Call::with(&one), Call::new());
    let header = format!(r#"{{"alg":"ES256","typ":"passport","x5u":"{URL}"}}"#);
    let claimed = |call: &Call| forge::token(&call.key, &header, &forge::payload());
    let attested = |verification: Verification| {
        let of_finding = verification.findings()[0].attestation();
        (verification.verdict(), verification.attestation().or(of_finding), verification.origid())
    };
    let silent = (Verdict::Pass, None, None);
    assert_eq!(attested(delegate.judge(&claimed(&delegate), None, FACTS)), silent);
    let nested = provider.diverted("12155551214", "12155551213", &claimed(&provider));
    assert_eq!(attested(provider.judge(&nested, Some("div-o"), FACTS)), silent);
}
