//! The INVITE client transaction: RFC 3261 section 17.1.1, and RFC 6026 section 7.2.

use attesta_sip::Name;
use attesta_tests::sim::{ACK, BYE, Conditions, INVITE, Network, OPTIONS, T1, TIMEOUT, UNREACHABLE, pair};
use insta::assert_snapshot;

use crate::common::{field, respond};

#[test]
fn invite_over_loss() {
    let (net, alice, bob) = pair();
    net.lose_next();
    alice.sends(INVITE);
    bob.gets(INVITE);
    bob.sends(180);
    alice.gets(180);
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    alice.sends(BYE);
    bob.gets(BYE);
    bob.sends(200);
    alice.gets(200);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X3: RFC 6026 sections 7.2 and 8.4.
#[test]
fn f_x3_each_2xx_goes_to_the_user_and_its_ack_is_the_users() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.spare_next();
    net.lose_next();
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X3: RFC 3261 section 17.1.1.3.
#[test]
fn f_x3_a_failure_is_acknowledged_by_the_transaction_each_time() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.spare_next();
    net.lose_next();
    bob.sends(486);
    alice.gets(486);
    bob.gets(ACK);
    alice.hears_no_more();
    assert_eq!(alice.counters().retransmissions_absorbed, 1);
    assert_snapshot!(net.ladder());
}

/// RFC 3261 section 17.1.4.
#[test]
fn a_transport_error_ends_the_client_transaction() {
    let (net, alice, bob) = pair();
    net.refuses(bob.address());
    alice.sends(INVITE);
    alice.gets(UNREACHABLE);
    alice.sends(OPTIONS);
    alice.gets(UNREACHABLE);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

#[test]
fn timer_b_ends_an_invite_without_a_response() {
    let (net, alice, bob) = pair();
    net.suffers(Conditions { loss: 100, ..Conditions::default() });
    alice.sends(INVITE);
    alice.gets(TIMEOUT);
    assert_eq!(net.elapsed(), 64 * T1);
    alice.hears_no_more();
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

/// F-X8: RFC 3261 sections 17.1.1.3 and 13.2.2.4.
#[test]
fn f_x8_the_ack_of_a_failure_repeats_its_invite_and_that_of_a_2xx_does_not() {
    let net = Network::new(1);
    let alice = net.agent("alice");
    let proxy = net.probe("proxy");
    alice.faces(proxy.address());
    alice.sends(INVITE);
    let invite = proxy.gets("INVITE");
    proxy.sends(alice.address(), respond(&invite, "486 Busy Here"));
    let ack = proxy.gets("ACK");
    for name in [Name::Via, Name::From, Name::CallId] {
        assert_eq!(field(&ack, name), field(&invite, name));
    }
    assert_eq!(field(&ack, Name::CSeq), "1 ACK");
    assert_eq!(field(&ack, Name::To), format!("{};tag=far", field(&invite, Name::To)));
    assert_eq!(ack.headers().count(Name::Via), 1);

    alice.sends(INVITE);
    let invite = proxy.gets("INVITE");
    proxy.sends(alice.address(), respond(&invite, "200 OK"));
    let ack = proxy.gets("ACK");
    assert_ne!(field(&ack, Name::Via), field(&invite, Name::Via));
    alice.gets(486);
    alice.gets(200);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}
