//! Each member of the token's header and each claim: missing, with a wrong type, with a wrong value, and in valid
//! variants.

use super::case::{Case, World};
use super::forge;

pub(super) fn cases() -> Vec<Case> {
    let world = World::new();
    let edited = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "no {from} in {text}");
        if from.is_empty() { text.to_owned() } else { text.replacen(from, to, 1) }
    };
    let header = HEADER.iter().map(|(from, to, expected)| {
        let header = edited(&forge::header(), from, to);
        world.call_with(format!("header: {from} -> {to}"), &header, &forge::payload()).expect(expected)
    });
    let payload = PAYLOAD.iter().map(|(from, to, expected)| {
        let payload = edited(&forge::payload(), from, to);
        world.call_with(format!("payload: {from} -> {to}"), &forge::header(), &payload).expect(expected)
    });
    header.chain(payload).collect()
}

const X5U: &str = r#""x5u":"https://cr.example.net/leaf.pem""#;
const WITH_X5U: &str = r#","x5u":"https://cr.example.net/leaf.pem""#;
const DEST: &str = r#""dest":{"tn":["12155551213"]}"#;
const ORIG: &str = r#""orig":{"tn":"12155551212"}"#;
const IAT: &str = r#""iat":1800000000"#;
const WITH_IAT: &str = r#""iat":1800000000,"#;
const ORIGID: &str = "de305d54-75b4-431b-adb2-eb6b9e546014";
const ORIGID_MEMBER: &str = r#""origid":"de305d54-75b4-431b-adb2-eb6b9e546014""#;

