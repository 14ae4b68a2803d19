//! What the operator must mend, said with the place and the remedy.

use std::fmt;
use std::io;

/// One thing to mend: where it is, what is wrong, and how to mend it. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) file: Option<String>,
    pub(crate) position: Option<Position>,
    pub(crate) text: String,
    pub(crate) help: Option<String>,
}

/// A line and a column of a file, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Fault {
    /// A fault of the command line itself.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { file: None, position: None, text: text.into(), help: None }
    }

    /// A fault of a file as a whole.
    pub(crate) fn in_file(file: impl fmt::Display, text: impl Into<String>) -> Self {
        Self { file: Some(file.to_string()), ..Self::new(text) }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// `FILE:LINE:COLUMN: text`, without the help.
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

/// Why a command gives up. Its exit status is 2.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Usage or configuration: everything found, in the order of the file.
    Faults(Vec<Fault>),
    /// Whoever read standard output closed it: nothing is left to say to anyone.
    OutputClosed,
    /// Standard output cannot be written.
    Output(io::Error),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Faults(vec![fault])
    }
}

/// Only writes to standard output are passed on with `?`; a file that cannot be read is a [`Fault`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::OutputClosed } else { Self::Output(error) }
    }
}
