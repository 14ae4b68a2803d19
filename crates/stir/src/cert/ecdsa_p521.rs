//! Signatures with keys on the curve P-521, which ring does not support (ADR 11). Some certification authorities have such
//! keys. Only the validation of a certificate chain uses this file, never a call.

use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use p521::ecdsa::{Signature, VerifyingKey};
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

use crate::digest::Algorithm;

/// ECDSA with a P-521 key (RFC 5758 section 3.2).
#[derive(Debug)]
pub(super) enum EcdsaP521 {
    Sha384,
    Sha512,
}

impl SignatureVerificationAlgorithm for EcdsaP521 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let digest = match self {
            Self::Sha384 => Algorithm::Sha384,
            Self::Sha512 => Algorithm::Sha512,
        };
        let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        key.verify_prehash(digest.digest(message).as_ref(), &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self {
            Self::Sha384 => alg_id::ECDSA_SHA384,
            Self::Sha512 => alg_id::ECDSA_SHA512,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the signature of "sample" of RFC 6979 section A.2.7. Each number has 131 hexadecimal digits.
    const X: &str = "1894550D0785932E00EAA23B694F213F8C3121F86DC97A04E5A7167DB4E5BCD3\
        71123D46E45DB6B5D5370A7F20FB633155D38FFA16D2BD761DCAC474B9A2F5023A4";
    const Y: &str = "0493101C962CD4D2FDDF782285E64584139C2F91B47F87FF82354D6630F746A2\
        8A0DB25741B5B34A828008B22ACC23F924FAAFBD4D33F81EA66956DFEAA2BFDFCF5";
    const R: &str = "0C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F1\
        74E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA";
    const S: &str = "0617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF2\
        82623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A";

    fn octets(digits: &str) -> Vec<u8> {
        let digits = format!("0{digits}");
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    /// A DER INTEGER. A zero octet stays before an octet of 0x80 or more, which would make the number negative.
    fn integer(digits: &str) -> Vec<u8> {
        let octets = octets(digits);
        let octets = if octets[1] < 0x80 { &octets[1..] } else { &octets[..] };
        [&[2, octets.len() as u8][..], octets].concat()
    }

    #[test]
    fn the_signature_of_rfc_6979_is_valid_for_its_message_only() {
        let key = [&[4][..], &octets(X), &octets(Y)].concat();
        let numbers = [integer(R), integer(S)].concat();
        let signature = [&[0x30, 0x81, numbers.len() as u8][..], &numbers].concat();
        let verifies = |key: &[u8], message: &[u8], signature: &[u8]| {
            EcdsaP521::Sha512.verify_signature(key, message, signature).is_ok()
        };
        assert!(verifies(&key, b"sample", &signature));
        assert!(!verifies(&key, b"Sample", &signature));
        assert!(!verifies(&key[..132], b"sample", &signature));
        assert!(!verifies(&key, b"sample", &signature[1..]));
    }
}
