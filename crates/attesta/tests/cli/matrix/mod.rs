//! The matrix: whole SIP messages through `attesta verify`, each with the reason, the code and the verstat it must get.
//!
//! A case is one line of a table where it can be. What it expects is written `Passed A`, or
//! `Failed 438 attest-missing`: the verstat without its `TN-Validation`, then the attestation, or code and reason.

mod callers;
mod case;
mod certificates;
mod claims;
mod delegates;
mod diversions;
mod extensions;
mod fields;
#[path = "../../../../stir/tests/stir/forge.rs"]
mod forge;
mod forms;
#[path = "../../../../stir/tests/stir/lists.rs"]
#[expect(dead_code, reason = "what only the library's own tests need")]
mod lists;
mod revocation;
mod several;
#[path = "../../../../stir/tests/stir/support.rs"]
#[expect(dead_code, reason = "what only the library's own tests need")]
mod support;
mod tokens;

use std::collections::BTreeSet;

use attesta_stir::Reason;

use self::case::{Case, run};

#[test]
fn tokens() {
    run(tokens::cases());
}

#[test]
fn claims_and_headers() {
    run(claims::cases());
}

#[test]
fn fields() {
    run(fields::cases());
}

#[test]
fn forms() {
    run(forms::cases());
}

#[test]
fn callers() {
    run(callers::cases());
}

#[test]
fn certificates() {
    run(certificates::cases());
}

#[test]
fn revocation() {
    run(revocation::cases());
}

#[test]
fn delegates() {
    run(delegates::cases());
}

#[test]
fn diversions() {
    run(diversions::cases());
}

#[test]
fn extensions() {
    run(extensions::cases());
}

#[test]
fn several() {
    run(several::cases());
}

/// Every reason is reached but those that no message can bring about.
#[test]
fn the_matrix_reaches_every_reason() {
    let groups: [fn() -> Vec<Case>; 11] = [
        tokens::cases,
        claims::cases,
        fields::cases,
        forms::cases,
        callers::cases,
        certificates::cases,
        revocation::cases,
        delegates::cases,
        diversions::cases,
        extensions::cases,
        several::cases,
    ];
    let cases: Vec<_> = groups.iter().flat_map(|cases| cases()).collect();
    assert!(cases.len() >= 120, "{} cases", cases.len());
    let names: BTreeSet<_> = cases.iter().map(Case::name).collect();
    assert_eq!(names.len(), cases.len(), "each case has a name of its own");
    let reached: BTreeSet<_> = cases.iter().flat_map(Case::reasons).collect();
    let missed: Vec<_> =
        Reason::ALL.iter().map(|reason| reason.as_str()).filter(|reason| !reached.contains(reason)).collect();
    assert_eq!(missed, UNREACHABLE.map(|(reason, _)| reason));
}

/// Reasons that whole messages do not reach, and why.
const UNREACHABLE: [(&str, &str); 1] =
    [("token-too-long", "a header line of that length is refused before it is looked at")];
