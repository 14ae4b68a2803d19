//! Tests of `attesta pki new`.

use std::fs;
use std::process::Command;

use crate::support::{attesta, path, throw_away_pki};

const FILES: [&str; 19] = [
    "crl-revoking-leaf.pem",
    "crl-signer.key.pem",
    "crl-signer.pem",
    "crl.pem",
    "delegate-ca.key.pem",
    "delegate-ca.pem",
    "delegate.chain.pem",
    "delegate.key.pem",
    "intermediate.key.pem",
    "intermediate.pem",
    "leaf.chain.pem",
    "leaf.key.pem",
    "root.key.pem",
    "sti-pa-root.key.pem",
    "sti-pa-root.pem",
    "sti-roots.pem",
    "trust-list-signer.key.pem",
    "trust-list-signer.pem",
    "trust-list.jws",
];

#[test]
fn a_folder_is_filled() {
    let folder = throw_away_pki(&[]);
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, FILES);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_keys() {
    use std::os::unix::fs::PermissionsExt;
    let folder = throw_away_pki(&[]);
    for name in FILES {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077 == 0, name.ends_with(".key.pem"), "{name}: {mode:o}");
    }
}

#[test]
fn existing_files_are_not_overwritten() {
    let folder = throw_away_pki(&[]);
    let before = fs::read(folder.path().join("leaf.key.pem")).unwrap();
    let refused = attesta(["pki", "new", path(folder.path())]).expect(2);
    assert!(refused.stderr.contains("sti-roots.pem: the file already exists\n  help: choose another folder"));
    assert_eq!(fs::read(folder.path().join("leaf.key.pem")).unwrap(), before);
}

#[test]
fn no_key_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["--json"][..], &[]] {
        let folder = folder.path().join(args.len().to_string());
        let finished = attesta([&["pki", "new", path(&folder)], args].concat()).expect(0);
        assert!(!finished.stdout.contains("PRIVATE") && finished.stderr.is_empty());
    }
}

#[test]
fn json_names_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let json = attesta(["pki", "new", path(folder.path()), "--days", "7", "--json"]).expect(0).json();
    assert_eq!((&json["result"], &json["days"]), (&"written".into(), &7.into()));
    assert_eq!(json["files"].as_array().unwrap().len(), FILES.len());
}

#[test]
fn malformed_scopes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for args in [["--spc", "12 4"], ["--tn", "12155551212"], ["--tn", "+9..."], ["--days", "0"]] {
        attesta([&["pki", "new", path(folder.path())], &args[..]].concat()).expect(2);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Checks each role with OpenSSL. This test does not check how OpenSSL interprets the scope of an indirect
/// list.
#[test]
fn openssl_agrees() {
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::support::skips("openssl is not installed");
    }
    let folder = throw_away_pki(&[]);
    let run = |args: &[&str]| {
        let output = Command::new("openssl").args(args).current_dir(folder.path()).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "openssl {args:?}: {out}{err}");
        format!("{out}{err}")
    };
    for (anchor, chain) in [
        ("sti-roots.pem", "leaf.chain.pem"),
        ("sti-roots.pem", "delegate.chain.pem"),
        ("sti-pa-root.pem", "crl-signer.pem"),
        ("sti-pa-root.pem", "trust-list-signer.pem"),
    ] {
        let verified = run(&["verify", "-x509_strict", "-CAfile", anchor, "-untrusted", chain, chain]);
        assert!(verified.contains(": OK"), "{chain}: {verified}");
    }
    for key in FILES.iter().filter(|name| name.ends_with(".key.pem")) {
        run(&["pkey", "-in", key, "-noout", "-check"]);
    }
    for (list, revoked) in [("crl.pem", false), ("crl-revoking-leaf.pem", true)] {
        let text = run(&["crl", "-in", list, "-noout", "-text", "-verify", "-CAfile", "crl-signer.pem"]);
        assert!(text.contains("verify OK") && text.contains("Indirect CRL"), "{text}");
        assert_eq!(text.contains("Certificate Issuer"), revoked, "{text}");
    }
    let refused = Command::new("openssl")
        .args(["verify", "-CAfile", "sti-roots.pem", "crl-signer.pem"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(!refused.status.success(), "the STI-PA is not below the STI root");
}
