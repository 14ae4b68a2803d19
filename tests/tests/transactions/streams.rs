//! Transactions over streams. In the ladders a number in brackets is the number of a connection.

use std::time::Duration;

use attesta_sip::Name;
use attesta_tests::sim::{
    ACK, Agent, CANCEL, INVITE, LATENCY, MESSAGE, Network, OPTIONS, T1, UNREACHABLE, pair,
};
use attesta_transaction::{Refusal, Transport};
use insta::assert_snapshot;

use crate::common::{acknowledge, respond};

fn pair_on_tcp() -> (Network, Agent, Agent) {
    let (net, alice, bob) = pair();
    alice.speaks(Transport::Tcp);
    (net, alice, bob)
}

/// RFC 3261 sections 17.1.1.2, 17.1.2.2, 17.2.1 and 17.2.2: over a reliable transport nothing is retransmitted, and Timers D,
/// I, J and K are zero.
#[test]
fn nothing_is_sent_again_and_nothing_lingers() {
    let (net, alice, bob) = pair_on_tcp();
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(180);
    net.run_for(Duration::from_secs(20));
    bob.sends(486);
    alice.gets(486);
    bob.gets(ACK);
    assert_eq!((lives(&alice), lives(&bob)), (0, 0), "Timers D and I");
    alice.sends(OPTIONS);
    bob.gets(OPTIONS);
    net.run_for(Duration::from_secs(2));
    bob.sends(200);
    alice.gets(200);
    assert_eq!((lives(&alice), lives(&bob)), (0, 0), "Timers J and K");
    net.settles();
    assert_eq!((alice.counters().retransmissions_sent, bob.counters().retransmissions_sent), (0, 0));
    assert_snapshot!(net.ladder());
}

/// F-X2 and F-X3: RFC 6026 sections 7.1 and 7.2. Timers L and M are 64 T1 over every transport.
#[test]
fn f_x2_f_x3_timers_l_and_m_run_over_streams_too() {
    let (net, alice, bob) = pair_on_tcp();
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(200);
    let accepted = net.elapsed();
    alice.gets(200);
    bob.gets(ACK);
    net.run_for(accepted + 64 * T1 - net.elapsed() - LATENCY);
    assert_eq!((lives(&alice), lives(&bob)), (1, 1));
    net.run_for(LATENCY);
    assert_eq!((lives(&alice), lives(&bob)), (1, 0), "Timer L");
    net.run_for(LATENCY);
    assert_eq!((lives(&alice), lives(&bob)), (0, 0), "Timer M");
    net.settles();
}

/// F-X3: RFC 3261 section 17.1.1.3. The ACK of a failure is sent over a reliable transport too. Timer H waits for this ACK.
#[test]
fn f_x3_a_failure_is_acknowledged_on_a_stream() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let probe = net.probe("probe");
    probe.streams(bob.address(), request("INVITE", "192.0.2.2:5060"));
    bob.gets(INVITE);
    bob.sends(486);
    let failure = probe.gets("486 INVITE");
    assert_eq!(lives(&bob), 1, "Timer H");
    probe.streams(bob.address(), acknowledge(&request("INVITE", "192.0.2.2:5060"), &failure));
    bob.gets(ACK);
    assert_eq!(lives(&bob), 0);
}

/// F-X7: RFC 4320 section 4.1. A slow request on a stream also gets a 100, and only once.
#[test]
fn f_x7_a_slow_request_gets_one_100_on_a_stream() {
    let (net, alice, bob) = pair_on_tcp();
    alice.sends(OPTIONS);
    bob.gets(OPTIONS);
    net.run_for(Duration::from_secs(20));
    bob.sends(200);
    alice.gets(200);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// RFC 3261 section 18.2.2: a response is sent on the connection of the request, whatever the Via says.
#[test]
fn a_response_goes_on_the_connection_of_its_request() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let probe = net.probe("probe");
    for (number, method) in [(1, "OPTIONS"), (3, "MESSAGE")] {
        probe.streams(bob.address(), request(method, "198.51.100.7:5070;rport;maddr=198.51.100.8"));
        bob.gets(if method == "OPTIONS" { OPTIONS } else { MESSAGE });
        bob.sends(200);
        assert!(probe.gets(&format!("200 {method}")).headers().count(Name::Via) == 1);
        assert_eq!(probe.last_flow().connection.map(|connection| connection.0 + 1), Some(number));
        net.breaks("bob", "probe");
    }
    bob.hears_no_more();
}

