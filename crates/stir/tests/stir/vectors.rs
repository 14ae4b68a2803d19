//! Published vectors: Project Wycheproof, the RFCs, TNAuthLists.

use attesta_stir::cert::{ClaimConstraints, TnAuthList, TnEntry};
use attesta_stir::{SigningKey, VerifyingKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::Value;

use crate::shared::{hex, json, point, str};

#[test]
fn wycheproof_agrees_on_every_signature() {
    let Some(file) = json("testdata/wycheproof/ecdsa_secp256r1_sha256_p1363_test.json") else { return };
    let mut agreed = 0;
    for group in file.get("testGroups").and_then(Value::as_array).unwrap() {
        let key =
            VerifyingKey::from_point(&hex(str(group.get("publicKey").unwrap(), "uncompressed"))).unwrap();
        for test in group.get("tests").and_then(Value::as_array).unwrap() {
            let valid = key.verify(&hex(str(test, "msg")), &hex(str(test, "sig")));
            assert_eq!(valid, str(test, "result") == "valid", "{test}");
            agreed += 1;
        }
    }
    assert_eq!(agreed, 262);
}

#[test]
fn published_passports_verify_as_documented() {
    let Some(file) = json("vectors/passport_vectors.json") else { return };
    for vector in file.as_array().unwrap() {
        let key = VerifyingKey::from_point(&point(str(vector, "public_key_pem"))).unwrap();
        let (signed, signature) = str(vector, "token").rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let expected = vector.get("signature_verifies").and_then(Value::as_bool).unwrap();
        assert_eq!(key.verify(signed.as_bytes(), &signature), expected, "{}", str(vector, "id"));
    }
}

#[test]
fn published_private_keys_are_read() {
    let Some(file) = json("vectors/passport_vectors.json") else { return };
    let mut read = 0;
    for vector in file.as_array().unwrap().iter().filter(|vector| !str(vector, "private_key_pem").is_empty())
    {
        let key = SigningKey::from_pem(str(vector, "private_key_pem").as_bytes()).unwrap();
        let pair = vector.get("private_matches_public").and_then(Value::as_bool).unwrap();
        let public = VerifyingKey::from_point(&point(str(vector, "public_key_pem"))).unwrap();
        assert_eq!(*key.verifying_key() == public, pair, "{}", str(vector, "id"));
        read += 1;
    }
    assert!(read > 0, "PKCS#8 and SEC1 keys are among the vectors");
}

#[test]
fn the_es256_example_of_rfc_7515_verifies() {
    let Some(file) = json("vectors/jws_es256_vectors.json") else { return };
    for vector in file.as_array().unwrap() {
        let coordinate = |name| BASE64_URL_SAFE_NO_PAD.decode(str(vector, name)).unwrap();
        let key = VerifyingKey::from_point(&[vec![4], coordinate("x"), coordinate("y")].concat()).unwrap();
        let (signed, signature) = str(vector, "token").rsplit_once('.').unwrap();
        assert!(key.verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap()));
    }
}

#[test]
fn published_tn_auth_lists_are_read_or_refused() {
    let Some(file) = json("vectors/tnauthlist_vectors.json") else { return };
    for vector in file.get("tnauthlist").and_then(Value::as_array).unwrap() {
        let read = TnAuthList::from_der(&hex(str(vector, "der")));
        let id = str(vector, "id");
        if vector.get("invalid").is_some() {
            assert!(read.is_err(), "{id}");
            continue;
        }
        let entries: Vec<String> =
            vector.get("entries").and_then(Value::as_array).unwrap().iter().map(entry).collect();
        assert_eq!(
            read.unwrap().entries().iter().map(TnEntry::to_string).collect::<Vec<_>>(),
            entries,
            "{id}"
        );
    }
    let constraints =
        ClaimConstraints::from_enhanced_der(&hex(str(&file, "rfc9118_ext33"))).unwrap().unwrap();
    assert_eq!(constraints.must_include().collect::<Vec<_>>(), ["confidence"]);
    assert_eq!(constraints.must_exclude().collect::<Vec<_>>(), ["priority"]);
}

/// An entry of a manifest in the words of [`TnEntry`].
pub(crate) fn entry(value: &Value) -> String {
    if let Some([start, count]) = value.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        return format!("{count} numbers from {}", start.as_str().unwrap());
    }
    match str(value, "spc") {
        "" => format!("number {}", str(value, "one")),
        code => format!("SPC {code}"),
    }
}
