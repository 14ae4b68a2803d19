//! Signatures from an external key, which arrive later.

use attesta_stir::cert::CertificateChain;
use attesta_stir::{Attestation, DEFAULT_PORTS, DetachedSigner, OrigId, Shaken, UnsignedError, Verdict, X5u};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rcgen::KeyPair;

use crate::forge;
use crate::support::{self, CALLEE, CALLER, Pki, URL, field, identity, leaf, now, snapshot, spc};

#[test]
fn an_external_signature_completes_the_value() {
    let pki = Pki::new();
    let key = KeyPair::generate().unwrap();
    let bundle = pki.bundle(&leaf("SHAKEN 1234", &spc("1234")), &key);
    let chain = CertificateChain::parse(bundle.as_bytes()).unwrap();
    let signer = DetachedSigner::new(&chain, X5u::parse(URL, DEFAULT_PORTS).unwrap(), now()).unwrap();
    let claims = Shaken {
        attest: Attestation::B,
        dest: &[identity(CALLEE)],
        iat: now(),
        orig: &identity(CALLER),
        origid: OrigId::from_random([1; 16]),
    };
    let unsigned = signer.prepare_shaken(&claims).unwrap();
    assert_eq!(unsigned.digest().len(), 32);
    let token = forge::sign(&key, std::str::from_utf8(unsigned.message()).unwrap());
    let signature = BASE64_URL_SAFE_NO_PAD.decode(token.rsplit_once('.').unwrap().1).unwrap();
    let mut wrong: [u8; 64] = signature.try_into().unwrap();
    let value = String::from_utf8(unsigned.clone().finish(&wrong).unwrap()).unwrap();
    let known = snapshot(&pki.anchors(), &[(URL, &bundle)]);
    let verification = support::verify(&pki.anchors(), &[field(&value)], &known);
    assert_eq!((verification.verdict(), verification.attestation()), (Verdict::Pass, Some(Attestation::B)));
    wrong[0] ^= 1;
    assert_eq!(unsigned.finish(&wrong), Err(UnsignedError));
}
