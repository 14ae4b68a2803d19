//! One X.509 certificate, with the fields that STIR needs (RFC 5280 section 4.1).

use std::fmt;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use der::oid::AssociatedOid;
use der::{Decode, Reader, SliceReader, Tag, TagMode, TagNumber, Tagged};
use rustls_pki_types::UnixTime;
use smallvec::SmallVec;
use x509_cert::Version;
use x509_cert::certificate::Rfc5280;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_cert::time::Validity;

use crate::cert::certificate_name::CertificateName;
use crate::cert::claim_constraints::{ClaimConstraints, ClaimConstraintsError};
use crate::cert::name;
use crate::cert::oid::{CLAIM_CONSTRAINTS, EC_PUBLIC_KEY, ENHANCED_CLAIM_CONSTRAINTS, P256, TN_AUTH_LIST};
use crate::cert::tn_auth_list::{TnAuthList, TnAuthListError};
use crate::es256::VerifyingKey;

/// The content of a certificate. A parsed certificate is not yet trusted.
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

/// The error if the octets are not a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateError;

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate is not well-formed DER")
    }
}

impl std::error::Error for CertificateError {}

impl Certificate {
    /// Reads a certificate in DER. A malformed TNAuthList is not an error here: [`Certificate::tn_auth_list`] returns its
    /// error.
    ///
    /// # Errors
    /// If the octets do not have the structure of a certificate, if an extension occurs twice (RFC 5280
    /// section 4.2), or if an extension that STIR needs is malformed.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        read(der).map_err(|_| CertificateError)
    }

    /// The subject, as RFC 4514 text.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer, as RFC 4514 text.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number as a big-endian two's complement integer.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The first second of the validity.
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second of the validity.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The name of this certificate in revocation lists.
    pub(super) fn name(&self) -> CertificateName {
        CertificateName::new(&self.issuer, &self.serial)
    }

    /// The public key, if it is a P-256 key.
    pub fn key(&self) -> Option<&VerifyingKey> {
        self.key.as_ref()
    }

    /// Whether basic constraints mark the certificate as a certification authority.
    pub fn is_authority(&self) -> bool {
        self.authority
    }

    /// Whether the key usage allows signatures. Without this extension, every use is allowed (RFC 5280 section 4.2.1.3).
    pub fn may_sign(&self) -> bool {
        self.may_sign
    }

    /// The TNAuthList, if there is one.
    pub fn tn_auth_list(&self) -> Option<Result<&TnAuthList, TnAuthListError>> {
        self.tn_auth_list.as_ref().map(|list| list.as_ref().map_err(|error| *error))
    }

    /// The claim constraints, if there are any.
    ///
    /// # Errors
    /// If the extension is malformed, or if both kinds are present (RFC 9118 section 3).
    pub fn claim_constraints(&self) -> Result<Option<&ClaimConstraints>, ClaimConstraintsError> {
        self.claim_constraints.as_ref().map(Option::as_ref).map_err(|error| *error)
    }
}

/// Reads the fields in place (RFC 5280 section 4.1). Every fetch reads certificates, and STIR needs only a few fields.
fn read(der: &[u8]) -> der::Result<Certificate> {
    let mut reader = SliceReader::new(der)?;
    let certificate = reader.sequence(|fields| {
        let certificate = fields.sequence(read_body)?;
        sequence(fields)?;
        BitStringRef::decode(fields)?;
        Ok::<_, der::Error>(certificate)
    })?;
    reader.finish()?;
    Ok(certificate)
}

