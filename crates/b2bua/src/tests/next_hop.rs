//! Requests in a dialog whose peer's address is still being found.

use attesta_sip::Name;
use attesta_transaction::{ConnectionId, Transport};

use super::ladder::Talk;
use super::rig::{
    ACK, ALICE, ANSWER, BOB, BYE, EDGE, INFO, INVITE, OFFER, Rig, address, builder, contact, dialog_forming,
    edge, header, trunks, value,
};
use crate::{Cause, InboundIdentity, Input, Listener, OutboundIdentity, Trunk};

#[test]
fn a_queued_request_does_not_leave_after_its_call_is_over() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.holds_names = true;
    rig.reply_with(BOB, &invite, 200, "b", "Contact: <sip:bob@phone.example>\n", ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    rig.alice_sends(&talk, "INFO", 2);
    rig.input(Input::HangUp);
    rig.gets_response(ALICE, 487);
    rig.is_silent();
    // Both names have the same address: one BYE is for Bob, and one for Alice.
    rig.finds_names_at(BOB);
    rig.gets_request(BOB, ACK);
    for _ in 0..2 {
        let bye = rig.gets_request(BOB, BYE);
        rig.responds(BOB, &bye, 200);
    }
    rig.is_silent();
    rig.ends_clean(Cause::ShutDown);
}

/// The callee's BYE ends the call while the caller's re-INVITE waits for the address of the callee.
#[test]
fn a_queued_re_invite_does_not_leave_after_the_callee_has_hung_up() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.holds_names = true;
    rig.reply_with(BOB, &invite, 200, "b", "Contact: <sip:bob@phone.example>\n", ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_re_invites(&talk, 2);
    rig.bob_sends(&talk, BYE, 1);
    rig.gets_response(BOB, 200);
    rig.clear();
    rig.finds_names_at(BOB);
    rig.gets_request(BOB, ACK);
    assert!(rig.gets_if_any(BOB).is_none());
    rig.ends_clean(Cause::CalleeHungUp);
}

/// A call from Alice over one transport to Bob over another. Both have sent by the connections 5 and 7.
fn connected(first: Transport, second: Transport) -> (Rig, Talk) {
    connected_with(first, second, &contact_of(ALICE, first))
}

fn contact_of(at: &str, transport: Transport) -> String {
    format!("Contact: <sip:{at};transport={}>\r\n", transport.as_str().to_ascii_lowercase())
}

