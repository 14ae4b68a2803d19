//! The input of a command: files, folders or standard input.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::fault::Fault;
use crate::files;

/// One input: a file, or standard input with the name `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    path: PathBuf,
}

impl Input {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the files in `paths`. The files below a folder are sorted by name.
    pub(super) fn all(paths: &[PathBuf]) -> Result<Vec<Self>, Fault> {
        let mut inputs = Vec::new();
        for path in paths {
            if path.as_os_str() == STANDARD_INPUT {
                inputs.push(Self::new(path));
            } else {
                collect_files(path, MAX_DEPTH, &mut inputs)?;
            }
        }
        Ok(inputs)
    }

    /// Returns the content of the input, if the input has at most `limit` octets.
    pub(super) fn read(&self, limit: u64) -> Result<Vec<u8>, Fault> {
        let octets = if self.path.as_os_str() == STANDARD_INPUT {
            files::read_stream(io::stdin().lock(), limit)
        } else {
            files::read_bounded(&self.path, limit)
        };
        octets.map_err(|error| unreadable(&self.path, &error))
    }

    pub(super) fn name(&self) -> std::borrow::Cow<'_, str> {
        self.path.to_string_lossy()
    }

    /// Returns true if the file contains one direction of a TCP connection.
    pub(super) fn is_stream(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "stream")
    }
}

fn collect_files(path: &Path, depth: usize, inputs: &mut Vec<Input>) -> Result<(), Fault> {
    // A link may point to a parent folder, so the depth is limited.
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !metadata.is_dir() {
        inputs.push(Input::new(path));
        return Ok(());
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Fault::in_file(path.display(), "folders are nested too deep")
            .help("check for a link to a parent folder"));
    };
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<_> =
        entries.map_err(|error| unreadable(path, &error))?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().try_for_each(|path| collect_files(path, depth, inputs))
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::in_file(path.display(), format!("cannot be read: {error}"))
}

const STANDARD_INPUT: &str = "-";
const MAX_DEPTH: usize = 32;
