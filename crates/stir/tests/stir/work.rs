//! The limits on the work for one message. Each case plays a caller that wants to use up the verifier.

use std::sync::Arc;
use std::time::Duration;

use attesta_stir::cert::{Cache, CacheConfig, Fetched, Snapshot};
use attesta_stir::{
    Check, DEFAULT_PORTS, Facts, FindingResult, Identity, IdentityField, Outcome, Reason, SignatureResults,
    Verdict, Verification, Verifier, VerifyPolicy, X5u,
};
use rcgen::KeyPair;

use crate::forge;
use crate::support::{CALLEE, CALLER, NOW, Pki, URL, identity, leaf, now, snapshot, spc};

/// A key with a trusted certificate, which the attacker may have too.
struct Attacker {
    pki: Pki,
    key: KeyPair,
    bundle: String,
}

impl Attacker {
    fn new() -> Self {
        let (pki, key) = (Pki::new(), KeyPair::generate().unwrap());
        let bundle = pki.bundle(&leaf("SHAKEN 1234", &spc("1234")), &key);
        Self { pki, key, bundle }
    }

    fn known(&self, urls: &[String]) -> Arc<Snapshot> {
        let served: Vec<_> = urls.iter().map(|url| (url.as_str(), self.bundle.as_str())).collect();
        snapshot(&self.pki.anchors(), &served)
    }

    fn verify(
        &self,
        fields: &[IdentityField<'_>],
        snapshot: &Snapshot,
        results: &mut SignatureResults,
    ) -> Verification {
        self.verify_to(&identity(CALLEE), fields, snapshot, results)
    }

    fn verify_to(
        &self,
        target: &Identity,
        fields: &[IdentityField<'_>],
        snapshot: &Snapshot,
        results: &mut SignatureResults,
    ) -> Verification {
        let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
        let facts = Facts::new(fields).orig(&orig).dest(&dest).target(target);
        Verifier::new(self.pki.anchors(), VerifyPolicy::default()).verify_with(
            &facts,
            snapshot,
            now(),
            results,
        )
    }

    fn token(&self, ppt: &str, url: &str, payload: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","ppt":"{ppt}","typ":"passport","x5u":"{url}"}}"#);
        forge::token(&self.key, &header, payload)
    }

    /// A `div-o` that contains `depth` further tokens, each with its own URL. The innermost token is `shaken`.
    fn nested(&self, depth: usize, urls: &[String]) -> String {
        let mut token =
            self.token("shaken", urls.get(depth).expect("a URL for each token"), &forge::payload());
        for level in (0..depth).rev() {
            let number = |level: usize| 12_155_551_213 + (depth - level) as u64;
            let payload = format!(
                r#"{{"dest":{{"tn":["{}"]}},"div":{{"tn":"{}"}},"iat":{NOW},"opt":"{token}","orig":{{"tn":"12155551212"}}}}"#,
                number(level),
                number(level + 1)
            );
            token = self.token("div-o", urls.get(level).expect("a URL for each token"), &payload);
        }
        token
    }
}

fn urls(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("https://h{number}.example/leaf.pem")).collect()
}

fn target(depth: usize) -> Identity {
    identity(&format!("tel:+{}", 12_155_551_213 + depth as u64))
}

fn field<'a>(token: &'a str, url: &'a str, ppt: &'a str) -> IdentityField<'a> {
    IdentityField { token: token.as_bytes(), info: Some(url), alg: None, ppt: Some(ppt) }
}

/// 8 `div-o` fields with 5 nested tokens each are 48 tokens. If this test fails, one INVITE costs 48 signature checks.
#[test]
fn a_message_costs_at_most_8_signature_checks() {
    let attacker = Attacker::new();
    let urls = urls(6);
    let token = attacker.nested(5, &urls);
    let fields = [field(&token, &urls[0], "div-o"); 8];
    let known = attacker.known(&urls);
    for count in 1..=8 {
        let mut results = SignatureResults::default();
        let verification = attacker.verify_to(&target(5), &fields[..count], &known, &mut results);
        assert!(results.checks() <= 8, "{count} fields: {} checks", results.checks());
        let ignored = Some(Reason::TooManyIdentities);
        let first = verification.findings()[0].reason();
        assert_eq!(first, if count <= 3 { None } else { ignored }, "{count} fields");
    }
    let fields: Vec<_> = (0..40).map(|_| field(&token, &urls[0], "shaken")).collect();
    let mut results = SignatureResults::default();
    attacker.verify(&fields, &known, &mut results);
    assert!(results.checks() <= 8);
}

