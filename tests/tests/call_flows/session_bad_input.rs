//! Session intervals that no peer should ask for: 0, 10^9, less than the Min-SE, no number at all (RFC 4028 sections 8 and 9).

use std::time::Duration;

use attesta_b2bua::{Trunk, TrunkTimers};
use attesta_sip::Name;
use attesta_tests::sim::{ACK, INVITE, OPTIONS, UPDATE, Wording};

use crate::common::{Stage, alice, answered, bob, builder, heard};

const DAY: u64 = 86_400;

/// RFC 4028 section 8.1: a caller without session timers understands no 422. The edge raises its interval.
#[test]
fn a_session_expires_of_0_of_a_caller_without_timers_is_raised() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Session-Expires", "0"));
    stage.bob.gets(INVITE);
    assert_eq!((heard(&stage.bob, Name::SessionExpires), heard(&stage.bob, Name::MinSe)), pair("90", "90"));
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.alice_hangs_up();
}

/// The callee has chosen an interval of 0. The edge watches for 90 s, the shortest interval of RFC 4028 section 4.
#[test]
fn a_callee_that_begins_a_session_of_0_does_not_end_the_call_at_once() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Supported", "timer").with("Session-Expires", "1800"));
    stage.bob.gets(INVITE);
    stage.bob.sends(200.with("Require", "timer").with("Session-Expires", "0;refresher=uac"));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    stage.net.run_for(Duration::from_secs(59));
    stage.net.run_for(Duration::from_secs(2));
    for agent in [&stage.alice, &stage.bob] {
        agent.gets(OPTIONS);
        agent.sends(200);
    }
    stage.alice_hangs_up();
}

fn of_two_days(trunk: Trunk) -> Trunk {
    trunk.timers(TrunkTimers { max_call: Duration::from_secs(2 * DAY), ..TrunkTimers::default() })
}

/// The interval crosses, because a relayed interval is not ours to change. The edge watches for a day at most.
#[test]
fn a_session_expires_of_a_billion_crosses_and_is_watched_for_a_day() {
    let stage = Stage::with_config(builder().trunk(of_two_days(alice())).trunk(of_two_days(bob())));
    stage.alice.sends(INVITE.with("Supported", "timer").with("Session-Expires", "1000000000"));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::SessionExpires), "1000000000");
    stage.bob.sends(200.with("Require", "timer").with("Session-Expires", "1000000000;refresher=uac"));
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::SessionExpires), "1000000000;refresher=uac");
    stage.bob.gets(ACK);
    stage.net.run_for(Duration::from_secs(DAY - 33));
    stage.net.run_for(Duration::from_secs(2));
    for agent in [&stage.alice, &stage.bob] {
        agent.gets(OPTIONS);
        agent.sends(200);
    }
    stage.alice_hangs_up();
}

/// RFC 4028 sections 8.1 and 8.2: the interval is raised to the Min-SE, for the callee and in our own session.
#[test]
fn a_session_expires_below_its_min_se_is_raised() {
    let stage = Stage::new();
    stage
        .alice
        .sends(INVITE.with("Supported", "timer").with("Session-Expires", "600").with("Min-SE", "1200"));
    stage.bob.gets(INVITE);
    assert_eq!(
        (heard(&stage.bob, Name::SessionExpires), heard(&stage.bob, Name::MinSe)),
        pair("1200", "1200")
    );
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::SessionExpires), "1200;refresher=uac");
    stage.bob.gets(ACK);
    stage
        .alice
        .sends(UPDATE.with("Supported", "timer").with("Session-Expires", "600").with("Min-SE", "1800"));
    stage.bob.gets(UPDATE);
    assert_eq!(heard(&stage.bob, Name::SessionExpires), "1800");
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::SessionExpires), "1800;refresher=uac");
    stage.alice_hangs_up();
}

/// A Min-SE of more than a day: there is no interval that both sides accept, so the call has no session timer.
#[test]
fn a_min_se_of_a_billion_leads_to_a_call_without_timer() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Supported", "timer").with("Min-SE", "1000000000"));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::SessionExpires), "");
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::SessionExpires), "");
    stage.bob.gets(ACK);
    stage.alice_hangs_up();
}

/// RFC 3261 section 8.2.2: a malformed header field is ignored. The edge offers its own interval.
#[test]
fn a_session_expires_that_cannot_be_read_does_not_cross() {
    for value in ["soon", "-1", "99999999999999999999"] {
        let stage = Stage::new();
        stage.alice.sends(INVITE.with("Supported", "timer").with("Session-Expires", value));
        stage.bob.gets(INVITE);
        assert_eq!(heard(&stage.bob, Name::SessionExpires), "1800", "{value}");
        stage.bob.sends(200.with("Require", "timer").with("Session-Expires", "1800;refresher=uac"));
        stage.alice.gets(200);
        stage.bob.gets(ACK);
        stage.alice_hangs_up();
    }
}

fn pair(expires: &str, minimum: &str) -> (String, String) {
    (expires.to_owned(), minimum.to_owned())
}
