//! Signing with a key in a hardware module or a key service. The signature may arrive later.

use std::fmt;

use rustls_pki_types::UnixTime;

use crate::base64url;
use crate::cert::bundle::CertificateChain;
use crate::digest::sha256;
use crate::es256::{SIGNATURE_LENGTH, VerifyingKey};
use crate::sign::{Shaken, SignError, SignerError, SigningCertificate};
use crate::x5u::X5u;

/// A certificate whose key is in another system. The signer prepares the message to sign and adds the signature.
#[derive(Debug)]
pub struct DetachedSigner {
    certified: SigningCertificate,
    key: VerifyingKey,
}

/// A PASSporT without its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    message: Vec<u8>,
    parameters: Vec<u8>,
    key: VerifyingKey,
}

/// The error if the signature over the message was not made with the certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsignedError;

impl fmt::Display for UnsignedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate's key did not make the signature")
    }
}

impl std::error::Error for UnsignedError {}

impl DetachedSigner {
    /// Takes a chain whose leaf may sign PASSporTs. `x5u` is the URL at which verifiers find the chain.
    ///
    /// # Errors
    /// If the leaf may not sign PASSporTs or is not valid at `now`.
    pub fn new(chain: &CertificateChain, x5u: X5u, now: UnixTime) -> Result<Self, SignerError> {
        let (certified, key) = SigningCertificate::new(chain, x5u, now)?;
        Ok(Self { certified, key })
    }

    /// Writes a `shaken` PASSporT up to its signature.
    ///
    /// # Errors
    /// If `dest` is empty, or if the certificate is not valid at `iat`.
    pub fn prepare_shaken(&self, claims: &Shaken<'_>) -> Result<Unsigned, SignError> {
        let (message, parameters) = self.certified.unsigned_shaken(claims)?;
        Ok(Unsigned { message, parameters, key: self.key })
    }
}

impl Unsigned {
    /// The message to sign with ECDSA on P-256 and SHA-256.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The SHA-256 digest of the message, for services that sign digests.
    pub fn digest(&self) -> [u8; 32] {
        sha256(&self.message)
    }

    /// Returns the value of the Identity header field with `signature`: r and s, 32 octets each. The signature is checked here,
    /// because verifiers refuse a call with a wrong signature.
    ///
    /// # Errors
    /// If the certificate's key did not make the signature.
    pub fn finish(mut self, signature: &[u8; SIGNATURE_LENGTH]) -> Result<Vec<u8>, UnsignedError> {
        if !self.key.verify(&self.message, signature) {
            return Err(UnsignedError);
        }
        self.message.push(b'.');
        base64url::encode(signature, &mut self.message);
        self.message.extend_from_slice(&self.parameters);
        Ok(self.message)
    }
}
