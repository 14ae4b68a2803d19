//! Header fields that cross the edge and header fields that stay on their leg: RFC 3261 sections 8.1.1, 12 and 20.

use attesta_b2bua::{ContactParams, Trunk};
use attesta_sip::{Headers, Name};
use attesta_tests::sim::{ACK, BYE, CANCEL, INFO, INVITE, REFER, SUBSCRIBE, UPDATE, Wording};
use attesta_transaction::Transport;
use insta::assert_snapshot;

use crate::common::{ALICE, BOB, Stage, alice, answered, bob, builder, heard, listening, quiet, source};

fn all(headers: &Headers) -> String {
    headers.iter().map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned()).collect()
}

/// Neither side sees an address, a tag or a Call-ID of the other.
#[test]
fn the_topology_of_each_side_is_hidden_from_the_other() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Contact", &format!("<sip:{ALICE}>")).with("User-Agent", "alice/1"));
    stage.bob.gets(INVITE);
    let invite = stage.bob.last_request();
    assert_eq!(heard(&stage.bob, Name::Contact), "<sip:192.0.2.2:5060>");
    assert_eq!(invite.headers().count(Name::Via), 1);
    assert!(heard(&stage.bob, Name::Via).starts_with("SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK"));
    assert_eq!(heard(&stage.bob, Name::CSeq), "1 INVITE");
    assert!(!all(invite.headers()).contains("alice/1"));
    stage.bob.sends(180.with("Server", "bob/1"));
    stage.alice.gets(180);
    stage.bob.sends(200.with("Server", "bob/1"));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    let ok = stage.alice.last_response();
    assert_eq!(answered(&stage.alice, Name::Contact), "<sip:192.0.2.2:5060>");
    assert_eq!(ok.headers().count(Name::Via), 1);
    assert!(!all(ok.headers()).contains("bob/1") && !all(ok.headers()).contains(BOB));
    for name in [Name::CallId, Name::From, Name::To] {
        assert_ne!(ok.headers().get(name), invite.headers().get(name), "{name:?}");
    }
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 12.1.1: the route set of each leg stays on it.
#[test]
fn record_route_stays_on_its_leg_and_makes_its_route_set() {
    let stage = Stage::new();
    let (of_alice, of_bob) = ("<sip:192.0.2.1;lr>", "<sip:192.0.2.3;lr>");
    stage.alice.sends(INVITE.with("Record-Route", of_alice));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::RecordRoute), "");
    stage.bob.sends(200.with("Record-Route", of_bob).with("Contact", "<sip:bob@198.51.100.3>"));
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::RecordRoute), of_alice);
    stage.bob.gets(ACK);
    assert_eq!(heard(&stage.bob, Name::Route), of_bob);
    assert_eq!(stage.bob.last_request().uri(), b"sip:bob@198.51.100.3");
    stage.bob.sends(INFO);
    stage.alice.gets(INFO);
    assert_eq!(heard(&stage.alice, Name::Route), of_alice);
    stage.alice.sends(200);
    stage.bob.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 12.2.1.1: a router without `lr` becomes the Request-URI.
