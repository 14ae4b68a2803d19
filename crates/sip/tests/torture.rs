//! Messages from other collections: the torture tests of RFC 4475 and RFC 5118, the call flows of
//! RFC 3665 and RFC 5359, and captured traffic.

mod shared;

use attesta_sip::{Frame, Framer, Limits, Message, Method, Rules, UnreadableRequest};
use serde_json::Value;

/// Whether a datagram is well formed, and the status that answers its malformed syntax.
fn judge(octets: &[u8]) -> (bool, Option<u16>) {
    let status = |status: attesta_sip::Status| status.code();
    match Message::parse(octets.to_vec().into(), &Limits::default()) {
        Ok(message) => {
            assert!(octets.starts_with(&message.to_bytes()) || octets.ends_with(&message.to_bytes()));
            match Rules::default().check(&message) {
                Ok(()) => (true, None),
                Err(invalid) => (!invalid.is_malformed(), invalid.answer().map(status)),
            }
        }
        Err(error) => {
            let answer = UnreadableRequest::read(octets).and_then(|found| found.answer(&error));
            (false, answer.map(|response| response.status().code()))
        }
    }
}

/// This test covers malformed messages. The answers to well-formed messages depend on the receiving
/// element and are tested there.
#[test]
fn rfc_4475_gets_the_expected_results() {
    let Some(folder) = shared::folder("rfc4475") else { return };
    let mut wrong = Vec::new();
    let entries = shared::entries(&folder, "answers.jsonl");
    assert_eq!(entries.len(), 49);
    for entry in entries {
        let (accepted, answer) = judge(&shared::octets(&folder, &entry));
        let result = if accepted { "accept" } else { "reject" };
        let fits = entry["result"] == "either" || entry["result"] == result;
        let answers = entry["answer"].as_array().unwrap();
        let answered = accepted || answers.contains(&answer.map_or(Value::Null, Value::from));
        if !fits || !answered {
            let name = shared::name(&entry);
            wrong.push(format!("{name}: {result} {answer:?}, not {} {answers:?}", entry["result"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_undescribed_file_of_rfc_4475_is_malformed() {
    let Some(folder) = shared::folder("rfc4475") else { return };
    let octets = std::fs::read(folder.join("test.dat")).unwrap();
    assert!(!judge(&octets).0);
}

#[test]
fn every_message_gets_the_result_of_its_manifest() {
    for (name, count) in [("rfc4475", 50), ("rfc5118", 12), ("rfc_flows", 187), ("pcap_sip", 119)] {
        let Some(folder) = shared::folder(name) else { continue };
        let mut wrong = Vec::new();
        let entries = shared::entries(&folder, "manifest.jsonl");
        assert_eq!(entries.len(), count, "{name}");
        for entry in entries.iter().filter(|entry| !shared::name(entry).ends_with(".stream")) {
            let (accepted, answer) = judge(&shared::octets(&folder, entry));
            let expected = entry["expect"].as_str().unwrap();
            let fits = match expected {
                "accept" => accepted,
                "reject" => !accepted,
                "either" => true,
                other => panic!("{other} is not an expectation"),
            };
            if !fits {
                wrong.push(format!("{}: {expected}, but {accepted} {answer:?}", shared::name(entry)));
            }
        }
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    }
}

#[test]
fn captured_streams_are_split_into_messages() {
    let Some(folder) = shared::folder("pcap_sip") else { return };
    for entry in shared::entries(&folder, "manifest.jsonl") {
        if !shared::name(&entry).ends_with(".stream") {
            continue;
        }
        let octets = shared::octets(&folder, &entry);
        let mut framer = Framer::new(Limits::default());
        framer.push(&octets);
        let mut printed = Vec::new();
        while let Some(frame) = framer.poll() {
            match frame.unwrap_or_else(|error| panic!("{}: {error}", shared::name(&entry))) {
                Frame::Message(message) => {
                    assert_eq!(Rules::default().check(&message), Ok(()), "{}", shared::name(&entry));
                    message.write_to(&mut printed);
                }
                Frame::Ping | Frame::Pong => printed.extend_from_slice(b"\r\n"),
            }
        }
        assert!(framer.is_idle() && printed == octets, "{}", shared::name(&entry));
    }
}

#[test]
fn two_requests_in_one_datagram_are_two_on_a_stream() {
    let Some(folder) = shared::folder("rfc4475") else { return };
    let octets = std::fs::read(folder.join("dblreq.dat")).unwrap();
    let mut framer = Framer::new(Limits::default());
    framer.push(&octets);
    let mut methods = Vec::new();
    while let Some(frame) = framer.poll() {
        if let Ok(Frame::Message(Message::Request(request))) = frame {
            methods.push(request.method().clone());
        }
    }
    assert_eq!(methods, [Method::Register, Method::Invite]);
}

#[test]
fn fuzz_seeds_cause_no_panic() {
    let Some(folder) = shared::folder("fuzz_seeds") else { return };
    for entry in shared::entries(&folder, "manifest.jsonl") {
        judge(&shared::octets(&folder, &entry));
    }
}
