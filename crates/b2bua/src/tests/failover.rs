//! Targets that fail, go out of service and return to service: RFC 3263 section 4.3, RFC 3261 section 21.5.4.

use std::time::Duration;

use attesta_sip::{Message, Name, Request, Status};
use attesta_transaction::Transport;

use super::rig::*;
use crate::{Cause, Destination, Input, ResolveError, RetryAfterRule, Trunk, TrunkTimers};

/// Bob's trunk with two targets, Bob and Carol.
fn trunk() -> Trunk {
    let (_, bob) = trunks();
    let timers = TrunkTimers { no_response: Duration::from_secs(2), ..TrunkTimers::default() };
    bob.target("sip:192.0.2.3:5060".parse().unwrap()).timers(timers)
}

fn rig(bob: Trunk) -> Rig {
    let (alice, _) = trunks();
    Rig::new(builder().trunk(alice).trunk(bob).build().unwrap())
}

/// Alice sends the INVITE of her next call.
fn call(rig: &mut Rig, number: u32) {
    call_to(rig, number, CALLEE);
}

fn call_to(rig: &mut Rig, number: u32, callee: &str) {
    rig.clear();
    rig.invites(ALICE, &uri(callee), &format!("call-{number}"));
}

/// The target `at` refuses the call of `invite`.
fn refuses(rig: &mut Rig, at: &str, invite: &Request, status: u16, rest: &str) {
    rig.reply(at, invite, status, "x", rest);
    rig.gets_request(at, ACK);
}

/// The target `at` gets an INVITE and refuses the call.
fn gets_call_and_refuses(rig: &mut Rig, at: &str, status: u16, rest: &str) {
    let invite = rig.gets_request(at, INVITE);
    refuses(rig, at, &invite, status, rest);
}

/// How many targets are out of service, and how often a target went out of service.
fn out_of_service(rig: &Rig) -> (u64, u64) {
    let counters = rig.counters();
    (counters.targets_out_of_service, counters.targets_taken_out_of_service)
}

/// Bob is out of service because nothing reaches him. Carol gets the first call.
fn without_bob() -> Rig {
    let mut rig = rig(trunk());
    call(&mut rig, 1);
    rig.fails_to_reach(BOB);
    gets_call_and_refuses(&mut rig, CAROL, 486, "");
    assert_eq!(out_of_service(&rig), (1, 1));
    rig
}

#[test]
fn calls_skip_a_target_that_cannot_be_reached() {
    let mut rig = without_bob();
    for number in 2..5 {
        call(&mut rig, number);
        gets_call_and_refuses(&mut rig, CAROL, 486, "");
        assert!(rig.gets_if_any(BOB).is_none());
    }
}

#[test]
fn a_local_limit_takes_no_target_out_of_service() {
    let mut rig = rig(trunk());
    for number in 1..3 {
        call(&mut rig, number);
        rig.finds_no_room_towards(BOB);
        gets_call_and_refuses(&mut rig, CAROL, 486, "");
        assert_eq!(out_of_service(&rig), (0, 0));
    }
}

#[test]
fn calls_skip_a_target_that_was_silent_for_no_response() {
    let mut rig = rig(trunk());
    call(&mut rig, 1);
    rig.gets_request(BOB, INVITE);
    rig.run_for(Duration::from_millis(1_999));
    assert!(rig.gets_if_any(CAROL).is_none());
    rig.run_for(Duration::from_millis(1));
    gets_call_and_refuses(&mut rig, CAROL, 486, "");
    call(&mut rig, 2);
    rig.gets_request(CAROL, INVITE);
    assert!(rig.gets_if_any(BOB).is_none());
}

#[test]
fn one_unanswered_call_leaves_a_responsive_target_in_service() {
    let mut rig = rig(trunk());
    call(&mut rig, 1);
    rig.gets_request(BOB, INVITE);
    rig.run_for(Duration::from_secs(1));
    call(&mut rig, 2);
    let other = rig.gets_request(BOB, INVITE);
    refuses(&mut rig, BOB, &other, 486, "");
    rig.run_for(Duration::from_secs(1));
    rig.gets_request(CAROL, INVITE);
    assert_eq!(out_of_service(&rig), (0, 0));
    call(&mut rig, 3);
    rig.gets_request(BOB, INVITE);
}

