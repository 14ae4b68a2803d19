//! Diversions: chains of `div` PASSporTs in any order, incomplete, forged, circular, and too long (RFC 8946 section
//! 4.2).

use super::case::{Case, World, value};
use super::forge;
use super::support::URL;

pub(super) fn cases() -> Vec<Case> {
    let world = World::new();
    let mut cases: Vec<_> = CHAINS
        .iter()
        .map(|(name, fields, to, uri, expected, each)| {
            let lines: Vec<_> = fields.split(' ').map(|field| line(&world, field)).collect();
            let case = world.call(*name).lines(&lines);
            let case = case.edit("To: <sip:+12155551213@", &format!("To: <sip:+1215555{to}@"));
            case.edit("INVITE sip:+12155551213@", &format!("INVITE sip:+1215555{uri}@"))
                .expect(expected)
                .each(each)
        })
        .collect();
    cases.extend(PAYLOADS.iter().map(|(from, to, expected, each)| {
        let payload = payload("1213", "1214").replacen(from, to, 1);
        let div = format!("Identity: {}", value(&forge::token(&world.key, &header(), &payload), "div"));
        let lines = [line(&world, "shaken"), div];
        let case = world.call(format!("div: {from} -> {to}")).lines(&lines);
        let case = case.edit("To: <sip:+12155551213@", "To: <sip:+12155551214@");
        case.edit("INVITE sip:+12155551213@", "INVITE sip:+12155551214@").expect(expected).each(each)
    }));
    cases
}

/// Returns the Identity line for `field`: a type such as `shaken`, or `1213>1214` for a diversion. `!` marks a
/// signature by an unknown authority, `?` a certificate that is unavailable.
fn line(world: &World, field: &str) -> String {
    let Some((from, to)) = field.trim_end_matches(['!', '?']).split_once('>') else {
        let header = forge::header().replace("shaken", field);
        return format!("Identity: {}", value(&forge::token(&world.key, &header, &forge::payload()), field));
    };
    let key = if field.ends_with('!') { rcgen::KeyPair::generate().unwrap() } else { rcgen_copy(&world.key) };
    let (url, header) =
        if field.ends_with('?') { (ELSEWHERE, header().replace(URL, ELSEWHERE)) } else { (URL, header()) };
    let token = forge::token(&key, &header, &payload(from, to));
    format!("Identity: {};info=<{url}>;ppt=div", token)
}

fn rcgen_copy(key: &rcgen::KeyPair) -> rcgen::KeyPair {
    rcgen::KeyPair::from_pem(&key.serialize_pem()).unwrap()
}

fn header() -> String {
    forge::header().replace("shaken", "div")
}

fn payload(from: &str, to: &str) -> String {
    format!(
        r#"{{"dest":{{"tn":["1215555{to}"]}},"div":{{"tn":"1215555{from}"}},"iat":1800000000,"orig":{{"tn":"12155551212"}}}}"#
    )
}

/// A URL that serves nothing.
const ELSEWHERE: &str = "https://cr.example.net/elsewhere.pem";

