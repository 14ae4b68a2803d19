//! Tests for all commands: help, version, colour and usage errors.

use std::process::Stdio;

use crate::support::{attesta, program};

const COMMANDS: [&[&str]; 9] = [
    &["run"],
    &["demo"],
    &["check"],
    &["parse"],
    &["sign"],
    &["verify"],
    &["inspect"],
    &["pki"],
    &["pki", "new"],
];

#[test]
fn every_command_has_help() {
    for command in COMMANDS {
        let finished = attesta(command.iter().chain(&["--help"])).expect(0);
        assert!(finished.stdout.contains("Usage: attesta"), "{command:?}: {}", finished.stdout);
        assert!(finished.stdout.contains("--json"), "{command:?}");
        assert!(finished.stdout.contains("--color"), "{command:?}");
    }
}

#[test]
fn the_version_is_the_package_s() {
    let finished = attesta(["--version"]).expect(0);
    assert_eq!(finished.stdout, format!("attesta {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn usage_errors_are_status_2() {
    for wrong in
        [&[][..], &["fly"], &["run", "--colour"], &["demo", "--calls", "0"], &["verify"], &["pki", "new"]]
    {
        let finished = attesta(wrong).expect(2);
        assert!(finished.stdout.is_empty(), "{wrong:?} belongs on standard error");
    }
}

#[test]
fn colour_is_used_only_on_request() {
    let refused =
        |color: &str| attesta(["check", "--color", color, "--config", "no-such-file"]).expect(2).stderr;
    assert!(refused("always").contains("\u{1b}["));
    assert!(!refused("never").contains("\u{1b}["));
    assert!(!refused("auto").contains("\u{1b}["), "standard error is no terminal here");
}

#[test]
fn a_closed_output_causes_no_panic() {
    for command in [&["check", "--print-default"][..], &["--help"], &["parse", "-", "--json"]] {
        let mut child =
            program().args(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some() && !stderr.contains("panicked"), "{command:?}: {stderr}");
    }
}
