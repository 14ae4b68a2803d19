//! Class 12: callers choose the tokens of an INVITE. A message must cost few signature checks.

use std::sync::Arc;
use std::time::Duration;

use attesta_stir::cert::CertificateChain;
use attesta_stir::cert::{Cache, CacheConfig, Fetched, Snapshot, TrustAnchors};
use attesta_stir::{
    Attestation, DEFAULT_PORTS, DialPlan, Facts, Identity, IdentityField, OrigId, Shaken, SignatureResults,
    Signer, SigningKey, UnixTime, Verdict, Verification, Verifier, VerifyPolicy, X5u,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

const NOW: u64 = 1_800_000_000;
const URL: &str = "https://cr.example.net/leaf.pem";

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW))
}

fn number(uri: &str) -> Identity {
    Identity::callee(uri.as_bytes(), &DialPlan::default()).expect("the test hierarchy is well formed")
}

/// A signer that the edge trusts, and a snapshot with its certificate.
struct Provider {
    anchors: TrustAnchors,
    signer: Signer,
    known: Arc<Snapshot>,
}

impl Provider {
    fn new() -> Provider {
        let named = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let mut root = named("Root");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root_key = KeyPair::generate().expect("the test hierarchy is well formed");
        let anchor = root.self_signed(&root_key).expect("the test hierarchy is well formed").pem();
        let issuer = Issuer::new(root, root_key);
        let key = KeyPair::generate().expect("the test hierarchy is well formed");
        let mut leaf = named("SHAKEN 1234");
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let spc = [0x30, 0x08, 0xa0, 0x06, 0x16, 0x04, b'1', b'2', b'3', b'4'];
        let oid = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
        leaf.custom_extensions.push(CustomExtension::from_oid_content(oid, spc.to_vec()));
        let pem = leaf.signed_by(&key, &issuer).expect("the test hierarchy is well formed").pem();
        let anchors = TrustAnchors::from_pem(anchor.as_bytes()).expect("the test hierarchy is well formed");
        let url = X5u::parse(URL, DEFAULT_PORTS).expect("the test hierarchy is well formed");
        let mut cache = Cache::new(CacheConfig::default(), vec![anchors.clone()]);
        cache.want(&url, now());
        cache.fetched(&url, now(), Ok(Fetched::new(pem.as_bytes())));
        let chain = CertificateChain::parse(pem.as_bytes()).expect("the test hierarchy is well formed");
        let key =
            SigningKey::from_pem(key.serialize_pem().as_bytes()).expect("the test hierarchy is well formed");
        Provider {
            anchors,
            signer: Signer::new(key, &chain, url, now()).expect("the test hierarchy is well formed"),
            known: cache.snapshot(),
        }
    }

    /// The token of a call from 12155551212.
    fn token(&self, callee: &str, iat: u64) -> String {
        let claims = Shaken {
            attest: Attestation::A,
            dest: &[number(callee)],
            iat: UnixTime::since_unix_epoch(Duration::from_secs(iat)),
            orig: &number("tel:+12155551212"),
            origid: OrigId::from_random([7; 16]),
        };
        let mut value = Vec::new();
        self.signer.sign_shaken(&claims, &mut value).expect("the test hierarchy is well formed");
        String::from_utf8(value)
            .expect("the test hierarchy is well formed")
            .split(';')
            .next()
            .expect("the test hierarchy is well formed")
            .to_owned()
    }

    fn verify(&self, tokens: &[String], results: &mut SignatureResults) -> Verification {
        let field = |token: &String| token.clone().into_bytes();
        let octets: Vec<_> = tokens.iter().map(field).collect();
        let fields: Vec<_> = octets
            .iter()
            .map(|token| IdentityField { token, info: Some(URL), alg: None, ppt: Some("shaken") })
            .collect();
        let (orig, dest) = ([number("tel:+12155551212")], [number("tel:+12155551213")]);
        let facts = Facts::new(&fields).orig(&orig).dest(&dest);
        Verifier::new(self.anchors.clone(), VerifyPolicy::default()).verify_with(
            &facts,
            &self.known,
            now(),
            results,
        )
    }
}

/// `token` with another signature.
fn forged(token: &str, number: usize) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("the test hierarchy is well formed");
    let changed = |(at, octet): (usize, char)| match octet {
        'A' if at == number % 80 => 'B',
        _ if at == number % 80 => 'A',
        other => other,
    };
    format!("{signed}.{}", signature.chars().enumerate().map(changed).collect::<String>())
}

/// The attacker repeats a forged field 100 times. The attacker gains: one INVITE of 58 KB costs 100 signature checks.
#[test]
fn a_hundred_forged_fields_cost_8_signature_checks() {
    let provider = Provider::new();
    let token = provider.token("tel:+12155551213", NOW);
    let tokens: Vec<_> = (0..100).map(|number| forged(&token, number)).collect();
    let mut results = SignatureResults::default();
    assert_eq!(provider.verify(&tokens, &mut results).verdict(), Verdict::Fail);
    assert_eq!(results.checks(), 8);
}

/// Certificates arrive one by one, and the request is verified again each time. The attacker gains: the same signatures are
/// checked again and again.
#[test]
fn a_request_that_is_verified_50_times_costs_8_signature_checks() {
    let provider = Provider::new();
    let token = provider.token("tel:+12155551213", NOW);
    let tokens: Vec<_> = (0..8).map(|number| forged(&token, number)).collect();
    let mut results = SignatureResults::default();
    for _ in 0..50 {
        provider.verify(&tokens, &mut results);
    }
    assert_eq!(results.checks(), 8);
}

/// The attacker replays captured tokens: old ones, and tokens for other callees. The attacker gains: a signature check for
/// each, without any key.
#[test]
fn captured_tokens_cost_no_signature_check() {
    let provider = Provider::new();
    for (callee, iat) in
        [("tel:+12155551213", NOW - 61), ("tel:+12155550000", NOW), ("tel:+12155551213", NOW + 61)]
    {
        let mut results = SignatureResults::default();
        let verification = provider.verify(&[provider.token(callee, iat)], &mut results);
        assert_ne!(verification.verdict(), Verdict::Pass, "{callee} {iat}");
        assert_eq!(results.checks(), 0, "{callee} {iat}");
    }
    let mut results = SignatureResults::default();
    let honest = provider.verify(&[provider.token("tel:+12155551213", NOW)], &mut results);
    assert_eq!((honest.verdict(), results.checks()), (Verdict::Pass, 1));
}
