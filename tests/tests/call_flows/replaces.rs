//! An INVITE with Replaces exchanges a leg of a call: RFC 3891 section 3.

use std::time::Duration;

use attesta_sip::Name;
use attesta_tests::sim::{ACK, Agent, BYE, CANCEL, INFO, INVITE, NOTIFY, OPTIONS, REFER, Wording};
use insta::assert_snapshot;

use crate::common::{HELD, HOLD, answered_body, heard_body};
use crate::office::{Office, call, hangs_up, refer_to_carol, replaces_in_refer_to};

/// Referred-By with the address of Alice.
const BY_ALICE: &str = "<sip:+12155551212@192.0.2.1>";

/// The new peer takes the place of `old` in the call with `other`.
fn replaces(new: &Agent, old: &Agent, other: &Agent) {
    other.gets(INVITE);
    other.sends(200);
    new.gets(200);
    other.gets(ACK);
    old.gets(BYE);
    old.sends(200);
}

/// The whole attended transfer (RFC 5589 section 7.3): both calls of Alice cross the edge, and so does the new call of Bob.
#[test]
fn an_attended_transfer_by_the_caller() {
    let (office, ours, _) = Office::talk_twice();
    office.alice.sends(REFER.with("Refer-To", &refer_to_carol(&ours)).with("Referred-By", BY_ALICE));
    office.bob.gets(REFER);
    let found = replaces_in_refer_to(&office.bob);
    office.bob.sends(202);
    office.alice.gets(202);
    let invite = INVITE.with("Replaces", &found).with("Require", "replaces").with("Referred-By", BY_ALICE);
    office.phone.sends(invite.offering(HOLD));
    office.carol.gets(INVITE);
    assert_eq!(heard_body(&office.carol), HOLD);
    let headers = office.carol.last_request().headers().clone();
    assert_eq!([Name::Replaces, Name::Require].map(|name| headers.contains(name)), [false, false]);
    office.carol.sends(200.answering(HELD));
    office.phone.gets(200);
    assert_eq!(answered_body(&office.phone), HELD);
    office.carol.gets(ACK);
    office.line.gets(BYE);
    office.line.sends(200);
    office
        .bob
        .sends(NOTIFY.with("Event", "refer").with("Subscription-State", "terminated;reason=noresource"));
    office.alice.gets(NOTIFY);
    office.alice.sends(200);
    office.bob.gets(200);
    hangs_up(&office.alice, &office.bob);
    // The call of Carol continues with Bob's phone, in both directions.
    office.carol.sends(INFO);
    office.phone.gets(INFO);
    office.phone.sends(200);
    office.carol.gets(200);
    office.phone.sends(INVITE);
    office.carol.gets(INVITE);
    office.carol.sends(200);
    office.phone.gets(200);
    office.carol.gets(ACK);
    let counters = office.edge.counters();
    assert_eq!((counters.calls_live, counters.legs_replaced), (1, 1));
    hangs_up(&office.carol, &office.phone);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn an_attended_transfer_by_the_callee() {
    let office = Office::talk();
    call(&office.phone, &office.carol);
    let bobs = crate::office::name_for_peer(office.phone.last_response().headers());
    let by_bob = "<sip:+12155551213@192.0.2.3>";
    office.bob.sends(REFER.with("Refer-To", &refer_to_carol(&bobs)).with("Referred-By", by_bob));
    office.alice.gets(REFER);
    let found = replaces_in_refer_to(&office.alice);
    office.alice.sends(202);
    office.bob.gets(202);
    office.line.sends(INVITE.with("Replaces", &found).with("Referred-By", by_bob));
    replaces(&office.line, &office.phone, &office.carol);
    office
        .alice
        .sends(NOTIFY.with("Event", "refer").with("Subscription-State", "terminated;reason=noresource"));
    office.bob.gets(NOTIFY);
    office.bob.sends(200);
    office.alice.gets(200);
    hangs_up(&office.bob, &office.alice);
    hangs_up(&office.line, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// The trunk of the replaced leg needs no Referred-By. The name is the one that the replaced party knows.
#[test]
fn a_second_phone_of_the_callee_takes_over() {
    let office = Office::talk();
    let bobs = office.name_of_callee(&office.bob);
    office.phone.sends(INVITE.with("Replaces", &bobs));
    replaces(&office.phone, &office.bob, &office.alice);
    hangs_up(&office.alice, &office.phone);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn an_invite_without_offer_replaces_a_leg() {
    let (office, ours, _) = Office::talk_twice();
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(INVITE.with("Replaces", &ours).without_body());
    office.carol.gets(INVITE);
    assert!(office.carol.last_request().body().is_empty());
    office.carol.sends(200.offering(HOLD));
    office.alice.gets(200);
    office.carol.gets(ACK);
    assert!(!office.carol.last_request().body().is_empty());
    office.line.gets(BYE);
    office.line.sends(200);
    hangs_up(&office.alice, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// A stranger who guesses the dialog: another trunk, without Referred-By or with the Referred-By of somebody else.
#[test]
fn a_stranger_gets_403_and_the_call_goes_on() {
    let (office, ours, carols) = Office::talk_twice();
    for name in [&ours, &carols] {
        office.phone.sends(INVITE.with("Replaces", name));
        office.phone.gets(403);
        office.phone.sends(INVITE.with("Replaces", name).with("Referred-By", "<sip:+12155559999@192.0.2.1>"));
        office.phone.gets(403);
    }
    assert_eq!((office.refused("foreign-dialog"), office.edge.counters().legs_replaced), (4, 0));
    hangs_up(&office.alice, &office.bob);
    hangs_up(&office.line, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// Tags of ours in a wrong pair, and with a wrong Call-ID.
#[test]
fn an_invite_that_replaces_an_unknown_dialog_gets_481() {
    let (office, ours, carols) = Office::talk_twice();
    let (_, tags) = ours.split_once(';').expect("tags");
    let (call_id, _) = carols.split_once(';').expect("tags");
    office.alice.sends(INVITE.outside().with("Replaces", &format!("{call_id};{tags}")));
    office.alice.gets(481);
    office.line.sends(INVITE.outside().with("Replaces", &ours.replace(";from-tag=", ";from-tag=x")));
    office.line.gets(481);
    assert_eq!(office.refused("named-dialog"), 2);
    assert_snapshot!(office.net.ladder());
}

/// A dialog that is over and has a live subscription.
#[test]
fn an_invite_that_replaces_a_dialog_that_is_over_gets_603() {
    let office = Office::talk();
    let alices = crate::office::name_for_peer(office.alice.last_response().headers());
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>"));
    office.bob.gets(REFER);
    office.bob.sends(202);
    office.alice.gets(202);
    hangs_up(&office.alice, &office.bob);
    office.line.sends(INVITE.with("Replaces", &alices));
    office.line.gets(603);
    assert_snapshot!(office.net.ladder());
    // The subscription of the REFER ends.
    office.net.run_for(Duration::from_secs(250));
    office.is_over();
}

#[test]
fn early_only_refuses_an_answered_call_with_486() {
    let (office, ours, _) = Office::talk_twice();
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(INVITE.with("Replaces", &format!("{ours};early-only")));
    office.alice.gets(486);
    hangs_up(&office.line, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 3891 section 3: the UAS did not initiate the early dialog.
#[test]
fn a_ringing_caller_is_not_replaced() {
    let office = Office::new();
    office.line.sends(INVITE);
    office.carol.gets(INVITE);
    office.carol.sends(180);
    office.line.gets(180);
    let ours = crate::office::name_for_peer(office.line.last_response().headers());
    office.alice.sends(INVITE.with("Replaces", &ours));
    office.alice.gets(481);
    office.carol.sends(200);
    office.line.gets(200);
    office.carol.gets(ACK);
    hangs_up(&office.line, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 3891 section 3: the matched dialog stays as it was.
#[test]
fn the_other_side_refuses_the_new_session_and_the_call_goes_on() {
    let (office, ours, _) = Office::talk_twice();
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(INVITE.with("Replaces", &ours));
    office.carol.gets(INVITE);
    office.carol.sends(488);
    office.alice.gets(488);
    office.line.sends(OPTIONS);
    office.carol.gets(OPTIONS);
    office.carol.sends(200);
    office.line.gets(200);
    hangs_up(&office.line, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn the_new_peer_cancels_and_the_call_goes_on() {
    let (office, ours, _) = Office::talk_twice();
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(INVITE.with("Replaces", &ours));
    office.carol.gets(INVITE);
    office.carol.sends(180);
    office.alice.sends(CANCEL);
    office.carol.gets(CANCEL);
    office.carol.sends(487);
    office.alice.gets(487);
    hangs_up(&office.line, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn the_replaced_peer_hangs_up_during_the_exchange() {
    let (office, ours, _) = Office::talk_twice();
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(INVITE.with("Replaces", &ours));
    office.carol.gets(INVITE);
    office.line.sends(BYE);
    office.line.gets(200);
    office.carol.sends(200);
    office.alice.gets(200);
    office.carol.gets(ACK);
    hangs_up(&office.carol, &office.alice);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn the_replaced_peer_hangs_up_and_the_other_side_refuses_the_new_session() {
    let (office, ours, _) = Office::talk_twice();
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(INVITE.with("Replaces", &ours));
    office.carol.gets(INVITE);
    office.line.sends(BYE);
    office.line.gets(200);
    office.carol.sends(488);
    office.alice.gets(488);
    office.carol.gets(BYE);
    office.carol.sends(200);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn the_other_side_hangs_up_during_the_exchange() {
    let (office, ours, _) = Office::talk_twice();
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(INVITE.with("Replaces", &ours));
    office.carol.gets(INVITE);
    office.carol.sends(BYE);
    office.line.gets(BYE);
    office.line.sends(200);
    office.carol.gets(200);
    office.alice.gets(487);
    office.carol.gets(CANCEL);
    office.carol.sends(487.to(INVITE));
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// The exchange is an INVITE in progress on the other side (RFC 3261 section 14.2).
#[test]
fn other_invites_wait_until_the_exchange_is_over() {
    let (office, ours, _) = Office::talk_twice();
    office.alice.sends(INVITE.outside().with("Replaces", &ours));
    office.carol.gets(INVITE);
    office.line.sends(INVITE);
    office.line.gets(491);
    office.carol.sends(INVITE);
    office.carol.gets(491);
    office.line.sends(INVITE.outside().with("Replaces", &ours));
    office.line.gets(500);
    office.carol.sends(488.to(INVITE));
    office.alice.gets(488);
    assert_snapshot!(office.net.ladder());
}

#[test]
fn a_silent_other_side_ends_the_call() {
    let (office, ours, _) = Office::talk_twice();
    hangs_up(&office.alice, &office.bob);
    office.net.cuts("edge", "carol");
    office.alice.sends(INVITE.with("Replaces", &ours));
    office.alice.gets(408);
    office.line.gets(BYE);
    office.line.sends(200);
    assert_snapshot!(office.net.ladder());
    office.net.heals("edge", "carol");
    office.carol.gets(BYE);
    office.carol.sends(200);
    office.is_over();
}
