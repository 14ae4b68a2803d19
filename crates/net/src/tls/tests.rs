//! Tests of handshakes between two instances of our TLS, and of replaced certificates.

use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::clock::Clock;
use crate::tls::counters::TlsCounters;
use crate::tls::files::{Pem, TLS_FILES_POLL, TlsFiles};

/// The time limit of a handshake.
const TIME: Duration = Duration::from_secs(5);

/// A root and its key. It issues certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    fn roots(&self) -> TlsRoots {
        TlsRoots::from_pem(self.pem.as_bytes()).unwrap()
    }

    /// Issues a certificate for `uris` and `names`. Returns the certificate and its key, in PEM.
    fn issue(&self, uris: &[&str], names: &[&str]) -> (String, String) {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|&uri| SanType::URI(uri.try_into().unwrap())));
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn identity(&self, uris: &[&str], names: &[&str]) -> TlsIdentity {
        let (certificate, key) = self.issue(uris, names);
        TlsIdentity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
    }

    /// Returns terms that trust this root and have a certificate for `domain`.
    fn terms(&self, domain: &str) -> TlsTerms {
        TlsTerms::new(self.identity(&[], &[domain]), self.roots())
    }
}

fn tls(terms: &TlsTerms) -> Tls {
    Tls::new(terms, TlsMeter::default()).unwrap()
}

type Outcome = Result<Secured<DuplexStream>, TlsFailure>;

/// Performs a handshake of `client` with `server`, for the name `domain`.
async fn meet(server: &Tls, client: &Tls, domain: &str) -> (Outcome, Outcome) {
    let (near, far) = duplex(64 * 1024);
    tokio::join!(server.accept(near, TIME), async {
        let mut outcome = client.connect(domain, far, TIME).await;
        // In TLS 1.3, the client finishes before the server has checked the client's certificate. This read receives the
        // server's alert.
        if let Ok(secured) = &mut outcome {
            let mut octet = [0];
            let _ = timeout(Duration::from_millis(1), secured.stream.read(&mut octet)).await;
        }
        outcome
    })
}

fn names(secured: &Secured<DuplexStream>) -> Vec<&str> {
    secured.names.iter().flat_map(|names| names.iter()).collect()
}

fn count(meter: &TlsMeter, side: &str, result: &str) -> u64 {
    let counters = meter.counters();
    counters.handshakes().find(|(s, r, _)| *s == side && *r == result).map(|(_, _, count)| count).unwrap()
}

#[tokio::test]
async fn the_server_proves_the_name_that_was_called() {
    let authority = Authority::new();
    let server = tls(&authority.terms("sip.a.example"));
    let client = tls(&authority.terms("sip.b.example"));
    let (accepted, connected) = meet(&server, &client, "SIP.a.example").await;
    let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
    assert_eq!(names(&connected), ["sip.a.example"]);
    assert!(accepted.names.is_none(), "the client was not asked");
    accepted.stream.write_all(b"hello").await.unwrap();
    accepted.stream.flush().await.unwrap();
    let mut heard = [0; 5];
    connected.stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
}

#[tokio::test]
async fn another_name_an_unknown_root_and_a_wildcard_are_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = tls(&authority.terms("sip.a.example"));
    let client = tls(&authority.terms("sip.b.example"));
    let (accepted, connected) = meet(&server, &client, "a.example").await;
    assert_eq!(connected.unwrap_err(), TlsFailure::Name);
    assert_eq!(accepted.unwrap_err(), TlsFailure::Alert);

    let (_, connected) = meet(&server, &tls(&other.terms("c.example")), "sip.a.example").await;
    assert_eq!(connected.unwrap_err(), TlsFailure::Certificate);

    let wild = tls(&authority.terms("*.a.example"));
    assert_eq!(meet(&wild, &client, "sip.a.example").await.1.unwrap_err(), TlsFailure::Name);
    assert_eq!(count(&client.meter, "connect", "name"), 2);
    assert_eq!(count(&server.meter, "accept", "alert"), 2);
}