/// The text to replace in the header of the ordinary token, its replacement, and the result.
#[rustfmt::skip]
const HEADER: &[(&str, &str, &str)] = &[
    (r#""alg":"ES256","#, "", "Failed 436 alg-missing"),
    (r#""alg":"ES256""#, r#""alg":"none""#, "Failed 437 alg-unsupported"),
    (r#""alg":"ES256""#, r#""alg":"HS256""#, "Failed 437 alg-unsupported"),
    (r#""alg":"ES256""#, r#""alg":"ES384""#, "Failed 437 alg-unsupported"),
    (r#""alg":"ES256""#, r#""alg":"es256""#, "Failed 437 alg-unsupported"),
    (r#""alg":"ES256""#, r#""alg":256"#, "Failed 437 alg-unsupported"),
    (r#""typ":"passport","#, "", "Failed 436 typ-missing"),
    (r#""typ":"passport""#, r#""typ":"JWT""#, "Failed 437 typ-invalid"),
    (r#""typ":"passport""#, r#""typ":"Passport""#, "Failed 437 typ-invalid"),
    (r#""typ":"passport""#, r#""typ":null"#, "Failed 437 typ-invalid"),
    (r#""ppt":"shaken","#, "", "Failed 438 ppt-mismatch"),
    (r#""ppt":"shaken""#, r#""ppt":"div""#, "Failed 438 ppt-mismatch"),
    (r#""ppt":"shaken""#, r#""ppt":"SHAKEN""#, "Failed 438 ppt-mismatch"),
    (r#""ppt":"shaken""#, r#""ppt":7"#, "Failed 438 ppt-mismatch"),
    (r#""alg":"ES256""#, r#""crit":["b64"],"alg":"ES256""#, "Failed 437 crit-unsupported"),
    (r#""alg":"ES256""#, r#""alg":"ES256","kid":"1""#, "Passed A"),
    (r#""alg":"ES256""#, r#""alg":"ES256","alg":"ES256""#, "Failed 438 duplicate-member"),
    ("{", "[", "Failed 438 header-malformed"),
    ("}", "}}", "Failed 438 header-malformed"),
    ("}", "}\n", "Passed A"),
    (X5U, r#""x5u":"https://cr.example.net/other.pem""#, "Failed 436 x5u-mismatch"),
    (X5U, r#""x5u":"https://CR.example.net/leaf.pem""#, "Failed 436 x5u-mismatch"),
    (X5U, r#""x5u":["https://cr.example.net/leaf.pem"]"#, "Failed 436 x5u-mismatch"),
    (X5U, r#""x5u":"https:\/\/cr.example.net\/leaf.pem""#, "Passed A"),
    (WITH_X5U, "", "Failed 436 x5u-missing"),
];

/// The text to replace in the payload of the ordinary token, its replacement, and the result.
#[rustfmt::skip]
const PAYLOAD: &[(&str, &str, &str)] = &[
    ("", "", "Passed A"),
    // Valid variants.
    (ORIG, r#""orig":{"tn":"+12155551212"}"#, "Passed A"),
    (ORIG, r#""orig":{"tn":"+1 (215) 555-1212"}"#, "Passed A"),
    (ORIG, r#""orig":{"\u0074n":"12155551212"}"#, "Failed 438 orig-invalid"),
    (ORIG, r#""orig":{"tn":"\u003112155551212"}"#, "Failed 438 orig-mismatch"),
    (ORIG, r#""orig":{"tn":"\u00312155551212"}"#, "Passed A"),
    (DEST, r#""dest":{"tn":["12155550000","12155551213"]}"#, "Passed A"),
    (DEST, r#""dest":{"tn":["12155551213"],"uri":["sip:bob@example.com"]}"#, "Passed A"),
    (DEST, r#""dest": { "tn" : [ "12155551213" ] }"#, "Passed A"),
    (r#","origid""#, r#","other":{"a":[1,{"b":null}]},"origid""#, "Passed A"),
    (r#","origid""#, r#","rcd":{"nam":"Example"},"origid""#, "Passed A"),
    (ORIGID, "DE305D54-75B4-131B-ADB2-EB6B9E546014", "Passed A"),
    (r#""attest":"A""#, r#""attest":"B""#, "Passed B"),
    (r#""attest":"A""#, r#""attest":"C""#, "Passed C"),
    // attest.
    (r#""attest":"A","#, "", "Failed 438 attest-missing"),
    (r#""attest":"A""#, r#""attest":"a""#, "Failed 438 attest-invalid"),
    (r#""attest":"A""#, r#""attest":"D""#, "Failed 438 attest-invalid"),
    (r#""attest":"A""#, r#""attest":"""#, "Failed 438 attest-invalid"),
    (r#""attest":"A""#, r#""attest":1"#, "Failed 438 attest-invalid"),
    (r#""attest":"A""#, r#""attest":null"#, "Failed 438 attest-invalid"),
    (r#""attest":"A""#, r#""attest":["A"]"#, "Failed 438 attest-invalid"),
    // dest.
    (r#""dest":{"tn":["12155551213"]},"#, "", "Failed 438 dest-missing"),
    (DEST, r#""dest":{}"#, "Failed 438 dest-invalid"),
    (DEST, r#""dest":{"tn":"12155551213"}"#, "Failed 438 dest-invalid"),
    (DEST, r#""dest":{"tn":[]}"#, "Failed 438 dest-invalid"),
    (DEST, r#""dest":{"tn":[12155551213]}"#, "Failed 438 dest-invalid"),
    (DEST, r#""dest":["12155551213"]"#, "Failed 438 dest-invalid"),
    (DEST, r#""dest":"12155551213""#, "Failed 438 dest-invalid"),
    (DEST, r#""dest":{"tn":["12155551213"],"x":["y"]}"#, "Failed 438 dest-invalid"),
    (DEST, r#""dest":{"tn":["12155551214"]}"#, "Failed 438 dest-mismatch"),
    (DEST, r#""dest":{"tn":["2155551213"]}"#, "Failed 438 dest-mismatch"),
    (DEST, r#""dest":{"uri":["12155551213"]}"#, "Failed 438 dest-mismatch"),
    (DEST, r#""dest":{"tn":[""]}"#, "Failed 438 dest-mismatch"),
    // iat.
    (IAT, r#""iat":"1800000000""#, "Failed 438 iat-invalid"),
    (IAT, r#""iat":1800000000.0"#, "Failed 438 iat-invalid"),
    (IAT, r#""iat":18e8"#, "Failed 438 iat-invalid"),
    (IAT, r#""iat":-1800000000"#, "Failed 438 iat-invalid"),
    (IAT, r#""iat":null"#, "Failed 438 iat-invalid"),
    (IAT, r#""iat":[1800000000]"#, "Failed 438 iat-invalid"),
    (IAT, r#""iat":18000000000000000000000"#, "Failed 438 iat-invalid"),
    (IAT, r#""iat":01800000000"#, "Failed 438 payload-malformed"),
    (IAT, r#""iat":1799999940"#, "Passed A"),
    (IAT, r#""iat":1799999939"#, "Failed 403 iat-stale"),
    (IAT, r#""iat":1800000060"#, "Passed A"),
    (IAT, r#""iat":1800000061"#, "Failed 403 iat-in-future"),
    (IAT, r#""iat":0"#, "Failed 403 iat-stale"),
    (IAT, r#""iat":18446744073709551615"#, "Failed 403 iat-in-future"),
    // orig.
    (ORIG, r#""orig":{}"#, "Failed 438 orig-invalid"),
    (ORIG, r#""orig":"12155551212""#, "Failed 438 orig-invalid"),
    (ORIG, r#""orig":{"tn":["12155551212"]}"#, "Failed 438 orig-invalid"),
    (ORIG, r#""orig":{"tn":12155551212}"#, "Failed 438 orig-invalid"),
    (ORIG, r#""orig":{"tn":"12155551212","uri":"sip:a@b"}"#, "Failed 438 orig-invalid"),
    (ORIG, r#""orig":{"name":"12155551212"}"#, "Failed 438 orig-invalid"),
    (ORIG, r#""orig":null"#, "Failed 438 orig-invalid"),
    (ORIG, r#""orig":{"tn":"12155551219"}"#, "Failed 438 orig-mismatch"),
    (ORIG, r#""orig":{"tn":"2155551212"}"#, "Failed 438 orig-mismatch"),
    (ORIG, r#""orig":{"uri":"sip:alice@example.com"}"#, "Failed 438 orig-mismatch"),
    (ORIG, r#""orig":{"tn":"anonymous"}"#, "Failed 438 orig-mismatch"),
    (ORIG, r#""orig":{"tn":""}"#, "Failed 438 orig-mismatch"),
    // origid.
    (ORIGID, "", "Failed 438 origid-invalid"),
    (ORIGID, "de305d5475b4431badb2eb6b9e546014", "Failed 438 origid-invalid"),
    (ORIGID, "de305d54-75b4-431b-adb2-eb6b9e54601g", "Failed 438 origid-invalid"),
    (r#""origid":"de305d54-75b4-431b-adb2-eb6b9e546014""#, r#""origid":7"#, "Failed 438 origid-invalid"),
    (r#","origid":"de305d54-75b4-431b-adb2-eb6b9e546014""#, "", "Failed 438 origid-missing"),
    // JSON.
    (r#""attest":"A""#, r#""attest":"A","attest":"A""#, "Failed 438 duplicate-member"),
    (r#""attest":"A""#, r#""attest":"A","\u0061ttest":"A""#, "Failed 438 duplicate-member"),
    (r#""tn":"12155551212""#, r#""tn":"12155551212","tn":"12155551212""#, "Failed 438 duplicate-member"),
    (r#""attest":"A""#, r#""attest":'A'"#, "Failed 438 payload-malformed"),
    (r#""attest":"A","#, r#""attest":"A",,"#, "Failed 438 payload-malformed"),
    ("{\"attest", "[{\"attest", "Failed 438 payload-malformed"),
    ("{\"attest", "\u{feff}{\"attest", "Failed 438 payload-malformed"),
    ("{\"attest", " {\"attest", "Passed A"),
    (r#""attest":"A""#, r#""deep":[[[[[[[[[1]]]]]]]]],"attest":"A""#, "Failed 438 json-limit"),
    (r#","orig":{"tn":"12155551212"}"#, "", "Failed 438 orig-missing"),
    (WITH_IAT, "", "Failed 438 iat-missing"),
    (DEST, r#""dest":{"tn":["12155551213"]},"iss":"Example""#, "Passed A"),
    (DEST, r#""dest":null"#, "Failed 438 dest-invalid"),
    (DEST, r#""dest":{"tn":["12155551213",null]}"#, "Failed 438 dest-invalid"),
    (IAT, r#""iat":true"#, "Failed 438 iat-invalid"),
    (ORIG, r#""orig":[{"tn":"12155551212"}]"#, "Failed 438 orig-invalid"),
    (ORIGID_MEMBER, r#""origid":null"#, "Failed 438 origid-invalid"),
    (r#""attest":"A""#, r#""attest":"AA""#, "Failed 438 attest-invalid"),
    (r#""attest":"A""#, r#""attest":true"#, "Failed 438 attest-invalid"),
];
