//! Decodes an Identity header field or a PASSporT, and lists the faults that are visible without the call.

use attesta_sip::{Identity, Name};
use attesta_stir::{Check, Facts, IdentityField, Reason, UnixTime, VerifyPolicy, examine};
use serde_json::{Map, Value, json};

use super::finding::Findings;
use super::printer::typed;
use crate::cli::passport;
use crate::time;

/// Decodes an Identity header field outside a message. The name of the header field may be missing.
pub(super) fn read(text: &str, now: UnixTime) -> Option<Value> {
    let named =
        text.split_once(':').filter(|(name, _)| Name::parse(name.trim().as_bytes()) == Some(Name::Identity));
    let value = named.map_or(text, |(_, value)| value.trim());
    let one_line = !value.contains(['\r', '\n']);
    let identity = one_line.then(|| Identity::parse(value.as_bytes()).ok()).flatten();
    let Some(identity) = identity else {
        // The name says Identity, but the value is malformed.
        let broken = named.filter(|_| one_line)?;
        let mut object = Map::new();
        object.insert("value".into(), json!(broken.1.trim()));
        let mut findings = Findings::default();
        findings.reason(Reason::TokenMalformed);
        findings.put(&mut object);
        return Some(typed("identity", object));
    };
    // A token without parameters is decoded as a PASSporT.
    (named.is_some() || identity.info().is_some()).then(|| standalone(&identity, now))
}

/// Decodes a PASSporT without its header field.
pub(super) fn read_passport(text: &str, now: UnixTime) -> Option<Value> {
    let mut object = passport::decode(text.as_bytes())?;
    let url = object.get("header").and_then(|header| header.get("x5u")).and_then(Value::as_str);
    let url = url.map(str::to_owned);
    let field = IdentityField { token: text.as_bytes(), info: url.as_deref(), alg: None, ppt: None };
    let mut findings = Findings::default();
    let found = examine_alone(&field, now);
    // Without a header field there is no `info`, so the check uses `x5u` instead.
    let without_url = found.checks().reason(Check::Info) == Some(Reason::InfoMissing);
    let mut without = NEEDS_REQUEST.to_vec();
    without.extend(without_url.then_some(Check::Info));
    findings.checks(&found, &without);
    if without_url {
        findings.reason(Reason::X5uMissing);
    }
    add_notes(&object, &mut findings, now);
    findings.put(&mut object);
    Some(typed("passport", object))
}

/// Decodes a header field without its request.
pub(super) fn standalone(identity: &Identity<'_>, now: UnixTime) -> Value {
    let field = IdentityField {
        token: identity.token(),
        info: identity.info(),
        alg: identity.alg(),
        ppt: identity.ppt(),
    };
    let mut findings = Findings::default();
    findings.checks(&examine_alone(&field, now), &NEEDS_REQUEST);
    value(identity, findings, Some(now))
}

/// Decodes a header field with its findings. `now` is given only for a header field without its request. The age of the
/// token at that time is then a finding.
pub(super) fn value(identity: &Identity<'_>, mut findings: Findings, now: Option<UnixTime>) -> Value {
    let mut object = Map::new();
    for (key, value) in [("info", identity.info()), ("alg", identity.alg()), ("ppt", identity.ppt())] {
        if let Some(value) = value {
            object.insert(key.into(), json!(value));
        }
    }
    let token = identity.token();
    match passport::decode(token) {
        Some(decoded) => {
            match now {
                Some(now) => add_notes(&decoded, &mut findings, now),
                None => add_form_notes(&decoded, &mut findings),
            }
            object.insert("passport".into(), decoded.into());
        }
        None => {
            object.insert("passport".into(), json!(String::from_utf8_lossy(token)));
        }
    }
    findings.put(&mut object);
    typed("identity", object)
}

fn examine_alone(field: &IdentityField<'_>, now: UnixTime) -> attesta_stir::Finding {
    let fields = [*field];
    let facts = Facts::new(&fields);
    let found = examine(&facts, &VerifyPolicy::default(), now);
    found.into_iter().next().expect("one field, one finding")
}

/// Adds notes about the form and the age of a token. These faults make no check fail.
fn add_notes(decoded: &Map<String, Value>, findings: &mut Findings, now: UnixTime) {
    add_form_notes(decoded, findings);
    let iat = decoded.get("payload").and_then(|payload| payload.get("iat")).and_then(Value::as_u64);
    if let Some(iat) = iat {
        let issued = time::display(time::unix(iat));
        let age = i128::from(now.as_secs()) - i128::from(iat);
        let text = match age {
            0.. => format!(
                "The token was issued at {issued}, {age} s ago. Verifiers accept an age of up to 60 s."
            ),
            _ => format!("The iat is {issued}, {} s in the future. Verifiers accept up to 60 s.", -age),
        };
        if age.abs() > FRESHNESS {
            findings.note(if age > 0 { "iat-stale" } else { "iat-in-future" }, text);
        }
    }
}

fn add_form_notes(decoded: &Map<String, Value>, findings: &mut Findings) {
    if decoded.get("canonical") == Some(&json!(false)) {
        let text = "The JSON is not in the canonical form of RFC 8225 section 9. Verifiers that rebuild the token refuse it.";
        findings.note("not-canonical", text);
    }
    let payload = decoded.get("payload");
    let number = |claim: &str| payload?.get(claim)?.get("tn")?.as_str();
    let odd =
        |number: &str| !number.bytes().all(|octet| octet.is_ascii_digit() || matches!(octet, b'*' | b'#'));
    if ["orig", "div"].into_iter().filter_map(number).any(odd) {
        let text = "A number is not in the form of RFC 8224 section 8.3: only digits, * and #.";
        findings.note("number-not-canonical", text);
    }
}

/// The checks that need the request.
const NEEDS_REQUEST: [Check; 3] = [Check::Orig, Check::Dest, Check::Freshness];
const FRESHNESS: i128 = 60;
