//! Keys, certificates and signed calls for the benchmarks.
//!
//! Each run makes its own keys and certificates. A run under valgrind reads those that another run wrote as text.

use std::sync::Arc;
use std::time::Duration;

use attesta_stir::cert::{
    Cache, CacheConfig, Certificate, CertificateChain, Fetched, Snapshot, TrustAnchors,
};
use attesta_stir::{
    Attestation, DEFAULT_PORTS, Identity, IdentityField, OrigId, Shaken, Signer, SigningKey, TelephoneNumber,
    UnixTime, X5u,
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

/// The time of all signatures and verifications, in seconds since the epoch.
pub const NOW: u64 = 1_800_000_000;

/// Returns [`NOW`] as a time.
#[must_use]
pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW))
}

/// Returns a telephone number as an identity.
///
/// # Panics
///
/// If the text is not a number.
#[must_use]
pub fn number(text: &str) -> Identity {
    Identity::Tn(TelephoneNumber::parse(text).expect("a number"))
}

/// A trust domain and the signed calls of many providers.
pub struct Fixture {
    root: String,
    /// The trust anchors of the domain.
    pub anchors: TrustAnchors,
    /// The providers.
    pub providers: Vec<Provider>,
}

/// A provider: its key, the certificates at its URL, and a call that it signed.
pub struct Provider {
    /// Its private key.
    pub pkcs8: Vec<u8>,
    /// The URL of its certificate.
    pub url: X5u,
    /// Its certificate and the intermediate, as PEM.
    pub bundle: String,
    /// The Identity value of a call from [`caller`] to [`callee`] at [`NOW`].
    pub value: String,
}

impl Fixture {
    /// Returns a trust domain with this number of providers.
    ///
    /// # Panics
    ///
    /// If a key or a certificate cannot be made.
    #[must_use]
    pub fn new(providers: usize) -> Self {
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

    /// Returns the trust anchor and the first providers as text. Runs that count instructions need the same keys each time.
    #[must_use]
    pub fn to_text(&self, providers: usize) -> String {
        let mut parts = vec![self.root.clone()];
        for provider in self.providers.iter().take(providers) {
            let key: String = provider.pkcs8.iter().map(|octet| format!("{octet:02x}")).collect();
            parts.extend([key, provider.url.as_str().to_owned()]);
            parts.extend([provider.bundle.clone(), provider.value.clone()]);
        }
        parts.join("\0")
    }

    /// Reads the text that [`to_text`](Self::to_text) wrote.
    ///
    /// # Panics
    ///
    /// If `to_text` did not write the text.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut parts = text.split('\0');
        let root = parts.next().expect("a root").to_owned();
        let anchors = TrustAnchors::from_pem(root.as_bytes()).expect("an anchor");
        let octet =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits");
        let mut providers = Vec::new();
        while let Some(key) = parts.next() {
            let mut next = || parts.next().expect("four parts").to_owned();
            providers.push(Provider {
                pkcs8: key.as_bytes().chunks(2).map(octet).collect(),
                url: X5u::parse(&next(), DEFAULT_PORTS).expect("a URL"),
                bundle: next(),
                value: next(),
            });
        }
        Self { root, anchors, providers }
    }

    /// Returns the content of the cache after every certificate was fetched.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
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
        let mut provider = Self { pkcs8: key.serialize_der(), url, bundle, value: String::new() };
        let mut value = Vec::new();
        let signer = provider.signer();
        signer.sign_shaken(&claims(&caller(), &[callee()]), &mut value).expect("a signature");
        provider.value = String::from_utf8(value).expect("ASCII");
        provider
    }

    /// Returns a signer with the key and the certificate of the provider.
    ///
    /// # Panics
    ///
    /// If the key does not match the certificate.
    #[must_use]
    pub fn signer(&self) -> Signer {
        let key = SigningKey::from_pkcs8_der(&self.pkcs8).expect("a key");
        let chain = CertificateChain::parse(self.bundle.as_bytes()).expect("a chain");
        Signer::new(key, &chain, self.url.clone(), now()).expect("a signer")
    }

    /// Signs a token with this header and payload.
    ///
    /// # Panics
    ///
    /// If the key cannot sign.
    #[must_use]
    pub fn token_of(&self, header: &str, payload: &str) -> String {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8, &random);
        let [header, payload] = [header, payload].map(|json| BASE64_URL_SAFE_NO_PAD.encode(json));
        let signed = format!("{header}.{payload}");
        let signature = key.expect("a key").sign(&random, signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns the Identity header field of the signed call.
    #[must_use]
    pub fn field(&self) -> IdentityField<'_> {
        IdentityField {
            token: self.token().as_bytes(),
            info: Some(self.url.as_str()),
            alg: Some("ES256"),
            ppt: Some("shaken"),
        }
    }

    /// Returns the input of ring for the signed call: public key, signed octets, signature.
    ///
    /// # Panics
    ///
    /// If the certificate or the token cannot be read.
    #[must_use]
    pub fn bare(&self) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let chain = CertificateChain::parse(self.bundle.as_bytes()).expect("a chain");
        let leaf = Certificate::from_der(chain.leaf()).expect("a leaf");
        let (signed, signature) = self.token().rsplit_once('.').expect("a token");
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        (leaf.key().expect("a key").as_point().to_vec(), signed.as_bytes().to_vec(), signature)
    }

    /// Returns the PASSporT of the signed call.
    #[must_use]
    pub fn token(&self) -> &str {
        self.value.split(';').next().unwrap_or_default()
    }
}

/// The caller of the signed call.
#[must_use]
pub fn caller() -> Identity {
    number("12155551212")
}

/// The callee of the signed call.
#[must_use]
pub fn callee() -> Identity {
    number("12155551213")
}

/// The attestation claims of a call at [`NOW`].
#[must_use]
pub fn claims<'a>(orig: &'a Identity, dest: &'a [Identity]) -> Shaken<'a> {
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
