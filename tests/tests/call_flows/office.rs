//! The stage of the transfers: three trunks, and second phones of Alice and Bob.

use attesta_b2bua::{Config, Listener, Route, RouteTo, Trunk};
use attesta_sip::{Headers, Name, NameAddr, To, unescape};
use attesta_tests::sim::{ACK, Agent, BYE, Edge, INVITE, Network};
use attesta_transaction::Transport;

use crate::common::{ALICE, BOB, CAROL, EDGE, address, alice, bob, field, heard, quiet, source, target};

/// An edge between three trunks. The trunk of Alice has a second phone, `line`, from which she calls Carol. The trunk of Bob
/// has a second phone too, `phone`.
pub(crate) struct Office {
    pub(crate) net: Network,
    pub(crate) alice: Agent,
    pub(crate) edge: Edge,
    pub(crate) bob: Agent,
    pub(crate) carol: Agent,
    pub(crate) line: Agent,
    pub(crate) phone: Agent,
}

impl Office {
    pub(crate) fn new() -> Self {
        let route = |number: &str, trunk: &str| {
            let prefix = number.parse().expect("a number");
            Route::new(RouteTo::Trunks(vec![trunk.into()])).number(prefix)
        };
        let carol = quiet(Trunk::new("carol")).source(source("192.0.2.4")).target(target(CAROL));
        let config = Config::builder()
            .listener(Listener::new("edge", Transport::Udp, address(EDGE)))
            .trunk(alice().source(source("192.0.2.5")).target(target(ALICE)))
            .trunk(bob().source(source("192.0.2.6")))
            .trunk(carol)
            .route(route("+12155551212", "alice"))
            .route(route("+12155551213", "bob"))
            .route(route("+12155551214", "carol"));
        let net = Network::new(1);
        let alice = net.agent("alice");
        let edge =
            Edge::new(&net, "edge", address(EDGE), config.build().expect("the configuration is sound"));
        let [bob, carol, line, phone] = ["bob", "carol", "line", "phone"].map(|name| net.agent(name));
        assert_eq!((bob.address(), carol.address()), (address(BOB), address(CAROL)));
        for agent in [&alice, &bob, &carol, &line, &phone] {
            agent.faces(edge.address());
        }
        alice.is_known_as("sip:+12155551212@192.0.2.1");
        line.is_known_as("sip:+12155551212@192.0.2.1");
        alice.dials("sip:+12155551213@192.0.2.2");
        bob.dials("sip:+12155551214@192.0.2.2");
        line.dials("sip:+12155551214@192.0.2.2");
        phone.is_known_as("sip:+12155551213@192.0.2.3");
        phone.dials("sip:+12155551214@192.0.2.2");
        Self { net, alice, edge, bob, carol, line, phone }
    }

    /// Alice talks to Bob.
    pub(crate) fn talk() -> Self {
        let office = Self::new();
        call(&office.alice, &office.bob);
        office
    }

    /// Alice talks to Bob, and on her second phone to Carol. Also returns the name of the dialog of the second phone, and the
    /// name of Carol's dialog.
    pub(crate) fn talk_twice() -> (Self, String, String) {
        let office = Self::talk();
        call(&office.line, &office.carol);
        let ours = name_for_peer(office.line.last_response().headers());
        let carols = name_for_peer(office.carol.last_request().headers());
        (office, ours, carols)
    }

    /// The name of the dialog of a callee for the other party. The callee has got the ACK.
    pub(crate) fn name_of_callee(&self, callee: &Agent) -> String {
        let request = callee.last_request();
        let headers = request.headers();
        let (call_id, to, from) =
            (field(headers, Name::CallId), tag(headers, Name::To), tag(headers, Name::From));
        format!("{call_id};to-tag={from};from-tag={to}")
    }

    pub(crate) fn refused(&self, reason: &str) -> u64 {
        let counters = self.edge.counters();
        counters.refused().find(|(label, _)| *label == reason).map_or(0, |(_, count)| count)
    }

    pub(crate) fn is_over(&self) {
        for agent in [&self.alice, &self.bob, &self.carol, &self.line, &self.phone] {
            agent.hears_no_more();
        }
        let counters = self.edge.counters();
        let live = (counters.calls_live, counters.dialogs_live, counters.transactions_live);
        assert_eq!((live, counters.subscriptions_live), ((0, 0, 0), 0), "{}", self.net.ladder());
    }
}

/// One agent calls the other, who answers.
pub(crate) fn call(from: &Agent, to: &Agent) {
    from.sends(INVITE);
    to.gets(INVITE);
    to.sends(200);
    from.gets(200);
    to.gets(ACK);
}

pub(crate) fn hangs_up(from: &Agent, to: &Agent) {
    from.sends(BYE);
    to.gets(BYE);
    to.sends(200);
    from.gets(200);
}

fn tag(headers: &Headers, name: Name) -> String {
    let value = field(headers, name);
    let tag = To::parse(value.as_bytes()).ok().and_then(|to| to.tag()).unwrap_or_default();
    String::from_utf8_lossy(tag).into_owned()
}

/// The name of the dialog of a message, in a header field for the party of its To.
pub(crate) fn name_for_peer(headers: &Headers) -> String {
    let (call_id, to, from) =
        (field(headers, Name::CallId), tag(headers, Name::To), tag(headers, Name::From));
    format!("{call_id};to-tag={to};from-tag={from}")
}

/// A Refer-To of Carol with this Replaces.
pub(crate) fn refer_to_carol(replaces: &str) -> String {
    let escaped = replaces.replace('@', "%40").replace(';', "%3B").replace('=', "%3D");
    format!("<sip:+12155551214@192.0.2.2?Replaces={escaped}>")
}

/// The Replaces in the Refer-To that an agent was given last.
pub(crate) fn replaces_in_refer_to(agent: &Agent) -> String {
    let value = heard(agent, Name::ReferTo);
    let address = NameAddr::parse(value.as_bytes()).expect("an address");
    let uri = address.uri();
    let uri = uri.as_sip().expect("a SIP URI");
    let (_, replaces) = uri.headers().next().expect("a header field");
    String::from_utf8_lossy(&unescape(replaces)).into_owned()
}
