//! Finds the `attesta` binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the path of the binary under test. `ATTESTA_BIN` names the binary if it is set. Otherwise cargo builds the binary in
/// the profile of this test, beside the executable of this test.
pub(crate) fn attesta() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os("ATTESTA_BIN").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let executable = std::env::current_exe().expect("a running test has an executable");
    let profile = executable
        .ancestors()
        .skip(1)
        .find(|dir| !dir.ends_with("deps") && !dir.ends_with("examples"))
        .expect("cargo puts test executables into a profile's directory");
    let target = profile.parent().expect("a profile's directory lies in the target directory");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo sets variables of the package for a test. With them, cargo would rebuild every crate that reads them (ring does).
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            cargo.env_remove(name);
        }
    }
    // The command builds the whole workspace, so that the dependencies have the features that the tests were built with.
    cargo.args(["build", "--quiet", "--locked", "--workspace", "--bin", "attesta", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")).arg("--target-dir").arg(target);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.status().expect("cargo runs");
    assert!(built.success(), "cargo could not build attesta: {built}");
    profile.join("attesta")
}
