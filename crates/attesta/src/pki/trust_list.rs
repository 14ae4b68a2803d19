//! The STI-PA's signed list of certification authorities (ATIS-1000084): a JWS in compact form.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rcgen::{KeyPair, SigningKey};

/// The content of a trust list.
pub(super) struct SignedTrustList<'a> {
    /// The URL of the signer's certificate.
    pub(super) x5u: &'a str,
    pub(super) sequence: u64,
    /// Seconds since the epoch.
    pub(super) expires: u64,
    /// The authorities, as PEM.
    pub(super) authorities: &'a [String],
}

impl SignedTrustList<'_> {
    /// Returns the JWS, signed with `key`, which must be a P-256 key.
    pub(super) fn signed_by(&self, key: &KeyPair) -> Result<String, rcgen::Error> {
        let header = format!(r#"{{"alg":"ES256","typ":"JWT","x5u":{}}}"#, quoted(self.x5u));
        let authorities: Vec<_> = self.authorities.iter().map(|pem| quoted(pem)).collect();
        let payload = format!(
            r#"{{"version":"1.0","sequence":{},"exp":{},"trustList":[{}]}}"#,
            self.sequence,
            self.expires,
            authorities.join(",")
        );
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature = fixed_width(&key.sign(signed.as_bytes())?).ok_or(rcgen::Error::RemoteKeyError)?;
        Ok(format!("{signed}.{}", encode(&signature)))
    }
}

fn encode(octets: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

/// Returns a JSON string. URLs and PEM contain no other characters that JSON must escape.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Converts a DER signature to r and s with 32 octets each (RFC 7518 section 3.4).
fn fixed_width(der: &[u8]) -> Option<Vec<u8>> {
    let numbers = yasna::parse_der(der, |reader| {
        reader.read_sequence(|reader| {
            Ok([reader.next().read_bigint_bytes()?.0, reader.next().read_bigint_bytes()?.0])
        })
    });
    let mut signature = Vec::with_capacity(2 * COORDINATE);
    for number in numbers.ok()? {
        let digits = number.strip_prefix(&[0]).unwrap_or(&number);
        signature.extend(std::iter::repeat_n(0, COORDINATE.checked_sub(digits.len())?));
        signature.extend(digits);
    }
    Some(signature)
}

/// The size in octets of a number below the order of P-256.
const COORDINATE: usize = 32;
