//! TLS for SIP and for WebSocket (RFC 3261 section 26.3, RFC 5922). A listener has certificates and roots, which can be
//! replaced while connections are open.

pub(crate) mod counters;
pub(crate) mod files;
pub(crate) mod material;
mod names;
#[cfg(test)]
mod tests;
mod verifier;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use attesta_transaction::TlsNames;
use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, HandshakeKind, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use webpki::EndEntityCert;

use crate::tls::counters::{Side, Success, TlsFailure, TlsMeter};
use crate::tls::material::{TlsError, TlsIdentity, TlsRoots};
use crate::tls::verifier::SipServerVerifier;

/// The certificates and roots of one listener: the content of a [`Tls`].
#[derive(Clone, Debug)]
pub struct TlsTerms {
    identities: Vec<TlsIdentity>,
    clients: TlsClients,
    roots: TlsRoots,
    protocol: TlsProtocol,
}

impl TlsTerms {
    /// Creates terms that show `identity`, request no certificate from clients, and trust servers whose certificates lead to
    /// `roots`.
    pub fn new(identity: TlsIdentity, roots: TlsRoots) -> TlsTerms {
        let (identities, clients, protocol) = (vec![identity], TlsClients::default(), TlsProtocol::default());
        TlsTerms { identities, clients, roots, protocol }
    }

    /// Adds a certificate. A client gets the first certificate that it can verify and that is valid for the requested name (RFC
    /// 6066 section 3). If no certificate is valid for this name, the client gets the first certificate that it can verify.
    pub fn identity(mut self, identity: TlsIdentity) -> TlsTerms {
        self.identities.push(identity);
        self
    }

    /// Sets the clients that are asked for a certificate. Default: none.
    pub fn clients(mut self, clients: TlsClients) -> TlsTerms {
        self.clients = clients;
        self
    }

    /// Sets the protocol inside TLS. Default: SIP.
    pub fn protocol(mut self, protocol: TlsProtocol) -> TlsTerms {
        self.protocol = protocol;
        self
    }

    /// The certificates of the listener.
    pub fn identities(&self) -> &[TlsIdentity] {
        &self.identities
    }

    fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = match &self.clients {
            TlsClients::NotAsked => WebPkiClientVerifier::no_client_auth(),
            TlsClients::Optional(roots) => {
                let asked = WebPkiClientVerifier::builder_with_provider(roots.store(), provider.clone());
                asked.allow_unauthenticated().build().map_err(|_| TlsError::NoRoots)?
            }
            TlsClients::Required(roots) => {
                let asked = WebPkiClientVerifier::builder_with_provider(roots.store(), provider.clone());
                asked.build().map_err(|_| TlsError::NoRoots)?
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsError::Unsupported)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(OfferedCertificates(self.keys())));
        // A ticket contains the whole session, so this side stores no sessions of its clients.
        config.ticketer = ring::Ticketer::new().map_err(|_| TlsError::NoRandomness)?;
        config.alpn_protocols = self.protocol.alpn();
        Ok(config)
    }

    fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let verifier = SipServerVerifier::new(self.roots.store(), &provider);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsError::Unsupported)?
            // The verifier makes all checks of the default verifier. Only the name check differs: it uses the certificate
            // fields of SIP (RFC 5922).
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(OfferedCertificates(self.keys())));
        Ok(config)
    }

    fn keys(&self) -> Vec<Arc<CertifiedKey>> {
        self.identities.iter().map(|identity| identity.key().clone()).collect()
    }
}

/// The clients that are asked for a certificate (RFC 5922 section 7.4).
#[derive(Clone, Debug, Default)]
pub enum TlsClients {
    /// No client is asked for a certificate.
    #[default]
    NotAsked,
    /// All clients are asked for a certificate. A client without a certificate may continue, and proves no name. A certificate
    /// that does not lead to these roots ends the handshake.
    Optional(TlsRoots),
    /// All clients are asked for a certificate. A client without a certificate is refused.
    Required(TlsRoots),
}

/// The protocol inside TLS. A client may name the protocol (RFC 7301). A client that names only other protocols is refused, so
/// that an attacker cannot redirect traffic for another service to this listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsProtocol {
    /// SIP, with the registered name `sip/2` and with the name `sip`.
    #[default]
    Sip,
    /// HTTP/1.1. A WebSocket begins with HTTP/1.1.
    WebSocket,
}

impl TlsProtocol {
    fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            TlsProtocol::Sip => vec![b"sip/2".to_vec(), b"sip".to_vec()],
            TlsProtocol::WebSocket => vec![b"http/1.1".to_vec()],
        }
    }
}

/// The TLS of one listener. It accepts and opens connections with its current terms.
///
/// Clones share the terms. New terms apply to new connections. Open connections keep the terms of their handshake.
#[derive(Clone)]
pub struct Tls {
    terms: watch::Sender<Prepared>,
    meter: TlsMeter,
}

