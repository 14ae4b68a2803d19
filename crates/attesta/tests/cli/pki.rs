//! `attesta pki new`.

use std::fs;

use crate::support::{attesta, path, throw_away_pki};

const FILES: [&str; 10] = [
    "crl-revoking-leaf.pem",
    "crl-signer.key.pem",
    "crl-signer.pem",
    "crl.pem",
    "intermediate.key.pem",
    "intermediate.pem",
    "leaf.chain.pem",
    "leaf.key.pem",
    "root.key.pem",
    "sti-roots.pem",
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
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = throw_away_pki(&[]);
    for name in FILES {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077 == 0, name.ends_with(".key.pem"), "{name}: {mode:o}");
    }
}

#[test]
fn what_is_there_stays_as_it_is() {
    let folder = throw_away_pki(&[]);
    let before = fs::read(folder.path().join("leaf.key.pem")).unwrap();
    let refused = attesta(["pki", "new", path(folder.path())]).expect(2);
    assert!(refused.stderr.contains("sti-roots.pem: the file is there already\n  help: name another folder"));
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
fn what_is_no_scope_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for args in [["--spc", "12 4"], ["--tn", "12155551212"], ["--tn", "+9..."], ["--days", "0"]] {
        attesta([&["pki", "new", path(folder.path())], &args[..]].concat()).expect(2);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
