//! A certificate hierarchy of STI (a root and a leaf) that each test generates.

use std::sync::Arc;
use std::time::Duration;

use attesta_stir::cert::{
    Cache, CacheConfig, CertificateChain, FetchFailure, Fetched, Snapshot, TrustAnchors,
};
use attesta_stir::{DEFAULT_PORTS, Signer, SigningKey, Verifier, VerifyPolicy, X5u};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SigningKey as _,
};

use super::rig::{EPOCH, unix};
use crate::TrustDomain;

pub(super) const URL: &str = "https://cr.example.net/leaf.pem";

pub(super) struct Pki {
    pub(super) signer: Arc<Signer>,
    anchors: TrustAnchors,
    bundle: String,
    key: KeyPair,
}

impl Pki {
    pub(super) fn new() -> Self {
        let root_key = KeyPair::generate().unwrap();
        let mut root = params("SHAKEN ROOT");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);

        let key = KeyPair::generate().unwrap();
        let mut leaf = params("SHAKEN 1234");
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // RFC 8226 section 9: a TNAuthList of the service provider code 1234.
        let tn_auth_list = b"\x30\x08\xa0\x06\x16\x041234".to_vec();
        leaf.custom_extensions
            .push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], tn_auth_list));
        let bundle = leaf.signed_by(&key, &root).unwrap().pem();

        let chain = CertificateChain::parse(bundle.as_bytes()).unwrap();
        let own = SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap();
        let signer = Arc::new(Signer::new(own, &chain, url(), unix(EPOCH)).unwrap());
        Self { signer, anchors: TrustAnchors::from_pem(root_pem.as_bytes()).unwrap(), bundle, key }
    }

    /// An Identity value with a PASSporT of any type, from `from` to `to`, issued at [`EPOCH`], with further claims.
    pub(super) fn typed(&self, ppt: &str, from: &str, to: &str, claims: &str) -> String {
        let encode = |octets: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(octets);
        let header = format!(r#"{{"alg":"ES256","ppt":"{ppt}","typ":"passport","x5u":"{URL}"}}"#);
        let [from, to] = [from, to].map(|number| number.trim_start_matches('+'));
        let payload =
            format!(r#"{{"dest":{{"tn":["{to}"]}},"iat":{EPOCH},"orig":{{"tn":"{from}"}},{claims}}}"#);
        let message = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature = fixed(&self.key.sign(message.as_bytes()).unwrap());
        format!("{message}.{};info=<{URL}>;alg=ES256;ppt={ppt}", encode(&signature))
    }

    pub(super) fn domain(&self) -> TrustDomain {
        self.domain_named("default")
    }

    pub(super) fn domain_named(&self, name: &str) -> TrustDomain {
        TrustDomain::new(name, Verifier::new(self.anchors.clone(), VerifyPolicy::default()))
    }

    /// The cache after it has fetched the leaf.
    pub(super) fn fetched(&self) -> Arc<Snapshot> {
        self.cache(Ok(Fetched::new(self.bundle.as_bytes())))
    }

    /// The cache after the fetch has failed.
    pub(super) fn unreachable(&self) -> Arc<Snapshot> {
        self.cache(Err(FetchFailure::Unreachable))
    }

    fn cache(&self, outcome: Result<Fetched<'_>, FetchFailure>) -> Arc<Snapshot> {
        let mut cache = Cache::new(CacheConfig::default(), vec![self.anchors.clone()]);
        cache.want(&url(), unix(EPOCH));
        cache.fetched(&url(), unix(EPOCH), outcome);
        cache.snapshot()
    }
}

fn url() -> X5u {
    X5u::parse(URL, DEFAULT_PORTS).unwrap()
}

fn params(name: &str) -> CertificateParams {
    let around = |seconds: u64| time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = around(EPOCH - 86_400);
    params.not_after = around(EPOCH + 86_400);
    params
}

/// Converts an ECDSA signature from DER to the form of JWS: r and s of 32 octets each (RFC 7518 section 3.4).
fn fixed(der: &[u8]) -> Vec<u8> {
    let integer = |at: usize| {
        let length = usize::from(der[at + 1]);
        let digits = &der[at + 2..at + 2 + length];
        let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
        ([vec![0; 32 - digits.len()], digits.to_vec()].concat(), at + 2 + length)
    };
    let (r, next) = integer(2);
    [r, integer(next).0].concat()
}
