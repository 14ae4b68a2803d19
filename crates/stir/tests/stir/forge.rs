//! Tokens with any header and payload, signed with a real key. The signer of this crate does not create such tokens.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rcgen::{KeyPair, SigningKey};

use super::support::{NOW, URL};

/// The header of a `shaken` PASSporT.
pub(crate) fn header() -> String {
    format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{URL}"}}"#)
}

/// The payload of the call from `CALLER` to `CALLEE`.
pub(crate) fn payload() -> String {
    format!(
        r#"{{"attest":"A","dest":{{"tn":["12155551213"]}},"iat":{NOW},"orig":{{"tn":"12155551212"}},"origid":"de305d54-75b4-431b-adb2-eb6b9e546014"}}"#
    )
}

/// Encodes and signs a token.
pub(crate) fn token(key: &KeyPair, header: &str, payload: &str) -> String {
    sign(key, &format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes())))
}

/// Signs the text `signed` unchanged.
pub(crate) fn sign(key: &KeyPair, signed: &str) -> String {
    format!("{signed}.{}", encode(&fixed(&key.sign(signed.as_bytes()).unwrap())))
}

pub(crate) fn encode(octets: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

/// Converts the DER form of a signature to r||s.
fn fixed(der: &[u8]) -> Vec<u8> {
    let integer = |at: usize| {
        let length = usize::from(*der.get(at + 1).unwrap());
        let digits = der.get(at + 2..at + 2 + length).unwrap();
        let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
        ([vec![0; 32 - digits.len()], digits.to_vec()].concat(), at + 2 + length)
    };
    let (r, next) = integer(2);
    [r, integer(next).0].concat()
}
