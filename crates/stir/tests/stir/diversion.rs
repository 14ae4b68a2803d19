//! Diversions: chains of `div` PASSporTs (RFC 8946).

use attesta_stir::{
    Div, Facts, FindingResult, Identity, IdentityField, Reason, Signer, Verdict, Verification, Verifier,
    VerifyPolicy, Verstat,
};

use crate::forge;
use crate::support::{self, CALLEE, CALLER, NOW, Pki, URL, field, identity, now, signed, snapshot};

const SECOND: &str = "tel:+12155551214";
const THIRD: &str = "tel:+12155551215";
const ELSEWHERE: &str = "tel:+12155559999";

fn diverted(signer: &Signer, from: &str, to: &str, caller: &str) -> String {
    let claims =
        Div { dest: &[identity(to)], diverted: &identity(from), iat: now(), orig: &identity(caller) };
    let mut value = Vec::new();
    signer.sign_div(&claims, &mut value).unwrap();
    String::from_utf8(value).unwrap()
}

/// Verifies fields of a call whose To is [`CALLEE`] and whose Request-URI is `target`.
struct Call {
    pki: Pki,
    signer: Signer,
    bundle: String,
}

impl Call {
    fn new() -> Self {
        let pki = Pki::new();
        let (signer, bundle) = pki.signer();
        Self { pki, signer, bundle }
    }

    fn div(&self, from: &str, to: &str) -> String {
        diverted(&self.signer, from, to, CALLER)
    }

    fn verify(&self, values: &[&str], to: &str, target: &str) -> Verification {
        let fields: Vec<IdentityField<'_>> = values.iter().map(|value| field(value)).collect();
        let known = snapshot(&self.pki.anchors(), &[(URL, &self.bundle)]);
        self.judge(&fields, &identity(to), &identity(target), &known)
    }

