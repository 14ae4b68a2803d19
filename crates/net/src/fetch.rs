//! Fetches the document at an `x5u` URL over HTTPS from unknown servers (RFC 8226 section 7, with the restrictions of
//! ATIS-1000074).
//!
//! Any caller can choose the URL. A fetch therefore limits the scheme, the ports, the addresses, the time and the size. It
//! follows no redirects.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use attesta_stir::X5u;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::{AddressPolicy, RefusedAddress};
use crate::clock::Clock;
use crate::document::Document;
use crate::names::Names;
use crate::names::directory::Directory;
use crate::names::record::LookupError;

/// The limits of fetches.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    ports: Vec<u16>,
    allow_private: Vec<IpNet>,
    roots: Vec<CertificateDer<'static>>,
    native_roots: bool,
    time: Duration,
    body: usize,
}

impl Default for FetchConfig {
    /// The defaults: ports 443 and 8443, no private addresses, the roots of the system, 2 s in total, 64 KiB.
    fn default() -> FetchConfig {
        FetchConfig {
            ports: vec![443, 8443],
            allow_private: Vec::new(),
            roots: Vec::new(),
            native_roots: true,
            time: Duration::from_secs(2),
            body: 64 * 1024,
        }
    }
}

impl FetchConfig {
    /// The only ports that a fetch may connect to. Default: 443 and 8443 (ATIS-1000074).
    pub fn ports(mut self, ports: Vec<u16>) -> FetchConfig {
        self.ports = ports;
        self
    }

    /// Non-public networks that a fetch may connect to. Default: none.
    pub fn allow_private(mut self, networks: Vec<IpNet>) -> FetchConfig {
        self.allow_private = networks;
        self
    }

    /// Web roots that are trusted in addition to the roots of the system. They do not determine who may sign calls. Default:
    /// none.
    pub fn roots(mut self, roots: Vec<CertificateDer<'static>>) -> FetchConfig {
        self.roots = roots;
        self
    }

    /// Whether the system's web roots are trusted. Default: yes.
    pub fn native_roots(mut self, trusted: bool) -> FetchConfig {
        self.native_roots = trusted;
        self
    }

    /// The longest time for one fetch, from the name lookup to the last octet. Default: 2 s.
    pub fn time(mut self, time: Duration) -> FetchConfig {
        self.time = time;
        self
    }

    /// The largest body, in octets. Default: 64 KiB.
    pub fn body(mut self, octets: usize) -> FetchConfig {
        self.body = octets;
        self
    }
}

/// Fetches documents over HTTPS within the limits of its configuration.
#[derive(Clone)]
pub struct Fetcher {
    ports: Vec<u16>,
    addresses: AddressPolicy,
    names: Arc<dyn Names>,
    tls: TlsConnector,
    time: Duration,
    body: usize,
}

impl Fetcher {
    /// Creates a fetcher that uses the name servers of the system. Reads the roots of the system, so this function may block
    /// for a moment. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`NoRoots`] if there is no trusted web root. Every fetch would fail.
    pub fn new(config: FetchConfig) -> Result<Fetcher, NoRoots> {
        Fetcher::with_names(config, Arc::new(Directory::system()))
    }

    /// Creates a fetcher that resolves names with `names`.
    ///
    /// # Errors
    /// As for [`Fetcher::new`].
    pub fn with_names(config: FetchConfig, names: Arc<dyn Names>) -> Result<Fetcher, NoRoots> {
        let tls = TlsConnector::from(Arc::new(tls_config(&config)?));
        let FetchConfig { ports, allow_private, time, body, .. } = config;
        Ok(Fetcher { ports, addresses: AddressPolicy::new(allow_private), names, tls, time, body })
    }

    /// Fetches `url`.
    ///
    /// # Errors
    /// [`FetchError`]. Every status except 200 is an error, including redirects.
    pub async fn fetch(&self, url: &X5u) -> Result<Document, FetchError> {
        let target = FetchTarget::of(url)?;
        if !self.ports.contains(&target.port) {
            return Err(FetchError::Port(target.port));
        }
        timeout(self.time, self.exchange(&target)).await.unwrap_or(Err(FetchError::Timeout))
    }

    async fn exchange(&self, target: &FetchTarget) -> Result<Document, FetchError> {
        let deadline = Instant::from_std(Clock::mono()) + self.time;
        let addresses = self.admitted_addresses(target).await?;
        let stream = connect(&addresses, target.port, deadline).await?;
        let stream = self.tls.connect(target.server_name.clone(), stream).await.map_err(tls_error)?;
        self.get(target, stream).await
    }

