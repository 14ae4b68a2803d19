//! Transfers: REFER and its NOTIFYs (RFC 3515), and the header fields that name another dialog: Replaces (RFC 3891), Join (RFC
//! 3911) and Target-Dialog (RFC 4538).

use std::time::Duration;

use attesta_sip::{Method, Name, NameAddr, Request};
use attesta_tests::sim::{Agent, BYE, INVITE, NOTIFY, REFER, SUBSCRIBE, Wording};
use insta::assert_snapshot;

use crate::common::{field, heard};
use crate::office::{Office, hangs_up, refer_to_carol, replaces_in_refer_to};

/// A NOTIFY of the subscription of the REFER that the agent was given.
fn notify(refer: &Request, seq: u32, event: &str, state: &str) -> Request {
    let headers = refer.headers();
    let contact = NameAddr::parse(headers.get(Name::Contact).expect("a Contact")).expect("an address");
    let mut notify = Request::new(Method::Notify, contact.uri().as_bytes().to_vec());
    for (name, value) in [
        (Name::MaxForwards, "70".to_owned()),
        (Name::From, field(headers, Name::To)),
        (Name::To, field(headers, Name::From)),
        (Name::CallId, field(headers, Name::CallId)),
        (Name::CSeq, format!("{seq} NOTIFY")),
        (Name::Event, event.to_owned()),
        (Name::SubscriptionState, state.to_owned()),
    ] {
        notify.headers_mut().push(name, value);
    }
    notify
}

const RINGING: &str = "active;expires=60";
const DONE: &str = "terminated;reason=noresource";

/// `from` transfers `to` to Carol. The NOTIFYs cross with the number that the REFER has on the other leg.
fn blind_transfer(from: &Agent, to: &Agent) {
    from.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>").with("CSeq", "700 REFER"));
    to.gets(REFER);
    let seq = heard(to, Name::CSeq).replace(" REFER", "");
    to.sends(202);
    from.gets(202);
    for state in [RINGING, DONE] {
        to.sends(NOTIFY.with("Event", &format!("refer;id={seq}")).with("Subscription-State", state));
        from.gets(NOTIFY);
        assert_eq!(
            (heard(from, Name::Event), heard(from, Name::SubscriptionState)),
            ("refer;id=700".into(), state.into())
        );
        from.sends(200);
        to.gets(200);
    }
}

