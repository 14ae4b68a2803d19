//! Tests of the search with DNS zones.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::names::record::{RECORDS, Srv};

/// The records of DNS, and the questions that were asked.
#[derive(Default)]
struct Zone {
    records: BTreeMap<DnsQuestion, Answer>,
    asked: Vec<DnsQuestion>,
}

impl Zone {
    fn host(mut self, name: &str, addresses: &[&str]) -> Zone {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.records.insert(DnsQuestion::new(Kind::Addresses, name), Ok(Records::Addresses(addresses)));
        self
    }

    /// Each server is `priority weight port target`.
    fn srv(mut self, name: &str, servers: &[(u16, u16, u16, &str)]) -> Zone {
        let servers = servers.iter().map(|&(priority, weight, port, target)| Srv {
            priority,
            weight,
            port,
            target: target.into(),
        });
        let records = Records::Services(servers.collect());
        self.records.insert(DnsQuestion::new(Kind::Services, name), Ok(records));
        self
    }

    /// Each rule is `order preference services replacement`.
    fn naptr(mut self, name: &str, rules: &[(u16, u16, &str, &str)]) -> Zone {
        let rules = rules.iter().map(|&(order, preference, services, replacement)| {
            rule(order, preference, services, replacement)
        });
        self.records.insert(DnsQuestion::new(Kind::Pointers, name), Ok(Records::Pointers(rules.collect())));
        self
    }

    fn silent(mut self, kind: Kind, name: &str) -> Zone {
        self.records.insert(DnsQuestion::new(kind, name), Err(LookupError::Timeout));
        self
    }

    fn find_by(&mut self, uri: &str, transports: Transports) -> Found {
        let (mut search, mut step) = Search::begin(Target::of(uri.as_bytes()).unwrap(), transports);
        loop {
            match step {
                Step::Done(found) => return found,
                Step::Ask(questions) => {
                    let answer =
                        |question| self.records.get(question).cloned().unwrap_or(Err(LookupError::NotFound));
                    let answers = questions.iter().map(answer).collect();
                    self.asked.extend(questions);
                    step = search.answered(answers, &mut || 0);
                }
            }
        }
    }

    /// Returns each result as `TRANSPORT address`, or the error.
    fn find(&mut self, uri: &str) -> Result<Vec<String>, ResolveError> {
        let found = self.find_by(uri, everything()).result?;
        Ok(found.iter().map(|each| format!("{} {}", each.transport, each.address)).collect())
    }

    fn asked(&self) -> Vec<String> {
        self.asked.iter().map(|question| format!("{:?} {}", question.kind, question.name)).collect()
    }
}

fn rule(order: u16, preference: u16, services: &str, replacement: &str) -> Naptr {
    Naptr {
        order,
        preference,
        flags: "S".into(),
        services: services.into(),
        rewrites: false,
        replacement: replacement.into(),
    }
}

fn v4(transports: &[Transport]) -> Transports {
    let add = |all: Transports, transport: &Transport| all.with(*transport, Ipv4Addr::LOCALHOST.into());
    transports.iter().fold(Transports::none(), add)
}

fn everything() -> Transports {
    let all = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
    all.into_iter().fold(v4(&all), |all, transport| all.with(transport, Ipv6Addr::LOCALHOST.into()))
}

fn ok(places: &[&str]) -> Result<Vec<String>, ResolveError> {
    Ok(places.iter().map(|place| (*place).to_owned()).collect())
}

#[test]
fn a_literal_address_needs_no_lookup() {
    for (uri, place) in [
        ("sip:192.0.2.4", "UDP 192.0.2.4:5060"),
        ("sip:alice@192.0.2.4:5070;transport=udp", "UDP 192.0.2.4:5070"),
        ("sip:[2001:db8::1]:5080", "UDP [2001:db8::1]:5080"),
        ("sip:192.0.2.4;transport=tcp", "TCP 192.0.2.4:5060"),
        ("sip:192.0.2.4;transport=tls", "TLS 192.0.2.4:5061"),
        ("sips:192.0.2.4", "TLS 192.0.2.4:5061"),
        ("sips:192.0.2.4;transport=tcp", "TLS 192.0.2.4:5061"),
        ("sip:192.0.2.4;transport=ws", "WS 192.0.2.4:80"),
        ("sips:192.0.2.4;transport=ws", "WSS 192.0.2.4:443"),
        ("sip:a.example;maddr=192.0.2.9", "UDP 192.0.2.9:5060"),
    ] {
        let mut zone = Zone::default();
        assert_eq!(zone.find(uri), ok(&[place]), "{uri}");
        assert!(zone.asked.is_empty());
    }
}

