//! The checks of a request before it becomes a call: RFC 3261 section 8.2, the sources of the trunks, the caps.

use std::sync::Arc;

use attesta_sip::Name;
use attesta_transaction::{Flow, TlsNames, Transport};

use super::rig::*;
use crate::{CallEvent, Caps, Cause, Trunk};

#[test]
fn unknown_sources_are_refused_and_counted() {
    let mut rig = Rig::plain();
    rig.invites(MALLORY, &uri(CALLEE), "call-1");
    rig.gets_response(MALLORY, 403);
    rig.is_silent();
    assert_eq!((rig.refused("unknown-source"), rig.counters().calls), (1, 0));
    assert_eq!(rig.counters().transactions_live, 0, "a forged source fills no memory");
    rig.request(
        MALLORY,
        BYE,
        &edge(),
        "From: <sip:m@m>;tag=1\r\nTo: <sip:e@e>;tag=2\r\nCall-ID: m\r\nCSeq: 1 BYE\r\n",
        "",
    );
    rig.gets_response(MALLORY, 481);
    assert_eq!(rig.counters().transactions_live, 0);
    assert!(rig.events.is_empty());
}

#[test]
fn the_most_specific_source_decides_the_trunk() {
    let trunk = |name: &str, source: &str| {
        Trunk::new(name).source(source.parse().unwrap()).inbound_identity(crate::InboundIdentity::Pass)
    };
    let (_, bob) = trunks();
    let config = builder()
        .trunk(bob)
        .trunk(trunk("wide", "10.0.0.0/8"))
        .trunk(trunk("socket", "10.1.2.3:5070"))
        .trunk(trunk("host", "10.1.2.3"))
        .trunk(trunk("near", "10.1.0.0/16"))
        .trunk(trunk("six", "2001:db8::/32"))
        .build()
        .unwrap();
    let of = |transport, remote: &str| {
        let flow = Flow { transport, ..Flow::udp(address(ALICE), address(remote)) };
        config.trunk_of(&flow).map(|name| name.to_string())
    };
    assert_eq!(of(Transport::Udp, "10.1.2.3:5070").as_deref(), Some("socket"));
    assert_eq!(
        of(Transport::Tcp, "10.1.2.3:5070").as_deref(),
        Some("host"),
        "the source port of a stream is not compared"
    );
    assert_eq!(of(Transport::Udp, "10.1.2.3:5071").as_deref(), Some("host"));
    assert_eq!(of(Transport::Udp, "10.1.9.9:5060").as_deref(), Some("near"));
    assert_eq!(of(Transport::Udp, "10.9.9.9:5060").as_deref(), Some("wide"));
    assert_eq!(of(Transport::Udp, "[2001:db8::1]:5060").as_deref(), Some("six"));
    assert_eq!(of(Transport::Udp, "[::ffff:10.9.9.9]:5060").as_deref(), Some("wide"));
    assert_eq!(of(Transport::Udp, "11.0.0.1:5060"), None);
}

#[test]
fn a_trunk_with_tls_names_is_found_by_a_proven_name() {
    let pass = |name: &str| Trunk::new(name).inbound_identity(crate::InboundIdentity::Pass);
    let (_, bob) = trunks();
    let config = builder()
        .trunk(bob)
        .trunk(pass("by address").source("10.0.0.0/8".parse().unwrap()))
        .trunk(pass("by name").tls_name("SIP.acme.example.").tls_name("b.example"))
        .trunk(pass("by both").tls_name("sip.acme.example").source("10.1.0.0/16".parse().unwrap()))
        .build()
        .unwrap();
    let of = |remote: &str, names: &[&str]| {
        let names = TlsNames::new(names.iter().map(|&name| name.into()).collect());
        let flow = Flow {
            transport: Transport::Tls,
            tls_names: Some(Arc::new(names)),
            ..Flow::udp(address(ALICE), address(remote))
        };
        config.trunk_of(&flow).map(|name| name.to_string())
    };
    assert_eq!(of("10.1.2.3:5061", &[]).as_deref(), Some("by address"));
    assert_eq!(of("10.1.2.3:5061", &["other.example"]).as_deref(), Some("by address"));
    assert_eq!(of("10.2.2.3:5061", &["x.example", "sip.acme.example"]).as_deref(), Some("by name"));
    assert_eq!(of("10.1.2.3:5061", &["sip.acme.example"]).as_deref(), Some("by both"));
    assert_eq!(of("192.0.2.9:5061", &["b.example"]).as_deref(), Some("by name"));
    assert_eq!(of("192.0.2.9:5061", &["acme.example"]), None);
    assert_eq!(of("192.0.2.9:5061", &[]), None);
}

