//! Runs any history of a switchboard and its peers, and checks the rules of the model.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "the seeds are for the tests")]
#[path = "../../src/switchboard_model/mod.rs"]
mod switchboard_model;

fuzz_target!(|octets: &[u8]| {
    switchboard_model::run(octets, false).expect("the model holds");
});
