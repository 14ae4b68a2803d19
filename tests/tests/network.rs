//! Tests of the simulated network itself: its effects on nodes, and the repetition of a run from its seed.

use std::time::Duration;

use attesta_tests::sim::{ACK, BYE, Conditions, INVITE, Network, OPTIONS, TIMEOUT, UNREACHABLE, pair};
use attesta_transaction::Transport;
use insta::assert_snapshot;

#[test]
fn a_short_cut_only_delays_messages() {
    let (net, alice, bob) = pair();
    net.cuts("alice", "bob");
    alice.sends(INVITE);
    net.run_for(Duration::from_secs(3));
    net.heals("alice", "bob");
    bob.gets(INVITE);
    bob.sends(486);
    alice.gets(486);
    bob.gets(ACK);
    alice.hears_no_more();
    assert_snapshot!(net.ladder());
}

#[test]
fn a_cut_is_between_two_nodes_and_no_others() {
    let (net, alice, bob) = pair();
    let carol = net.agent("carol");
    net.cuts("bob", "alice");
    alice.sends(OPTIONS);
    alice.gets(TIMEOUT);
    alice.faces(carol.address());
    alice.sends(OPTIONS);
    carol.gets(OPTIONS);
    carol.sends(200);
    alice.gets(200);
    bob.hears_no_more();
}

#[test]
fn a_restarted_node_takes_a_retransmission_for_a_new_request() {
    let (net, alice, bob) = pair();
    alice.sends(INVITE);
    bob.gets(INVITE);
    net.restarts("bob");
    bob.gets(INVITE);
    bob.sends(200);
    alice.gets(200);
    bob.gets(ACK);
    net.restarts("alice");
    alice.sends(OPTIONS);
    bob.gets(OPTIONS);
    bob.sends(200);
    alice.gets(200);
    bob.sends(BYE);
    alice.gets(BYE);
    alice.sends(481);
    bob.gets(481);
    bob.hears_no_more();
    assert_snapshot!(net.ladder());
}

#[test]
fn a_restart_and_a_break_close_streams() {
    let (net, alice, bob) = pair();
    alice.speaks(Transport::Tcp);
    for close in [|net: &Network| net.breaks("bob", "alice"), |net: &Network| net.restarts("bob")] {
        alice.sends(OPTIONS);
        bob.gets(OPTIONS);
        bob.sends(200);
        alice.gets(200);
        close(&net);
    }
    net.cuts("alice", "bob");
    alice.sends(OPTIONS);
    alice.gets(UNREACHABLE);
    net.heals("alice", "bob");
    alice.sends(OPTIONS);
    bob.gets(OPTIONS);
    bob.sends(200);
    alice.gets(200);
    assert_snapshot!(net.ladder());
}

#[test]
fn a_seed_repeats_a_run_and_the_replay_line_names_it() {
    let run = |seed| {
        let net = Network::new(seed);
        let (alice, bob) = net.pair("alice", "bob");
        let delay = Duration::from_millis(1)..Duration::from_secs(2);
        net.suffers(Conditions { loss: 20, duplication: 10, delay });
        for _ in 0..10 {
            alice.sends(OPTIONS);
        }
        net.run_for(Duration::from_secs(60));
        drop(bob);
        (net.ladder(), net.replay())
    };
    let (ladder, replay) = run(11);
    assert_eq!(run(11), (ladder.clone(), replay.clone()));
    assert_ne!(run(12).0, ladder);
    assert_eq!(
        replay,
        "ATTESTA_SEED=11 cargo test -p attesta-tests a_seed_repeats_a_run_and_the_replay_line_names_it -- --exact"
    );
}
