//! Ladders of calls whose first target fails (RFC 3263 section 4.3).

use std::net::SocketAddr;
use std::time::Duration;

use attesta_b2bua::{
    Config, InboundIdentity, Listener, OutboundIdentity, Route, RouteTo, Trunk, TrunkTimers,
};
use attesta_tests::sim::{ACK, Agent, BYE, Edge, INVITE, Network};
use attesta_transaction::Transport;
use insta::assert_snapshot;

/// Alice, an edge, and the two targets of its trunk: Bob, then Carol. A target has two seconds to respond.
struct Stage {
    net: Network,
    alice: Agent,
    edge: Edge,
    bob: Agent,
    carol: Agent,
}

impl Stage {
    fn new() -> Self {
        let net = Network::new(1);
        let alice = net.agent("alice");
        let [edge, bob, carol] = ["192.0.2.2:5060", "192.0.2.3:5060", "192.0.2.4:5060"].map(address);
        let edge = Edge::new(&net, "edge", edge, config(edge, [bob, carol]));
        let (bob, carol) = (net.agent("bob"), net.agent("carol"));
        for agent in [&alice, &bob, &carol] {
            agent.faces(edge.address());
        }
        alice.is_known_as("sip:+12155551212@192.0.2.1");
        alice.dials("sip:+12155551213@192.0.2.2");
        Self { net, alice, edge, bob, carol }
    }

    /// Alice calls, and this target answers the call.
    fn is_taken_by(&self, target: &Agent) {
        self.alice.sends(INVITE);
        target.gets(INVITE);
        target.sends(200);
        self.alice.gets(200);
        target.gets(ACK);
        self.alice.sends(BYE);
        target.gets(BYE);
        target.sends(200);
        self.alice.gets(200);
    }

    fn aside(&self) -> u64 {
        self.edge.counters().targets_out_of_service
    }

    fn is_over(&self) {
        for agent in [&self.alice, &self.bob, &self.carol] {
            agent.hears_no_more();
        }
    }
}

#[test]
fn after_an_icmp_error_one_call_tests_whether_the_target_is_back() {
    let stage = Stage::new();
    stage.net.refuses(stage.bob.address());
    stage.is_taken_by(&stage.carol);
    assert!(
        stage.net.elapsed() < Duration::from_secs(1),
        "the edge tries the next target at the first ICMP error"
    );
    stage.is_taken_by(&stage.carol);
    assert_eq!(stage.aside(), 1);
    stage.net.accepts(stage.bob.address());
    stage.net.run_for(Duration::from_secs(60));
    stage.is_taken_by(&stage.bob);
    assert_eq!(stage.aside(), 0);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn silence_leads_to_the_next_target_after_no_response() {
    let stage = Stage::new();
    stage.net.silences(stage.bob.address());
    stage.is_taken_by(&stage.carol);
    stage.is_taken_by(&stage.carol);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_503_leads_to_the_next_target() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(503);
    stage.carol.gets(INVITE);
    stage.carol.sends(503);
    stage.alice.gets(503);
    stage.bob.gets(ACK);
    stage.carol.gets(ACK);
    assert_eq!(stage.aside(), 0, "a 503 without Retry-After has no effect on the next call");
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn if_all_targets_are_dead_each_call_tries_them_and_ends() {
    let stage = Stage::new();
    stage.net.refuses(stage.bob.address());
    stage.net.silences(stage.carol.address());
    for _ in 0..2 {
        stage.alice.sends(INVITE);
        stage.alice.gets(408);
    }
    assert_eq!(stage.aside(), 2);
    // The INVITEs of the abandoned calls are retransmitted until their timers end them.
    stage.net.run_for(Duration::from_secs(33));
    stage.net.accepts(stage.carol.address());
    stage.is_taken_by(&stage.carol);
    assert_eq!(stage.aside(), 1);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

fn config(edge: SocketAddr, targets: [SocketAddr; 2]) -> Config {
    let quiet = |trunk: Trunk| {
        trunk.inbound_identity(InboundIdentity::Pass).outbound_identity(OutboundIdentity::Pass)
    };
    let alice = Trunk::new("alice").source("192.0.2.1".parse().expect("an address"));
    let timers = TrunkTimers { no_response: Duration::from_secs(2), ..TrunkTimers::default() };
    let carrier = targets.into_iter().fold(Trunk::new("carrier").timers(timers), |trunk, target| {
        trunk.target(format!("sip:{target}").parse().expect("a SIP URI"))
    });
    Config::builder()
        .listener(Listener::new("edge", Transport::Udp, edge))
        .trunk(quiet(alice))
        .trunk(quiet(carrier))
        .route(Route::new(RouteTo::Trunks(vec!["carrier".into()])))
        .build()
        .expect("the configuration is valid")
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}
