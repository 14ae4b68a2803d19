//! Certificates that are, or were, in use.

use attesta_stir::cert::{Certificate, Credential, TnAuthListError, TnEntry, TrustAnchors};
use attesta_stir::{DEFAULT_PORTS, Signer, SigningKey, UnixTime, Verdict, X5u, cert};
use rustls_pki_types::CertificateDer;
use serde_json::Value;

use crate::shared::{base64, json_lines, path, str, text};
use crate::support::{URL, field, now, signed, snapshot, verify};
use crate::vectors::entry;

#[test]
fn real_certificates_have_the_tn_auth_lists_of_the_manifest() {
    let Some(manifest) = json_lines("testdata/stir/real_certs/certs.jsonl") else { return };
    let mut malformed = 0;
    for item in &manifest {
        let certificate = Certificate::from_der(&base64(str(item, "der_b64"))).unwrap();
        let entries =
            item.get("tn_auth_list").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let hash = str(item, "sha256");
        match certificate.tn_auth_list() {
            None => assert!(entries.is_empty(), "{hash}"),
            Some(Ok(list)) => {
                let read: Vec<_> = list.entries().iter().map(TnEntry::to_string).collect();
                assert_eq!(read, entries.iter().map(entry).collect::<Vec<_>>(), "{hash}");
            }
            Some(Err(error)) => {
                assert_eq!(error, TnAuthListError::Malformed, "{hash}");
                assert!(entries.iter().all(|entry| entry.get("tag").is_some()), "{hash}");
                let findings = cert::lint(&base64(str(item, "der_b64"))).unwrap();
                assert!(findings.contains(&cert::Lint::TnAuthListMalformed), "{hash}");
                malformed += 1;
            }
        }
        assert_eq!(
            certificate.is_authority(),
            item.get("is_ca").and_then(Value::as_bool).unwrap_or_default(),
            "{hash}"
        );
        assert_eq!(certificate.key().is_some(), str(item, "key") == "secp256r1", "{hash}");
    }
    assert_eq!((manifest.len(), malformed), (529, 2));
}

/// Every leaf whose chain is in the set has a path to the last certificate of the chain. Critical policies make no difference.
/// One root signs with P-521, which ring does not support. In this chain, the certificate below the root must be the anchor.
#[test]
fn real_chains_lead_to_their_roots() {
    let Some(manifest) = json_lines("testdata/stir/real_certs/certs.jsonl") else { return };
    let find = |hash: &Value| manifest.iter().find(|item| item.get("sha256") == Some(hash));
    let mut walked = 0;
    for item in manifest.iter().filter(|item| item.get("is_ca") == Some(&Value::Bool(false))) {
        let above: Option<Vec<&Value>> = item
            .get("chain_sha256")
            .and_then(Value::as_array)
            .and_then(|chain| chain.iter().map(find).collect());
        let mut above = above.unwrap_or_default();
        if item.get("chain_top_self_signed") != Some(&Value::Bool(true)) || above.is_empty() {
            continue;
        }
        above.pop_if(|root| str(root, "key") == "secp521r1");
        let der: Vec<Vec<u8>> = above.iter().map(|item| base64(str(item, "der_b64"))).collect();
        let anchors =
            TrustAnchors::from_certificates(&[CertificateDer::from(der.last().unwrap().clone())]).unwrap();
        let bundle = [&[base64(str(item, "der_b64"))][..], &der].concat().concat();
        let mut credential = Credential::parse(&bundle).unwrap();
        let at = credential.certificates().iter().map(|certificate| certificate.not_before()).max().unwrap();
        credential.validate(&anchors, at);
        assert_eq!(credential.path_error(&anchors), None, "{}", str(item, "sha256"));
        walked += 1;
    }
    assert_eq!(walked, 465);
}

