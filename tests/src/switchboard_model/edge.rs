//! The configurations of the edge, and where everybody is.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use attesta_b2bua::{
    Caps, Config, ConfigError, InboundIdentity, Listener, NamedSigner, OutboundIdentity, Reliable, Route,
    RouteTo, SigningMeans, Trunk, TrunkTimers, TrustDomain,
};
use attesta_sip::Status;
use attesta_stir::cert::{Cache, CacheConfig, FetchFailure, Snapshot, TrustAnchors};
use attesta_stir::{DEFAULT_PORTS, UnixTime, Verifier, VerifyPolicy, X5u};
use attesta_transaction::Transport;

/// Seconds since the epoch at the start of each history.
pub(super) const EPOCH: u64 = 1_800_000_000;

pub(super) const EDGE: &str = "192.0.2.100:5060";
/// Callers, by UDP and by TCP, then callees, by UDP and by TCP: the targets of one trunk.
pub(super) const PEERS: [(&str, Transport); 4] = [
    ("192.0.2.1:5060", Transport::Udp),
    ("192.0.2.4:5060", Transport::Tcp),
    ("192.0.2.2:5060", Transport::Udp),
    ("192.0.2.3:5060", Transport::Tcp),
];
/// What the hosts of the peers' Contacts end with: so that a dialog leads elsewhere than a route.
pub(super) const DOMAIN: &str = ".peer.example";
/// Where the callees begin among the peers.
pub(super) const FIRST_CALLEE: usize = 2;

/// A number behind the callees' trunk, one that the built-in callee answers, and an emergency number.
pub(super) const NUMBERS: [&str; 3] = ["+12155551213", "+12155550199", "911"];
/// The certificate that callers name in an Identity.
pub(super) const URL: &str = "https://cr.example.net/leaf.pem";

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// One of the configurations: verifying or not, signing or not.
pub(super) fn config(variant: usize) -> Arc<Config> {
    static CONFIGS: OnceLock<[Arc<Config>; VARIANTS]> = OnceLock::new();
    let configs =
        CONFIGS.get_or_init(|| std::array::from_fn(|variant| Arc::new(build(variant).expect("valid"))));
    let [first, ..] = configs;
    configs.get(variant % VARIANTS).unwrap_or(first).clone()
}

pub(super) const VARIANTS: usize = 4;

fn build(variant: usize) -> Result<Config, ConfigError> {
    let inbound = if variant & 1 == 0 { InboundIdentity::Pass } else { InboundIdentity::Verify };
    let outbound = if variant & 2 == 0 { OutboundIdentity::Pass } else { OutboundIdentity::Sign };
    let timers = TrunkTimers { max_call: MAX_CALL, ..TrunkTimers::default() };
    let trunk = |name: &str| {
        let trunk = Trunk::new(name).timers(timers).vouched_by("outside");
        trunk.inbound_identity(inbound).outbound_identity(outbound)
    };
    let source = |text: &str| text.parse().expect("a source");
    let callees = trunk("callees")
        .source(source("192.0.2.2"))
        .source(source("192.0.2.3"))
        .target("sip:192.0.2.2:5060".parse().expect("a target"))
        .target("sip:192.0.2.3:5060;transport=tcp".parse().expect("a target"))
        .failover(vec![Status::SERVER_INTERNAL_ERROR])
        .resume(Duration::from_secs(20))
        .reliable(Reliable::Local);
    let caps = Caps { calls: 4, forks: 2, answers: 2, requests_per_dialog: 3, ..Caps::default() };
    let verifier = Verifier::new(anchors(), VerifyPolicy::default());
    Config::builder()
        .listener(Listener::new("edge", Transport::Udp, address(EDGE)))
        .listener(Listener::new("edge", Transport::Tcp, address(EDGE)))
        .trust_domain(TrustDomain::new("default", verifier))
        .signer(NamedSigner::new("outside", SigningMeans::Outside))
        .trunk(trunk("alice").source(source("192.0.2.1")))
        .trunk(trunk("dave").source(source("192.0.2.4")).reliable(Reliable::Local))
        .trunk(callees)
        .route(Route::new(RouteTo::Trunks(vec!["callees".into()])))
        .callee(vec![NUMBERS[1].parse().expect("a prefix")])
        .emergency(vec![NUMBERS[2].parse().expect("a prefix")])
        .caps(caps)
        .build()
}

/// The longest call.
const MAX_CALL: Duration = Duration::from_secs(600);

fn anchors() -> TrustAnchors {
    TrustAnchors::from_pem(include_bytes!("anchor.pem")).expect("an anchor")
}

/// What is known once the certificate could not be fetched.
pub(super) fn certificates() -> Arc<Snapshot> {
    static SNAPSHOT: OnceLock<Arc<Snapshot>> = OnceLock::new();
    let fetch = || {
        let (url, now) =
            (X5u::parse(URL, DEFAULT_PORTS), UnixTime::since_unix_epoch(Duration::from_secs(EPOCH)));
        let mut cache = Cache::new(CacheConfig::default(), vec![anchors()]);
        let url = url.expect("a URL");
        cache.want(&url, now);
        cache.fetched(&url, now, Err(FetchFailure::Unreachable));
        cache.snapshot()
    };
    SNAPSHOT.get_or_init(fetch).clone()
}
