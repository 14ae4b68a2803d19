//! Certificates in files, reloaded when the files change.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls_pki_types::UnixTime;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::tls::material::{TlsError, TlsIdentity, TlsRoots};
use crate::tls::{Tls, TlsClients, TlsProtocol, TlsTerms};

/// PEM, or the file that contains it.
#[derive(Clone)]
pub enum Pem {
    /// A file. It is read again when it changes.
    File(PathBuf),
    /// The PEM text itself, which may be a key.
    Text(Vec<u8>),
}

impl Pem {
    fn read(&self) -> Result<Vec<u8>, TlsError> {
        match self {
            Pem::Text(text) => Ok(text.clone()),
            Pem::File(path) => read_bounded(path).map_err(TlsError::Read),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::File(path) => path.fmt(f),
            Pem::Text(_) => f.write_str("(PEM)"),
        }
    }
}

/// The files with the terms of one listener.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    identities: Vec<(Pem, Pem)>,
    client_ca: Option<Pem>,
    clients_required: bool,
    roots: Option<Pem>,
    protocol: TlsProtocol,
}

impl TlsFiles {
    /// Creates the files with a certificate chain and its key. Clients are not asked for a certificate. The roots of the
    /// operating system determine the trusted servers.
    pub fn new(certificate: Pem, key: Pem) -> TlsFiles {
        TlsFiles {
            identities: vec![(certificate, key)],
            client_ca: None,
            clients_required: false,
            roots: None,
            protocol: TlsProtocol::default(),
        }
    }

    /// Adds another certificate chain and its key, for other names ([`TlsTerms::identity`]).
    pub fn identity(mut self, certificate: Pem, key: Pem) -> TlsFiles {
        self.identities.push((certificate, key));
        self
    }

    /// Asks clients for a certificate that leads to these roots. If `required` is true, a client without a certificate is
    /// refused.
    pub fn client_ca(mut self, roots: Pem, required: bool) -> TlsFiles {
        (self.client_ca, self.clients_required) = (Some(roots), required);
        self
    }

    /// Trusts servers whose certificates lead to these roots. The roots of the operating system are then not used.
    pub fn roots(mut self, roots: Pem) -> TlsFiles {
        self.roots = Some(roots);
        self
    }

    /// The protocol inside TLS. Default: SIP.
    pub fn protocol(mut self, protocol: TlsProtocol) -> TlsFiles {
        self.protocol = protocol;
        self
    }

    /// Reads the files. Does not check if the certificates are valid now.
    ///
    /// # Errors
    /// [`TlsFileError`] with the unusable file and the reason.
    pub fn load(&self) -> Result<TlsTerms, TlsFileError> {
        let at = |file| move |error| TlsFileError { file, error };
        let mut identities = Vec::with_capacity(self.identities.len());
        for (index, (certificate, key)) in self.identities.iter().enumerate() {
            let chain = certificate.read().map_err(at(TlsFile::Certificate(index)))?;
            let key = key.read().map_err(at(TlsFile::Key(index)))?;
            identities.push(TlsIdentity::from_pem(&chain, &key).map_err(|error| {
                let file = if error.is_of_key() { TlsFile::Key(index) } else { TlsFile::Certificate(index) };
                TlsFileError { file, error }
            })?);
        }
        let read = |pem: &Pem| TlsRoots::from_pem(&pem.read()?);
        let clients = match &self.client_ca {
            None => TlsClients::NotAsked,
            Some(pem) => {
                let roots = read(pem).map_err(at(TlsFile::ClientCa))?;
                if self.clients_required { TlsClients::Required(roots) } else { TlsClients::Optional(roots) }
            }
        };
        let roots = match &self.roots {
            Some(pem) => read(pem).map_err(at(TlsFile::Roots))?,
            // Without any root, the listener can only accept connections. Every server is refused.
            None => TlsRoots::native().unwrap_or_else(|_| TlsRoots::none()),
        };
        Ok(TlsTerms { identities, clients, roots, protocol: self.protocol })
    }

