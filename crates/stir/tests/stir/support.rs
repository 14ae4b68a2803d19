//! An STI hierarchy for tests, and a call to sign and verify with it.

use std::time::Duration;

use attesta_stir::cert::{Cache, CacheConfig, CertificateChain, Fetched, Snapshot, TrustAnchors};
use attesta_stir::{
    Attestation, DEFAULT_PORTS, DialPlan, Facts, Identity, IdentityField, OrigId, Shaken, Signer, SigningKey,
    UnixTime, Verification, Verifier, VerifyPolicy, X5u,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SerialNumber,
};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const URL: &str = "https://cr.example.net/leaf.pem";
pub(crate) const CALLER: &str = "tel:+12155551212";
pub(crate) const CALLEE: &str = "tel:+12155551213";
pub(crate) const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

pub(crate) fn now() -> UnixTime {
    at(NOW)
}

pub(crate) fn identity(uri: &str) -> Identity {
    Identity::callee(uri.as_bytes(), &DialPlan::default()).unwrap()
}

pub(crate) fn date(seconds: u64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(seconds.try_into().unwrap()).unwrap()
}

/// The DER of a TNAuthList with one service provider code.
pub(crate) fn spc(code: &str) -> Vec<u8> {
    let length = u8::try_from(code.len()).unwrap();
    let mut der = vec![0x30, length + 4, 0xa0, length + 2, 0x16, length];
    der.extend(code.as_bytes());
    der
}

/// The parameters of a certificate that is valid from one day before to one day after [`NOW`].
pub(crate) fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CountryName, "US");
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date(NOW - 86_400);
    params.not_after = date(NOW + 86_400);
    params.serial_number = Some(SerialNumber::from(serial(name)));
    params
}

/// A serial number of 16 octets for each name.
fn serial(name: &str) -> Vec<u8> {
    let mut serial = vec![1; 16];
    serial.iter_mut().skip(1).zip(name.bytes()).for_each(|(octet, own)| *octet = own);
    serial
}

pub(crate) fn authority(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(crate) fn leaf(name: &str, tn_auth_list: &[u8]) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.custom_extensions.push(CustomExtension::from_oid_content(TN_AUTH_LIST, tn_auth_list.to_vec()));
    params
}

/// A root, an intermediate below it, and the parameters for the next leaf.
pub(crate) struct Pki {
    pub(crate) root_pem: String,
    pub(crate) intermediate: Issuer<'static, KeyPair>,
    pub(crate) intermediate_pem: String,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::with(authority("SHAKEN ROOT"), authority("SHAKEN Intermediate"))
    }

    pub(crate) fn with(root: CertificateParams, intermediate: CertificateParams) -> Self {
        let root_key = KeyPair::generate().unwrap();
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let key = KeyPair::generate().unwrap();
        let intermediate_pem = intermediate.signed_by(&key, &root).unwrap().pem();
        let intermediate = Issuer::new(intermediate, key);
        Self { root_pem, intermediate, intermediate_pem }
    }

    pub(crate) fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_pem(self.root_pem.as_bytes()).unwrap()
    }

    /// The content behind the certificate URL of a leaf.
    pub(crate) fn bundle(&self, leaf: &CertificateParams, key: &impl PublicKeyData) -> String {
        leaf.signed_by(key, &self.intermediate).unwrap().pem() + &self.intermediate_pem
    }

    /// A signer with an ordinary leaf, and the content behind its URL.
    pub(crate) fn signer(&self) -> (Signer, String) {
        let key = KeyPair::generate().unwrap();
        let bundle = self.bundle(&leaf("SHAKEN 1234", &spc("1234")), &key);
        (signer(&key, &bundle), bundle)
    }
}

pub(crate) fn signer(key: &KeyPair, bundle: &str) -> Signer {
    let chain = CertificateChain::parse(bundle.as_bytes()).unwrap();
    let key = SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap();
    Signer::new(key, &chain, X5u::parse(URL, DEFAULT_PORTS).unwrap(), now()).unwrap()
}

/// Signs the call from [`CALLER`] to [`CALLEE`].
pub(crate) fn signed(signer: &Signer) -> String {
    let claims = Shaken {
        attest: Attestation::A,
        dest: &[identity(CALLEE)],
        iat: now(),
        orig: &identity(CALLER),
        origid: OrigId::from_random([7; 16]),
    };
    let mut value = Vec::new();
    signer.sign_shaken(&claims, &mut value).unwrap();
    String::from_utf8(value).unwrap()
}

/// Splits an Identity header field value in the form that this crate writes.
pub(crate) fn field(value: &str) -> IdentityField<'_> {
    let mut parts = value.split(';');
    let mut field = IdentityField { token: parts.next().unwrap().as_bytes(), ..IdentityField::default() };
    for part in parts {
        match part.split_once('=').unwrap() {
            ("info", uri) => field.info = Some(uri.trim_matches(['<', '>'])),
            ("alg", alg) => field.alg = Some(alg),
            ("ppt", ppt) => field.ppt = Some(ppt),
            (other, _) => panic!("unknown parameter {other}"),
        }
    }
    field
}

pub(crate) fn token(value: &str) -> &str {
    value.split(';').next().unwrap()
}

/// A snapshot with the content of each URL.
pub(crate) fn snapshot(anchors: &TrustAnchors, served: &[(&str, &str)]) -> std::sync::Arc<Snapshot> {
    let mut cache = Cache::new(CacheConfig::default(), vec![anchors.clone()]);
    for (url, body) in served {
        let url = X5u::parse(url, DEFAULT_PORTS).unwrap();
        cache.want(&url, now());
        cache.fetched(&url, now(), Ok(Fetched::new(body.as_bytes())));
    }
    cache.snapshot()
}

/// Verifies the call from [`CALLER`] to [`CALLEE`].
pub(crate) fn verify(
    anchors: &TrustAnchors,
    fields: &[IdentityField<'_>],
    snapshot: &Snapshot,
) -> Verification {
    let verifier = Verifier::new(anchors.clone(), VerifyPolicy::default());
    let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
    verifier.verify(&Facts::new(fields).orig(&orig).dest(&dest), snapshot, now())
}
