//! A revocation list. Who signed it is not asked.

use attesta_stir::UnixTime;
use attesta_stir::cert::Crl;
use serde_json::{Map, Value, json};

use super::certificate::hex;
use super::finding::Findings;
use super::printer::typed;
use crate::time;

/// `octets` as a list in PEM or DER.
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
                let text = "It is out of date: a hard policy believes nothing by it.";
                findings.error("revocation-unknown", text);
            }
        }
        None => findings.note("no-next-update", "It does not say when the next one is due."),
    }
    if list.this_update() > now {
        findings.error("not-yet-valid", "It is dated in the future: it is not gone by.");
    }
    if !list.is_indirect() {
        findings.note("not-indirect", "It speaks for the certificates of its own issuer alone.");
    }
    findings.note("signature-not-checked", "Who signed it was not asked: `verify --crl --crl-anchors` does.");
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

/// More than anybody reads.
const MAX_ENTRIES: usize = 10_000;