#[test]
fn a_target_that_sent_100_stays_in_service_without_an_answer() {
    let mut rig = rig(trunk());
    call(&mut rig, 1);
    let invite = rig.gets_request(BOB, INVITE);
    rig.responds(BOB, &invite, 100);
    rig.run_for(Duration::from_secs(120));
    rig.gets_response(ALICE, 100);
    rig.gets_response(ALICE, 480);
    assert_eq!(out_of_service(&rig), (0, 0));
}

#[test]
fn one_call_tests_a_failed_target_while_others_go_elsewhere() {
    let mut rig = without_bob();
    rig.run_for(Duration::from_secs(60));
    call(&mut rig, 2);
    let invite = rig.gets_request(BOB, INVITE);
    call(&mut rig, 3);
    let other = rig.gets_request(CAROL, INVITE);
    assert!(rig.gets_if_any(BOB).is_none());
    refuses(&mut rig, CAROL, &other, 486, "");
    refuses(&mut rig, BOB, &invite, 486, "");
    assert_eq!(out_of_service(&rig), (0, 1), "Bob responded");
    call(&mut rig, 4);
    rig.gets_request(BOB, INVITE);
}

#[test]
fn a_target_that_fails_again_stays_out_of_service() {
    let mut rig = without_bob();
    rig.run_for(Duration::from_secs(60));
    call(&mut rig, 2);
    rig.fails_to_reach(BOB);
    gets_call_and_refuses(&mut rig, CAROL, 486, "");
    rig.run_for(Duration::from_secs(59));
    call(&mut rig, 3);
    rig.gets_request(CAROL, INVITE);
    assert_eq!(out_of_service(&rig), (1, 1), "a second failure is not counted");
}

#[test]
fn if_all_targets_are_out_of_service_they_are_still_tried() {
    let mut rig = without_bob();
    call(&mut rig, 2);
    rig.fails_to_reach(CAROL);
    rig.fails_to_reach(BOB);
    rig.gets_response(ALICE, 500);
    assert_eq!(out_of_service(&rig), (2, 2));
    call(&mut rig, 3);
    gets_call_and_refuses(&mut rig, BOB, 486, "");
    assert_eq!(rig.cause(), Some(Cause::Declined(Status::BUSY_HERE)));
    assert_eq!(out_of_service(&rig), (1, 2), "Bob is back");
    call(&mut rig, 4);
    rig.gets_request(BOB, INVITE);
}

#[test]
fn a_call_tries_targets_out_of_service_before_it_fails() {
    let mut rig = without_bob();
    call(&mut rig, 2);
    gets_call_and_refuses(&mut rig, CAROL, 503, "");
    gets_call_and_refuses(&mut rig, BOB, 486, "");
    rig.gets_response(ALICE, 486);
    assert_eq!(out_of_service(&rig), (0, 1), "Bob is back");
}

#[test]
fn the_caller_gets_the_response_of_the_target_that_responded() {
    let mut rig = rig(trunk().failover(vec![Status::SERVER_INTERNAL_ERROR]));
    call(&mut rig, 1);
    rig.fails_to_reach(BOB);
    gets_call_and_refuses(&mut rig, CAROL, 486, "");
    call(&mut rig, 2);
    gets_call_and_refuses(&mut rig, CAROL, 500, "Reason: Q.850;cause=34\n");
    rig.gets_request(BOB, INVITE);
    // Bob is the last target, and has until Timer B.
    rig.run_for(Duration::from_secs(32));
    let told = std::iter::from_fn(|| rig.gets_if_any(ALICE)).last();
    let Some(Message::Response(response)) = told else { panic!("no response") };
    assert_eq!(
        (response.status(), header(&response, Name::Reason).as_str()),
        (Status::SERVER_INTERNAL_ERROR, "Q.850;cause=34")
    );
}

#[test]
fn an_emergency_call_tries_every_target() {
    let mut rig = without_bob();
    call_to(&mut rig, 2, "911");
    gets_call_and_refuses(&mut rig, CAROL, 503, "Retry-After: 600\n");
    gets_call_and_refuses(&mut rig, BOB, 503, "Retry-After: 600\n");
    call_to(&mut rig, 3, "911");
    gets_call_and_refuses(&mut rig, BOB, 503, "");
    rig.gets_request(CAROL, INVITE);
}

