//! If a peer dies without a BYE, the edge ends the call within the session interval, whichever side has the session timer. With a
//! keep-alive, the edge sends OPTIONS and finds a dead peer.

use std::time::Duration;

use attesta_tests::sim::{ACK, Agent, BYE, INFO, INVITE, OPTIONS, TIMEOUT, UPDATE, Wording};
use insta::assert_snapshot;

use crate::common::{Stage, alice, bob, builder};

const INTERVAL: Duration = Duration::from_secs(1_800);
const UPDATES: &str = "INVITE, ACK, BYE, CANCEL, UPDATE";

/// Alice asks for a session timer with this refresher. Bob has none.
fn alice_has_a_timer(refresher: &str) -> Stage {
    let stage = Stage::new();
    let expires = format!("1800;refresher={refresher}");
    stage
        .alice
        .sends(INVITE.with("Supported", "timer").with("Session-Expires", &expires).with("Allow", UPDATES));
    stage.bob.gets(INVITE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage
}

/// Alice has no session timer. Bob accepts the session timer that the edge offers.
fn bob_has_a_timer() -> Stage {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(200.with("Require", "timer").with("Session-Expires", "1800;refresher=uas"));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage
}

/// The edge hangs up on the peer that lives, within the interval, and nothing of the call remains.
fn ends(stage: &Stage, living: &Agent) {
    living.gets(BYE);
    living.sends(200);
    assert!(stage.net.elapsed() <= INTERVAL + Duration::from_secs(1), "{:?}", stage.net.elapsed());
    living.hears_no_more();
    assert_eq!(stage.edge.counters().calls_live, 0);
}

#[test]
fn a_caller_dies_that_has_to_refresh_the_session_with_the_edge() {
    let stage = alice_has_a_timer("uac");
    stage.net.silences(stage.alice.address());
    stage.net.run_for(Duration::from_secs(1_770));
    ends(&stage, &stage.bob);
    assert_snapshot!(stage.net.ladder());
}

#[test]
fn a_caller_dies_whose_session_the_edge_refreshes() {
    let stage = alice_has_a_timer("uas");
    stage.net.silences(stage.alice.address());
    stage.net.run_for(Duration::from_secs(910));
    ends(&stage, &stage.bob);
    assert_snapshot!(stage.net.ladder());
}

/// The refreshes of the edge do not reach Bob.
#[test]
fn a_callee_without_timer_dies_while_the_edge_refreshes_the_session_of_the_caller() {
    let stage = alice_has_a_timer("uas");
    stage.net.silences(stage.bob.address());
    stage.net.run_for(Duration::from_secs(901));
    stage.alice.gets(UPDATE);
    stage.alice.sends(200.with("Require", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.net.run_for(Duration::from_secs(880));
    ends(&stage, &stage.alice);
    assert_snapshot!(stage.net.ladder());
}

/// The edge relays the refresh from Alice to Bob. Bob does not respond.
#[test]
fn a_callee_without_timer_dies_while_the_caller_refreshes() {
    let stage = alice_has_a_timer("uac");
    stage.net.silences(stage.bob.address());
    stage.net.run_for(Duration::from_secs(900));
    stage.alice.sends(UPDATE.with("Supported", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.alice.gets(TIMEOUT);
    ends(&stage, &stage.alice);
}

#[test]
fn a_callee_dies_that_has_to_refresh_the_session_with_the_edge() {
    let stage = bob_has_a_timer();
    stage.net.silences(stage.bob.address());
    stage.net.run_for(Duration::from_secs(1_770));
    ends(&stage, &stage.alice);
    assert_snapshot!(stage.net.ladder());
}

/// The edge relays the refresh from Bob to Alice. Alice does not respond.
#[test]
fn a_caller_without_timer_dies_while_the_callee_refreshes() {
    let stage = bob_has_a_timer();
    stage.net.silences(stage.alice.address());
    stage.net.run_for(Duration::from_secs(900));
    stage.bob.sends(UPDATE.with("Supported", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.bob.gets(TIMEOUT);
    ends(&stage, &stage.bob);
}

/// With a keep-alive of 30 s, the edge sends OPTIONS to a peer 30 s after the last request on that leg.
#[test]
fn a_keep_alive_asks_one_interval_after_the_last_request_of_its_side() {
    let every = Duration::from_secs(30);
    let stage = Stage::with_config(builder().trunk(alice().keep_alive(every)).trunk(bob()));
    stage.talk();
    for _ in 0..2 {
        stage.net.run_for(every);
        stage.alice.gets(OPTIONS);
        stage.alice.sends(200);
    }
    stage.net.run_for(Duration::from_secs(20));
    stage.alice.sends(INFO);
    stage.bob.gets(INFO);
    stage.bob.sends(200);
    stage.alice.gets(200);
    let last = stage.net.elapsed();
    stage.alice.gets(OPTIONS);
    let wait = stage.net.elapsed() - last;
    assert!(wait > Duration::from_secs(29) && wait <= every, "{wait:?}");
    stage.alice.sends(200);
    assert_snapshot!(stage.net.ladder());
    // If the peer does not answer, the edge ends the call 32 s after the OPTIONS.
    stage.net.silences(stage.alice.address());
    stage.net.run_for(every);
    let asked = stage.net.elapsed();
    stage.bob.gets(BYE);
    assert!(stage.net.elapsed() - asked <= Duration::from_secs(33));
    stage.bob.sends(200);
    stage.bob.hears_no_more();
    assert_eq!(stage.edge.counters().calls_live, 0);
}
