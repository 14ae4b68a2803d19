//! The test data beside the repository.

use std::io::Write;
use std::path::PathBuf;

use serde_json::Value;

/// A folder of the shared test data; `None`, with a message on standard error, if it is absent.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("ATTESTA_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let folder = root.join("testdata").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("ATTESTA_REQUIRE_SHARED").is_none(), "{} is absent", folder.display());
    // The test harness hides the output of print macros in tests that pass, so this writes
    // directly.
    let _ = writeln!(std::io::stderr(), "skipped: {} is absent", folder.display());
    None
}

/// The entries of a list of JSON objects, one per line.
pub(crate) fn entries(folder: &std::path::Path, list: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(list)).expect("the list exists");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
}

/// The content of the file that an entry names.
pub(crate) fn octets(folder: &std::path::Path, entry: &Value) -> Vec<u8> {
    std::fs::read(folder.join(name(entry))).expect("the file exists")
}

/// The file name in an entry.
pub(crate) fn name(entry: &Value) -> &str {
    entry["file"].as_str().expect("an entry names a file")
}
