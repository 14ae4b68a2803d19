//! Random histories of a switchboard and its peers: see `attesta_tests::switchboard_model`. `just histories` runs many more.

use std::env;

use attesta_tests::sim::seeds;
use attesta_tests::switchboard_model::{Outcome, replayable};

/// The number of histories if ATTESTA_HISTORIES is not set. They take about ten seconds on two cores.
const COUNT: u64 = 10_000;

fn count() -> u64 {
    let asked = env::var("ATTESTA_HISTORIES").ok();
    asked.map_or(COUNT, |text| text.parse().expect("ATTESTA_HISTORIES is a number"))
}

/// Runs a quarter of the seeds. Four tests share the seeds, so that the tests run in parallel.
fn quarter(place: u64) {
    let mut total = Outcome::default();
    seeds(count()).filter(|seed| seed % 4 == place).for_each(|seed| total.add(&replayable(seed)));
    // Checks that the histories are useful: a quarter of the calls are answered, and few calls are excluded from the
    // comparison.
    let replay = env::var_os("ATTESTA_SEED").is_some();
    assert!(replay || (4 * total.answered > total.calls && 20 * total.uncertain < total.calls), "{total}");
}

#[test]
fn random_histories_keep_the_model_first_quarter() {
    quarter(0);
}

#[test]
fn random_histories_keep_the_model_second_quarter() {
    quarter(1);
}

#[test]
fn random_histories_keep_the_model_third_quarter() {
    quarter(2);
}

#[test]
fn random_histories_keep_the_model_last_quarter() {
    quarter(3);
}
