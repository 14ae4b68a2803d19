//! Session timers (RFC 4028) and keep-alives: which side uses them, which side refreshes, and how a silent side ends the call.

use std::time::Duration;

use attesta_b2bua::{Trunk, TrunkTimers};
use attesta_sip::Name;
use attesta_tests::sim::{ACK, Agent, BYE, INVITE, OPTIONS, UPDATE, Wording};
use insta::assert_snapshot;

use crate::common::{ANSWER, OFFER, Stage, alice, answered, bob, builder, heard, heard_body};

const WATCHED: Duration = Duration::from_secs(1_770);

/// Alice asks for a session timer. Bob accepts the timer or does not.
fn with_timer(asked: &str, begun: Option<&str>) -> Stage {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Supported", "timer").with("Session-Expires", asked));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::SessionExpires), asked);
    match begun {
        Some(begun) => stage.bob.sends(200.with("Require", "timer").with("Session-Expires", begun)),
        None => stage.bob.sends(200.with("Allow", "INVITE, ACK, BYE, CANCEL")),
    }
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage
}

/// The edge probes whether this side still has the call.
fn is_asked(agent: &Agent, status: u16) {
    agent.gets(OPTIONS);
    agent.sends(status);
}

#[test]
fn a_session_timer_crosses_where_both_sides_have_it() {
    let stage = with_timer("1800", Some("1800;refresher=uac"));
    assert_eq!(answered(&stage.alice, Name::SessionExpires), "1800;refresher=uac");
    assert_eq!(answered(&stage.alice, Name::Require), "timer");
    stage.net.run_for(Duration::from_secs(900));
    stage.alice.sends(UPDATE.with("Supported", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.bob.gets(UPDATE);
    assert_eq!(heard(&stage.bob, Name::SessionExpires), "1800;refresher=uac");
    stage.bob.sends(200.with("Require", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.alice.gets(200);
    // The refresh begins the interval again: the edge asks neither side within it.
    stage.net.run_for(Duration::from_secs(1_700));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 4028 section 7.4: the caller asks again with the interval that the callee accepts.
#[test]
fn a_422_of_the_callee_crosses() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Supported", "timer").with("Session-Expires", "120"));
    stage.bob.gets(INVITE);
    stage.bob.sends(422.with("Min-SE", "600"));
    stage.alice.gets(422);
    assert_eq!(answered(&stage.alice, Name::MinSe), "600");
    stage.alice.sends(INVITE.with("Supported", "timer").with("Session-Expires", "600").with("Min-SE", "600"));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::MinSe), "600");
    stage.bob.sends(200.with("Require", "timer").with("Session-Expires", "600;refresher=uac"));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 4028 section 8.1: 90 s is the shortest interval.
#[test]
fn an_interval_that_is_too_short_gets_422_from_the_edge() {
    let stage = Stage::new();
    for asked in ["0", "30", "89;refresher=uas"] {
        stage.alice.sends(INVITE.with("Supported", "timer").with("Session-Expires", asked).outside());
        stage.alice.gets(422);
        assert_eq!(answered(&stage.alice, Name::MinSe), "90");
    }
    stage.is_over();
    stage.talk();
    stage.alice.sends(UPDATE.with("Supported", "timer").with("Session-Expires", "60"));
    stage.alice.gets(422);
    stage.alice_hangs_up();
}

/// RFC 4028 section 9: the callee has no session timer, so the edge has one with the caller, who refreshes.
#[test]
fn the_edge_begins_the_timer_with_a_caller_whose_callee_has_none() {
    let stage = with_timer("1000000000", None);
    // RFC 4028 section 9: the edge may reduce the interval. Its longest interval is a day.
    assert_eq!(answered(&stage.alice, Name::SessionExpires), "86400;refresher=uac");
    assert_eq!(answered(&stage.alice, Name::Require), "timer");
    stage.alice.sends(INVITE.with("Supported", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.bob.gets(INVITE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::SessionExpires), "1800;refresher=uac");
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 4028 section 10: the caller left the refresh to us, and takes UPDATE.
#[test]
fn the_edge_refreshes_by_update_where_the_peer_takes_it() {
    let stage = Stage::new();
    stage.alice.sends(
        INVITE
            .with("Supported", "timer")
            .with("Session-Expires", "1800;refresher=uas")
            .with("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE"),
    );
    stage.bob.gets(INVITE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::SessionExpires), "1800;refresher=uas");
    stage.bob.gets(ACK);
    for pause in [0, 869] {
        if pause > 0 {
            // The refreshes of the edge do not reach Bob, so the edge asks him.
            stage.net.run_for(Duration::from_secs(pause));
            is_asked(&stage.bob, 200);
        }
        stage.net.run_for(Duration::from_secs(901 - pause));
        stage.alice.gets(UPDATE);
        assert_eq!(heard(&stage.alice, Name::SessionExpires), "1800;refresher=uac");
        stage.alice.sends(200.with("Require", "timer").with("Session-Expires", "1800;refresher=uac"));
    }
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 4028 section 7.4: without UPDATE, a re-INVITE with the same session description refreshes.
#[test]
fn the_edge_refreshes_by_a_re_invite_without_change() {
    let stage = Stage::new();
    stage.alice.sends(
        INVITE
            .with("Supported", "timer")
            .with("Session-Expires", "600;refresher=uas")
            .with("Allow", "INVITE, ACK, BYE, CANCEL"),
    );
    stage.bob.gets(INVITE);
    stage.bob.sends(200.answering(ANSWER));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.net.run_for(Duration::from_secs(301));
    stage.alice.gets(INVITE);
    assert_eq!(heard_body(&stage.alice), ANSWER);
    // Our INVITE is open: the callee's re-INVITE meets it (RFC 3261 section 14.2).
    stage.bob.sends(INVITE.offering(OFFER));
    stage.bob.gets(491);
    stage
        .alice
        .sends(200.answering(OFFER).with("Require", "timer").with("Session-Expires", "600;refresher=uac"));
    stage.alice.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// The caller has no session timer. The edge offers its own to the callee, who refreshes.
#[test]
fn the_edge_offers_a_timer_to_the_callee_of_a_caller_without_one() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::SessionExpires), "1800;refresher=uas");
    assert_eq!(heard(&stage.bob, Name::Supported), "timer");
    stage.bob.sends(200.with("Require", "timer").with("Session-Expires", "1800;refresher=uas"));
    stage.alice.gets(200);
    assert_eq!(
        (answered(&stage.alice, Name::SessionExpires), answered(&stage.alice, Name::Require)),
        Default::default()
    );
    stage.bob.gets(ACK);
    stage.net.run_for(Duration::from_secs(900));
    stage.bob.sends(UPDATE.with("Supported", "timer").with("Session-Expires", "1800;refresher=uac"));
    stage.alice.gets(UPDATE);
    stage.alice.sends(200);
    stage.bob.gets(200);
    assert_eq!(answered(&stage.bob, Name::SessionExpires), "1800;refresher=uac");
    stage.net.run_for(Duration::from_secs(1_700));
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 4028 sections 7.3 and 7.4: the target refuses the interval that only the edge has asked for. The edge asks for a longer
/// interval. The caller gets no 422.
#[test]
fn a_422_to_the_edges_own_offer_raises_the_offer_once() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(422.with("Min-SE", "3600"));
    stage.bob.gets(ACK);
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::SessionExpires), "3600;refresher=uas");
    assert_eq!(heard(&stage.bob, Name::MinSe), "3600");
    // The target refuses the longer interval too: the call has no session timer.
    stage.bob.sends(422.with("Min-SE", "7200"));
    stage.bob.gets(ACK);
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::SessionExpires), "");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 4028 section 10: a caller that dies silently ends its call within the interval, on both sides.
#[test]
fn a_caller_that_dies_silently_ends_the_call_within_the_interval() {
    let stage = with_timer("1800", Some("1800;refresher=uac"));
    stage.net.silences(stage.alice.address());
    stage.net.run_for(WATCHED);
    is_asked(&stage.bob, 200);
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    assert!(stage.net.elapsed() <= Duration::from_secs(1_801));
    stage.bob.hears_no_more();
    assert_eq!(stage.edge.counters().calls_live, 0);
}

