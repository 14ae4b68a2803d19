//! A small certificate repository: an HTTPS server for certificate chains with an `x5u` URL (RFC 8226 section 7).
//!
//! The embedded default and `attesta demo` publish their temporary leaf with it. Tests use it to simulate failures.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// The address of a [`Repository`] and its web certificate.
#[derive(Debug)]
pub struct RepositoryConfig {
    address: SocketAddr,
    beyond_loopback: bool,
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl RepositoryConfig {
    /// Creates the configuration of a repository on any free port of 127.0.0.1. The web server shows `certificates` in TLS, its
    /// own certificate first, and has their `key`. These certificates are not the certificates that the repository publishes.
    pub fn new(certificates: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> RepositoryConfig {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        RepositoryConfig { address, beyond_loopback: false, certificates, key }
    }

    /// Listens on `address`. Port 0 means any free port.
    pub fn address(mut self, address: SocketAddr) -> RepositoryConfig {
        self.address = address;
        self
    }

    /// Allows an address that other machines can reach. Default: no.
    pub fn beyond_loopback(mut self, allowed: bool) -> RepositoryConfig {
        self.beyond_loopback = allowed;
        self
    }
}

/// A repository that runs until it is dropped.
#[derive(Debug)]
pub struct Repository {
    local: SocketAddr,
    answers: watch::Sender<BTreeMap<String, Answer>>,
    requests: watch::Sender<u64>,
    acceptor: AbortHandle,
}

impl Repository {
    /// Starts to listen on the tokio runtime of the caller. Each path has the answer 404 until [`Repository::serve`] sets
    /// another answer.
    ///
    /// # Errors
    /// [`RepositoryError`] if the address is not a loopback address or is in use, or if the key does not match the certificate.
    pub async fn bind(config: RepositoryConfig) -> Result<Repository, RepositoryError> {
        if !config.address.ip().is_loopback() && !config.beyond_loopback {
            return Err(RepositoryError::NotLoopback(config.address));
        }
        let tls = tls_config(config.certificates, config.key).map_err(RepositoryError::Certificate)?;
        let listener = TcpListener::bind(config.address).await.map_err(RepositoryError::Bind)?;
        let local = listener.local_addr().map_err(RepositoryError::Bind)?;
        let (answers, shown) = watch::channel(BTreeMap::new());
        let requests = watch::Sender::new(0);
        let served = Served { answers: shown, requests: requests.clone() };
        let acceptor =
            tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(tls)), served)).abort_handle();
        Ok(Repository { local, answers, requests, acceptor })
    }

    /// Returns the bound address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sets the answer to requests for `path`. The path starts with `/`.
    pub fn serve(&self, path: impl Into<String>, answer: Answer) {
        self.answers.send_modify(|answers| {
            answers.insert(path.into(), answer);
        });
    }

    /// Returns the number of requests so far, for any path.
    pub fn requests(&self) -> u64 {
        *self.requests.borrow()
    }

    /// Waits until `count` requests have arrived.
    pub async fn requested(&self, count: u64) {
        // `self` owns the sender, so the wait cannot fail.
        let _ = self.requests.subscribe().wait_for(|requests| *requests >= count).await;
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// The answer for a path.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    delivery: Delivery,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    WithLength,
    Chunked,
    Never,
}

impl Answer {
    /// A certificate chain in PEM, leaf first, with the media type of RFC 8555 section 9.1.
    pub fn chain(pem: impl Into<Bytes>) -> Answer {
        let chain = HeaderValue::from_static("application/pem-certificate-chain");
        let lifetime = HeaderValue::from_static("max-age=86400");
        let headers = vec![(CONTENT_TYPE, chain), (CACHE_CONTROL, lifetime)];
        Answer { headers, body: pem.into(), ..Answer::status(StatusCode::OK) }
    }

    /// A status without a body.
    pub fn status(status: StatusCode) -> Answer {
        Answer { status, headers: Vec::new(), body: Bytes::new(), delivery: Delivery::WithLength }
    }

    /// A 302 to another URL. A verifier must not follow it.
    pub fn redirect(location: HeaderValue) -> Answer {
        Answer::status(StatusCode::FOUND).header(LOCATION, location)
    }

    /// Reads the request and never responds.
    pub fn never() -> Answer {
        Answer { delivery: Delivery::Never, ..Answer::status(StatusCode::OK) }
    }

    /// Returns the same answer with one more header field.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Answer {
        self.headers.push((name, value));
        self
    }

    /// Returns the same answer in chunks, without Content-Length.
    pub fn chunked(mut self) -> Answer {
        self.delivery = Delivery::Chunked;
        self
    }
}

