//! Decodes the STI-PA's list of authorities (ATIS-1000084) without verifying its signature.

use attesta_stir::UnixTime;
use attesta_stir::cert::{Certificate, CertificateChain};
use serde_json::{Map, Value, json};

use super::certificate::summary;
use super::finding::Findings;
use super::printer::typed;
use crate::cli::passport;
use crate::time;

/// Decodes a JWS whose payload has a `trustList`.
pub(super) fn read(text: &str, now: UnixTime) -> Option<Value> {
    let decoded = passport::decode(text.as_bytes())?;
    let payload = decoded.get("payload")?;
    let authorities = payload.get("trustList")?;
    let (mut object, mut findings) = (Map::new(), Findings::default());
    object.insert("header".into(), decoded.get("header").cloned().unwrap_or_default());
    for name in ["version", "sequence"] {
        object.insert(name.into(), payload.get(name).cloned().unwrap_or_default());
    }
    match payload.get("exp").and_then(Value::as_u64) {
        Some(expires) => {
            object.insert("expires".into(), json!(time::display(time::unix(expires))));
            if expires < now.as_secs() {
                findings.error("expired", "The list has expired. Verifiers keep the last good list.");
            }
        }
        None => findings.error("malformed", "`exp` is not a whole number."),
    }
    if payload.get("sequence").and_then(Value::as_u64).is_none() {
        findings.error("malformed", "`sequence` is not a whole number.");
    }
    if decoded.get("header").and_then(|header| header.get("alg")).and_then(Value::as_str) != Some("ES256") {
        findings.error("unsupported-algorithm", "The list is not signed with ES256.");
    }
    match authorities.as_array() {
        Some(pems) if !pems.is_empty() => {
            object.insert("authorities".into(), pems.iter().flat_map(authority).collect());
        }
        Some(_) | None => findings.error("bad-anchor", "The list contains no certification authority."),
    }
    findings.note("signature-not-checked", "The signature was not verified.");
    findings.put(&mut object);
    Some(typed("trust-list", object))
}

fn authority(pem: &Value) -> Vec<Value> {
    let broken = || vec![json!({ "error": "this is not a certificate, so verifiers refuse the whole list" })];
    let Some(chain) = pem.as_str().and_then(|pem| CertificateChain::parse(pem.as_bytes()).ok()) else {
        return broken();
    };
    let certificates = chain.certificates().iter();
    let read: Option<Vec<_>> = certificates.map(|der| Certificate::from_der(der).ok()).collect();
    read.map_or_else(broken, |read| read.iter().map(|certificate| summary(certificate).into()).collect())
}
