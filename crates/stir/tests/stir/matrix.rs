//! Tests with one fault each. Each deviation has its own reason.

use attesta_stir::cert::{Snapshot, TrustAnchors};
use attesta_stir::{
    Check, Facts, Fingerprint, Identity, IdentityField, Outcome, Reason, Verdict, Verification, Verifier,
    VerifyPolicy, Verstat,
};
use rcgen::KeyPair;

use crate::forge::{self, encode};
use crate::support::{self, CALLEE, CALLER, NOW, Pki, URL, at, identity, leaf, snapshot, spc};

/// A trust domain and one provider whose certificate is in the snapshot.
struct Bench {
    anchors: TrustAnchors,
    known: std::sync::Arc<Snapshot>,
    key: KeyPair,
}

impl Bench {
    fn new() -> Self {
        let pki = Pki::new();
        let key = KeyPair::generate().unwrap();
        let bundle = pki.bundle(&leaf("SHAKEN 1234", &spc("1234")), &key);
        Self { known: snapshot(&pki.anchors(), &[(URL, &bundle)]), anchors: pki.anchors(), key }
    }

    fn token(&self, header: &str, payload: &str) -> String {
        forge::token(&self.key, header, payload)
    }

    /// Verifies a call whose header and payload were edited before signing.
    fn edited(
        &self,
        header: impl Fn(String) -> String,
        payload: impl Fn(String) -> String,
    ) -> Option<Reason> {
        let token = self.token(&header(forge::header()), &payload(forge::payload()));
        self.judge(&IdentityField { token: token.as_bytes(), ..field() })
    }

    fn judge(&self, field: &IdentityField<'_>) -> Option<Reason> {
        support::verify(&self.anchors, &[*field], &self.known).findings().first().unwrap().reason()
    }

    fn verify(&self, policy: VerifyPolicy, facts: &Facts<'_>, seconds: u64) -> Verification {
        Verifier::new(self.anchors.clone(), policy).verify(facts, &self.known, at(seconds))
    }
}

fn field() -> IdentityField<'static> {
    IdentityField { token: b"", info: Some(URL), alg: Some("ES256"), ppt: Some("shaken") }
}

fn same(text: String) -> String {
    text
}

