use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::*;
use crate::address::SpecialUse;
use crate::fixture::{HOST, Hosts, Web};
use crate::repository::Answer;

const PATH: &str = "/acme.pem";

async fn web(answer: Answer) -> Web {
    let web = Web::new().await;
    web.repository.serve(PATH, answer);
    web
}

async fn fetched(web: &Web, config: FetchConfig) -> Result<Document, FetchError> {
    web.fetcher(config).fetch(&web.url(PATH)).await
}

#[tokio::test]
async fn a_chain_arrives() {
    let web = web(Answer::chain("-----BEGIN CERTIFICATE-----")).await;
    let document = fetched(&web, web.config()).await.unwrap();
    assert_eq!(document.body(), "-----BEGIN CERTIFICATE-----");
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let web = web(Answer::redirect(HeaderValue::from_static("/other.pem"))).await;
    web.repository.serve("/other.pem", Answer::chain("chain"));
    assert_eq!(fetched(&web, web.config()).await.unwrap_err(), FetchError::Redirect(302));
    assert_eq!(web.repository.requests(), 1);
}

#[tokio::test]
async fn only_status_200_is_a_success() {
    for status in [204, 206, 304, 404, 500] {
        let web = web(Answer::status(StatusCode::from_u16(status).unwrap())).await;
        let expected = if status == 304 { FetchError::Redirect(status) } else { FetchError::Status(status) };
        assert_eq!(fetched(&web, web.config()).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn a_private_address_is_refused_before_any_connection() {
    let web = web(Answer::chain("chain")).await;
    let refused = fetched(&web, web.config().allow_private(Vec::new())).await.unwrap_err();
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    assert_eq!(refused, FetchError::Refused(RefusedAddress { address, special_use: SpecialUse::Loopback }));
    assert_eq!(web.repository.requests(), 0);
}

#[tokio::test]
async fn a_literal_private_address_is_refused_too() {
    let web = web(Answer::chain("chain")).await;
    let fetcher = web.fetcher(web.config().allow_private(Vec::new()));
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0"] {
        let outcome = fetcher.fetch(&web.url_at(host, PATH)).await;
        assert!(matches!(outcome, Err(FetchError::Refused(_))), "{host}: {outcome:?}");
    }
}

#[tokio::test]
async fn private_addresses_of_a_name_are_never_tried() {
    let web = web(Answer::chain("chain")).await;
    let hosts = Arc::new(Hosts::new().at(HOST, Ipv4Addr::new(10, 0, 0, 1)).at(HOST, Ipv4Addr::LOCALHOST));
    let fetcher = Fetcher::with_names(web.config(), hosts.clone()).unwrap();
    // A connection attempt to 10.0.0.1 would use up a share of the time. The fetcher skips this address and uses the allowed
    // address.
    assert!(fetcher.fetch(&web.url(PATH)).await.is_ok());
    assert_eq!(hosts.asked(), 1, "the connection goes to the address that was checked");
}

#[tokio::test]
async fn a_name_with_only_private_addresses_is_refused() {
    let web = web(Answer::chain("chain")).await;
    let hosts = Hosts::new().at(HOST, Ipv4Addr::new(169, 254, 169, 254));
    let fetcher = Fetcher::with_names(web.config(), Arc::new(hosts)).unwrap();
    let refused = fetcher.fetch(&web.url(PATH)).await.unwrap_err();
    assert_eq!(refused.as_str(), "refused-address");
}

#[tokio::test]
async fn a_name_without_an_address_fails_as_dns() {
    let web = web(Answer::chain("chain")).await;
    let fetcher = Fetcher::with_names(web.config(), Arc::new(Hosts::new())).unwrap();
    let failure = fetcher.fetch(&web.url(PATH)).await.unwrap_err();
    assert_eq!((failure, failure.as_str()), (FetchError::Name(LookupError::NotFound), "dns"));
}

#[tokio::test]
async fn a_port_that_is_not_listed_is_refused() {
    let web = web(Answer::chain("chain")).await;
    let port = web.repository.local().port();
    assert_eq!(fetched(&web, web.config().ports(vec![443])).await.unwrap_err(), FetchError::Port(port));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_or_without_a_length() {
    let answer = Answer::chain(vec![b'x'; 64 * 1024 + 1]);
    for answer in [answer.clone(), answer.chunked()] {
        let web = web(answer).await;
        assert_eq!(fetched(&web, web.config()).await.unwrap_err(), FetchError::TooLarge);
    }
    let web = web(Answer::chain(vec![b'x'; 64 * 1024]).chunked()).await;
    assert_eq!(fetched(&web, web.config()).await.unwrap().body().len(), 64 * 1024);
}

#[tokio::test]
async fn a_header_over_the_limit_is_refused() {
    let filler = HeaderValue::from_str(&"x".repeat(HEADER_OCTETS)).unwrap();
    let web = web(Answer::chain("chain").header(hyper::header::WARNING, filler)).await;
    assert_eq!(fetched(&web, web.config()).await.unwrap_err(), FetchError::TooLarge);
}

#[tokio::test]
async fn a_server_that_never_answers_costs_only_the_time_limit() {
    let web = web(Answer::never()).await;
    let fetcher = web.fetcher(web.config());
    let url = web.url(PATH);
    let fetch = tokio::spawn(async move { fetcher.fetch(&url).await });
    web.repository.requested(1).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(fetch.await.unwrap().unwrap_err(), FetchError::Timeout);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let web = web(Answer::chain("chain")).await;
    let hosts = Hosts::new().at("cr.example.com", Ipv4Addr::LOCALHOST);
    let fetcher = Fetcher::with_names(web.config(), Arc::new(hosts)).unwrap();
    assert_eq!(
        fetcher.fetch(&web.url_at("cr.example.com", PATH)).await.unwrap_err(),
        FetchError::Certificate
    );
}

#[tokio::test]
async fn an_unconfigured_root_is_not_trusted() {
    let (web, other) = (web(Answer::chain("chain")).await, Web::new().await);
    let config = web.config().roots(vec![other.root.clone()]);
    assert_eq!(fetched(&web, config).await.unwrap_err(), FetchError::Certificate);
}

#[tokio::test]
async fn a_closed_port_fails_as_connect() {
    let web = web(Answer::chain("chain")).await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let fetcher = web.fetcher(web.config().ports(vec![unused.port()]));
    let url = X5u::parse(&format!("https://{HOST}:{}{PATH}", unused.port()), &[unused.port()]).unwrap();
    let failure = fetcher.fetch(&url).await.unwrap_err();
    assert_eq!(failure, FetchError::Connect(io::ErrorKind::ConnectionRefused));
}

#[test]
fn each_failure_has_its_own_label() {
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    let failures = [
        FetchError::Url,
        FetchError::Port(80),
        FetchError::Name(LookupError::NotFound),
        FetchError::Refused(RefusedAddress { address, special_use: SpecialUse::Loopback }),
        FetchError::Connect(io::ErrorKind::ConnectionRefused),
        FetchError::Certificate,
        FetchError::Tls,
        FetchError::Http,
        FetchError::Redirect(302),
        FetchError::Status(404),
        FetchError::TooLarge,
        FetchError::Timeout,
        FetchError::Busy,
    ];
    let words: Vec<_> = std::iter::once(OK).chain(failures.map(FetchError::as_str)).collect();
    assert_eq!(words, RESULTS);
}

#[tokio::test]
async fn no_roots_is_an_error_at_the_start() {
    assert_eq!(Fetcher::new(FetchConfig::default().native_roots(false)).unwrap_err(), NoRoots);
}
