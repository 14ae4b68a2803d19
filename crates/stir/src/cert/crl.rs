//! Certificate revocation lists, direct and indirect (RFC 5280 sections 5 and 6.3).
//!
//! The STI-PA publishes one indirect list for all authorities, and signs it under its own root. The signer of a list is
//! therefore checked against separate anchors. Only the issuer name and the serial number identify an entry. The certificate's
//! distribution point does not need to name the issuer of the list.

use std::collections::BTreeSet;
use std::fmt;

use der::asn1::ObjectIdentifier;
use der::{Decode, Encode, Reader, SliceReader};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use x509_cert::crl::{CertificateList, RevokedCert};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::ext::pkix::{BasicConstraints, IssuingDistributionPoint, KeyUsage, KeyUsages};

use crate::cert::anchors::TrustAnchors;
use crate::cert::bundle::CertificateChain;
use crate::cert::certificate::Certificate;
use crate::cert::certificate_name::{CertificateName, folded};
use crate::cert::chain::{find_path, is_signed_by};
use crate::cert::name;
use crate::cert::oid::{
    AUTHORITY_KEY_IDENTIFIER, CERTIFICATE_ISSUER, CRL_NUMBER, INVALIDITY_DATE, ISSUING_DISTRIBUTION_POINT,
    REASON_CODE,
};

/// A revocation list with a valid signature.
#[derive(Clone, Debug)]
pub struct Crl {
    issuer: Box<str>,
    indirect: bool,
    end_entities: bool,
    authorities: bool,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
    revoked: BTreeSet<CertificateName>,
}

/// The reason for which a revocation list cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrlError {
    /// The octets are not PEM or DER of a version 2 list.
    Malformed,
    /// The list or an entry has an unknown critical extension. It may be a delta list, or a list for some reasons only.
    CriticalExtension,
    /// No known certificate of the list's issuer may sign lists and leads to an anchor.
    UnknownSigner,
    /// The signature is wrong.
    BadSignature,
    /// The date of the list is in the future.
    NotYetValid,
}

impl fmt::Display for CrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the revocation list is neither PEM nor DER of a version 2 list",
            Self::CriticalExtension => "the revocation list has a critical extension that is not understood",
            Self::UnknownSigner => {
                "the signer of the revocation list has no path to a trust anchor, or may not sign lists"
            }
            Self::BadSignature => "the signature of the revocation list is wrong",
            Self::NotYetValid => "the revocation list is dated in the future",
        })
    }
}

impl std::error::Error for CrlError {}

