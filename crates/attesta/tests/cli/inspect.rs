//! Tests of `attesta inspect`.

use std::fs;

use serde_json::Value;

use crate::support::{attesta, attesta_reading, path, shared, throw_away_pki};

#[test]
fn a_certificate_chain_is_decoded() {
    let pki = throw_away_pki(&["--spc", "818H"]);
    let json = attesta(["inspect", path(&pki.path().join("leaf.chain.pem"))]).expect(0).json();
    assert_eq!(json["type"], "certificate-chain");
    let [leaf, intermediate] = json["certificates"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert!(leaf["subject"].as_str().unwrap().contains("CN=SHAKEN 818H"));
    assert_eq!(leaf["issuer"], intermediate["subject"]);
    assert_eq!(leaf["tn_auth_list"][0]["spc"], "818H");
    assert_eq!((&leaf["authority"], &intermediate["authority"]), (&false.into(), &true.into()));
}

#[test]
fn a_range_of_numbers_is_decoded() {
    let pki = throw_away_pki(&["--tn", "+1215555....", "--tn", "+18005551212"]);
    let json = attesta(["inspect", path(&pki.path().join("leaf.chain.pem"))]).expect(0).json();
    let list = &json["certificates"][0]["tn_auth_list"];
    assert_eq!(
        (&list[0]["range"]["start"], &list[0]["range"]["count"]),
        (&"12155550000".into(), &10_000.into())
    );
    assert_eq!(list[1]["one"], "18005551212");
}

#[test]
fn an_identity_and_its_passport_are_decoded() {
    let pki = throw_away_pki(&[]);
    let key = pki.path().join("leaf.key.pem");
    let url = "https://cr.example.net/leaf.pem";
    let args = ["sign", "--key", path(&key), "--x5u", url, "--orig", "+12155551212", "--dest", "12155551213"];
    let identity = attesta(args.iter().chain(&["--at", "1795262400"])).expect(0).stdout;
    for named in [identity.clone(), format!("Identity: {identity}"), format!("y:{identity}")] {
        let json = attesta_reading(["inspect", "-"], named.as_bytes()).expect(0).json();
        assert_eq!((&json["type"], &json["info"]), (&"identity".into(), &url.into()));
        let payload = serde_json::to_string(&json["passport"]["payload"]).unwrap();
        assert!(
            payload.starts_with(r#"{"attest":"A","dest":{"tn":["12155551213"]},"iat":1795262400,"#),
            "{payload}"
        );
    }
    let token = identity.split(';').next().unwrap();
    let json = attesta_reading(["inspect", "-"], token.as_bytes()).expect(0).json();
    assert_eq!((&json["type"], &json["header"]["x5u"]), (&"passport".into(), &url.into()));
}

#[test]
fn a_message_is_decoded() {
    let message = "OPTIONS sip:example.com SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        From: <sip:a@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: 1\r\nCSeq: 7 OPTIONS\r\nX-Own: 1\r\n\r\n";
    let json = attesta_reading(["inspect", "-"], message.as_bytes()).expect(0).json();
    assert_eq!((&json["type"], &json["method"]), (&"message".into(), &"OPTIONS".into()));
    assert_eq!(json["headers"][0]["name"], "Via", "by its full name");
    assert_eq!((&json["headers"][5]["name"], &json["headers"][5]["value"]), (&"X-Own".into(), &"1".into()));
}

#[test]
fn nothing_to_decode_is_status_3() {
    assert!(attesta_reading(["inspect", "-"], b"garbage").expect(3).stdout.is_empty());
}

#[test]
fn keys_are_not_shown() {
    let pki = throw_away_pki(&[]);
    let key = attesta(["inspect", path(&pki.path().join("leaf.key.pem"))]).expect(2);
    assert!(key.stdout.is_empty() && key.stderr.contains("private key, which is not shown"));
}

/// Returns the words of the findings about `value`, each after its grade.
fn findings(value: &Value) -> Vec<String> {
    let found = value["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let word = |finding: &Value| {
        assert!(!finding["text"].as_str().unwrap().is_empty(), "{finding}");
        format!("{} {}", finding["grade"].as_str().unwrap(), finding["finding"].as_str().unwrap())
    };
    found.iter().map(word).collect()
}

#[test]
fn certificates_are_checked_against_the_profile() {
    let pki = throw_away_pki(&[]);
    let json = attesta(["inspect", path(&pki.path().join("leaf.chain.pem"))]).expect(0).json();
    for certificate in json["certificates"].as_array().unwrap() {
        assert!(findings(certificate).iter().all(|finding| finding.starts_with("note ")), "{certificate}");
    }
    let json = attesta(["inspect", path(&pki.path().join("delegate.chain.pem"))]).expect(0).json();
    assert!(
        findings(&json["certificates"][0]).contains(&"warning tn-auth-list-not-one-code".to_owned()),
        "{json}"
    );
    assert!(
        findings(&json["certificates"][1]).contains(&"note tn-auth-list-in-authority".to_owned()),
        "{json}"
    );
    let both =
        ["crl-signer.pem", "leaf.chain.pem"].map(|name| fs::read_to_string(pki.path().join(name)).unwrap());
    let json = attesta_reading(["inspect", "-"], both.concat().as_bytes()).expect(0).json();
    assert!(findings(&json["certificates"][0]).contains(&"error tn-auth-list-missing".to_owned()), "{json}");
    assert!(findings(&json["certificates"][0]).contains(&"error key-usage".to_owned()), "{json}");
    assert!(findings(&json["certificates"][1]).contains(&"note not-the-issuer".to_owned()), "{json}");
    let cut = both[1].get(..300).unwrap().to_owned() + "\n-----END CERTIFICATE-----\n";
    let json = attesta_reading(["inspect", "-"], cut.as_bytes()).expect(0).json();
    assert_eq!(findings(&json["certificates"][0]), ["error certificate-unparsable"]);
    let junk = b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n";
    let json = attesta_reading(["inspect", "-"], junk).expect(0).json();
    assert!(json["error"].as_str().unwrap().contains("neither well-formed PEM nor DER"));
}

#[test]
fn der_is_read_like_pem() {
    let pki = throw_away_pki(&[]);
    for name in ["leaf.chain.pem", "crl.pem"] {
        let pem = fs::read(pki.path().join(name)).unwrap();
        let first = pem::parse_many(&pem).unwrap().into_iter().next().unwrap();
        let (of_pem, of_der) =
            (attesta_reading(["inspect", "-"], &pem), attesta_reading(["inspect", "-"], first.contents()));
        let (of_pem, of_der) = (of_pem.expect(0).json(), of_der.expect(0).json());
        assert_eq!((&of_pem["type"], &of_pem["issuer"]), (&of_der["type"], &of_der["issuer"]));
        assert_eq!(of_pem["certificates"][0], of_der["certificates"][0]);
    }
}

#[test]
fn certificates_from_the_field_are_decoded() {
    let Some(folder) = shared("vectors/zlint-shaken-certs") else { return };
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "pem"));
    files.sort();
    assert!(files.len() >= 60, "{} files", files.len());
    let with_findings = files.iter().filter(|file| {
        let json = attesta(["inspect", path(file)]).expect(0).json();
        json["certificates"].as_array().unwrap().iter().any(|certificate| !findings(certificate).is_empty())
    });
    assert!(with_findings.count() >= files.len() / 2);
}