    /// Returns the addresses to connect to: the addresses of the name that the policy allows.
    async fn admitted_addresses(&self, target: &FetchTarget) -> Result<Vec<IpAddr>, FetchError> {
        let found = match target.host.parse() {
            Ok(literal) => vec![literal],
            Err(_) => self.names.lookup(&target.host).await.map_err(FetchError::Name)?,
        };
        let mut admitted = Vec::new();
        let mut refused = None;
        for address in found.into_iter().take(ADDRESSES) {
            match self.addresses.admit(address) {
                Ok(address) => admitted.push(address),
                Err(refusal) => refused = Some(refusal),
            }
        }
        match (admitted.is_empty(), refused) {
            (false, _) => Ok(admitted),
            (true, Some(refusal)) => Err(FetchError::Refused(refusal)),
            (true, None) => Err(FetchError::Name(LookupError::NotFound)),
        }
    }

    /// Sends one request on a new connection, and reads the whole response.
    async fn get(&self, target: &FetchTarget, stream: TlsStream<TcpStream>) -> Result<Document, FetchError> {
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(HEADERS)
            .max_buf_size(HEADER_OCTETS)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(http_error)?;
        let exchange = async {
            let asked = Clock::mono();
            let response = sender.send_request(target.request()?).await.map_err(http_error)?;
            let (head, body) = response.into_parts();
            match head.status {
                StatusCode::OK => {}
                status if status.is_redirection() => return Err(FetchError::Redirect(status.as_u16())),
                status => return Err(FetchError::Status(status.as_u16())),
            }
            if body.size_hint().lower() > self.body as u64 {
                return Err(FetchError::TooLarge);
            }
            let body = Limited::new(body, self.body).collect().await.map_err(body_error)?.to_bytes();
            Ok(Document::new(&head.headers, body, Clock::mono() - asked))
        };
        drive(connection, exchange).await
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("ports", &self.ports)
            .field("addresses", &self.addresses)
            .field("time", &self.time)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// The error if there is no trusted web root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoots;

impl fmt::Display for NoRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system has no root certificates and none are configured")
    }
}

impl std::error::Error for NoRoots {}

/// The reason for the failure of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The host is not valid in a certificate, or the path is not valid in a request.
    Url,
    /// The port is not in the configured list.
    Port(u16),
    /// The name did not resolve.
    Name(LookupError),
    /// The name resolved only to addresses that a fetch may not connect to.
    Refused(RefusedAddress),
    /// No address accepted a connection.
    Connect(io::ErrorKind),
    /// The server's certificate is not trusted or is not valid for this host.
    Certificate,
    /// The TLS handshake failed for another reason.
    Tls,
    /// The response is not HTTP, or is incomplete.
    Http,
    /// A redirect, with its status. ATIS-1000074 forbids following redirects.
    Redirect(u16),
    /// A status other than 200.
    Status(u16),
    /// The body or the header is larger than allowed.
    TooLarge,
    /// The time limit for the whole fetch has passed.
    Timeout,
    /// Too many fetches wait, in total or for this host.
    Busy,
}

impl FetchError {
    /// The label of this result in `attesta_certificate_fetches_total{result}`.
    pub fn as_str(self) -> &'static str {
        match self {
            FetchError::Url => "url",
            FetchError::Port(_) => "port",
            FetchError::Name(_) => "dns",
            FetchError::Refused(_) => "refused-address",
            FetchError::Connect(_) => "connect",
            FetchError::Certificate => "certificate",
            FetchError::Tls => "tls",
            FetchError::Http => "http",
            FetchError::Redirect(_) => "redirect",
            FetchError::Status(_) => "status",
            FetchError::TooLarge => "too-large",
            FetchError::Timeout => "timeout",
            FetchError::Busy => "busy",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Url => f.write_str("the host or the path of the URL is malformed"),
            FetchError::Port(port) => write!(f, "port {port} is not an allowed port"),
            FetchError::Name(error) => error.fmt(f),
            FetchError::Refused(refused) => {
                write!(f, "the host is at {}, which is not a public address", refused.address)
            }
            FetchError::Connect(kind) => write!(f, "no connection: {kind}"),
            FetchError::Certificate => f.write_str("the certificate of the web server is not trusted"),
            FetchError::Tls => f.write_str("the TLS handshake failed"),
            FetchError::Http => f.write_str("the answer is not HTTP or is incomplete"),
            FetchError::Redirect(status) => write!(f, "the server redirects ({status})"),
            FetchError::Status(status) => write!(f, "the server answers {status}"),
            FetchError::TooLarge => f.write_str("the answer is larger than allowed"),
            FetchError::Timeout => f.write_str("no answer in time"),
            FetchError::Busy => f.write_str("too many fetches are waiting"),
        }
    }
}

