//! `attesta inspect`.

use crate::support::{attesta, attesta_reading, path, throw_away_pki};

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
fn keys_are_not_shown_and_what_comes_later_is_refused() {
    let pki = throw_away_pki(&[]);
    let key = attesta(["inspect", path(&pki.path().join("leaf.key.pem"))]).expect(2);
    assert!(key.stdout.is_empty() && key.stderr.contains("private key, which is not shown"));
    let crl = attesta(["inspect", path(&pki.path().join("crl.pem"))]).expect(2);
    assert!(crl.stderr.contains("CRLs are not there yet"));
    attesta_reading(["inspect", "-"], b"\xd4\xc3\xb2\xa1rest").expect(2);
}
