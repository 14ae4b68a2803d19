//! The outer form of the token: its parts, its base64 variants, its length and its signature.

use super::case::{Case, World, value};
use super::forge::{self, encode};
use super::support::URL;

pub(super) fn cases() -> Vec<Case> {
    let world = World::new();
    let token = forge::token(&world.key, &forge::header(), &forge::payload());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let cut = |length: usize| signature.get(..length).unwrap();
    // The token is signed in this form, so that only its base64 is wrong.
    let odd = encode(forge::payload().replace(r#""attest""#, "\"\u{fb}\u{ff}??>>\":1,\"attest\"").as_bytes());
    let standard = forge::sign(&world.key, &format!("{header}.{}", odd.replace('-', "+").replace('_', "/")));
    let padded = forge::sign(&world.key, &format!("{header}.{}=", spaced(2)));
    let padded_twice = forge::sign(&world.key, &format!("{header}.{}==", spaced(1)));
    let spaced_inside = forge::sign(&world.key, &format!("{header}.{}", spaced(3)));
    let loose = successor(signature.chars().last().unwrap());
    let tampered = payload.replacen(payload.get(20..21).unwrap(), "_", 1);
    let high = forge::payload().replace("Example", "\u{fc}");

    #[rustfmt::skip]
    let table: &[(&str, String, &str)] = &[
        ("ordinary", token.clone(), "Passed A"),
        ("white space inside the payload's JSON", spaced_inside, "Passed A"),
        ("base64url with - and _", forge::sign(&world.key, &format!("{header}.{odd}")), "Passed A"),
        ("payload of other octets than ASCII", forge::token(&world.key, &forge::header(), &high), "Passed A"),
        ("compact form", format!("..{signature}"), "Failed 438 compact-form"),
        ("no payload", format!("{header}..{signature}"), "Failed 438 token-malformed"),
        ("no header", format!(".{payload}.{signature}"), "Failed 438 token-malformed"),
        ("two parts", format!("{header}.{payload}"), "Failed 438 token-malformed"),
        ("one part", header.to_owned(), "Failed 438 token-malformed"),
        ("no signature", format!("{signed}."), "Failed 438 token-malformed"),
        ("four parts", format!("{token}.{signature}"), "Failed 438 token-malformed"),
        ("signature one character short", format!("{signed}.{}", cut(85)), "Failed 438 base64-malformed"),
        ("signature of 63 octets", format!("{signed}.{}", cut(84)), "Failed 438 signature-malformed"),
        ("signature of 67 octets", format!("{token}AAAA"), "Failed 438 signature-malformed"),
        ("signature in DER", format!("{signed}.{}", encode(&[0x30, 6, 2, 1, 1, 2, 1, 1])), "Failed 438 signature-malformed"),
        ("padded payload", padded, "Failed 438 base64-padding"),
        ("payload padded twice", padded_twice, "Failed 438 base64-padding"),
        ("padded signature", format!("{token}=="), "Failed 438 base64-padding"),
        ("standard alphabet", standard, "Failed 438 base64-standard"),
        ("stray bits after the last octet", format!("{signed}.{}{loose}", cut(85)), "Failed 438 base64-malformed"),
        ("a character outside any alphabet", format!("{header}.{payload}.{}!", cut(85)), "Failed 438 token-malformed"),
        ("white space in the token", format!("{header} .{payload}.{signature}"), "Failed 438 token-malformed"),
        ("an octet beyond ASCII", format!("\u{e9}.{payload}.{signature}"), "Failed 438 token-malformed"),
        ("longer than any token", "a".repeat(16 * 1024 + 1), "Refused a header line is longer than the limit"),
        ("signature of zeros", format!("{signed}.{}", encode(&[0; 64])), "Failed 438 signature-invalid"),
        ("signature of ones", format!("{signed}.{}", encode(&[0xff; 64])), "Failed 438 signature-invalid"),
        ("signature of another token", format!("{signed}.{}", other(&world)), "Failed 438 signature-invalid"),
        ("a changed payload", format!("{header}.{tampered}.{signature}"), "Failed 438 payload-malformed"),
        ("a payload that is no object", forge::token(&world.key, &forge::header(), "[]"), "Failed 438 payload-malformed"),
        ("a header that is no object", forge::token(&world.key, "7", &forge::payload()), "Failed 438 header-malformed"),
        ("octets that are no UTF-8", forge::sign(&world.key, &format!("{header}.{}", encode(b"{\"a\":\"\xff\"}"))), "Failed 438 payload-malformed"),
    ];
    let mut cases: Vec<_> = table
        .iter()
        .map(|(name, token, expected)| world.bearing(*name, &value(token, "shaken")).expect(expected))
        .collect();
    let forged = forge::token(&rcgen::KeyPair::generate().unwrap(), &forge::header(), &forge::payload());
    cases.push(
        world
            .bearing("signed with an unknown key", &value(&forged, "shaken"))
            .expect("Failed 438 signature-invalid"),
    );
    let base = forge::token(
        &world.key,
        &forge::header().replace(r#""ppt":"shaken","#, ""),
        r#"{"dest":{"tn":["12155551213"]},"iat":1800000000,"orig":{"tn":"12155551212"}}"#,
    );
    cases.push(world.bearing("a base PASSporT", &format!("{base};info=<{URL}>;alg=ES256")).expect("Passed"));
    cases
}

/// Returns the payload followed by this many spaces, encoded without padding. The number sets where the encoding ends.
fn spaced(octets_over: usize) -> String {
    let mut payload = forge::payload().replacen(':', " : ", 1);
    while payload.len() % 3 != octets_over % 3 {
        payload.push(' ');
    }
    encode(payload.as_bytes())
}

/// Returns the next character of the alphabet. Its lowest bits differ.
fn successor(last: char) -> char {
    if last == 'A' { 'B' } else { char::from(last as u8 + 1) }
}

fn other(world: &World) -> String {
    let token = forge::token(&world.key, &forge::header(), &forge::payload().replace("1213", "1214"));
    token.rsplit_once('.').unwrap().1.to_owned()
}