impl Crl {
    /// Reads a list in PEM or DER and checks its signature at `now`. The signer is one of `anchors`, or one
    /// of `signers` with a path to `anchors`.
    ///
    /// # Errors
    /// [`CrlError`] if the list cannot be used. An old list is not an error: [`Revocations`] sets the policy for lists that are
    /// out of date.
    pub fn read(
        octets: &[u8],
        signers: &[CertificateDer<'_>],
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<Self, CrlError> {
        let from_pem = CertificateRevocationListDer::from_pem_slice(octets);
        let der = from_pem.as_ref().map_or(octets, |list| list.as_ref());
        let list = decode(der)?;
        let crl = Self::interpret(&list)?;
        if crl.this_update > now {
            return Err(CrlError::NotYetValid);
        }
        let signed = signed_part(der).map_err(|_| CrlError::Malformed)?;
        check_signature(&list, signed, signers, anchors, now)?;
        Ok(crl)
    }

    /// Reads a list in PEM or DER without a check of its signature. Use the result for display only, never
    /// for a decision.
    ///
    /// # Errors
    /// If the list is malformed, or has an unknown critical extension.
    pub fn dangerous_read_unsigned(octets: &[u8]) -> Result<Self, CrlError> {
        let from_pem = CertificateRevocationListDer::from_pem_slice(octets);
        Self::interpret(&decode(from_pem.as_ref().map_or(octets, |list| list.as_ref()))?)
    }

    /// The revoked certificates: the issuer of each as RFC 4514 text in lower case, and the serial number
    /// without leading zeros.
    pub fn revoked(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.revoked.iter().map(|name| (&*name.issuer, &*name.serial))
    }

    /// The issuer of the list, as RFC 4514 text in lower case.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether the list covers certificates of other issuers too.
    pub fn is_indirect(&self) -> bool {
        self.indirect
    }

    /// The time at which the list was issued.
    pub fn this_update(&self) -> UnixTime {
        self.this_update
    }

    /// The time at which the next list is due.
    pub fn next_update(&self) -> Option<UnixTime> {
        self.next_update
    }

    /// The number of revoked certificates.
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// Whether the list revokes no certificate.
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    /// Whether the list revokes `certificate`.
    pub fn revokes(&self, certificate: &Certificate) -> bool {
        let in_scope = if certificate.is_authority() { self.authorities } else { self.end_entities };
        let name = certificate.name();
        in_scope && (self.indirect || name.issuer == self.issuer) && self.revoked.contains(&name)
    }

    fn interpret(list: &CertificateList) -> Result<Self, CrlError> {
        let body = &list.tbs_cert_list;
        let extensions = body.crl_extensions.as_deref().unwrap_or_default();
        check_critical(extensions, &[CRL_NUMBER, AUTHORITY_KEY_IDENTIFIER, ISSUING_DISTRIBUTION_POINT])?;
        let scope = extensions.iter().find(|extension| extension.extn_id == ISSUING_DISTRIBUTION_POINT);
        let scope = scope
            .map(|extension| IssuingDistributionPoint::from_der(extension.extn_value.as_bytes()))
            .transpose()
            .map_err(|_| CrlError::Malformed)?;
        if scope
            .as_ref()
            .is_some_and(|scope| scope.only_some_reasons.is_some() || scope.only_contains_attribute_certs)
        {
            return Err(CrlError::CriticalExtension);
        }
        let issuer = folded(&name::text(&body.issuer));
        let entries = body.revoked_certificates.as_deref().unwrap_or_default();
        Ok(Self {
            indirect: scope.as_ref().is_some_and(|scope| scope.indirect_crl),
            end_entities: !scope.as_ref().is_some_and(|scope| scope.only_contains_ca_certs),
            authorities: !scope.as_ref().is_some_and(|scope| scope.only_contains_user_certs),
            this_update: seconds(body.this_update),
            next_update: body.next_update.map(seconds),
            revoked: names(&issuer, entries)?,
            issuer,
        })
    }
}

/// The revocation lists of one trust domain.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    lists: Vec<Crl>,
    hard: bool,
}

impl Revocations {
    /// Uses these lists. Lists that are out of date stay in use.
    pub fn new(lists: Vec<Crl>) -> Self {
        Self { lists, hard: false }
    }

    /// Sets whether every verification fails if there is no list, or if a list is out of date. Default: no. Then revoked
    /// certificates stay revoked, and all other certificates are trusted.
    pub fn hard(mut self, hard: bool) -> Self {
        self.hard = hard;
        self
    }

    /// The time at which the first list becomes out of date.
    pub fn next_update(&self) -> Option<UnixTime> {
        self.lists.iter().filter_map(Crl::next_update).min()
    }

    /// The lists.
    pub fn lists(&self) -> &[Crl] {
        &self.lists
    }

    pub(super) fn revokes(&self, certificate: &Certificate) -> bool {
        self.lists.iter().any(|list| list.revokes(certificate))
    }

    /// The time until which the lists satisfy the policy. `None` if the policy sets no condition.
    pub(super) fn fresh_until(&self) -> Option<UnixTime> {
        let never = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        self.hard.then(|| if self.lists.is_empty() { never } else { self.next_update().unwrap_or(never) })
    }
}

/// The certificates that the entries name. An entry without an issuer has the issuer of the previous entry. The default for the
/// first entry is the issuer of the list (RFC 5280 section 5.3.3).
fn names(issuer: &str, entries: &[RevokedCert]) -> Result<BTreeSet<CertificateName>, CrlError> {
    let mut issuer: Box<str> = issuer.into();
    let mut revoked = BTreeSet::new();
    for entry in entries {
        let extensions = entry.crl_entry_extensions.as_deref().unwrap_or_default();
        check_critical(extensions, &[REASON_CODE, INVALIDITY_DATE, CERTIFICATE_ISSUER])?;
        if let Some(extension) = extensions.iter().find(|extension| extension.extn_id == CERTIFICATE_ISSUER) {
            let names =
                GeneralNames::from_der(extension.extn_value.as_bytes()).map_err(|_| CrlError::Malformed)?;
            let named = names.iter().find_map(directory_name);
            issuer = folded(&named.ok_or(CrlError::Malformed)?);
        }
        revoked.insert(CertificateName::new(&issuer, entry.serial_number.as_bytes()));
    }
    Ok(revoked)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "GeneralName is of another crate, and only one kind matters here"
)]
fn directory_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DirectoryName(name) => Some(name::text(name)),
        _ => None,
    }
}

