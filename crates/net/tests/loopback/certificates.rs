//! A call that waits for a certificate. It continues when the certificate arrives, or when its budget is over.

use std::net::Ipv4Addr;
use std::time::Duration;

use attesta_b2bua::{DefaultPolicy, InboundIdentity, TrustDomain};
use attesta_net::{
    Answer, CertificateService, Certificates, Clock, FetchConfig, FetchLimits, Fetcher, Repository,
    RepositoryConfig,
};
use attesta_stir::cert::{Cache, CacheConfig, CertificateChain, TrustAnchors};
use attesta_stir::{
    Attestation, Identity, OrigId, Shaken, Signer, SigningKey, TelephoneNumber, Verifier, VerifyPolicy, X5u,
};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::UdpSocket;

use crate::phone::{Edge, hears, passing};

/// A provider: its root, its certificate repository and its signer.
struct Provider {
    anchors: TrustAnchors,
    chain: String,
    signer: Signer,
    repository: Repository,
    fetches: FetchConfig,
}

impl Provider {
    async fn new() -> Provider {
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_key = KeyPair::generate().unwrap();
        let anchors = root.self_signed(&root_key).unwrap().pem();
        let issuer = Issuer::new(root, root_key);

        let web_key = KeyPair::generate().unwrap();
        let host = Ipv4Addr::LOCALHOST;
        let web = CertificateParams::new([host.to_string()]).unwrap().self_signed(&web_key).unwrap();
        let web_key = PrivateKeyDer::try_from(web_key.serialize_der()).unwrap();
        let repository =
            Repository::bind(RepositoryConfig::new(vec![web.der().clone()], web_key)).await.unwrap();
        let port = repository.local().port();

        let mut leaf = CertificateParams::new(Vec::new()).unwrap();
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.custom_extensions = vec![CustomExtension::from_oid_content(TN_AUTH_LIST, SPC_1234.to_vec())];
        let leaf_key = KeyPair::generate().unwrap();
        let chain = leaf.signed_by(&leaf_key, &issuer).unwrap().pem();
        let x5u = X5u::parse(&format!("https://{host}:{port}{PATH}"), &[port]).unwrap();
        let key = SigningKey::from_pem(leaf_key.serialize_pem().as_bytes()).unwrap();
        let signed = CertificateChain::parse(chain.as_bytes()).unwrap();
        Provider {
            anchors: TrustAnchors::from_pem(anchors.as_bytes()).unwrap(),
            signer: Signer::new(key, &signed, x5u, Clock::unix()).unwrap(),
            chain,
            repository,
            fetches: FetchConfig::default()
                .native_roots(false)
                .roots(vec![web.der().clone()])
                .ports(vec![port])
                .allow_private(vec!["127.0.0.0/8".parse().unwrap()]),
        }
    }

    /// An edge that trusts this provider, and the certificates of the edge.
    async fn edge(&self) -> (Edge, Certificates) {
        self.edge_with(CacheConfig::default()).await
    }

    async fn edge_with(&self, cache: CacheConfig) -> (Edge, Certificates) {
        let fetcher = Fetcher::new(self.fetches.clone()).unwrap();
        let cache = Cache::new(cache, vec![self.anchors.clone()]);
        let (service, certificates) = CertificateService::new(cache, fetcher, FetchLimits::default());
        tokio::spawn(service.run());
        let policy = VerifyPolicy::default().ports(vec![self.repository.local().port()]);
        let domain = TrustDomain::new("default", Verifier::new(self.anchors.clone(), policy));
        let config = passing(InboundIdentity::Verify).trust_domain(domain).budget(BUDGET);
        let attach = certificates.clone();
        let edge = Edge::start(1, config, DefaultPolicy, |driver| driver.certificates(attach)).await;
        (edge, certificates)
    }

    /// The Identity header line of a call from the phone.
    fn identity(&self) -> String {
        let number = |digits| Identity::Tn(TelephoneNumber::parse(digits).unwrap());
        let claims = Shaken {
            attest: Attestation::A,
            dest: &[number("12025550101")],
            iat: Clock::unix(),
            orig: &number("12155550121"),
            origid: OrigId::from_random([7; 16]),
        };
        let mut value = Vec::new();
        self.signer.sign_shaken(&claims, &mut value).unwrap();
        format!("Identity: {}\r\n", String::from_utf8(value).unwrap())
    }
}

/// The INVITE that the callee receives for a signed call.
async fn arrives(edge: &Edge, identity: &str, callee: &UdpSocket) -> String {
    let uri = format!("sip:+12025550101@{}", callee.local_addr().unwrap());
    edge.is_told(0, edge.request("INVITE", &uri, identity, "")).await;
    hears(callee).await.0
}

#[tokio::test]
async fn the_certificate_comes_and_the_call_goes_on() {
    let provider = Provider::new().await;
    provider.repository.serve(PATH, Answer::chain(provider.chain.clone()));
    let (edge, certificates) = provider.edge().await;
    let callee = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let invite = arrives(&edge, &provider.identity(), &callee).await;
    assert!(invite.contains("verstat=TN-Validation-Passed"), "{invite}");
    assert_eq!(provider.repository.requests(), 1);
    let fetches = certificates.counters().await.unwrap();
    assert_eq!(fetches.iter().find(|(result, _)| *result == "ok"), Some(("ok", 1)));
}

/// Only a certificate that verifies calls is fetched again before it expires.
#[tokio::test]
async fn a_used_certificate_is_refetched_before_it_expires() {
    let provider = Provider::new().await;
    provider.repository.serve(PATH, Answer::chain(provider.chain.clone()));
    let short = CacheConfig::default().floor(Duration::ZERO).ceiling(Duration::ZERO);
    let (edge, _certificates) = provider.edge_with(short).await;
    let callee = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let invite = arrives(&edge, &provider.identity(), &callee).await;
    assert!(invite.contains("verstat=TN-Validation-Passed"), "{invite}");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    provider.repository.requested(2).await;
}

#[tokio::test]
async fn the_certificate_does_not_come_and_the_call_goes_on_within_its_budget() {
    let provider = Provider::new().await;
    provider.repository.serve(PATH, Answer::never());
    let (edge, _certificates) = provider.edge().await;
    let callee = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let identity = provider.identity();
    let call = arrives(&edge, &identity, &callee);
    let stall = async {
        provider.repository.requested(1).await;
        tokio::time::pause();
        tokio::time::advance(BUDGET).await;
        tokio::time::resume();
    };
    let (invite, ()) = tokio::join!(call, stall);
    assert!(invite.contains("verstat=No-TN-Validation"), "{invite}");
}

/// The path of the leaf.
const PATH: &str = "/leaf.pem";

/// The longest time that a call waits.
const BUDGET: Duration = Duration::from_millis(300);

/// RFC 8226 section 9.
const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];

/// A TNAuthList that holds the service provider code 1234.
const SPC_1234: [u8; 10] = [0x30, 0x08, 0xa0, 0x06, 0x16, 0x04, b'1', b'2', b'3', b'4'];
