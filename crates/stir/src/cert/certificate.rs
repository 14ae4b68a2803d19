//! One X.509 certificate, as far as STIR looks into it (RFC 5280 section 4.1).

use std::fmt;

use der::Decode;
use der::asn1::ObjectIdentifier;
use der::oid::AssociatedOid;
use rustls_pki_types::UnixTime;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};

use crate::cert::claim_constraints::{ClaimConstraints, ClaimConstraintsError};
use crate::cert::crl::CertificateName;
use crate::cert::name;
use crate::cert::tn_auth_list::{TnAuthList, TnAuthListError};
use crate::es256::VerifyingKey;

/// What a certificate says. Nothing here means that it may be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    subject: Box<str>,
    issuer: Box<str>,
    serial: Box<[u8]>,
    not_before: UnixTime,
    not_after: UnixTime,
    key: Option<VerifyingKey>,
    authority: bool,
    may_sign: bool,
    tn_auth_list: Option<Result<TnAuthList, TnAuthListError>>,
    claim_constraints: Result<Option<ClaimConstraints>, ClaimConstraintsError>,
}

/// The octets are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateError;

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate is not well-formed DER")
    }
}

impl std::error::Error for CertificateError {}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// When it does not have the structure of a certificate, an extension is there twice (RFC 5280 section 4.2), or one
    /// that matters here is broken. A broken TNAuthList is kept as such.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        read(der).map_err(|_| CertificateError)
    }

    /// The subject, as RFC 4514 writes it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer, as RFC 4514 writes it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number: a big-endian two's complement integer.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The first second in which it is valid.
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second in which it is valid.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// What revocation lists name it by.
    pub(super) fn name(&self) -> CertificateName {
        CertificateName::new(&self.issuer, &self.serial)
    }

    /// The public key, if it is of P-256.
    pub fn key(&self) -> Option<&VerifyingKey> {
        self.key.as_ref()
    }

    /// Whether basic constraints make it a certification authority.
    pub fn is_authority(&self) -> bool {
        self.authority
    }

    /// Whether its key usage lets the key sign. A certificate without that extension leaves it open (RFC 5280
    /// section 4.2.1.3).
    pub fn may_sign(&self) -> bool {
        self.may_sign
    }

    /// Its TNAuthList, if it has one.
    pub fn tn_auth_list(&self) -> Option<Result<&TnAuthList, TnAuthListError>> {
        self.tn_auth_list.as_ref().map(|list| list.as_ref().map_err(|error| *error))
    }

    /// Its claim constraints, if it has any.
    ///
    /// # Errors
    /// When the extension is malformed, or when both kinds are there (RFC 9118 section 3).
    pub fn claim_constraints(&self) -> Result<Option<&ClaimConstraints>, ClaimConstraintsError> {
        self.claim_constraints.as_ref().map(Option::as_ref).map_err(|error| *error)
    }
}

fn read(der: &[u8]) -> der::Result<Certificate> {
    let certificate = x509_cert::Certificate::from_der(der)?;
    let body = certificate.tbs_certificate();
    let extensions = body.extensions().map(Vec::as_slice).unwrap_or_default();
    let repeated = |(at, own): (usize, &Extension)| {
        extensions.iter().skip(at + 1).any(|other| other.extn_id == own.extn_id)
    };
    if extensions.iter().enumerate().any(repeated) {
        return Err(der::Tag::Sequence.value_error().into());
    }
    let public_key = body.subject_public_key_info();
    let p256 = public_key.algorithm.oid == EC_PUBLIC_KEY
        && public_key.algorithm.parameters.as_ref().is_some_and(|curve| curve.decode_as() == Ok(P256));
    let key =
        p256.then(|| public_key.subject_public_key.as_bytes()).flatten().and_then(VerifyingKey::from_point);
    let authority = decoded::<BasicConstraints>(extensions)?.is_some_and(|constraints| constraints.ca);
    let usage = decoded::<KeyUsage>(extensions)?;
    Ok(Certificate {
        subject: name::text(body.subject()).into(),
        issuer: name::text(body.issuer()).into(),
        serial: body.serial_number().as_bytes().into(),
        not_before: seconds(body.validity().not_before),
        not_after: seconds(body.validity().not_after),
        key,
        authority,
        may_sign: usage.is_none_or(|usage| usage.0.contains(KeyUsages::DigitalSignature)),
        tn_auth_list: content(extensions, TN_AUTH_LIST).map(TnAuthList::from_der),
        claim_constraints: claim_constraints(extensions),
    })
}

/// RFC 9118 section 3: one kind or the other, never both.
fn claim_constraints(extensions: &[Extension]) -> Result<Option<ClaimConstraints>, ClaimConstraintsError> {
    match (content(extensions, CLAIM_CONSTRAINTS), content(extensions, ENHANCED_CLAIM_CONSTRAINTS)) {
        (None, None) => Ok(None),
        (Some(der), None) => ClaimConstraints::from_der(der).map(Some),
        (None, Some(der)) => ClaimConstraints::from_enhanced_der(der),
        (Some(_), Some(_)) => Err(ClaimConstraintsError),
    }
}

fn decoded<'a, T: Decode<'a, Error = der::Error> + AssociatedOid>(
    extensions: &'a [Extension],
) -> der::Result<Option<T>> {
    content(extensions, T::OID).map(T::from_der).transpose()
}

fn content(extensions: &[Extension], oid: ObjectIdentifier) -> Option<&[u8]> {
    extensions
        .iter()
        .find(|extension| extension.extn_id == oid)
        .map(|extension| extension.extn_value.as_bytes())
}

fn seconds(time: x509_cert::time::Time) -> UnixTime {
    UnixTime::since_unix_epoch(time.to_unix_duration())
}

/// RFC 8226 section 9.
pub(super) const TN_AUTH_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.26");
/// RFC 8226 section 8.
const CLAIM_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.27");
/// RFC 9118 section 3.
const ENHANCED_CLAIM_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.33");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
