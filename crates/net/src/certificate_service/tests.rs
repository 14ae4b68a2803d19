use attesta_stir::cert::{CacheConfig, TrustAnchors};
use hyper::StatusCode;
use tokio::task::JoinHandle;

use super::*;
use crate::fixture::Web;
use crate::repository::Answer;

/// A running service, and a web server for one host.
struct Fixture {
    web: Web,
    certificates: Certificates,
    running: JoinHandle<()>,
}

impl Fixture {
    async fn start() -> Fixture {
        Fixture::with(CacheConfig::default(), FetchLimits::default()).await
    }

    async fn with(config: CacheConfig, limits: FetchLimits) -> Fixture {
        let web = Web::new().await;
        let anchors = TrustAnchors::from_pem(web.anchors.as_bytes()).unwrap();
        let cache = Cache::new(config, vec![anchors]);
        let (service, certificates) = CertificateService::new(cache, web.fetcher(web.config()), limits);
        Fixture { web, certificates, running: tokio::spawn(service.run()) }
    }

    /// Waits for a snapshot for which `seen` returns true.
    async fn shows(&mut self, seen: impl Fn(&Snapshot) -> bool) {
        while !seen(&self.certificates.snapshot()) {
            self.certificates.changed().await;
        }
    }

    async fn count(&self, result: &str) -> u64 {
        let counters = self.certificates.counters().await.unwrap();
        counters.iter().find(|(word, _)| *word == result).unwrap().1
    }
}

#[tokio::test]
async fn one_fetch_serves_all_requests() {
    let mut fixture = Fixture::start().await;
    fixture.web.repository.serve("/a.pem", Answer::chain(fixture.web.chain.clone()));
    let url = fixture.web.url("/a.pem");
    for _ in 0..3 {
        assert!(fixture.certificates.want(url.clone()));
    }
    fixture.shows(|snapshot| snapshot.credential(url.as_str()).is_some()).await;
    assert!(fixture.certificates.want(url));
    assert_eq!(fixture.count("ok").await, 1);
    assert_eq!(fixture.web.repository.requests(), 1);
}

#[tokio::test]
async fn a_failure_is_published_and_remembered() {
    let mut fixture = Fixture::start().await;
    fixture.web.repository.serve("/a.pem", Answer::status(StatusCode::NOT_FOUND));
    let url = fixture.web.url("/a.pem");
    assert!(fixture.certificates.want(url.clone()));
    fixture.shows(|snapshot| snapshot.failure(url.as_str()) == Some(FetchFailure::Status(404))).await;
    assert!(fixture.certificates.want(url));
    assert_eq!(fixture.count("status").await, 1);
    assert_eq!(fixture.web.repository.requests(), 1, "no second request while the failure is remembered");
}

#[tokio::test]
async fn an_unparsable_chain_is_remembered_as_a_failure() {
    let mut fixture = Fixture::start().await;
    fixture.web.repository.serve("/a.pem", Answer::chain("<html>"));
    let url = fixture.web.url("/a.pem");
    assert!(fixture.certificates.want(url.clone()));
    fixture.shows(|snapshot| snapshot.failure(url.as_str()) == Some(FetchFailure::Unparsable)).await;
}

#[tokio::test]
async fn a_stalled_server_does_not_delay_other_fetches() {
    let mut fixture = Fixture::start().await;
    fixture.web.repository.serve("/never.pem", Answer::never());
    fixture.web.repository.serve("/a.pem", Answer::chain(fixture.web.chain.clone()));
    assert!(fixture.certificates.want(fixture.web.url("/never.pem")));
    fixture.web.repository.requested(1).await;
    let url = fixture.web.url("/a.pem");
    assert!(fixture.certificates.want(url.clone()));
    fixture.shows(|snapshot| snapshot.credential(url.as_str()).is_some()).await;
}

#[tokio::test]
async fn a_refused_fetch_is_not_remembered_as_a_failure() {
    let limits = FetchLimits::default().running(1, 1).waiting(1, 1);
    let mut fixture = Fixture::with(CacheConfig::default(), limits).await;
    fixture.web.repository.serve("/never.pem", Answer::never());
    assert!(fixture.certificates.want(fixture.web.url("/never.pem")));
    fixture.web.repository.requested(1).await;
    assert!(fixture.certificates.want(fixture.web.url("/waits.pem")));
    let turned_away = fixture.web.url("/turned-away.pem");
    assert!(fixture.certificates.want(turned_away.clone()));
    assert_eq!(fixture.count("busy").await, 1);
    assert_eq!(fixture.certificates.snapshot().failure(turned_away.as_str()), None);
}

#[tokio::test]
async fn the_service_ends_with_its_last_handle() {
    let fixture = Fixture::start().await;
    drop(fixture.certificates);
    fixture.running.await.unwrap();
}
