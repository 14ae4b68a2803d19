//! Tokens that are rebuilt from the message, and nested tokens: the compact form (RFC 8225 section 7) and `div-o` (RFC
//! 8946 section 5).

use super::case::{Case, World, value};
use super::forge;
use super::support::URL;

pub(super) fn cases() -> Vec<Case> {
    let world = World::new();
    let base = forge::header().replace(r#""ppt":"shaken","#, "");
    let payload = r#"{"dest":{"tn":["12155551213"]},"iat":1800000000,"orig":{"tn":"12155551212"}}"#;
    let whole = forge::token(&world.key, &base, payload);
    let compact = |name: &str, parameters: &str| {
        let signature = whole.rsplit_once('.').unwrap().1;
        world.bearing(name, &format!("..{signature};info=<{URL}>{parameters}"))
    };
    let mut cases = vec![
        compact("compact: a base PASSporT", "").expect("Passed"),
        compact("compact: with alg", ";alg=ES256").expect("Passed"),
        compact("compact: named shaken", ";ppt=shaken").expect("Failed 438 compact-form"),
        compact("compact: no Date", "").edit(DATE, "").expect("Failed 438 date-missing"),
        compact("compact: another Date", "")
            .edit(DATE, "Date: Fri, 15 Jan 2027 08:00:01 GMT\r\n")
            .expect("Failed 438 signature-invalid"),
        compact("compact: another To", "")
            .edit("To: <sip:+12155551213@", "To: <sip:+12155551214@")
            .expect("Failed 438 signature-invalid"),
    ];
    let shaken = forge::token(&world.key, &forge::header(), &forge::payload());
    let other = |from: &str, to: &str| {
        forge::token(&world.key, &forge::header(), &forge::payload().replace(from, to))
    };
    let once = nested(&world, "1213", "1214", &shaken);
    let signature = shaken.rsplit_once('.').unwrap().1;
    for (name, token, uri, expected) in [
        ("div-o: one diversion", once.clone(), "1214", "Passed A"),
        ("div-o: two diversions", nested(&world, "1214", "1215", &once), "1215", "Passed A"),
        ("div-o: leads elsewhere", once, "1215", "Failed 438 dest-mismatch"),
        (
            "div-o: another callee inside",
            nested(&world, "1213", "1214", &other("1213", "1219")),
            "1214",
            "Failed 438 nested-mismatch",
        ),
        (
            "div-o: stale inside",
            nested(&world, "1213", "1214", &other("1800000000", "1799999000")),
            "1214",
            "Failed 403 iat-stale",
        ),
        (
            "div-o: compact inside",
            nested(&world, "1213", "1214", &format!("..{signature}")),
            "1214",
            "Failed 438 nested-malformed",
        ),
        ("div-o: nothing inside", nested(&world, "1213", "1214", ""), "1214", "Failed 438 token-malformed"),
    ] {
        let case = world.bearing(name, &value(&token, "div-o"));
        let case = case.edit("INVITE sip:+12155551213@", &format!("INVITE sip:+1215555{uri}@"));
        cases.push(case.expect(expected));
    }
    cases
}

const DATE: &str = "Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n";

/// Returns a `div-o` that contains `inner`.
fn nested(world: &World, from: &str, to: &str, inner: &str) -> String {
    let payload = format!(
        r#"{{"dest":{{"tn":["1215555{to}"]}},"div":{{"tn":"1215555{from}"}},"iat":1800000000,"opt":"{inner}","orig":{{"tn":"12155551212"}}}}"#
    );
    forge::token(&world.key, &forge::header().replace("shaken", "div-o"), &payload)
}
