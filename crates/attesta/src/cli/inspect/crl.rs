//! Decodes a revocation list without verifying its signature.

use attesta_stir::UnixTime;
use attesta_stir::cert::Crl;
use serde_json::{Map, Value, json};

use super::certificate::hex;
use super::finding::Findings;
use super::printer::typed;
use crate::time;

/// Decodes `octets` as a list in PEM or DER.
pub(super) fn read(octets: &[u8], text: &str, now: UnixTime) -> Option<Value> {
    match Crl::dangerous_read_unsigned(octets) {
        Ok(list) => Some(value(&list, now)),
        Err(error) if text.contains("-----BEGIN X509 CRL-----") => {
            Some(json!({ "type": "crl", "error": error.to_string() }))
        }
        Err(_) => None,
    }
}

fn value(list: &Crl, now: UnixTime) -> Value {
    let (mut object, mut findings) = (Map::new(), Findings::default());
    object.insert("issuer".into(), json!(list.issuer()));
    object.insert("indirect".into(), json!(list.is_indirect()));
    object.insert("this_update".into(), json!(time::display(list.this_update())));
    match list.next_update() {
        Some(due) => {
            object.insert("next_update".into(), json!(time::display(due)));
            if due < now {
                let text = "The list is past its nextUpdate. With crl_stale = hard no certificate verifies.";
                findings.error("revocation-unknown", text);
            }
        }
        None => findings.note("no-next-update", "The list has no nextUpdate."),
    }
    if list.this_update() > now {
        findings.error(
            "not-yet-valid",
            "The thisUpdate of the list is in the future. Verifiers ignore the list.",
        );
    }
    if !list.is_indirect() {
        findings.note("not-indirect", "The list applies only to certificates of its own issuer.");
    }
    findings
        .note("signature-not-checked", "The signature was not verified. Use `verify --crl --crl-anchors`.");
    object.insert("entries".into(), json!(list.len()));
    let entry = |(issuer, serial): (&str, &[u8])| json!({ "issuer": issuer, "serial": hex(serial) });
    let shown: Vec<_> = list.revoked().take(MAX_ENTRIES).map(entry).collect();
    if !shown.is_empty() {
        object.insert("revoked".into(), shown.into());
    }
    if list.len() > MAX_ENTRIES {
        findings.note("not-all-shown", format!("Only the first {MAX_ENTRIES} entries are shown."));
    }
    findings.put(&mut object);
    typed("crl", object)
}

/// The greatest number of entries in the output.
const MAX_ENTRIES: usize = 10_000;