#[test]
fn a_strict_router_gets_its_own_uri_as_the_request_uri() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(200.with("Record-Route", "<sip:192.0.2.3>").with("Contact", "<sip:bob@198.51.100.3>"));
    stage.alice.gets(200);
    stage.bob.gets(ACK);
    assert_eq!(stage.bob.last_request().uri(), b"sip:192.0.2.3");
    assert_eq!(heard(&stage.bob, Name::Route), "<sip:bob@198.51.100.3>");
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// Unknown header fields cross unchanged. Supported and Allow keep only the values that work across the edge.
#[test]
fn header_fields_that_the_edge_does_not_know_cross_both_ways() {
    let stage = Stage::new();
    let invite = INVITE.with("X-Billing", " a;b=\"c, d\"").with("Supported", "100rel, replaces, timer, path");
    stage.alice.sends(invite.with("Allow", "INVITE, ACK, REGISTER, FROB"));
    stage.bob.gets(INVITE);
    let invite = stage.bob.last_request();
    assert_eq!(invite.headers().named("X-Billing"), Some(&b"a;b=\"c, d\""[..]));
    assert_eq!(heard(&stage.bob, Name::Supported), "100rel, replaces, timer");
    assert_eq!(heard(&stage.bob, Name::Allow), "INVITE, ACK, FROB");
    stage.bob.sends(200.with("X-Charge", "7").with("Supported", "outbound, timer"));
    stage.alice.gets(200);
    assert_eq!(stage.alice.last_response().headers().named("X-Charge"), Some(&b"7"[..]));
    assert_eq!(answered(&stage.alice, Name::Supported), "timer");
    stage.bob.gets(ACK);
    stage.alice.sends(BYE.with("X-Billing", "end"));
    stage.bob.gets(BYE);
    assert_eq!(stage.bob.last_request().headers().named("X-Billing"), Some(&b"end"[..]));
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3261 section 8.1.1.5: each leg numbers its own requests, whatever the other leg's numbers are.
#[test]
fn each_leg_has_cseq_numbers_of_its_own() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("CSeq", "4711 INVITE"));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::CSeq), "1 INVITE");
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::CSeq), "4711 INVITE");
    stage.bob.gets(ACK);
    assert_eq!(heard(&stage.bob, Name::CSeq), "1 ACK");
    stage.bob.sends(INFO.with("CSeq", "90 INFO"));
    stage.alice.gets(INFO);
    assert_eq!(heard(&stage.alice, Name::CSeq), "1 INFO");
    stage.alice.sends(200);
    stage.bob.gets(200);
    stage.alice.sends(INFO.with("CSeq", "4800 INFO"));
    stage.bob.gets(INFO);
    assert_eq!(heard(&stage.bob, Name::CSeq), "2 INFO");
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_snapshot!(stage.net.ladder());
    stage.alice.sends(BYE.with("CSeq", "4801 BYE"));
    stage.bob.gets(BYE);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
}

/// RFC 3261 section 12.1.1: our Contact makes the dialog, even if the callee sends no Contact.
#[test]
fn our_contact_is_in_each_response_that_makes_or_refreshes_a_dialog() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    stage.bob.sends(180.with("Contact", ""));
    stage.alice.gets(180);
    assert_eq!(answered(&stage.alice, Name::Contact), "<sip:192.0.2.2:5060>");
    stage.bob.sends(200.with("Contact", "<sip:bob@192.0.2.3>"));
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::Contact), "<sip:192.0.2.2:5060>");
    stage.bob.gets(ACK);
    for request in [UPDATE, SUBSCRIBE, REFER, INVITE] {
        stage.alice.sends(request.clone().with("Contact", "<sip:alice@192.0.2.1>"));
        stage.bob.gets(request.clone());
        assert_eq!(heard(&stage.bob, Name::Contact), "<sip:192.0.2.2:5060>", "{request:?}");
        stage.bob.sends(200);
        stage.alice.gets(200);
        assert_eq!(answered(&stage.alice, Name::Contact), "<sip:192.0.2.2:5060>", "{request:?}");
        if request == INVITE {
            stage.bob.gets(ACK);
        }
    }
    stage.alice_hangs_up();
}

/// RFC 3261 sections 13.2.1 and 13.3.1.4.
#[test]
fn an_invite_and_its_200_have_an_allow_that_names_what_works() {
    let stage = Stage::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    let allow = heard(&stage.bob, Name::Allow);
    assert!(
        allow.contains("UPDATE") && allow.contains("SUBSCRIBE") && !allow.contains("REGISTER"),
        "{allow}"
    );
    stage.bob.sends(200.with("Allow", "INVITE, ACK, BYE, CANCEL, REGISTER"));
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::Allow), "INVITE, ACK, BYE, CANCEL");
    stage.bob.gets(ACK);
    stage.alice_hangs_up();
}