/// As [`connected`], with this Contact of Alice.
fn connected_with(first: Transport, second: Transport, contact: &str) -> (Rig, Talk) {
    let (alice, _) = trunks();
    let bob = Trunk::new("bob").source("192.0.2.2".parse().unwrap());
    let name = second.as_str().to_ascii_lowercase();
    let bob = bob.target(format!("sip:{BOB};transport={name}").parse().unwrap());
    let bob = bob.inbound_identity(InboundIdentity::Pass).outbound_identity(OutboundIdentity::Pass);
    let mut builder = builder();
    let transports = if first == second { vec![first] } else { vec![first, second] };
    for transport in transports {
        builder = builder.listener(Listener::new(transport.as_str(), transport, address(EDGE)));
    }
    let carol = Trunk::new("carol").source("203.0.113.9".parse().unwrap());
    let carol = carol.inbound_identity(InboundIdentity::Pass);
    let mut rig = Rig::new(builder.trunk(alice).trunk(bob).trunk(carol).build().unwrap());
    rig.connects(ALICE, first, 5, None);
    rig.connects(BOB, second, 7, Some("bob.example"));
    let invite = rig.alice_calls(contact);
    rig.reply_with(BOB, &invite, 200, "b", &contact_of(BOB, second), ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    (rig, talk)
}

/// RFC 3261 section 18.1.1, RFC 5923 section 5: the name that the certificate proved does not matter.
#[test]
fn requests_to_the_address_of_an_open_connection_use_the_connection() {
    let (mut rig, talk) = connected(Transport::Tls, Transport::Tls);
    // Bob's certificate proved his name, and his Contact names his address.
    assert_eq!(rig.flow_to(BOB).server_name.as_deref(), Some("bob.example"));
    rig.gets_request(BOB, ACK);
    rig.bob_sends(&talk, BYE, 1);
    // Alice has opened her connection, and proved no name for her Contact. No other connection may carry the BYE.
    assert_eq!(rig.flow_to(ALICE).connection, Some(ConnectionId(5)));
    let bye = rig.gets_request(ALICE, BYE);
    rig.responds(ALICE, &bye, 200);
    rig.gets_response(BOB, 200);
    rig.ends_clean(Cause::CalleeHungUp);
}

#[test]
fn a_lost_connection_gets_503_and_the_next_request_asks_for_a_new_one() {
    let (mut rig, talk) = connected(Transport::Tcp, Transport::Tcp);
    rig.gets_request(BOB, ACK);
    rig.alice_sends(&talk, INFO, 2);
    rig.fails_to_reach(BOB);
    rig.gets_response(ALICE, 503);
    rig.alice_sends(&talk, INFO, 3);
    assert_eq!(rig.flow_to(BOB).connection, None);
    let info = rig.gets_request(BOB, INFO);
    rig.responds(BOB, &info, 200);
    rig.gets_response(ALICE, 200);
    assert_eq!(rig.counters().calls_live, 1);
}

#[test]
fn a_tls_peer_that_cannot_be_reached_ends_the_call_on_both_sides() {
    let (mut rig, talk) = connected(Transport::Tls, Transport::Tls);
    rig.gets_request(BOB, ACK);
    for seq in [2, 3] {
        rig.alice_sends(&talk, INFO, seq);
        rig.fails_to_reach(BOB);
        rig.gets_response(ALICE, 503);
    }
    rig.gets_request(ALICE, BYE);
    rig.gets_request(BOB, BYE);
    rig.ends_clean(Cause::Lost);
}

/// RFC 7118 appendix B.1: only the browser opens connections.
#[test]
fn a_browser_that_comes_back_on_another_websocket_is_reached_there() {
    let (mut rig, talk) = connected(Transport::Ws, Transport::Udp);
    rig.gets_request(BOB, ACK);
    rig.bob_sends(&talk, INFO, 1);
    assert_eq!(rig.flow_to(ALICE).connection, Some(ConnectionId(5)));
    rig.fails_to_reach(ALICE);
    rig.gets_response(BOB, 503);
    rig.connects(ALICE, Transport::Ws, 9, None);
    rig.alice_sends(&talk, "UPDATE", 2);
    let update = rig.gets_request(BOB, "UPDATE");
    rig.responds(BOB, &update, 200);
    rig.gets_response(ALICE, 200);
    rig.bob_sends(&talk, BYE, 2);
    assert_eq!(rig.flow_to(ALICE).connection, Some(ConnectionId(9)));
    let bye = rig.gets_request(ALICE, BYE);
    rig.responds(ALICE, &bye, 200);
    rig.gets_response(BOB, 200);
    rig.ends_clean(Cause::CalleeHungUp);
}

/// A request by the earlier WebSocket fails late. The later WebSocket stays.
#[test]
fn a_late_failure_on_an_earlier_websocket_changes_nothing() {
    let (mut rig, talk) = connected(Transport::Ws, Transport::Udp);
    rig.gets_request(BOB, ACK);
    rig.bob_sends(&talk, INFO, 1);
    let earlier = rig.takes_from_wire(ALICE);
    rig.connects(ALICE, Transport::Ws, 9, None);
    rig.alice_sends(&talk, INFO, 2);
    let info = rig.gets_request(BOB, INFO);
    rig.responds(BOB, &info, 200);
    rig.gets_response(ALICE, 200);
    rig.input(Input::TransportFailed(earlier));
    rig.gets_response(BOB, 503);
    rig.bob_sends(&talk, BYE, 2);
    assert_eq!(rig.flow_to(ALICE).connection, Some(ConnectionId(9)));
}

/// A browser may be away for a while. We open no connection to its Contact (RFC 7118 section 5).
#[test]
fn a_browser_that_is_away_gets_no_new_connection() {
    let (mut rig, talk) = connected(Transport::Wss, Transport::Udp);
    rig.gets_request(BOB, ACK);
    for seq in [1, 2, 3] {
        rig.bob_sends(&talk, INFO, seq);
        assert_eq!(rig.flow_to(ALICE).connection, Some(ConnectionId(5)));
        rig.fails_to_reach(ALICE);
        rig.gets_response(BOB, 503);
    }
    assert_eq!(rig.counters().calls_live, 1);
}

/// The Contact names a port where nothing listens, as many TLS clients do.
#[test]
fn the_open_connection_is_used_if_the_contact_takes_no_connection() {
    let elsewhere = "198.51.100.7:5099";
    let (mut rig, talk) =
        connected_with(Transport::Tls, Transport::Udp, &contact_of(elsewhere, Transport::Tls));
    rig.gets_request(BOB, ACK);
    rig.bob_sends(&talk, INFO, 1);
    assert_eq!(rig.flow_to(elsewhere).connection, None);
    rig.fails_to_reach(elsewhere);
    rig.gets_response(BOB, 503);
    rig.bob_sends(&talk, INFO, 2);
    assert_eq!(rig.flow_to(ALICE).connection, Some(ConnectionId(5)));
    let info = rig.gets_request(ALICE, INFO);
    rig.responds(ALICE, &info, 200);
    rig.gets_response(BOB, 200);
    rig.bob_sends(&talk, BYE, 3);
    let bye = rig.gets_request(ALICE, BYE);
    rig.responds(ALICE, &bye, 200);
    rig.gets_response(BOB, 200);
    rig.ends_clean(Cause::CalleeHungUp);
}

#[test]
fn a_relayed_bye_reaches_a_caller_whose_contact_takes_no_connection() {
    let elsewhere = "198.51.100.7:5099";
    let (mut rig, talk) =
        connected_with(Transport::Tls, Transport::Udp, &contact_of(elsewhere, Transport::Tls));
    rig.gets_request(BOB, ACK);
    rig.bob_sends(&talk, BYE, 1);
    rig.fails_to_reach(elsewhere);
    rig.gets_response(BOB, 200);
    let bye = rig.gets_request(ALICE, BYE);
    rig.responds(ALICE, &bye, 200);
    rig.ends_clean(Cause::CalleeHungUp);
}

/// The Contact has a name without an address, as clients behind a NAT send it.
#[test]
fn the_open_connection_is_used_if_the_contact_has_no_address() {
    let (mut rig, talk) =
        connected_with(Transport::Tls, Transport::Udp, &contact_of("phone.invalid", Transport::Tls));
    rig.gets_request(BOB, ACK);
    rig.bob_sends(&talk, BYE, 1);
    assert_eq!(rig.flow_to(ALICE).connection, Some(ConnectionId(5)));
    let bye = rig.gets_request(ALICE, BYE);
    rig.responds(ALICE, &bye, 200);
    rig.gets_response(BOB, 200);
    rig.ends_clean(Cause::CalleeHungUp);
}

/// RFC 3261 section 12.2.1.1: a new Contact is tried first.
#[test]
fn a_target_refresh_replaces_the_last_resort() {
    let (mut rig, talk) =
        connected_with(Transport::Tls, Transport::Udp, &contact_of("phone.invalid", Transport::Tls));
    rig.gets_request(BOB, ACK);
    rig.bob_sends(&talk, INFO, 1);
    let info = rig.gets_request(ALICE, INFO);
    rig.responds(ALICE, &info, 200);
    rig.gets_response(BOB, 200);
    let headers = talk.alice("UPDATE", 2) + &contact_of("198.51.100.7:5099", Transport::Tls);
    rig.request(ALICE, "UPDATE", &edge(), &headers, "");
    let update = rig.gets_request(BOB, "UPDATE");
    rig.responds(BOB, &update, 200);
    rig.gets_response(ALICE, 200);
    rig.bob_sends(&talk, BYE, 2);
    rig.gets_request("198.51.100.7:5099", BYE);
}

/// RFC 3261 section 26.2.2: a `sips` Contact is never reached without TLS.
#[test]
fn no_request_to_a_sips_contact_leaves_without_tls() {
    let secure = "Contact: <sips:alice@phone.invalid>\r\n";
    let (mut rig, talk) = connected_with(Transport::Tcp, Transport::Udp, secure);
    rig.gets_request(BOB, ACK);
    rig.bob_sends(&talk, INFO, 1);
    rig.gets_response(BOB, 503);
    rig.is_silent();
    assert_eq!(rig.counters().calls_live, 1);
}

/// RFC 5630 section 5.1.1: a `sips` remote target makes the route secure too.
#[test]
fn a_route_to_a_sips_contact_requires_tls() {
    let mut rig = Rig::plain();
    let invite = rig.alice_calls("");
    rig.holds_names = true;
    let headers = "Record-Route: <sip:proxy.example;lr>\nContact: <sips:bob@phone.example>\n";
    rig.reply_with(BOB, &invite, 200, "b", headers, ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    let asked = rig.names.pop_front().map(|(_, target)| target.to_string());
    assert_eq!(asked.as_deref(), Some("sips:proxy.example"));
}

/// RFC 3261 section 12.1.1: the dialog requires TLS, and our Contact names the listener that has TLS.
#[test]
fn our_sips_contact_names_a_listener_that_has_tls() {
    for (uri, headers) in [
        ("sips:+12155551213@edge.example", String::new()),
        (CALL, format!("Contact: <sips:{ALICE}>\r\n")),
        (CALL, format!("Record-Route: <sips:{ALICE};lr>\r\n")),
    ] {
        let (alice, bob) = trunks();
        let tls = Listener::new("tls", Transport::Tls, address("192.0.2.10:5061"));
        let mut rig = Rig::new(builder().listener(tls).trunk(alice).trunk(bob).build().unwrap());
        rig.request(ALICE, INVITE, uri, &dialog_forming(&headers), OFFER);
        let invite = rig.gets_request(BOB, INVITE);
        assert_eq!(value(&invite, Name::Contact), format!("<sip:{EDGE}>"), "Bob's URI is no sips URI");
        rig.reply_with(BOB, &invite, 200, "b", &contact(BOB), ANSWER);
        let ok = rig.gets_response(ALICE, 200);
        assert_eq!(header(&ok, Name::Contact), "<sips:192.0.2.10:5061>", "{uri} {headers}");
    }
}

/// The way to a peer follows the peers of its own trunk only.
#[test]
fn a_request_from_another_trunk_does_not_move_the_peer() {
    let (mut rig, talk) = connected(Transport::Ws, Transport::Udp);
    rig.gets_request(BOB, ACK);
    rig.connects("203.0.113.9:5060", Transport::Ws, 66, None);
    rig.request("203.0.113.9:5060", INFO, &edge(), &talk.alice(INFO, 2), "");
    rig.clear();
    rig.bob_sends(&talk, INFO, 1);
    assert_eq!(rig.flow_to(ALICE).connection, Some(ConnectionId(5)));
}

/// An unknown sender that guesses the tags does not move the dialog.
#[test]
fn a_request_from_no_trunk_does_not_move_the_peer() {
    let (mut rig, talk) = connected(Transport::Ws, Transport::Udp);
    rig.gets_request(BOB, ACK);
    rig.connects("203.0.113.10:5060", Transport::Ws, 66, None);
    rig.request("203.0.113.10:5060", INFO, &edge(), &talk.alice(INFO, 2), "");
    rig.clear();
    rig.bob_sends(&talk, INFO, 1);
    assert_eq!(rig.flow_to(ALICE).connection, Some(ConnectionId(5)));
}

/// `nat = true`: the Contact is private, and requests go where the last request came from.
#[test]
fn requests_to_a_peer_behind_a_nat_go_where_its_requests_come_from() {
    let (alice, bob) = trunks();
    let alice = alice.source("198.51.100.0/24".parse().unwrap()).nat(true);
    let mut rig = Rig::new(builder().trunk(alice).trunk(bob).build().unwrap());
    let invite = rig.alice_calls("Contact: <sip:alice@10.0.0.7>\r\n");
    rig.reply_with(BOB, &invite, 200, "b", &contact(BOB), ANSWER);
    let ok = rig.gets_response(ALICE, 200);
    let talk = Talk { invite, ok };
    rig.alice_sends(&talk, ACK, 1);
    rig.gets_request(BOB, ACK);
    rig.bob_sends(&talk, INFO, 1);
    let info = rig.gets_request(ALICE, INFO);
    assert_eq!(info.uri(), b"sip:alice@10.0.0.7");
    rig.responds(ALICE, &info, 200);
    rig.gets_response(BOB, 200);
    // The NAT gives Alice another port.
    rig.request("198.51.100.7:4321", INFO, &edge(), &talk.alice(INFO, 2), "");
    rig.gets_request(BOB, INFO);
    rig.bob_sends(&talk, BYE, 2);
    rig.gets_request("198.51.100.7:4321", BYE);
}

/// The Request-URI of a call.
const CALL: &str = "sip:+12155551213@edge.example";
