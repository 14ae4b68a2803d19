//! Certification paths (RFC 5280 section 6). rustls-webpki finds and validates the paths.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, TrustAnchor,
    UnixTime,
};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, ring as algorithms};

use crate::cert::bundle::CertificateChain;
use crate::cert::ecdsa_p521::EcdsaP521;
use crate::cert::shown_extensions::ShownExtensions;

/// The reason for which there is no path from a leaf to a trust anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// No anchor and no certificate of the chain is the issuer.
    UnknownIssuer,
    /// A signature in the chain is wrong.
    BadSignature,
    /// A certificate of the path has expired.
    Expired,
    /// A certificate of the path is not valid yet.
    NotYetValid,
    /// A certificate is signed with an unsupported algorithm.
    UnsupportedAlgorithm,
    /// A certificate has an unknown critical extension.
    CriticalExtension,
    /// The leaf is a certification authority.
    LeafIsAuthority,
    /// A certificate above the leaf is not a certification authority, or the path violates a constraint of a certificate.
    NotPermitted,
    /// A certificate is malformed or not of version 3.
    Malformed,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => "no trust anchor issued the certificate",
            Self::BadSignature => "a signature in the certificate chain is wrong",
            Self::Expired => "a certificate of the chain has expired",
            Self::NotYetValid => "a certificate of the chain is not valid yet",
            Self::UnsupportedAlgorithm => "a certificate is signed with an unsupported algorithm",
            Self::CriticalExtension => "a certificate has an unknown critical extension",
            Self::LeafIsAuthority => "the signing certificate is a certification authority",
            Self::NotPermitted => "a certificate of the chain may not issue the next certificate",
            Self::Malformed => "a certificate of the chain is malformed or not of version 3",
        })
    }
}

impl std::error::Error for PathError {}

/// Finds a path from the leaf of `chain` to one of `anchors` that is valid at `at`. Returns the positions of its certificates
/// in `chain`, the leaf first.
pub(super) fn find_path(
    chain: &CertificateChain,
    anchors: &[TrustAnchor<'_>],
    at: UnixTime,
) -> Result<Vec<usize>, PathError> {
    search(chain, anchors, at, &AtomicUsize::new(0))
}

/// As [`find_path`]. Counts the signature checks in `checks`.
fn search(
    chain: &CertificateChain,
    anchors: &[TrustAnchor<'_>],
    at: UnixTime,
    checks: &AtomicUsize,
) -> Result<Vec<usize>, PathError> {
    let shown: Vec<ShownExtensions<'_>> = chain.certificates().iter().map(ShownExtensions::new).collect();
    let restoring: Vec<OriginalOctets<'_>> =
        algorithms().map(|(inner, id)| OriginalOctets { inner, id, shown: &shown, checks }).collect();
    let supported: Vec<&dyn SignatureVerificationAlgorithm> =
        restoring.iter().map(|algorithm| algorithm as &dyn SignatureVerificationAlgorithm).collect();
    let intermediates: Vec<CertificateDer<'_>> =
        shown.iter().skip(1).map(|shown| shown.certificate().clone()).collect();
    let leaf = shown.first().ok_or(PathError::Malformed)?.certificate();
    let leaf = EndEntityCert::try_from(leaf).map_err(path_error)?;
    let path = leaf
        .verify_for_usage(&supported, anchors, &intermediates, at, AnyPurpose, None, None)
        .map_err(path_error)?;
    let position =
        |der: CertificateDer<'_>| intermediates.iter().position(|own| *own == der).map(|at| at + 1);
    let above = path.intermediate_certificates().filter_map(|certificate| position(certificate.der()));
    Ok(std::iter::once(0).chain(above).collect())
}

/// Whether the key made `signature` over `message`, with an algorithm that certificates may use. The arguments have the X.509
/// form: the algorithm identifiers have no outer sequence, and the key and the signature are not bit strings.
pub(super) fn is_signed_by(
    (key_algorithm, key): (&[u8], &[u8]),
    signature_algorithm: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    algorithms().any(|(algorithm, id)| {
        algorithm.public_key_alg_id().as_ref() == key_algorithm
            && id.as_ref() == signature_algorithm
            && algorithm.verify_signature(key, message, signature).is_ok()
    })
}

/// Converts `certificate` to a trust anchor.
pub(super) fn anchor(certificate: &CertificateDer<'_>) -> Option<TrustAnchor<'static>> {
    webpki::anchor_from_trusted_cert(certificate).ok().map(|anchor| anchor.to_owned())
}

/// Accepts every extended key usage. That extension has no meaning for STI certificates (RFC 8226 section 8).
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

/// A signature algorithm that checks the original octets. webpki has only a copy with changed flags.
struct OriginalOctets<'a> {
    inner: &'static dyn SignatureVerificationAlgorithm,
    id: AlgorithmIdentifier,
    shown: &'a [ShownExtensions<'a>],
    /// The number of signature checks of this search. The server chooses the names in its chain, and the search tries every
    /// certificate with a matching name.
    checks: &'a AtomicUsize,
}

impl SignatureVerificationAlgorithm for OriginalOctets<'_> {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let checks = self.checks.load(Ordering::Relaxed);
        if checks >= MAX_SIGNATURE_CHECKS {
            return Err(InvalidSignature);
        }
        self.checks.store(checks + 1, Ordering::Relaxed);
        let signed = self.shown.iter().find_map(|shown| shown.original(message)).unwrap_or(message);
        self.inner.verify_signature(key, signed, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.id
    }
}