#[tokio::test]
async fn a_client_proves_its_names_where_it_is_asked() {
    let authority = Authority::new();
    let asking = |clients| tls(&authority.terms("sip.a.example").clients(clients));
    let acme =
        tls(&TlsTerms::new(authority.identity(&["sip:acme.example"], &["x.example"]), authority.roots()));
    for clients in [TlsClients::Required(authority.roots()), TlsClients::Optional(authority.roots())] {
        let (accepted, _) = meet(&asking(clients), &acme, "sip.a.example").await;
        assert_eq!(names(&accepted.unwrap()), ["acme.example"]);
    }

    let other = Authority::new();
    let mut imposter = TlsTerms::new(other.identity(&["sip:acme.example"], &[]), authority.roots());
    for clients in [TlsClients::Required(authority.roots()), TlsClients::Optional(authority.roots())] {
        let (accepted, _) = meet(&asking(clients), &tls(&imposter), "sip.a.example").await;
        assert_eq!(accepted.unwrap_err(), TlsFailure::Certificate);
    }

    imposter.identities.clear();
    let anonymous = tls(&imposter);
    let (accepted, _) =
        meet(&asking(TlsClients::Required(authority.roots())), &anonymous, "sip.a.example").await;
    assert_eq!(accepted.unwrap_err(), TlsFailure::NoCertificate);
    let (accepted, _) =
        meet(&asking(TlsClients::Optional(authority.roots())), &anonymous, "sip.a.example").await;
    assert!(accepted.unwrap().names.is_none());
}

#[tokio::test]
async fn the_certificate_is_chosen_by_the_name_asked_for() {
    let authority = Authority::new();
    let terms = authority
        .terms("one.example")
        .identity(authority.identity(&["sip:two.example"], &[]))
        .identity(authority.identity(&[], &["*.web.example"]));
    let (server, client) = (tls(&terms), tls(&authority.terms("c.example")));
    for name in ["one.example", "two.example"] {
        let (_, connected) = meet(&server, &client, name).await;
        assert_eq!(names(&connected.unwrap()), [name]);
    }
    // A SIP client refuses the wildcard although the server chose it. A browser would accept it.
    assert_eq!(meet(&server, &client, "a.web.example").await.1.unwrap_err(), TlsFailure::Name);
    // For an unknown name the server shows its first certificate.
    assert_eq!(meet(&server, &client, "other.example").await.1.unwrap_err(), TlsFailure::Name);
}

