//! Calls over each transport: RFC 3261 section 18, RFC 7118.

use attesta_b2bua::Trunk;
use attesta_sip::Name;
use attesta_tests::sim::{ACK, BYE, CANCEL, INFO, INVITE, UPDATE, Wording};
use attesta_transaction::Transport;
use insta::assert_snapshot;

use crate::common::{ANSWER, BOB, OFFER, Stage, alice, bob, heard, listening, quiet, source, target};

/// Alice's calls arrive by one transport, and leave by another.
fn over(first: Transport, second: Transport) -> Stage {
    let word = second.as_str().to_ascii_lowercase();
    let trunk = quiet(Trunk::new("bob")).source(source("192.0.2.3"));
    let trunk = trunk.target(target(&format!("{BOB};transport={word}")));
    let transports = if first == second { vec![first] } else { vec![first, second] };
    let stage = Stage::with_config(listening(&transports).trunk(alice()).trunk(trunk));
    stage.alice.speaks(first);
    stage.bob.speaks(second);
    stage
}

/// A call with a request from each side, which Bob ends.
fn talks(stage: &Stage) {
    stage.talk();
    for (from, to) in [(&stage.alice, &stage.bob), (&stage.bob, &stage.alice)] {
        from.sends(INFO);
        to.gets(INFO);
        to.sends(200);
        from.gets(200);
    }
    stage.bob.sends(BYE);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.is_over();
}

#[test]
fn a_call_over_tcp_on_both_legs() {
    let stage = over(Transport::Tcp, Transport::Tcp);
    talks(&stage);
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_call_over_tls_on_both_legs() {
    let stage = over(Transport::Tls, Transport::Tls);
    talks(&stage);
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_call_from_tcp_to_udp() {
    let stage = over(Transport::Tcp, Transport::Udp);
    talks(&stage);
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_call_from_udp_to_tls() {
    let stage = over(Transport::Udp, Transport::Tls);
    talks(&stage);
    assert_snapshot!(stage.net.ladder());
}

/// RFC 7118: a caller behind a WebSocket has no reachable address. Requests to the caller are sent on the WebSocket.
#[test]
fn a_call_from_a_websocket_to_udp() {
    let stage = over(Transport::Ws, Transport::Udp);
    stage.alice.sends(INVITE.with("Contact", "<sip:alice@example.invalid;transport=ws>"));
    stage.bob.gets(INVITE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.bob.sends(INFO);
    stage.alice.gets(INFO);
    assert_eq!(stage.alice.last_request().uri(), b"sip:alice@example.invalid;transport=ws");
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.bob.sends(BYE);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_call_from_a_secure_websocket_to_tcp() {
    let stage = over(Transport::Wss, Transport::Tcp);
    talks(&stage);
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 12.2.1.1: the new Contact of a re-INVITE names another transport.
#[test]
fn a_caller_moves_from_udp_to_tcp_by_a_re_invite() {
    let stage = Stage::with_config(listening(&[Transport::Udp, Transport::Tcp]).trunk(alice()).trunk(bob()));
    stage.talk();
    stage.alice.speaks(Transport::Tcp);
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.bob.sends(INFO);
    stage.alice.gets(INFO);
    stage.alice.sends(200);
    stage.bob.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 18.2.2: the next request opens a new stream after a stream broke.
#[test]
fn a_call_survives_streams_that_break() {
    let stage = over(Transport::Tcp, Transport::Tcp);
    stage.talk();
    stage.net.breaks("alice", "edge");
    stage.net.breaks("edge", "bob");
    stage.alice.sends(INFO);
    stage.bob.gets(INFO);
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// A call whose INVITE is longer than 1,300 octets, to a target that accepts or refuses connections.
fn too_large(takes_connections: bool) -> Stage {
    let stage = Stage::with_config(listening(&[Transport::Udp, Transport::Tcp]).trunk(alice()).trunk(bob()));
    if takes_connections {
        stage.edge.connects_to(stage.bob.address());
        stage.bob.speaks(Transport::Tcp);
    }
    stage.alice.sends(INVITE.with("X-Padding", &"x".repeat(1300)));
    stage.bob.gets(INVITE);
    stage
}

/// RFC 3261 section 18.1.1.
#[test]
fn a_too_large_invite_leaves_by_tcp() {
    let stage = too_large(true);
    assert!(heard(&stage.bob, Name::Via).starts_with("SIP/2.0/TCP"));
    assert_eq!(heard(&stage.bob, Name::Contact), "<sip:192.0.2.2:5060;transport=tcp>");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 18.1.1: if the connection is refused, the INVITE is sent over UDP.
#[test]
fn a_too_large_invite_leaves_by_udp_if_tcp_is_refused() {
    let stage = too_large(false);
    assert!(heard(&stage.bob, Name::Via).starts_with("SIP/2.0/UDP"));
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 17: over a stream nothing is retransmitted, and no timer waits for a lost message.
#[test]
fn a_call_over_tcp_is_cancelled() {
    let stage = over(Transport::Tcp, Transport::Tcp);
    stage.rings();
    stage.alice.sends(CANCEL);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.alice.gets(487);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// The Contact of many TLS clients leads nowhere: the client only dials out.
#[test]
fn a_tls_caller_that_only_dials_out_hears_the_callee_hang_up() {
    let stage = over(Transport::Tls, Transport::Udp);
    stage.alice.sends(INVITE.with("Contact", "<sip:alice@phone.invalid;transport=tls>"));
    stage.bob.gets(INVITE);
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

/// The port in the Contact refuses connections. The next request uses the connection of the caller.
#[test]
fn a_tls_caller_whose_contact_refuses_connections_keeps_its_call() {
    let stage = over(Transport::Tls, Transport::Udp);
    stage.alice.sends(INVITE.with("Contact", "<sip:alice@192.0.2.9:5061;transport=tls>"));
    stage.bob.gets(INVITE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.bob.sends(INFO);
    stage.bob.gets(503);
    stage.bob.sends(INFO);
    stage.alice.gets(INFO);
    stage.alice.sends(200);
    stage.bob.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 7118 section 5: only the browser opens a WebSocket. The edge waits for it.
#[test]
fn a_browser_that_comes_back_on_a_new_websocket_hears_the_callee_hang_up() {
    let stage = over(Transport::Ws, Transport::Udp);
    stage.alice.sends(INVITE.with("Contact", "<sip:alice@example.invalid;transport=ws>"));
    stage.bob.gets(INVITE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.net.breaks("alice", "edge");
    stage.bob.sends(INFO);
    stage.bob.gets(503);
    stage.alice.sends(UPDATE);
    stage.bob.gets(UPDATE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.sends(BYE);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 12.2.1.2: a TLS peer that cannot be reached twice in a row has lost the dialog.
#[test]
fn a_tls_callee_that_cannot_be_reached_ends_the_call_on_both_sides() {
    let stage = over(Transport::Udp, Transport::Tls);
    stage.talk();
    stage.net.breaks("edge", "bob");
    stage.net.refuses(stage.bob.address());
    for _ in 0..2 {
        stage.alice.sends(INFO);
        stage.alice.gets(503);
    }
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}