/// The fields in order, To, the Request-URI, and the results of the message and of each field.
#[rustfmt::skip]
const CHAINS: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("one diversion", "shaken 1213>1214", "1213", "1214", "Passed A", "pass pass"),
    ("one diversion, the original last", "1213>1214 shaken", "1213", "1214", "Passed A", "pass pass"),
    ("two diversions", "shaken 1213>1214 1214>1215", "1213", "1215", "Passed A", "pass pass pass"),
    ("two diversions out of order", "1214>1215 shaken 1213>1214", "1213", "1215", "Passed A", "pass pass pass"),
    ("two diversions backwards", "1214>1215 1213>1214 shaken", "1213", "1215", "Passed A", "pass pass pass"),
    ("six diversions", "shaken 1213>1214 1214>1215 1215>1216 1216>1217 1217>1218 1218>1219", "1213", "1219", "Passed A", "pass pass pass pass pass pass pass"),
    ("a diversion explains a changed To", "shaken 1213>1214", "1214", "1214", "Passed A", "pass pass"),
    ("To was changed without a diversion", "shaken", "1214", "1214", "Failed 438 dest-mismatch", "dest-mismatch"),
    ("a diversion to another number than the request", "shaken 1213>1214", "1213", "9999", "Passed A", "pass div-chain-incomplete"),
    ("a diversion to another number, and another To", "shaken 1213>1214", "9999", "9999", "Failed 438 dest-mismatch", "dest-mismatch div-chain-incomplete"),
    ("a link is missing", "shaken 1214>1215", "1215", "1215", "Failed 438 dest-mismatch", "dest-mismatch div-chain-incomplete"),
    ("a link is missing and the original matches", "shaken 1214>1215", "1213", "1215", "Passed A", "pass div-chain-incomplete"),
    ("a diversion without its original", "1213>1214", "1213", "1214", "Failed 438 div-chain-incomplete", "div-chain-incomplete"),
    ("a diversion with an original of an unsupported type", "unheard 1213>1214", "1213", "1214", "None 428 unsupported-ppt", "unsupported-ppt unsupported-ppt"),
    ("a wrong diversion with an original of an unsupported type", "unheard 1213>1214!", "1213", "1214", "None 428 unsupported-ppt", "unsupported-ppt unsupported-ppt"),
    ("a supported original and an unsupported one", "unheard 1213>1214 shaken 1213>1215", "1213", "1214", "Passed A", "unsupported-ppt pass pass div-chain-incomplete"),
    ("circular diversions", "1213>1214 1214>1213", "1213", "1213", "Failed 438 div-chain-incomplete", "div-chain-incomplete div-chain-incomplete"),
    ("a diversion to itself", "shaken 1213>1213", "1213", "1213", "Passed A", "pass pass"),
    ("a fork", "shaken 1213>1214 1213>1215", "1213", "1215", "Passed A", "pass div-chain-incomplete pass"),
    ("a diversion signed by an unknown authority", "shaken 1213>1214!", "1214", "1214", "Failed 438 div-chain-incomplete", "div-chain-incomplete signature-invalid"),
    ("an unknown authority inside a chain", "shaken 1213>1214! 1214>1215", "1215", "1215", "Failed 438 div-chain-incomplete", "div-chain-incomplete signature-invalid div-chain-incomplete"),
    ("a diversion by an unknown authority, and a matching original", "shaken 1213>1214!", "1213", "1214", "Passed A", "pass signature-invalid"),
    ("a diversion with an unavailable certificate", "shaken 1213>1214?", "1214", "1214", "None 436 certificate-unavailable", "certificate-unavailable certificate-unavailable"),
    ("more diversions than the limit", "1213>1214 1214>1215 1215>1216 1216>1217 1217>1218 1218>1219 1219>1220 1220>1221 shaken", "1213", "1221", "Failed 438 div-chain-incomplete", "div-chain-incomplete div-chain-incomplete div-chain-incomplete div-chain-incomplete div-chain-incomplete div-chain-incomplete div-chain-incomplete div-chain-incomplete too-many-identities"),
];

/// The text to replace in a diversion from 1213 to 1214, its replacement, and the results of the call to 1214 and of
/// each field.
#[rustfmt::skip]
const PAYLOADS: &[(&str, &str, &str, &str)] = &[
    (r#""div":{"tn":"12155551213"}"#, r#""div":{"hi":"1.1","tn":"12155551213"}"#, "Passed A", "pass pass"),
    (r#""div":{"tn":"12155551213"}"#, r#""div":{"tn":"+1 215 555 1213"}"#, "Passed A", "pass pass"),
    (r#""div":{"tn":"12155551213"},"#, "", "Failed 438 dest-mismatch", "dest-mismatch div-missing"),
    (r#""div":{"tn":"12155551213"}"#, r#""div":{"tn":["12155551213"]}"#, "Failed 438 dest-mismatch", "dest-mismatch div-invalid"),
    (r#""div":{"tn":"12155551213"}"#, r#""div":"12155551213""#, "Failed 438 dest-mismatch", "dest-mismatch div-invalid"),
    (r#""div":{"tn":"12155551213"}"#, r#""div":null"#, "Failed 438 dest-mismatch", "dest-mismatch div-invalid"),
    (r#""iat""#, r#""opt":"x.y.z","iat""#, "Failed 438 dest-mismatch", "dest-mismatch div-with-opt"),
    (r#""orig":{"tn":"12155551212"}"#, r#""orig":{"tn":"12155551219"}"#, "Failed 438 dest-mismatch", "dest-mismatch orig-mismatch"),
    (r#""iat":1800000000"#, r#""iat":1799999000"#, "Failed 438 dest-mismatch", "dest-mismatch iat-stale"),
    (r#""dest":{"tn":["12155551214"]}"#, r#""dest":{"tn":["12155551219"]}"#, "Failed 438 dest-mismatch", "dest-mismatch div-chain-incomplete"),
];
