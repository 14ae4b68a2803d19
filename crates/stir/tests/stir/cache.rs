//! The certificate cache: the choice of URLs to fetch, the times of fetches, and the lifetime of entries.

use std::time::Duration;

use attesta_stir::cert::{Cache, CacheConfig, FetchFailure, Fetched, Want};
use attesta_stir::{DEFAULT_PORTS, Facts, Reason, UnixTime, Verdict, Verifier, VerifyPolicy, X5u};

use crate::support::{CALLEE, CALLER, NOW, Pki, URL, at, field, identity, now, signed};

fn url(text: &str) -> X5u {
    X5u::parse(text, DEFAULT_PORTS).unwrap()
}

fn later(seconds: u64) -> UnixTime {
    at(NOW + seconds)
}

fn cache(pki: &Pki, config: CacheConfig) -> Cache {
    Cache::new(config, vec![pki.anchors()])
}

#[test]
fn one_fetch_is_in_flight_at_a_time() {
    let pki = Pki::new();
    let mut cache = cache(&pki, CacheConfig::default());
    let url = url(URL);
    assert_eq!(cache.want(&url, now()), Want::Fetch);
    assert_eq!(cache.want(&url, now()), Want::InFlight);
    cache.fetched(&url, now(), Ok(Fetched::new(pki.signer().1.as_bytes())));
    assert_eq!(cache.want(&url, now()), Want::Fresh);
    assert_eq!(cache.snapshot().credentials(), 1);
}

#[test]
fn failures_are_remembered_for_30_seconds() {
    let pki = Pki::new();
    let mut cache = cache(&pki, CacheConfig::default().negative(Duration::from_secs(30)));
    let url = url(URL);
    assert_eq!(cache.want(&url, now()), Want::Fetch);
    cache.fetched(&url, now(), Err(FetchFailure::Status(302)));
    assert_eq!(cache.want(&url, later(29)), Want::Failed { until: later(30) });
    assert_eq!(cache.snapshot().failure(URL), Some(FetchFailure::Status(302)));
    assert_eq!(cache.want(&url, later(30)), Want::Fetch);
    cache.fetched(&url, later(30), Ok(Fetched::new(b"<html>")));
    assert_eq!(cache.snapshot().failure(URL), Some(FetchFailure::Unparsable));
}

#[test]
fn a_remembered_failure_ends_the_verification() {
    let pki = Pki::new();
    let value = signed(&pki.signer().0);
    let mut cache = cache(&pki, CacheConfig::default());
    cache.want(&url(URL), now());
    cache.fetched(&url(URL), now(), Err(FetchFailure::Unreachable));
    let verifier = Verifier::new(pki.anchors(), VerifyPolicy::default());
    let (fields, orig, dest) = ([field(&value)], [identity(CALLER)], [identity(CALLEE)]);
    let facts = Facts::new(&fields).orig(&orig).dest(&dest);
    let verification = verifier.verify(&facts, &cache.snapshot(), later(10));
    assert!(verification.is_final());
    assert_eq!(verification.reason(), Some(Reason::CertificateUnavailable));
    assert!(!verifier.verify(&facts, &cache.snapshot(), later(40)).is_final(), "forgotten by then");
}

#[test]
fn credentials_are_kept_between_the_floor_and_the_ceiling() {
    let pki = Pki::new();
    let day = 24 * 3600;
    let config = CacheConfig::default().ceiling(Duration::from_secs(2 * day));
    let bundle = pki.signer().1;
    for (cache_control, due) in [
        ("no-store", day * 4 / 5),
        ("max-age=60", day * 4 / 5),
        ("max-age=108000", 86_400),
        ("max-age=31536000", 2 * day * 4 / 5),
    ] {
        let mut cache = cache(&pki, config.clone());
        cache.want(&url(URL), now());
        cache.fetched(&url(URL), now(), Ok(Fetched::new(bundle.as_bytes()).cache_control(cache_control)));
        assert!(cache.poll(later(due.min(day) - 1)).is_empty(), "{cache_control}");
        if due <= day {
            assert_eq!(cache.poll(later(due)), [url(URL)], "{cache_control}: refreshed ahead");
            assert!(cache.poll(later(due)).is_empty(), "in flight now");
        } else {
            assert!(cache.poll(later(day + 1)).is_empty(), "{cache_control}: the certificate has expired");
            assert_eq!(cache.snapshot().credentials(), 0);
        }
    }
}

#[test]
fn a_failed_refresh_leaves_the_credential_in_place() {
    let pki = Pki::new();
    let mut cache = cache(&pki, CacheConfig::default());
    cache.want(&url(URL), now());
    cache.fetched(&url(URL), now(), Ok(Fetched::new(pki.signer().1.as_bytes())));
    assert_eq!(cache.poll(later(80_000)), [url(URL)]);
    cache.fetched(&url(URL), later(80_000), Err(FetchFailure::Unreachable));
    assert_eq!(cache.snapshot().credentials(), 1);
    assert!(cache.poll(later(80_029)).is_empty());
    assert_eq!(cache.poll(later(80_030)), [url(URL)], "tried again after the time for failures");
}

