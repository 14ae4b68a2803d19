//! The text of a configuration file and positions in it.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Position};

/// A configuration file, with the faults found so far.
#[derive(Debug)]
pub(crate) struct Source {
    name: String,
    text: String,
    /// The folder of the file. Relative paths start here.
    folder: PathBuf,
    faults: RefCell<Vec<Fault>>,
}

/// A range of octets in the text. The end is exclusive.
pub(crate) type Span = Range<usize>;

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), text: text.into(), folder: folder.into(), faults: RefCell::default() }
    }

    /// Reads `path`. Fails if the file has more than [`MAX_FILE`] octets.
    pub(crate) fn read(path: &Path) -> Result<Self, Fault> {
        let name = path.display().to_string();
        let octets = crate::files::read_bounded(path, MAX_FILE).map_err(|error| {
            Fault::in_file(&name, error.to_string()).help("name a readable file after --config")
        })?;
        let text = String::from_utf8(octets).map_err(|_| {
            Fault::in_file(&name, "the file is not UTF-8").help("TOML is UTF-8: convert the file")
        })?;
        Ok(Self::new(name, text, path.parent().unwrap_or(Path::new(""))))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Joins the folder of the file and `path`.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Creates a fault whose place is the first character of `span`.
    pub(crate) fn fault(&self, span: &Span, text: impl Into<String>) -> Fault {
        Fault { position: Some(self.position(span.start)), ..Fault::in_file(&self.name, text) }
    }

    /// Records a fault, so that one run reports all faults.
    pub(crate) fn report(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Returns the faults since the last call, in the order of the file.
    pub(crate) fn take_faults(&self) -> Vec<Fault> {
        let mut faults = self.faults.take();
        faults.sort_by_key(|fault| fault.position);
        faults
    }

    fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Position { line, column }
    }
}

const MAX_FILE: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new("f", "a\nüb = 1\n", "");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(2), Position { line: 2, column: 1 });
        assert_eq!(source.position(4), Position { line: 2, column: 2 }, "two octets, one character");
        assert_eq!(
            source.position(10_000),
            Position { line: 3, column: 1 },
            "an offset past the end has the position of the end"
        );
    }
}