fn check_critical(extensions: &[Extension], known: &[ObjectIdentifier]) -> Result<(), CrlError> {
    let unknown =
        extensions.iter().any(|extension| extension.critical && !known.contains(&extension.extn_id));
    if unknown { Err(CrlError::CriticalExtension) } else { Ok(()) }
}

/// Performs steps (f) and (g) of RFC 5280 section 6.3.3, with separate anchors for the signer.
fn check_signature(
    list: &CertificateList,
    signed: &[u8],
    signers: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<(), CrlError> {
    let issuer = &list.tbs_cert_list.issuer;
    let mut failure = CrlError::UnknownSigner;
    for der in anchors.certificates().iter().chain(signers) {
        let Ok(signer) = x509_cert::Certificate::from_der(der) else { continue };
        if signer.tbs_certificate().subject() != issuer || !may_sign_lists(&signer) {
            continue;
        }
        let trusted =
            anchors.certificates().contains(der) || leads_to_anchor(der, &signer, signers, anchors, now);
        if !trusted {
            continue;
        }
        match signed_by(&signer, signed, &list.signature_algorithm, &list.signature) {
            Some(true) => return Ok(()),
            Some(false) => failure = CrlError::BadSignature,
            None => {}
        }
    }
    Err(failure)
}

/// Whether the signer has a path to an anchor. If the signer is an authority, an anchor must be its issuer: webpki finds paths
/// only for certificates that are not authorities.
fn leads_to_anchor(
    der: &CertificateDer<'_>,
    signer: &x509_cert::Certificate,
    others: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
    now: UnixTime,
) -> bool {
    let Ok(read) = Certificate::from_der(der) else { return false };
    if !read.is_authority() {
        let bundle: Vec<u8> =
            std::iter::once(der).chain(others).flat_map(|der| der.iter().copied()).collect();
        return CertificateChain::parse(&bundle)
            .is_ok_and(|chain| find_path(&chain, anchors.as_slice(), now).is_ok());
    }
    let Ok(signed) = signed_part(der) else { return false };
    let issued_by = |anchor: x509_cert::Certificate| {
        anchor.tbs_certificate().subject() == signer.tbs_certificate().issuer()
            && signed_by(&anchor, signed, signer.signature_algorithm(), signer.signature()) == Some(true)
    };
    (read.not_before()..=read.not_after()).contains(&now)
        && anchors
            .certificates()
            .iter()
            .filter_map(|der| x509_cert::Certificate::from_der(der).ok())
            .any(issued_by)
}

fn decode(der: &[u8]) -> Result<CertificateList, CrlError> {
    CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der).map_err(|_| CrlError::Malformed)
}

/// The first element of the outer sequence, as received.
fn signed_part(der: &[u8]) -> der::Result<&[u8]> {
    SliceReader::new(der)?.sequence(|fields| {
        let signed = fields.tlv_bytes()?;
        while !fields.is_finished() {
            fields.tlv_bytes()?;
        }
        Ok(signed)
    })
}

/// Whether `signer` signed `message`. `None` if the key or the signature is not a whole number of octets.
fn signed_by(
    signer: &x509_cert::Certificate,
    message: &[u8],
    algorithm: &x509_cert::spki::AlgorithmIdentifierOwned,
    signature: &der::asn1::BitString,
) -> Option<bool> {
    let key = signer.tbs_certificate().subject_public_key_info();
    let (key_algorithm, algorithm) = (content(&key.algorithm)?, content(algorithm)?);
    let key = key.subject_public_key.as_bytes()?;
    Some(is_signed_by((&key_algorithm, key), &algorithm, message, signature.as_bytes()?))
}

/// The content of the outer sequence.
fn content(value: &impl Encode) -> Option<Vec<u8>> {
    let der = value.to_der().ok()?;
    Some(der::asn1::AnyRef::from_der(&der).ok()?.value().to_vec())
}

/// Whether the key usage, if there is one, allows the signing of lists (RFC 5280 section 6.3.3, step (f)).
fn may_sign_lists(signer: &x509_cert::Certificate) -> bool {
    let usage = signer.tbs_certificate().get_extension::<KeyUsage>();
    usage.is_ok_and(|usage| usage.is_none_or(|(_, usage)| usage.0.contains(KeyUsages::CRLSign)))
        && signer.tbs_certificate().get_extension::<BasicConstraints>().is_ok()
}

fn seconds(time: x509_cert::time::Time) -> UnixTime {
    UnixTime::since_unix_epoch(time.to_unix_duration())
}
