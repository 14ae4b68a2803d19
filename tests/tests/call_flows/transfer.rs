//! Transfers: REFER and its NOTIFYs (RFC 3515), and the header fields that name another dialog: Replaces (RFC 3891), Join (RFC
//! 3911) and Target-Dialog (RFC 4538).

use std::time::Duration;

use attesta_b2bua::{Route, RouteTo};
use attesta_sip::{Headers, Method, Name, NameAddr, Request, To, Uri, unescape};
use attesta_tests::sim::{ACK, Agent, BYE, Edge, INVITE, NOTIFY, Network, REFER, SUBSCRIBE, Wording};
use insta::assert_snapshot;

use crate::common::{ALICE, BOB, EDGE, address, alice, bob, field, heard, quiet, source, target};

const CAROL: &str = "192.0.2.4:5060";

/// An edge between three trunks. The trunk of Alice has a second phone, `line`, from which she calls Carol.
struct Office {
    net: Network,
    alice: Agent,
    edge: Edge,
    bob: Agent,
    carol: Agent,
    line: Agent,
}

impl Office {
    fn new() -> Self {
        let route = |number: &str, trunk: &str| {
            let prefix = number.parse().expect("a number");
            Route::new(RouteTo::Trunks(vec![trunk.into()])).number(prefix)
        };
        let carol =
            quiet(attesta_b2bua::Trunk::new("carol")).source(source("192.0.2.4")).target(target(CAROL));
        let config = attesta_b2bua::Config::builder()
            .listener(attesta_b2bua::Listener::new(
                "edge",
                attesta_transaction::Transport::Udp,
                address(EDGE),
            ))
            .trunk(alice().source(source("192.0.2.5")).target(target(ALICE)))
            .trunk(bob())
            .trunk(carol)
            .route(route("+12155551212", "alice"))
            .route(route("+12155551213", "bob"))
            .route(route("+12155551214", "carol"));
        let net = Network::new(1);
        let alice = net.agent("alice");
        let edge =
            Edge::new(&net, "edge", address(EDGE), config.build().expect("the configuration is sound"));
        let [bob, carol, line] = ["bob", "carol", "line"].map(|name| net.agent(name));
        assert_eq!((bob.address(), carol.address()), (address(BOB), address(CAROL)));
        for agent in [&alice, &bob, &carol, &line] {
            agent.faces(edge.address());
        }
        alice.is_known_as("sip:+12155551212@192.0.2.1");
        line.is_known_as("sip:+12155551212@192.0.2.1");
        alice.dials("sip:+12155551213@192.0.2.2");
        bob.dials("sip:+12155551214@192.0.2.2");
        line.dials("sip:+12155551214@192.0.2.2");
        Self { net, alice, edge, bob, carol, line }
    }

    /// Alice talks to Bob.
    fn talk() -> Self {
        let office = Self::new();
        call(&office.alice, &office.bob);
        office
    }

    /// Alice talks to Bob, and on her second phone to Carol. Also returns the name of the dialog of the second phone, and the
    /// name of Carol's dialog.
    fn talk_twice() -> (Self, String, String) {
        let office = Self::talk();
        call(&office.line, &office.carol);
        let ours = name_for_peer(office.line.last_response().headers());
        let carols = name_for_peer(office.carol.last_request().headers());
        (office, ours, carols)
    }

    fn refused(&self, reason: &str) -> u64 {
        let counters = self.edge.counters();
        counters.refused().find(|(label, _)| *label == reason).map_or(0, |(_, count)| count)
    }

    fn is_over(&self) {
        for agent in [&self.alice, &self.bob, &self.carol, &self.line] {
            agent.hears_no_more();
        }
        assert_eq!(self.edge.counters().subscriptions_live, 0);
    }
}

/// One agent calls the other, who answers.
fn call(from: &Agent, to: &Agent) {
    from.sends(INVITE);
    to.gets(INVITE);
    to.sends(200);
    from.gets(200);
    to.gets(ACK);
}

