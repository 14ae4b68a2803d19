//! Prints a message as octets.

use bytes::Bytes;
use memchr::memchr;

use crate::header::headers::Headers;
use crate::lex;
use crate::method::Method;
use crate::status::Status;

/// Space for the fixed texts of every message: start line, Content-Length, empty line.
pub(crate) const FIXED_LENGTH: usize = 64;

/// Runs a printer with a new buffer and returns the buffer.
pub(crate) fn collect(print: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::new();
    print(&mut out);
    out.into()
}

/// Appends a received start line, whose line end may lack its CR.
pub(crate) fn line(line: &[u8], out: &mut Vec<u8>) {
    let end = memchr(b'\r', line).or_else(|| memchr(b'\n', line)).unwrap_or(line.len());
    out.extend_from_slice(lex::split(line, end).0);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn request_line(method: &Method, uri: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend(uri.iter().filter(|octet| !octet.is_ascii_control() && **octet != b' '));
    out.extend_from_slice(b" SIP/2.0\r\n");
}

pub(crate) fn status_line(status: Status, reason: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"SIP/2.0 ");
    number(u64::from(status.code()), out);
    out.push(b' ');
    out.extend(reason.iter().filter(|octet| !octet.is_ascii_control() || **octet == b'\t'));
    out.extend_from_slice(b"\r\n");
}

/// Appends header lines, one Content-Length, the empty line and the body.
pub(crate) fn rest(headers: &Headers, body: &[u8], out: &mut Vec<u8>) {
    headers.write_to(out);
    out.extend_from_slice(b"Content-Length: ");
    number(body.len() as u64, out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

/// Appends a number in decimal digits.
pub(crate) fn number(mut value: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' + (value % 10) as u8);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}
