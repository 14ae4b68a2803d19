//! Tests of `attesta parse`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{attesta, attesta_reading, path, shared};

const GOOD: &str = "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
    From: <sip:a@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: 1\r\nCSeq: 7 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn parse(message: &str, code: i32) -> Value {
    attesta_reading(["parse"], message.as_bytes()).expect(code).json()
}

#[test]
fn a_good_request_is_accepted() {
    let line = attesta_reading(["parse", "-"], GOOD.as_bytes()).expect(0).stdout;
    assert_eq!(
        line,
        "{\"file\":\"-\",\"result\":\"accept\",\"kind\":\"request\",\"method\":\"OPTIONS\",\
         \"uri\":\"sip:example.com\",\"answer\":200,\"round_trip\":true}\n"
    );
}

#[test]
fn a_response_has_its_status() {
    let response = GOOD.replace("OPTIONS sip:example.com SIP/2.0", "SIP/2.0 486 Busy Here");
    let line = parse(&response, 0);
    assert_eq!((&line["kind"], &line["status"]), (&"response".into(), &486.into()));
    assert!(line.get("method").is_none() && line.get("answer").is_none());
}

#[test]
fn a_fault_has_its_place_and_the_response() {
    let line = parse(&GOOD.replace("7 OPTIONS", "7 BYE"), 1);
    assert_eq!((&line["result"], &line["answer"]), (&"reject".into(), &400.into()));
    assert_eq!(line["error"]["kind"], "method-mismatch");
    let offset = usize::try_from(line["error"]["offset"].as_u64().unwrap()).unwrap();
    assert_eq!(offset, GOOD.find("7 OPTIONS").unwrap());
    let line = parse("garbage\r\n\r\n", 1);
    assert_eq!((&line["result"], &line["error"]["kind"]), (&"reject".into(), &"start-line".into()));
}

#[test]
fn well_formed_is_not_the_same_as_supported() {
    for (message, answer) in [
        (GOOD.replace("OPTIONS", "REGISTER"), 405),
        (GOOD.replace("OPTIONS", "FLY"), 501),
        (GOOD.replace("OPTIONS sip:", "OPTIONS http:"), 416),
        (GOOD.replace("Call-ID: 1", "Call-ID: 1\r\nRequire: flying"), 420),
    ] {
        let line = parse(&message, 0);
        assert_eq!((&line["result"], &line["answer"]), (&"accept".into(), &answer.into()), "{message}");
    }
}

#[test]
fn folders_are_read_in_order_and_streams_are_split() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("b")).unwrap();
    fs::write(folder.path().join("b/1.stream"), format!("\r\n\r\n{GOOD}{GOOD}\r\n")).unwrap();
    fs::write(folder.path().join("c.sip"), GOOD).unwrap();
    fs::write(folder.path().join("a.sip"), format!("\r\n{GOOD}behind")).unwrap();
    let lines = attesta(["parse", path(folder.path())]).expect(0).json_lines();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            let name = Path::new(line["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
            (name.to_owned(), line["index"].as_u64(), line["round_trip"].as_bool())
        })
        .collect();
    let expected = [("a.sip", None), ("1.stream", Some(0)), ("1.stream", Some(1)), ("c.sip", None)];
    assert_eq!(seen, expected.map(|(name, index)| (name.to_owned(), index, Some(true))));
}

#[test]
fn a_broken_stream_ends_with_its_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.stream");
    fs::write(&file, format!("{GOOD}{}{GOOD}", GOOD.replace("Content-Length: 0\r\n", ""))).unwrap();
    let lines = attesta(["parse", path(&file)]).expect(1).json_lines();
    let results: Vec<_> = lines.iter().map(|line| line["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["accept", "reject"]);
    assert_eq!(lines[1]["error"]["kind"], "no-content-length");
}

#[test]
fn nothing_is_status_3_and_a_missing_file_status_2() {
    let folder = tempfile::tempdir().unwrap();
    assert!(attesta(["parse", path(folder.path())]).expect(3).stdout.is_empty());
    assert!(attesta(["parse", "no-such-file"]).expect(2).stderr.contains("no-such-file"));
}

#[test]
fn the_torture_messages_get_the_expected_answers() {
    let Some(folder) = shared("testdata/rfc4475") else { return };
    let lines = attesta(["parse", path(&folder)]).expect(1).json_lines();
    let expected = fs::read_to_string(folder.join("answers.jsonl")).unwrap();
    for entry in expected.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let name = folder.join(entry["file"].as_str().unwrap());
        let line = lines.iter().find(|line| line["file"] == path(&name)).unwrap();
        let result = &entry["result"];
        assert!(*result == "either" || *result == line["result"], "{line}");
        let answer = line.get("answer").cloned().unwrap_or_default();
        // An accepted message needs no answer of the parser, even if the list also allows a refusal.
        let is_accepted = *result == "either" && line["result"] == "accept" && answer.is_null();
        let is_listed = entry["answer"].as_array().unwrap().contains(&answer);
        assert!(is_accepted || is_listed, "{line}: not {}", entry["answer"]);
        assert_ne!(line["round_trip"], false, "{line}");
    }
}
