//! The complete examples of the RFCs. Some examples cannot verify, and each of these fails for its own reason.

use attesta_stir::cert::{Snapshot, TrustAnchors};
use attesta_stir::{
    DecodedPassport, Facts, Fingerprint, Identity, IdentityField, Reason, SigningKey, Verifier, VerifyPolicy,
    VerifyingKey,
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rcgen::KeyPair;
use serde_json::Value;

use crate::forge;
use crate::shared::{json, json_lines, path, point, str};
use crate::support::{Pki, URL, at, identity, leaf, now, snapshot, spc};

/// The date of the examples in the RFCs.
const DATED: u64 = 1_443_208_345;

/// Whether `key` signed `token`.
fn is_signed(key: &VerifyingKey, token: &str) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    key.verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap())
}

/// Verifies a call with these tokens while no certificate is available. Returns the reason of the first
/// token.
fn reason(tokens: &[&str], dest: &str) -> Option<Reason> {
    let urls: Vec<_> = tokens.iter().map(|token| url(token)).collect();
    let field = |(token, url): (&&'static str, &'static str)| IdentityField {
        token: token.as_bytes(),
        info: Some(url),
        ..IdentityField::default()
    };
    let tokens: Vec<&'static str> = tokens.iter().map(|token| &*(*token).to_owned().leak()).collect();
    let fields: Vec<_> = tokens.iter().zip(urls.into_iter().map(|url| &*url.leak())).map(field).collect();
    let (orig, dest) = ([identity("tel:+12155551212")], [identity(dest)]);
    let facts = Facts::new(&fields).orig(&orig).dest(&dest);
    let verifier = Verifier::new(Pki::new().anchors(), VerifyPolicy::default());
    let verification = verifier.verify(&facts, &Snapshot::default(), at(DATED)).give_up();
    verification.findings().first().unwrap().reason()
}

/// The `x5u` of a token's header.
fn url(token: &str) -> String {
    let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    str(&serde_json::from_slice::<Value>(&header).unwrap_or_default(), "x5u").to_owned()
}

/// The README beside the vectors explains each vector.
#[test]
fn each_published_passport_fails_for_its_own_reason() {
    let Some(file) = json("vectors/passport_vectors.json") else { return };
    let unjudged = Reason::CertificateUnavailable;
    let expected = [
        ("rfc8225-appA", "sip:alice@example.com", Reason::IatInFuture),
        ("rfc8225-s7.1/rfc8224-s4.1.1+s5.1", "sip:alice@example.com", Reason::IatInvalid),
        ("rfc8224-s5.1-compact-reconstructed", "sip:alice@example.com", unjudged),
        ("rfc8946-s4.1-div", "tel:+12155551214", Reason::DivChainIncomplete),
        ("rfc8946-s5-div-o", "tel:+12155551214", Reason::DestInvalid),
        ("rfc8946-s5-opt-original", "tel:+12155551213", unjudged),
        ("rfc8443-s4.1-rph", "tel:+12155551213", Reason::PayloadMalformed),
    ];
    let vectors = file.as_array().unwrap();
    assert_eq!(vectors.len(), expected.len());
    let token = |id: &str| str(vectors.iter().find(|vector| str(vector, "id") == id).unwrap(), "token");
    for (id, dest, why) in expected {
        assert_eq!(reason(&[token(id)], dest), Some(why), "{id}");
    }
    let chain = [token("rfc8946-s4.1-div"), token("rfc8946-s5-opt-original")];
    assert_eq!(reason(&chain, "tel:+12155551214"), Some(Reason::DivChainIncomplete), "the misprint in div");
}

#[test]
fn each_example_of_the_rfcs_has_its_documented_result() {
    let Some(lines) = json_lines("testdata/stir/rfc_vectors.jsonl") else { return };
    let mut keys = 0;
    for line in &lines {
        let id = str(line, "id");
        let token = ["passport", "identity_header", "jws"].map(|name| str(line, name));
        let token = token.into_iter().find(|token| !token.is_empty()).unwrap();
        let token = token.split(';').next().unwrap();
        let decoded = DecodedPassport::decode(token.as_bytes());
        match token.starts_with("..") {
            true => assert_eq!(decoded, Err(Reason::CompactForm), "{id}"),
            false => assert!(decoded.is_ok(), "{id}: {decoded:?}"),
        }
        let signed = |name: &str| line.get(name).and_then(Value::as_bool);
        for (key, name) in [("private_key_pem_A1", "verifies_under_A1"), ("private_key_pem", "verifies")] {
            if let (Ok(key), Some(expected)) = (SigningKey::from_pem(str(line, key).as_bytes()), signed(name))
            {
                assert_eq!(is_signed(key.verifying_key(), token), expected, "{id} {name}");
                keys += 1;
            }
        }
        if let Some(expected) =
            signed("verifies_under_A2").filter(|_| !str(line, "public_key_pem").is_empty())
        {
            let key = VerifyingKey::from_point(&point(str(line, "public_key_pem"))).unwrap();
            assert_eq!(is_signed(&key, token), expected, "{id}");
            keys += 1;
        }
        if let Some(jwk) = line.get("jwk") {
            let coordinate = |name| BASE64_URL_SAFE_NO_PAD.decode(str(jwk, name)).unwrap();
            let key =
                VerifyingKey::from_point(&[vec![4], coordinate("x"), coordinate("y")].concat()).unwrap();
            assert_eq!(Some(is_signed(&key, token)), signed("verifies"), "{id}");
            keys += 1;
        }
    }
    assert_eq!(lines.len(), 8);
    assert!(keys >= 4, "{keys} keys");
}

