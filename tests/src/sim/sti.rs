//! A temporary STI root and leaf, made in memory.

use std::sync::Arc;

use attesta_b2bua::TrustDomain;
use attesta_stir::cert::{
    Cache, CacheConfig, CertificateChain, FetchFailure, Fetched, Snapshot, TrustAnchors,
};
use attesta_stir::{DEFAULT_PORTS, Signer, SigningKey, UnixTime, Verifier, VerifyPolicy, X5u};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use super::edge::EPOCH;

/// A root, a leaf of the service provider 1234, and the key of the leaf.
pub struct Sti {
    anchors: TrustAnchors,
    leaf: String,
    key: String,
}

impl Sti {
    /// Makes the root, the leaf and the key.
    ///
    /// # Panics
    ///
    /// If the machine provides no random numbers.
    #[must_use]
    pub fn new() -> Self {
        let root_key = KeyPair::generate().expect("the machine has randomness");
        let mut root = parameters("SHAKEN ROOT");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root_pem = root.self_signed(&root_key).expect("the parameters are sound").pem();
        let root = Issuer::new(root, root_key);

        let key = KeyPair::generate().expect("the machine has randomness");
        let mut leaf = parameters("SHAKEN 1234");
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.custom_extensions.push(CustomExtension::from_oid_content(TN_AUTH_LIST, SPC_1234.to_vec()));
        let leaf = leaf.signed_by(&key, &root).expect("the parameters are sound").pem();
        let anchors = TrustAnchors::from_pem(root_pem.as_bytes()).expect("the root was just made");
        Self { anchors, leaf, key: key.serialize_pem() }
    }

    /// Returns the signer of the leaf.
    ///
    /// # Panics
    ///
    /// If key and certificate do not match. They were made together, so they match.
    #[must_use]
    pub fn signer(&self) -> Arc<Signer> {
        let chain = CertificateChain::parse(self.leaf.as_bytes()).expect("the leaf was just made");
        let key = SigningKey::from_pem(self.key.as_bytes()).expect("the key was just made");
        Arc::new(Signer::new(key, &chain, url(), epoch()).expect("key and certificate were made together"))
    }

    /// Returns the trust domain that trusts the root.
    #[must_use]
    pub fn domain(&self) -> TrustDomain {
        TrustDomain::new("default", Verifier::new(self.anchors.clone(), VerifyPolicy::default()))
    }

    /// Returns the content of a cache after it has fetched the leaf.
    #[must_use]
    pub fn fetched(&self) -> Arc<Snapshot> {
        self.cache(Ok(Fetched::new(self.leaf.as_bytes())))
    }

    /// Returns the content of a cache after the fetch has failed.
    #[must_use]
    pub fn unreachable(&self) -> Arc<Snapshot> {
        self.cache(Err(FetchFailure::Unreachable))
    }

    fn cache(&self, outcome: Result<Fetched<'_>, FetchFailure>) -> Arc<Snapshot> {
        let mut cache = Cache::new(CacheConfig::default(), vec![self.anchors.clone()]);
        cache.want(&url(), epoch());
        cache.fetched(&url(), epoch(), outcome);
        cache.snapshot()
    }
}

impl Default for Sti {
    fn default() -> Self {
        Self::new()
    }
}

fn epoch() -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(EPOCH))
}

fn url() -> X5u {
    X5u::parse("https://cr.example.net/leaf.pem", DEFAULT_PORTS).expect("the address is one of an x5u")
}

/// The validity: from before [`EPOCH`], which is in January 2027, to long after it.
fn parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = date_time_ymd(2027, 1, 1);
    parameters.not_after = date_time_ymd(2028, 1, 1);
    parameters
}

/// RFC 8226 section 9.
const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
const SPC_1234: &[u8] = b"\x30\x08\xa0\x06\x16\x041234";