impl std::error::Error for FetchError {}

/// The parts of a URL that the layers of a fetch need.
#[derive(Debug)]
struct FetchTarget {
    host: String,
    port: u16,
    authority: String,
    path: String,
    server_name: ServerName<'static>,
}

impl FetchTarget {
    fn of(url: &X5u) -> Result<FetchTarget, FetchError> {
        let (host, port) = (url.host().to_owned(), url.port());
        let server_name = ServerName::try_from(host.clone()).map_err(|_| FetchError::Url)?;
        // The Host field contains the port unless it is the default port of the scheme (RFC 9110 section 7.2). IPv6 needs
        // brackets.
        let named = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let authority = if port == HTTPS { named } else { format!("{named}:{port}") };
        Ok(FetchTarget { host, port, authority, path: url.path().to_owned(), server_name })
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, FetchError> {
        Request::get(&self.path)
            .header(HOST, &self.authority)
            .header(ACCEPT, HeaderValue::from_static("application/pem-certificate-chain, */*;q=0.1"))
            .header(USER_AGENT, HeaderValue::from_static(concat!("attesta/", env!("CARGO_PKG_VERSION"))))
            .header(CONNECTION, HeaderValue::from_static("close"))
            .body(Empty::new())
            .map_err(|_| FetchError::Url)
    }
}

fn tls_config(config: &FetchConfig) -> Result<ClientConfig, NoRoots> {
    let mut roots = RootCertStore::empty();
    if config.native_roots {
        let native = rustls_native_certs::load_native_certs();
        for error in native.errors {
            tracing::warn!(%error, "cannot read a system root certificate");
        }
        roots.add_parsable_certificates(native.certs);
    }
    roots.add_parsable_certificates(config.roots.iter().cloned());
    if roots.is_empty() {
        return Err(NoRoots);
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| NoRoots)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A certificate is fetched once in several hours. A ticket with such a long life only helps a repository to track us.
    tls.resumption = Resumption::disabled();
    Ok(tls)
}

/// Connects to the first of `addresses` that accepts a connection. Each address gets an equal share of the remaining time, so
/// that a silent address does not use all of it.
async fn connect(addresses: &[IpAddr], port: u16, deadline: Instant) -> Result<TcpStream, FetchError> {
    let mut failure = FetchError::Name(LookupError::NotFound);
    for (tried, address) in addresses.iter().enumerate() {
        let now = Instant::from_std(Clock::mono());
        let share = (deadline - now) / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match timeout_at(now + share, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = FetchError::Connect(error.kind()),
            Err(_) => failure = FetchError::Timeout,
        }
    }
    Err(failure)
}

/// Runs `exchange` to its end and polls its connection meanwhile. Dropping the future drops both.
async fn drive<T, C, E>(connection: C, exchange: E) -> Result<T, FetchError>
where
    C: Future<Output = hyper::Result<()>>,
    E: Future<Output = Result<T, FetchError>>,
{
    let mut exchange = pin!(exchange);
    tokio::select! {
        outcome = &mut exchange => outcome,
        // The connection may end before its last octets are read. The exchange gets the error of the connection.
        _ = connection => exchange.await,
    }
}

fn tls_error(error: io::Error) -> FetchError {
    tracing::debug!(%error, "fetch: TLS handshake failed");
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => FetchError::Certificate,
        Some(_) => FetchError::Tls,
        None => FetchError::Connect(error.kind()),
    }
}

fn http_error(error: hyper::Error) -> FetchError {
    tracing::debug!(%error, "fetch: HTTP exchange failed");
    if error.is_parse_too_large() { FetchError::TooLarge } else { FetchError::Http }
}

fn body_error(error: Box<dyn std::error::Error + Send + Sync>) -> FetchError {
    if error.is::<LengthLimitError>() { FetchError::TooLarge } else { FetchError::Http }
}

/// The label of a successful fetch.
pub(crate) const OK: &str = "ok";

/// The labels of all results.
pub(crate) const RESULTS: [&str; 14] = [
    OK,
    "url",
    "port",
    "dns",
    "refused-address",
    "connect",
    "certificate",
    "tls",
    "http",
    "redirect",
    "status",
    "too-large",
    "timeout",
    "busy",
];

/// The port of `https` (RFC 9110 section 4.2.2).
const HTTPS: u16 = 443;

/// The most addresses of one name that a fetch tries.
const ADDRESSES: usize = 8;

/// The most header fields of a response.
const HEADERS: usize = 64;

/// The most octets in the header of a response.
const HEADER_OCTETS: usize = 16 * 1024;

#[cfg(test)]
mod tests;
