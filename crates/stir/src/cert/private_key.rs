//! Private keys in files: PKCS#8 (RFC 5208) and SEC1 (RFC 5915).

use std::fmt;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Reader, Sequence};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::cert::oid::{EC_PUBLIC_KEY, P256};

/// A P-256 private key and its public key, as octets.
pub(crate) struct PrivateKey<'a> {
    /// 32 octets, big-endian.
    pub(crate) scalar: &'a [u8],
    /// The uncompressed point, 65 octets.
    pub(crate) point: &'a [u8],
}

/// The reason for which a private key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The text has no PEM block of a private key.
    NoKey,
    /// The key is encrypted.
    Encrypted,
    /// The DER of the key is malformed.
    Malformed,
    /// The key is not a P-256 key.
    NotP256,
    /// The file does not contain the public key.
    NoPublicKey,
    /// The public key does not belong to the private key.
    Mismatch,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => "there is no PEM block PRIVATE KEY or EC PRIVATE KEY",
            Self::Encrypted => {
                "the private key is encrypted; decrypt it with: openssl pkcs8 -in KEY -nocrypt"
            }
            Self::Malformed => "the private key is not well-formed DER",
            Self::NotP256 => "the private key is not a P-256 key; ES256 needs one",
            Self::NoPublicKey => {
                "the file of the private key has no public key; add it with: openssl pkey -in KEY -out KEY"
            }
            Self::Mismatch => "the public key in the file does not belong to the private key",
        })
    }
}

impl std::error::Error for KeyError {}

/// Finds the first private key of a PEM text and passes it to `take`.
pub(crate) fn from_pem<T>(
    pem: &[u8],
    take: impl FnOnce(&PrivateKey<'_>) -> Result<T, KeyError>,
) -> Result<T, KeyError> {
    let encrypted = pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(PrivateKeyDer::Pkcs8(key)) => take(&from_pkcs8(key.secret_pkcs8_der())?),
        Ok(PrivateKeyDer::Sec1(key)) => take(&from_sec1(key.secret_sec1_der(), None)?),
        Ok(_) => Err(KeyError::NotP256),
        Err(_) if encrypted => Err(KeyError::Encrypted),
        Err(_) => Err(KeyError::NoKey),
    }
}

/// Reads the form of RFC 5208 section 5, which contains an `ECPrivateKey`. Attributes and a second public key after it are
/// ignored.
pub(crate) fn from_pkcs8(der: &[u8]) -> Result<PrivateKey<'_>, KeyError> {
    let (algorithm, key) = AnyRef::from_der(der)
        .and_then(|info| {
            info.sequence(|fields| {
                u8::decode(fields)?;
                let algorithm = Algorithm::decode(fields)?;
                let key = <&OctetStringRef>::decode(fields)?;
                while !fields.is_finished() {
                    AnyRef::decode(fields)?;
                }
                Ok((algorithm, key))
            })
        })
        .map_err(|_: der::Error| KeyError::Malformed)?;
    if algorithm.oid != EC_PUBLIC_KEY {
        return Err(KeyError::NotP256);
    }
    from_sec1(key.as_bytes(), algorithm.parameters)
}

/// Reads the form of RFC 5915 section 3. The key or its PKCS#8 structure names the curve.
fn from_sec1<'a>(der: &'a [u8], curve: Option<AnyRef<'a>>) -> Result<PrivateKey<'a>, KeyError> {
    let key = EcPrivateKey::from_der(der).map_err(|_| KeyError::Malformed)?;
    let curve = key.parameters.or(curve).ok_or(KeyError::NotP256)?;
    if curve.decode_as::<ObjectIdentifier>().ok() != Some(P256) {
        return Err(KeyError::NotP256);
    }
    let point = key.public_key.and_then(|bits| bits.as_bytes()).ok_or(KeyError::NoPublicKey)?;
    Ok(PrivateKey { scalar: key.private_key.as_bytes(), point })
}

const ENCRYPTED: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";

#[derive(Sequence)]
struct Algorithm<'a> {
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", optional = "true")]
    parameters: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", optional = "true")]
    public_key: Option<BitStringRef<'a>>,
}
