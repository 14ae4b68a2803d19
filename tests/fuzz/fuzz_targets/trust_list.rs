//! Reads trust lists.
#![no_main]

#[path = "anchor.rs"]
mod anchor;

use attesta_stir::cert::{CertificateChain, TrustList};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = TrustList::signer_url(input);
    let chain = CertificateChain::parse(include_bytes!("anchor.pem")).expect("a certificate");
    assert!(TrustList::read(input, chain, &anchor::anchors(), None, anchor::now()).is_err());
});