#[test]
fn a_tls_trunk_claims_its_addresses_before_a_name_is_proven() {
    let trunk = Trunk::new("both")
        .inbound_identity(crate::InboundIdentity::Pass)
        .tls_name("sip.acme.example")
        .source("10.1.0.0/16".parse().unwrap());
    let named = Trunk::new("named").inbound_identity(crate::InboundIdentity::Pass).tls_name("b.example");
    let (_, bob) = trunks();
    let config = builder().trunk(bob).trunk(trunk).trunk(named).build().unwrap();
    let claims = |remote: &str, name: Option<&str>| {
        let names = name.map(|name| Arc::new(TlsNames::new(vec![name.into()])));
        let flow = Flow::udp(address(ALICE), address(remote));
        config.claims(&Flow { transport: Transport::Tls, tls_names: names, ..flow })
    };
    assert!(claims("10.1.2.3:5061", None), "an address of the trunk, before it proves a name");
    assert!(!claims("192.0.2.9:5061", None) && !claims("192.0.2.9:5061", Some("sip.acme.example")));
    assert!(claims("192.0.2.9:5061", Some("b.example")));
}

#[test]
fn methods_that_start_no_call_get_405_501_or_481() {
    let mut rig = Rig::plain();
    for (method, status) in [("REGISTER", 405), ("SUBSCRIBE", 405), ("FROB", 501), (BYE, 481), (UPDATE, 481)]
    {
        rig.request(ALICE, method, &uri(CALLEE), &outside_dialog(method, method, ""), "");
        let response = rig.gets_response(ALICE, status);
        assert_eq!(response.headers().contains(Name::Allow), status != 481, "{method}");
        assert!(header(&response, Name::To).contains(";tag="));
    }
    assert_eq!((rig.refused("method"), rig.refused("unknown-method")), (2, 1));
}

#[test]
fn an_options_to_the_edge_gets_200() {
    let mut rig = Rig::plain();
    rig.request(ALICE, OPTIONS, &edge(), &outside_dialog(OPTIONS, "call-1", "Max-Forwards: 0\r\n"), "");
    let response = rig.gets_response(ALICE, 200);
    assert!(header(&response, Name::Allow).starts_with("INVITE, ACK"));
    assert!(header(&response, Name::Supported).contains("100rel"));
}

#[test]
fn require_scheme_hops_and_contact_of_an_invite_are_checked() {
    let mut rig = Rig::plain();
    rig.invite("Require: 100rel, frob, x\r\n");
    assert_eq!(header(&rig.gets_response(ALICE, 420), Name::Unsupported), "frob, x");
    for (uri, id) in [("nobodyKnowsThisScheme:total", "s1"), ("urn:service:food", "s2")] {
        rig.invites(ALICE, uri, id);
        rig.gets_response(ALICE, 416);
    }
    for (call_id, headers, status) in [("m", "Max-Forwards: 0\r\n", 483), ("c", "Contact: *\r\n", 400)] {
        rig.request(ALICE, INVITE, &uri(CALLEE), &outside_dialog(INVITE, call_id, headers), OFFER);
        rig.gets_response(ALICE, status);
    }
    rig.is_silent();
    let counts = ["extension", "scheme", "max-forwards", "no-contact"].map(|reason| rig.refused(reason));
    assert_eq!(counts, [1, 2, 1, 1]);
}

#[test]
fn an_invite_without_max_forwards_leaves_with_70() {
    let mut rig = Rig::plain();
    let message = request(ALICE, INVITE, &uri(CALLEE), "z9hG4bKx", &dialog_forming(""), OFFER);
    rig.receives(ALICE, message.replace("Max-Forwards: 70\r\n", ""));
    assert_eq!(value(&rig.gets_request(BOB, INVITE), Name::MaxForwards), "70");
}

