//! Reading and checking of certificates, keys and roots.

use std::fmt;
use std::io;
use std::sync::Arc;

use attesta_stir::cert::Certificate;
use attesta_transaction::TlsNames;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::tls::names;

/// One certificate chain and its key.
#[derive(Clone)]
pub struct TlsIdentity {
    key: Arc<CertifiedKey>,
    names: TlsNames,
    not_before: UnixTime,
    not_after: UnixTime,
}

impl TlsIdentity {
    /// Reads a chain, leaf first, and its key (PKCS #8, PKCS #1 or SEC 1), both in PEM.
    ///
    /// # Errors
    /// [`TlsError`]: the chain or the key is unreadable, or they do not match. The validity period is not checked.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<TlsIdentity, TlsError> {
        let chain = certificates(chain)?;
        let leaf = chain.first().ok_or(TlsError::NoCertificate)?;
        let names = names::identities(leaf).ok_or(TlsError::Certificate)?;
        let parsed = Certificate::from_der(leaf).map_err(|_| TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
        let key = ring::sign::any_supported_type(&key).map_err(|_| TlsError::Key)?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            // Some keys do not reveal their public half. Such a key cannot be checked, and is accepted.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(TlsError::KeyMismatch),
        }
        let (not_before, not_after) = (parsed.not_before(), parsed.not_after());
        Ok(TlsIdentity { key: Arc::new(key), names, not_before, not_after })
    }

    /// Returns the SIP domains that the certificate proves (RFC 5922 section 7.1).
    pub fn names(&self) -> &TlsNames {
        &self.names
    }

    /// Returns the last second in which the leaf is valid.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Checks that the leaf is valid at `now`.
    ///
    /// # Errors
    /// [`TlsError::Expired`] or [`TlsError::NotYetValid`].
    pub fn check(&self, now: UnixTime) -> Result<(), TlsError> {
        if now.as_secs() > self.not_after.as_secs() {
            Err(TlsError::Expired)
        } else if now.as_secs() < self.not_before.as_secs() {
            Err(TlsError::NotYetValid)
        } else {
            Ok(())
        }
    }

    pub(crate) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The roots of trusted certificates.
#[derive(Clone)]
pub struct TlsRoots(Arc<RootCertStore>);

impl TlsRoots {
    /// Reads the certificates of a PEM file.
    ///
    /// # Errors
    /// [`TlsError`] if there is no certificate, or if a certificate cannot be a root.
    pub fn from_pem(pem: &[u8]) -> Result<TlsRoots, TlsError> {
        let mut store = RootCertStore::empty();
        for certificate in certificates(pem)? {
            store.add(certificate).map_err(|_| TlsError::Certificate)?;
        }
        Ok(TlsRoots(Arc::new(store)))
    }

    /// Returns the roots that the operating system trusts. Unreadable roots are skipped.
    ///
    /// # Errors
    /// [`TlsError::NoRoots`] if there are no roots.
    pub fn native() -> Result<TlsRoots, TlsError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() { Err(TlsError::NoRoots) } else { Ok(TlsRoots(Arc::new(store))) }
    }

    /// Returns an empty set of roots. No certificate is trusted.
    pub fn none() -> TlsRoots {
        TlsRoots(Arc::new(RootCertStore::empty()))
    }

    pub(crate) fn store(&self) -> Arc<RootCertStore> {
        self.0.clone()
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsRoots").field("roots", &self.0.len()).finish()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let read = read.map_err(|_| TlsError::Certificate)?;
    if read.is_empty() { Err(TlsError::NoCertificate) } else { Ok(read) }
}

/// The reason for which certificates, a key or roots are unusable.
#[derive(Debug)]
pub enum TlsError {
    /// The file is unreadable.
    Read(io::Error),
    /// The file contains no certificate.
    NoCertificate,
    /// A certificate in the file is malformed.
    Certificate,
    /// The file contains no private key.
    NoKey,
    /// The type of the key is not supported.
    Key,
    /// The key does not match the certificate.
    KeyMismatch,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// There are no roots to trust.
    NoRoots,
    /// The system returned no random octets for ticket keys.
    NoRandomness,
    /// This build supports no TLS version.
    Unsupported,
}

impl TlsError {
    /// True if the error concerns the key. False if it concerns the certificate.
    pub(crate) fn is_of_key(&self) -> bool {
        matches!(self, TlsError::NoKey | TlsError::Key | TlsError::KeyMismatch)
    }

    /// Returns the action that an operator can take.
    pub fn remedy(&self) -> &'static str {
        match self {
            TlsError::Read(_) => {
                "paths are relative to the configuration; check that the user of the process may read the file"
            }
            TlsError::NoCertificate | TlsError::Certificate => {
                "give PEM certificates: the leaf first, then the intermediate certificates"
            }
            TlsError::NoKey => "give the private key as PEM: PKCS #8, PKCS #1 or SEC 1, not encrypted",
            TlsError::Key => "give an ECDSA P-256 or P-384, Ed25519 or RSA key of at least 2,048 bits",
            TlsError::KeyMismatch => "give a key and a certificate that match",
            TlsError::Expired => "renew the certificate",
            TlsError::NotYetValid => "wait until it is valid, or correct the clock",
            TlsError::NoRoots => "give a PEM file of root certificates",
            TlsError::NoRandomness | TlsError::Unsupported => "check the operating system and this build",
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Read(error) => write!(f, "cannot be read: {error}"),
            TlsError::NoCertificate => f.write_str("holds no certificate"),
            TlsError::Certificate => f.write_str("holds a certificate that is malformed"),
            TlsError::NoKey => f.write_str("holds no private key"),
            TlsError::Key => f.write_str("holds a key of a type that is not supported"),
            TlsError::KeyMismatch => f.write_str("does not match the certificate"),
            TlsError::Expired => f.write_str("has expired"),
            TlsError::NotYetValid => f.write_str("is not valid yet"),
            TlsError::NoRoots => f.write_str("holds no usable root certificate"),
            TlsError::NoRandomness => f.write_str("the system gave no random octets for ticket keys"),
            TlsError::Unsupported => f.write_str("this build supports no TLS version"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TlsError::Read(error) => Some(error),
            TlsError::NoCertificate
            | TlsError::Certificate
            | TlsError::NoKey
            | TlsError::Key
            | TlsError::KeyMismatch
            | TlsError::Expired
            | TlsError::NotYetValid
            | TlsError::NoRoots
            | TlsError::NoRandomness
            | TlsError::Unsupported => None,
        }
    }
}
