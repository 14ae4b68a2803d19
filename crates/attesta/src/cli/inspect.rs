//! `attesta inspect`: what is in it, without judging it.

use std::io::Write;

use attesta_sip::{Identity, Limits, Message, Name};
use attesta_stir::cert::{Certificate, CertificateChain, TnEntry};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::input::Input;
use super::screen::Screen;
use super::{Inspect, Outcome, passport, time, tree};
use crate::fault::{Failure, Fault};

pub(super) fn inspect(args: &Inspect, screen: &Screen) -> Result<Outcome, Failure> {
    let input = Input::new(&args.path);
    let octets = input.read(MAX_FILE)?;
    let Some(decoded) = decode(&octets).map_err(|text| Fault::in_file(input.name(), text))? else {
        let fault = Fault::in_file(input.name(), "nothing that can be decoded");
        screen.warn(&fault.help("an Identity header field, a PASSporT, an STI certificate or a SIP message"));
        return Ok(Outcome::Nothing);
    };
    let mut out = screen.out();
    if screen.json_or_piped() {
        writeln!(out, "{decoded}")?;
    } else {
        tree::write(&mut out, &decoded, screen.palette())?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// What `octets` are, by the first form that fits; the error says why a form that is known is not decoded.
fn decode(octets: &[u8]) -> Result<Option<Value>, String> {
    if PCAP.iter().any(|magic| octets.starts_with(magic)) {
        return Err("captures are not there yet: give one SIP message".into());
    }
    let text = std::str::from_utf8(octets).unwrap_or_default().trim();
    if text.contains("PRIVATE KEY-----") {
        return Err("this is a private key, which is not shown".into());
    }
    if text.contains("-----BEGIN X509 CRL-----") {
        return Err("CRLs are not there yet".into());
    }
    if let Ok(chain) = CertificateChain::parse(octets) {
        return Ok(Some(certificates(&chain)));
    }
    if let Some(value) = identity_value(text) {
        return Ok(Some(identity(&value)));
    }
    if let Some(passport) = passport::decode(text.as_bytes()) {
        return Ok(Some(typed("passport", passport)));
    }
    Ok(Message::parse(Bytes::copy_from_slice(octets), &Limits::default()).ok().map(|message| sip(&message)))
}

/// The value of an Identity header field that stands alone, with its name or without.
fn identity_value(text: &str) -> Option<Identity<'_>> {
    let named =
        text.split_once(':').filter(|(name, _)| Name::parse(name.trim().as_bytes()) == Some(Name::Identity));
    let value = named.map_or(text, |(_, value)| value.trim());
    let one_line = !value.contains(['\r', '\n']);
    let identity = one_line.then(|| Identity::parse(value.as_bytes()).ok()).flatten()?;
    // A bare token has no parameters: it is a PASSporT, and shown as one.
    (named.is_some() || identity.info().is_some()).then_some(identity)
}

fn identity(identity: &Identity<'_>) -> Value {
    let mut object = Map::new();
    for (key, value) in [("info", identity.info()), ("alg", identity.alg()), ("ppt", identity.ppt())] {
        if let Some(value) = value {
            object.insert(key.into(), json!(value));
        }
    }
    let token = identity.token();
    let passport = passport::decode(token).map_or(json!(String::from_utf8_lossy(token)), Value::Object);
    object.insert("passport".into(), passport);
    typed("identity", object)
}

fn certificates(chain: &CertificateChain) -> Value {
    let decoded = chain.certificates().iter().map(|der| match Certificate::from_der(der) {
        Ok(certificate) => certificate_value(&certificate),
        Err(error) => json!({ "error": error.to_string() }),
    });
    json!({ "type": "certificate-chain", "certificates": decoded.collect::<Vec<_>>() })
}

fn certificate_value(certificate: &Certificate) -> Value {
    let serial: String = certificate.serial().iter().map(|octet| format!("{octet:02x}")).collect();
    let mut object = Map::new();
    object.insert("subject".into(), json!(certificate.subject()));
    object.insert("issuer".into(), json!(certificate.issuer()));
    object.insert("serial".into(), json!(serial));
    object.insert("not_before".into(), json!(time::display(certificate.not_before())));
    object.insert("not_after".into(), json!(time::display(certificate.not_after())));
    object.insert("key".into(), json!(if certificate.key().is_some() { "P-256" } else { "not P-256" }));
    object.insert("authority".into(), json!(certificate.is_authority()));
    match certificate.tn_auth_list() {
        None => {}
        Some(Ok(list)) => {
            object.insert("tn_auth_list".into(), list.entries().iter().map(tn_entry).collect());
        }
        Some(Err(error)) => {
            object.insert("tn_auth_list".into(), json!({ "error": error.to_string() }));
        }
    }
    object.into()
}

fn tn_entry(entry: &TnEntry) -> Value {
    match entry {
        TnEntry::Spc(code) => json!({ "spc": &**code }),
        TnEntry::Range { start, count } => json!({ "range": { "start": start.to_string(), "count": count } }),
        TnEntry::One(number) => json!({ "one": number.to_string() }),
        _ => json!({ "unknown": true }),
    }
}

fn sip(message: &Message) -> Value {
    let mut object = Map::new();
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
    let identities = message.headers().values(Name::Identity).map(|value| match Identity::parse(value) {
        Ok(parsed) => identity(&parsed),
        Err(error) => json!({ "type": "identity", "error": error.to_string() }),
    });
    let identities: Vec<_> = identities.collect();
    if !identities.is_empty() {
        object.insert("identities".into(), identities.into());
    }
    let body = message.body();
    if !body.is_empty() {
        object.insert("body".into(), json!({ "octets": body.len(), "text": String::from_utf8_lossy(body) }));
    }
    typed("message", object)
}

fn typed(name: &str, members: Map<String, Value>) -> Value {
    let mut object = Map::new();
    object.insert("type".into(), json!(name));
    object.extend(members);
    object.into()
}

/// The magic numbers of pcap, in both orders and both resolutions, and of pcapng.
const PCAP: [&[u8]; 5] =
    [b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a"];
const MAX_FILE: u64 = 1024 * 1024;
