//! Tests of `attesta sign` and `attesta verify`.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Finished, attesta, attesta_reading, path, throw_away_pki};

const URL: &str = "https://cr.example.net/leaf.pem";
const CALLER: &str = "+12155551212";
const CALLEE: &str = "+12155551213";

/// A throw-away hierarchy in a folder. Tests verify at the current time, because a fixed time lies outside the validity of
/// certificates made today.
struct Hierarchy {
    folder: TempDir,
}

impl Hierarchy {
    fn new() -> Self {
        Self { folder: throw_away_pki(&[]) }
    }

    fn file(&self, name: &str) -> String {
        path(&self.folder.path().join(name)).to_owned()
    }

    fn sign(&self, more: &[&str]) -> String {
        let key = self.file("leaf.key.pem");
        let args = ["sign", "--key", &key, "--x5u", URL, "--orig", CALLER, "--dest", CALLEE];
        attesta(args.iter().chain(more)).expect(0).stdout.trim_end().to_owned()
    }

    /// Runs `attesta verify` on an INVITE with `identities`.
    fn verify(&self, identities: &[&str], more: &[&str]) -> Finished {
        let anchors = self.file("sti-roots.pem");
        let cert = format!("{URL}={}", self.file("leaf.chain.pem"));
        let args = ["verify", "--anchors", &anchors, "--cert", &cert, "-"];
        attesta_reading(args.iter().chain(more), invite(identities).as_bytes())
    }
}

fn invite(identities: &[&str]) -> String {
    let identities: String = identities.iter().map(|identity| format!("Identity: {identity}\r\n")).collect();
    format!(
        "INVITE sip:{CALLEE}@example.net;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{CALLER}@example.net;user=phone>;tag=1\r\n\
         To: <sip:{CALLEE}@example.net;user=phone>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:192.0.2.1>\r\n\
         {identities}Content-Length: 0\r\n\r\n"
    )
}

fn check<'a>(judgement: &'a Value, name: &str) -> &'a str {
    let checks = judgement["identities"][0]["checks"].as_array().unwrap();
    checks.iter().find(|check| check["check"] == name).unwrap()["result"].as_str().unwrap()
}

#[test]
fn a_signed_call_verifies() {
    let hierarchy = Hierarchy::new();
    let origid = "1b7aa0d8-6d2b-4e0f-9a5a-2f4f6b1a0c11";
    let identity = hierarchy.sign(&["--origid", origid, "--attest", "B"]);
    assert!(identity.ends_with(&format!(";info=<{URL}>;alg=ES256;ppt=shaken")), "{identity}");
    let judgement = hierarchy.verify(&[&identity], &[]).expect(0).json();
    assert_eq!(judgement["verdict"], "pass");
    assert_eq!((&judgement["attest"], &judgement["origid"]), (&"B".into(), &origid.into()));
    assert_eq!(judgement["verstat"], "TN-Validation-Passed");
    assert!(judgement.get("code").is_none() && judgement.get("reason").is_none());
    assert_eq!(check(&judgement, "signature"), "pass");
}

#[test]
fn a_changed_octet_fails() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.sign(&[]);
    let (token, parameters) = identity.split_once(';').unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{first}{};{parameters}", &signature[1..]);
    let judgement = hierarchy.verify(&[&forged], &[]).expect(1).json();
    assert_eq!(
        (&judgement["verdict"], &judgement["verstat"]),
        (&"fail".into(), &"TN-Validation-Failed".into())
    );
    assert_eq!((&judgement["code"], &judgement["reason"]), (&438.into(), &"signature-invalid".into()));
    assert_eq!((check(&judgement, "path"), check(&judgement, "signature")), ("pass", "fail"));
}

#[test]
fn nothing_to_judge_is_status_3() {
    let hierarchy = Hierarchy::new();
    let judgement = hierarchy.verify(&[], &[]).expect(3).json();
    assert_eq!((&judgement["verdict"], &judgement["reason"]), (&"none".into(), &"no-identity".into()));
    assert_eq!((&judgement["verstat"], &judgement["code"]), (&"No-TN-Validation".into(), &428.into()));
    assert_eq!(judgement["identities"].as_array().unwrap().len(), 0);
}