/// The reason for which a repository did not start.
#[derive(Debug)]
pub enum RepositoryError {
    /// Other machines can reach this address, and the configuration does not allow this.
    NotLoopback(SocketAddr),
    /// The operating system refused the address.
    Bind(io::Error),
    /// The key does not match the certificate, or one of them is unreadable.
    Certificate(Failure),
}

impl fmt::Display for RepositoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RepositoryError::NotLoopback(address) => write!(f, "{address} is not a loopback address"),
            RepositoryError::Bind(error) => write!(f, "the certificate repository cannot listen: {error}"),
            RepositoryError::Certificate(error) => write!(f, "certificate of the repository: {error}"),
        }
    }
}

impl std::error::Error for RepositoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RepositoryError::NotLoopback(_) => None,
            RepositoryError::Bind(error) => Some(error),
            RepositoryError::Certificate(error) => Some(&**error),
        }
    }
}

/// The cause of a failure. It is only displayed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn tls_config(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Failure> {
    let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// The state that the connections share: the answers, and the count of requests.
#[derive(Clone, Debug)]
struct Served {
    answers: watch::Receiver<BTreeMap<String, Answer>>,
    requests: watch::Sender<u64>,
}

/// Accepts connections until the task is aborted. The connections then end too.
async fn accept(listener: TcpListener, tls: TlsAcceptor, served: Served) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let exchange = exchange(stream, tls.clone(), served.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    if timeout(CONNECTION_TIME, exchange).await.is_err() {
                        tracing::debug!(%peer, "repository: closed a slow connection");
                    }
                });
            }
            Err(error) => {
                // The process probably has no free descriptors. A pause avoids a busy loop.
                tracing::warn!(%error, "repository: cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Handles one connection: the handshake, one request, one response.
async fn exchange(stream: TcpStream, tls: TlsAcceptor, served: Served) {
    let stream = match tls.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "repository: TLS handshake failed");
            return;
        }
    };
    let service = service_fn(|request| served.answer(request));
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(16 * 1024)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "repository: connection failed");
    }
}

impl Served {
    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<impl Body<Data = Bytes, Error = Failure> + use<>>, Infallible> {
        self.requests.send_modify(|requests| *requests += 1);
        let answer = if matches!(*request.method(), Method::GET | Method::HEAD) {
            let found = self.answers.borrow().get(request.uri().path()).cloned();
            found.unwrap_or_else(|| Answer::status(StatusCode::NOT_FOUND))
        } else {
            Answer::status(StatusCode::METHOD_NOT_ALLOWED)
                .header(ALLOW, HeaderValue::from_static("GET, HEAD"))
        };
        let whole = Full::new(answer.body);
        let body = match answer.delivery {
            Delivery::WithLength => Either::Left(whole),
            // A mapped body has no known length.
            Delivery::Chunked => Either::Right(whole.map_frame(|frame| frame)),
            Delivery::Never => std::future::pending().await,
        };
        let mut response = Response::new(body);
        *response.status_mut() = answer.status;
        response.headers_mut().extend(answer.headers);
        Ok(response)
    }
}

/// The most connections at once. Further connections wait in the listen queue.
const CONNECTIONS: usize = 64;

/// The longest time for one connection.
const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// The longest time for the header of a request.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// The pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RepositoryConfig {
        let generated = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(generated.signing_key.serialize_der()).unwrap();
        RepositoryConfig::new(vec![generated.cert.into()], key)
    }

    #[tokio::test]
    async fn listens_only_on_loopback_by_default() {
        let outside: SocketAddr = "0.0.0.0:0".parse().unwrap();
        let refused = Repository::bind(config().address(outside)).await;
        assert!(matches!(refused, Err(RepositoryError::NotLoopback(address)) if address == outside));
        let allowed = Repository::bind(config().address(outside).beyond_loopback(true)).await;
        assert_ne!(allowed.unwrap().local().port(), 0);
    }

    #[tokio::test]
    async fn a_key_of_another_certificate_does_not_start() {
        let RepositoryConfig { certificates, .. } = config();
        let RepositoryConfig { key, .. } = config();
        let refused = Repository::bind(RepositoryConfig::new(certificates, key)).await;
        assert!(matches!(refused, Err(RepositoryError::Certificate(_))));
    }

    #[tokio::test]
    async fn a_dropped_repository_frees_its_port() {
        let repository = Repository::bind(config()).await.unwrap();
        let local = repository.local();
        drop(repository);
        // The aborted task drops the listener when the runtime polls it next.
        while TcpListener::bind(local).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
