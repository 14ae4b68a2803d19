//! Decodes a token for display.
#![no_main]

use attesta_stir::DecodedPassport;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(decoded) = DecodedPassport::decode(input) {
        assert!(decoded.header().len() + decoded.payload().len() < input.len());
    }
});
