//! The Identity header field around the token: its parameters in various spellings, and its name.

use super::case::{Case, World};
use super::forge;
use super::support::URL;

pub(super) fn cases() -> Vec<Case> {
    let world = World::new();
    let token = forge::token(&world.key, &forge::header(), &forge::payload());
    let mut cases: Vec<_> = PARAMETERS
        .iter()
        .map(|(parameters, expected)| {
            world.bearing(format!("{{token}}{parameters}"), &format!("{token}{parameters}")).expect(expected)
        })
        .collect();
    cases.extend(LINES.iter().map(|(line, expected)| {
        let whole = line.replace("{token}", &token).replace("{url}", URL);
        world.call(*line).lines(&[whole]).expect(expected)
    }));
    cases.push(world.call("no Identity at all").lines(&[]).expect("None 428 no-identity"));
    let missing = world.call("the certificate is unavailable").nothing_served();
    cases.push(missing.expect("None 436 certificate-unavailable"));
    let moved = "https://cr.example.net:8443/moved.pem";
    let header = forge::header().replace(URL, moved);
    let field = format!("{};info=<{moved}>;ppt=shaken", forge::token(&world.key, &header, &forge::payload()));
    let case = world.bearing("another URL, of the other port that is allowed", &field);
    cases.push(case.also_served(moved, &world.bundle).expect("Passed A"));
    let port = "https://cr.example.net:9443/leaf.pem";
    let header = forge::header().replace(URL, port);
    let field = format!("{};info=<{port}>;ppt=shaken", forge::token(&world.key, &header, &forge::payload()));
    cases.push(world.bearing("a forbidden port", &field).expect("Failed 436 info-forbidden-port"));
    cases
}

/// The text after the token, and the result.
#[rustfmt::skip]
const PARAMETERS: &[(&str, &str)] = &[
    (";info=<https://cr.example.net/leaf.pem>", "Passed A"),
    (";info=<https://cr.example.net/leaf.pem>;alg=ES256", "Passed A"),
    (";info=<https://cr.example.net/leaf.pem>;ppt=shaken", "Passed A"),
    (";alg=ES256;ppt=shaken;info=<https://cr.example.net/leaf.pem>", "Passed A"),
    (";info=<https://cr.example.net/leaf.pem>;ppt=\"shaken\"", "Passed A"),
    (";info=<https://cr.example.net/leaf.pem>;alg=\"ES256\";ppt=shaken", "Passed A"),
    (" ; info = <https://cr.example.net/leaf.pem> ; alg = ES256 ; ppt = shaken", "Passed A"),
    (";INFO=<https://cr.example.net/leaf.pem>;ALG=ES256;PPT=shaken", "Passed A"),
    (";info=<https://cr.example.net/leaf.pem>;ppt=shaken;canon=\"x;y\";more", "Passed A"),
    (";info=<https://cr.example.net/leaf.pem>;alg=ES384;ppt=shaken", "Failed 437 alg-unsupported"),
    (";info=<https://cr.example.net/leaf.pem>;alg=none;ppt=shaken", "Failed 437 alg-unsupported"),
    (";info=<https://cr.example.net/leaf.pem>;ppt=div", "Failed 438 ppt-mismatch"),
    (";info=<https://cr.example.net/leaf.pem>;ppt=rcd", "Failed 438 ppt-mismatch"),
    (";info=<https://cr.example.net/leaf.pem>;ppt=rsp", "None 428 unsupported-ppt"),
    (";info=<https://cr.example.net/leaf.pem>;ppt=div-o", "Failed 438 ppt-mismatch"),
    (";info=<https://cr.example.net/leaf.pem>;ppt=\"\"", "None 428 unsupported-ppt"),
    (";alg=ES256;ppt=shaken", "Failed 436 info-missing"),
    (";info=<>;ppt=shaken", "Failed 436 info-malformed"),
    (";info=<leaf.pem>;ppt=shaken", "Failed 436 info-malformed"),
    (";info=<http://cr.example.net/leaf.pem>;ppt=shaken", "Failed 436 info-not-https"),
    (";info=<ftp://cr.example.net/leaf.pem>;ppt=shaken", "Failed 436 info-not-https"),
    (";info=<cid:leaf@example.net>;ppt=shaken", "Failed 436 info-not-https"),
    (";info=<https://u@cr.example.net/leaf.pem>;ppt=shaken", "Failed 436 info-forbidden-part"),
    (";info=<https://u:p@cr.example.net/leaf.pem>;ppt=shaken", "Failed 436 info-forbidden-part"),
    (";info=<https://cr.example.net/leaf.pem?a=b>;ppt=shaken", "Failed 436 info-forbidden-part"),
    (";info=<https://cr.example.net/leaf.pem?>;ppt=shaken", "Failed 436 info-forbidden-part"),
    (";info=<https://cr.example.net/leaf.pem#>;ppt=shaken", "Failed 436 info-forbidden-part"),
    (";info=<https://cr.example.net:444/leaf.pem>;ppt=shaken", "Failed 436 info-forbidden-port"),
    (";info=<https://cr.example.net/other.pem>;ppt=shaken", "Failed 436 x5u-mismatch"),
    (";info=<https://CR.example.net/leaf.pem>;ppt=shaken", "Failed 436 x5u-mismatch"),
    (";info=<https://cr.example.net:443/leaf.pem>;ppt=shaken", "Failed 436 x5u-mismatch"),
];

/// The whole line.
#[rustfmt::skip]
const LINES: &[(&str, &str)] = &[
    ("identity: {token};info=<{url}>;ppt=shaken", "Passed A"),
    ("IDENTITY : {token};info=<{url}>;ppt=shaken", "Passed A"),
    ("y: {token};info=<{url}>;ppt=shaken", "Passed A"),
    ("Y:{token};info=<{url}>;ppt=shaken", "Passed A"),
    ("Identity:\t{token};info=<{url}>;ppt=shaken", "Passed A"),
    ("Identity: {token}\r\n ;info=<{url}>\r\n\t;ppt=shaken", "Passed A"),
    ("Identity-Info: <{url}>", "None 428 no-identity"),
    ("n: <{url}>", "None 428 no-identity"),
    ("X-Identity: {token};info=<{url}>;ppt=shaken", "None 428 no-identity"),
    ("Identity: ", "Failed 438 token-malformed"),
    ("Identity: ;info=<{url}>;ppt=shaken", "Failed 438 token-malformed"),
];