/// Every certificate that arrives starts another verification. If this test fails, a caller whose certificates arrive one by
/// one gets its signatures checked again and again.
#[test]
fn a_message_that_waits_is_not_checked_again() {
    let attacker = Attacker::new();
    let urls = urls(8);
    let tokens: Vec<_> = urls.iter().map(|url| attacker.token("rcd", url, &rich())).collect();
    let fields: Vec<_> = tokens.iter().zip(&urls).map(|(token, url)| field(token, url, "rcd")).collect();
    let mut results = SignatureResults::default();
    for arrived in 0..=urls.len() {
        let verification = attacker.verify(&fields, &attacker.known(&urls[..arrived]), &mut results);
        assert!(results.checks() <= 8, "{arrived} certificates: {} checks", results.checks());
        assert_eq!(verification.is_final(), arrived == urls.len());
    }
    let known = attacker.known(&urls);
    let mut results = SignatureResults::default();
    for _ in 0..10 {
        attacker.verify(&fields, &known, &mut results);
    }
    assert_eq!(results.checks(), 8);
}

fn rich() -> String {
    format!(
        r#"{{"dest":{{"tn":["12155551213"]}},"iat":{NOW},"orig":{{"tn":"12155551212"}},"rcd":{{"nam":"Example"}}}}"#
    )
}

/// If this test fails, one INVITE makes the edge send many HTTPS requests to victims of the caller's choice.
#[test]
fn a_message_requests_at_most_4_certificates_at_once_and_8_in_all() {
    let attacker = Attacker::new();
    let urls = urls(48);
    let nests: Vec<_> = urls.chunks(6).map(|urls| attacker.nested(5, urls)).collect();
    let fields: Vec<_> =
        nests.iter().zip(urls.chunks(6)).map(|(token, urls)| field(token, &urls[0], "div-o")).collect();
    let tokens: Vec<_> = urls.iter().map(|url| attacker.token("shaken", url, &forge::payload())).collect();
    let plain: Vec<_> = tokens.iter().zip(&urls).map(|(token, url)| field(token, url, "shaken")).collect();
    for (fields, target) in
        [(&fields[..], target(5)), (&fields[..1], target(5)), (&plain[..], identity(CALLEE))]
    {
        let mut cache = Cache::new(CacheConfig::default(), vec![Pki::new().anchors()]);
        let (mut requested, mut results) = (0, SignatureResults::default());
        loop {
            let verification = attacker.verify_to(&target, fields, &cache.snapshot(), &mut results);
            if verification.is_final() {
                break;
            }
            assert!(verification.wanted().len() <= 4);
            for url in verification.wanted() {
                requested += 1;
                cache.want(url, now());
                cache.fetched(url, now(), Ok(Fetched::new(attacker.bundle.as_bytes())));
            }
        }
        assert!(requested <= 8, "{requested}");
    }
}

/// If this test fails, a caller gets signatures checked with a chain that cannot become valid.
#[test]
fn a_chain_stops_at_its_first_failure() {
    let attacker = Attacker::new();
    let urls = urls(4);
    let good = attacker.nested(3, &urls);
    let known = attacker.known(&urls);
    let mut results = SignatureResults::default();
    let verification =
        attacker.verify_to(&target(3), &[field(&good, &urls[0], "div-o")], &known, &mut results);
    assert_eq!((verification.verdict(), results.checks()), (Verdict::Pass, 4));

    let stranger = Attacker::new();
    let forged = Attacker { key: stranger.key, ..Attacker::new() }.nested(3, &urls);
    let mut results = SignatureResults::default();
    let verification =
        attacker.verify_to(&target(3), &[field(&forged, &urls[0], "div-o")], &known, &mut results);
    assert_eq!(verification.reason(), Some(Reason::SignatureInvalid));
    assert_eq!(results.checks(), 1, "only the innermost token");

    let untrusted = snapshot(&Pki::new().anchors(), &[(urls[3].as_str(), &attacker.bundle)]);
    let mut results = SignatureResults::default();
    let verification = Verifier::new(Pki::new().anchors(), VerifyPolicy::default()).verify_with(
        &Facts::new(&[field(&good, &urls[0], "div-o")])
            .orig(&[identity(CALLER)])
            .dest(&[identity(CALLEE)])
            .target(&target(3)),
        &untrusted,
        now(),
        &mut results,
    );
    assert_eq!(verification.findings()[0].reason(), Some(Reason::ChainSignatureInvalid));
    assert_eq!(results.checks(), 0);
    assert!(verification.is_final(), "the certificates of the outer tokens are not requested");
}