#[test]
fn a_missing_certificate_is_unavailable() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.sign(&[]);
    let anchors = hierarchy.file("sti-roots.pem");
    let args = ["verify", "--anchors", &anchors, "-"];
    let judgement = attesta_reading(args, invite(&[&identity]).as_bytes()).expect(3).json();
    assert_eq!((&judgement["code"], &judgement["reason"]), (&436.into(), &"certificate-unavailable".into()));
}

#[test]
fn at_sets_the_time_of_verification() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.sign(&["--at", "2026-01-01T00:00:00Z"]);
    let judgement = hierarchy.verify(&[&identity], &[]).expect(1).json();
    assert_eq!((&judgement["code"], &judgement["reason"]), (&403.into(), &"iat-stale".into()));
    let judgement = hierarchy.verify(&[&identity], &["--at", "1767225630"]).expect(1).json();
    assert_eq!(judgement["reason"], "certificate-not-yet-valid", "half a minute after the signature");
}

#[test]
fn an_unknown_root_is_not_trusted() {
    let (hierarchy, other) = (Hierarchy::new(), Hierarchy::new());
    let identity = hierarchy.sign(&[]);
    let cert = format!("{URL}={}", hierarchy.file("leaf.chain.pem"));
    let args = ["verify", "--anchors", &other.file("sti-roots.pem"), "--cert", &cert, "-"];
    let judgement = attesta_reading(args, invite(&[&identity]).as_bytes()).expect(1).json();
    assert_eq!((&judgement["code"], &judgement["reason"]), (&437.into(), &"untrusted-issuer".into()));
}

#[test]
fn one_identity_that_passes_is_enough() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.sign(&[]);
    let other = identity.replace("ppt=shaken", "ppt=unheard-of");
    let judgement = hierarchy.verify(&[&other, &identity], &[]).expect(0).json();
    let results: Vec<_> = judgement["identities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|identity| identity["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["ignored", "pass"]);
}

#[test]
fn the_configuration_says_how_strict_to_be() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.sign(&["--at", "2026-01-01T00:00:00Z"]);
    let file = hierarchy.folder.path().join("edge.toml");
    fs::write(&file, "[verify]\nanchors = \"sti-roots.pem\"\nverstat_profile = \"atis-1000082\"\n").unwrap();
    let args = ["verify", "--config", path(&file), "-"];
    let judgement = attesta_reading(args, invite(&[&identity]).as_bytes()).expect(1).json();
    assert_eq!(
        (&judgement["reason"], &judgement["verstat"]),
        (&"iat-stale".into(), &"No-TN-Validation".into())
    );
}

#[test]
fn a_revoked_leaf_fails_with_either_anchor_of_the_list() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.sign(&[]);
    for anchors in ["crl-signer.pem", "sti-pa-root.pem"] {
        let anchors = hierarchy.file(anchors);
        let (empty, full) = (hierarchy.file("crl.pem"), hierarchy.file("crl-revoking-leaf.pem"));
        let judgement =
            hierarchy.verify(&[&identity], &["--crl", &empty, "--crl-anchors", &anchors]).expect(0).json();
        assert_eq!(check(&judgement, "revocation"), "pass");
        let lists = ["--crl", &empty, "--crl", &full, "--crl-anchors", &anchors];
        let judgement = hierarchy.verify(&[&identity], &lists).expect(1).json();
        assert_eq!((&judgement["code"], &judgement["reason"]), (&437.into(), &"certificate-revoked".into()));
        let failed = judgement["identities"][0]["checks"].as_array().unwrap().iter();
        let failed: Vec<_> = failed.filter(|check| check["result"] == "fail").collect();
        assert_eq!(
            failed,
            [&serde_json::json!({"check": "revocation", "result": "fail", "reason": "certificate-revoked"})]
        );
    }
}

#[test]
fn a_list_that_cannot_be_used_is_status_2_and_says_why() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.sign(&[]);
    let (list, signer, leaf) =
        (hierarchy.file("crl.pem"), hierarchy.file("crl-signer.pem"), hierarchy.file("leaf.chain.pem"));
    for (args, complaint) in [
        (
            &["--crl", &list][..],
            "crl.pem: the signer of the revocation list has no path to a trust anchor, or may not sign lists",
        ),
        (&["--crl", &list, "--crl-anchors", &leaf], "give the signer or its root with --crl-anchors"),
        (
            &["--crl", &signer, "--crl-anchors", &signer],
            "crl-signer.pem: the revocation list is neither PEM nor DER",
        ),
        (&["--crl", "/nonexistent", "--crl-anchors", &signer], "/nonexistent: cannot be read"),
        (&["--crl", &list, "--crl-anchors", &signer, "--at", "2001-01-01T00:00:00Z"], "dated in the future"),
    ] {
        let refused = hierarchy.verify(&[&identity], args).expect(2);
        assert!(refused.stdout.is_empty() && refused.stderr.contains(complaint), "{}", refused.stderr);
    }
}

