//! Prints decoded objects.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::cli::tree;
use crate::console::Console;
use crate::fault::Failure;

/// Prints objects one after the other, as JSON or as text.
pub(super) struct Printer<'a, W> {
    pub(super) console: &'a Console,
    pub(super) out: W,
    pub(super) shown: usize,
}

impl<W: Write> Printer<'_, W> {
    pub(super) fn show(&mut self, decoded: &Value) -> Result<(), Failure> {
        if self.console.json_or_piped() {
            writeln!(self.out, "{decoded}")?;
        } else {
            if self.shown > 0 {
                writeln!(self.out)?;
            }
            tree::write(&mut self.out, decoded, self.console.palette())?;
        }
        self.shown += 1;
        Ok(())
    }
}

/// Returns an object with `type` as its first member.
pub(super) fn typed(name: &str, members: Map<String, Value>) -> Value {
    let mut object = Map::new();
    object.insert("type".into(), json!(name));
    object.extend(members);
    object.into()
}