fn read_body(body: &mut SliceReader<'_>) -> der::Result<Certificate> {
    body.context_specific::<Version>(TagNumber(0), TagMode::Explicit)?;
    let serial = SerialNumber::<Rfc5280>::decode(body)?;
    sequence(body)?;
    let issuer = name::text_of_der(body)?;
    let validity = Validity::<Rfc5280>::decode(body)?;
    let subject = name::text_of_der(body)?;
    let public_key = SubjectPublicKeyInfoRef::decode(body)?;
    let mut extensions = Extensions::new();
    while !body.is_finished() {
        let field = AnyRef::decode(body)?;
        match (field.tag().is_context_specific(), field.tag().number().value()) {
            (true, 1 | 2) => {}
            (true, 3) if extensions.is_empty() => extensions = read_extensions(field.value())?,
            _ => return Err(field.tag().unexpected_error(None).into()),
        }
    }
    let p256 = public_key.algorithm.oid == EC_PUBLIC_KEY
        && public_key.algorithm.parameters.is_some_and(|curve| curve.decode_as() == Ok(P256));
    let key =
        p256.then(|| public_key.subject_public_key.as_bytes()).flatten().and_then(VerifyingKey::from_point);
    let authority = decoded::<BasicConstraints>(&extensions)?.is_some_and(|constraints| constraints.ca);
    let usage = decoded::<KeyUsage>(&extensions)?;
    Ok(Certificate {
        subject: subject.into(),
        issuer: issuer.into(),
        serial: serial.as_bytes().into(),
        not_before: seconds(validity.not_before),
        not_after: seconds(validity.not_after),
        key,
        authority,
        may_sign: usage.is_none_or(|usage| usage.0.contains(KeyUsages::DigitalSignature)),
        tn_auth_list: content(&extensions, TN_AUTH_LIST).map(TnAuthList::from_der),
        claim_constraints: claim_constraints(&extensions),
    })
}

/// The encoded object identifier and the content of each extension.
type Extensions<'a> = SmallVec<[(&'a [u8], &'a [u8]); 12]>;

/// Reads the extensions. Each extension may occur only once (RFC 5280 section 4.2).
fn read_extensions(der: &[u8]) -> der::Result<Extensions<'_>> {
    let mut reader = SliceReader::new(der)?;
    let mut extensions = Extensions::new();
    reader.sequence(|list| {
        while !list.is_finished() {
            let extension = list.sequence(|fields| {
                let oid = AnyRef::decode(fields)?;
                oid.tag().assert_eq(Tag::ObjectIdentifier)?;
                if Tag::peek(fields)? == Tag::Boolean {
                    bool::decode(fields)?;
                }
                Ok::<_, der::Error>((oid.value(), <&OctetStringRef>::decode(fields)?.as_bytes()))
            })?;
            if extensions.len() == MAX_EXTENSIONS || extensions.iter().any(|(oid, _)| *oid == extension.0) {
                return Err::<(), der::Error>(Tag::Sequence.value_error().into());
            }
            extensions.push(extension);
        }
        Ok(())
    })?;
    reader.finish()?;
    Ok(extensions)
}

/// The largest number of extensions in a certificate. The reader compares all pairs of extensions.
const MAX_EXTENSIONS: usize = 64;

/// Skips a sequence.
fn sequence(reader: &mut SliceReader<'_>) -> der::Result<()> {
    AnyRef::decode(reader)?.tag().assert_eq(Tag::Sequence).map(drop)
}

/// Reads the claim constraints. A certificate has only one kind of constraints (RFC 9118 section 3).
fn claim_constraints(extensions: &Extensions<'_>) -> Result<Option<ClaimConstraints>, ClaimConstraintsError> {
    match (content(extensions, CLAIM_CONSTRAINTS), content(extensions, ENHANCED_CLAIM_CONSTRAINTS)) {
        (None, None) => Ok(None),
        (Some(der), None) => ClaimConstraints::from_der(der).map(Some),
        (None, Some(der)) => ClaimConstraints::from_enhanced_der(der),
        (Some(_), Some(_)) => Err(ClaimConstraintsError),
    }
}

fn decoded<'a, T: Decode<'a, Error = der::Error> + AssociatedOid>(
    extensions: &Extensions<'a>,
) -> der::Result<Option<T>> {
    content(extensions, T::OID).map(T::from_der).transpose()
}

fn content<'a>(extensions: &Extensions<'a>, wanted: ObjectIdentifier) -> Option<&'a [u8]> {
    extensions.iter().find(|(oid, _)| *oid == wanted.as_bytes()).map(|(_, content)| *content)
}

fn seconds(time: x509_cert::time::Time) -> UnixTime {
    UnixTime::since_unix_epoch(time.to_unix_duration())
}
