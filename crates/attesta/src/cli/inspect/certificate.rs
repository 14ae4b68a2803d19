//! Decodes a certificate chain. Checks each certificate against the profile, and checks that the next certificate is its
//! issuer.

use attesta_stir::UnixTime;
use attesta_stir::cert::{Certificate, CertificateChain, ClaimConstraints, TnEntry, lint};
use serde_json::{Map, Value, json};

use super::finding::Findings;
use super::printer::typed;
use crate::time;

/// Decodes `octets` as PEM or DER certificates.
pub(super) fn read(octets: &[u8], text: &str, now: UnixTime) -> Option<Value> {
    match CertificateChain::parse(octets) {
        Ok(chain) => Some(value(&chain, now)),
        Err(error) if text.contains("-----BEGIN CERTIFICATE-----") => {
            Some(json!({ "type": "certificate-chain", "error": error.to_string() }))
        }
        Err(_) => None,
    }
}

fn value(chain: &CertificateChain, now: UnixTime) -> Value {
    let mut object = Map::new();
    let mut below: Option<Certificate> = None;
    let mut certificates = Vec::new();
    for der in chain.certificates() {
        match Certificate::from_der(der) {
            Ok(certificate) => {
                let mut findings = Findings::default();
                if below.as_ref().is_some_and(|below| below.issuer() != certificate.subject()) {
                    findings.note(
                        "not-the-issuer",
                        "This certificate is not the issuer of the certificate before it.",
                    );
                }
                certificates.push(certificate_value(&certificate, der, findings, now));
                below = Some(certificate);
            }
            Err(_) => {
                let mut findings = Findings::default();
                findings.error("certificate-unparsable", "The certificate is malformed.");
                let mut broken = Map::new();
                findings.put(&mut broken);
                certificates.push(broken.into());
                below = None;
            }
        }
    }
    object.insert("certificates".into(), certificates.into());
    typed("certificate-chain", object)
}

/// Returns the members that describe a certificate in any output.
pub(super) fn summary(certificate: &Certificate) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("subject".into(), json!(certificate.subject()));
    object.insert("issuer".into(), json!(certificate.issuer()));
    object.insert("serial".into(), json!(hex(certificate.serial())));
    object.insert("not_before".into(), json!(time::display(certificate.not_before())));
    object.insert("not_after".into(), json!(time::display(certificate.not_after())));
    object
}

fn certificate_value(certificate: &Certificate, der: &[u8], mut findings: Findings, now: UnixTime) -> Value {
    let mut object = summary(certificate);
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
    match certificate.claim_constraints() {
        Ok(None) => {}
        Ok(Some(constraints)) => {
            object.insert("claim_constraints".into(), constraints_value(constraints));
        }
        Err(_) => findings.error("constraints-malformed", "The claim constraints are malformed."),
    }
    for (at_fault, word, text) in validity(certificate, now) {
        if at_fault {
            findings.error(word, text);
        }
    }
    if !certificate.is_authority() && !certificate.may_sign() {
        findings.error("key-usage", "The key may not be used for signatures.");
    }
    lint(der).unwrap_or_default().into_iter().for_each(|lint| findings.lint(lint));
    findings.put(&mut object);
    object.into()
}

fn validity(certificate: &Certificate, now: UnixTime) -> [(bool, &'static str, String); 2] {
    let (begin, end) = (certificate.not_before(), certificate.not_after());
    [
        (now > end, "certificate-expired", format!("The certificate expired on {}.", time::display(end))),
        (
            now < begin,
            "certificate-not-yet-valid",
            format!("The certificate is not valid before {}.", time::display(begin)),
        ),
    ]
}

fn tn_entry(entry: &TnEntry) -> Value {
    match entry {
        TnEntry::Spc(code) => json!({ "spc": &**code }),
        TnEntry::Range { start, count } => json!({ "range": { "start": start.to_string(), "count": count } }),
        TnEntry::One(number) => json!({ "one": number.to_string() }),
        _ => json!({ "unknown": true }),
    }
}

fn constraints_value(constraints: &ClaimConstraints) -> Value {
    let mut object = Map::new();
    let include: Vec<_> = constraints.must_include().collect();
    let exclude: Vec<_> = constraints.must_exclude().collect();
    let permitted: Map<String, Value> = constraints
        .permitted_values()
        .map(|(name, values)| (name.to_owned(), json!(values.collect::<Vec<_>>())))
        .collect();
    if !include.is_empty() {
        object.insert("must_include".into(), json!(include));
    }
    if !permitted.is_empty() {
        object.insert("permitted_values".into(), permitted.into());
    }
    if !exclude.is_empty() {
        object.insert("must_exclude".into(), json!(exclude));
    }
    object.into()
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
