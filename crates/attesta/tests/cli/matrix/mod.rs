//! The matrix: whole SIP messages through `attesta verify`, each with its expected reason, code and verstat.
//!
//! Most cases are one line of a table. The expected result is written `Passed A` or `Failed 438 attest-missing`: the
//! verstat without its `TN-Validation`, then the attestation, or the code and the reason.

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
#[expect(dead_code, reason = "only the library's own tests need these")]
mod lists;
mod revocation;
mod several;
#[path = "../../../../stir/tests/stir/support.rs"]
#[expect(dead_code, reason = "only the library's own tests need these")]
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

/// Checks that the matrix reaches every reason, except those that no message can cause.
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
    assert_eq!(names.len(), cases.len(), "each case has its own name");
    let reached: BTreeSet<_> = cases.iter().flat_map(Case::reasons).collect();
    let missed: Vec<_> =
        Reason::ALL.iter().map(|reason| reason.as_str()).filter(|reason| !reached.contains(reason)).collect();
    assert_eq!(missed, UNREACHABLE.map(|(reason, _)| reason));
}

/// Reasons that whole messages cannot cause, each with an explanation.
const UNREACHABLE: [(&str, &str); 1] =
    [("token-too-long", "a header line of that length is refused before verification")];
