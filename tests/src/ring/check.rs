//! The checker of Identity header fields that shares no code with Attesta: `tests/scripts/check_identity.py`.

use std::path::Path;
use std::process::Command;

/// The certificates that the checker uses.
#[derive(Clone, Copy, Debug)]
pub enum Check<'a> {
    /// The chain in a file, and the address that the tokens must name.
    Against(&'a Path, &'a str),
    /// The chain at the address that the first token names.
    Fetched,
}

/// Checks every INVITE that SIPp received according to its message log `log`. Returns the number of INVITEs.
pub fn check_identities(log: &Path, check: Check<'_>) -> usize {
    let mut command = Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/check_identity.py"));
    match check {
        Check::Against(chain, x5u) => command.arg("--certificate").arg(chain).args(["--x5u", x5u]),
        Check::Fetched => command.arg("--fetch"),
    };
    let output = command.arg("--every").arg("20").arg(log).output().expect("python3 is installed");
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the independent checker: {said}{complained}");
    said.split(' ').next().and_then(|count| count.parse().ok()).expect("the checker says how many it checked")
}

/// Signs `calls` calls between two numbers with `tests/scripts/sign_identity.py`, a program that shares no code with Attesta.
/// Writes the fields for SIPp's messages to `fields`.
pub fn sign_identities(key: &Path, x5u: &str, numbers: (&str, &str), calls: u32, fields: &Path) {
    let output = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/sign_identity.py"))
        .arg("--key")
        .arg(key)
        .args(["--x5u", x5u, "--orig", numbers.0, "--dest", numbers.1, "--count", &calls.to_string()])
        .arg(fields)
        .output()
        .expect("python3 is installed");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the independent signer: {complained}");
}
