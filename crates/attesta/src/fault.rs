//! Faults that the operator must fix, each with its place and a remedy.

use std::fmt;
use std::io;

/// One fault: the place, the problem and the remedy. A fault never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) file: Option<String>,
    pub(crate) position: Option<Position>,
    pub(crate) text: String,
    pub(crate) help: Option<String>,
}

/// A line and a column of a file. Both count from 1. The column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Fault {
    /// Creates a fault of the command line.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { file: None, position: None, text: text.into(), help: None }
    }

    /// Creates a fault of a whole file.
    pub(crate) fn in_file(file: impl fmt::Display, text: impl Into<String>) -> Self {
        Self { file: Some(file.to_string()), ..Self::new(text) }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Writes `FILE:LINE:COLUMN: text`, without the help.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(Position { line, column }) = self.position {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.text)
    }
}

/// Reports why a command stops. The exit status is 2.
#[derive(Debug)]
pub(crate) enum Failure {
    /// All faults of usage or configuration that were found, in the order of the file.
    Faults(Vec<Fault>),
    /// The reader closed standard output. Nothing more is printed.
    OutputClosed,
    /// Standard output cannot be written.
    Output(io::Error),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Faults(vec![fault])
    }
}

/// The operator `?` uses this conversion for errors of standard output only. A file that cannot be read is a [`Fault`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::OutputClosed } else { Self::Output(error) }
    }
}