    /// Reads the files, and checks that the certificates are valid at `now`.
    ///
    /// # Errors
    /// As for [`Self::load`], and for a leaf that has expired or is not valid yet.
    pub fn load_valid(&self, now: UnixTime) -> Result<TlsTerms, TlsFileError> {
        let terms = self.load()?;
        for (index, identity) in terms.identities.iter().enumerate() {
            let file = TlsFile::Certificate(index);
            identity.check(now).map_err(|error| TlsFileError { file, error })?;
        }
        Ok(terms)
    }

    /// Replaces the terms of `tls` each time the files change. The replacement continues until the future is dropped.
    ///
    /// Checks the files every [`TLS_FILES_POLL`]. Reads the files when two checks agree, because the files of a renewed
    /// certificate may be written one after another. Unusable files are logged and counted, and the old terms stay in use.
    pub async fn follow(self, tls: Tls) {
        let mut held = self.stamps().await;
        let mut last = held.clone();
        loop {
            sleep(TLS_FILES_POLL).await;
            let seen = self.stamps().await;
            if seen == last && seen != held {
                held = seen.clone();
                self.reload(&tls).await;
            }
            last = seen;
        }
    }

    async fn reload(&self, tls: &Tls) {
        let files = self.clone();
        let loaded = tokio::task::spawn_blocking(move || files.load_valid(Clock::unix())).await;
        let Ok(loaded) = loaded else { return };
        let replaced = loaded.and_then(|terms| {
            tls.replace(&terms).map_err(|error| TlsFileError { file: TlsFile::ClientCa, error })
        });
        tls.meter.reload(replaced.is_ok());
        match replaced {
            Ok(()) => tracing::info!(files = ?self.identities, "new TLS certificates are in use"),
            Err(TlsFileError { file, error }) => {
                let path = self.path(file);
                tracing::error!(?path, %error, "cannot use the new TLS certificates: the old ones stay in use");
            }
        }
    }

    /// Returns the path of the file that an error concerns. Returns `None` if the PEM is not in a file.
    pub fn path(&self, file: TlsFile) -> Option<&Path> {
        let pem = match file {
            TlsFile::Certificate(index) => self.identities.get(index).map(|(certificate, _)| certificate),
            TlsFile::Key(index) => self.identities.get(index).map(|(_, key)| key),
            TlsFile::ClientCa => self.client_ca.as_ref(),
            TlsFile::Roots => self.roots.as_ref(),
        };
        match pem? {
            Pem::File(path) => Some(path),
            Pem::Text(_) => None,
        }
    }

    /// Values that change when a file changes.
    async fn stamps(&self) -> Vec<Option<Stamp>> {
        let pairs = self.identities.iter().flat_map(|(certificate, key)| [certificate, key]);
        let all = pairs.chain(&self.client_ca).chain(&self.roots);
        let paths = all.filter_map(|pem| match pem {
            Pem::File(path) => Some(path.clone()),
            Pem::Text(_) => None,
        });
        let paths: Vec<_> = paths.collect();
        let look = move || paths.iter().map(|path| Stamp::of(path)).collect();
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

/// One of the files of a [`TlsFiles`]. Certificates and keys have an index, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// A certificate chain.
    Certificate(usize),
    /// The key of the chain with the same index.
    Key(usize),
    /// The roots for the certificates of clients.
    ClientCa,
    /// The roots for the certificates of servers.
    Roots,
}

/// An unusable file.
#[derive(Debug)]
pub struct TlsFileError {
    /// The file.
    pub file: TlsFile,
    /// The reason.
    pub error: TlsError,
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for TlsFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// The modification time, the length and the file number of a file, if files have numbers. The number shows that another file
/// was moved to the same path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    number: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        // This call follows links, as reading does.
        let metadata = std::fs::metadata(path).ok()?;
        Some(Stamp { modified: metadata.modified().ok(), length: metadata.len(), number: number(&metadata) })
    }
}

#[cfg(unix)]
fn number(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> u64 {
    0
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {MAX_FILE} octets")));
    }
    Ok(octets)
}

/// The interval at which the files are checked.
pub const TLS_FILES_POLL: Duration = Duration::from_secs(2);
/// The largest file that is read, in octets. Enough for a bundle of a few hundred roots.
const MAX_FILE: u64 = 1024 * 1024;
