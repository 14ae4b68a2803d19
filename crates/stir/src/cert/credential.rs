//! A credential: the chain behind one certificate URL. The chain is parsed once, and validated once for each trust domain.

use std::fmt;

use rustls_pki_types::UnixTime;

use crate::cert::anchors::{AnchorsId, TrustAnchors};
use crate::cert::bundle::{CertificateChain, ChainError};
use crate::cert::certificate::Certificate;
use crate::cert::chain::{PathError, find_path};
use crate::cert::crl::Revocations;

/// A parsed certificate chain with the results of its validation.
#[derive(Clone, Debug)]
pub struct Credential {
    chain: CertificateChain,
    certificates: Vec<Certificate>,
    paths: Vec<(AnchorsId, Result<Path, PathError>)>,
}

/// A path from a credential's leaf to a trust anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Positions in the chain, the leaf's first. The anchor is not included.
    certificates: Vec<usize>,
    /// The time in which every certificate of the path is valid.
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    /// Whether each TNAuthList is within the TNAuthList above it (RFC 9060 section 4.1).
    pub(crate) encompassed: bool,
}

/// The reason for which octets are not a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialError {
    /// The octets are not a certificate chain.
    Chain(ChainError),
    /// A certificate of the chain is malformed.
    Certificate,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(error) => error.fmt(f),
            Self::Certificate => f.write_str("a certificate of the chain is malformed"),
        }
    }
}

impl std::error::Error for CredentialError {}

impl Credential {
    /// Reads the body of the response from a certificate URL.
    ///
    /// # Errors
    /// If the body is not a certificate chain, or if one of its certificates is malformed.
    pub fn parse(octets: &[u8]) -> Result<Self, CredentialError> {
        Self::new(CertificateChain::parse(octets).map_err(CredentialError::Chain)?)
    }

    /// Parses the certificates of `chain`.
    ///
    /// # Errors
    /// If a certificate is malformed.
    pub fn new(chain: CertificateChain) -> Result<Self, CredentialError> {
        let certificates: Result<Vec<_>, _> =
            chain.certificates().iter().map(|der| Certificate::from_der(der)).collect();
        let certificates = certificates.map_err(|_| CredentialError::Certificate)?;
        Ok(Self { chain, certificates, paths: Vec::new() })
    }

    /// The chain as the server sent it.
    pub fn chain(&self) -> &CertificateChain {
        &self.chain
    }

    /// The parsed certificates, the leaf first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The leaf. Every chain has a leaf.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.certificates.first()
    }

    /// Looks for a path to `anchors` and keeps the result, unless the result can change with time. Each verification checks the
    /// expiry. `now` only selects a time within the validity of the leaf.
    pub fn validate(&mut self, anchors: &TrustAnchors, now: UnixTime) {
        if self.cached_path(anchors).is_none() {
            let path = self.find(anchors, now);
            if path != Err(PathError::NotYetValid) {
                self.paths.push((anchors.id(), path));
            }
        }
    }

    /// The reason for which [`Credential::validate`] found no path to `anchors`. `None` if it found a path, or if it was not
    /// called for `anchors`.
    pub fn path_error(&self, anchors: &TrustAnchors) -> Option<PathError> {
        self.cached_path(anchors)?.as_ref().err().copied()
    }

    /// The path to `anchors`, from the cached result or from a new search.
    pub(crate) fn path(
        &self,
        anchors: &TrustAnchors,
        now: UnixTime,
    ) -> Result<std::borrow::Cow<'_, Path>, PathError> {
        match self.cached_path(anchors) {
            Some(Ok(path)) => Ok(std::borrow::Cow::Borrowed(path)),
            Some(Err(error)) => Err(*error),
            None => self.find(anchors, now).map(std::borrow::Cow::Owned),
        }
    }

    /// Whether there is a cached path to any trust domain.
    pub(crate) fn is_trusted(&self) -> bool {
        self.paths.iter().any(|(_, path)| path.is_ok())
    }

    /// The certificates of `path`, the leaf first.
    pub(crate) fn certificates_of<'a>(
        &'a self,
        path: &'a Path,
    ) -> impl DoubleEndedIterator<Item = &'a Certificate> {
        path.certificates.iter().filter_map(|position| self.certificates.get(*position))
    }

    /// Whether `revocations` revoke a certificate of the cached path to `anchors`.
    pub(super) fn is_revoked(&self, anchors: AnchorsId, revocations: &Revocations) -> bool {
        let path = self.paths.iter().find(|(id, _)| *id == anchors).and_then(|(_, path)| path.as_ref().ok());
        path.is_some_and(|path| {
            self.certificates_of(path).any(|certificate| revocations.revokes(certificate))
        })
    }

    /// Whether [`Credential::validate`] has kept a result for `anchors`.
    pub(crate) fn has_cached_path(&self, anchors: &TrustAnchors) -> bool {
        self.cached_path(anchors).is_some()
    }

    fn cached_path(&self, anchors: &TrustAnchors) -> Option<&Result<Path, PathError>> {
        self.paths.iter().find(|(id, _)| *id == anchors.id()).map(|(_, path)| path)
    }

    fn find(&self, anchors: &TrustAnchors, now: UnixTime) -> Result<Path, PathError> {
        let leaf = self.leaf().ok_or(PathError::Malformed)?;
        let at = now.max(leaf.not_before()).min(leaf.not_after());
        let certificates = find_path(&self.chain, anchors.as_slice(), at)?;
        let mut path = Path {
            certificates,
            not_before: leaf.not_before(),
            not_after: leaf.not_after(),
            encompassed: true,
        };
        let certificates_of: Vec<&Certificate> = self.certificates_of(&path).collect();
        let not_before = certificates_of.iter().map(|certificate| certificate.not_before()).max();
        let not_after = certificates_of.iter().map(|certificate| certificate.not_after()).min();
        let lists: Vec<_> =
            certificates_of.iter().filter_map(|certificate| certificate.tn_auth_list()).collect();
        path.encompassed = lists.windows(2).all(|pair| match pair {
            [Ok(inner), Ok(outer)] => outer.encompasses(inner),
            _ => false,
        });
        path.not_before = not_before.unwrap_or(path.not_before);
        path.not_after = not_after.unwrap_or(path.not_after);
        Ok(path)
    }
}
