//! Ladders of whole calls: Alice, an edge and Bob on a network that the test controls.

use std::net::SocketAddr;
use std::time::Duration;

use attesta_b2bua::{
    Builder, Config, InboundIdentity, Listener, NamedSigner, Numbers, OutboundIdentity, Route, RouteTo,
    SigningMeans, Trunk, TrunkTimers,
};
use attesta_sip::Name;
use attesta_tests::sim::{ACK, Agent, BYE, CANCEL, Conditions, Edge, INVITE, Network, Sti, TIMEOUT, seeds};
use attesta_transaction::Transport;
use insta::assert_snapshot;

const ALICE: &str = "192.0.2.1:5060";
const EDGE: &str = "192.0.2.2:5060";
const BOB: &str = "192.0.2.3:5060";

/// Alice, an edge that relays her calls to Bob, and Bob.
struct Stage {
    net: Network,
    alice: Agent,
    edge: Edge,
    bob: Agent,
}

impl Stage {
    fn new() -> Self {
        Self::with_seed(1)
    }

    fn with_seed(seed: u64) -> Self {
        let (alice, bob) = trunks();
        Self::with_config(
            seed,
            builder().trunk(alice).trunk(bob).build().expect("the configuration is valid"),
        )
    }

    fn with_config(seed: u64, config: Config) -> Self {
        let net = Network::new(seed);
        let alice = net.agent("alice");
        let edge = Edge::new(&net, "edge", address(EDGE), config);
        let bob = net.agent("bob");
        assert_eq!((alice.address(), bob.address()), (address(ALICE), address(BOB)));
        for agent in [&alice, &bob] {
            agent.faces(edge.address());
        }
        alice.is_known_as("sip:+12155551212@192.0.2.1");
        alice.dials("sip:+12155551213@192.0.2.2");
        Self { net, alice, edge, bob }
    }

    /// Alice calls, and Bob answers.
    fn talk(&self) {
        self.alice.sends(INVITE);
        self.bob.gets(INVITE);
        self.bob.sends(180);
        self.alice.gets(180);
        self.bob.sends(200);
        self.alice.gets(200);
        self.bob.gets(ACK);
    }

    /// Checks that the call has ended for all parties and that no state remains.
    fn is_over(&self) {
        self.alice.hears_no_more();
        self.bob.hears_no_more();
    }
}