/// A provider whose certificate is in the snapshot, for payloads of the RFCs.
struct Provider {
    anchors: TrustAnchors,
    known: std::sync::Arc<Snapshot>,
    key: KeyPair,
}

impl Provider {
    fn new() -> Self {
        let (pki, key) = (Pki::new(), KeyPair::generate().unwrap());
        let bundle = pki.bundle(&leaf("SHAKEN 1234", &spc("1234")), &key);
        Self { known: snapshot(&pki.anchors(), &[(URL, &bundle)]), anchors: pki.anchors(), key }
    }

    fn token(&self, ppt: &str, payload: &str) -> String {
        let header = format!(r#"{{"alg":"ES256",{ppt}"typ":"passport","x5u":"{URL}"}}"#);
        forge::token(&self.key, &header, payload)
    }

    fn judge(&self, token: &str, dest: &str, fingerprints: Option<&[Fingerprint<'_>]>) -> Option<Reason> {
        let fields = [IdentityField { token: token.as_bytes(), info: Some(URL), ..IdentityField::default() }];
        let (orig, dest): ([Identity; 1], _) = ([identity("tel:+12155551212")], [identity(dest)]);
        let facts = Facts::new(&fields).orig(&orig).dest(&dest).date(at(DATED));
        let facts = match fingerprints {
            Some(fingerprints) => facts.fingerprints(fingerprints),
            None => facts,
        };
        // The certificates are of another year than the examples.
        let policy = VerifyPolicy::default().freshness(std::time::Duration::from_secs(1 << 30));
        Verifier::new(self.anchors.clone(), policy).verify(&facts, &self.known, now()).reason()
    }
}

#[test]
fn published_media_keys_are_compared_and_reconstructed() {
    let Some(file) = json("vectors/mky_vectors.json") else { return };
    let provider = Provider::new();
    for vector in file.as_array().unwrap() {
        let lines = vector.get("sdp_fingerprints").and_then(Value::as_array).unwrap();
        let line = |line: &'_ Value| -> (String, String) {
            let (alg, digest) = line.as_str().unwrap().split_once(' ').unwrap();
            (alg.to_owned(), digest.to_owned())
        };
        let lines: Vec<_> = lines.iter().map(line).collect();
        let listed: Vec<_> = lines.iter().map(|(alg, digest)| Fingerprint { alg, digest }).collect();
        let token = provider.token("", str(vector, "payload"));
        let dest = "sip:alice@example.com";
        assert_eq!(provider.judge(&token, dest, Some(&listed)), None);
        let backwards: Vec<_> = listed.iter().rev().copied().collect();
        assert_eq!(provider.judge(&token, dest, Some(&backwards)), None);
        assert_eq!(provider.judge(&token, dest, listed.get(1..)), Some(Reason::MkyMismatch));
        // The reconstructed payload of the compact form equals the original payload, octet by octet.
        let compact = format!("..{}", token.rsplit_once('.').unwrap().1);
        assert_eq!(provider.judge(&compact, dest, Some(&listed)), None);
        assert_eq!(provider.judge(&compact, dest, None), Some(Reason::SignatureInvalid));
    }
}

#[test]
fn published_digests_of_rich_call_data_match() {
    let Some(file) = json("vectors/rcdi_vectors.json") else { return };
    let provider = Provider::new();
    for vector in file.as_array().unwrap() {
        let input = str(vector, "hash_input");
        let is_name = input.starts_with('"');
        let judge = |digest: &str| {
            let (rcd, pointer) = match is_name {
                true => (format!(r#"{{"nam":{input}}}"#), "/nam"),
                false => (format!(r#"{{"jcd":{input},"nam":"x"}}"#), "/jcd"),
            };
            let payload = format!(
                r#"{{"dest":{{"tn":["12155551213"]}},"iat":{DATED},"orig":{{"tn":"12155551212"}},"rcd":{rcd},"rcdi":{{"{pointer}":"{digest}"}}}}"#
            );
            provider.judge(&provider.token(r#""ppt":"rcd","#, &payload), "tel:+12155551213", None)
        };
        assert_eq!(judge(str(vector, "expected")), None, "{}", str(vector, "id"));
        let wrong = str(vector, "expected").replacen("sha256-", "sha256-A", 1);
        assert_eq!(judge(&wrong), Some(Reason::RcdiMismatch));
        assert_eq!(judge("sha256-AAAA"), Some(Reason::RcdiMismatch));
    }
}

/// The roots of the policy administrator, for production and for tests, can be trust anchors.
#[test]
fn the_roots_of_the_administrator_are_anchors() {
    for name in ["STI-PA_ROOT.pem", "STI-PA_STAGING_ROOT.pem"] {
        let Some(file) = path(&format!("vectors/sti-pa/{name}")) else { return };
        let anchors = TrustAnchors::from_pem(&std::fs::read(file).unwrap()).unwrap();
        let subjects: Vec<_> = anchors.subjects().collect();
        assert!(matches!(subjects.as_slice(), [subject] if subject.contains("STI-PA")), "{subjects:?}");
    }
}