#[derive(Clone)]
struct Prepared {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Prepared {
    fn of(terms: &TlsTerms) -> Result<Prepared, TlsError> {
        Ok(Prepared { server: Arc::new(terms.server_config()?), client: Arc::new(terms.client_config()?) })
    }
}

impl Tls {
    /// Creates the TLS of a listener with these terms. `meter` counts its handshakes.
    ///
    /// # Errors
    /// [`TlsError`] if required roots are missing, or if there are no random octets for ticket keys.
    pub fn new(terms: &TlsTerms, meter: TlsMeter) -> Result<Tls, TlsError> {
        Ok(Tls { terms: watch::Sender::new(Prepared::of(terms)?), meter })
    }

    /// Sets the terms for new connections. Sessions from the old terms cannot be resumed. A peer must therefore show a
    /// certificate that the new terms trust.
    ///
    /// # Errors
    /// The same errors as [`Tls::new`]. After an error the old terms stay in use.
    pub fn replace(&self, terms: &TlsTerms) -> Result<(), TlsError> {
        self.terms.send_replace(Prepared::of(terms)?);
        Ok(())
    }

    /// Performs the server's side of a handshake within the time `within`. Returns the names that the client's certificate
    /// proves, if the client shows a certificate.
    ///
    /// # Errors
    /// [`TlsFailure`]. The failure is counted, and the connection is unusable.
    pub async fn accept<S>(&self, stream: S, within: Duration) -> Result<Secured<S>, TlsFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.terms.borrow().server.clone();
        let handshake = async {
            let stream = TlsAcceptor::from(config).accept(stream).await;
            stream.map(TlsStream::Server)
        };
        self.finish(Side::Accept, timeout(within, handshake).await)
    }

    /// Performs the client's side of a handshake with the server of `domain`, within the time `within`. Returns the names that
    /// the server's certificate proves. `domain` is one of these names.
    ///
    /// # Errors
    /// [`TlsFailure`]. The failure is counted, and the connection is unusable.
    pub async fn connect<S>(
        &self,
        domain: &str,
        stream: S,
        within: Duration,
    ) -> Result<Secured<S>, TlsFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(name) = names::server_name(domain) else {
            self.meter.handshake(Side::Connect, Err(TlsFailure::Name));
            return Err(TlsFailure::Name);
        };
        let config = self.terms.borrow().client.clone();
        let handshake = async {
            let stream = TlsConnector::from(config).connect(name, stream).await;
            stream.map(TlsStream::Client)
        };
        self.finish(Side::Connect, timeout(within, handshake).await)
    }

    fn finish<S, E>(
        &self,
        side: Side,
        outcome: Result<std::io::Result<TlsStream<S>>, E>,
    ) -> Result<Secured<S>, TlsFailure> {
        let outcome = match outcome {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => {
                tracing::debug!(?side, %error, "TLS handshake failed");
                Err(TlsFailure::of(&error))
            }
            Err(_) => Err(TlsFailure::Timeout),
        };
        let success = outcome.as_ref().map(|stream| match stream.get_ref().1.handshake_kind() {
            Some(HandshakeKind::Resumed) => Success::Resumed,
            Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest) | None => Success::Full,
        });
        self.meter.handshake(side, success.map_err(|failure| *failure));
        let stream = outcome?;
        let names = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(names::identities);
        Ok(Secured { stream, names: names.map(Arc::new) })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Secured<S> {
    /// The encrypted stream.
    pub stream: TlsStream<S>,
    /// The SIP identities of the peer's certificate (RFC 5922 section 7.1). `None` if the peer showed no certificate.
    pub names: Option<Arc<TlsNames>>,
}

/// The certificates to choose from, best first.
#[derive(Debug)]
struct OfferedCertificates(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for OfferedCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable =
            || self.0.iter().filter(|key| key.key.choose_scheme(hello.signature_schemes()).is_some());
        let named = hello.server_name().and_then(|name| usable().find(|key| is_for(key, name)));
        named.or_else(|| usable().next()).cloned()
    }
}

impl ResolvesClientCert for OfferedCertificates {
    fn resolve(&self, _roots: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.iter().find(|key| key.key.choose_scheme(schemes).is_some()).cloned()
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

/// True if a certificate matches `name`, by its SIP URIs or its DNS names. A wildcard is enough here, because a browser accepts
/// wildcards. The client makes the final check.
fn is_for(key: &CertifiedKey, name: &str) -> bool {
    let Ok(certificate) = key.end_entity_cert() else { return false };
    names::speaks_for(certificate, name) || is_valid_for_name(certificate, name)
}

fn is_valid_for_name(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(certificate), Ok(name)) = (EndEntityCert::try_from(certificate), ServerName::try_from(name))
    else {
        return false;
    };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}
