//! ES256 (RFC 7518 section 3.4): ECDSA over P-256 with SHA-256 and the 64-octet r||s form. ring signs and verifies.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};

use crate::cert::private_key::{self, KeyError, PrivateKey};

/// The length of an ES256 signature in octets.
pub(crate) const SIGNATURE_LENGTH: usize = 64;

/// A P-256 private key with its public key. `Debug` does not show the private key.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    public: VerifyingKey,
}

impl SigningKey {
    /// Reads the first `PRIVATE KEY` (PKCS#8) or `EC PRIVATE KEY` (SEC1) of a PEM text.
    ///
    /// # Errors
    /// If there is no such key, or if it is not a P-256 key. If its public key is absent, or does not belong to it.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        private_key::from_pem(pem, Self::from_private)
    }

    /// Reads a PKCS#8 key in DER (RFC 5208).
    ///
    /// # Errors
    /// As [`SigningKey::from_pem`].
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_private(&private_key::from_pkcs8(der)?)
    }

    /// Signs `message` and returns r||s, 64 octets. ring takes the nonce from the operating system, so two
    /// signatures of the same message differ.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<impl AsRef<[u8]> + use<>, SigningFailed> {
        self.pair.sign(&self.random, message).map_err(|_| SigningFailed)
    }

    /// The public key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    fn from_private(key: &PrivateKey<'_>) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, key.scalar, key.point, &random)
            .map_err(|_| KeyError::Mismatch)?;
        let public = VerifyingKey::from_point(pair.public_key().as_ref()).ok_or(KeyError::NotP256)?;
        Ok(Self { pair, random, public })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// The error if the operating system provides no random octets for a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SigningFailed;

/// A P-256 public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey([u8; POINT_LENGTH]);

const POINT_LENGTH: usize = 65;

impl VerifyingKey {
    /// Takes an uncompressed point (SEC1 section 2.3.3): 65 octets, of which the first is 4. Each use of the
    /// key checks that the point lies on the curve.
    pub fn from_point(point: &[u8]) -> Option<Self> {
        let point: [u8; POINT_LENGTH] = point.try_into().ok()?;
        (point.first() == Some(&4)).then_some(Self(point))
    }

    /// The uncompressed point, 65 octets.
    pub fn as_point(&self) -> &[u8; POINT_LENGTH] {
        &self.0
    }

    /// Whether this key made `signature` (r||s, 64 octets) over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0).verify(message, signature).is_ok()
    }
}

/// Shows the first octets of the point, enough to distinguish two keys.
impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(")?;
        for octet in self.0.iter().skip(1).take(8) {
            write!(f, "{octet:02x}")?;
        }
        f.write_str("..)")
    }
}
