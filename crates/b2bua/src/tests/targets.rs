//! How a call goes from one target to the next, and which targets it has: RFC 3263 section 4.3.

use std::time::Duration;

use attesta_sip::Name;

use super::rig::*;
use crate::{Cause, Input, Target, Trunk};

/// An edge with two targets for the trunk of Bob: Bob, then Carol.
fn two_targets() -> Rig {
    let (alice, bob) = trunks();
    let bob = bob.target("sip:192.0.2.3:5060".parse().unwrap());
    Rig::new(builder().trunk(alice).trunk(bob).build().unwrap())
}

#[test]
fn the_next_target_is_tried_after_a_503_with_a_new_branch() {
    let mut rig = two_targets();
    let first = rig.alice_calls("");
    rig.responds(BOB, &first, 503);
    rig.gets_request(BOB, ACK);
    let second = rig.gets_request(CAROL, INVITE);
    assert_ne!(value(&first, Name::Via), value(&second, Name::Via));
    assert_eq!(second.uri(), format!("sip:{CALLEE}@192.0.2.3:5060").as_bytes());
    rig.reply(CAROL, &second, 503, "c", "Retry-After: 9\n");
    // The Retry-After is about the target. Upstream must not apply it to this edge (ADR 10).
    let response = rig.gets_response(ALICE, 503);
    assert_eq!(response.headers().count(Name::RetryAfter), 0);
}

#[test]
fn the_next_target_is_tried_if_the_first_cannot_be_reached() {
    let mut rig = two_targets();
    rig.invite("");
    rig.fails_to_reach(BOB);
    let second = rig.gets_request(CAROL, INVITE);
    rig.responds(CAROL, &second, 486);
    rig.gets_response(ALICE, 486);
}

#[test]
fn the_next_target_is_tried_if_the_first_is_silent() {
    let mut rig = two_targets();
    let first = rig.alice_calls("");
    rig.run_for(Duration::from_secs(4));
    let second = rig.gets_request(CAROL, INVITE);
    rig.clear();
    // Bob answers too late: his 200 gets an ACK and a BYE.
    rig.reply_with(BOB, &first, 200, "b", &contact(BOB), ANSWER);
    rig.gets_request(BOB, ACK);
    rig.gets_request(BOB, BYE);
    rig.is_silent();
    rig.reply_with(CAROL, &second, 200, "c", &contact(CAROL), ANSWER);
    rig.gets_response(ALICE, 200);
}

#[test]
fn a_486_or_603_does_not_lead_to_the_next_target() {
    for status in [486, 603] {
        let mut rig = two_targets();
        let invite = rig.alice_calls("");
        rig.responds(BOB, &invite, status);
        rig.gets_response(ALICE, status);
        rig.gets_request(BOB, ACK);
        rig.is_silent();
    }
}

#[test]
fn a_silent_callee_gives_the_caller_408() {
    let mut rig = Rig::plain();
    rig.invite("");
    rig.gets_request(BOB, INVITE);
    // The only target has until Timer B, and not only until `no_response`.
    rig.run_for(Duration::from_secs(32));
    rig.gets_response(ALICE, 100);
    rig.gets_response(ALICE, 408);
    rig.ends_clean(Cause::Unreachable);
}

#[test]
fn a_callee_that_rings_for_120_s_is_cancelled() {
    let mut rig = Rig::plain();
    let invite = rig.rings().invite;
    rig.run_for(Duration::from_secs(119));
    rig.is_silent();
    rig.run_for(Duration::from_secs(1));
    rig.gets_response(ALICE, 480);
    let cancel = rig.gets_request(BOB, CANCEL);
    rig.responds(BOB, &cancel, 200);
    rig.responds(BOB, &invite, 487);
    rig.gets_request(BOB, ACK);
    rig.ends_clean(Cause::NotAnswered);
}

#[test]
fn a_target_that_does_not_resolve_leads_to_the_next() {
    let (alice, _) = trunks();
    let bob = Trunk::new("bob")
        .inbound_identity(crate::InboundIdentity::Pass)
        .outbound_identity(crate::OutboundIdentity::Pass)
        .listener("edge")
        .target("sip:nowhere.example".parse().unwrap())
        .target("sip:192.0.2.3:5060".parse().unwrap());
    let mut rig = Rig::new(builder().trunk(alice).trunk(bob).build().unwrap());
    rig.invite("");
    rig.gets_request(CAROL, INVITE);
}

#[test]
fn a_name_lookup_without_a_result_gives_the_caller_504() {
    let mut rig = Rig::plain();
    rig.holds_names = true;
    rig.invite("");
    let (token, target) = rig.names.pop_front().unwrap();
    assert_eq!(target, "sip:192.0.2.2:5060".parse::<Target>().unwrap());
    rig.run_for(Duration::from_secs(4));
    rig.gets_response(ALICE, 100);
    rig.gets_response(ALICE, 504);
    rig.input(Input::Resolved { token, result: Ok(Vec::new()) });
    rig.ends_clean(Cause::Unreachable);
}

#[test]
fn a_call_to_the_address_of_the_edge_itself_gets_404() {
    let (alice, _) = trunks();
    let config = crate::Config::builder()
        .listener(crate::Listener::new("edge", attesta_transaction::Transport::Udp, address(EDGE)))
        .trunk(alice)
        .route(crate::Route::new(crate::RouteTo::RequestUri))
        .build();
    let mut rig = Rig::new(config.unwrap());
    rig.invites(ALICE, &format!("sip:+1999@{EDGE}"), "call-1");
    rig.gets_response(ALICE, 404);
    assert!(config_everywhere().is_own(attesta_transaction::Transport::Udp, address("127.0.0.1:5060")));
    assert!(!config_everywhere().is_own(attesta_transaction::Transport::Udp, address(BOB)));
    // A Request-URI with another address is used unchanged.
    rig.invites(ALICE, &format!("sip:+1999@{BOB};x=y"), "call-2");
    assert_eq!(rig.gets_request(BOB, INVITE).uri(), format!("sip:+1999@{BOB};x=y").as_bytes());
}

#[test]
fn calls_leave_from_a_listener_that_reaches_their_target() {
    let udp = attesta_transaction::Transport::Udp;
    let listener = |name: &'static str, at: &str| crate::Listener::new(name, udp, address(at));
    let config = crate::Config::builder()
        .listener(listener("loopback", "127.0.0.1:5060"))
        .listener(listener("outside", "192.0.2.100:5060"))
        .listener(listener("six", "[2001:db8::1]:5060"))
        .build()
        .unwrap();
    let from = |names: &[std::sync::Arc<str>], remote: &str| {
        config.listener_towards(names, udp, address(remote)).map(|listener| listener.name().to_string())
    };
    assert_eq!(from(&[], BOB).as_deref(), Some("outside"));
    assert_eq!(from(&[], "127.0.0.2:5080").as_deref(), Some("loopback"));
    assert_eq!(from(&[], "[2001:db8::2]:5060").as_deref(), Some("six"));
    assert_eq!(from(&["loopback".into()], BOB).as_deref(), Some("loopback"), "the named listener is used");
    assert_eq!(from(&["six".into()], BOB), None);
}

/// An edge that listens on every address.
fn config_everywhere() -> crate::Config {
    let everywhere =
        crate::Listener::new("all", attesta_transaction::Transport::Udp, address("0.0.0.0:5060"));
    crate::Config::builder().listener(everywhere).build().unwrap()
}