#[test]
fn lists_may_come_from_the_configuration() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.sign(&[]);
    let file = hierarchy.folder.path().join("edge.toml");
    let verify = |list: &str, more: &[&str]| {
        let text = format!(
            "[verify]\nanchors = \"sti-roots.pem\"\ncrl = \"{list}\"\ncrl_anchors = \"sti-pa-root.pem\"\ncrl_stale = \"hard\"\n"
        );
        fs::write(&file, text).unwrap();
        let cert = format!("{URL}={}", hierarchy.file("leaf.chain.pem"));
        let args = ["verify", "--config", path(&file), "--cert", &cert, "-"];
        attesta_reading(args.iter().chain(more), invite(&[&identity]).as_bytes())
    };
    verify("crl.pem", &[]).expect(0);
    assert_eq!(verify("crl-revoking-leaf.pem", &[]).expect(1).json()["reason"], "certificate-revoked");
    let other = hierarchy.file("crl.pem");
    verify("crl-revoking-leaf.pem", &["--crl", &other]).expect(0);
    assert!(
        verify("sti-roots.pem", &[])
            .expect(2)
            .stderr
            .contains("sti-roots.pem: the revocation list is neither")
    );
}

#[test]
fn a_delegate_vouches_only_for_its_numbers() {
    let hierarchy = Hierarchy::new();
    let (key, anchors) = (hierarchy.file("delegate.key.pem"), hierarchy.file("sti-roots.pem"));
    let cert = format!("{URL}={}", hierarchy.file("delegate.chain.pem"));
    for (ppt, orig, status, reason) in [
        ("base", CALLER, 0, Value::Null),
        ("base", "+18005551212", 1, "number-not-covered".into()),
        ("shaken", CALLER, 1, "provider-missing".into()),
    ] {
        let args = ["sign", "--key", &key, "--x5u", URL, "--ppt", ppt, "--orig", orig, "--dest", CALLEE];
        let identity = attesta(args).expect(0).stdout;
        let message = invite(&[identity.trim_end()]).replace(CALLER, orig);
        let args = ["verify", "--anchors", &anchors, "--cert", &cert, "-"];
        let judgement = attesta_reading(args, message.as_bytes()).expect(status).json();
        assert_eq!((&judgement["reason"], judgement.get("attest")), (&reason, None), "{ppt} {orig}");
    }
}

#[test]
fn numbers_are_signed_in_their_canonical_form() {
    let hierarchy = Hierarchy::new();
    let key = hierarchy.file("leaf.key.pem");
    for (orig, dest) in [
        ("+1 (215) 555-1212", "1.215.555.1213"),
        ("tel:+1-215-555-1212", "sip:+12155551213@example.net;user=phone"),
        ("sip:+12155551212;npdi;rn=+12155550000@example.net;user=phone", "tel:+12155551213"),
    ] {
        let args = ["sign", "--key", &key, "--x5u", URL, "--orig", orig, "--dest", dest, "--json"];
        let signed = attesta(args).expect(0).json();
        hierarchy.verify(&[signed["identity"].as_str().unwrap()], &[]).expect(0);
    }
    let args = ["sign", "--key", &key, "--x5u", URL, "--orig", CALLER, "--dest", "urn:service:sos"];
    let emergency =
        attesta_reading(["inspect", "-"], attesta(args).expect(0).stdout.as_bytes()).expect(0).json();
    assert_eq!(emergency["passport"]["payload"]["dest"]["uri"][0], "urn:service:sos");
    for (option, wrong, complaint) in [
        ("--orig", "", "write +12155551212"),
        ("--orig", "mailto:a@b", "write +12155551212"),
        ("--dest", "+1215x", "write +12155551212"),
        ("--attest", "D", "possible values"),
        ("--origid", "7", "--origid"),
        ("--at", "yesterday", "write 2026-11-22T12:00:00Z"),
    ] {
        let mut args = vec!["sign", "--key", &key, "--x5u", URL];
        for (name, value) in [("--orig", CALLER), ("--dest", CALLEE)] {
            args.extend((name != option).then_some([name, value]).into_iter().flatten());
        }
        args.extend([option, wrong]);
        let refused = attesta(args).expect(2);
        assert!(refused.stdout.is_empty() && refused.stderr.contains(complaint), "{}", refused.stderr);
    }
}