#[test]
fn with_a_port_only_addresses_are_looked_up() {
    let mut zone = Zone::default()
        .naptr("a.example", &[(1, 1, "SIP+D2T", "_sip._tcp.a.example.")])
        .srv("_sip._udp.a.example", &[(0, 0, 5080, "b.example.")])
        .host("a.example", &["2001:db8::1", "192.0.2.1"]);
    assert_eq!(zone.find("sip:a.example:5060"), ok(&["UDP [2001:db8::1]:5060", "UDP 192.0.2.1:5060"]));
    assert_eq!(zone.find("sips:a.example:5061"), ok(&["TLS [2001:db8::1]:5061", "TLS 192.0.2.1:5061"]));
    assert_eq!(zone.asked(), ["Addresses a.example", "Addresses a.example"]);
}

#[test]
fn with_a_transport_only_its_servers_are_looked_up() {
    let mut zone = Zone::default()
        .naptr("a.example", &[(1, 1, "SIP+D2U", "_sip._udp.a.example.")])
        .srv("_sip._tcp.a.example", &[(0, 0, 5080, "b.example.")])
        .srv("_sips._tcp.a.example", &[(0, 0, 5081, "b.example.")])
        .host("b.example.", &["192.0.2.2"])
        .host("a.example", &["192.0.2.1"]);
    assert_eq!(zone.find("sip:a.example;transport=tcp"), ok(&["TCP 192.0.2.2:5080"]));
    assert_eq!(zone.find("sip:a.example;transport=tls"), ok(&["TLS 192.0.2.2:5081"]));
    assert_eq!(zone.find("sips:a.example;transport=tcp"), ok(&["TLS 192.0.2.2:5081"]));
    assert!(zone.asked.iter().all(|question| question.kind != Kind::Pointers));
    assert_eq!(
        zone.find("sip:a.example;transport=udp"),
        ok(&["UDP 192.0.2.1:5060"]),
        "no SRV: the host itself"
    );
    assert_eq!(zone.find("sip:a.example;transport=ws"), ok(&["WS 192.0.2.1:80"]), "no SRV is defined");
}

/// The example of RFC 3263 section 4.1.
#[test]
fn naptr_chooses_the_transport_by_order() {
    let mut zone = Zone::default()
        .naptr(
            "example.com",
            &[
                (90, 50, "SIP+D2T", "_sip._tcp.example.com."),
                (100, 50, "SIP+D2U", "_sip._udp.example.com."),
                (50, 50, "SIPS+D2T", "_sips._tcp.example.com."),
            ],
        )
        .srv(
            "_sip._tcp.example.com.",
            &[(0, 1, 5060, "server1.example.com."), (0, 2, 5060, "server2.example.com.")],
        )
        .srv("_sips._tcp.example.com.", &[(0, 1, 5061, "server1.example.com.")])
        .host("server1.example.com.", &["192.0.2.1"])
        .host("server2.example.com.", &["192.0.2.2"]);
    let without_tls = v4(&[Transport::Udp, Transport::Tcp]);
    let places = zone.find_by("sip:example.com", without_tls).result.unwrap();
    let mut places: Vec<_> =
        places.iter().map(|each| format!("{} {}", each.transport, each.address)).collect();
    places.sort();
    assert_eq!(places, ["TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060"]);
    assert_eq!(zone.find("sip:example.com"), ok(&["TLS 192.0.2.1:5061"]));
    let found = zone.find_by("sips:example.com", everything()).result.unwrap();
    assert_eq!(found[0].server_name.as_deref(), Some("example.com"), "the name of the target");
}

#[test]
fn matching_rules_of_the_lowest_order_are_tried_by_preference() {
    let mut zone = Zone::default()
        .naptr(
            "a.example",
            &[
                (10, 1, "SIP+D2S", "_sip._sctp.a.example."),
                (20, 9, "SIP+D2U", "_sip._udp.a.example."),
                (20, 5, "sip+d2t", "_sip._tcp.elsewhere.example."),
                (30, 1, "SIPS+D2T", "_sips._tcp.a.example."),
            ],
        )
        .srv("_sip._udp.a.example.", &[(0, 0, 5060, "u.example.")])
        .srv("_sip._tcp.elsewhere.example.", &[(0, 0, 5070, "t.example.")])
        .srv("_sips._tcp.a.example.", &[(0, 0, 5061, "s.example.")])
        .host("u.example.", &["192.0.2.1"])
        .host("t.example.", &["192.0.2.2"])
        .host("s.example.", &["192.0.2.3"]);
    assert_eq!(zone.find("sip:a.example"), ok(&["TCP 192.0.2.2:5070", "UDP 192.0.2.1:5060"]));
    assert_eq!(zone.find("sips:a.example"), ok(&["TLS 192.0.2.3:5061"]), "sips uses only sips services");
}

