//! Signing and verifying on one machine with a throw-away certificate, for tests and first steps.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use attesta_net::{Answer, Clock, FetchConfig, Repository, RepositoryConfig, RepositoryError};
use attesta_stir::cert::{CertificateChain, TrustAnchors};
use attesta_stir::{DEFAULT_PORTS, Signer, SigningKey, UnixTime, X5u};
use ipnet::IpNet;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::pki::authority::{PkiError, ThrowAwayPki};
use crate::pki::scope::Scope;

/// A throw-away STI hierarchy, and a web server on loopback that serves the leaf certificate. Dropping this value stops
/// the web server.
///
/// No other system trusts this hierarchy. To verify calls that are signed with [`Ephemeral::signer`], an edge needs
/// [`Ephemeral::anchors`] and [`Ephemeral::fetch_config`].
pub struct Ephemeral {
    pki: ThrowAwayPki,
    repository: Repository,
    web_root: CertificateDer<'static>,
}

impl Ephemeral {
    /// Creates keys and certificates and starts to serve the leaf on a free port of 127.0.0.1, on the caller's tokio
    /// runtime.
    ///
    /// # Errors
    /// The operating system provides no randomness or no port.
    pub async fn start() -> Result<Self, EphemeralError> {
        let now = Clock::unix().as_secs();
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let scope = Scope::provider(PROVIDER_CODE).map_err(|_| EphemeralError::Unusable)?;
        let pki = ThrowAwayPki::generate(&[scope], at(now.saturating_sub(DAY)), at(now + LIFETIME))?;

        let key = KeyPair::generate().map_err(PkiError::from)?;
        let web = CertificateParams::new([HOST.to_string()]).map_err(PkiError::from)?;
        let web_root = web.self_signed(&key).map_err(PkiError::from)?.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let repository = Repository::bind(RepositoryConfig::new(vec![web_root.clone()], key)).await?;
        repository.serve(PATH, Answer::chain(pki.leaf_chain_pem()));
        Ok(Self { pki, repository, web_root })
    }

    /// Returns a signer that uses the leaf.
    ///
    /// # Errors
    /// The leaf has expired. It is valid for a year.
    pub fn signer(&self) -> Result<Signer, EphemeralError> {
        let key = SigningKey::from_pem(self.pki.leaf_key_pem().as_bytes());
        let chain = CertificateChain::parse(self.pki.leaf_chain_pem().as_bytes());
        let x5u = X5u::parse(&self.x5u(), &[self.port()]);
        let (Ok(key), Ok(chain), Ok(x5u)) = (key, chain, x5u) else { return Err(EphemeralError::Unusable) };
        Signer::new(key, &chain, x5u, Clock::unix()).map_err(|_| EphemeralError::Unusable)
    }

    /// Returns the root as the only anchor of a trust domain.
    ///
    /// # Errors
    /// The root cannot be parsed. This does not happen, because this type creates the root.
    pub fn anchors(&self) -> Result<TrustAnchors, EphemeralError> {
        TrustAnchors::from_pem(self.root_pem().as_bytes()).map_err(|_| EphemeralError::Unusable)
    }

    /// Returns the root certificate as PEM, for use next to other roots.
    pub fn root_pem(&self) -> String {
        self.pki.root_pem()
    }

    /// Returns the URL of the leaf.
    pub fn x5u(&self) -> String {
        format!("https://{HOST}:{}{PATH}", self.port())
    }

    /// Returns the port of the web server.
    pub fn port(&self) -> u16 {
        self.repository.local().port()
    }

    /// Returns the certificate of the web server. A client that fetches the leaf must trust it as an HTTPS root.
    pub fn web_root(&self) -> &CertificateDer<'static> {
        &self.web_root
    }

    /// Returns a fetch configuration that can fetch the leaf: its port and its address are allowed in addition to the
    /// defaults.
    pub fn fetch_config(&self) -> FetchConfig {
        FetchConfig::default()
            .ports(self.ports())
            .allow_private(vec![IpNet::from(IpAddr::V4(HOST))])
            .roots(vec![self.web_root.clone()])
    }

    /// Returns the ports that a certificate URL may use: the default ports and the port of the leaf.
    pub fn ports(&self) -> Vec<u16> {
        DEFAULT_PORTS.iter().copied().chain([self.port()]).collect()
    }
}

impl fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ephemeral").field("x5u", &self.x5u()).finish_non_exhaustive()
    }
}

/// Reports why a throw-away hierarchy could not be created or used.
#[derive(Debug)]
pub enum EphemeralError {
    /// Keys or certificates could not be created.
    Pki(PkiError),
    /// The web server could not start.
    Repository(RepositoryError),
    /// The certificates have expired.
    Unusable,
}

impl fmt::Display for EphemeralError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pki(error) => error.fmt(f),
            Self::Repository(error) => error.fmt(f),
            Self::Unusable => f.write_str("the throw-away certificate has expired"),
        }
    }
}

impl std::error::Error for EphemeralError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Pki(error) => Some(error),
            Self::Repository(error) => Some(error),
            Self::Unusable => None,
        }
    }
}

impl From<PkiError> for EphemeralError {
    fn from(error: PkiError) -> Self {
        Self::Pki(error)
    }
}

impl From<RepositoryError> for EphemeralError {
    fn from(error: RepositoryError) -> Self {
        Self::Repository(error)
    }
}

const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const PATH: &str = "/leaf.pem";
const PROVIDER_CODE: &str = "1234";
const DAY: u64 = 24 * 60 * 60;
const LIFETIME: u64 = 365 * DAY;
