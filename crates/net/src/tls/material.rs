//! Certificates, keys and roots, read and tried.

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

/// One certificate chain and its key, as a party to TLS shows it.
#[derive(Clone)]
pub struct TlsIdentity {
    key: Arc<CertifiedKey>,
    names: TlsNames,
    not_before: UnixTime,
    not_after: UnixTime,
}

impl TlsIdentity {
    /// Reads a chain, leaf first, and its key (PKCS #8, PKCS #1 or SEC 1), both PEM.
    ///
    /// # Errors
    /// [`TlsError`]: one of them cannot be read, or they do not belong together. Validity is not looked at.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<TlsIdentity, TlsError> {
        let chain = certificates(chain)?;
        let leaf = chain.first().ok_or(TlsError::NoCertificate)?;
        let names = names::identities(leaf).ok_or(TlsError::Certificate)?;
        let parsed = Certificate::from_der(leaf).map_err(|_| TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
        let key = ring::sign::any_supported_type(&key).map_err(|_| TlsError::Key)?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            // A key of a kind that does not tell its public half is believed.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(TlsError::KeyMismatch),
        }
        let (not_before, not_after) = (parsed.not_before(), parsed.not_after());
        Ok(TlsIdentity { key: Arc::new(key), names, not_before, not_after })
    }

    /// The SIP domains that the certificate speaks for (RFC 5922 section 7.1).
    pub fn names(&self) -> &TlsNames {
        &self.names
    }

    /// The last second in which the leaf is valid.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Whether the leaf is valid at `now`.
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

/// The roots below which certificates are believed.
#[derive(Clone)]
pub struct TlsRoots(Arc<RootCertStore>);

impl TlsRoots {
    /// The certificates of a PEM file.
    ///
    /// # Errors
    /// [`TlsError`]: there is none, or one cannot stand as a root.
    pub fn from_pem(pem: &[u8]) -> Result<TlsRoots, TlsError> {
        let mut store = RootCertStore::empty();
        for certificate in certificates(pem)? {
            store.add(certificate).map_err(|_| TlsError::Certificate)?;
        }
        Ok(TlsRoots(Arc::new(store)))
    }

    /// The roots that the operating system believes; those that cannot be read are passed over.
    ///
    /// # Errors
    /// [`TlsError::NoRoots`]: there are none.
    pub fn native() -> Result<TlsRoots, TlsError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() { Err(TlsError::NoRoots) } else { Ok(TlsRoots(Arc::new(store))) }
    }

    /// No root: no certificate is believed.
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

/// Why certificates, a key or roots are of no use.
#[derive(Debug)]
pub enum TlsError {
    /// The file cannot be read.
    Read(io::Error),
    /// There is no certificate in it.
    NoCertificate,
    /// A certificate in it is not well-formed.
    Certificate,
    /// There is no private key in it.
    NoKey,
    /// The key is of a kind that is not supported.
    Key,
    /// The key is not the one of the certificate.
    KeyMismatch,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// There are no roots to believe in.
    NoRoots,
    /// The system gives no randomness for ticket keys.
    NoRandomness,
    /// This build has no version of TLS.
    Unsupported,
}

impl TlsError {
    /// Whether the key is to blame, of a certificate and its key.
    pub(crate) fn is_of_key(&self) -> bool {
        matches!(self, TlsError::NoKey | TlsError::Key | TlsError::KeyMismatch)
    }

    /// How to mend it.
    pub fn remedy(&self) -> &'static str {
        match self {
            TlsError::Read(_) => "paths are relative to the configuration; may its user read the file?",
            TlsError::NoCertificate | TlsError::Certificate => {
                "give PEM certificates: the leaf first, then what is above it"
            }
            TlsError::NoKey => "give the private key as PEM: PKCS #8, PKCS #1 or SEC 1, not encrypted",
            TlsError::Key => "give an ECDSA P-256 or P-384, Ed25519 or RSA key of at least 2,048 bits",
            TlsError::KeyMismatch => "give the key and the certificate that belong together",
            TlsError::Expired => "renew the certificate",
            TlsError::NotYetValid => "wait, or set the clock",
            TlsError::NoRoots => "give a PEM file of root certificates",
            TlsError::NoRandomness | TlsError::Unsupported => "look at the system that this runs on",
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Read(error) => write!(f, "cannot be read: {error}"),
            TlsError::NoCertificate => f.write_str("holds no certificate"),
            TlsError::Certificate => f.write_str("holds a certificate that is not well-formed"),
            TlsError::NoKey => f.write_str("holds no private key"),
            TlsError::Key => f.write_str("holds a key of a kind that is not supported"),
            TlsError::KeyMismatch => f.write_str("is not the key of the certificate"),
            TlsError::Expired => f.write_str("has expired"),
            TlsError::NotYetValid => f.write_str("is not valid yet"),
            TlsError::NoRoots => f.write_str("gives no roots to believe in"),
            TlsError::NoRandomness => f.write_str("no randomness for ticket keys"),
            TlsError::Unsupported => f.write_str("no version of TLS"),
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
