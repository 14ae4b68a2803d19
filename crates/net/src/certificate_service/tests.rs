use attesta_stir::cert::{CacheConfig, TrustAnchors};
use hyper::StatusCode;
use tokio::task::JoinHandle;

use super::*;
use crate::fixture::Web;
use crate::repository::Answer;

/// A service at work on a web of one host.
struct Office {
    web: Web,
    certificates: Certificates,
    running: JoinHandle<()>,
}

impl Office {
    async fn open() -> Office {
        Office::with(CacheConfig::default(), FetchLimits::default()).await
    }

    async fn with(config: CacheConfig, limits: FetchLimits) -> Office {
        let web = Web::new().await;
        let anchors = TrustAnchors::from_pem(web.anchors.as_bytes()).unwrap();
        let cache = Cache::new(config, vec![anchors]);
        let (service, certificates) = CertificateService::new(cache, web.fetcher(web.config()), limits);
        Office { web, certificates, running: tokio::spawn(service.run()) }
    }

    /// Waits for a picture in which `seen` holds.
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
async fn one_fetch_serves_all_who_ask() {
    let mut office = Office::open().await;
    office.web.repository.serve("/a.pem", Answer::chain(office.web.chain.clone()));
    let url = office.web.url("/a.pem");
    for _ in 0..3 {
        assert!(office.certificates.want(url.clone()));
    }
    office.shows(|snapshot| snapshot.credential(url.as_str()).is_some()).await;
    assert!(office.certificates.want(url));
    assert_eq!(office.count("ok").await, 1);
    assert_eq!(office.web.repository.requests(), 1);
}

#[tokio::test]
async fn a_failure_is_published_and_remembered() {
    let mut office = Office::open().await;
    office.web.repository.serve("/a.pem", Answer::status(StatusCode::NOT_FOUND));
    let url = office.web.url("/a.pem");
    assert!(office.certificates.want(url.clone()));
    office.shows(|snapshot| snapshot.failure(url.as_str()) == Some(FetchFailure::Status(404))).await;
    assert!(office.certificates.want(url));
    assert_eq!(office.count("status").await, 1);
    assert_eq!(office.web.repository.requests(), 1, "nobody asks again while it is remembered");
}

#[tokio::test]
async fn what_is_no_chain_is_remembered_as_such() {
    let mut office = Office::open().await;
    office.web.repository.serve("/a.pem", Answer::chain("<html>"));
    let url = office.web.url("/a.pem");
    assert!(office.certificates.want(url.clone()));
    office.shows(|snapshot| snapshot.failure(url.as_str()) == Some(FetchFailure::Unparsable)).await;
}

#[tokio::test]
async fn a_server_that_stalls_holds_up_no_other_fetch() {
    let mut office = Office::open().await;
    office.web.repository.serve("/never.pem", Answer::never());
    office.web.repository.serve("/a.pem", Answer::chain(office.web.chain.clone()));
    assert!(office.certificates.want(office.web.url("/never.pem")));
    office.web.repository.requested(1).await;
    let url = office.web.url("/a.pem");
    assert!(office.certificates.want(url.clone()));
    office.shows(|snapshot| snapshot.credential(url.as_str()).is_some()).await;
}

#[tokio::test]
async fn fetches_for_one_host_are_bounded_and_the_rest_is_not_held_against_it() {
    let limits = FetchLimits::default().running(1, 1).waiting(1, 1);
    let mut office = Office::with(CacheConfig::default(), limits).await;
    office.web.repository.serve("/never.pem", Answer::never());
    assert!(office.certificates.want(office.web.url("/never.pem")));
    office.web.repository.requested(1).await;
    assert!(office.certificates.want(office.web.url("/waits.pem")));
    let turned_away = office.web.url("/turned-away.pem");
    assert!(office.certificates.want(turned_away.clone()));
    assert_eq!(office.count("busy").await, 1);
    assert_eq!(office.certificates.snapshot().failure(turned_away.as_str()), None);
}

#[tokio::test]
async fn a_credential_is_fetched_again_ahead_of_its_end() {
    let short = CacheConfig::default().floor(Duration::ZERO).ceiling(Duration::ZERO);
    let mut office = Office::with(short, FetchLimits::default()).await;
    office.web.repository.serve("/a.pem", Answer::chain(office.web.chain.clone()));
    let url = office.web.url("/a.pem");
    assert!(office.certificates.want(url.clone()));
    office.shows(|snapshot| snapshot.credential(url.as_str()).is_some()).await;
    let round = async {
        tokio::time::pause();
        tokio::time::advance(ROUND).await;
        tokio::time::resume();
    };
    round.await;
    office.web.repository.requested(2).await;
}

#[tokio::test]
async fn the_steward_goes_when_nobody_can_ask_any_more() {
    let office = Office::open().await;
    drop(office.certificates);
    office.running.await.unwrap();
}
