//! Random transactions: see `attesta_tests::storm`. `just storm` runs many more transactions.

use std::time::Duration;

use attesta_tests::sim::seeds;
use attesta_tests::storm::{End, Storm};

const TRANSACTIONS: usize = 50;

#[test]
fn every_transaction_ends_as_the_rfcs_say_and_leaves_nothing() {
    let mut all = attesta_tests::storm::Tally::default();
    for seed in seeds(50) {
        all.add(&Storm::new(seed, TRANSACTIONS).run());
    }
    let answered = [End::ClientAccepted, End::ClientFailed, End::ClientCompleted];
    let answered: u64 = answered.iter().map(|end| all.of(*end)).sum();
    assert!(2 * answered > all.begun(), "only {answered} of {} got through", all.begun());
}

/// If one side is cut off or restarted, the transactions of the other side still end.
#[test]
fn every_transaction_ends_despite_cuts_and_restarts() {
    for seed in seeds(20) {
        let storm = Storm::new(seed, TRANSACTIONS);
        storm.net.run_for(Duration::from_secs(4));
        storm.net.cuts("caller", "answerer");
        storm.net.run_for(Duration::from_secs(5));
        storm.net.heals("caller", "answerer");
        storm.net.run_for(Duration::from_secs(2));
        storm.net.restarts("answerer");
        storm.net.run_for(Duration::from_secs(4));
        storm.net.restarts("caller");
        let tally = storm.run();
        assert!(tally.of(End::Forgotten) > 0, "{tally}");
    }
}
