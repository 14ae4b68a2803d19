//! Tests of `attesta check` and its faults.

use std::fs;

use crate::support::{Finished, attesta, path, throw_away_pki};

/// Runs `attesta check` on a file with `text`, in a folder with a throw-away hierarchy.
fn check(text: &str) -> Finished {
    let folder = throw_away_pki(&[]);
    let file = folder.path().join("edge.toml");
    fs::write(&file, text).unwrap();
    let mut finished = attesta(["check", "--config", path(&file)]);
    // The folder name changes with each run.
    let prefix = format!("{}/", path(folder.path()));
    finished.stderr = finished.stderr.replace(&prefix, "");
    finished.stdout = finished.stdout.replace(&prefix, "");
    finished
}

const EDGE: &str = r#"
[[listen]]
address = "127.0.0.1:0"

[[signer]]
name = "acme"
key = "leaf.key.pem"
certificate = "leaf.chain.pem"
x5u = "https://cr.example.net/leaf.pem"

[[trunk]]
name = "pbx"
sources = ["127.0.0.1"]
numbers = ["+1215555"]
signers = ["acme"]
inbound_identity = "strip"

[[trunk]]
name = "carrier"
targets = ["sip:127.0.0.1:5080"]

[[route]]
to = "carrier"

[admin]
listen = "off"
"#;

#[test]
fn the_default_is_good() {
    let finished = attesta(["check"]).expect(0);
    assert_eq!(finished.stderr, "", "the certificate can be fetched from its URL");
}

#[test]
fn a_certificate_that_verifiers_cannot_fetch_is_a_warning() {
    let finished = check(&EDGE.replace("cr.example.net", "cr.invalid")).expect(0);
    assert!(finished.stderr.starts_with("warning: https://cr.invalid/leaf.pem: "), "{}", finished.stderr);
}

#[test]
fn trunks_without_routes_are_a_warning() {
    let finished = check(&EDGE.replace("[[route]]\nto = \"carrier\"\n", "")).expect(0);
    let warning =
        "warning: there is no [[route]], so the edge refuses every call\n  help: add [[route]] to = ";
    assert!(finished.stderr.contains(warning), "{}", finished.stderr);
}

#[test]
fn a_trunk_behind_a_nat_is_a_warning_about_its_media() {
    let finished = check(&EDGE.replacen("[[trunk]]\n", "[[trunk]]\nnat = true\n", 1)).expect(0);
    assert!(finished.stderr.contains("`nat` is for signalling only"), "{}", finished.stderr);
}

#[test]
fn the_printed_default_is_the_default() {
    let printed = attesta(["check", "--print-default"]).expect(0).stdout;
    assert!(printed.contains("[[listen]]") && printed.contains("# "), "with comments");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("default.toml");
    fs::write(&file, &printed).unwrap();
    let from_file = attesta(["check", "--config", path(&file), "--json"]).expect(0).json();
    let embedded = attesta(["check", "--json"]).expect(0).json();
    assert_eq!(from_file["listeners"], embedded["listeners"]);
    assert_eq!(from_file["trunks"], embedded["trunks"]);
}

#[test]
fn a_good_file_is_reported_as_text_and_json() {
    let text = check(EDGE).expect(0).stdout;
    assert!(text.contains("acme") && text.contains("carrier"), "{text}");
}

#[test]
fn faults_have_file_line_and_column() {
    let finished = check(&EDGE.replace("sources", "sorces")).expect(2);
    assert_eq!(
        finished.stderr,
        "error: edge.toml:13:1: unknown key `sorces` in [[trunk]]\n  help: did you mean `sources`?\n"
    );
}

#[test]
fn a_missing_file_is_reported() {
    let finished = attesta(["check", "--config", "no-such.toml"]).expect(2);
    assert!(finished.stderr.starts_with("error: no-such.toml: "), "{}", finished.stderr);
    assert!(finished.stderr.contains("help: "));
}

#[test]
fn json_errors_carry_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.toml");
    fs::write(&file, "[verify]\nfreshnes = \"60s\"\n").unwrap();
    let json = attesta(["check", "--json", "--config", path(&file)]).expect(2).json();
    assert_eq!(json["result"], "refused");
    let error = &json["errors"][0];
    assert_eq!((&error["line"], &error["column"]), (&2.into(), &1.into()));
    assert_eq!(error["help"], "did you mean `freshness`?");
}

