//! Refreshes that the edge sends itself (RFC 4028 section 10): refused, in a collision, not sent, or for too short a time.

use std::time::Duration;

use attesta_sip::Name;
use attesta_tests::sim::{ACK, BYE, INFO, INVITE, OPTIONS, UPDATE, Wording};
use insta::assert_snapshot;

use crate::common::{ANSWER, HELD, HOLD, OFFER, Stage, alice, answered, bob, builder, heard, heard_body};

const HALF: Duration = Duration::from_secs(900);
const SECOND: Duration = Duration::from_secs(1);

/// Alice leaves the refresh to the edge. Bob has no session timer.
fn refreshed_by_edge(allow: &str) -> Stage {
    let stage = Stage::new();
    stage.alice.sends(
        INVITE
            .with("Supported", "timer")
            .with("Session-Expires", "1800;refresher=uas")
            .with("Allow", allow)
            .offering(OFFER),
    );
    stage.bob.gets(INVITE);
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage
}

fn by_update() -> Stage {
    refreshed_by_edge("INVITE, ACK, BYE, CANCEL, UPDATE")
}

fn by_re_invite() -> Stage {
    refreshed_by_edge("INVITE, ACK, BYE, CANCEL")
}

/// Alice accepts the refresh.
fn is_refreshed(stage: &Stage, interval: &str) {
    let expires = format!("{interval};refresher=uac");
    assert_eq!(heard(&stage.alice, Name::SessionExpires), expires);
    stage.alice.sends(200.with("Require", "timer").with("Session-Expires", &expires));
}

/// RFC 3261 section 14.1: the Call-ID is Alice's, so the edge waits for at most 2 s.
#[test]
fn a_refresh_that_is_refused_with_491_is_tried_again() {
    let stage = by_update();
    stage.net.run_for(HALF);
    stage.alice.gets(UPDATE);
    stage.alice.sends(491);
    let refused = stage.net.elapsed();
    stage.alice.gets(UPDATE);
    assert!(stage.net.elapsed() - refused < Duration::from_millis(2_100));
    is_refreshed(&stage, "1800");
    assert_snapshot!(stage.net.ladder());
    // The 2xx starts the interval again.
    stage.net.run_for(800 * SECOND);
    stage.bob.sends(INFO);
    stage.alice.gets(INFO);
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.net.run_for(99 * SECOND);
    stage.alice.gets(UPDATE);
    is_refreshed(&stage, "1800");
    stage.alice_hangs_up();
}

#[test]
fn a_refresh_that_is_refused_with_503_is_tried_again_after_its_retry_after() {
    let stage = by_update();
    stage.net.run_for(HALF);
    stage.alice.gets(UPDATE);
    stage.alice.sends(503.with("Retry-After", "20"));
    let refused = stage.net.elapsed();
    stage.alice.gets(UPDATE);
    let wait = stage.net.elapsed() - refused;
    assert!(wait >= 20 * SECOND && wait < 21 * SECOND, "{wait:?}");
    // Without Retry-After, half of the time until the probe passes.
    stage.alice.sends(503);
    stage.net.run_for(423 * SECOND);
    assert!(!stage.alice.has_heard(UPDATE));
    stage.net.run_for(2 * SECOND);
    stage.alice.gets(UPDATE);
    is_refreshed(&stage, "1800");
    stage.alice_hangs_up();
}

