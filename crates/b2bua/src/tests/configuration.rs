//! Configurations that are consistent, and configurations that are not.

use std::sync::Arc;

use attesta_sip::Name;
use attesta_transaction::{SentBy, Transport};

use super::pki::Pki;
use super::rig::*;
use crate::{
    Config, ConfigError, InboundIdentity, Input, Listener, NamedSigner, OutboundIdentity, Prefix, Route,
    RouteTo, SigningMeans, Source, Trunk,
};

fn listener() -> Listener {
    Listener::new("edge", Transport::Udp, address(EDGE))
}

/// A trunk that needs neither a trust domain nor a signer.
fn plain(name: &'static str) -> Trunk {
    Trunk::new(name).inbound_identity(InboundIdentity::Pass).outbound_identity(OutboundIdentity::Pass)
}

#[test]
fn each_inconsistency_of_a_configuration_has_its_own_error() {
    let config = || Config::builder().listener(listener());
    let to = |name: &str| Route::new(RouteTo::Trunks(vec![name.into()]));
    let signer = || NamedSigner::new("s", SigningMeans::Outside);
    let target = || "sip:192.0.2.2".parse().unwrap();
    let source = || "192.0.2.1".parse().unwrap();
    let pki = Pki::new();
    for (builder, error) in [
        (Config::builder(), ConfigError::NoListener),
        (
            config().trust_domain(pki.domain_named("a")).trust_domain(pki.domain_named("b")),
            ConfigError::SharedAnchors("a".into(), "b".into()),
        ),
        (config().listener(listener()), ConfigError::NameTwice("edge".into())),
        (config().trunk(plain("a")).trunk(plain("a")), ConfigError::NameTwice("a".into())),
        (config().trunk(plain("a").listener("x")), ConfigError::UnknownListener("x".into())),
        (config().trunk(plain("a").vouched_by("x")), ConfigError::UnknownSigner("x".into())),
        (config().trunk(plain("a").trust("x")), ConfigError::UnknownTrust("x".into())),
        (config().signer(signer().trust("x")), ConfigError::UnknownTrust("x".into())),
        (config().route(to("x")), ConfigError::UnknownTrunk("x".into())),
        (config().route(Route::new(RouteTo::RequestUri).from("x")), ConfigError::UnknownTrunk("x".into())),
        (config().trunk(plain("a")).route(to("a")), ConfigError::NoTargets("a".into())),
        (config().trunk(Trunk::new("a").source(source())), ConfigError::NoTrust("a".into())),
        (config().trunk(Trunk::new("a").target(target())), ConfigError::NoSigner("a".into())),
    ] {
        assert_eq!(builder.build().unwrap_err(), error);
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn sources_and_prefixes_are_read_as_operators_write_them() {
    for text in ["192.0.2.1", "192.0.2.1:5070", "10.1.0.0/16", "2001:db8::/32", "[2001:db8::1]:5060"] {
        assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
    }
    assert!("example.com".parse::<Source>().is_err());
    assert_eq!("+1215".parse::<Prefix>().unwrap(), "1215".parse().unwrap());
    assert_eq!(format!("{:?}", "+12155551212".parse::<Prefix>().unwrap()), "1215*", "personal data");
    for text in ["", "+", "12a", &"1".repeat(33)] {
        assert!(text.parse::<Prefix>().is_err(), "{text}");
    }
}

#[test]
fn new_calls_use_the_new_configuration_old_calls_keep_theirs() {
    let mut rig = Rig::plain();
    let talk = rig.talk();
    let (alice, _) = trunks();
    let carol = plain("carol").target("sip:192.0.2.3".parse().unwrap());
    let sent_by = SentBy::new("edge.example.com", Some(5070)).unwrap();
    let config = Config::builder()
        .listener(listener().advertise(sent_by))
        .trunk(alice)
        .trunk(carol)
        .route(Route::new(RouteTo::Trunks(vec!["carol".into()])));
    rig.input(Input::Configure(Arc::new(config.build().unwrap())));
    rig.invites(ALICE, &uri(CALLEE), "call-2");
    let invite = rig.gets_request(CAROL, INVITE);
    assert_eq!(value(&invite, Name::Contact), "<sip:edge.example.com:5070>");
    assert!(value(&invite, Name::Via).starts_with("SIP/2.0/UDP edge.example.com:5070;"));
    rig.alice_sends(&talk, INFO, 2);
    let info = rig.gets_request(BOB, INFO);
    assert!(value(&info, Name::Via).starts_with(&format!("SIP/2.0/UDP {EDGE};")));
}