/// If this test fails, a caller gets signatures checked of diversions whose original is forged.
#[test]
fn diversions_of_a_forged_original_are_not_checked() {
    let attacker = Attacker::new();
    let forged = forge::token(&KeyPair::generate().unwrap(), &forge::header(), &forge::payload());
    let step = |from: u64, to: u64| {
        let payload = format!(
            r#"{{"dest":{{"tn":["{to}"]}},"div":{{"tn":"{from}"}},"iat":{NOW},"orig":{{"tn":"12155551212"}}}}"#
        );
        attacker.token("div", URL, &payload)
    };
    let steps: Vec<_> = (0..7).map(|at| step(12_155_551_213 + at, 12_155_551_214 + at)).collect();
    let mut fields = vec![field(&forged, URL, "shaken")];
    fields.extend(steps.iter().map(|token| field(token, URL, "div")));
    let known = attacker.known(&[URL.to_owned()]);
    let mut results = SignatureResults::default();
    let (orig, dest, target) = ([identity(CALLER)], [identity(CALLEE)], target(7));
    let facts = Facts::new(&fields).orig(&orig).dest(&dest).target(&target);
    let verification = Verifier::new(attacker.pki.anchors(), VerifyPolicy::default()).verify_with(
        &facts,
        &known,
        now(),
        &mut results,
    );
    assert_eq!(verification.reason(), Some(Reason::SignatureInvalid));
    assert_eq!(results.checks(), 1);
    for finding in &verification.findings()[1..] {
        assert_eq!(finding.result(), FindingResult::Fail(Reason::DivChainIncomplete));
        assert_eq!(finding.checks().outcome(Check::Signature), Outcome::Skipped);
    }
}

/// If this test fails, a stale token, or a token for another call, costs a signature check.
#[test]
fn every_check_that_costs_nothing_comes_before_the_signature() {
    let attacker = Attacker::new();
    let known = attacker.known(&[URL.to_owned()]);
    let swap = |from: &str, to: &str| forge::payload().replace(from, to);
    let old = (NOW - 3600).to_string();
    for payload in [
        swap(&NOW.to_string(), &old),
        swap("12155551212", "12155550000"),
        swap("12155551213", "12155550000"),
        swap("\"A\"", "\"X\""),
        swap("de305d54", "nonsense"),
    ] {
        let token = attacker.token("shaken", URL, &payload);
        let mut results = SignatureResults::default();
        let verification = attacker.verify(&[field(&token, URL, "shaken")], &known, &mut results);
        assert_ne!(verification.verdict(), Verdict::Pass, "{payload}");
        assert_eq!(results.checks(), 0, "{payload}");
    }
}

/// If this test fails, the limits also stop the calls of honest signers.
#[test]
fn an_ordinary_message_is_not_affected() {
    let attacker = Attacker::new();
    let config = CacheConfig::default().floor(Duration::from_secs(3600));
    let mut cache = Cache::new(config, vec![attacker.pki.anchors()]);
    let url = X5u::parse(URL, DEFAULT_PORTS).unwrap();
    cache.want(&url, now());
    cache.fetched(&url, now(), Ok(Fetched::new(attacker.bundle.as_bytes())));
    let token = attacker.token("shaken", URL, &forge::payload());
    let rich = attacker.token("rcd", URL, &rich());
    let mut results = SignatureResults::default();
    let fields = [field(&token, URL, "shaken"), field(&rich, URL, "rcd")];
    let verification = attacker.verify(&fields, &cache.snapshot(), &mut results);
    assert_eq!((verification.verdict(), results.checks()), (Verdict::Pass, 2));
    assert!(verification.findings().iter().all(|finding| finding.result() == FindingResult::Pass));
    assert!(cache.has_verified(&url));
}
