//! Trust anchors: the certificates that a trust domain trusts.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::cert::bundle::{ChainError, read_pem};
use crate::cert::certificate::Certificate;
use crate::cert::chain;
use crate::digest;

/// The trust anchors of one trust domain, at least one. Clones share the data.
#[derive(Clone)]
pub struct TrustAnchors {
    anchors: Arc<[TrustAnchor<'static>]>,
    subjects: Arc<[Box<str>]>,
    certificates: Arc<[CertificateDer<'static>]>,
    id: AnchorsId,
}

/// Identifies a set of anchors: a digest of the certificates and, if set, of the name of the trust domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AnchorsId([u8; 32]);

impl TrustAnchors {
    /// Reads all certificates of a PEM text. Each certificate becomes an anchor.
    ///
    /// # Errors
    /// If there is no certificate, or one is malformed.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AnchorsError> {
        let certificates = read_pem(pem).map_err(|_: ChainError| AnchorsError::Malformed)?;
        Self::from_certificates(&certificates)
    }

    /// Takes certificates in DER. Each certificate becomes an anchor.
    ///
    /// # Errors
    /// If there is no certificate, or one is malformed.
    pub fn from_certificates(certificates: &[CertificateDer<'_>]) -> Result<Self, AnchorsError> {
        if certificates.is_empty() {
            return Err(AnchorsError::Empty);
        }
        let anchors: Option<Vec<_>> = certificates.iter().map(chain::anchor).collect();
        let read: Result<Vec<_>, _> = certificates.iter().map(|der| Certificate::from_der(der)).collect();
        let read = read.map_err(|_| AnchorsError::Malformed)?;
        let mut digests: Vec<[u8; 32]> = certificates.iter().map(|der| digest::sha256(der)).collect();
        digests.sort_unstable();
        Ok(Self {
            anchors: anchors.ok_or(AnchorsError::Malformed)?.into(),
            subjects: read.iter().map(|certificate| certificate.subject().into()).collect(),
            certificates: certificates.iter().map(|der| der.clone().into_owned()).collect(),
            id: AnchorsId(digest::sha256(digests.as_flattened())),
        })
    }

    /// Returns the same anchors for the trust domain `name`. The cache keeps the results and revocations of this domain
    /// separate from other domains, even if they trust the same roots.
    #[must_use]
    pub fn of_domain(mut self, name: &str) -> Self {
        let mut digests: Vec<[u8; 32]> = self.certificates.iter().map(|der| digest::sha256(der)).collect();
        digests.sort_unstable();
        let roots = digest::sha256(digests.as_flattened());
        self.id = AnchorsId(digest::sha256(&[&roots[..], name.as_bytes()].concat()));
        self
    }

    /// The subjects of the anchors, as RFC 4514 text.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        self.subjects.iter().map(|subject| &**subject)
    }

    pub(crate) fn id(&self) -> AnchorsId {
        self.id
    }

    /// The certificates of the anchors.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    pub(super) fn as_slice(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }
}

impl PartialEq for TrustAnchors {
    /// Compares the certificates, in any order, and the name of the domain.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for TrustAnchors {}

impl fmt::Debug for TrustAnchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.subjects()).finish()
    }
}

/// The reason for which a text has no usable trust anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnchorsError {
    /// There is no certificate.
    Empty,
    /// A certificate is malformed.
    Malformed,
}

impl fmt::Display for AnchorsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "there is no trust anchor in it; nothing can be verified without a trust anchor",
            Self::Malformed => "a trust anchor in it is not a well-formed certificate",
        })
    }
}

impl std::error::Error for AnchorsError {}
