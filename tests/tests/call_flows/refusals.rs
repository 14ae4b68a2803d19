//! Requests that the edge answers itself: RFC 3261 sections 8.2, 11 and 16.3.

use attesta_b2bua::{Caps, Trunk};
use attesta_sip::Name;
use attesta_tests::sim::{
    ACK, BYE, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, PRACK, PUBLISH, Probe, REFER, REGISTER, SUBSCRIBE,
    UPDATE, Wording, method,
};
use insta::assert_snapshot;

use crate::common::{EDGE, Stage, address, alice, answered, bob, builder, heard, quiet, target};

#[test]
fn an_invite_without_hops_gets_483() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Max-Forwards", "0"));
    stage.alice.gets(483);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 16.6: the last hop is used.
#[test]
fn an_invite_with_one_hop_leaves_with_none() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Max-Forwards", "1"));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::MaxForwards), "0");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 8.2.2.3.
#[test]
fn an_invite_that_requires_what_the_edge_does_not_know_gets_420() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Require", "100rel, frob, replaces, gruu"));
    stage.alice.gets(420);
    assert_eq!(answered(&stage.alice, Name::Unsupported), "frob, gruu");
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 8.2.2.2: the same INVITE arrives by another path.
#[test]
fn an_invite_that_comes_by_two_paths_gets_482() {
    let stage = Stage::new();
    let proxy = stage.net.probe("proxy");
    stage.rings();
    let invite = stage.alice.last_response();
    let field =
        |name: Name| String::from_utf8_lossy(invite.headers().get(name).unwrap_or_default()).into_owned();
    let merged = format!(
        "INVITE sip:+12155551213@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKother\r\n\
         Max-Forwards: 69\r\nFrom: {}\r\nTo: <sip:+12155551213@192.0.2.2>\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:192.0.2.1>\r\nContent-Length: 0\r\n\r\n",
        field(Name::From),
        field(Name::CallId)
    );
    proxy.sends(address(EDGE), merged.clone());
    let refusal = proxy.gets("482 INVITE");
    acknowledge(&proxy, &merged, refusal.headers().get(Name::To).unwrap_or_default());
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

fn acknowledge(proxy: &Probe, invite: &str, to: &[u8]) {
    let ack = invite
        .replace("INVITE", "ACK")
        .replace("To: <sip:+12155551213@192.0.2.2>", &format!("To: {}", String::from_utf8_lossy(to)));
    proxy.sends(address(EDGE), ack);
}

#[test]
fn an_invite_to_a_uri_that_is_no_sip_gets_416() {
    let stage = Stage::new();
    stage.alice.dials("http://192.0.2.2/");
    stage.alice.sends(INVITE);
    stage.alice.gets(416);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// The target of the trunk is the edge itself.
#[test]
fn an_invite_that_would_come_back_to_the_edge_gets_404() {
    let itself = quiet(Trunk::new("bob")).target(target(EDGE));
    let stage = Stage::with_config(builder().trunk(alice()).trunk(itself));
    stage.alice.sends(INVITE);
    stage.alice.gets(404);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// The INVITE of an unknown source is refused without state: its ACK is ignored, and each retransmission is refused again.
#[test]
fn an_invite_of_an_unknown_source_gets_403() {
    let stage = Stage::new();
    let mallory = stage.net.agent("mallory");
    mallory.faces(stage.edge.address());
    mallory.sends(INVITE);
    mallory.gets(403);
    assert_snapshot!(stage.net.ladder());
    mallory.hears_no_more();
    stage.is_over();
}

#[test]
fn a_call_beyond_the_cap_gets_503_with_retry_after() {
    let caps = Caps { calls: 1, ..Caps::default() };
    let stage = Stage::with_config(builder().trunk(alice()).trunk(bob()).caps(caps));
    stage.talk();
    stage.bob.sends(INVITE.outside());
    stage.bob.gets(503);
    assert_eq!(answered(&stage.bob, Name::RetryAfter), "5");
    assert_snapshot!(stage.net.ladder());
    stage.alice.sends(BYE);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
}

/// RFC 3261 section 8.2.1: 405 for a known method that is not accepted, 501 for an unknown method.
#[test]
fn methods_that_the_edge_does_not_take_are_refused_with_allow() {
    let stage = Stage::new();
    for (request, status) in
        [(REGISTER, 405), (PUBLISH, 405), (SUBSCRIBE, 405), (REFER, 405), (method("FROB"), 501)]
    {
        stage.alice.sends(request);
        stage.alice.gets(status);
        assert!(answered(&stage.alice, Name::Allow).starts_with("INVITE, ACK, BYE, CANCEL"));
    }
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 12.2.2.
#[test]
fn requests_of_a_call_that_is_over_get_481() {
    let stage = Stage::new();
    stage.talk();
    stage.alice_hangs_up();
    for request in [BYE, INFO, MESSAGE, NOTIFY, OPTIONS, PRACK, REFER, SUBSCRIBE, UPDATE, INVITE] {
        stage.alice.sends(request.within());
        stage.alice.gets(481);
    }
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 11.2.
#[test]
fn an_options_to_the_edge_is_answered() {
    let stage = Stage::new();
    stage.alice.sends(OPTIONS);
    stage.alice.gets(200);
    assert!(answered(&stage.alice, Name::Allow).contains("UPDATE"));
    assert!(answered(&stage.alice, Name::Supported).contains("100rel"));
    stage.alice.sends(OPTIONS.with("Max-Forwards", "0"));
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 5031: a service URN leads to the emergency route, even if the call cap is reached.
#[test]
fn an_emergency_call_is_taken_beyond_the_cap() {
    let caps = Caps { calls: 0, ..Caps::default() };
    let stage = Stage::with_config(builder().trunk(alice()).trunk(bob()).caps(caps));
    stage.alice.dials("urn:service:sos");
    stage.talk();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 17.1.1.2: the transaction acknowledges a failure and absorbs its repetitions.
#[test]
fn a_refusal_by_the_edge_is_repeated_until_its_ack() {
    let stage = Stage::new();
    stage.net.spare_next();
    stage.net.lose_next();
    stage.alice.sends(INVITE.with("Max-Forwards", "0"));
    stage.alice.gets(483);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}
