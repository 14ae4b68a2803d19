//! Reads and writes files of limited size.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Returns the content of the file `path`, if the file has at most `limit` octets.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_stream(File::open(path)?, limit)
}

/// Returns the content of `stream`, if the stream has at most `limit` octets.
pub(crate) fn read_stream(stream: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    stream.take(limit.saturating_add(1)).read_to_end(&mut octets)?;
    if octets.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} octets")));
    }
    Ok(octets)
}

/// Writes a new file. Fails if the file exists. With `secret`, only the owner can read the file.
pub(crate) fn write_new(path: &Path, content: &[u8], secret: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if secret { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = secret;
    options.open(path)?.write_all(content)
}