#[test]
fn alice_calls_and_hangs_up() {
    let stage = Stage::new();
    stage.talk();
    stage.net.run_for(Duration::from_secs(3));
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn bob_hangs_up_first() {
    let stage = Stage::new();
    stage.talk();
    stage.net.run_for(Duration::from_secs(3));
    stage.bob.sends(BYE);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn both_hang_up_at_once() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(BYE);
    stage.bob.sends(BYE);
    stage.alice.gets(200);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.bob.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn alice_cancels_while_it_rings() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.alice.sends(CANCEL);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.alice.gets(487);
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 9.1: the CANCEL towards Bob waits for his first provisional response.
#[test]
fn alice_cancels_before_bob_says_anything() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.alice.gets(100);
    stage.alice.sends(CANCEL);
    stage.alice.gets(487);
    stage.bob.sends(180);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 9.1: a 200 that crosses the CANCEL is acknowledged, and its call is ended.
#[test]
fn alice_cancels_while_bob_answers() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.net.run_for(Duration::from_secs(1));
    stage.alice.sends(CANCEL);
    stage.net.run_for(Duration::from_millis(15));
    stage.bob.sends(200);
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.alice.gets(487);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn bob_is_busy() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(486);
    stage.alice.gets(486);
    stage.bob.gets(ACK);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn bob_is_not_there() {
    let stage = Stage::new();
    stage.net.silences(stage.bob.address());
    stage.alice.sends(INVITE);
    stage.alice.gets(408);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn bob_is_unreachable() {
    let stage = Stage::new();
    stage.net.refuses(stage.bob.address());
    stage.alice.sends(INVITE);
    stage.alice.gets(500);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn bob_never_answers() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.net.run_for(Duration::from_secs(100));
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.alice.gets(480);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn alice_never_acknowledges() {
    let stage = Stage::new();
    stage.alice.acknowledges_nothing();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(TIMEOUT);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.net.settles();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn an_invite_is_signed_at_egress_and_verified_at_ingress() {
    let sti = Sti::new();
    let net = Network::new(1);
    let alice = net.agent("alice");
    let (signs, verifies, to) =
        (address("192.0.2.2:5060"), address("192.0.2.3:5060"), address("192.0.2.4:5060"));
    let owner = Trunk::new("alice").source(source(ALICE)).numbers(Numbers::any()).vouched_by("acme");
    let carrier = Trunk::new("carrier").source(source("192.0.2.3")).target(target(verifies)).trust("default");
    let config = listening(signs, "carrier")
        .trust_domain(sti.domain())
        .signer(NamedSigner::new("acme", SigningMeans::Key(sti.signer())))
        .trunk(owner.inbound_identity(InboundIdentity::Pass))
        .trunk(carrier);
    let first = Edge::new(&net, "sti-as", signs, config.build().expect("the configuration is valid"));
    let carrier = Trunk::new("carrier").source(source("192.0.2.2"));
    let callee = Trunk::new("bob").source(source("192.0.2.4")).target(target(to));
    let config = listening(verifies, "bob").trust_domain(sti.domain()).trunk(carrier).trunk(quiet(callee));
    let second = Edge::new(&net, "sti-vs", verifies, config.build().expect("the configuration is valid"));
    second.fetches(sti.fetched(), Duration::from_millis(100));
    let bob = net.agent("bob");
    alice.faces(first.address());
    bob.faces(second.address());
    alice.is_known_as("sip:+12155551212@192.0.2.1");
    alice.dials("sip:+12155551213@192.0.2.2");

    alice.sends(INVITE);
    bob.gets(INVITE);
    let from = String::from_utf8_lossy(bob.last_request().headers().get(Name::From).unwrap_or_default())
        .into_owned();
    assert!(from.contains("verstat=TN-Validation-Passed"), "{from}");
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    alice.sends(BYE);
    bob.gets(BYE);
    bob.sends(200);
    alice.gets(200);
    alice.hears_no_more();
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// Packets are lost, doubled, late and out of order on every link. Each call still ends as its script says, and no state
/// remains.
#[test]
fn calls_over_a_bad_network() {
    let scripts = [alice_ends_it, bob_ends_it, bob_refuses, alice_gives_up];
    for seed in seeds(200) {
        let (alice, bob) = trunks();
        // Chance may lose all INVITEs of the first 4 s. After 4 s a target is given up by default.
        let bob = bob.timers(TrunkTimers { no_response: Duration::from_secs(30), ..TrunkTimers::default() });
        let config = builder().trunk(alice).trunk(bob).build().expect("the configuration is valid");
        let stage = Stage::with_config(seed, config);
        let delay = Duration::from_millis(5)..Duration::from_millis(400);
        stage.net.suffers(Conditions { loss: 15, duplication: 10, delay });
        stage.alice.sends(INVITE);
        stage.bob.gets(INVITE);
        stage.bob.sends(180);
        stage.net.run_for(Duration::from_secs(1));
        let script =
            scripts.into_iter().cycle().nth(usize::try_from(seed).unwrap_or_default() % scripts.len());
        script.expect("the scripts are repeated without end")(&stage);
        stage.is_over();
        assert_eq!(stage.edge.counters().calls, 1);
    }
}

fn alice_ends_it(stage: &Stage) {
    bob_accepts(stage);
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.alice.gets(200);
}

fn bob_ends_it(stage: &Stage) {
    bob_accepts(stage);
    stage.bob.sends(BYE);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.bob.gets(200);
}

fn bob_accepts(stage: &Stage) {
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
}

fn bob_refuses(stage: &Stage) {
    stage.bob.sends(486);
    stage.alice.gets(486);
}

fn alice_gives_up(stage: &Stage) {
    stage.alice.sends(CANCEL);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.alice.gets(487);
}

/// Bob disappears during the call. The BYE to Bob gets no response, and timers end everything.
#[test]
fn bob_dies_in_the_call() {
    let stage = Stage::new();
    stage.talk();
    stage.net.silences(stage.bob.address());
    stage.alice.sends(BYE);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_lost_bye_response_is_found_again() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    stage.net.lose_next();
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 13.2.2.4: an answer that is repeated after the end of its dialog starts no call.
#[test]
fn a_late_answer_starts_no_call() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    for _ in ["200 to the edge", "200 to Alice", "ACK to the edge"] {
        stage.net.spare_next();
    }
    let (ack, repeated) = (Duration::from_millis(600), Duration::from_secs(3));
    stage.net.delay_next(ack);
    stage.net.delay_next(repeated);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.bob.sends(BYE);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

fn trunks() -> (Trunk, Trunk) {
    let alice = Trunk::new("alice").source(source(ALICE));
    let bob = Trunk::new("bob").source(source(BOB)).target(target(address(BOB)));
    (quiet(alice), quiet(bob))
}

fn builder() -> Builder {
    listening(address(EDGE), "bob")
}

fn listening(at: SocketAddr, to: &str) -> Builder {
    Config::builder()
        .listener(Listener::new("edge", Transport::Udp, at))
        .route(Route::new(RouteTo::Trunks(vec![to.into()])))
}

/// Turns off the treatment of Identity header fields.
fn quiet(trunk: Trunk) -> Trunk {
    trunk.inbound_identity(InboundIdentity::Pass).outbound_identity(OutboundIdentity::Pass)
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

fn source(text: &str) -> attesta_b2bua::Source {
    text.parse().expect("an address")
}

fn target(address: SocketAddr) -> attesta_b2bua::Target {
    format!("sip:{address}").parse().expect("a SIP URI")
}