#[test]
fn a_callee_that_dies_silently_ends_the_call_within_the_interval() {
    let stage = with_timer("1800", Some("1800;refresher=uas"));
    stage.net.silences(stage.bob.address());
    stage.net.run_for(WATCHED);
    is_asked(&stage.alice, 200);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    assert!(stage.net.elapsed() <= Duration::from_secs(1_801));
    stage.alice.hears_no_more();
    assert_eq!(stage.edge.counters().calls_live, 0);
}

/// Before an expiry ends a call, one probe asks each side.
#[test]
fn a_probe_saves_a_call_whose_refresh_was_forgotten() {
    let stage = with_timer("1800", Some("1800;refresher=uac"));
    for status in [200, 405] {
        stage.net.run_for(WATCHED);
        is_asked(&stage.alice, status);
        is_asked(&stage.bob, status);
    }
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

#[test]
fn a_481_to_a_probe_ends_the_call_on_both_sides() {
    let stage = with_timer("1800", Some("1800;refresher=uac"));
    stage.net.run_for(WATCHED);
    is_asked(&stage.bob, 481);
    stage.alice.gets(OPTIONS);
    stage.alice.sends(200);
    stage.both_are_hung_up();
    assert_snapshot!(stage.net.ladder());
}

fn off(trunk: Trunk) -> Trunk {
    trunk.timers(TrunkTimers { session: None, ..TrunkTimers::default() })
}

/// `session = "off"` only relays.
#[test]
fn session_timers_that_are_off_cross_and_nothing_is_watched() {
    let stage = Stage::with_config(builder().trunk(off(alice())).trunk(off(bob())));
    stage.alice.sends(INVITE.with("Supported", "timer").with("Session-Expires", "60"));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::SessionExpires), "60");
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::SessionExpires), "");
    stage.bob.gets(ACK);
    stage.net.run_for(Duration::from_secs(4_000));
    stage.alice_hangs_up();
}

#[test]
fn a_trunk_with_keep_alive_is_asked_where_no_timer_runs() {
    let trunk = bob().keep_alive(Duration::from_secs(300));
    let stage = Stage::with_config(builder().trunk(alice()).trunk(trunk));
    stage.talk();
    for _ in 0..2 {
        stage.net.run_for(Duration::from_secs(301));
        is_asked(&stage.bob, 200);
    }
    stage.net.silences(stage.bob.address());
    stage.net.run_for(Duration::from_secs(340));
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    assert_eq!(stage.edge.counters().calls_live, 0);
    assert_snapshot!(stage.net.ladder());
}