impl fmt::Debug for OriginalOctets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The largest number of signature checks in the search for a path. A chain has at most 6 certificates, so a path needs at most
/// 6 checks.
const MAX_SIGNATURE_CHECKS: usize = 12;

/// The signature algorithms of certificates: ECDSA for the profile, and RSA for RFC 8226 section 4.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    &EcdsaP521::Sha384,
    &EcdsaP521::Sha512,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
];

/// ECDSA identifiers followed by a NULL. RFC 5758 section 3.2 forbids the NULL, but some issuers use it.
const ECDSA_SHA256_NULL: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x05\x00");
const ECDSA_SHA384_NULL: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03\x05\x00");

/// Each algorithm with every identifier that certificates use for it.
fn algorithms() -> impl Iterator<Item = (&'static dyn SignatureVerificationAlgorithm, AlgorithmIdentifier)> {
    let nonconforming: [(&dyn SignatureVerificationAlgorithm, _); 2] = [
        (algorithms::ECDSA_P256_SHA256, ECDSA_SHA256_NULL),
        (algorithms::ECDSA_P384_SHA384, ECDSA_SHA384_NULL),
    ];
    ALGORITHMS.iter().map(|algorithm| (*algorithm, algorithm.signature_alg_id())).chain(nonconforming)
}

/// Maps the errors of webpki. `webpki::Error` may get new variants, so the match has a default.
#[expect(clippy::wildcard_enum_match_arm, reason = "webpki::Error is of another crate and is non-exhaustive")]
fn path_error(error: Error) -> PathError {
    match error {
        Error::UnknownIssuer => PathError::UnknownIssuer,
        Error::InvalidSignatureForPublicKey | Error::SignatureAlgorithmMismatch => PathError::BadSignature,
        Error::CertExpired { .. } => PathError::Expired,
        Error::CertNotValidYet { .. } => PathError::NotYetValid,
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => PathError::UnsupportedAlgorithm,
        Error::UnsupportedCriticalExtension => PathError::CriticalExtension,
        Error::CaUsedAsEndEntity => PathError::LeafIsAuthority,
        Error::EndEntityUsedAsCa
        | Error::PathLenConstraintViolated
        | Error::NameConstraintViolation
        | Error::MaximumPathDepthExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => PathError::NotPermitted,
        _ => PathError::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    /// All certificates of the chain have the same name, so that each may be the issuer of each. If this test fails, a server
    /// of the attacker's choice makes the edge check 100 signatures for one fetch.
    #[test]
    fn a_chain_of_equal_names_is_searched_in_few_checks() {
        let authority = || {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "Same");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let issuer = || Issuer::new(authority(), KeyPair::generate().unwrap());
        let key = || KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::default();
        leaf.is_ca = IsCa::ExplicitNoCa;
        let mut pem = leaf.signed_by(&key(), &issuer()).unwrap().pem();
        let anchors: Vec<_> =
            (0..20).filter_map(|_| anchor(&authority().self_signed(&key()).unwrap().into())).collect();
        for _ in 0..5 {
            pem += &authority().signed_by(&key(), &issuer()).unwrap().pem();
        }
        let chain = CertificateChain::parse(pem.as_bytes()).unwrap();
        let checks = AtomicUsize::new(0);
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
        assert!(search(&chain, &anchors, now, &checks).is_err());
        assert_eq!(checks.into_inner(), MAX_SIGNATURE_CHECKS);
    }
}