/// Bob asks three calls in a row to wait. Carol takes them.
fn bob_asks_to_wait(rig: &mut Rig, retry_after: &str) {
    for number in 1..=3 {
        call(rig, number);
        gets_call_and_refuses(rig, BOB, 503, &format!("Retry-After: {retry_after}\n"));
        gets_call_and_refuses(rig, CAROL, 486, "");
    }
}

#[test]
fn calls_skip_a_target_after_three_retry_after_in_a_row() {
    let mut rig = rig(trunk());
    bob_asks_to_wait(&mut rig, "120 (in maintenance)");
    for (wait, at) in [(0, CAROL), (118, CAROL), (2, BOB)] {
        rig.run_for(Duration::from_secs(wait));
        call(&mut rig, wait as u32 + 10);
        gets_call_and_refuses(&mut rig, at, 486, "");
    }
}

#[test]
fn two_retry_after_in_a_row_leave_the_target_in_service() {
    let mut rig = rig(trunk());
    for number in 1..=6 {
        call(&mut rig, number);
        if number % 3 == 0 {
            gets_call_and_refuses(&mut rig, BOB, 486, "");
        } else {
            gets_call_and_refuses(&mut rig, BOB, 503, "Retry-After: 120\n");
            gets_call_and_refuses(&mut rig, CAROL, 486, "");
        }
    }
    assert_eq!(out_of_service(&rig), (0, 0));
}

#[test]
fn a_trunk_may_ignore_retry_after() {
    let mut rig = rig(trunk().retry_after(RetryAfterRule::Ignore));
    bob_asks_to_wait(&mut rig, "120");
    assert_eq!(out_of_service(&rig), (0, 0));
    call(&mut rig, 4);
    rig.gets_request(BOB, INVITE);
}

#[test]
fn the_last_target_in_service_never_rests() {
    let mut rig = rig(trunk());
    bob_asks_to_wait(&mut rig, "120");
    for number in 4..=8 {
        call(&mut rig, number);
        gets_call_and_refuses(&mut rig, CAROL, 503, "Retry-After: 90\n");
        // No target in service remains, so Bob is tried in spite of his Retry-After.
        gets_call_and_refuses(&mut rig, BOB, 503, "Retry-After: 90\n");
        let response = rig.gets_response(ALICE, 503);
        assert_eq!(response.headers().count(Name::RetryAfter), 0);
    }
    assert_eq!(out_of_service(&rig).0, 1);
}

#[test]
fn a_target_that_waits_is_no_alternative_for_the_last_one() {
    // Carol is the second target of each call, and rests. Bob's Retry-After must not take him out of service too.
    let mut rig = rig(trunk());
    for number in 1..=3 {
        call(&mut rig, number);
        gets_call_and_refuses(&mut rig, BOB, 503, "");
        gets_call_and_refuses(&mut rig, CAROL, 503, "Retry-After: 120\n");
    }
    assert_eq!(out_of_service(&rig), (1, 1));
    for number in 4..=8 {
        call(&mut rig, number);
        gets_call_and_refuses(&mut rig, BOB, 503, "Retry-After: 90\n");
        gets_call_and_refuses(&mut rig, CAROL, 486, "");
    }
    assert_eq!(out_of_service(&rig), (1, 1), "Bob stays in service");
}

#[test]
fn a_503_without_retry_after_ends_the_row() {
    let mut rig = rig(trunk());
    for (number, headers) in
        ["Retry-After: 120\n", "Retry-After: 120\n", "", "Retry-After: 120\n"].iter().enumerate()
    {
        call(&mut rig, number as u32);
        gets_call_and_refuses(&mut rig, BOB, 503, headers);
        gets_call_and_refuses(&mut rig, CAROL, 486, "");
    }
    assert_eq!(out_of_service(&rig), (0, 0));
}