/// RFC 3261 section 18.2.2.
#[test]
fn a_response_whose_connection_is_gone_goes_on_a_new_one() {
    let (net, alice, bob) = pair_on_tcp();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.breaks("alice", "bob");
    bob.sends(180);
    alice.gets(180);
    bob.sends(486);
    alice.gets(486);
    bob.gets(ACK);
    alice.hears_no_more();
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// RFC 3261 section 18.2.2: responses handed to a connection before its loss was known are all sent on the same new connection.
#[test]
fn responses_that_fail_together_all_find_the_new_connection() {
    let (net, alice, bob) = pair_on_tcp();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.breaks("alice", "bob");
    bob.sends(180);
    bob.sends(183);
    bob.sends(486);
    alice.gets(180);
    alice.gets(183);
    alice.gets(486);
    bob.gets(ACK);
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X4: RFC 6026 section 7.1. The failure is reported once, and the transaction continues.
#[test]
fn f_x4_a_response_that_no_connection_takes_is_reported() {
    let (net, alice, bob) = pair_on_tcp();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.breaks("alice", "bob");
    net.refuses(alice.address());
    bob.sends(180);
    bob.gets(UNREACHABLE);
    net.accepts(alice.address());
    bob.sends(486);
    alice.gets(486);
    bob.gets(ACK);
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// RFC 3261 section 17.1.4.
#[test]
fn a_request_that_no_connection_takes_fails() {
    let (net, alice, bob) = pair_on_tcp();
    net.refuses(bob.address());
    alice.sends(INVITE);
    alice.gets(UNREACHABLE);
    net.accepts(bob.address());
    net.cuts("alice", "bob");
    alice.sends(OPTIONS);
    alice.gets(UNREACHABLE);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// RFC 3261 section 17.1.3: the branch and the method find the transaction, not the connection.
#[test]
fn a_response_on_another_connection_is_taken_and_a_stray_is_not() {
    let net = Network::new(1);
    let alice = net.agent("alice");
    let proxy = net.probe("proxy");
    alice.speaks(Transport::Tcp);
    alice.faces(proxy.address());
    alice.sends(OPTIONS);
    let options = proxy.gets("OPTIONS");
    let response = respond(&options, "200 OK");
    net.breaks("alice", "proxy");
    proxy.streams(alice.address(), response.clone());
    alice.gets(200);
    // Timer K is zero, so the repeated response matches no transaction.
    proxy.streams(alice.address(), response);
    alice.hears_no_more();
    assert_eq!(alice.counters().refused.of(Refusal::StrayResponse), 1);
}

/// RFC 3261 section 9.2: a CANCEL is accepted on any connection of the same peer.
#[test]
fn a_cancel_counts_on_another_connection_of_its_peer() {
    let net = Network::new(1);
    let bob = net.agent("bob");
    let (probe, mallory) = (net.probe("probe"), net.probe("mallory"));
    probe.streams(bob.address(), request("INVITE", "192.0.2.2:5060"));
    bob.gets(INVITE);
    mallory.streams(bob.address(), request("CANCEL", "192.0.2.2:5060"));
    assert!(mallory.gets("481 CANCEL").headers().count(Name::Via) == 1);
    net.breaks("bob", "probe");
    probe.streams(bob.address(), request("CANCEL", "192.0.2.2:5060"));
    bob.gets(CANCEL);
    assert!(probe.gets("200 CANCEL").headers().count(Name::Via) == 1);
    bob.sends(487);
    let failure = probe.gets("487 INVITE");
    probe.streams(bob.address(), acknowledge(&request("INVITE", "192.0.2.2:5060"), &failure));
    bob.gets(ACK);
    bob.hears_no_more();
    assert_eq!(bob.counters().refused.of(Refusal::StrayCancel), 1);
    assert_snapshot!(net.ladder());
}

fn lives(agent: &Agent) -> u64 {
    agent.counters().live_clients + agent.counters().live_servers
}

fn request(method: &str, sent_by: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP {sent_by};branch=z9hG4bKstream\r\n\
         From: <sip:x@192.0.2.2>;tag=1\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: stream\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}