#[test]
fn a_secret_is_never_shown() {
    let folder = throw_away_pki(&[]);
    let file = folder.path().join("edge.toml");
    fs::write(&file, EDGE.replace("\"leaf.key.pem\"", "\"${env:STI_KEY}\"")).unwrap();
    for key in [
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
        "Bag Attributes\n-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
        "hunter2",
    ] {
        let mut command = crate::support::program();
        let output = command.env("STI_KEY", key).args(["check", "--config", path(&file)]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8(said).unwrap().contains("hunter2"), "{key}");
    }
}

#[test]
fn an_unreadable_key_is_reported_with_its_file() {
    let finished = check(&EDGE.replace("leaf.key.pem", "nowhere.key.pem")).expect(2);
    assert!(finished.stderr.starts_with("error: edge.toml:7:7: "), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("nowhere.key.pem") && finished.stderr.contains("help: "),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_key_of_another_certificate_is_reported() {
    let finished = check(&EDGE.replace("leaf.key.pem", "root.key.pem")).expect(2);
    assert!(finished.stderr.contains("edge.toml:7:7: "), "{}", finished.stderr);
    assert!(finished.stderr.contains("help: "), "{}", finished.stderr);
}

#[test]
fn a_url_that_verifiers_refuse_is_reported() {
    for url in ["http://cr.example.net/a", "https://cr.example.net:9999/a", "https://cr.example.net/a?b"] {
        let finished = check(&EDGE.replace("https://cr.example.net/leaf.pem", url)).expect(2);
        assert!(finished.stderr.contains("edge.toml:9:7: "), "{}", finished.stderr);
    }
}

#[test]
fn faults_of_revocation_lists_are_reported() {
    let verify = "[verify]\nanchors = \"sti-roots.pem\"\n";
    let lists = |keys: &str| check(&format!("{verify}{keys}\n[admin]\nlisten = \"off\"\n"));
    let good = "crl = [\"crl.pem\"]\ncrl_anchors = \"crl-signer.pem\"\ncrl_stale = \"hard\"";
    assert_eq!(lists(good).expect(0).stderr, "");
    // Domains with the same roots keep separate revocation lists.
    let twice = format!("{good}\n[[trust]]\nname = \"lax\"\nanchors = \"sti-roots.pem\"");
    assert_eq!(lists(&twice).expect(0).stderr, "");
    for (keys, told) in [
        ("crl = \"nowhere.pem\"", "edge.toml:3:7: nowhere.pem cannot be read"),
        ("crl = \"crl.pem\"", "edge.toml:3:7: crl.pem: the signer of the revocation list has no path"),
        ("crl = \"sti-roots.pem\"", "edge.toml:3:7: sti-roots.pem: the revocation list is neither"),
        ("crl_stale = \"hard\"", "[verify] needs `crl`"),
    ] {
        let finished = lists(keys).expect(2);
        assert!(finished.stderr.contains(told), "{}", finished.stderr);
    }
    let untrusted = check("[verify]\ncrl = \"crl.pem\"\ncrl_anchors = \"crl-signer.pem\"\n").expect(2);
    assert!(
        untrusted.stderr.contains("edge.toml:2:7: no certificates are trusted here"),
        "{}",
        untrusted.stderr
    );
}

#[test]
fn probable_mistakes_are_warnings() {
    let finished = check(&EDGE.replace("sip:127.0.0.1:5080", "sip:carrier.invalid")).expect(0);
    assert!(
        finished.stderr.starts_with("warning: edge.toml:20:12: carrier.invalid: "),
        "{}",
        finished.stderr
    );
    let ephemeral = "[[signer]]\nname = \"a\"\nephemeral = true\n";
    let finished = check(ephemeral).expect(0);
    assert!(
        finished.stderr.starts_with("warning: edge.toml:1:1: this edge cannot fetch"),
        "{}",
        finished.stderr
    );
    let allowed = check(&format!("{ephemeral}[fetch]\nallow_private = \"127.0.0.1\"\n")).expect(0);
    assert_eq!(allowed.stderr, "");
}

#[test]
fn the_configuration_of_the_readme_is_good() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    // A crate from the registry does not include the README.
    let Ok(readme) = fs::read_to_string(readme) else { return };
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    attesta(["pki", "new", path(&folder.path().join("pki"))]).expect(0);
    let file = folder.path().join("attesta.toml");
    fs::write(&file, text).unwrap();
    attesta(["check", "--config", path(&file)]).expect(0);
}