fn hangs_up(from: &Agent, to: &Agent) {
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
fn name_for_peer(headers: &Headers) -> String {
    let (call_id, to, from) =
        (field(headers, Name::CallId), tag(headers, Name::To), tag(headers, Name::From));
    format!("{call_id};to-tag={to};from-tag={from}")
}

/// A Refer-To of Carol with this Replaces.
fn refer_to_carol(replaces: &str) -> String {
    let escaped = replaces.replace('@', "%40").replace(';', "%3B").replace('=', "%3D");
    format!("<sip:+12155551214@192.0.2.2?Replaces={escaped}>")
}

/// The Replaces in the Refer-To that an agent was given last.
fn replaces_in_refer_to(agent: &Agent) -> String {
    let value = heard(agent, Name::ReferTo);
    let address = NameAddr::parse(value.as_bytes()).expect("an address");
    let Uri::Sip(uri) = address.uri() else { panic!("{value} is no SIP URI") };
    let (_, replaces) = uri.headers().next().expect("a header field");
    String::from_utf8_lossy(&unescape(replaces)).into_owned()
}

/// A NOTIFY of the subscription of the REFER that the agent was given.
fn notify(refer: &Request, seq: u32, event: &str, state: &str) -> Request {
    let headers = refer.headers();
    let contact = NameAddr::parse(headers.get(Name::Contact).expect("a Contact")).expect("an address");
    let mut notify = Request::new(Method::Notify, contact.uri().as_bytes().to_vec());
    for (name, value) in [
        (Name::MaxForwards, "70".to_owned()),
        (Name::From, field(headers, Name::To)),
        (Name::To, field(headers, Name::From)),
        (Name::CallId, field(headers, Name::CallId)),
        (Name::CSeq, format!("{seq} NOTIFY")),
        (Name::Event, event.to_owned()),
        (Name::SubscriptionState, state.to_owned()),
    ] {
        notify.headers_mut().push(name, value);
    }
    notify
}

const RINGING: &str = "active;expires=60";
const DONE: &str = "terminated;reason=noresource";

/// `from` transfers `to` to Carol. The NOTIFYs cross with the number that the REFER has on the other leg.
fn blind_transfer(from: &Agent, to: &Agent) {
    from.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>").with("CSeq", "700 REFER"));
    to.gets(REFER);
    let seq = heard(to, Name::CSeq).replace(" REFER", "");
    to.sends(202);
    from.gets(202);
    for state in [RINGING, DONE] {
        to.sends(NOTIFY.with("Event", &format!("refer;id={seq}")).with("Subscription-State", state));
        from.gets(NOTIFY);
        assert_eq!(
            (heard(from, Name::Event), heard(from, Name::SubscriptionState)),
            ("refer;id=700".into(), state.into())
        );
        from.sends(200);
        to.gets(200);
    }
}

/// RFC 3515 section 2.4.6: the `id` is the CSeq number of the REFER, which differs on each leg.
#[test]
fn the_caller_transfers_the_callee() {
    let office = Office::talk();
    blind_transfer(&office.alice, &office.bob);
    office.alice.sends(BYE.with("CSeq", "701 BYE"));
    office.bob.gets(BYE);
    office.bob.sends(200);
    office.alice.gets(200);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn the_callee_transfers_the_caller() {
    let office = Office::talk();
    blind_transfer(&office.bob, &office.alice);
    hangs_up(&office.alice, &office.bob);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn the_peer_refuses_a_refer_and_nothing_outlives_the_call() {
    let office = Office::talk();
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>"));
    office.bob.gets(REFER);
    office.bob.sends(603);
    office.alice.gets(603);
    hangs_up(&office.alice, &office.bob);
    assert_eq!(office.edge.counters().subscriptions_live, 0);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 4488 section 4.
#[test]
fn a_refer_without_a_subscription_does_not_outlive_the_call() {
    let office = Office::talk();
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>").with("Refer-Sub", "false"));
    office.bob.gets(REFER);
    office.bob.sends(202.with("Refer-Sub", "false"));
    office.alice.gets(202);
    hangs_up(&office.alice, &office.bob);
    assert_eq!(office.edge.counters().subscriptions_live, 0);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 3515 section 2.4.4, RFC 5057 section 3: the subscription outlives the call.
#[test]
fn a_notify_crosses_after_the_bye_until_the_subscription_ends() {
    let office = Office::talk();
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>"));
    office.bob.gets(REFER);
    let refer = office.bob.last_request();
    office.bob.sends(202);
    office.alice.gets(202);
    hangs_up(&office.alice, &office.bob);
    let counters = office.edge.counters();
    assert_eq!((counters.calls_live, counters.subscriptions_live), (0, 1));
    for (seq, state) in [(1, RINGING), (2, DONE)] {
        office.bob.sends_request(notify(&refer, seq, "refer", state));
        office.alice.gets(NOTIFY);
        assert_eq!(heard(&office.alice, Name::SubscriptionState), state);
        office.alice.sends(200);
        office.bob.gets(200);
    }
    assert_eq!(office.edge.counters().dialogs_live, 0);
    office.bob.sends_request(notify(&refer, 3, "refer", DONE));
    office.bob.gets(481);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// The bound: four minutes after the BYE, nothing is left.
#[test]
fn a_subscription_without_notify_ends_four_minutes_after_the_bye() {
    let office = Office::talk();
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>"));
    office.bob.gets(REFER);
    let refer = office.bob.last_request();
    office.bob.sends(202);
    office.alice.gets(202);
    hangs_up(&office.alice, &office.bob);
    office.net.run_for(Duration::from_secs(239));
    assert_eq!(office.edge.counters().subscriptions_live, 1);
    office.net.run_for(Duration::from_secs(2));
    let counters = office.edge.counters();
    assert_eq!((counters.subscriptions_live, counters.dialogs_live), (0, 0));
    office.bob.sends_request(notify(&refer, 1, "refer", DONE));
    office.bob.gets(481);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 5057 section 5.1: a 481 to a NOTIFY ends the subscription. Other requests get a 481 after the BYE.
#[test]
fn only_the_subscription_crosses_after_the_bye_and_a_481_ends_it() {
    let office = Office::talk();
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>"));
    office.bob.gets(REFER);
    let refer = office.bob.last_request();
    office.bob.sends(202);
    office.alice.gets(202);
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(SUBSCRIBE.within().with("Event", "refer"));
    office.bob.gets(SUBSCRIBE);
    office.bob.sends(200);
    office.alice.gets(200);
    office.alice.sends(INVITE.within());
    office.alice.gets(481);
    assert_eq!(office.edge.counters().subscriptions_live, 1);
    office.bob.sends_request(notify(&refer, 1, "refer", RINGING));
    office.alice.gets(NOTIFY);
    office.alice.sends(481);
    office.bob.gets(481);
    assert_eq!(office.edge.counters().subscriptions_live, 0);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 3515 section 2.4.6.
#[test]
fn a_notify_of_an_unknown_refer_gets_481_and_the_call_goes_on() {
    let office = Office::talk();
    office.bob.sends(NOTIFY.with("Event", "refer;id=9").with("Subscription-State", RINGING));
    office.bob.gets(481);
    assert_eq!(office.refused("named-dialog"), 1);
    hangs_up(&office.bob, &office.alice);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// The caller knows the dialog of the leg of her second phone. Bob gets the name of Carol's dialog.
#[test]
fn replaces_in_a_refer_to_names_the_dialog_of_the_other_leg() {
    let (office, ours, carols) = Office::talk_twice();
    office.alice.sends(REFER.with("Refer-To", &refer_to_carol(&ours)));
    office.bob.gets(REFER);
    assert_eq!(replaces_in_refer_to(&office.bob), carols);
    office.bob.sends(603);
    office.alice.gets(603);
    hangs_up(&office.alice, &office.bob);
    hangs_up(&office.line, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// The same dialog, after its call is over.
#[test]
fn a_refer_to_a_dialog_that_is_over_gets_481() {
    let (office, ours, _) = Office::talk_twice();
    hangs_up(&office.line, &office.carol);
    office.alice.sends(REFER.with("Refer-To", &refer_to_carol(&ours)));
    office.alice.gets(481);
    assert_eq!(office.refused("named-dialog"), 1);
    hangs_up(&office.alice, &office.bob);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn a_refer_to_a_dialog_of_others_crosses_unchanged() {
    let office = Office::talk();
    let refer_to = refer_to_carol("a@b;to-tag=1;from-tag=2");
    office.alice.sends(REFER.with("Refer-To", &refer_to));
    office.bob.gets(REFER);
    assert_eq!(heard(&office.bob, Name::ReferTo), refer_to);
    office.bob.sends(603);
    office.alice.gets(603);
    hangs_up(&office.alice, &office.bob);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn a_refer_to_of_8_kib_gets_400_and_the_call_goes_on() {
    let office = Office::talk();
    let long = format!("<sip:+12155551214@192.0.2.2?Subject={}>", "x".repeat(8 * 1024));
    office.alice.sends(REFER.with("Refer-To", &long));
    office.alice.gets(400);
    assert_eq!(office.refused("refer-to-too-long"), 1);
    hangs_up(&office.alice, &office.bob);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 4538 section 7. Within a dialog and outside a dialog.
#[test]
fn target_dialog_is_mapped() {
    let (office, ours, carols) = Office::talk_twice();
    let target = |name: &str| name.replace("to-tag", "local-tag").replace("from-tag", "remote-tag");
    office.alice.sends(REFER.with("Refer-To", "<sip:dave@192.0.2.9>").with("Target-Dialog", &target(&ours)));
    office.bob.gets(REFER);
    assert_eq!(heard(&office.bob, Name::TargetDialog), target(&carols));
    office.bob.sends(603);
    office.alice.gets(603);
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(INVITE.with("Target-Dialog", &target(&ours)));
    office.bob.gets(INVITE);
    assert_eq!(heard(&office.bob, Name::TargetDialog), target(&carols));
    office.bob.sends(486);
    office.alice.gets(486);
    hangs_up(&office.line, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 3911 section 4: only for the trunk of the party that is joined.
#[test]
fn join_is_mapped_for_the_trunk_of_the_leg_only() {
    let (office, ours, carols) = Office::talk_twice();
    hangs_up(&office.alice, &office.bob);
    office.alice.dials("sip:+12155551214@192.0.2.2");
    office.bob.sends(INVITE.with("Join", &ours));
    office.bob.gets(403);
    assert_eq!(office.refused("foreign-dialog"), 1);
    office.alice.sends(INVITE.with("Join", &ours));
    office.carol.gets(INVITE);
    assert_eq!(heard(&office.carol, Name::Join), carols);
    office.carol.sends(486);
    office.alice.gets(486);
    assert_snapshot!(office.net.ladder());
    office.line.sends(BYE);
    office.line.gets(200);
}
