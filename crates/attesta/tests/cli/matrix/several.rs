//! Several Identity header fields: on separate lines, on one line with commas, and under both names. Also replays.

use super::case::{Case, World, value};
use super::forge;

pub(super) fn cases() -> Vec<Case> {
    let world = World::new();
    let mut cases: Vec<_> = FIELDS
        .iter()
        .map(|(name, fields, expected, each)| {
            let lines: Vec<_> = fields.split(" | ").map(|line| expand(&world, line)).collect();
            world.call(*name).lines(&lines).expect(expected).each(each)
        })
        .collect();
    let eight = vec![expand(&world, "Identity: late"); 8];
    let last = expand(&world, "Identity: good");
    cases.push(
        world.call("a good one after eight failures").lines(&[eight, vec![last]].concat()).expect("Failed 403 iat-stale").each(
            "iat-stale iat-stale iat-stale iat-stale iat-stale iat-stale iat-stale iat-stale too-many-identities",
        ),
    );
    cases.extend([
        world.call("the same message again").after_call("call-1").expect("Passed A").each("pass"),
        world
            .call("the same token on another call")
            .after_call("call-2")
            .expect("Passed A")
            .each("pass+replayed"),
        world
            .call("the same token on a third call")
            .after_call("call-2")
            .after_call("call-3")
            .expect("Passed A")
            .each("pass+replayed"),
        world
            .call("one call, another, and the first again")
            .after_call("call-1")
            .after_call("call-2")
            .expect("Passed A")
            .each("pass"),
        world
            .call("a token that failed before means nothing")
            .lines(&[expand(&world, "Identity: forged")])
            .after_call("call-2")
            .expect("Failed 438 signature-invalid")
            .each("signature-invalid"),
    ]);
    let again = [expand(&world, "Identity: good"), expand(&world, "Identity: rcd")];
    cases.push(
        world
            .call("two tokens on another call")
            .lines(&again)
            .after_call("call-2")
            .expect("Passed A")
            .each("pass+replayed pass+replayed"),
    );
    cases
}

/// Returns a header line with the values for its words.
fn expand(world: &World, line: &str) -> String {
    let (name, values) = line.split_once(": ").unwrap();
    let values: Vec<_> = values.split(", ").map(|word| identity(world, word)).collect();
    format!("{name}: {}", values.join(", "))
}

fn identity(world: &World, word: &str) -> String {
    let (header, payload) = (forge::header(), forge::payload());
    let signed = |header: &str, payload: &str| forge::token(&world.key, header, payload);
    match word {
        "good" => value(&signed(&header, &payload), "shaken"),
        "late" => value(&signed(&header, &payload.replace("1800000000", "1799990000")), "shaken"),
        "elsewhere" => value(&signed(&header, &payload.replace("12155551213", "12155559999")), "shaken"),
        "another" => value(&signed(&header, &payload.replace("12155551212", "12155559999")), "shaken"),
        "forged" => value(&forge::token(&rcgen::KeyPair::generate().unwrap(), &header, &payload), "shaken"),
        "unknown" => value(&signed(&header.replace("shaken", "rsp"), &payload), "rsp"),
        "away" => {
            let url = "https://cr.example.net/away.pem";
            let token = signed(&header.replace("https://cr.example.net/leaf.pem", url), &payload);
            format!("{token};info=<{url}>;ppt=shaken")
        }
        "rcd" => {
            let payload = payload.replacen('{', r#"{"rcd":{"nam":"Example"},"#, 1);
            value(&signed(&header.replace("shaken", "rcd"), &payload), "rcd")
        }
        other => other.to_owned(),
    }
}

/// The lines, separated by `|`, and the results of the message and of each field.
#[rustfmt::skip]
const FIELDS: &[(&str, &str, &str, &str)] = &[
    ("two that verify", "Identity: good | Identity: good", "Passed A", "pass pass"),
    ("two in one line", "Identity: good, good", "Passed A", "pass pass"),
    ("two in one line by the short name", "y: good, late", "Passed A", "pass iat-stale"),
    ("under both names", "y: late | Identity: good", "Passed A", "iat-stale pass"),
    ("one of two is enough", "Identity: elsewhere | Identity: good", "Passed A", "dest-mismatch pass"),
    ("one of three is enough", "Identity: forged, another | y: good", "Passed A", "signature-invalid orig-mismatch pass"),
    ("the first that failed gives the reason", "Identity: elsewhere | Identity: late", "Failed 438 dest-mismatch", "dest-mismatch iat-stale"),
    ("an available certificate gives the reason", "Identity: away | Identity: elsewhere", "Failed 438 dest-mismatch", "certificate-unavailable dest-mismatch"),
    ("no certificate is available", "Identity: away | Identity: away", "None 436 certificate-unavailable", "certificate-unavailable certificate-unavailable"),
    ("an unknown type is ignored", "Identity: unknown | Identity: good", "Passed A", "unsupported-ppt pass"),
    ("an unknown type does not excuse a failure", "Identity: unknown | Identity: forged", "Failed 438 signature-invalid", "unsupported-ppt signature-invalid"),
    ("two of unknown types", "Identity: unknown, unknown", "None 428 unsupported-ppt", "unsupported-ppt unsupported-ppt"),
    ("an extra PASSporT does not hide a failure", "Identity: late | Identity: rcd", "Failed 403 iat-stale", "iat-stale pass"),
    ("an extra PASSporT and one that verifies", "Identity: rcd | Identity: good", "Passed A", "pass pass"),
    ("a malformed field and one that verifies", "Identity: junk | Identity: good", "Passed A", "token-malformed pass"),
    ("an empty value in a list", "Identity: good, ", "Passed A", "pass token-malformed"),
    ("the same twice", "Identity: late, late", "Failed 403 iat-stale", "iat-stale iat-stale"),
];