#[test]
fn a_call_beyond_the_cap_gets_503_unless_it_is_an_emergency() {
    let (alice, bob) = trunks();
    let config = builder().trunk(alice).trunk(bob).caps(Caps { calls: 1, ..Caps::default() }).build();
    let mut rig = Rig::new(config.unwrap());
    rig.talk();
    rig.invites(ALICE, &uri(CALLEE), "call-2");
    assert_eq!(header(&rig.gets_response(ALICE, 503), Name::RetryAfter), "5");
    assert_eq!(rig.refused("call-cap"), 1);
    // An emergency call is accepted.
    rig.invites(ALICE, &uri("911"), "call-3");
    rig.gets_request(BOB, INVITE);
}

#[test]
fn emergency_calls_are_exempt_from_the_cap_on_transactions() {
    let (alice, bob) = trunks();
    let transactions = attesta_transaction::Config::default().max_transactions(4);
    let mut rig = Rig::new(builder().trunk(alice).trunk(bob).transactions(transactions).build().unwrap());
    for id in ["call-1", "call-2"] {
        rig.invites(ALICE, &uri(CALLEE), id);
        rig.gets_request(BOB, INVITE);
    }
    rig.invites(ALICE, &uri(CALLEE), "call-3");
    assert_eq!(header(&rig.gets_response(ALICE, 503), Name::RetryAfter), "5");
    rig.invites(MALLORY, &uri("911"), "call-4");
    rig.gets_response(MALLORY, 403);
    rig.invites(ALICE, &uri("911"), "call-5");
    rig.gets_request(BOB, INVITE);
    assert_eq!((rig.refused("overloaded"), rig.counters().calls_live), (1, 3));
}

#[test]
fn emergency_calls_are_marked_and_need_a_known_source() {
    let mut rig = Rig::plain();
    for (uri, id) in [("urn:service:sos.police", "e1"), ("sip:911@edge.example", "e2")] {
        rig.invites(ALICE, uri, id);
        rig.gets_request(BOB, INVITE);
    }
    rig.invites(MALLORY, "sip:911@edge.example", "e3");
    rig.gets_response(MALLORY, 403);
    let started =
        |event: &&CallEvent| matches!(event, CallEvent::Started { arrival, .. } if arrival.emergency);
    assert_eq!(rig.events.iter().filter(started).count(), 2);
}

#[test]
fn an_sos_in_to_counts_only_if_the_request_uri_has_no_number() {
    let mut rig = Rig::plain();
    for (uri, id) in [(uri(CALLEE), "t1"), ("sip:psap@192.0.2.9".to_owned(), "t2")] {
        let headers = outside_dialog(INVITE, id, "To: <urn:service:sos>\r\n");
        rig.request(ALICE, INVITE, &uri, &headers, OFFER);
        rig.gets_request(BOB, INVITE);
    }
    let mut emergencies = Vec::new();
    for event in &rig.events {
        if let CallEvent::Started { arrival, .. } = event {
            emergencies.push(arrival.emergency);
        }
    }
    assert_eq!(emergencies, [false, true]);
}

#[test]
fn a_number_without_a_route_gets_404() {
    let (alice, bob) = trunks();
    let config = crate::Config::builder()
        .listener(crate::Listener::new("edge", Transport::Udp, address(EDGE)))
        .trunk(alice)
        .trunk(bob)
        .route(crate::Route::new(crate::RouteTo::Trunks(vec!["bob".into()])).number("+44".parse().unwrap()))
        .route(crate::Route::new(crate::RouteTo::Trunks(vec!["bob".into()])).from("bob"))
        .build();
    let mut rig = Rig::new(config.unwrap());
    rig.invite("");
    let response = rig.gets_response(ALICE, 404);
    rig.ends_clean(Cause::Refused(response.status()));
}

#[test]
fn unreadable_datagrams_get_no_reply_and_harm_no_call() {
    let mut rig = Rig::plain();
    rig.talk();
    for noise in [&b"\0\xff\xfe"[..], b"INVITE", b"SIP/2.0 200 OK\r\n\r\n", &[b'x'; 65_507]] {
        rig.receives(MALLORY, noise.to_vec());
    }
    rig.is_silent();
    assert_eq!(rig.counters().calls_live, 1);
}
