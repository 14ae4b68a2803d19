//! Runs a whole verification. The input is the token and the parameters of an Identity header field, split at zero octets.
#![no_main]

#[path = "anchor.rs"]
mod anchor;

use attesta_stir::cert::Snapshot;
use attesta_stir::{DialPlan, Facts, Fingerprint, Identity, IdentityField, Verdict, Verifier, VerifyPolicy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|octet| *octet == 0);
    let token = parts.next().unwrap_or_default();
    let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let field = IdentityField { token, info: text(), alg: text(), ppt: text() };
    let caller = text().unwrap_or("tel:+12155551212").as_bytes();
    let Ok(caller) = Identity::caller(caller, &DialPlan::default()) else { return };
    let (fields, orig) = ([field, field], [caller]);
    let fingerprints = [Fingerprint { alg: "sha-256", digest: "02:1A" }];
    let facts = Facts::new(&fields).orig(&orig).dest(&orig).date(anchor::now()).resource_priority(&["ets.0"]);
    let facts = facts.body(token).fingerprints(&fingerprints);
    let verifier = Verifier::new(anchor::anchors(), VerifyPolicy::default());
    let verification = verifier.verify(&facts, &Snapshot::default(), anchor::now()).give_up();
    assert_ne!(verification.verdict(), Verdict::Pass, "no input can pass, because no trusted key signed it");
});
