//! The parties of all ladders: Alice, an edge and its targets, on a network that the test controls.

use std::net::SocketAddr;
use std::time::Duration;

use attesta_b2bua::{
    Builder, Config, InboundIdentity, Listener, OutboundIdentity, Route, RouteTo, Source, Target, Trunk,
    TrunkTimers,
};
use attesta_sip::{Headers, Name};
use attesta_tests::sim::{ACK, Agent, BYE, Edge, INVITE, Network};
use attesta_transaction::Transport;

pub(crate) const ALICE: &str = "192.0.2.1:5060";
pub(crate) const EDGE: &str = "192.0.2.2:5060";
pub(crate) const BOB: &str = "192.0.2.3:5060";
pub(crate) const CAROL: &str = "192.0.2.4:5060";

/// Alice, an edge that relays her calls to Bob, and Bob.
pub(crate) struct Stage {
    pub(crate) net: Network,
    pub(crate) alice: Agent,
    pub(crate) edge: Edge,
    pub(crate) bob: Agent,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with_config(builder().trunk(alice()).trunk(bob()))
    }

    pub(crate) fn with_config(config: Builder) -> Self {
        let config = config.build().expect("the configuration is sound");
        let net = Network::new(1);
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

    /// Alice calls, Bob rings.
    pub(crate) fn rings(&self) {
        self.alice.sends(INVITE);
        self.bob.gets(INVITE);
        self.bob.sends(180);
        self.alice.gets(180);
    }

    /// Alice calls, Bob rings and answers.
    pub(crate) fn talk(&self) {
        self.rings();
        self.bob.sends(200);
        self.alice.gets(200);
        self.bob.gets(ACK);
    }

    /// Alice hangs up, and no state of the call remains.
    pub(crate) fn alice_hangs_up(&self) {
        self.alice.sends(BYE);
        self.bob.gets(BYE);
        self.bob.sends(200);
        self.alice.gets(200);
        self.is_over();
    }

    /// The edge ends the call on both sides, and no state of the call remains.
    pub(crate) fn both_are_hung_up(&self) {
        for agent in [&self.alice, &self.bob] {
            agent.gets(BYE);
            agent.sends(200);
        }
        self.is_over();
    }

    /// Checks that the call has ended for all parties and that no state remains.
    pub(crate) fn is_over(&self) {
        self.alice.hears_no_more();
        self.bob.hears_no_more();
    }
}

/// Alice, an edge, and the two targets of its trunk: Bob, then Carol. A target has two seconds to respond.
pub(crate) struct TwoTargets {
    pub(crate) net: Network,
    pub(crate) alice: Agent,
    pub(crate) edge: Edge,
    pub(crate) bob: Agent,
    pub(crate) carol: Agent,
}

impl TwoTargets {
    pub(crate) fn new() -> Self {
        Self::with_carrier(|carrier| carrier)
    }

    pub(crate) fn with_carrier(change: impl Fn(Trunk) -> Trunk) -> Self {
        let carrier = carrier().target(target(BOB)).target(target(CAROL));
        Self::with_config(builder().trunk(alice()).trunk(change(carrier)))
    }

    /// Alice, Bob and Carol use this transport.
    pub(crate) fn over(transport: Transport) -> Self {
        let by = |at: &str| target(&format!("{at};transport={}", transport.as_str().to_ascii_lowercase()));
        let carrier = carrier().target(by(BOB)).target(by(CAROL));
        let stage = Self::with_config(listening(&[transport]).trunk(alice()).trunk(carrier));
        for agent in [&stage.alice, &stage.bob, &stage.carol] {
            agent.speaks(transport);
        }
        stage
    }

    fn with_config(config: Builder) -> Self {
        let Stage { net, alice, edge, bob } = Stage::with_config(config);
        let carol = net.agent("carol");
        assert_eq!(carol.address(), address(CAROL));
        carol.faces(edge.address());
        Self { net, alice, edge, bob, carol }
    }

    /// This target answers Alice's call.
    pub(crate) fn is_taken_by(&self, target: &Agent) {
        target.gets(INVITE);
        target.sends(200);
        self.alice.gets(200);
        target.gets(ACK);
    }

