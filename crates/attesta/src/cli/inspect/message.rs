//! Decodes a SIP message with its header fields and its Identity header fields, and lists the faults of both.

use attesta_b2bua::Trunk;
use attesta_sip::{Date, Identity, Limits, Message, Name, ParseError, Request, Rules, UnreadableRequest};
use attesta_stir::{Check, UnixTime, VerifyPolicy};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::finding::Findings;
use super::identity;
use super::printer::typed;
use crate::time;

/// Decodes `octets` as one datagram. Malformed SIP is shown with its fault.
pub(super) fn read(octets: &[u8]) -> Option<Value> {
    match Message::parse(Bytes::copy_from_slice(octets), &Limits::default()) {
        Ok(message) => Some(value(&message, None)),
        Err(error) => looks_like_sip(octets).then(|| unreadable(octets, error)),
    }
}

/// Returns true if the first line begins or ends with the SIP version.
pub(super) fn looks_like_sip(octets: &[u8]) -> bool {
    let line = octets.trim_ascii_start().split(|octet| *octet == b'\n').next().unwrap_or_default();
    let line = line.get(..line.len().min(MAX_START_LINE)).unwrap_or_default().trim_ascii_end();
    line.starts_with(b"SIP/2.0 ") || line.ends_with(b" SIP/2.0")
}

/// Decodes a message. `at` is the time of capture, if known.
pub(super) fn value(message: &Message, at: Option<UnixTime>) -> Value {
    let (mut object, mut findings) = (Map::new(), Findings::default());
    match message {
        Message::Request(request) => {
            object.insert("kind".into(), json!("request"));
            object.insert("method".into(), json!(request.method().as_str()));
            object.insert("uri".into(), json!(String::from_utf8_lossy(request.uri())));
        }
        Message::Response(response) => {
            object.insert("kind".into(), json!("response"));
            object.insert("status".into(), json!(response.status().code()));
            object.insert("reason".into(), json!(String::from_utf8_lossy(response.reason())));
        }
    }
    let headers = message.headers().iter().map(|field| {
        let name = field
            .name()
            .map_or_else(|| String::from_utf8_lossy(field.name_bytes()), |name| name.as_str().into());
        json!({ "name": name, "value": String::from_utf8_lossy(field.value()) })
    });
    object.insert("headers".into(), headers.collect());
    let identities = match message {
        Message::Request(request) => of_request(request, at),
        Message::Response(response) => {
            let values = response.headers().values(Name::Identity);
            values.map(|value| of_value(value, Findings::default())).collect()
        }
    };
    if !identities.is_empty() {
        object.insert("identities".into(), identities.into());
    }
    if let Some(fault) = Rules::default().check(message).err().filter(attesta_sip::Invalid::is_malformed) {
        findings.error(fault.kind().as_str(), fault.to_string());
    }
    let body = message.body();
    if !body.is_empty() {
        object.insert("body".into(), json!({ "octets": body.len(), "text": String::from_utf8_lossy(body) }));
    }
    findings.put(&mut object);
    typed("message", object)
}

/// Decodes the Identity header fields of a request and checks them against the request, at the time of its Date.
fn of_request(request: &Request, seen: Option<UnixTime>) -> Vec<Value> {
    let date = request.headers().get(Name::Date).and_then(|value| Date::parse(value).ok());
    let at = date.map(|date| time::unix(date.unix())).or(seen);
    let without: &[Check] = if at.is_some() { &[] } else { &[Check::Freshness] };
    // The source of the message is unknown, so the defaults of a trunk apply.
    let (any_trunk, policy) = (Trunk::new("any"), VerifyPolicy::default());
    let found = attesta_b2bua::examine(request, &any_trunk, &policy, at.unwrap_or_else(time::now));
    let values = request.headers().values(Name::Identity).zip(found);
    values
        .map(|(value, found)| {
            let mut findings = Findings::default();
            findings.checks(&found, without);
            of_value(value, findings)
        })
        .collect()
}

fn of_value(value: &[u8], findings: Findings) -> Value {
    match Identity::parse(value) {
        Ok(parsed) => identity::value(&parsed, findings, None),
        Err(error) => {
            let mut object = Map::new();
            object.insert("error".into(), json!(error.to_string()));
            findings.put(&mut object);
            typed("identity", object)
        }
    }
}

/// Describes octets that are malformed SIP.
pub(super) fn unreadable(octets: &[u8], error: ParseError) -> Value {
    let before = octets.get(..error.offset()).unwrap_or(octets);
    let line = 1 + before.iter().filter(|octet| **octet == b'\n').count();
    let mut object = Map::new();
    if let Some(partial) = UnreadableRequest::read(octets) {
        object.insert("kind".into(), json!("request"));
        object.insert("method".into(), json!(partial.method().as_str()));
    }
    let shown = octets.get(..octets.len().min(MAX_SHOWN)).unwrap_or_default();
    object.insert("octets".into(), json!(octets.len()));
    object.insert("text".into(), json!(String::from_utf8_lossy(shown)));
    let mut findings = Findings::default();
    let text = format!("line {line}, octet {}: {}", error.offset(), error.kind());
    findings.error(error.kind().as_str(), text);
    findings.put(&mut object);
    typed("message", object)
}

/// The longest start line that is examined.
const MAX_START_LINE: usize = 8 * 1024;
/// The greatest number of octets in the output of malformed SIP.
const MAX_SHOWN: usize = 2048;
