//! The certificate cache: the choice of URLs to fetch, the times of fetches, and the lifetime of entries.

use std::time::Duration;

use attesta_stir::cert::{Cache, CacheConfig, FetchFailure, Fetched, Want};
use attesta_stir::{DEFAULT_PORTS, Facts, Reason, Signer, UnixTime, Verdict, Verifier, VerifyPolicy, X5u};

use crate::support::{CALLEE, CALLER, NOW, Pki, URL, at, field, identity, now, signed, verify};

fn url(text: &str) -> X5u {
    X5u::parse(text, DEFAULT_PORTS).unwrap()
}

fn later(seconds: u64) -> UnixTime {
    at(NOW + seconds)
}

fn cache(pki: &Pki, config: CacheConfig) -> Cache {
    Cache::new(config, vec![pki.anchors()])
}

/// Verifies a call of `signer` with the content of `cache`. Only credentials that verify calls are fetched again.
fn verify_call(pki: &Pki, cache: &Cache, signer: &Signer) {
    let value = signed(signer);
    assert_eq!(verify(&pki.anchors(), &[field(&value)], &cache.snapshot()).verdict(), Verdict::Pass);
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
    let (signer, bundle) = pki.signer();
    for (cache_control, due) in [
        ("no-store", day * 4 / 5),
        ("max-age=60", day * 4 / 5),
        ("max-age=108000", 86_400),
        ("max-age=31536000", 2 * day * 4 / 5),
    ] {
        let mut cache = cache(&pki, config.clone());
        cache.want(&url(URL), now());
        cache.fetched(&url(URL), now(), Ok(Fetched::new(bundle.as_bytes()).cache_control(cache_control)));
        verify_call(&pki, &cache, &signer);
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
    let (signer, bundle) = pki.signer();
    cache.fetched(&url(URL), now(), Ok(Fetched::new(bundle.as_bytes())));
    verify_call(&pki, &cache, &signer);
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
    let mut cache = cache(&pki, CacheConfig::default().entries(8).entries_per_site(2));
    assert_eq!(cache.want(&url("https://a.example/1"), now()), Want::Fetch);
    assert_eq!(cache.want(&url("https://a.example/2"), now()), Want::Fetch);
    assert_eq!(cache.want(&url("https://a.example/3"), now()), Want::Full);
    assert_eq!(cache.want(&url("https://b.example/1"), now()), Want::Fetch);
    cache.fetched(&url("https://a.example/1"), now(), Err(FetchFailure::Unreachable));
    assert_eq!(cache.want(&url("https://a.example/3"), now()), Want::Fetch);
    assert_eq!(cache.snapshot().failure("https://a.example/1"), None, "it made room");
}

/// A credential that no call uses is not fetched again. It is forgotten at the end of its lifetime. The URL is still
/// known as one that verified a call.
#[test]
fn unused_credentials_are_not_fetched_again() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let config = CacheConfig::default().floor(Duration::from_secs(1000));
    let mut cache = cache(&pki, config);
    let url = url(URL);
    assert_eq!(cache.want(&url, now()), Want::Fetch);
    cache.fetched(&url, now(), Ok(Fetched::new(bundle.as_bytes()).cache_control("max-age=1000")));
    assert!(cache.poll(later(900)).is_empty(), "no call has used it");
    assert!(!cache.has_verified(&url));
    verify_call(&pki, &cache, &signer);
    assert_eq!(cache.poll(later(901)), std::slice::from_ref(&url), "a call has used it");
    let fresh = Fetched::new(bundle.as_bytes()).cache_control("max-age=1000");
    cache.fetched(&url, later(901), Ok(fresh));
    assert!(cache.poll(later(1900)).is_empty(), "no call has used the new credential");
    assert_eq!(cache.snapshot().credentials(), 1);
    assert!(cache.poll(later(1901)).is_empty());
    assert_eq!((cache.snapshot().credentials(), cache.octets()), (0, 0));
    assert!(cache.has_verified(&url), "the next fetch uses the share of known URLs");
}

