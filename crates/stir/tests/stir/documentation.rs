//! Tests that docs/stir.md agrees with the code.

use attesta_stir::{Check, Reason, VerstatProfile};

/// The cells of the table under `heading`.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = include_str!("../../../../docs/stir.md");
    let section = page.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn the_documented_checks_match_the_code() {
    let words: Vec<_> = table("## Checks\n").into_iter().map(|row| row.into_iter().next().unwrap()).collect();
    let expected: Vec<_> = Check::ALL.iter().map(|check| format!("`{check}`")).collect();
    assert_eq!(words, expected);
}

#[test]
fn the_documented_reasons_match_the_code() {
    let rows: Vec<_> =
        table("## Reasons\n").into_iter().map(|row| row.get(..4).unwrap().join(" | ")).collect();
    let expected: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| {
            let (ts24229, atis) = (VerstatProfile::Ts24229, VerstatProfile::Atis1000082);
            format!(
                "`{reason}` | {} {} | {} | {}",
                reason.code(),
                reason.phrase(),
                reason.verstat(ts24229),
                reason.verstat(atis)
            )
        })
        .collect();
    assert_eq!(rows, expected);
}