/// RFC 3261 sections 14.1 and 14.2: each side refuses the INVITE of the other with 491. Both are sent again.
#[test]
fn a_refresh_collides_with_a_re_invite_of_the_peer() {
    let stage = by_re_invite();
    stage.net.run_for(HALF);
    stage.alice.gets(INVITE);
    stage.alice.sends(INVITE.offering(HOLD).with("Supported", "timer"));
    stage.alice.gets(491);
    stage.alice.sends(491.to(INVITE));
    stage.alice.gets(ACK);
    stage.alice.gets(INVITE);
    assert_eq!(heard_body(&stage.alice), ANSWER);
    stage
        .alice
        .sends(200.answering(OFFER).with("Require", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.alice.gets(ACK);
    stage.alice.sends(INVITE.offering(HOLD));
    stage.bob.gets(INVITE);
    stage.bob.sends(200.answering(HELD));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 14.1: the Call-ID on the side of the callee is that of the edge, so the edge waits for 2.1 to 4 s.
#[test]
fn a_refresh_towards_the_callee_collides_and_is_sent_again() {
    let stage = Stage::new();
    stage.talk();
    stage.bob.sends(
        INVITE
            .with("Supported", "timer")
            .with("Session-Expires", "1800;refresher=uas")
            .with("Allow", "INVITE, ACK, BYE, CANCEL")
            .offering(HOLD),
    );
    stage.alice.gets(INVITE);
    stage.alice.sends(200.answering(HELD));
    stage.bob.gets(200);
    stage.alice.gets(ACK);
    stage.net.run_for(HALF);
    stage.bob.gets(INVITE);
    assert_eq!(heard_body(&stage.bob), HELD);
    stage.bob.sends(491);
    stage.bob.gets(ACK);
    let refused = stage.net.elapsed();
    stage.bob.gets(INVITE);
    let wait = stage.net.elapsed() - refused;
    assert!(wait > 2 * SECOND && wait <= 4 * SECOND, "{wait:?}");
    stage
        .bob
        .sends(200.answering(HOLD).with("Require", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 14.1: no INVITE is sent while another INVITE of the dialog is in progress. The refresh follows soon.
#[test]
fn a_refresh_waits_for_a_re_invite_that_rings() {
    let stage = by_re_invite();
    stage.net.run_for(HALF - 10 * SECOND);
    stage.bob.sends(INVITE.without_body());
    stage.alice.gets(INVITE);
    stage.alice.sends(180);
    stage.net.run_for(60 * SECOND);
    stage.alice.sends(480);
    stage.bob.gets(480);
    stage.alice.gets(ACK);
    let free = stage.net.elapsed();
    stage.alice.gets(INVITE);
    assert!(stage.net.elapsed() - free <= 3 * SECOND);
    stage
        .alice
        .sends(200.answering(OFFER).with("Require", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.alice.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 14.1: after the 491 to its INVITE, the session of before stays, and so does its description.
#[test]
fn a_refresh_repeats_the_session_of_before_a_refused_offer() {
    let stage = by_re_invite();
    stage.bob.sends(INVITE.offering(HELD));
    stage.alice.gets(INVITE);
    stage.alice.sends(488);
    stage.bob.gets(488);
    stage.alice.gets(ACK);
    stage.net.run_for(HALF);
    stage.alice.gets(INVITE);
    assert_eq!(heard_body(&stage.alice), ANSWER);
    stage
        .alice
        .sends(200.answering(OFFER).with("Require", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.alice.gets(ACK);
    stage.alice_hangs_up();
}

#[test]
fn a_refresh_that_does_not_reach_its_target_is_tried_again() {
    let stage = by_update();
    stage.net.refuses(stage.alice.address());
    stage.net.run_for(HALF + SECOND);
    stage.net.accepts(stage.alice.address());
    stage.net.run_for(440 * SECOND);
    stage.alice.gets(UPDATE);
    is_refreshed(&stage, "1800");
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_call_whose_refreshes_reach_nobody_ends_with_its_session() {
    let stage = by_update();
    stage.net.refuses(stage.alice.address());
    stage.net.run_for(1_770 * SECOND);
    stage.bob.gets(OPTIONS);
    stage.bob.sends(200);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    assert!(stage.net.elapsed() <= Duration::from_secs(1_801));
    stage.bob.hears_no_more();
    assert_eq!(stage.edge.counters().calls_live, 0);
    assert_snapshot!(stage.net.ladder());
}

/// RFC 4028 sections 7.4 and 10: the interval is raised to the Min-SE of the 422, and the refresh is sent again.
#[test]
fn a_refresh_that_gets_422_asks_for_a_longer_interval() {
    let stage = by_update();
    stage.net.run_for(HALF);
    stage.alice.gets(UPDATE);
    stage.alice.sends(422.with("Min-SE", "3600"));
    stage.alice.gets(UPDATE);
    assert_eq!(heard(&stage.alice, Name::MinSe), "3600");
    is_refreshed(&stage, "3600");
    // The refreshes of the edge do not reach Bob, so the edge asks him.
    stage.net.run_for(870 * SECOND);
    stage.bob.gets(OPTIONS);
    stage.bob.sends(200);
    stage.net.run_for(931 * SECOND);
    stage.alice.gets(UPDATE);
    assert_eq!(heard(&stage.alice, Name::MinSe), "3600");
    is_refreshed(&stage, "3600");
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// A peer that refuses each interval does not get refreshes without end. The call continues while the peer answers.
#[test]
fn a_peer_that_answers_each_refresh_with_422_gets_a_few_refreshes() {
    let stage = by_update();
    let mut refreshes = 0_u64;
    while stage.net.elapsed() < Duration::from_secs(1_760) {
        stage.net.run_for(SECOND);
        if stage.alice.has_heard(UPDATE) {
            stage.alice.gets(UPDATE);
            refreshes += 1;
            stage.alice.sends(422.with("Min-SE", &(3_600 + refreshes).to_string()));
        }
    }
    assert_eq!(refreshes, 6);
    for agent in [&stage.alice, &stage.bob] {
        agent.gets(OPTIONS);
        agent.sends(200);
    }
    stage.alice_hangs_up();
}

/// The built-in callee takes part in the session: it refreshes as the caller asks, and ends the call of a silent caller.
#[test]
fn the_built_in_callee_refreshes_and_ends_the_call_of_a_silent_caller() {
    let prefix = "+12155551213".parse().expect("a prefix");
    let stage = Stage::with_config(builder().trunk(alice()).trunk(bob()).callee(vec![prefix]));
    stage.alice.sends(
        INVITE
            .with("Supported", "timer")
            .with("Session-Expires", "1800;refresher=uas")
            .with("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE"),
    );
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::SessionExpires), "1800;refresher=uas");
    assert_eq!(answered(&stage.alice, Name::Require), "timer");
    stage.net.run_for(HALF);
    stage.alice.gets(UPDATE);
    is_refreshed(&stage, "1800");
    stage.net.run_for(SECOND);
    stage.net.silences(stage.alice.address());
    stage.net.run_for(HALF + 40 * SECOND);
    stage.net.settles();
    assert_eq!(stage.edge.counters().calls_live, 0);
    assert_snapshot!(stage.net.ladder());
}
