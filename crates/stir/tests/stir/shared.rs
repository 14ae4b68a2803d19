//! Published test material, read from its original files.

use std::io::Write;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;

/// The file or folder `name` of the shared material. If it does not exist, prints a note and returns `None`.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let root = std::env::var("ATTESTA_SHARED").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("ATTESTA_REQUIRE_SHARED").is_none(), "{} is not there", path.display());
    // A macro is not used, because the test harness hides its output if the test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {} is not there", path.display());
    None
}

pub(crate) fn text(name: &str) -> Option<String> {
    Some(std::fs::read_to_string(path(name)?).unwrap())
}

pub(crate) fn json(name: &str) -> Option<Value> {
    Some(serde_json::from_str(&text(name)?).unwrap())
}

/// The entries of a file with one JSON value per line.
pub(crate) fn json_lines(name: &str) -> Option<Vec<Value>> {
    Some(text(name)?.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

pub(crate) fn str<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn base64(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text).unwrap()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let nibble = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    text.as_bytes()
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |value, digit| value << 4 | nibble(*digit)))
        .collect()
}

/// The P-256 point at the end of a public key in PEM.
pub(crate) fn point(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64(&body);
    der.get(der.len() - 65..).unwrap().to_vec()
}
