//! The STI-PA's signed list of certification authorities.

use attesta_stir::cert::{CertificateChain, TrustAnchors, TrustList, TrustListError};
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::forge;
use crate::support::{self, NOW, Pki, at, authority, now};

/// An STI-PA: its own root, and the key that signs lists.
struct Administrator {
    root: TrustAnchors,
    key: KeyPair,
    chain: CertificateChain,
}

impl Administrator {
    fn new() -> Self {
        let root_key = KeyPair::generate().unwrap();
        let root = authority("STI-PA ROOT");
        let anchors = TrustAnchors::from_pem(root.self_signed(&root_key).unwrap().pem().as_bytes()).unwrap();
        let root = Issuer::new(root, root_key);
        let key = KeyPair::generate().unwrap();
        let mut params: CertificateParams = support::params("STI-PA");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let pem = params.signed_by(&key, &root).unwrap().pem();
        Self { root: anchors, key, chain: CertificateChain::parse(pem.as_bytes()).unwrap() }
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        forge::token(&self.key, header, payload)
    }

    fn read(&self, jws: &str, previous: Option<u64>) -> Result<TrustList, TrustListError> {
        TrustList::read(jws.as_bytes(), self.chain.clone(), &self.root, previous, now())
    }
}

const HEADER: &str = r#"{"alg":"ES256","typ":"JWT","x5u":"https://pa.example/cert.pem"}"#;

fn payload(pems: &[&str], sequence: u64, expires: u64) -> String {
    serde_json::json!({ "version": "1.0", "sequence": sequence, "exp": expires, "trustList": pems })
        .to_string()
}

#[test]
fn a_list_names_the_authorities() {
    let administrator = Administrator::new();
    let (first, second) = (Pki::new(), Pki::new());
    let jws = administrator.sign(HEADER, &payload(&[&first.root_pem, &second.root_pem], 7, NOW + 10));
    assert_eq!(TrustList::signer_url(jws.as_bytes()).unwrap(), "https://pa.example/cert.pem");
    let list = administrator.read(&jws, Some(7)).unwrap();
    assert_eq!((list.sequence(), list.expires(), list.version()), (7, at(NOW + 10), "1.0"));
    assert_eq!(list.anchors().subjects().count(), 2);
}

#[test]
fn refused_trust_lists() {
    let administrator = Administrator::new();
    let root = Pki::new().root_pem;
    let good = payload(&[&root], 7, NOW + 10);
    let read =
        |header: &str, payload: &str| administrator.read(&administrator.sign(header, payload), Some(7)).err();
    assert_eq!(read(HEADER, &good), None);
    assert_eq!(read(HEADER, &payload(&[&root], 6, NOW + 10)), Some(TrustListError::Backwards));
    assert_eq!(read(HEADER, &payload(&[&root], 7, NOW - 1)), Some(TrustListError::Expired));
    assert_eq!(read(HEADER, &payload(&[], 7, NOW + 10)), Some(TrustListError::BadAnchor));
    assert_eq!(read(HEADER, &payload(&["junk"], 7, NOW + 10)), Some(TrustListError::BadAnchor));
    assert_eq!(read(HEADER, "{}"), Some(TrustListError::Malformed));
    assert_eq!(read(HEADER, "[]"), Some(TrustListError::Malformed));
    assert_eq!(read(&HEADER.replace("ES256", "none"), &good), Some(TrustListError::UnsupportedAlgorithm));
    let jws = administrator.sign(HEADER, &good);
    let (signed, _) = jws.rsplit_once('.').unwrap();
    let forged = forge::sign(&KeyPair::generate().unwrap(), signed);
    assert_eq!(administrator.read(&forged, None).err(), Some(TrustListError::BadSignature));
    assert_eq!(administrator.read("..x", None).err(), Some(TrustListError::Malformed));
    let stranger = Administrator::new();
    let untrusted = TrustList::read(jws.as_bytes(), administrator.chain.clone(), &stranger.root, None, now());
    assert!(matches!(untrusted, Err(TrustListError::SignerUntrusted(_))));
}
