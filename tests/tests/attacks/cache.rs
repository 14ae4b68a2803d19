//! Class 10: callers choose certificate URLs. They must not take the fetches and the cache from honest signers.
//!
//! The certificate service runs with a real HTTPS repository on loopback. The names of the attacker resolve to it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use attesta_net::{
    Answer, CertificateService, Certificates, FetchConfig, FetchLimits, Fetcher, Lookup, Names, Repository,
    RepositoryConfig,
};
use attesta_stir::X5u;
use attesta_stir::cert::{Cache, CacheConfig, TrustAnchors};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;

/// Resolves every name to loopback.
struct Everywhere;

impl Names for Everywhere {
    fn lookup(&self, _: &str) -> Lookup {
        Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) })
    }
}

/// A certificate service, and a repository for an honest host and for the hosts of an attacker.
struct Edge {
    repository: Repository,
    certificates: Certificates,
    chain: String,
}

impl Edge {
    async fn start() -> Edge {
        let root_key = KeyPair::generate().expect("the test hierarchy is well formed");
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_certificate = root.self_signed(&root_key).expect("the test hierarchy is well formed");
        let issuer = Issuer::new(root, root_key);
        let key = KeyPair::generate().expect("the test hierarchy is well formed");
        let names = ["honest.example.net", "*.evil.example.org", "*.example.com"].map(str::to_owned);
        let server = CertificateParams::new(names)
            .expect("the test hierarchy is well formed")
            .signed_by(&key, &issuer)
            .expect("the test hierarchy is well formed");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("the test hierarchy is well formed");
        let config = RepositoryConfig::new(vec![server.der().clone()], key);
        let repository = Repository::bind(config).await.expect("the test hierarchy is well formed");
        let fetches = FetchConfig::default()
            .native_roots(false)
            .roots(vec![root_certificate.der().clone()])
            .ports(vec![repository.local().port()])
            .allow_private(vec!["127.0.0.0/8".parse().expect("the test hierarchy is well formed")]);
        let fetcher =
            Fetcher::with_names(fetches, Arc::new(Everywhere)).expect("the test hierarchy is well formed");
        let anchors = TrustAnchors::from_pem(root_certificate.pem().as_bytes())
            .expect("the test hierarchy is well formed");
        let cache = Cache::new(CacheConfig::default(), vec![anchors]);
        let (service, certificates) = CertificateService::new(cache, fetcher, FetchLimits::default());
        tokio::spawn(service.run());
        Edge { repository, certificates, chain: server.pem() }
    }

    fn url(&self, host: &str, path: &str) -> X5u {
        let port = self.repository.local().port();
        X5u::parse(&format!("https://{host}:{port}{path}"), &[port])
            .expect("the test hierarchy is well formed")
    }

    async fn count(&self, result: &str) -> u64 {
        let counters = self.certificates.counters().await.expect("the test hierarchy is well formed");
        counters.iter().find(|(word, _)| *word == result).expect("the test hierarchy is well formed").1
    }

    /// Waits until the cache has the certificate of `url`.
    async fn has(&mut self, url: &X5u) {
        while self.certificates.snapshot().credential(url.as_str()).is_none() {
            self.certificates.changed().await;
        }
    }
}

/// The attacker names 1,000 hosts below a wildcard name that accept connections and never answer. The attacker gains: all
/// running fetches are in use, and no other signer can be verified.
#[tokio::test]
async fn hanging_names_below_a_wildcard_do_not_stop_an_honest_signer() {
    let mut edge = Edge::start().await;
    edge.repository.serve("/never.pem", Answer::never());
    edge.repository.serve("/leaf.pem", Answer::chain(edge.chain.clone()));
    for name in 0..1000 {
        assert!(edge.certificates.want(edge.url(&format!("h{name}.evil.example.org"), "/never.pem")));
    }
    // At most 4 fetches of the attacker run, and 32 wait.
    assert_eq!(edge.count("busy").await, 1000 - 4 - 32);
    edge.repository.requested(4).await;
    assert_eq!(edge.repository.requests(), 4);
    let honest = edge.url("honest.example.net", "/leaf.pem");
    assert!(edge.certificates.want(honest.clone()));
    edge.has(&honest).await;
    assert_eq!(edge.repository.requests(), 5, "the honest signer did not wait for the attacker");
}

/// The attacker serves a copy of one public chain under 20 names. The attacker gains: copies push the certificates of other
/// signers out of the cache.
#[tokio::test]
async fn copies_of_a_public_chain_share_a_few_entries() {
    let mut edge = Edge::start().await;
    edge.repository.serve("/leaf.pem", Answer::chain(edge.chain.clone()));
    for name in 0..20 {
        let copy = edge.url(&format!("h{name}.example.com"), "/leaf.pem");
        assert!(edge.certificates.want(copy.clone()));
        edge.has(&copy).await;
        assert!(edge.certificates.snapshot().credentials() <= 8);
    }
    assert_eq!(edge.certificates.snapshot().credentials(), 8);
}

/// The attacker names one host in 3 spellings and many URLs. The attacker gains: each spelling has its own limit, so that the
/// edge floods a victim with requests.
#[tokio::test]
async fn spellings_and_paths_of_a_victim_share_one_limit() {
    let edge = Edge::start().await;
    edge.repository.serve("/never.pem", Answer::never());
    for host in ["a.evil.example.org", "A.evil.example.org", "a.EVIL.example.org", "b.evil.example.org"] {
        for path in 0..100 {
            assert!(edge.certificates.want(edge.url(host, &format!("/never.pem/{path}"))));
        }
    }
    assert_eq!(edge.count("busy").await, 400 - 4 - 32);
}
