//! The authentication service, which creates Identity header values (RFC 8224 section 6.1).

use std::fmt;

use rustls_pki_types::UnixTime;

use crate::attestation::{Attestation, OrigId};
use crate::base64url;
use crate::cert::bundle::CertificateChain;
use crate::cert::certificate::Certificate;
use crate::es256::{SigningKey, VerifyingKey};
use crate::identity::Identity;
use crate::passport::canonical::{self, Json};
use crate::passport::ppt::Ppt;
use crate::x5u::X5u;

/// A key and its certificate. It signs PASSporTs in full form.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
    certified: SigningCertificate,
}

/// A certificate that may sign PASSporTs, and the constant parts of each token.
#[derive(Debug)]
pub(crate) struct SigningCertificate {
    x5u: X5u,
    not_before: UnixTime,
    not_after: UnixTime,
    certificate: Certificate,
    base: TokenTemplate,
    shaken: TokenTemplate,
    div: TokenTemplate,
}

/// The constant parts of a token and its field: the encoded header, and the parameters after the token.
#[derive(Debug)]
struct TokenTemplate {
    header: Vec<u8>,
    parameters: Vec<u8>,
}

/// The claims of a `shaken` PASSporT (RFC 8588).
#[derive(Clone, Copy, Debug)]
pub struct Shaken<'a> {
    /// The attestation level for `orig`.
    pub attest: Attestation,
    /// The callees, at least one: the To header field in canonical form.
    pub dest: &'a [Identity],
    /// The time of signing: the Date header field, or the clock.
    pub iat: UnixTime,
    /// The caller: P-Asserted-Identity or From in canonical form.
    pub orig: &'a Identity,
    /// The identifier that only the signer can relate to the call.
    pub origid: OrigId,
}

/// The claims of a base PASSporT (RFC 8225 section 5). A delegate certificate may sign such a PASSporT.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// The callees, at least one.
    pub dest: &'a [Identity],
    /// The time of signing.
    pub iat: UnixTime,
    /// The caller.
    pub orig: &'a Identity,
}

/// The claims of a `div` PASSporT (RFC 8946 section 3).
#[derive(Clone, Copy, Debug)]
pub struct Div<'a> {
    /// The new target: the new Request-URI in canonical form.
    pub dest: &'a [Identity],
    /// The original target of the call.
    pub diverted: &'a Identity,
    /// The `iat` of the original PASSporT.
    pub iat: UnixTime,
    /// The `orig` of the original PASSporT.
    pub orig: &'a Identity,
}

/// The reason for which a key and a certificate chain cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignerError {
    /// The leaf is malformed.
    Certificate,
    /// The leaf's key is not a P-256 key.
    NotP256,
    /// The leaf is a certificate of another key.
    KeyMismatch,
    /// The leaf is a certification authority, or its key usage does not allow signatures.
    NotForSigning,
    /// The leaf has no TNAuthList, or its TNAuthList is malformed.
    NoTnAuthList,
    /// The leaf has expired.
    Expired,
    /// The leaf is not valid yet.
    NotYetValid,
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the certificate is malformed",
            Self::NotP256 => "the certificate's key is not a P-256 key; ES256 needs one",
            Self::KeyMismatch => {
                "the key does not belong to the certificate; check that both come from the same order"
            }
            Self::NotForSigning => {
                "the certificate is a certification authority, or its key usage does not allow signatures"
            }
            Self::NoTnAuthList => "the certificate has no readable TNAuthList; verifiers refuse it",
            Self::Expired => "the certificate has expired; renew it",
            Self::NotYetValid => "the certificate is not valid yet; check the clock",
        })
    }
}

impl std::error::Error for SignerError {}

