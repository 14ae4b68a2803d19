//! Trust anchors: whose certificates are believed.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::cert::bundle::{ChainError, read_pem};
use crate::cert::certificate::Certificate;
use crate::cert::chain;
use crate::digest;

/// The trust anchors of one trust domain, at least one. Cloning shares them.
#[derive(Clone)]
pub struct TrustAnchors {
    anchors: Arc<[TrustAnchor<'static>]>,
    subjects: Arc<[Box<str>]>,
    certificates: Arc<[CertificateDer<'static>]>,
    id: AnchorsId,
}

/// Tells two sets of anchors apart: the digest of their certificates, and of the domain that they are kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AnchorsId([u8; 32]);

impl TrustAnchors {
    /// Reads all certificates of a PEM text; each becomes an anchor.
    ///
    /// # Errors
    /// When there is none or one is broken.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AnchorsError> {
        let certificates = read_pem(pem).map_err(|_: ChainError| AnchorsError::Malformed)?;
        Self::from_certificates(&certificates)
    }

    /// Takes certificates in DER; each becomes an anchor.
    ///
    /// # Errors
    /// When there is none or one is broken.
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

    /// The same anchors for the trust domain of this name. What is cached and revoked there is kept apart from what holds in
    /// other domains, even where they believe the same roots.
    #[must_use]
    pub fn of_domain(mut self, name: &str) -> Self {
        let mut digests: Vec<[u8; 32]> = self.certificates.iter().map(|der| digest::sha256(der)).collect();
        digests.sort_unstable();
        let roots = digest::sha256(digests.as_flattened());
        self.id = AnchorsId(digest::sha256(&[&roots[..], name.as_bytes()].concat()));
        self
    }

    /// The subjects of the anchors, as RFC 4514 writes them.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        self.subjects.iter().map(|subject| &**subject)
    }

    pub(crate) fn id(&self) -> AnchorsId {
        self.id
    }

    /// The certificates that the anchors were taken from.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    pub(super) fn as_slice(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }
}

impl PartialEq for TrustAnchors {
    /// The same certificates, in whatever order, for the same domain.
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

/// Why a text holds no trust anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnchorsError {
    /// There is no certificate in it.
    Empty,
    /// A certificate in it is broken.
    Malformed,
}

impl fmt::Display for AnchorsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "there is no trust anchor in it; without one nothing can be verified",
            Self::Malformed => "a trust anchor in it is not a well-formed certificate",
        })
    }
}

impl std::error::Error for AnchorsError {}
