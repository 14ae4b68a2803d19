//! Decisions of the embedding program, immediate and later.

use std::sync::Arc;
use std::time::Duration;

use attesta_sip::{Name, Status};
use attesta_stir::{Attestation, Verification};

use super::pki::Pki;
use super::rig::*;
use crate::{
    Admission, Arrival, Cause, Consequence, DECISION_BUDGET, Decision, InboundIdentity, Input, Later,
    NamedSigner, Now, OutboundIdentity, Policy, Question, Reply, Routing, SigningMeans, Trunk,
};

/// A policy that decides every phase later, or refuses each call in `admit`.
#[derive(Debug)]
enum Embedder {
    Later,
    Refuses,
}

impl Policy for Embedder {
    fn admit(&mut self, _: Now, _: &Arrival, later: Later) -> Reply<Admission> {
        match self {
            Self::Later => Reply::Pending(later),
            Self::Refuses => Reply::Now(Admission::Refuse(Status::DECLINE)),
        }
    }

    fn judge(
        &mut self,
        _: Now,
        _: &Arrival,
        _: &Verification,
        _: Consequence,
        later: Later,
    ) -> Reply<Consequence> {
        Reply::Pending(later)
    }

    fn route(&mut self, _: Now, _: &Arrival, later: Later) -> Reply<Routing> {
        Reply::Pending(later)
    }

    fn attest(
        &mut self,
        _: Now,
        _: &Arrival,
        _: &str,
        _: Option<Attestation>,
        later: Later,
    ) -> Reply<Option<Attestation>> {
        Reply::Pending(later)
    }
}

fn rig(embedder: Embedder) -> Rig<Embedder> {
    let pki = Pki::new();
    let (alice, bob) = trunks();
    let alice = alice.inbound_identity(InboundIdentity::Verify).vouched_by("acme");
    let bob = bob.outbound_identity(OutboundIdentity::Sign);
    let carol = Trunk::new("carol").outbound_identity(OutboundIdentity::Pass);
    let config = builder()
        .trunk(alice)
        .trunk(bob)
        .trunk(carol.target("sip:192.0.2.3:5060".parse().unwrap()))
        .trust_domain(pki.domain())
        .signer(NamedSigner::new("acme", SigningMeans::Key(pki.signer)));
    Rig::with_policy(config.build().unwrap(), embedder)
}

#[test]
fn a_refusal_by_admit_ends_the_call() {
    let mut rig = rig(Embedder::Refuses);
    rig.invite("");
    let response = rig.gets_response(ALICE, 603);
    rig.ends_clean(Cause::Refused(response.status()));
}

#[test]
fn each_phase_waits_for_its_own_decision() {
    let mut rig = rig(Embedder::Later);
    rig.invite("");
    let (token, question) = rig.questions.pop_front().unwrap();
    assert!(matches!(question, Question::Admit(_)));
    // A decision for another phase is dropped.
    rig.input(Input::Decided { token, decision: Decision::Route(Routing::Configured) });
    assert!(rig.questions.is_empty());
    rig.input(Input::Decided { token, decision: Decision::Admit(Admission::Admit) });
    rig.input(Input::Decided { token, decision: Decision::Admit(Admission::Admit) });

    let (token, question) = rig.questions.pop_front().unwrap();
    assert!(matches!(question, Question::Judge { planned: Consequence::Continue, .. }));
    rig.input(Input::Decided { token, decision: Decision::Judge(Consequence::Continue) });

    let (token, question) = rig.questions.pop_front().unwrap();
    assert!(matches!(question, Question::Route(_)));
    rig.input(Input::Decided { token, decision: Decision::Route(Routing::Trunks(vec!["bob".into()])) });

    let (token, question) = rig.questions.pop_front().unwrap();
    let Question::Attest { trunk, planned, .. } = question else { panic!("{question:?}") };
    assert_eq!((&*trunk, planned), ("bob", Some(Attestation::B)));
    rig.is_silent();
    rig.input(Input::Decided { token, decision: Decision::Attest(Some(Attestation::C)) });
    assert_eq!(rig.gets_request(BOB, INVITE).headers().count(Name::Identity), 1);
}

#[test]
fn the_policy_chooses_the_trunks_or_refuses_the_call() {
    for (routing, status) in [
        (Routing::Refuse(Status::GONE), Some(410)),
        (Routing::Trunks(vec![Arc::from("unknown")]), Some(404)),
        (Routing::Trunks(vec![Arc::from("unknown"), Arc::from("carol")]), None),
    ] {
        let mut rig = rig(Embedder::Later);
        rig.invite("");
        let decisions = [
            Decision::Admit(Admission::Admit),
            Decision::Judge(Consequence::Continue),
            Decision::Route(routing),
        ];
        for decision in decisions {
            let (token, _) = rig.questions.pop_front().unwrap();
            rig.input(Input::Decided { token, decision });
        }
        match status {
            Some(status) => drop(rig.gets_response(ALICE, status)),
            None => drop(rig.gets_request(CAROL, INVITE)),
        }
    }
}

#[test]
fn a_decision_that_never_comes_refuses_the_call_with_503() {
    for phases in 0..4 {
        let mut rig = rig(Embedder::Later);
        rig.invite("");
        let decisions = [
            Decision::Admit(Admission::Admit),
            Decision::Judge(Consequence::Continue),
            Decision::Route(Routing::Configured),
        ];
        for decision in decisions.into_iter().take(phases) {
            let (token, _) = rig.questions.pop_front().unwrap();
            rig.input(Input::Decided { token, decision });
        }
        let (token, _) = rig.questions.pop_front().unwrap();
        rig.run_for(DECISION_BUDGET - Duration::from_millis(1));
        rig.gets_response(ALICE, 100);
        rig.is_silent();
        rig.run_for(Duration::from_millis(1));
        let response = rig.gets_response(ALICE, 503);
        rig.input(Input::Decided { token, decision: Decision::Admit(Admission::Admit) });
        rig.is_silent();
        rig.ends_clean(Cause::Refused(response.status()));
    }
}

#[test]
fn an_emergency_call_goes_on_without_a_policy_decision() {
    let mut rig = rig(Embedder::Later);
    rig.invites(ALICE, &uri("911"), "call-1");
    rig.run_for(3 * DECISION_BUDGET);
    rig.gets_response(ALICE, 100);
    rig.gets_request(BOB, INVITE);
}