#[test]
fn websocket_rules_are_skipped_since_the_edge_opens_none() {
    let mut zone = Zone::default()
        .naptr("a.example", &[(1, 1, "SIPS+D2W", "_wss.a.example."), (2, 1, "SIP+D2U", "_udp.a.example.")])
        .srv("_wss.a.example.", &[(0, 0, 8443, "a.example.")])
        .srv("_udp.a.example.", &[(0, 0, 5070, "a.example.")])
        .host("a.example.", &["192.0.2.1"]);
    assert_eq!(zone.find("sip:a.example"), ok(&["UDP 192.0.2.1:5070"]));
}

#[test]
fn a_tls_peer_has_to_prove_the_host_of_the_target() {
    for (uri, name) in [
        ("sips:192.0.2.4", "192.0.2.4"),
        ("sips:[2001:db8::1]", "2001:db8::1"),
        ("sip:a.example:5061;transport=tls", "a.example"),
    ] {
        let mut zone = Zone::default().host("a.example", &["192.0.2.1"]);
        let found = zone.find_by(uri, everything()).result.unwrap();
        assert_eq!(found[0].server_name.as_deref(), Some(name));
    }
}

#[test]
fn unusable_rules_are_skipped() {
    for useless in [
        Naptr { flags: "u".into(), ..rule(1, 1, "SIP+D2U", "_sip._udp.b.example.") },
        Naptr { flags: "".into(), ..rule(1, 1, "SIP+D2U", "a.example.") },
        Naptr { rewrites: true, ..rule(1, 1, "SIP+D2U", "_sip._udp.b.example.") },
        rule(1, 1, "SIP+D2U", "."),
        rule(1, 1, "E2U+sip", "_sip._udp.b.example."),
    ] {
        let mut zone = Zone::default()
            .srv("_sip._udp.b.example.", &[(0, 0, 5060, "b.example.")])
            .srv("_sip._udp.a.example", &[(0, 0, 5070, "a.example.")])
            .host("a.example.", &["192.0.2.1"])
            .host("b.example.", &["192.0.2.2"]);
        let pointers = Records::Pointers(vec![useless.clone()]);
        zone.records.insert(DnsQuestion::new(Kind::Pointers, "a.example"), Ok(pointers));
        assert_eq!(zone.find("sip:a.example"), ok(&["UDP 192.0.2.1:5070"]), "{useless:?}");
    }
}

#[test]
fn without_naptr_each_transport_is_asked_for() {
    let mut zone = Zone::default()
        .srv("_sip._udp.a.example", &[(0, 0, 5060, "a.example.")])
        .srv("_sips._tcp.a.example", &[(0, 0, 5061, "a.example.")])
        .host("a.example.", &["192.0.2.1"]);
    assert_eq!(zone.find("sip:a.example"), ok(&["UDP 192.0.2.1:5060", "TLS 192.0.2.1:5061"]));
    assert_eq!(
        zone.asked(),
        [
            "Pointers a.example",
            "Services _sip._udp.a.example",
            "Services _sip._tcp.a.example",
            "Services _sips._tcp.a.example",
            "Addresses a.example.",
        ]
    );
    zone.asked.clear();
    assert_eq!(zone.find("sips:a.example"), ok(&["TLS 192.0.2.1:5061"]));
    assert_eq!(zone.asked()[1..], ["Services _sips._tcp.a.example", "Addresses a.example."]);
}

#[test]
fn without_srv_records_the_host_itself_is_tried() {
    let mut zone = Zone::default().host("a.example", &["192.0.2.1"]);
    assert_eq!(zone.find("sip:a.example"), ok(&["UDP 192.0.2.1:5060"]));
    assert_eq!(zone.find("sips:a.example"), ok(&["TLS 192.0.2.1:5061"]));
    let mut zone = zone.naptr("a.example", &[(1, 1, "SIP+D2T", "_sip._tcp.a.example.")]);
    assert_eq!(zone.find("sip:a.example"), ok(&["TCP 192.0.2.1:5060"]), "NAPTR has chosen the transport");
}