/// The reason for which a token was not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// `dest` is empty.
    NoDestination,
    /// `iat` is outside the validity of the certificate (RFC 8224 section 6.1, step 3).
    OutsideValidity,
    /// The operating system provided no random octets.
    Random,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDestination => "a PASSporT needs at least one destination",
            Self::OutsideValidity => "the certificate is not valid at the time of the signature",
            Self::Random => "the operating system provided no randomness for the signature",
        })
    }
}

impl std::error::Error for SignError {}

impl Signer {
    /// Combines a key and its chain. `x5u` is the URL at which verifiers find the chain.
    ///
    /// # Errors
    /// If the leaf does not belong to the key, may not sign PASSporTs, or is not valid at `now`.
    pub fn new(
        key: SigningKey,
        chain: &CertificateChain,
        x5u: X5u,
        now: UnixTime,
    ) -> Result<Self, SignerError> {
        let (certified, certified_key) = SigningCertificate::new(chain, x5u, now)?;
        if certified_key != *key.verifying_key() {
            return Err(SignerError::KeyMismatch);
        }
        Ok(Self { key, certified })
    }

    /// Appends the value of an Identity header field to `out`: a `shaken` PASSporT and its parameters `info`,
    /// `alg` and `ppt`.
    ///
    /// If `out` has enough capacity (1,024 octets suffice), nothing is allocated.
    ///
    /// # Errors
    /// [`SignError`] if the token was not signed. `out` is then unchanged.
    pub fn sign_shaken(&self, claims: &Shaken<'_>, out: &mut Vec<u8>) -> Result<(), SignError> {
        self.certified.check(claims.dest, claims.iat)?;
        self.certified.shaken.sign(&self.key, out, |json| claims.write(json))
    }

    /// Appends the value of an Identity header field to `out`: a base PASSporT and its parameters.
    ///
    /// # Errors
    /// As [`Signer::sign_shaken`].
    pub fn sign_base(&self, claims: &Base<'_>, out: &mut Vec<u8>) -> Result<(), SignError> {
        self.certified.check(claims.dest, claims.iat)?;
        self.certified
            .base
            .sign(&self.key, out, |json| canonical::base(claims.dest, claims.iat, claims.orig, json))
    }

    /// Appends the value of an Identity header field to `out`: a `div` PASSporT and its parameters.
    ///
    /// # Errors
    /// As [`Signer::sign_shaken`].
    pub fn sign_div(&self, claims: &Div<'_>, out: &mut Vec<u8>) -> Result<(), SignError> {
        self.certified.check(claims.dest, claims.iat)?;
        self.certified.div.sign(&self.key, out, |json| {
            canonical::div(claims.dest, claims.diverted, claims.iat, claims.orig, json);
        })
    }

    /// The first and the last second in which the certificate is valid.
    pub fn validity(&self) -> (UnixTime, UnixTime) {
        (self.certified.not_before, self.certified.not_after)
    }

    /// The URL at which verifiers find the certificate.
    pub fn x5u(&self) -> &X5u {
        &self.certified.x5u
    }

    /// The certificate of the key.
    pub fn certificate(&self) -> &Certificate {
        &self.certified.certificate
    }
}

impl SigningCertificate {
    /// Creates the signing certificate. Also returns its public key.
    pub(crate) fn new(
        chain: &CertificateChain,
        x5u: X5u,
        now: UnixTime,
    ) -> Result<(Self, VerifyingKey), SignerError> {
        let certificate = Certificate::from_der(chain.leaf()).map_err(|_| SignerError::Certificate)?;
        let key = *certificate.key().ok_or(SignerError::NotP256)?;
        if certificate.is_authority() || !certificate.may_sign() {
            return Err(SignerError::NotForSigning);
        }
        if !matches!(certificate.tn_auth_list(), Some(Ok(_))) {
            return Err(SignerError::NoTnAuthList);
        }
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        if now > not_after {
            return Err(SignerError::Expired);
        }
        if now < not_before {
            return Err(SignerError::NotYetValid);
        }
        let template = |ppt| TokenTemplate::new(ppt, &x5u);
        let (base, shaken, div) = (template(Ppt::Base), template(Ppt::Shaken), template(Ppt::Div));
        Ok((Self { x5u, not_before, not_after, certificate, base, shaken, div }, key))
    }

