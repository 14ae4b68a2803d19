//! INVITEs that are too large for a datagram: RFC 3261 section 18.1.1.

use attesta_sip::{Limits, Message, Name};
use attesta_transaction::{Flow, Transport};

use super::rig::*;
use crate::{Input, Listener, Oversize, Trunk, Unreachable};

const TCP: &str = "192.0.2.100:5060";

/// An edge with a UDP listener and a TCP listener.
fn rig(adjust: impl FnOnce(Trunk) -> Trunk) -> Rig {
    let (alice, bob) = trunks();
    let tcp = Listener::new("edge", Transport::Tcp, address(TCP));
    Rig::new(builder().listener(tcp).trunk(alice).trunk(adjust(bob)).build().unwrap())
}

/// Alice sends an INVITE with a Subject of `octets` octets.
fn calls(rig: &mut Rig, octets: usize, call: u32) {
    let subject = format!("Subject: {}\r\n", "x".repeat(octets));
    let headers = outside_dialog(INVITE, &format!("call-{call}"), &subject);
    rig.request(ALICE, INVITE, &uri(CALLEE), &headers, OFFER);
}

/// Takes the INVITE to Bob. Its Via and Contact name its transport. Returns its flow and its size in octets.
fn leaves(rig: &mut Rig) -> (Flow, usize) {
    let at = rig.wire.iter().position(|transmit| transmit.flow.remote == address(BOB)).unwrap();
    let transmit = rig.wire.remove(at).unwrap();
    let octets = transmit.payload.len();
    let Message::Request(invite) = Message::parse(transmit.payload, &Limits::default()).unwrap() else {
        panic!("no request")
    };
    let over_tcp = transmit.flow.transport == Transport::Tcp;
    let (via, contact) = (value(&invite, Name::Via), value(&invite, Name::Contact));
    assert_eq!(via.starts_with("SIP/2.0/TCP 192.0.2.100:5060"), over_tcp, "{via}");
    assert_eq!(contact == "<sip:192.0.2.100:5060;transport=tcp>", over_tcp, "{contact}");
    assert_eq!(invite.headers().count(Name::Contact), 1);
    (transmit.flow, octets)
}

#[test]
fn an_invite_of_more_than_1300_octets_leaves_over_tcp() {
    let mut rig = rig(|bob| bob);
    calls(&mut rig, 0, 1);
    let (_, bare) = leaves(&mut rig);
    for (octets, expected) in [(1300, Transport::Udp), (1301, Transport::Tcp)] {
        rig.clear();
        calls(&mut rig, octets - bare, u32::try_from(octets).unwrap());
        if let Some((token, flow)) = rig.reaches.pop_front() {
            assert_eq!((flow.transport, flow.remote, flow.connection), (Transport::Tcp, address(BOB), None));
            assert!(rig.gets_if_any(BOB).is_none(), "the INVITE waits for the connection");
            rig.input(Input::Reached { token, result: Ok(()) });
        }
        assert_eq!(leaves(&mut rig).0.transport, expected, "{octets}");
    }
}

#[test]
fn after_a_refused_connection_invites_use_udp_for_300_s() {
    let mut rig = rig(|bob| bob);
    calls(&mut rig, 1300, 1);
    let (token, _) = rig.reaches.pop_front().unwrap();
    rig.input(Input::Reached { token, result: Err(Unreachable::Refused) });
    assert_eq!(leaves(&mut rig).0.transport, Transport::Udp);
    calls(&mut rig, 1300, 2);
    assert!(rig.reaches.is_empty());
    assert_eq!(leaves(&mut rig).0.transport, Transport::Udp);
    assert_eq!(rig.counters().connections_refused, 1);
    rig.run_for(std::time::Duration::from_secs(301));
    rig.clear();
    calls(&mut rig, 1300, 3);
    let (token, _) = rig.reaches.pop_front().unwrap();
    rig.input(Input::Reached { token, result: Ok(()) });
    assert_eq!(leaves(&mut rig).0.transport, Transport::Tcp);
}

#[test]
fn a_local_limit_does_not_count_as_a_refused_connection() {
    let mut rig = rig(|bob| bob);
    for number in 1..3 {
        calls(&mut rig, 1300, number);
        let (token, _) = rig.reaches.pop_front().unwrap();
        rig.input(Input::Reached { token, result: Err(Unreachable::NoRoom) });
        assert_eq!(leaves(&mut rig).0.transport, Transport::Udp);
        rig.clear();
    }
    assert_eq!(rig.counters().connections_refused, 0);
}

#[test]
fn a_silent_connection_attempt_falls_back_to_udp_after_500_ms() {
    let mut rig = rig(|bob| bob);
    calls(&mut rig, 1300, 1);
    let (token, _) = rig.reaches.pop_front().unwrap();
    calls(&mut rig, 1300, 2);
    rig.run_for(std::time::Duration::from_millis(499));
    let first = rig.gets_if_any(BOB).is_some();
    rig.run_for(std::time::Duration::from_millis(1));
    assert!(!first);
    assert_eq!(leaves(&mut rig).0.transport, Transport::Udp);
    // A late result changes nothing.
    rig.input(Input::Reached { token, result: Ok(()) });
    rig.clear();
    calls(&mut rig, 1300, 3);
    assert!(rig.reaches.len() <= 1, "two calls came before the first result");
    assert_eq!(leaves(&mut rig).0.transport, Transport::Udp);
}

#[test]
fn after_silence_over_tcp_the_next_invite_uses_udp() {
    let mut rig = rig(|bob| bob);
    calls(&mut rig, 1300, 1);
    let (token, _) = rig.reaches.pop_front().unwrap();
    rig.input(Input::Reached { token, result: Ok(()) });
    assert_eq!(leaves(&mut rig).0.transport, Transport::Tcp);
    rig.run_for(std::time::Duration::from_secs(32));
    rig.clear();
    calls(&mut rig, 1300, 2);
    assert!(rig.reaches.is_empty());
    assert_eq!(leaves(&mut rig).0.transport, Transport::Udp);
}

#[test]
fn a_cancel_during_the_connection_attempt_sends_no_invite() {
    let mut rig = rig(|bob| bob);
    calls(&mut rig, 1300, 1);
    let (token, _) = rig.reaches.pop_front().unwrap();
    rig.alice_cancels();
    rig.input(Input::Reached { token, result: Ok(()) });
    assert!(rig.gets_if_any(BOB).is_none());
}

#[test]
fn large_invites_stay_on_udp_where_tcp_is_not_allowed() {
    let udp = |mut bob: Trunk| {
        bob.targets = vec!["sip:192.0.2.2:5060;transport=udp".parse().unwrap()];
        bob
    };
    for adjust in [udp as fn(Trunk) -> Trunk, |bob| bob.oversize(Oversize::Datagram)] {
        let mut rig = rig(adjust);
        calls(&mut rig, 3000, 1);
        assert!(rig.reaches.is_empty());
        assert_eq!(leaves(&mut rig).0.transport, Transport::Udp);
    }
    let mut rig = Rig::plain();
    calls(&mut rig, 3000, 1);
    assert!(rig.reaches.is_empty(), "an edge without a TCP listener opens no connections");
    assert_eq!(leaves(&mut rig).0.transport, Transport::Udp);
}
