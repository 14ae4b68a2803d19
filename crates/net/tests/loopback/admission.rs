//! Limits of connections and handshakes: unknown sources get a share, and trunks can use the rest.

use std::time::Duration;

use attesta_net::{
    Acceptor, Ended, StreamLimits, Tls, TlsIdentity, TlsMeter, TlsRoots, TlsTerms, Unaccepted,
};
use rcgen::{CertificateParams, KeyPair};

use crate::streams::{Edge, Phone, unaccepted};

/// An address that the trunk claims, and an address that no trunk claims.
const TRUNK: &str = "127.0.0.1";
const UNKNOWN: &str = "127.0.0.2";

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// TLS for `edge.example`, which trusts its own certificate.
fn tls() -> Tls {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["edge.example".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let identity = TlsIdentity::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let roots = TlsRoots::from_pem(certificate.as_bytes()).unwrap();
    Tls::new(&TlsTerms::new(identity, roots), TlsMeter::default()).unwrap()
}

/// Waits until the edge has accepted `count` connections.
async fn accepted(edge: &Edge, count: u64) {
    while edge.control.report().await.unwrap().shell.streams.accepted < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn unknown_sources_cannot_take_all_connections() {
    let acceptor = Acceptor::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let edge = Edge::among_unknown_sources(acceptor, StreamLimits::default().accepted(4));
    let (first, _second) = (edge.phone_at(UNKNOWN).await, edge.phone_at(UNKNOWN).await);
    accepted(&edge, 2).await;
    assert!(edge.phone_at(UNKNOWN).await.hears().await.is_none());

    let mut trunks = Vec::new();
    for _ in 0..2 {
        let mut trunk = edge.phone_at(TRUNK).await;
        trunk.says(trunk.request("OPTIONS", "sip:edge.example", "")).await;
        assert!(trunk.hears().await.unwrap().starts_with("SIP/2.0 200 "));
        trunks.push(trunk);
    }
    assert!(edge.phone_at(TRUNK).await.hears().await.is_none());

    drop(first);
    edge.ends(Ended::ByPeer, 1).await;
    let mut again = edge.phone_at(UNKNOWN).await;
    again.says(again.request("OPTIONS", "sip:edge.example", "")).await;
    assert!(again.hears().await.unwrap().starts_with("SIP/2.0 403 "));
    let report = edge.stop().await;
    let refused = [Unaccepted::UnknownSourceCap, Unaccepted::Cap].map(|why| unaccepted(&report, why));
    assert_eq!((report.shell.streams.accepted, refused), (5, [1, 1]));
}

#[tokio::test]
async fn unknown_sources_cannot_take_all_handshakes() {
    let tls = tls();
    let acceptor = Acceptor::tls("127.0.0.1:0".parse().unwrap(), tls.clone()).unwrap();
    let edge = Edge::among_unknown_sources(acceptor, StreamLimits::default().handshakes(4).handshake(LONG));
    let (first, _second) = (edge.phone_at(UNKNOWN).await, edge.phone_at(UNKNOWN).await);
    accepted(&edge, 2).await;
    assert!(edge.phone_at(UNKNOWN).await.hears().await.is_none());

    let handshake =
        async |phone: Phone| tls.connect("edge.example", phone.stream, LONG).await.unwrap().stream;
    // Each handshake that ends makes room for the next.
    for _ in 0..5 {
        let trunk = edge.phone_at(TRUNK).await;
        let options = trunk.request("OPTIONS", "sip:edge.example", "").replace("2.0/TCP", "2.0/TLS");
        let mut trunk = Phone::on(handshake(trunk).await);
        trunk.says(options).await;
        assert!(trunk.hears().await.unwrap().starts_with("SIP/2.0 200 "));
    }

    drop(first);
    edge.ends(Ended::Handshake, 1).await;
    handshake(edge.phone_at(UNKNOWN).await).await;
    let report = edge.stop().await;
    let refused =
        [Unaccepted::UnknownSourceHandshakeCap, Unaccepted::HandshakeCap].map(|why| unaccepted(&report, why));
    assert_eq!((report.shell.streams.accepted, refused), (8, [1, 0]));
}