#[test]
fn a_real_bundle_is_a_chain() {
    let Some(bundle) = text("testdata/stir/x5u_bundle/granite-8052-x5u.pem") else { return };
    let credential = Credential::parse(bundle.as_bytes()).unwrap();
    let leaf = credential.leaf().unwrap();
    assert_eq!(leaf.tn_auth_list().unwrap().unwrap().to_string(), "SPC 8052");
    assert_eq!(credential.certificates().len(), 2);
    let crlf = format!("Served by a careless host\r\n\r\n{}\r\n\r\n ", bundle.replace('\n', "\r\n"));
    assert_eq!(cert::CertificateChain::parse(crlf.as_bytes()).unwrap(), *credential.chain());
    assert!(leaf.not_before() < UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_790_000_000)));
}

/// A testbed uses this chain: a P-256 leaf directly below an RSA root, without a key usage.
#[test]
fn a_leaf_signed_by_an_rsa_root_is_trusted() {
    let read = |name: &str| text(&format!("testdata/stir/asterisk_testsuite/keys/{name}"));
    let (Some(leaf), Some(key)) = (read("SPAST1/SPAST1-cert.pem"), read("SPAST1/SPAST1-key.pem")) else {
        return;
    };
    let Some(anchors) = read("astdev-ca.crt") else { return };
    let anchors = TrustAnchors::from_pem(anchors.as_bytes()).unwrap();
    let key = SigningKey::from_pem(key.as_bytes()).unwrap();
    let chain = cert::CertificateChain::parse(leaf.as_bytes()).unwrap();
    let url = X5u::parse(URL, DEFAULT_PORTS).unwrap();
    let signer = Signer::new(key, &chain, url, now()).unwrap();
    let value = signed(&signer);
    let verification = verify(&anchors, &[field(&value)], &snapshot(&anchors, &[(URL, &leaf)]));
    assert_eq!(verification.verdict(), Verdict::Pass, "{:?}", verification.reason());
}

#[test]
fn every_profile_certificate_is_read() {
    let Some(folder) = path("vectors/zlint-shaken-certs") else { return };
    let mut read = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let chain = cert::CertificateChain::parse(&std::fs::read(&file).unwrap()).unwrap();
        assert!(Certificate::from_der(chain.leaf()).is_ok(), "{}", file.display());
        read += 1;
    }
    assert_eq!(read, 75);
}

/// The expected findings for each test certificate of the profile.
fn profile_findings() -> Option<std::collections::BTreeMap<String, Vec<&'static str>>> {
    let folder = path("vectors/zlint-shaken-certs")?;
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let found = files.map(|file| {
        let chain = cert::CertificateChain::parse(&std::fs::read(&file).unwrap()).unwrap();
        let words = cert::lint(chain.leaf()).unwrap().into_iter().map(cert::Lint::as_str).collect();
        (file.file_name().unwrap().to_str().unwrap().to_owned(), words)
    });
    Some(found.collect())
}

/// Each certificate that is named after a fault has the finding in the table.
#[test]
fn each_profile_fault_is_found() {
    let Some(found) = profile_findings() else { return };
    let table = include_str!("profile_findings.txt");
    let rows: Vec<_> = table.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rows.len(), 75);
    for row in rows {
        let [file, finding, reason] = row.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
        let words = found.get(file).unwrap();
        assert!(!reason.is_empty());
        assert!(finding == "-" || words.contains(&finding), "{file}: {finding} is not among {words:?}");
    }
}

/// The lint has a finding for most certificates in use, and an error for only a few.
#[test]
fn real_certificates_break_the_profile_but_are_usable() {
    let Some(manifest) = json_lines("testdata/stir/real_certs/certs.jsonl") else { return };
    let (mut errors, mut clean) = (0, 0);
    for item in &manifest {
        let lints = cert::lint(&base64(str(item, "der_b64"))).unwrap();
        errors += usize::from(lints.iter().any(|lint| lint.grade() == cert::Grade::Error));
        clean += usize::from(lints.iter().all(|lint| lint.grade() == cert::Grade::Note));
    }
    eprintln!("{errors} with errors, {clean} with notes at most, of {}", manifest.len());
    assert!(errors < 30, "{errors}");
}
