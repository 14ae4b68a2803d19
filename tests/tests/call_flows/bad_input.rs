//! Peers that send what no peer should send. Each message gets the answer of its RFC and is counted, and the call continues.

use attesta_sip::Name;
use attesta_tests::sim::{Agent, BYE, INFO, INVITE, NOTIFY, PRACK, UPDATE, Wording};
use insta::assert_snapshot;

use crate::common::{Stage, TwoTargets, heard};

impl Stage {
    /// How often the edge has refused a message for this reason.
    fn refused(&self, reason: &str) -> u64 {
        let counters = self.edge.counters();
        counters.refused().filter(|(word, _)| *word == reason).map(|(_, count)| count).sum()
    }

    /// The call continues: an INFO crosses from each side.
    fn goes_on(&self) {
        for (from, to) in [(&self.alice, &self.bob), (&self.bob, &self.alice)] {
            from.sends(INFO);
            to.gets(INFO);
            to.sends(200);
            from.gets(200);
        }
    }
}

/// The From or To of an agent, with another tag.
fn retagged(agent: &Agent, name: Name) -> String {
    let field = heard(agent, name);
    let (uri, _) = field.split_once(";tag=").expect("a dialog has tags");
    format!("{uri};tag=guessed")
}

/// RFC 3261 section 12.2.2: a request that matches no dialog gets a 481.
#[test]
fn requests_with_a_wrong_tag_get_481_and_the_call_goes_on() {
    let stage = Stage::new();
    stage.talk();
    stage.goes_on();
    for request in [INFO, UPDATE, NOTIFY] {
        // The From of a request to Bob names Alice's side of the dialog, which is the To of Bob's own requests.
        stage.bob.sends(request.clone().with("To", &retagged(&stage.bob, Name::From)).within());
        stage.bob.gets(481);
        stage.alice.sends(request.with("From", &retagged(&stage.alice, Name::To)).within());
        stage.alice.gets(481);
    }
    assert_eq!(stage.refused("no-dialog"), 6);
    stage.goes_on();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 12.2.2: a CSeq number that goes back gets a 500.
#[test]
fn requests_whose_cseq_goes_back_get_500_and_the_call_goes_on() {
    let stage = Stage::new();
    stage.talk();
    stage.goes_on();
    stage.goes_on();
    for agent in [&stage.alice, &stage.bob] {
        for request in [INFO, UPDATE, NOTIFY] {
            let old = format!("0 {request}");
            agent.sends(request.with("CSeq", &old).within());
            agent.gets(500);
        }
    }
    assert_eq!(stage.refused("out-of-order"), 6);
    stage.goes_on();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// RFC 3261 section 15.1.1: the sender of a BYE has ended the call, whatever the response is.
#[test]
fn a_bye_that_an_info_has_overtaken_gets_500_and_ends_the_call() {
    let stage = Stage::new();
    stage.talk();
    stage.goes_on();
    stage.bob.sends(BYE.with("CSeq", "0 BYE").within());
    stage.bob.gets(500);
    stage.alice.gets(BYE);
    stage.alice.sends(200);
    stage.is_over();
    assert_snapshot!(stage.net.ladder());
}

/// RFC 3262 section 3: a PRACK that acknowledges no response gets a 481.
#[test]
fn pracks_for_nothing_get_481_and_the_call_goes_on() {
    let stage = Stage::new();
    stage.talk();
    for agent in [&stage.alice, &stage.bob] {
        for rack in ["1 1 INVITE", "4294967295 1 INVITE", "1 1 BYE"] {
            agent.sends(PRACK.with("RAck", rack));
            agent.gets(481);
        }
    }
    assert_eq!(stage.refused("no-dialog"), 6);
    stage.goes_on();
    assert_snapshot!(stage.net.ladder());
    stage.alice_hangs_up();
}

/// A callee in a storm of its own does not keep another callee from its call.
#[test]
fn a_storm_of_early_dialogs_leaves_the_next_target_its_call() {
    let stage = TwoTargets::new();
    stage.alice.sends(INVITE);
    stage.bob.gets(INVITE);
    for branch in 0..20 {
        stage.bob.sends(180.on_branch(&format!("b{branch}")));
    }
    stage.bob.sends(503);
    stage.is_taken_by(&stage.carol);
    stage.alice_hangs_up_on(&stage.carol);
    stage.is_over();
    let counters = stage.edge.counters();
    assert_eq!(counters.refused().find(|(word, _)| *word == "fork-cap"), Some(("fork-cap", 12)));
    assert_snapshot!(stage.net.ladder());
}