    /// Alice ends the call that this target has answered.
    pub(crate) fn alice_hangs_up_on(&self, target: &Agent) {
        self.alice.sends(BYE);
        target.gets(BYE);
        target.sends(200);
        self.alice.gets(200);
    }

    pub(crate) fn is_over(&self) {
        for agent in [&self.alice, &self.bob, &self.carol] {
            agent.hears_no_more();
        }
    }
}

/// An edge that listens by UDP, and sends every call to the trunk `bob`.
pub(crate) fn builder() -> Builder {
    listening(&[Transport::Udp])
}

/// An edge that listens by these transports on the same address.
pub(crate) fn listening(transports: &[Transport]) -> Builder {
    let builder = Config::builder().route(Route::new(RouteTo::Trunks(vec!["bob".into()])));
    transports.iter().fold(builder, |builder, transport| {
        builder.listener(Listener::new("edge", *transport, address(EDGE)))
    })
}

/// The trunk that Alice's calls come from.
pub(crate) fn alice() -> Trunk {
    quiet(Trunk::new("alice")).source(source("192.0.2.1"))
}

/// The trunk whose target is Bob.
pub(crate) fn bob() -> Trunk {
    quiet(Trunk::new("bob")).source(source("192.0.2.3")).target(target(BOB))
}

/// The trunk with two targets, before the targets are added.
fn carrier() -> Trunk {
    let timers = TrunkTimers { no_response: Duration::from_secs(2), ..TrunkTimers::default() };
    quiet(Trunk::new("bob")).source(source("192.0.2.3")).source(source("192.0.2.4")).timers(timers)
}

/// Turns off the treatment of Identity header fields.
pub(crate) fn quiet(trunk: Trunk) -> Trunk {
    trunk.inbound_identity(InboundIdentity::Pass).outbound_identity(OutboundIdentity::Pass)
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

pub(crate) fn source(text: &str) -> Source {
    text.parse().expect("an address")
}

pub(crate) fn target(address: &str) -> Target {
    format!("sip:{address}").parse().expect("a SIP URI")
}

/// Returns the first line of a header field, or an empty text.
pub(crate) fn field(headers: &Headers, name: Name) -> String {
    String::from_utf8_lossy(headers.get(name).unwrap_or_default()).into_owned()
}

/// Returns the body of the last request that an agent received.
pub(crate) fn heard_body(agent: &Agent) -> String {
    String::from_utf8_lossy(agent.last_request().body()).into_owned()
}

/// Returns the body of the last response that an agent received.
pub(crate) fn answered_body(agent: &Agent) -> String {
    String::from_utf8_lossy(agent.last_response().body()).into_owned()
}

/// Returns a header field of the last request that an agent received.
pub(crate) fn heard(agent: &Agent, name: Name) -> String {
    field(agent.last_request().headers(), name)
}

/// Returns a header field of the last response that an agent received.
pub(crate) fn answered(agent: &Agent, name: Name) -> String {
    field(agent.last_response().headers(), name)
}

/// Session descriptions that differ in their version and their direction.
pub(crate) const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 192.0.2.100\r\ns=-\r\nc=IN IP4 192.0.2.100\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 8\r\n";
pub(crate) const ANSWER: &str = "v=0\r\no=- 7 2 IN IP4 192.0.2.200\r\ns=-\r\nc=IN IP4 192.0.2.200\r\nt=0 0\r\n\
    m=audio 50000 RTP/AVP 8\r\n";
pub(crate) const HOLD: &str = "v=0\r\no=- 1 3 IN IP4 192.0.2.100\r\ns=-\r\nc=IN IP4 192.0.2.100\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 8\r\na=sendonly\r\n";
pub(crate) const HELD: &str = "v=0\r\no=- 7 3 IN IP4 192.0.2.200\r\ns=-\r\nc=IN IP4 192.0.2.200\r\nt=0 0\r\n\
    m=audio 50000 RTP/AVP 8\r\na=recvonly\r\n";
