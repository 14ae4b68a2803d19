//! Runs the program, and finds the shared test data.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The result of a finished command.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Returns standard output as JSON lines.
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns standard output as one JSON object.
    pub(crate) fn json(&self) -> serde_json::Value {
        let mut lines = self.json_lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.remove(0)
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

/// Returns the program without environment variables that change its output.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attesta"));
    command.env_remove("ATTESTA_LOG").env_remove("NO_COLOR").env("TERM", "xterm").stdin(Stdio::null());
    command
}

/// Runs `attesta ARGS`.
pub(crate) fn attesta<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Finished {
    finish(program().args(args), b"")
}

/// Runs `attesta ARGS` with `input` on standard input.
pub(crate) fn attesta_reading<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I, input: &[u8]) -> Finished {
    finish(program().args(args).stdin(Stdio::piped()), input)
}

fn finish(command: &mut Command, input: &[u8]) -> Finished {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    if let Some(mut stdin) = child.stdin.take() {
        // A program that refuses its arguments reads no input.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().unwrap();
    Finished {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Returns a folder with a new throw-away hierarchy.
pub(crate) fn throw_away_pki(args: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec!["pki", "new", path(folder.path())];
    all.extend(args);
    attesta(all).expect(0);
    folder
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns a folder of the shared test data. Returns `None` and says so on standard error if the folder is missing and
/// not required.
pub(crate) fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ATTESTA_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let found = root.join(folder);
    if found.is_dir() {
        return Some(found);
    }
    assert!(std::env::var_os("ATTESTA_REQUIRE_SHARED").is_none(), "{} is missing", found.display());
    skips(&format!("{} is not there", found.display()));
    None
}

/// Says that a test does not run, and why. The print macros are not used, because the test runner hides their output
/// for a test that passes.
pub(crate) fn skips(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