#[test]
fn servers_are_tried_by_priority_and_all_addresses_of_each() {
    let mut zone = Zone::default()
        .srv("_sip._udp.a.example", &[(20, 0, 5062, "c.example."), (10, 0, 5061, "b.example.")])
        .host("b.example.", &["2001:db8::b", "192.0.2.2"])
        .host("c.example.", &["192.0.2.3"]);
    let all = ["UDP [2001:db8::b]:5061", "UDP 192.0.2.2:5061", "UDP 192.0.2.3:5062"];
    assert_eq!(zone.find("sip:a.example;transport=udp"), ok(&all));
    let by_v4 = zone.find_by("sip:a.example;transport=udp", v4(&[Transport::Udp])).result.unwrap();
    assert!(by_v4.iter().all(|each| each.address.is_ipv4()) && by_v4.len() == 2, "no listener has IPv6");
}

#[test]
fn a_dot_says_that_the_service_is_not_there() {
    let mut zone =
        Zone::default().srv("_sip._udp.a.example", &[(0, 0, 0, ".")]).host("a.example", &["192.0.2.1"]);
    assert_eq!(zone.find("sip:a.example;transport=udp"), Err(ResolveError::NotFound));
    assert_eq!(zone.find("sip:a.example"), Err(ResolveError::NotFound), "no other transport has servers");
    let mut zone = zone.srv("_sip._tcp.a.example", &[(0, 0, 5060, "a.example")]);
    assert_eq!(zone.find("sip:a.example"), ok(&["TCP 192.0.2.1:5060"]));
}

#[test]
fn an_srv_target_that_is_its_own_service_fails() {
    let mut zone = Zone::default()
        .naptr("a.example", &[(1, 1, "SIP+D2U", "_sip._udp.a.example.")])
        .srv("_sip._udp.a.example.", &[(0, 0, 5060, "_sip._udp.a.example."), (0, 0, 5060, "a.example.")]);
    assert_eq!(zone.find("sip:a.example"), Err(ResolveError::NotFound));
    assert_eq!(zone.asked.len(), 4);
}

#[test]
fn transports_that_the_edge_lacks_are_refused() {
    let mut zone = Zone::default().host("a.example", &["192.0.2.1"]);
    for uri in
        ["sips:a.example", "sip:a.example;transport=tls", "sip:192.0.2.4;transport=tcp", "sips:192.0.2.4"]
    {
        let found = zone.find_by(uri, v4(&[Transport::Udp]));
        assert_eq!(found.result, Err(ResolveError::Unsupported), "{uri}");
    }
    let found = zone.find_by("sips:a.example;transport=udp", everything());
    assert_eq!(found.result, Err(ResolveError::Unsupported), "TLS does not run over datagrams");
    let found = zone.find_by("sip:192.0.2.4", v4(&[Transport::Tcp])).result.unwrap();
    assert_eq!(found[0].transport, Transport::Tcp, "an edge without UDP");
}

#[test]
fn a_search_that_finds_nothing_says_whether_dns_was_silent() {
    assert_eq!(Zone::default().find("sip:a.example"), Err(ResolveError::NotFound));
    let mut zone = Zone::default().silent(Kind::Addresses, "a.example");
    assert_eq!(zone.find("sip:a.example"), Err(ResolveError::Timeout));
    let mut zone = Zone::default().silent(Kind::Pointers, "a.example").host("a.example", &["192.0.2.1"]);
    assert_eq!(
        zone.find("sip:a.example"),
        ok(&["UDP 192.0.2.1:5060"]),
        "a missing answer does not stop the search"
    );
}

#[test]
fn a_missing_srv_answer_does_not_mean_no_servers() {
    for uri in ["sip:a.example", "sip:a.example;transport=udp"] {
        let mut zone =
            Zone::default().silent(Kind::Services, "_sip._udp.a.example").host("a.example", &["192.0.2.1"]);
        assert_eq!(zone.find(uri), Err(ResolveError::Timeout), "{uri}");
        assert!(!zone.asked().contains(&"Addresses a.example".to_owned()), "{uri}");
    }
    // One known service is enough.
    let mut zone = Zone::default()
        .silent(Kind::Services, "_sip._udp.a.example")
        .srv("_sip._tcp.a.example", &[(0, 0, 5060, "b.example")])
        .host("b.example", &["192.0.2.2"]);
    assert_eq!(zone.find("sip:a.example"), ok(&["TCP 192.0.2.2:5060"]));
}