/// RFC 3326 section 2: several values may be in several lines.
#[test]
fn all_reasons_of_a_cancel_and_a_bye_cross() {
    let both = "SIP;cause=200;text=\"elsewhere\", Q.850;cause=26";
    let stage = Stage::new();
    stage.rings();
    stage.alice.sends(CANCEL.with("Reason", both));
    stage.bob.gets(CANCEL);
    assert_eq!(heard(&stage.bob, Name::Reason), both);
    stage.bob.sends(487);
    stage.alice.gets(487);
    stage.is_over();

    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(BYE.with("Reason", both));
    stage.bob.gets(BYE);
    assert_eq!(heard(&stage.bob, Name::Reason), both);
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
}

/// RFC 3261 section 8.1.1.6: the BYE of the second leg begins with its own Max-Forwards.
#[test]
fn a_bye_without_hops_left_still_ends_the_call() {
    let stage = Stage::new();
    stage.talk();
    stage.alice.sends(BYE.with("Max-Forwards", "0"));
    stage.bob.gets(BYE);
    assert_eq!(heard(&stage.bob, Name::MaxForwards), "70");
    stage.bob.sends(200);
    stage.alice.gets(200);
    stage.is_over();
}

/// RFC 4916: each leg keeps its From and To, so the option is not promised.
#[test]
fn from_change_does_not_cross() {
    let stage = Stage::new();
    stage.alice.sends(INVITE.with("Supported", "from-change, 100rel"));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::Supported), "100rel, timer");
    stage.bob.sends(486);
    stage.alice.gets(486);
    stage.alice.sends(INVITE.with("Require", "from-change"));
    stage.alice.gets(420);
    assert_eq!(answered(&stage.alice, Name::Unsupported), "from-change");
    stage.is_over();
}

/// `contact_params = "relay"`: a conference server says `isfocus` in its Contact (RFC 4579 section 3.1).
#[test]
fn the_user_part_and_the_feature_tags_of_a_contact_cross_to_a_trunk_that_asks_for_them() {
    let stage =
        Stage::with_config(builder().trunk(alice().contact_params(ContactParams::Relay)).trunk(bob()));
    stage.alice.sends(INVITE.with("Contact", "<sip:alice@192.0.2.1>;+sip.instance=\"<urn:x>\""));
    stage.bob.gets(INVITE);
    assert_eq!(heard(&stage.bob, Name::Contact), "<sip:192.0.2.2:5060>");
    stage.bob.sends(200.with("Contact", "<sip:room@192.0.2.3>;isfocus"));
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::Contact), "<sip:room@192.0.2.2:5060>;isfocus");
    stage.bob.gets(ACK);
    stage.alice_hangs_up();
}

/// RFC 3261 sections 8.1.1.8 and 12.1.1.
#[test]
fn our_contact_is_a_sips_uri_in_a_dialog_that_requires_tls() {
    let stage = Stage::with_config(listening(&[Transport::Tls]).trunk(alice()).trunk(secure_bob()));
    for agent in [&stage.alice, &stage.bob] {
        agent.speaks(Transport::Tls);
    }
    stage.alice.dials("sips:+12155551213@192.0.2.2");
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    assert!(stage.bob.last_request().uri().starts_with(b"sips:"));
    assert_eq!(heard(&stage.bob, Name::Contact), "<sips:192.0.2.2:5060>");
    stage.bob.sends(200);
    stage.alice.gets(200);
    assert_eq!(answered(&stage.alice, Name::Contact), "<sips:192.0.2.2:5060>");
    stage.bob.gets(ACK);
    stage.alice_hangs_up();
}

fn secure_bob() -> Trunk {
    quiet(Trunk::new("bob"))
        .source(source("192.0.2.3"))
        .target("sips:192.0.2.3:5060".parse().expect("a SIPS URI"))
}
