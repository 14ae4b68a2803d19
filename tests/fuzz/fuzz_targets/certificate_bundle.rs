//! Parses, validates and lints certificate chains.
#![no_main]

#[path = "anchor.rs"]
mod anchor;

use attesta_stir::cert::{Credential, lint};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = lint(input);
    if let Ok(mut credential) = Credential::parse(input) {
        credential.validate(&anchor::anchors(), anchor::now());
    }
});