#[test]
fn claims() {
    let bench = Bench::new();
    let dest = r#""dest":{"tn":["12155551213"]}"#;
    let orig = r#""orig":{"tn":"12155551212"}"#;
    let iat = format!(r#""iat":{NOW}"#);
    let origid = "de305d54-75b4-431b-adb2-eb6b9e546014";
    let cases: &[(&str, &str, Option<Reason>)] = &[
        ("", "", None),
        // Valid variants.
        (orig, r#""orig":{"tn":"+12155551212"}"#, None),
        (orig, r#""orig":{"tn":"+1 (215) 555-1212"}"#, None),
        (orig, r#""orig":{"\u0074n":"12155551212"}"#, Some(Reason::OrigInvalid)),
        (orig, r#""orig":{"tn":"\u003112155551212"}"#, Some(Reason::OrigMismatch)),
        (orig, r#""orig":{"tn":"\u00312155551212"}"#, None),
        (dest, r#""dest":{"tn":["12155550000","12155551213"]}"#, None),
        (dest, r#""dest":{"tn":["12155551213"],"uri":["sip:bob@example.com"]}"#, None),
        (dest, r#""dest": { "tn" : [ "12155551213" ] }"#, None),
        (r#","origid""#, r#","other":{"a":[1,{"b":null}]},"origid""#, None),
        (r#","origid""#, r#","rcd":{"nam":"Example"},"origid""#, None),
        (origid, "DE305D54-75B4-131B-ADB2-EB6B9E546014", None),
        (r#""attest":"A""#, r#""attest":"B""#, None),
        (r#""attest":"A""#, r#""attest":"C""#, None),
        // attest.
        (r#""attest":"A","#, "", Some(Reason::AttestMissing)),
        (r#""attest":"A""#, r#""attest":"a""#, Some(Reason::AttestInvalid)),
        (r#""attest":"A""#, r#""attest":"D""#, Some(Reason::AttestInvalid)),
        (r#""attest":"A""#, r#""attest":"""#, Some(Reason::AttestInvalid)),
        (r#""attest":"A""#, r#""attest":1"#, Some(Reason::AttestInvalid)),
        (r#""attest":"A""#, r#""attest":null"#, Some(Reason::AttestInvalid)),
        (r#""attest":"A""#, r#""attest":["A"]"#, Some(Reason::AttestInvalid)),
        // dest.
        (r#""dest":{"tn":["12155551213"]},"#, "", Some(Reason::DestMissing)),
        (dest, r#""dest":{}"#, Some(Reason::DestInvalid)),
        (dest, r#""dest":{"tn":"12155551213"}"#, Some(Reason::DestInvalid)),
        (dest, r#""dest":{"tn":[]}"#, Some(Reason::DestInvalid)),
        (dest, r#""dest":{"tn":[12155551213]}"#, Some(Reason::DestInvalid)),
        (dest, r#""dest":["12155551213"]"#, Some(Reason::DestInvalid)),
        (dest, r#""dest":"12155551213""#, Some(Reason::DestInvalid)),
        (dest, r#""dest":{"tn":["12155551213"],"x":["y"]}"#, Some(Reason::DestInvalid)),
        (dest, r#""dest":{"tn":["12155551214"]}"#, Some(Reason::DestMismatch)),
        (dest, r#""dest":{"tn":["2155551213"]}"#, Some(Reason::DestMismatch)),
        (dest, r#""dest":{"uri":["12155551213"]}"#, Some(Reason::DestMismatch)),
        (dest, r#""dest":{"tn":[""]}"#, Some(Reason::DestMismatch)),
        // iat.
        (&iat, r#""iat":"1800000000""#, Some(Reason::IatInvalid)),
        (&iat, r#""iat":1800000000.0"#, Some(Reason::IatInvalid)),
        (&iat, r#""iat":18e8"#, Some(Reason::IatInvalid)),
        (&iat, r#""iat":-1800000000"#, Some(Reason::IatInvalid)),
        (&iat, r#""iat":null"#, Some(Reason::IatInvalid)),
        (&iat, r#""iat":[1800000000]"#, Some(Reason::IatInvalid)),
        (&iat, r#""iat":18000000000000000000000"#, Some(Reason::IatInvalid)),
        (&iat, r#""iat":01800000000"#, Some(Reason::PayloadMalformed)),
        (&iat, r#""iat":1799999940"#, None),
        (&iat, r#""iat":1799999939"#, Some(Reason::IatStale)),
        (&iat, r#""iat":1800000060"#, None),
        (&iat, r#""iat":1800000061"#, Some(Reason::IatInFuture)),
        (&iat, r#""iat":0"#, Some(Reason::IatStale)),
        (&iat, r#""iat":18446744073709551615"#, Some(Reason::IatInFuture)),
        // orig.
        (orig, r#""orig":{}"#, Some(Reason::OrigInvalid)),
        (orig, r#""orig":"12155551212""#, Some(Reason::OrigInvalid)),
        (orig, r#""orig":{"tn":["12155551212"]}"#, Some(Reason::OrigInvalid)),
        (orig, r#""orig":{"tn":12155551212}"#, Some(Reason::OrigInvalid)),
        (orig, r#""orig":{"tn":"12155551212","uri":"sip:a@b"}"#, Some(Reason::OrigInvalid)),
        (orig, r#""orig":{"name":"12155551212"}"#, Some(Reason::OrigInvalid)),
        (orig, r#""orig":null"#, Some(Reason::OrigInvalid)),
        (orig, r#""orig":{"tn":"12155551219"}"#, Some(Reason::OrigMismatch)),
        (orig, r#""orig":{"tn":"2155551212"}"#, Some(Reason::OrigMismatch)),
        (orig, r#""orig":{"uri":"sip:alice@example.com"}"#, Some(Reason::OrigMismatch)),
        (orig, r#""orig":{"tn":"anonymous"}"#, Some(Reason::OrigMismatch)),
        (orig, r#""orig":{"tn":""}"#, Some(Reason::OrigMismatch)),
        // origid.
        (origid, "", Some(Reason::OrigidInvalid)),
        (origid, "de305d5475b4431badb2eb6b9e546014", Some(Reason::OrigidInvalid)),
        (origid, "de305d54-75b4-431b-adb2-eb6b9e54601g", Some(Reason::OrigidInvalid)),
        (r#""origid":"de305d54-75b4-431b-adb2-eb6b9e546014""#, r#""origid":7"#, Some(Reason::OrigidInvalid)),
        (r#","origid":"de305d54-75b4-431b-adb2-eb6b9e546014""#, "", Some(Reason::OrigidMissing)),
        // JSON.
        (r#""attest":"A""#, r#""attest":"A","attest":"A""#, Some(Reason::DuplicateMember)),
        (r#""attest":"A""#, r#""attest":"A","\u0061ttest":"A""#, Some(Reason::DuplicateMember)),
        (r#""tn":"12155551212""#, r#""tn":"12155551212","tn":"12155551212""#, Some(Reason::DuplicateMember)),
        (r#""attest":"A""#, r#""attest":'A'"#, Some(Reason::PayloadMalformed)),
        (r#""attest":"A","#, r#""attest":"A",,"#, Some(Reason::PayloadMalformed)),
        ("{\"attest", "[{\"attest", Some(Reason::PayloadMalformed)),
        ("{\"attest", "\u{feff}{\"attest", Some(Reason::PayloadMalformed)),
        ("{\"attest", " {\"attest", None),
        (r#""attest":"A""#, r#""deep":[[[[[[[[[1]]]]]]]]],"attest":"A""#, Some(Reason::JsonLimit)),
        // Claims of other types.
        (r#","origid""#, r#","rcdi":{"/nam":"sha256-x"},"origid""#, Some(Reason::ExtensionInvalid)),
        (r#","origid""#, r#","rcd":{},"origid""#, Some(Reason::ExtensionInvalid)),
        (
            r#","origid""#,
            r#","rcd":{"nam":"x","jcd":[],"jcl":"https://h/c"},"origid""#,
            Some(Reason::ExtensionInvalid),
        ),
        (
            r#","origid""#,
            r#","rcd":{"nam":"Q Branch Spy Gadgets"},"rcdi":{"/nam":"sha256-sM275lTgzCte+LHOKHtU4SxG8shlOo6OS4ot8IJQImY"},"origid""#,
            None,
        ),
        (
            r#","origid""#,
            r#","rcd":{"nam":"Another"},"rcdi":{"/nam":"sha256-sM275lTgzCte+LHOKHtU4SxG8shlOo6OS4ot8IJQImY"},"origid""#,
            Some(Reason::RcdiMismatch),
        ),
        (
            r#","origid""#,
            r#","rcd":{"nam":"x"},"rcdi":{"/nam":"md5-AAAA"},"origid""#,
            Some(Reason::RcdiMismatch),
        ),
        (r#","origid""#, r#","mky":[],"origid""#, None),
    ];
    for (from, to, reason) in cases {
        assert!(forge::payload().contains(from), "{from}");
        let found = bench
            .edited(same, |payload| if from.is_empty() { payload } else { payload.replacen(from, to, 1) });
        assert_eq!(found, *reason, "{from} -> {to}");
    }
}

#[test]
fn headers() {
    let bench = Bench::new();
    let url = format!(r#""x5u":"{URL}""#);
    let cases: &[(&str, &str, Option<Reason>)] = &[
        (r#""alg":"ES256","#, "", Some(Reason::AlgMissing)),
        (r#""alg":"ES256""#, r#""alg":"none""#, Some(Reason::AlgUnsupported)),
        (r#""alg":"ES256""#, r#""alg":"HS256""#, Some(Reason::AlgUnsupported)),
        (r#""alg":"ES256""#, r#""alg":"ES384""#, Some(Reason::AlgUnsupported)),
        (r#""alg":"ES256""#, r#""alg":"es256""#, Some(Reason::AlgUnsupported)),
        (r#""alg":"ES256""#, r#""alg":256"#, Some(Reason::AlgUnsupported)),
        (r#""typ":"passport","#, "", Some(Reason::TypMissing)),
        (r#""typ":"passport""#, r#""typ":"JWT""#, Some(Reason::TypInvalid)),
        (r#""typ":"passport""#, r#""typ":"Passport""#, Some(Reason::TypInvalid)),
        (r#""typ":"passport""#, r#""typ":null"#, Some(Reason::TypInvalid)),
        (r#""ppt":"shaken","#, "", Some(Reason::PptMismatch)),
        (r#""ppt":"shaken""#, r#""ppt":"div""#, Some(Reason::PptMismatch)),
        (r#""ppt":"shaken""#, r#""ppt":"SHAKEN""#, Some(Reason::PptMismatch)),
        (r#""ppt":"shaken""#, r#""ppt":7"#, Some(Reason::PptMismatch)),
        (r#""alg":"ES256""#, r#""crit":["b64"],"alg":"ES256""#, Some(Reason::CritUnsupported)),
        (r#""alg":"ES256""#, r#""cri\u0074":["b64"],"alg":"ES256""#, Some(Reason::CritUnsupported)),
        (r#""ppt":"shaken""#, r#""pp\u0074":"div""#, Some(Reason::PptMismatch)),
        (r#""ppt":"shaken""#, r#""pp\u0074":"shaken""#, None),
        (r#""alg":"ES256""#, r#""alg":"ES256","kid":"1""#, None),
        (r#""alg":"ES256""#, r#""alg":"ES256","alg":"ES256""#, Some(Reason::DuplicateMember)),
        ("{", "[", Some(Reason::HeaderMalformed)),
        ("}", "}}", Some(Reason::HeaderMalformed)),
        ("}", "}\n", None),
        (&url, r#""x5u":"https://cr.example.net/other.pem""#, Some(Reason::X5uMismatch)),
        (&url, r#""x5u":"https://CR.example.net/leaf.pem""#, Some(Reason::X5uMismatch)),
        (&url, r#""x5u":["https://cr.example.net/leaf.pem"]"#, Some(Reason::X5uMismatch)),
        (&url, r#""x5u":"https:\/\/cr.example.net\/leaf.pem""#, None),
        (&format!(",{url}"), "", Some(Reason::X5uMissing)),
    ];
    for (from, to, reason) in cases {
        let found = bench.edited(|header| header.replacen(from, to, 1), same);
        assert_eq!(found, *reason, "{from} -> {to}");
    }
}

#[test]
fn parameters_of_the_field() {
    let bench = Bench::new();
    let token = bench.token(&forge::header(), &forge::payload());
    let valid = IdentityField { token: token.as_bytes(), ..field() };
    for (field, reason) in [
        (valid, None),
        (IdentityField { alg: None, ..valid }, None),
        (IdentityField { ppt: None, ..valid }, None),
        (IdentityField { alg: None, ppt: None, ..valid }, None),
        (IdentityField { alg: Some("ES384"), ..valid }, Some(Reason::AlgUnsupported)),
        (IdentityField { ppt: Some("rsp"), ..valid }, Some(Reason::UnsupportedPpt)),
        (IdentityField { ppt: Some("div-o"), ..valid }, Some(Reason::PptMismatch)),
        (IdentityField { ppt: Some("rph"), ..valid }, Some(Reason::PptMismatch)),
        (IdentityField { info: None, ..valid }, Some(Reason::InfoMissing)),
        (IdentityField { info: Some(""), ..valid }, Some(Reason::InfoMalformed)),
        (IdentityField { info: Some("leaf.pem"), ..valid }, Some(Reason::InfoMalformed)),
        (IdentityField { info: Some("http://cr.example.net/leaf.pem"), ..valid }, Some(Reason::InfoNotHttps)),
        (
            IdentityField { info: Some("https://u@cr.example.net/leaf.pem"), ..valid },
            Some(Reason::InfoForbiddenPart),
        ),
        (
            IdentityField { info: Some("https://cr.example.net/leaf.pem?a"), ..valid },
            Some(Reason::InfoForbiddenPart),
        ),
        (
            IdentityField { info: Some("https://cr.example.net/leaf.pem#"), ..valid },
            Some(Reason::InfoForbiddenPart),
        ),
        (
            IdentityField { info: Some("https://cr.example.net:444/leaf.pem"), ..valid },
            Some(Reason::InfoForbiddenPort),
        ),
        (IdentityField { info: Some("https://cr.example.net/Leaf.pem"), ..valid }, Some(Reason::X5uMismatch)),
    ] {
        assert_eq!(bench.judge(&field), reason, "{field:?}");
    }
}

#[test]
fn the_outer_form_of_a_token() {
    let bench = Bench::new();
    let token = bench.token(&forge::header(), &forge::payload());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let standard = forge::payload().replace("\"attest\"", "\"\u{fb}\u{ff}??>>\":1,\"attest\"");
    let standard = encode(standard.as_bytes()).replace('-', "+").replace('_', "/");
    assert!(standard.contains('+') || standard.contains('/'));
    let standard = forge::sign(&bench.key, &format!("{header}.{standard}"));
    let padded = forge::sign(
        &bench.key,
        &format!("{header}.{}=", encode(format!("{}   ", forge::payload()).as_bytes())),
    );
    let last = signature.chars().last().unwrap();
    let loose = if last == 'A' { 'B' } else { char::from(last as u8 + 1) };
    let trailing = format!("{signed}.{}{loose}", signature.get(..85).unwrap());
    for (token, reason) in [
        (token.clone(), None),
        (format!("..{signature}"), Some(Reason::CompactForm)),
        (format!("{header}..{signature}"), Some(Reason::TokenMalformed)),
        (format!(".{payload}.{signature}"), Some(Reason::TokenMalformed)),
        (format!("{header}.{payload}"), Some(Reason::TokenMalformed)),
        (format!("{header}.{payload}."), Some(Reason::TokenMalformed)),
        (format!("{token}.{signature}"), Some(Reason::TokenMalformed)),
        (String::new(), Some(Reason::TokenMalformed)),
        ("\u{e9}.e30.AA".to_owned(), Some(Reason::Base64Malformed)),
        (format!("{header}.{payload}.{}", signature.get(..84).unwrap()), Some(Reason::SignatureMalformed)),
        (format!("{header}.{payload}.{signature}AAAA"), Some(Reason::SignatureMalformed)),
        (format!("{header} .{payload}.{signature}"), Some(Reason::Base64Malformed)),
        (format!("{header}.{payload}.{signature}=="), Some(Reason::Base64Padding)),
        (trailing, Some(Reason::Base64Malformed)),
        (standard.clone(), Some(Reason::Base64Standard)),
        (format!("{header}.{payload}.{}", encode(&[0; 64])), Some(Reason::SignatureInvalid)),
        (format!("{header}.{payload}.{}", encode(&[0xff; 64])), Some(Reason::SignatureInvalid)),
        ("a".repeat(16 * 1024 + 1), Some(Reason::TokenTooLong)),
    ] {
        assert_eq!(bench.judge(&IdentityField { token: token.as_bytes(), ..field() }), reason, "{token}");
    }
    let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
    for (token, policy) in [
        (&standard, VerifyPolicy::default().tolerate_base64_standard(true)),
        (&padded, VerifyPolicy::default().tolerate_base64_padding(true)),
    ] {
        let fields = [IdentityField { token: token.as_bytes(), ..field() }];
        let facts = Facts::new(&fields).orig(&orig).dest(&dest);
        assert_eq!(
            bench.verify(policy, &facts, NOW).verdict(),
            Verdict::Pass,
            "tolerated, over the received octets"
        );
    }
}

#[test]
fn callers_and_callees() {
    let bench = Bench::new();
    let token = bench.token(&forge::header(), &forge::payload());
    let fields = [IdentityField { token: token.as_bytes(), ..field() }];
    let (caller, callee) = (identity(CALLER), identity(CALLEE));
    let (other, uri) = (identity("tel:+12155550000"), identity("sip:anonymous@anonymous.invalid"));
    let one = |identity: &Identity| vec![identity.clone()];
    for (orig, dest, reason) in [
        (one(&caller), one(&callee), None),
        ([one(&other), one(&caller)].concat(), [one(&other), one(&callee)].concat(), None),
        (one(&other), one(&callee), Some(Reason::OrigMismatch)),
        (one(&uri), one(&callee), Some(Reason::NoNumber)),
        (vec![], one(&callee), Some(Reason::NoNumber)),
        (one(&caller), one(&other), Some(Reason::DestMismatch)),
        (one(&caller), vec![], Some(Reason::DestMismatch)),
        (one(&other), one(&other), Some(Reason::OrigMismatch)),
    ] {
        let facts = Facts::new(&fields).orig(&orig).dest(&dest);
        assert_eq!(bench.verify(VerifyPolicy::default(), &facts, NOW).reason(), reason, "{orig:?} {dest:?}");
    }
}

#[test]
fn dates_and_clocks() {
    let bench = Bench::new();
    let token = bench.token(&forge::header(), &forge::payload());
    let fields = [IdentityField { token: token.as_bytes(), ..field() }];
    let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
    let facts = Facts::new(&fields).orig(&orig).dest(&dest);
    let short = || VerifyPolicy::default().freshness(std::time::Duration::from_secs(5));
    for (policy, date, clock, reason) in [
        (VerifyPolicy::default(), Some(NOW), NOW, None),
        (VerifyPolicy::default(), Some(NOW - 500), NOW, None),
        (VerifyPolicy::default(), Some(NOW + 70), NOW + 70, Some(Reason::IatStale)),
        (VerifyPolicy::default(), Some(NOW), NOW + 61, Some(Reason::DateStale)),
        (VerifyPolicy::default(), None, NOW + 60, None),
        (VerifyPolicy::default(), None, NOW + 61, Some(Reason::IatStale)),
        (VerifyPolicy::default(), None, NOW - 60, None),
        (VerifyPolicy::default(), None, NOW - 61, Some(Reason::IatInFuture)),
        (short(), None, NOW + 5, None),
        (short(), None, NOW + 6, Some(Reason::IatStale)),
        (short().skew(std::time::Duration::ZERO), None, NOW - 1, Some(Reason::IatInFuture)),
    ] {
        let facts = date.map_or(facts, |date| facts.date(at(date)));
        let verification = bench.verify(policy, &facts, clock);
        assert_eq!(verification.reason(), reason, "{date:?} {clock}");
        assert!(reason.is_none_or(|reason| reason.code() == 403 && reason.phrase() == "Stale Date"));
    }
}

#[test]
fn priorities_messages_and_fingerprints() {
    let bench = Bench::new();
    let base = forge::payload()
        .replace(r#""attest":"A","#, "")
        .replace(r#","origid":"de305d54-75b4-431b-adb2-eb6b9e546014""#, "");
    let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
    let judge = |ppt: &str, extra: &str, facts: &dyn for<'a> Fn(Facts<'a>) -> Facts<'a>| {
        let header = forge::header().replace("shaken", ppt);
        let token = bench.token(&header, &base.replacen('{', &format!("{{{extra},"), 1));
        let fields = [IdentityField { token: token.as_bytes(), ppt: Some(ppt), ..field() }];
        let verification =
            bench.verify(VerifyPolicy::default(), &facts(Facts::new(&fields).orig(&orig).dest(&dest)), NOW);
        let finding = *verification.findings().first().unwrap();
        assert_eq!(finding.checks().outcome(Check::Extension) == Outcome::Pass, finding.reason().is_none());
        finding.reason()
    };
    let rph = r#""rph":{"auth":["ets.0","wps.0"]}"#;
    assert_eq!(judge("rph", rph, &|facts| facts.resource_priority(&["ETS.0"])), None);
    assert_eq!(
        judge("rph", rph, &|facts| facts.resource_priority(&["ets.1"])),
        Some(Reason::PriorityMismatch)
    );
    assert_eq!(judge("rph", r#""rph":["ets.0"]"#, &|facts| facts), Some(Reason::ExtensionInvalid));
    assert_eq!(judge("rph", r#""x":1"#, &|facts| facts), Some(Reason::ExtensionInvalid));
    for ppt in ["rph", "rcd"] {
        let lacking = judge(ppt, r#""attest":"A""#, &|facts| facts.resource_priority(&["ets.0"]));
        assert_eq!(lacking, Some(Reason::ExtensionInvalid), "{ppt} without the claim that it is for");
    }
    let sph = r#""rph":{"auth":["esnet.0"]},"sph":"psap-callback""#;
    assert_eq!(judge("rph", sph, &|facts| facts.priority("psap-callback")), None);
    assert_eq!(judge("rph", sph, &|facts| facts.priority("urgent")), Some(Reason::PriorityMismatch));
    assert_eq!(judge("rph", sph, &|facts| facts.priority("PSAP-Callback")), None);
    assert_eq!(judge("rph", sph, &|facts| facts), Some(Reason::PriorityMismatch), "no Priority");
    let national = sph.replace("esnet.0", "ets.0");
    assert_eq!(
        judge("rph", &national, &|facts| facts.priority("psap-callback")),
        Some(Reason::PriorityMismatch),
        "no emergency service"
    );
    let other = sph.replace("psap-callback", "urgent");
    assert_eq!(judge("rph", &other, &|facts| facts), Some(Reason::PriorityMismatch));

    let msgi = r#""msgi":"sha256-sM275lTgzCte+LHOKHtU4SxG8shlOo6OS4ot8IJQImY""#;
    assert_eq!(judge("msg", msgi, &|facts| facts.body(b"\"Q Branch Spy Gadgets\"")), None);
    assert_eq!(judge("msg", msgi, &|facts| facts.body(b"changed")), Some(Reason::MsgiMismatch));
    assert_eq!(judge("rcd", r#""x":1"#, &|facts| facts), Some(Reason::ExtensionInvalid));
    assert_eq!(judge("rcd", r#""rcd":{"nam":"Example"}"#, &|facts| facts), None);

    let mky = r#""mky":[{"alg":"sha-256","dig":"021ACC54"},{"alg":"sha-256","dig":"4AADB9B1"}]"#;
    const LISTED: &[Fingerprint<'_>] = &[
        Fingerprint { alg: "SHA-256", digest: "4a:ad:b9:b1" },
        Fingerprint { alg: "sha-256", digest: "02:1A:CC:54" },
    ];
    assert_eq!(judge("msg", mky, &|facts| facts.fingerprints(LISTED)), None);
    assert_eq!(
        judge("msg", mky, &|facts| facts.fingerprints(LISTED.get(1..).unwrap())),
        Some(Reason::MkyMismatch)
    );
    assert_eq!(judge("msg", mky, &|facts| facts.fingerprints(&[])), Some(Reason::MkyMismatch));
    assert_eq!(judge("msg", r#""mky":{}"#, &|facts| facts.fingerprints(&[])), Some(Reason::ExtensionInvalid));
}

#[test]
fn other_types_do_not_hide_a_failed_caller_passport() {
    let bench = Bench::new();
    let rcd = bench.token(
        &forge::header().replace("shaken", "rcd"),
        &forge::payload().replacen('{', r#"{"rcd":{"nam":"Example"},"#, 1),
    );
    let rcd = IdentityField { token: rcd.as_bytes(), ppt: Some("rcd"), ..field() };
    let elsewhere = bench.token(&forge::header(), &forge::payload().replace("12155551212", "12155559999"));
    let failed = IdentityField { token: elsewhere.as_bytes(), ..field() };
    let good = bench.token(&forge::header(), &forge::payload());
    let good = IdentityField { token: good.as_bytes(), ..field() };
    let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
    for (fields, verdict, reason) in [
        (&[failed, rcd][..], Verdict::Fail, Some(Reason::OrigMismatch)),
        (&[rcd, failed], Verdict::Fail, Some(Reason::OrigMismatch)),
        (&[failed, rcd, good], Verdict::Pass, None),
        (&[rcd], Verdict::Pass, None),
    ] {
        let facts = Facts::new(fields).orig(&orig).dest(&dest);
        let verification = bench.verify(VerifyPolicy::default(), &facts, NOW);
        assert_eq!((verification.verdict(), verification.reason()), (verdict, reason));
        assert_eq!(verification.vouches(), fields.len() == 3, "only one of these says who calls");
    }
}

#[test]
fn msg_attests_the_sender_of_a_message_but_no_caller() {
    let bench = Bench::new();
    let msg = bench.token(&forge::header().replace("shaken", "msg"), &forge::payload());
    let fields = [IdentityField { token: msg.as_bytes(), ppt: Some("msg"), ..field() }];
    let (orig, dest) = ([identity(CALLER)], [identity(CALLEE)]);
    let facts = Facts::new(&fields).orig(&orig).dest(&dest);
    for (facts, vouches, verstat) in
        [(facts, false, Verstat::NoTnValidation), (facts.body(b""), true, Verstat::TnValidationPassed)]
    {
        let verification = bench.verify(VerifyPolicy::default(), &facts, NOW);
        assert_eq!((verification.verdict(), verification.reason()), (Verdict::Pass, None));
        assert_eq!((verification.vouches(), verification.verstat()), (vouches, verstat));
    }
}