#[tokio::test]
async fn a_session_is_resumed_with_what_was_proved() {
    let authority = Authority::new();
    let server = tls(&authority.terms("sip.a.example").clients(TlsClients::Required(authority.roots())));
    let client = tls(&authority.terms("acme.example"));
    for _ in 0..3 {
        let (accepted, connected) = meet(&server, &client, "sip.a.example").await;
        assert_eq!(names(&accepted.unwrap()), ["acme.example"]);
        assert_eq!(names(&connected.unwrap()), ["sip.a.example"]);
    }
    assert_eq!((count(&server.meter, "accept", "full"), count(&server.meter, "accept", "resumed")), (1, 2));

    // New terms end old sessions. The client must show its certificate again, and is refused.
    let other = Authority::new();
    server.replace(&authority.terms("sip.a.example").clients(TlsClients::Required(other.roots()))).unwrap();
    let (accepted, _) = meet(&server, &client, "sip.a.example").await;
    assert_eq!(accepted.unwrap_err(), TlsFailure::Certificate);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_ends_after_its_time_limit() {
    let authority = Authority::new();
    let server = tls(&authority.terms("sip.a.example"));
    let (near, mut far) = duplex(1024);
    far.write_all(&[0x16, 0x03, 0x01, 0x01, 0x00]).await.unwrap();
    let begun = Clock::mono();
    assert_eq!(server.accept(near, TIME).await.unwrap_err(), TlsFailure::Timeout);
    assert_eq!(Clock::mono() - begun, TIME);
    assert_eq!(count(&server.meter, "accept", "timeout"), 1);

    let (near, far) = duplex(1024);
    let begun = Clock::mono();
    assert_eq!(server.connect("a.example", near, TIME).await.unwrap_err(), TlsFailure::Timeout);
    assert_eq!(Clock::mono() - begun, TIME);
    drop(far);
}

#[tokio::test]
async fn input_that_is_not_tls_is_counted() {
    let authority = Authority::new();
    let server = tls(&authority.terms("sip.a.example"));
    let (near, mut far) = duplex(1024);
    far.write_all(b"OPTIONS sip:a.example SIP/2.0\r\n\r\n").await.unwrap();
    assert_eq!(server.accept(near, TIME).await.unwrap_err(), TlsFailure::NotTls);
    let (near, far) = duplex(1024);
    drop(far);
    assert_eq!(server.accept(near, TIME).await.unwrap_err(), TlsFailure::Closed);
    assert_eq!(server.connect("no name", duplex(1).0, TIME).await.unwrap_err(), TlsFailure::Name);
}

#[test]
fn a_key_must_match_its_certificate() {
    let authority = Authority::new();
    let ((certificate, key), (_, other)) =
        (authority.issue(&[], &["a.example"]), authority.issue(&[], &["a.example"]));
    let read = |certificate: &str, key: &str| {
        TlsIdentity::from_pem(certificate.as_bytes(), key.as_bytes()).map(drop).unwrap_err().to_string()
    };
    assert_eq!(read(&certificate, &other), TlsError::KeyMismatch.to_string());
    assert_eq!(read(&key, &key), TlsError::NoCertificate.to_string());
    assert_eq!(read(&certificate, &certificate), TlsError::NoKey.to_string());
    assert_eq!(
        read("-----BEGIN CERTIFICATE-----\nMAMB\n-----END CERTIFICATE-----\n", &key),
        TlsError::Certificate.to_string()
    );
    let identity = TlsIdentity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    assert!(identity.check(Clock::unix()).is_ok());
    let at = |seconds| rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    assert!(matches!(identity.check(at(0)), Err(TlsError::NotYetValid)));
    assert!(matches!(identity.check(at(u64::MAX)), Err(TlsError::Expired)));
    assert!(TlsRoots::from_pem(key.as_bytes()).is_err());
}

/// True if the listener now shows a certificate for `name`.
async fn shows(server: &Tls, client: &Tls, name: &str) -> bool {
    meet(server, client, name).await.1.is_ok()
}

fn write(folder: &Path, (certificate, key): &(String, String)) {
    std::fs::write(folder.join("edge.pem"), certificate).unwrap();
    std::fs::write(folder.join("edge.key.pem"), key).unwrap();
}

/// Waits until a count of another task satisfies `reached`.
async fn until(meter: &TlsMeter, reached: impl Fn(TlsCounters) -> bool) {
    while !reached(meter.counters()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn new_files_are_loaded_and_unusable_files_ignored() {
    let authority = Authority::new();
    let folder = std::env::temp_dir().join(format!("attesta-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    write(&folder, &authority.issue(&[], &["old.example"]));
    std::fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
    let file = |name| Pem::File(folder.join(name));
    let files = TlsFiles::new(file("edge.pem"), file("edge.key.pem")).roots(file("ca.pem"));
    let server = tls(&files.load_valid(Clock::unix()).unwrap());
    let client = tls(&authority.terms("c.example"));
    let following = tokio::spawn(files.clone().follow(server.clone()));
    assert!(shows(&server, &client, "old.example").await);

    // The first check must end before the files change.
    tokio::time::sleep(TLS_FILES_POLL * 2).await;
    write(&folder, &authority.issue(&[], &["new.example"]));
    until(&server.meter, |counters| counters.reloaded == 1).await;
    assert!(shows(&server, &client, "new.example").await && !shows(&server, &client, "old.example").await);

    std::fs::write(folder.join("edge.pem"), "not a certificate").unwrap();
    until(&server.meter, |counters| counters.reloads_refused == 1).await;
    assert!(shows(&server, &client, "new.example").await);
    let error = files.load().unwrap_err();
    assert_eq!(files.path(error.file), Some(folder.join("edge.pem").as_path()));

    following.abort();
    std::fs::remove_dir_all(&folder).unwrap();
}