#[test]
fn a_revocation_list_and_a_trust_list_are_decoded() {
    let pki = throw_away_pki(&[]);
    let list = attesta(["inspect", path(&pki.path().join("crl-revoking-leaf.pem"))]).expect(0).json();
    assert_eq!(
        (&list["type"], &list["indirect"], &list["entries"]),
        (&"crl".into(), &true.into(), &1.into())
    );
    assert_eq!(findings(&list), ["note signature-not-checked"]);
    let chain = attesta(["inspect", path(&pki.path().join("leaf.chain.pem"))]).expect(0).json();
    assert_eq!(list["revoked"][0]["serial"], chain["certificates"][0]["serial"]);
    let broken = b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n";
    let broken = attesta_reading(["inspect", "-"], broken).expect(0).json();
    assert!(broken["error"].as_str().unwrap().contains("neither PEM nor DER"));

    let list = attesta(["inspect", path(&pki.path().join("trust-list.jws"))]).expect(0).json();
    assert_eq!((&list["type"], &list["sequence"]), (&"trust-list".into(), &1.into()));
    assert_eq!(list["authorities"][0]["subject"], chain["certificates"][1]["issuer"]);
    let payload = r#"{"version":1,"sequence":"2","exp":1,"trustList":["junk"]}"#;
    let list = format!("{}.{}.AAAA", encode(r#"{"alg":"none"}"#), encode(payload));
    let list = attesta_reading(["inspect", "-"], list.as_bytes()).expect(0).json();
    let expected =
        ["error expired", "error malformed", "error unsupported-algorithm", "note signature-not-checked"];
    assert_eq!(findings(&list), expected);
    assert!(list["authorities"][0]["error"].is_string());
}

fn encode(text: &str) -> String {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn all_faults_of_a_token_are_listed() {
    let header = r#"{"typ":"passport","alg":"HS256","ppt":"shaken","x5u":"http://a/b"}"#;
    let payload = r#"{"attest":"D","dest":{"tn":"1"},"iat":"1443208345","orig":{"tn":"+1 215"}}"#;
    let token = format!("{}.{}.{}", encode(header), encode(payload), encode(&"s".repeat(64)));
    let field = format!("Identity: {token};info=<http://a/b>;alg=ES256;ppt=div");
    let json = attesta_reading(["inspect", "-"], field.as_bytes()).expect(0).json();
    let expected = [
        "error alg-unsupported",
        "error info-not-https",
        "error dest-invalid",
        "note not-canonical",
        "note number-not-canonical",
    ];
    assert_eq!(findings(&json), expected, "{json}");
    let bare = token.replace(&encode(header), &encode(&header.replace("x5u", "x5v")));
    let json = attesta_reading(["inspect", "-"], bare.as_bytes()).expect(0).json();
    assert!(findings(&json).contains(&"error x5u-missing".to_owned()), "{json}");
    let json = attesta_reading(["inspect", "-"], b"Identity: no token at all").expect(0).json();
    assert_eq!(findings(&json), ["error token-malformed"]);
    let old = sign(&throw_away_pki(&[]), &["--at", "2015-09-25T19:12:25Z"]);
    let json = attesta_reading(["inspect", "-"], old.as_bytes()).expect(0).json();
    assert_eq!(findings(&json), ["note iat-stale"]);
    assert!(
        json["findings"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("The token was issued at 2015-09-25T19:12:25Z, ")
    );
}

fn sign(pki: &tempfile::TempDir, more: &[&str]) -> String {
    let key = pki.path().join("leaf.key.pem");
    let url = "https://cr.example.net/leaf.pem";
    let args = ["sign", "--key", path(&key), "--x5u", url, "--orig", "+12155551212", "--dest", "12155551213"];
    attesta(args.iter().chain(more)).expect(0).stdout.trim_end().to_owned()
}

#[test]
fn an_identity_is_checked_against_its_message() {
    let identity = sign(&throw_away_pki(&[]), &["--at", "2027-01-15T08:00:00Z"]);
    let message = |from: &str, date: &str| {
        format!(
            "INVITE sip:+12155551213@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{from}@example.net>;tag=1\r\nTo: <sip:+12155551213@example.net>\r\n\
             Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:192.0.2.1>\r\n{date}y: {identity}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    for (from, date, expected) in [
        ("+12155551212", "Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n", &[][..]),
        ("+12155551212", "", &[]),
        ("+12155559999", "Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n", &["error orig-mismatch"]),
        (
            "+12155559999",
            "Date: Fri, 15 Jan 2027 09:00:00 GMT\r\n",
            &["error orig-mismatch", "error iat-stale"],
        ),
        ("anonymous", "", &["error no-number"]),
    ] {
        let json = attesta_reading(["inspect", "-"], message(from, date).as_bytes()).expect(0).json();
        assert!(json.get("findings").is_none(), "{json}");
        assert_eq!(findings(&json["identities"][0]), expected, "{from} {date}");
    }
    let whole = message("+12155551212", "");
    let missing = whole.replace("Call-ID: 1\r\n", "");
    let json = attesta_reading(["inspect", "-"], missing.as_bytes()).expect(0).json();
    assert_eq!(findings(&json).len(), 1, "{json}");
    let broken = whole.replace("Call-ID: 1", "Call-ID 1");
    let json = attesta_reading(["inspect", "-"], broken.as_bytes()).expect(0).json();
    assert_eq!((&json["type"], &json["method"]), (&"message".into(), &"INVITE".into()));
    assert!(json["findings"][0]["text"].as_str().unwrap().starts_with("line 6, octet "), "{json}");
    let folder = tempfile::tempdir().unwrap();
    let stream = folder.path().join("two.stream");
    fs::write(&stream, whole.repeat(2)).unwrap();
    assert_eq!(attesta(["inspect", path(&stream)]).expect(0).json_lines().len(), 2);
}