#[test]
fn a_changed_key_is_fetched_again() {
    let pki = Pki::new();
    let (old, new) = (pki.signer(), pki.signer());
    let value = signed(&new.0);
    let mut cache = cache(&pki, CacheConfig::default());
    cache.want(&url(URL), at(NOW - 3600));
    cache.fetched(&url(URL), at(NOW - 3600), Ok(Fetched::new(old.1.as_bytes())));
    let verifier = Verifier::new(pki.anchors(), VerifyPolicy::default());
    let (fields, orig, dest) = ([field(&value)], [identity(CALLER)], [identity(CALLEE)]);
    let facts = Facts::new(&fields).orig(&orig).dest(&dest);
    let waiting = verifier.verify(&facts, &cache.snapshot(), now());
    assert_eq!(waiting.wanted(), [url(URL)]);
    assert_eq!(waiting.reason(), Some(Reason::SignatureInvalid), "what giving up would bring");
    assert_eq!(cache.want(&url(URL), now()), Want::Fetch);
    cache.fetched(&url(URL), now(), Ok(Fetched::new(new.1.as_bytes())));
    assert_eq!(verifier.verify(&facts, &cache.snapshot(), now()).verdict(), Verdict::Pass);

    let other = signed(&old.0);
    let fields = [field(&other)];
    let verification =
        verifier.verify(&Facts::new(&fields).orig(&orig).dest(&dest), &cache.snapshot(), now());
    assert!(verification.is_final(), "just fetched: no reason to ask again");
    assert_eq!(verification.reason(), Some(Reason::SignatureInvalid));
}

/// A provider that repairs its chain, or replaces a revoked certificate, is verified again before the regular
/// refresh of the cache.
#[test]
fn a_refused_certificate_is_fetched_again() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let value = signed(&signer);
    let mut cache = cache(&pki, CacheConfig::default());
    cache.want(&url(URL), at(NOW - 3600));
    let leaf_alone = bundle.split_inclusive("-----END CERTIFICATE-----").next().unwrap();
    cache.fetched(&url(URL), at(NOW - 3600), Ok(Fetched::new(leaf_alone.as_bytes())));
    let verifier = Verifier::new(pki.anchors(), VerifyPolicy::default());
    let (fields, orig, dest) = ([field(&value)], [identity(CALLER)], [identity(CALLEE)]);
    let facts = Facts::new(&fields).orig(&orig).dest(&dest);
    let waiting = verifier.verify(&facts, &cache.snapshot(), now());
    assert_eq!(waiting.wanted(), [url(URL)]);
    assert_eq!(waiting.reason(), Some(Reason::UntrustedIssuer), "what giving up would bring");
    assert_eq!(cache.want(&url(URL), now()), Want::Fetch);
    cache.fetched(&url(URL), now(), Err(FetchFailure::Unreachable));
    let verification = verifier.verify(&facts, &cache.snapshot(), now());
    assert!(verification.is_final(), "just tried: no reason to ask again");
    assert_eq!(verification.reason(), Some(Reason::UntrustedIssuer));
    assert_eq!(cache.want(&url(URL), later(60)), Want::Fetch);
    cache.fetched(&url(URL), later(60), Ok(Fetched::new(bundle.as_bytes())));
    assert_eq!(verifier.verify(&facts, &cache.snapshot(), later(60)).verdict(), Verdict::Pass);
}

#[test]
fn untrusted_urls_do_not_evict_trusted_credentials() {
    let pki = Pki::new();
    let mut cache = cache(&pki, CacheConfig::default().entries(4));
    let trusted = url(URL);
    cache.want(&trusted, now());
    cache.fetched(&trusted, now(), Ok(Fetched::new(pki.signer().1.as_bytes())));
    let untrusted = Pki::new().signer().1;
    for number in 0..20 {
        let url = url(&format!("https://evil.example/{number}"));
        assert_eq!(cache.want(&url, later(number)), Want::Fetch);
        let outcome = if number % 2 == 0 {
            Ok(Fetched::new(untrusted.as_bytes()))
        } else {
            Err(FetchFailure::TooLarge)
        };
        cache.fetched(&url, later(number), outcome);
    }
    let snapshot = cache.snapshot();
    assert!(snapshot.credential(URL).is_some());
    assert!(snapshot.credentials() <= 4);
}

#[test]
fn host_limits_and_fetches_in_progress() {
    let pki = Pki::new();
    let mut cache = cache(&pki, CacheConfig::default().entries(8).entries_per_host(2));
    assert_eq!(cache.want(&url("https://a.example/1"), now()), Want::Fetch);
    assert_eq!(cache.want(&url("https://a.example/2"), now()), Want::Fetch);
    assert!(matches!(cache.want(&url("https://a.example/3"), now()), Want::Failed { .. }));
    assert_eq!(cache.want(&url("https://b.example/1"), now()), Want::Fetch);
    cache.fetched(&url("https://a.example/1"), now(), Err(FetchFailure::Unreachable));
    assert_eq!(cache.want(&url("https://a.example/3"), now()), Want::Fetch);
    assert_eq!(cache.snapshot().failure("https://a.example/1"), None, "it made room");
}
