//! Fetching what an `x5u` names, over HTTPS, from strangers: RFC 8226 section 7 as ATIS-1000074 narrows it.
//!
//! The URL stands in a call that anybody may send, so the fetch is bounded on every side: the scheme and the ports,
//! the addresses that a name may lead to, the time, the size, and no redirects.

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

/// What a fetch may do.
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
    /// Ports 443 and 8443, no private address, the system's roots, 2 s in all, 64 KiB.
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

    /// Networks that are not public and that a fetch may connect to all the same. Default: none.
    pub fn allow_private(mut self, networks: Vec<IpNet>) -> FetchConfig {
        self.allow_private = networks;
        self
    }

    /// Roots of the web that are trusted beside the system's. They have no say about who signs calls. Default: none.
    pub fn roots(mut self, roots: Vec<CertificateDer<'static>>) -> FetchConfig {
        self.roots = roots;
        self
    }

    /// Whether the system's roots of the web are trusted. Default: yes.
    pub fn native_roots(mut self, trusted: bool) -> FetchConfig {
        self.native_roots = trusted;
        self
    }

    /// The longest that one fetch may take, from the name to the last octet. Default: 2 s.
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

/// Fetches documents over HTTPS within the bounds of its configuration.
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
    /// A fetcher that asks the system's name servers. Reads the system's roots, so it may block for a moment. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`NoRoots`] when there is no root of the web to trust: no fetch could ever succeed.
    pub fn new(config: FetchConfig) -> Result<Fetcher, NoRoots> {
        Fetcher::with_names(config, Arc::new(Directory::system()))
    }

    /// A fetcher that asks `names`.
    ///
    /// # Errors
    /// As [`Fetcher::new`].
    pub fn with_names(config: FetchConfig, names: Arc<dyn Names>) -> Result<Fetcher, NoRoots> {
        let tls = TlsConnector::from(Arc::new(tls_config(&config)?));
        let FetchConfig { ports, allow_private, time, body, .. } = config;
        Ok(Fetcher { ports, addresses: AddressPolicy::new(allow_private), names, tls, time, body })
    }

    /// Fetches `url`.
    ///
    /// # Errors
    /// [`FetchError`]; any status but 200 is one, a redirect too.
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

    /// The addresses to connect to: those of the name that pass the policy.
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

    /// One request on a fresh connection, and the whole answer.
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

/// There is no root of the web to trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoots;

impl fmt::Display for NoRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system has no root certificates and none are configured")
    }
}

impl std::error::Error for NoRoots {}

/// Why a fetch brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The host cannot stand in a certificate, or the path in a request.
    Url,
    /// A port that the configuration does not list.
    Port(u16),
    /// The name led to no address.
    Name(LookupError),
    /// The name led only to addresses that a fetch may not connect to.
    Refused(RefusedAddress),
    /// No connection to any of the addresses.
    Connect(io::ErrorKind),
    /// The server's certificate is not trusted or is not for this host.
    Certificate,
    /// The TLS handshake failed for another reason.
    Tls,
    /// Not an HTTP answer, or one that breaks off.
    Http,
    /// A redirect, with its status: ATIS-1000074 forbids to follow it.
    Redirect(u16),
    /// Any other status than 200.
    Status(u16),
    /// The body or the header is larger than allowed.
    TooLarge,
    /// The time for the whole fetch is over.
    Timeout,
    /// Too many fetches wait, in all or for this host.
    Busy,
}

impl FetchError {
    /// The word for this result in `attesta_certificate_fetches_total{result}`.
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
            FetchError::Port(port) => write!(f, "port {port} is not among the allowed ones"),
            FetchError::Name(error) => error.fmt(f),
            FetchError::Refused(refused) => {
                write!(f, "the host is at {}, which is not a public address", refused.address)
            }
            FetchError::Connect(kind) => write!(f, "no connection: {kind}"),
            FetchError::Certificate => f.write_str("the certificate of the web server is not trusted"),
            FetchError::Tls => f.write_str("the TLS handshake failed"),
            FetchError::Http => f.write_str("the answer is not HTTP or breaks off"),
            FetchError::Redirect(status) => write!(f, "the server redirects ({status})"),
            FetchError::Status(status) => write!(f, "the server answers {status}"),
            FetchError::TooLarge => f.write_str("the answer is too large"),
            FetchError::Timeout => f.write_str("no answer in time"),
            FetchError::Busy => f.write_str("too many fetches wait"),
        }
    }
}

impl std::error::Error for FetchError {}

/// A URL as the layers of a fetch want it.
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
        // RFC 9110 section 7.2: the port stands in Host unless it is the scheme's own, and IPv6 in brackets.
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
            tracing::warn!(%error, "system root certificates");
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
    // A certificate is fetched once in hours: a ticket kept that long serves nobody but a repository that tracks us.
    tls.resumption = Resumption::disabled();
    Ok(tls)
}

/// Connects to the first of `addresses` that answers; each gets an even share of the time that is left, so that one
/// that is silent does not cost the others their turn.
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

/// Runs `exchange` to its end while its connection is driven beside it; both are gone when it is dropped.
async fn drive<T, C, E>(connection: C, exchange: E) -> Result<T, FetchError>
where
    C: Future<Output = hyper::Result<()>>,
    E: Future<Output = Result<T, FetchError>>,
{
    let mut exchange = pin!(exchange);
    tokio::select! {
        outcome = &mut exchange => outcome,
        // The connection may be done before its last octets are taken; its failure reaches the exchange.
        _ = connection => exchange.await,
    }
}

fn tls_error(error: io::Error) -> FetchError {
    tracing::debug!(%error, "fetch: TLS handshake");
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => FetchError::Certificate,
        Some(_) => FetchError::Tls,
        None => FetchError::Connect(error.kind()),
    }
}

fn http_error(error: hyper::Error) -> FetchError {
    tracing::debug!(%error, "fetch: HTTP");
    if error.is_parse_too_large() { FetchError::TooLarge } else { FetchError::Http }
}

fn body_error(error: Box<dyn std::error::Error + Send + Sync>) -> FetchError {
    if error.is::<LengthLimitError>() { FetchError::TooLarge } else { FetchError::Http }
}

/// The word for a fetch that brought a document.
pub(crate) const OK: &str = "ok";

/// The words for all results of a fetch.
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

/// Addresses of one name that are looked at.
const ADDRESSES: usize = 8;

/// Header fields of an answer.
const HEADERS: usize = 64;

/// Octets of the header of an answer.
const HEADER_OCTETS: usize = 16 * 1024;

#[cfg(test)]
mod tests;
