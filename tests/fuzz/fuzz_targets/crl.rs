//! Reads revocation lists.
#![no_main]

#[path = "anchor.rs"]
mod anchor;

use attesta_stir::cert::Crl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    assert!(Crl::read(input, &[], &anchor::anchors(), anchor::now()).is_err(), "the anchor's key signed no list");
});