    fn judge(
        &self,
        fields: &[IdentityField<'_>],
        to: &Identity,
        target: &Identity,
        known: &attesta_stir::cert::Snapshot,
    ) -> Verification {
        let verifier = Verifier::new(self.pki.anchors(), VerifyPolicy::default());
        let orig = [identity(CALLER)];
        let facts = Facts::new(fields).orig(&orig).dest(std::slice::from_ref(to)).target(target);
        verifier.verify(&facts, known, now())
    }
}

fn results(verification: &Verification) -> Vec<Option<Reason>> {
    verification.findings().iter().map(|finding| finding.reason()).collect()
}

#[test]
fn a_chain_verifies_in_any_order() {
    let call = Call::new();
    let (first, second, third) = (signed(&call.signer), call.div(CALLEE, SECOND), call.div(SECOND, THIRD));
    for values in [[&first, &second, &third], [&third, &second, &first], [&second, &first, &third]] {
        let values = values.map(String::as_str);
        let verification = call.verify(&values, CALLEE, THIRD);
        assert_eq!(results(&verification), [None, None, None]);
        assert_eq!(verification.verstat(), Verstat::TnValidationPassed);
    }
}

#[test]
fn a_chain_verifies_with_a_changed_to() {
    let call = Call::new();
    let (first, second) = (signed(&call.signer), call.div(CALLEE, SECOND));
    assert_eq!(results(&call.verify(&[&first, &second], SECOND, SECOND)), [None, None]);
    assert_eq!(results(&call.verify(&[&first], SECOND, SECOND)), [Some(Reason::DestMismatch)]);
}

#[test]
fn a_chain_must_end_at_the_target() {
    let call = Call::new();
    let (first, second) = (signed(&call.signer), call.div(CALLEE, SECOND));
    let verification = call.verify(&[&first, &second], CALLEE, ELSEWHERE);
    assert_eq!(results(&verification), [None, Some(Reason::DivChainIncomplete)]);
    assert_eq!(verification.verdict(), Verdict::Pass, "the original stands on its own To");
    let verification = call.verify(&[&first, &second], ELSEWHERE, ELSEWHERE);
    assert_eq!(results(&verification), [Some(Reason::DestMismatch), Some(Reason::DivChainIncomplete)]);
    assert_eq!(verification.reason().map(Reason::code), Some(438));
}

#[test]
fn incomplete_chains() {
    let call = Call::new();
    let first = signed(&call.signer);
    let incomplete = Some(Reason::DivChainIncomplete);
    let gap = call.div(SECOND, THIRD);
    assert_eq!(
        results(&call.verify(&[&first, &gap], CALLEE, THIRD)),
        [None, incomplete],
        "a link is missing"
    );
    let alone = call.div(CALLEE, SECOND);
    assert_eq!(results(&call.verify(&[&alone], CALLEE, SECOND)), [incomplete], "no original");
    let circle = [call.div(SECOND, THIRD), call.div(THIRD, SECOND)];
    assert_eq!(results(&call.verify(&[&circle[0], &circle[1]], CALLEE, THIRD)), [incomplete, incomplete]);
    let stranger = diverted(&call.signer, CALLEE, SECOND, ELSEWHERE);
    assert_eq!(
        results(&call.verify(&[&first, &stranger], CALLEE, SECOND)),
        [None, Some(Reason::OrigMismatch)],
        "the caller is the same along the chain"
    );
}

#[test]
fn a_bad_signature_breaks_a_chain() {
    let call = Call::new();
    let other = Pki::new().signer().0;
    let (first, second, third) =
        (signed(&call.signer), diverted(&other, CALLEE, SECOND, CALLER), call.div(SECOND, THIRD));
    let verification = call.verify(&[&first, &second, &third], THIRD, THIRD);
    assert_eq!(
        results(&verification),
        [Some(Reason::DivChainIncomplete), Some(Reason::SignatureInvalid), Some(Reason::DivChainIncomplete)]
    );
    assert_eq!(verification.verdict(), Verdict::Fail);
}

#[test]
fn a_chain_waits_for_all_its_certificates() {
    let call = Call::new();
    let (first, second) = (signed(&call.signer), call.div(CALLEE, SECOND));
    let moved = second.replace("leaf.pem", "moved.pem");
    let token = {
        let (token, parameters) = moved.split_once(';').unwrap();
        assert!(parameters.contains("moved.pem"));
        token.to_owned()
    };
    let fields = [field(&first), IdentityField { token: token.as_bytes(), ..field(&second) }];
    let verification = call.judge(&fields, &identity(SECOND), &identity(SECOND), &Default::default());
    assert_eq!(verification.wanted().len(), 1);
    assert!(
        verification.findings().iter().all(|finding| matches!(finding.result(), FindingResult::Waiting(_)))
    );
    assert_eq!(verification.give_up().reason(), Some(Reason::CertificateUnavailable));
}

#[test]
fn opt_is_refused_in_div() {
    let pki = Pki::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let bundle = pki.bundle(&support::leaf("SHAKEN 1234", &support::spc("1234")), &key);
    let header = forge::header().replace("shaken", "div");
    let base = r#"{"dest":{"tn":["12155551214"]},"div":{"tn":"12155551213"},"iat":1800000000,"orig":{"tn":"12155551212"}}"#;
    for (from, to, reason) in [
        ("", "", Reason::DivChainIncomplete),
        (r#""iat""#, r#""opt":"x","iat""#, Reason::DivWithOpt),
        (r#""div":{"tn":"12155551213"},"#, "", Reason::DivMissing),
        (r#""div":{"tn":"12155551213"}"#, r#""div":{"tn":["12155551213"]}"#, Reason::DivInvalid),
        (
            r#""div":{"tn":"12155551213"}"#,
            r#""div":{"hi":"1.1","tn":"12155551213"}"#,
            Reason::DivChainIncomplete,
        ),
    ] {
        let token = forge::token(&key, &header, &base.replacen(from, to, usize::from(!from.is_empty())));
        let fields =
            [IdentityField { token: token.as_bytes(), info: Some(URL), alg: None, ppt: Some("div") }];
        let known = snapshot(&pki.anchors(), &[(URL, &bundle)]);
        assert_eq!(support::verify(&pki.anchors(), &fields, &known).reason(), Some(reason), "{to}");
    }
}

/// A request with eight diversions that all divert each other is refused at once. The verifier does not follow each path, and
/// requests no certificate. The number of identities in `dest` is limited, because each is compared with each `div`.
#[test]
fn mutual_diversions_are_refused_quickly() {
    let (call, key) = (Call::new(), rcgen::KeyPair::generate().unwrap());
    let header = forge::header().replace("shaken", "div");
    for (callees, reason) in [(64, Reason::DivChainIncomplete), (65, Reason::JsonLimit)] {
        let mut numbers: Vec<String> = (0..8).map(|place| format!("\"1215555121{place}\"")).collect();
        numbers.resize(callees, "\"1\"".to_owned());
        let dest = numbers.join(",");
        let tokens: Vec<String> = (0..8)
            .map(|place| {
                let payload = format!(
                    r#"{{"dest":{{"tn":[{dest}]}},"div":{{"tn":"1215555121{place}"}},"iat":{NOW},"orig":{{"tn":"12155551212"}}}}"#
                );
                format!("{};info=<{URL}>;ppt=div", forge::token(&key, &header, &payload))
            })
            .collect();
        let values: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let verification = call.verify(&values, CALLEE, CALLEE);
        assert_eq!(results(&verification), [Some(reason); 8], "{callees}");
    }
}

/// Rich call data of the original call does not attest the caller. A diversion includes this data together with the original,
/// but the data cannot be the end of a chain.
#[test]
fn only_attesting_types_begin_a_chain() {
    let pki = Pki::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let bundle = pki.bundle(&support::leaf("SHAKEN 1234", &support::spc("1234")), &key);
    let token = |ppt: &str, payload: &str| {
        let token = forge::token(&key, &forge::header().replace("shaken", ppt), payload);
        format!("{token};info=<{URL}>;ppt={ppt}")
    };
    let shaken = token("shaken", &forge::payload());
    let rcd = token("rcd", &forge::payload().replacen('{', r#"{"rcd":{"nam":"Example"},"#, 1));
    let div = r#"{"dest":{"tn":["12155551214"]},"div":{"tn":"12155551213"},"iat":1800000000,"orig":{"tn":"12155551212"}}"#;
    let div = token("div", div);
    let verifier = Verifier::new(pki.anchors(), VerifyPolicy::default());
    let known = snapshot(&pki.anchors(), &[(URL, &bundle)]);
    let (orig, target) = ([identity(CALLER)], identity(SECOND));
    let incomplete = Some(Reason::DivChainIncomplete);
    for (values, to, expected) in [
        (vec![&shaken, &rcd, &div], SECOND, vec![None, None, None]),
        (vec![&rcd, &div], SECOND, vec![Some(Reason::DestMismatch), incomplete]),
        (vec![&rcd, &div], CALLEE, vec![None, incomplete]),
    ] {
        let fields: Vec<_> = values.iter().map(|value| field(value)).collect();
        let to = [identity(to)];
        let facts = Facts::new(&fields).orig(&orig).dest(&to).target(&target);
        let verification = verifier.verify(&facts, &known, now());
        assert_eq!(results(&verification), expected);
        assert_eq!(verification.vouches(), expected.iter().all(Option::is_none));
    }
}
