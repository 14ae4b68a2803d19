//! Calls that are set up or refused: RFC 3261 sections 13 and 21.

use std::time::Duration;

use attesta_b2bua::TrunkTimers;
use attesta_sip::Name;
use attesta_tests::sim::{ACK, BYE, CANCEL, Conditions, INVITE, Wording};
use insta::assert_snapshot;

use crate::common::{ANSWER, OFFER, Stage, alice, answered, answered_body, bob, builder, heard, heard_body};

/// Bob refuses with this response, and Alice receives it unchanged.
fn refused_with(status: u16, name: &str, value: &str) -> Stage {
    let stage = Stage::new();
    stage.rings();
    stage.bob.sends(status.with(name, value));
    stage.alice.gets(status);
    assert_eq!(stage.alice.last_response().headers().named(name), Some(value.as_bytes()));
    stage.bob.gets(ACK);
    stage.is_over();
    stage
}

#[test]
fn a_call_is_set_up_with_offer_and_answer() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.offering(OFFER));
    stage.bob.gets(INVITE);
    assert_eq!(heard_body(&stage.bob), OFFER);
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    assert_eq!(answered_body(&stage.alice), ANSWER);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 20.10: the Contacts of a redirection name other targets, and they cross.
#[test]
fn a_302_crosses_with_its_contacts() {
    let stage = refused_with(302, "Contact", "<sip:+12155551214@198.51.100.9>");
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_404_crosses() {
    let stage = refused_with(404, "Warning", "399 192.0.2.3 \"unallocated\"");
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3326 section 2, and ITU-T Q.850.
#[test]
fn a_486_crosses_with_its_reason() {
    let stage = refused_with(486, "Reason", "Q.850;cause=17");
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_500_crosses_with_its_retry_after() {
    let stage = refused_with(500, "Retry-After", "7");
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_603_crosses() {
    let stage = refused_with(603, "Retry-After", "3600");
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 22.2: a second INVITE of the same call carries the credentials.
#[test]
fn a_call_is_challenged_and_comes_again_with_credentials() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(407.with("Proxy-Authenticate", "Digest realm=\"bob\", nonce=\"1\""));
    stage.alice.gets(407);
    assert_eq!(answered(&stage.alice, Name::ProxyAuthenticate), "Digest realm=\"bob\", nonce=\"1\"");
    stage.bob.gets(ACK);
    stage.alice.sends(INVITE.with("Proxy-Authorization", "Digest username=\"a\""));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::ProxyAuthorization), "Digest username=\"a\"");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn every_provisional_response_but_100_crosses() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(100);
    for status in [180, 181, 182, 183] {
        stage.bob.sends(status);
        stage.alice.gets(status);
    }
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 17.2.1: the edge itself sends 100 if the callee takes longer than 200 ms.
#[test]
fn the_edge_says_100_while_the_callee_thinks() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.net.run_for(Duration::from_secs(2));
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_silent_callee_is_408_for_the_caller() {
    let stage = Stage::new();
    stage.net.silences(stage.bob.address());
    stage.alice.sends(INVITE);
    stage.alice.gets(408);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_callee_that_rings_too_long_is_cancelled() {
    let timers = TrunkTimers { ring: Duration::from_secs(20), ..TrunkTimers::default() };
    let stage = Stage::with_config(builder().trunk(alice()).trunk(bob().timers(timers)));
    stage.rings();
    stage.alice.gets(480);
    stage.bob.gets(CANCEL);
    stage.bob.sends(487);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_callee_that_rings_too_long_answers_as_the_cancel_comes() {
    let timers = TrunkTimers { ring: Duration::from_secs(20), ..TrunkTimers::default() };
    let stage = Stage::with_config(builder().trunk(alice()).trunk(bob().timers(timers)));
    stage.rings();
    stage.alice.gets(480);
    stage.bob.gets(CANCEL);
    stage.bob.sends(200.to(INVITE));
    stage.bob.gets(ACK);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 17.2.1: a repeated INVITE gets the last response again, and the edge forwards the INVITE only once.
#[test]
fn an_invite_that_comes_again_gets_the_last_response_again() {
    let stage = Stage::new();
    stage.net.spare_next();
    stage.net.spare_next();
    stage.net.spare_next();
    stage.net.lose_next();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(180);
    stage.alice.gets(180);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn everything_that_arrives_twice_has_effect_once() {
    let stage = Stage::new();
    stage.net.suffers(Conditions { duplication: 100, ..Conditions::default() });
    stage.talk();
    stage.net.run_for(Duration::from_secs(2));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 17.2.1: a final response is repeated until its ACK.
#[test]
fn a_refusal_that_is_lost_comes_again() {
    let stage = Stage::new();
    stage.rings();
    for _ in ["486 to the edge", "its ACK"] {
        stage.net.spare_next();
    }
    stage.net.lose_next();
    stage.bob.sends(486);
    stage.alice.gets(486);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}