#[test]
fn a_thousand_servers_need_a_limited_number_of_lookups() {
    let names: Vec<_> = (0..RECORDS).map(|n| format!("s{n}.example.")).collect();
    let servers: Vec<_> = names.iter().map(|name| (0, 1, 5060, name.as_str())).collect();
    let mut zone = Zone::default().srv("_sip._udp.a.example", &servers);
    for (n, name) in names.iter().enumerate() {
        let addresses: Vec<_> = (0..4).map(|host| format!("192.0.{n}.{host}")).collect();
        zone = zone.host(name, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let found = zone.find_by("sip:a.example", everything());
    assert_eq!((found.result.unwrap().len(), found.truncated), (DESTINATIONS, true));
    assert_eq!(zone.asked.len(), LOOKUPS);
}

/// The names in the records of the property test.
const NAMES: [&str; 5] = ["a.example", "a.example.", "_sip._udp.a.example.", "b.example.", "."];

fn name() -> impl Strategy<Value = Box<str>> {
    prop::sample::select(&NAMES[..]).prop_map(Box::from)
}

fn answer(kind: Kind) -> BoxedStrategy<Answer> {
    let records = match kind {
        Kind::Addresses => prop::collection::vec(any::<IpAddr>(), 0..12).prop_map(Records::Addresses).boxed(),
        Kind::Services => {
            // The directory passes on port 0 only with the target ".".
            let server = (0..3_u16, any::<u16>(), 1..=u16::MAX, name());
            let server =
                server.prop_map(|(priority, weight, port, target)| Srv { priority, weight, port, target });
            prop::collection::vec(server, 0..12).prop_map(Records::Services).boxed()
        }
        Kind::Pointers => {
            let services = prop::sample::select(&["SIP+D2U", "SIPS+D2T", "SIP+D2W", "SIPS+D2W", "x"][..]);
            let parts = (0..3_u16, 0..3_u16, services, name());
            let pointer =
                parts.prop_map(|(order, preference, services, to)| rule(order, preference, services, &to));
            prop::collection::vec(pointer, 0..12).prop_map(Records::Pointers).boxed()
        }
    };
    prop_oneof![
        4 => records.prop_map(Ok),
        1 => Just(Err(LookupError::NotFound)),
        1 => Just(Err(LookupError::Timeout)),
    ]
    .boxed()
}

proptest! {
    /// For any answers of DNS, a search ends after at most three rounds and within its limits. It returns only destinations
    /// that it may use.
    #[test]
    fn every_search_ends_within_its_limits(
        uri in prop::sample::select(&["sip:a.example", "sips:a.example", "sip:a.example;transport=udp"][..]),
        pointers in answer(Kind::Pointers),
        services in prop::collection::vec(answer(Kind::Services), LOOKUPS),
        hosts in prop::collection::vec(answer(Kind::Addresses), LOOKUPS),
        chance in any::<u64>(),
    ) {
        let transports = v4(&[Transport::Udp, Transport::Tls, Transport::Ws]);
        let (mut search, mut step) = Search::begin(Target::of(uri.as_bytes()).unwrap(), transports);
        let (mut rounds, mut lookups) = (0, 0);
        let found = loop {
            match step {
                Step::Done(found) => break found,
                Step::Ask(questions) => {
                    rounds += 1;
                    lookups += questions.len();
                    let answers = questions.iter().enumerate().map(|(at, question)| match question.kind {
                        Kind::Pointers => pointers.clone(),
                        Kind::Services => services[at].clone(),
                        Kind::Addresses => hosts[at].clone(),
                    });
                    step = search.answered(answers.collect(), &mut || chance);
                }
            }
        };
        prop_assert!(rounds <= 3 && lookups <= LOOKUPS);
        let destinations = found.result.unwrap_or_default();
        prop_assert!(destinations.len() <= DESTINATIONS);
        for (at, each) in destinations.iter().enumerate() {
            prop_assert!(each.address.port() != 0 && !destinations[..at].contains(each));
            prop_assert!(transports.reach(each.transport, each.address.ip()));
            prop_assert!(!uri.starts_with("sips") || each.transport == Transport::Tls);
            prop_assert_eq!(each.server_name.is_some(), each.transport == Transport::Tls);
        }
    }
}