#[test]
fn only_a_hard_policy_refuses_an_expired_list() {
    let hierarchy = Hierarchy::new();
    let late = "2049-12-31T00:00:00Z";
    let identity = hierarchy.sign(&["--at", late]);
    let (list, signer) = (hierarchy.file("crl.pem"), hierarchy.file("crl-signer.pem"));
    let lists = ["--crl", &list, "--crl-anchors", &signer, "--at", late];
    // The certificates expire at the same time as the list, but the list is checked first.
    let warned = hierarchy.verify(&[&identity], &lists).expect(1);
    assert!(warned.stderr.contains("the revocation list is past its nextUpdate, 20"), "{}", warned.stderr);
    assert_eq!(check(&warned.json(), "revocation"), "pass");
    let refused =
        hierarchy.verify(&[&identity], &[&lists[..], &["--crl-stale", "hard"]].concat()).expect(1).json();
    assert_eq!(check(&refused, "revocation"), "fail");
    let none = hierarchy.verify(&[&hierarchy.sign(&[])], &["--crl-stale", "hard"]).expect(1).json();
    assert_eq!(none["reason"], "revocation-unknown", "under a hard policy without a list nothing verifies");
}

#[test]
fn each_message_is_verified_and_a_replay_is_flagged() {
    let hierarchy = Hierarchy::new();
    let (identity, other) = (hierarchy.sign(&[]), hierarchy.sign(&["--attest", "C"]));
    let write = |name: &str, call: &str, identity: &str| {
        let path = hierarchy.folder.path().join(name);
        fs::write(&path, invite(&[identity]).replace("Call-ID: 1", &format!("Call-ID: {call}"))).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let first = write("first.sip", "a", &identity);
    let again = write("again.sip", "a", &identity);
    let replay = write("replay.sip", "b", &identity);
    let fresh = write("fresh.sip", "c", &other);
    let stream = hierarchy.folder.path().join("calls.stream");
    fs::write(&stream, invite(&[&identity]) + &invite(&[&other])).unwrap();
    let anchors = hierarchy.file("sti-roots.pem");
    let cert = format!("{URL}={}", hierarchy.file("leaf.chain.pem"));
    let args =
        ["verify", "--anchors", &anchors, "--cert", &cert, &first, &again, &replay, &fresh, path(&stream)];
    let lines = attesta(args).expect(0).json_lines();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["index"].as_u64(),
                line["attest"].as_str().unwrap(),
                line["identities"][0]["replayed"] == true,
            )
        })
        .collect();
    let expected = [
        (None, "A", false),
        (None, "A", false),
        (None, "A", true),
        (None, "C", false),
        (Some(0), "A", true),
        (Some(1), "C", true),
    ];
    assert_eq!(seen, expected, "a replay is flagged and its verdict does not change");
    assert_eq!(lines[2]["file"], replay.as_str());
    fs::write(&replay, invite(&[])).unwrap();
    attesta(args).expect(0);
    fs::write(&replay, invite(&[&identity.replace("ppt=shaken", "ppt=div")])).unwrap();
    attesta(args).expect(1);
}

#[test]
fn anything_but_a_request_is_status_2() {
    let hierarchy = Hierarchy::new();
    let anchors = hierarchy.file("sti-roots.pem");
    for input in ["garbage", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\n\r\n"] {
        attesta_reading(["verify", "--anchors", &anchors, "-"], input.as_bytes()).expect(2);
    }
    let key = hierarchy.file("leaf.key.pem");
    attesta_reading(["verify", "--anchors", &key, "-"], invite(&[]).as_bytes()).expect(2);
    attesta(["sign", "--key", &anchors, "--x5u", URL, "--orig", CALLER, "--dest", CALLEE]).expect(2);
    attesta(["sign", "--key", &key, "--x5u", "http://a/b", "--orig", CALLER, "--dest", CALLEE]).expect(2);
    attesta(["sign", "--key", &key, "--x5u", URL, "--orig", "alice", "--dest", CALLEE]).expect(2);
}