/// RFC 3515 section 2.4.6: the `id` is the CSeq number of the REFER, which differs on each leg.
#[test]
fn the_caller_transfers_the_callee() {
    let office = Office::talk();
    blind_transfer(&office.alice, &office.bob);
    office.alice.sends(BYE.with("CSeq", "701 BYE"));
    office.bob.gets(BYE);
    office.bob.sends(200);
    office.alice.gets(200);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn the_callee_transfers_the_caller() {
    let office = Office::talk();
    blind_transfer(&office.bob, &office.alice);
    hangs_up(&office.alice, &office.bob);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn the_peer_refuses_a_refer_and_nothing_outlives_the_call() {
    let office = Office::talk();
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>"));
    office.bob.gets(REFER);
    office.bob.sends(603);
    office.alice.gets(603);
    hangs_up(&office.alice, &office.bob);
    assert_eq!(office.edge.counters().subscriptions_live, 0);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 4488 section 4.
#[test]
fn a_refer_without_a_subscription_does_not_outlive_the_call() {
    let office = Office::talk();
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>").with("Refer-Sub", "false"));
    office.bob.gets(REFER);
    office.bob.sends(202.with("Refer-Sub", "false"));
    office.alice.gets(202);
    hangs_up(&office.alice, &office.bob);
    assert_eq!(office.edge.counters().subscriptions_live, 0);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 3515 section 2.4.4, RFC 5057 section 3: the subscription outlives the call.
#[test]
fn a_notify_crosses_after_the_bye_until_the_subscription_ends() {
    let office = Office::talk();
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>"));
    office.bob.gets(REFER);
    let refer = office.bob.last_request();
    office.bob.sends(202);
    office.alice.gets(202);
    hangs_up(&office.alice, &office.bob);
    let counters = office.edge.counters();
    assert_eq!((counters.calls_live, counters.subscriptions_live), (0, 1));
    for (seq, state) in [(1, RINGING), (2, DONE)] {
        office.bob.sends_request(notify(&refer, seq, "refer", state));
        office.alice.gets(NOTIFY);
        assert_eq!(heard(&office.alice, Name::SubscriptionState), state);
        office.alice.sends(200);
        office.bob.gets(200);
    }
    assert_eq!(office.edge.counters().dialogs_live, 0);
    office.bob.sends_request(notify(&refer, 3, "refer", DONE));
    office.bob.gets(481);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// The bound: four minutes after the BYE, nothing is left.
#[test]
fn a_subscription_without_notify_ends_four_minutes_after_the_bye() {
    let office = Office::talk();
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>"));
    office.bob.gets(REFER);
    let refer = office.bob.last_request();
    office.bob.sends(202);
    office.alice.gets(202);
    hangs_up(&office.alice, &office.bob);
    office.net.run_for(Duration::from_secs(239));
    assert_eq!(office.edge.counters().subscriptions_live, 1);
    office.net.run_for(Duration::from_secs(2));
    let counters = office.edge.counters();
    assert_eq!((counters.subscriptions_live, counters.dialogs_live), (0, 0));
    office.bob.sends_request(notify(&refer, 1, "refer", DONE));
    office.bob.gets(481);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 5057 section 5.1: a 481 to a NOTIFY ends the subscription. Other requests get a 481 after the BYE.
#[test]
fn only_the_subscription_crosses_after_the_bye_and_a_481_ends_it() {
    let office = Office::talk();
    office.alice.sends(REFER.with("Refer-To", "<sip:+12155551214@192.0.2.2>"));
    office.bob.gets(REFER);
    let refer = office.bob.last_request();
    office.bob.sends(202);
    office.alice.gets(202);
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(SUBSCRIBE.within().with("Event", "refer"));
    office.bob.gets(SUBSCRIBE);
    office.bob.sends(200);
    office.alice.gets(200);
    office.alice.sends(INVITE.within());
    office.alice.gets(481);
    assert_eq!(office.edge.counters().subscriptions_live, 1);
    office.bob.sends_request(notify(&refer, 1, "refer", RINGING));
    office.alice.gets(NOTIFY);
    office.alice.sends(481);
    office.bob.gets(481);
    assert_eq!(office.edge.counters().subscriptions_live, 0);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 3515 section 2.4.6.
#[test]
fn a_notify_of_an_unknown_refer_gets_481_and_the_call_goes_on() {
    let office = Office::talk();
    office.bob.sends(NOTIFY.with("Event", "refer;id=9").with("Subscription-State", RINGING));
    office.bob.gets(481);
    assert_eq!(office.refused("named-dialog"), 1);
    hangs_up(&office.bob, &office.alice);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// The caller knows the dialog of the leg of her second phone. Bob gets the name of Carol's dialog.
#[test]
fn replaces_in_a_refer_to_names_the_dialog_of_the_other_leg() {
    let (office, ours, carols) = Office::talk_twice();
    office.alice.sends(REFER.with("Refer-To", &refer_to_carol(&ours)));
    office.bob.gets(REFER);
    assert_eq!(replaces_in_refer_to(&office.bob), carols);
    office.bob.sends(603);
    office.alice.gets(603);
    hangs_up(&office.alice, &office.bob);
    hangs_up(&office.line, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// The same dialog, after its call is over.
#[test]
fn a_refer_to_a_dialog_that_is_over_gets_481() {
    let (office, ours, _) = Office::talk_twice();
    hangs_up(&office.line, &office.carol);
    office.alice.sends(REFER.with("Refer-To", &refer_to_carol(&ours)));
    office.alice.gets(481);
    assert_eq!(office.refused("named-dialog"), 1);
    hangs_up(&office.alice, &office.bob);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn a_refer_to_a_dialog_of_others_crosses_unchanged() {
    let office = Office::talk();
    let refer_to = refer_to_carol("a@b;to-tag=1;from-tag=2");
    office.alice.sends(REFER.with("Refer-To", &refer_to));
    office.bob.gets(REFER);
    assert_eq!(heard(&office.bob, Name::ReferTo), refer_to);
    office.bob.sends(603);
    office.alice.gets(603);
    hangs_up(&office.alice, &office.bob);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

#[test]
fn a_refer_to_of_8_kib_gets_400_and_the_call_goes_on() {
    let office = Office::talk();
    let long = format!("<sip:+12155551214@192.0.2.2?Subject={}>", "x".repeat(8 * 1024));
    office.alice.sends(REFER.with("Refer-To", &long));
    office.alice.gets(400);
    assert_eq!(office.refused("refer-to-too-long"), 1);
    hangs_up(&office.alice, &office.bob);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 4538 section 7. Within a dialog and outside a dialog.
#[test]
fn target_dialog_is_mapped() {
    let (office, ours, carols) = Office::talk_twice();
    let target = |name: &str| name.replace("to-tag", "local-tag").replace("from-tag", "remote-tag");
    office.alice.sends(REFER.with("Refer-To", "<sip:dave@192.0.2.9>").with("Target-Dialog", &target(&ours)));
    office.bob.gets(REFER);
    assert_eq!(heard(&office.bob, Name::TargetDialog), target(&carols));
    office.bob.sends(603);
    office.alice.gets(603);
    hangs_up(&office.alice, &office.bob);
    office.alice.sends(INVITE.with("Target-Dialog", &target(&ours)));
    office.bob.gets(INVITE);
    assert_eq!(heard(&office.bob, Name::TargetDialog), target(&carols));
    office.bob.sends(486);
    office.alice.gets(486);
    hangs_up(&office.line, &office.carol);
    assert_snapshot!(office.net.ladder());
    office.is_over();
}

/// RFC 3911 section 4: only for the trunk of the party that is joined.
#[test]
fn join_is_mapped_for_the_trunk_of_the_leg_only() {
    let (office, ours, carols) = Office::talk_twice();
    hangs_up(&office.alice, &office.bob);
    office.alice.dials("sip:+12155551214@192.0.2.2");
    office.bob.sends(INVITE.with("Join", &ours));
    office.bob.gets(403);
    assert_eq!(office.refused("foreign-dialog"), 1);
    office.alice.sends(INVITE.with("Join", &ours));
    office.carol.gets(INVITE);
    assert_eq!(heard(&office.carol, Name::Join), carols);
    office.carol.sends(486);
    office.alice.gets(486);
    assert_snapshot!(office.net.ladder());
    office.line.sends(BYE);
    office.line.gets(200);
}
