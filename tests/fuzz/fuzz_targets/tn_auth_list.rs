//! Parses TNAuthLists and claim constraints. A parsed TNAuthList can be printed and encompasses itself.
#![no_main]

use attesta_stir::cert::{ClaimConstraints, TnAuthList};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = (ClaimConstraints::from_der(input), ClaimConstraints::from_enhanced_der(input));
    if let Ok(list) = TnAuthList::from_der(input) {
        assert!(list.encompasses(&list), "{list}");
    }
});
