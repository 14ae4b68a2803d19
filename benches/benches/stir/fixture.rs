//! Keys, certificates and signed calls to measure with.

use std::sync::Arc;
use std::time::Duration;

use attesta_stir::cert::{Cache, CacheConfig, CertificateChain, Fetched, Snapshot, TrustAnchors};
use attesta_stir::{
    Attestation, DEFAULT_PORTS, Identity, IdentityField, OrigId, Shaken, Signer, SigningKey, TelephoneNumber,
    UnixTime, X5u,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// The moment at which everything happens.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW))
}

pub(crate) fn number(text: &str) -> Identity {
    Identity::Tn(TelephoneNumber::parse(text).expect("a number"))
}

/// A trust domain and the signed calls of many providers.
pub(crate) struct Fixture {
    root: String,
    pub(crate) anchors: TrustAnchors,
    pub(crate) providers: Vec<Provider>,
}

/// One provider: its key, what its URL serves, and a call that it signed.
pub(crate) struct Provider {
    pub(crate) signer: Signer,
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) url: X5u,
    pub(crate) bundle: String,
    pub(crate) value: String,
}

impl Fixture {
    pub(crate) fn new(providers: usize) -> Self {
        let root_key = KeyPair::generate().expect("a key");
        let root = params("SHAKEN ROOT", true);
        let root_certificate = root.self_signed(&root_key).expect("a root");
        let root_pem = root_certificate.pem();
        let anchors = TrustAnchors::from_pem(root_pem.as_bytes()).expect("an anchor");
        let root = Issuer::new(root, root_key);
        let key = KeyPair::generate().expect("a key");
        let intermediate = params("SHAKEN Intermediate", true);
        let intermediate_pem = intermediate.signed_by(&key, &root).expect("an intermediate").pem();
        let intermediate = Issuer::new(intermediate, key);
        let providers =
            (0..providers).map(|place| Provider::new(place, &intermediate, &intermediate_pem)).collect();
        Self { root: root_pem, anchors, providers }
    }

    /// The trust anchor and the first provider as text: a run that counts instructions needs the same ones each time.
    pub(crate) fn to_text(&self) -> String {
        let provider = self.providers.first().expect("a provider");
        let key: String = provider.pkcs8.iter().map(|octet| format!("{octet:02x}")).collect();
        [&*self.root, &*key, provider.url.as_str(), &*provider.bundle, &*provider.value].join("\0")
    }

    pub(crate) fn from_text(text: &str) -> Self {
        let parts: [&str; 5] = text.split('\0').collect::<Vec<_>>().try_into().expect("five parts");
        let [root, key, url, bundle, value] = parts;
        let octet =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits");
        let pkcs8: Vec<u8> = key.as_bytes().chunks(2).map(octet).collect();
        let url = X5u::parse(url, DEFAULT_PORTS).expect("a URL");
        let anchors = TrustAnchors::from_pem(root.as_bytes()).expect("an anchor");
        let provider = Provider::from_parts(pkcs8, url, bundle.to_owned(), Some(value.to_owned()));
        Self { root: root.to_owned(), anchors, providers: vec![provider] }
    }

    /// What the cache knows once every certificate was fetched.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let mut cache = Cache::new(CacheConfig::default(), vec![self.anchors.clone()]);
        for provider in &self.providers {
            cache.want(&provider.url, now());
            cache.fetched(&provider.url, now(), Ok(Fetched::new(provider.bundle.as_bytes())));
        }
        cache.snapshot()
    }
}

impl Provider {
    fn new(place: usize, issuer: &Issuer<'_, KeyPair>, above: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(&format!("SHAKEN {place:04}"), false);
        let code = format!("{place:04}");
        let list = [&[0x30, 8, 0xa0, 6, 0x16, 4], code.as_bytes()].concat();
        params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], list));
        let bundle = params.signed_by(&key, issuer).expect("a leaf").pem() + above;
        let url =
            X5u::parse(&format!("https://cr.example.net/{place:04}/leaf.pem"), DEFAULT_PORTS).expect("a URL");
        Self::from_parts(key.serialize_der(), url, bundle, None)
    }

    fn from_parts(pkcs8: Vec<u8>, url: X5u, bundle: String, value: Option<String>) -> Self {
        let signing = SigningKey::from_pkcs8_der(&pkcs8).expect("a key");
        let chain = CertificateChain::parse(bundle.as_bytes()).expect("a chain");
        let signer = Signer::new(signing, &chain, url.clone(), now()).expect("a signer");
        let value = value.unwrap_or_else(|| {
            let mut value = Vec::new();
            signer.sign_shaken(&claims(&caller(), &[callee()]), &mut value).expect("a signature");
            String::from_utf8(value).expect("ASCII")
        });
        Self { signer, pkcs8, url, bundle, value }
    }

    /// The Identity header field of the signed call.
    pub(crate) fn field(&self) -> IdentityField<'_> {
        IdentityField {
            token: self.token().as_bytes(),
            info: Some(self.url.as_str()),
            alg: Some("ES256"),
            ppt: Some("shaken"),
        }
    }

    pub(crate) fn token(&self) -> &str {
        self.value.split(';').next().unwrap_or_default()
    }
}

pub(crate) fn caller() -> Identity {
    number("12155551212")
}

pub(crate) fn callee() -> Identity {
    number("12155551213")
}

pub(crate) fn claims<'a>(orig: &'a Identity, dest: &'a [Identity]) -> Shaken<'a> {
    Shaken { attest: Attestation::A, dest, iat: now(), orig, origid: OrigId::from_random([7; 16]) }
}

fn params(name: &str, authority: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CountryName, "US");
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, name);
    let day = |offset: i64| {
        let moment = i64::try_from(NOW).expect("a moment") + offset * 86_400;
        time::OffsetDateTime::from_unix_timestamp(moment).expect("a moment")
    };
    (params.not_before, params.not_after) = (day(-1), day(365));
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    } else {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    }
    params
}