#[test]
fn a_target_that_rested_needs_three_more_retry_after() {
    let mut rig = rig(trunk());
    bob_asks_to_wait(&mut rig, "60");
    rig.run_for(Duration::from_secs(60));
    call(&mut rig, 4);
    gets_call_and_refuses(&mut rig, BOB, 503, "Retry-After: 60\n");
    gets_call_and_refuses(&mut rig, CAROL, 486, "");
    call(&mut rig, 5);
    rig.gets_request(BOB, INVITE);
}

#[test]
fn a_503_says_more_than_a_lookup_that_fails_later() {
    let (_, bob) = trunks();
    let mut rig = rig(bob.target("sip:pool.example".parse().unwrap()));
    rig.holds_names = true;
    call(&mut rig, 1);
    let (token, _) = rig.names.pop_front().unwrap();
    let bob = Destination { transport: Transport::Udp, address: address(BOB), server_name: None };
    rig.input(Input::Resolved { token, result: Ok(vec![bob]) });
    gets_call_and_refuses(&mut rig, BOB, 503, "");
    let (token, _) = rig.names.pop_front().unwrap();
    rig.input(Input::Resolved { token, result: Err(ResolveError::Timeout) });
    rig.gets_response(ALICE, 503);
}

#[test]
fn a_response_to_an_earlier_call_does_not_end_a_retry_after() {
    let mut rig = rig(trunk());
    call(&mut rig, 9);
    let taken = rig.gets_request(BOB, INVITE);
    bob_asks_to_wait(&mut rig, "60");
    rig.responds(BOB, &taken, 180);
    rig.clear();
    call(&mut rig, 10);
    rig.gets_request(CAROL, INVITE);
}

#[test]
fn a_retry_after_counts_for_at_most_five_times_resume() {
    let mut rig = rig(trunk().resume(Duration::from_secs(10)));
    bob_asks_to_wait(&mut rig, "3600");
    rig.run_for(Duration::from_secs(49));
    call(&mut rig, 10);
    gets_call_and_refuses(&mut rig, CAROL, 486, "");
    rig.run_for(Duration::from_secs(1));
    call(&mut rig, 11);
    gets_call_and_refuses(&mut rig, BOB, 486, "");
    assert_eq!(out_of_service(&rig).0, 0);
}

#[test]
fn a_503_without_retry_after_leaves_the_target_in_service() {
    let mut rig = rig(trunk());
    for number in 1..3 {
        call(&mut rig, number);
        gets_call_and_refuses(&mut rig, BOB, 503, "");
        gets_call_and_refuses(&mut rig, CAROL, 486, "");
    }
    assert_eq!(out_of_service(&rig), (0, 0));
}

#[test]
fn a_status_of_the_failover_list_leads_to_the_next_target() {
    let codes = [500, 504, 486].map(|code| Status::new(code).unwrap());
    let mut rig = rig(trunk().failover(codes.into()));
    call(&mut rig, 1);
    gets_call_and_refuses(&mut rig, BOB, 500, "");
    gets_call_and_refuses(&mut rig, CAROL, 504, "Reason: Q.850;cause=34\n");
    let response = rig.gets_response(ALICE, 504);
    assert_eq!(header(&response, Name::Reason), "Q.850;cause=34");
    call(&mut rig, 2);
    gets_call_and_refuses(&mut rig, BOB, 486, "");
    assert!(rig.gets_if_any(CAROL).is_none(), "a 486 leads to no other target, even if the list names it");
    rig.ends_clean(Cause::Declined(Status::BUSY_HERE));
}

#[test]
fn requests_in_a_dialog_avoid_addresses_out_of_service() {
    let mut rig = without_bob();
    call(&mut rig, 2);
    let invite = rig.gets_request(CAROL, INVITE);
    rig.holds_names = true;
    rig.reply_with(CAROL, &invite, 200, "c", "Contact: <sip:pool.example>\n", ANSWER);
    rig.gets_response(ALICE, 200);
    rig.run_for(Duration::from_secs(32));
    let (token, _) = rig.names.iter().find(|(_, target)| &*target.host == "pool.example").cloned().unwrap();
    let at = |text| Destination { transport: Transport::Udp, address: address(text), server_name: None };
    rig.input(Input::Resolved { token, result: Ok(vec![at(BOB), at(CAROL)]) });
    rig.gets_request(CAROL, ACK);
    assert!(rig.gets_if_any(BOB).is_none());
}