/// The attacker serves one chain under many URLs. If this test fails, the copies push other signers out of the cache.
#[test]
fn copies_of_a_chain_take_few_entries() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let mut cache = cache(&pki, CacheConfig::default().entries(16));
    cache.want(&url(URL), now());
    cache.fetched(&url(URL), now(), Ok(Fetched::new(bundle.as_bytes())));
    verify_call(&pki, &cache, &signer);
    let other = url("https://other.example/leaf.pem");
    cache.want(&other, now());
    cache.fetched(&other, now(), Ok(Fetched::new(pki.signer().1.as_bytes())));
    for number in 0..200 {
        let copy = url(&format!("https://h{number}.example/leaf.pem"));
        assert_eq!(cache.want(&copy, later(number)), Want::Fetch);
        cache.fetched(&copy, later(number), Ok(Fetched::new(bundle.as_bytes())));
        let snapshot = cache.snapshot();
        assert!(snapshot.credentials() <= 9, "{}", snapshot.credentials());
        assert!(snapshot.credential(URL).is_some(), "the URL that verifies calls stays");
        assert!(snapshot.credential(other.as_str()).is_some(), "another signer stays");
        assert!(std::sync::Arc::ptr_eq(
            snapshot.credential(copy.as_str()).unwrap(),
            snapshot.credential(URL).unwrap()
        ));
    }
}

/// The attacker fills the cache with trusted chains of others. If this test fails, the signers that are in use are evicted.
#[test]
fn credentials_in_use_are_not_evicted() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let mut cache = cache(&pki, CacheConfig::default().entries(4));
    cache.want(&url(URL), now());
    cache.fetched(&url(URL), now(), Ok(Fetched::new(bundle.as_bytes())));
    verify_call(&pki, &cache, &signer);
    let bundles: Vec<_> = (0..20).map(|_| pki.signer().1).collect();
    for (number, bundle) in (10..).zip(&bundles) {
        let other = url(&format!("https://h{number}.example/leaf.pem"));
        assert_eq!(cache.want(&other, later(number)), Want::Fetch);
        cache.fetched(&other, later(number), Ok(Fetched::new(bundle.as_bytes())));
        assert!(cache.snapshot().credential(URL).is_some(), "{number}");
    }
    assert_eq!(cache.snapshot().credentials(), 4);

    let mut full = Cache::new(CacheConfig::default().entries(1), vec![pki.anchors()]);
    full.want(&url(URL), now());
    full.fetched(&url(URL), now(), Ok(Fetched::new(bundle.as_bytes())));
    verify_call(&pki, &full, &signer);
    let other = url("https://other.example/leaf.pem");
    assert_eq!(full.want(&other, later(3599)), Want::Full, "the only entry is in use");
    assert_eq!(full.want(&other, later(3600)), Want::Fetch, "an hour without a call");
}

/// The use of a credential refreshes its age, although no verification asks the cache for it.
#[test]
fn the_credential_without_calls_for_the_longest_time_is_evicted_first() {
    let pki = Pki::new();
    let mut cache = cache(&pki, CacheConfig::default().entries(2).in_use(Duration::ZERO));
    let (signer, bundle) = pki.signer();
    let other = url("https://other.example/leaf.pem");
    for (url, bundle, asked) in [(&url(URL), &bundle, NOW - 50), (&other, &pki.signer().1, NOW - 40)] {
        cache.want(url, at(asked));
        cache.fetched(url, at(asked), Ok(Fetched::new(bundle.as_bytes())));
    }
    verify_call(&pki, &cache, &signer);
    cache.want(&url("https://third.example/leaf.pem"), later(1));
    assert!(cache.snapshot().credential(URL).is_some(), "older, but a call has used it");
    assert!(cache.snapshot().credential(other.as_str()).is_none());
}

/// The attacker serves the largest possible bodies. If this test fails, the cache takes gigabytes.
#[test]
fn large_chains_do_not_exceed_the_octets_of_the_cache() {
    let pki = Pki::new();
    let (signer, bundle) = pki.signer();
    let limit = 16 * bundle.len();
    let mut cache = cache(&pki, CacheConfig::default().octets(limit));
    cache.want(&url(URL), now());
    cache.fetched(&url(URL), now(), Ok(Fetched::new(bundle.as_bytes())));
    verify_call(&pki, &cache, &signer);
    let untrusted = Pki::new();
    for number in 0..100 {
        let padded = url(&format!("https://h{number}.example/leaf.pem"));
        assert_eq!(cache.want(&padded, later(number)), Want::Fetch);
        let body = untrusted.signer().1 + &untrusted.intermediate_pem.repeat(4);
        cache.fetched(&padded, later(number), Ok(Fetched::new(body.as_bytes())));
        assert!(cache.octets() <= limit + body.len(), "{}", cache.octets());
        assert!(cache.snapshot().credential(URL).is_some());
    }
}