    /// A `shaken` PASSporT without its signature, and the parameters after the token.
    pub(crate) fn unsigned_shaken(&self, claims: &Shaken<'_>) -> Result<(Vec<u8>, Vec<u8>), SignError> {
        self.check(claims.dest, claims.iat)?;
        let mut message = Vec::with_capacity(1024);
        self.shaken.write(&mut message, |json| claims.write(json));
        Ok((message, self.shaken.parameters.clone()))
    }

    fn check(&self, dest: &[Identity], iat: UnixTime) -> Result<(), SignError> {
        if dest.is_empty() {
            return Err(SignError::NoDestination);
        }
        if !(self.not_before..=self.not_after).contains(&iat) {
            return Err(SignError::OutsideValidity);
        }
        Ok(())
    }
}

impl Shaken<'_> {
    fn write(&self, json: &mut Json) {
        canonical::shaken(self.attest, self.dest, self.iat, self.orig, &self.origid, json);
    }
}

impl SigningKey {
    /// Appends the value of an Identity header field as [`Signer::sign_shaken`] does, but without the certificate. The caller
    /// must know that the certificate behind `x5u` belongs to this key and is valid at `iat`.
    ///
    /// # Errors
    /// [`SignError`] if the token was not signed. `out` is then unchanged.
    pub fn dangerous_sign_shaken(
        &self,
        x5u: &X5u,
        claims: &Shaken<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        if claims.dest.is_empty() {
            return Err(SignError::NoDestination);
        }
        TokenTemplate::new(Ppt::Shaken, x5u).sign(self, out, |json| claims.write(json))
    }

    /// Appends the value of an Identity header field as [`Signer::sign_base`] does, but without the
    /// certificate.
    ///
    /// # Errors
    /// [`SignError`] if the token was not signed. `out` is then unchanged.
    pub fn dangerous_sign_base(
        &self,
        x5u: &X5u,
        claims: &Base<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        if claims.dest.is_empty() {
            return Err(SignError::NoDestination);
        }
        let payload = |json: &mut Json| canonical::base(claims.dest, claims.iat, claims.orig, json);
        TokenTemplate::new(Ppt::Base, x5u).sign(self, out, payload)
    }
}

impl TokenTemplate {
    fn new(ppt: Ppt, x5u: &X5u) -> Self {
        let mut header = Vec::new();
        base64url::encode(&canonical::header(ppt, x5u.as_str()), &mut header);
        header.push(b'.');
        let mut parameters = format!(";info=<{x5u}>;alg=ES256");
        if ppt != Ppt::Base {
            parameters.push_str(";ppt=");
            parameters.push_str(ppt.as_str());
        }
        Self { header, parameters: parameters.into_bytes() }
    }

    /// Writes the header and the payload. The payload is written to `out` and encoded there, so no other buffer is needed.
    fn write(&self, out: &mut Vec<u8>, payload: impl FnOnce(&mut Json)) {
        out.extend_from_slice(&self.header);
        let encoded = out.len();
        payload(out);
        base64url::encode_tail(out, encoded);
    }

    fn sign(
        &self,
        key: &SigningKey,
        out: &mut Vec<u8>,
        payload: impl FnOnce(&mut Json),
    ) -> Result<(), SignError> {
        let start = out.len();
        self.write(out, payload);
        let signature = match key.sign(out.get(start..).unwrap_or_default()) {
            Ok(signature) => signature,
            Err(_) => {
                out.truncate(start);
                return Err(SignError::Random);
            }
        };
        out.push(b'.');
        base64url::encode(signature.as_ref(), out);
        out.extend_from_slice(&self.parameters);
        Ok(())
    }
}
