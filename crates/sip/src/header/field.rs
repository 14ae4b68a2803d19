use std::fmt;

use crate::header::index::Line;
use crate::header::name::Name;
use crate::lex;

/// One header line.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    octets: &'a [u8],
    line: Line,
}

impl<'a> Field<'a> {
    /// The known header name; `None` if [`Name`] does not list the name.
    pub fn name(&self) -> Option<Name> {
        self.line.name
    }

    /// The name as written.
    pub fn name_bytes(&self) -> &'a [u8] {
        lex::split(self.octets, usize::from(self.line.name_length)).0
    }

    /// The value without the white space around it. Folds stay.
    pub fn value(&self) -> &'a [u8] {
        let rest = lex::split(self.octets, usize::from(self.line.value)).1;
        lex::split(rest, self.line.value_length as usize).0
    }

    /// The whole line with its line end.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.octets
    }

    /// Whether the line has this name, ignoring case. For a header that [`Name`] lists, the long
    /// and the compact form match each other.
    pub fn is_named(&self, name: &str) -> bool {
        match self.line.name {
            None => self.name_bytes().eq_ignore_ascii_case(name.as_bytes()),
            Some(known) => Name::parse(name.as_bytes()) == Some(known),
        }
    }

    /// The position of the line in its message.
    pub(crate) fn line(&self) -> Line {
        self.line
    }

    pub(crate) fn of(line: &Line, raw: &'a [u8], added: &'a [u8]) -> Self {
        Self { octets: text(raw, added, line.start as usize, line.length as usize), line: *line }
    }
}

/// The name and the length of the value. The value may be personal data.
impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ({} octets)", String::from_utf8_lossy(self.name_bytes()), self.value().len())
    }
}

/// A range of the received text or, after its end, of the added text.
#[inline]
pub(crate) fn text<'a>(raw: &'a [u8], added: &'a [u8], start: usize, length: usize) -> &'a [u8] {
    let (source, start) = match start.checked_sub(raw.len()) {
        Some(start) => (added, start),
        None => (raw, start),
    };
    source.get(start..start + length).unwrap_or_default()
}

/// Appends a line with this name and value.
pub(crate) fn write_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.reserve(name.len() + value.len() + b": \r\n".len());
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    copy_value(value, out);
    out.extend_from_slice(b"\r\n");
}

/// Copies a value. A line end that is not a fold becomes a space. A NUL without a backslash before it also becomes a space.
fn copy_value(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some(at) = memchr::memchr3(b'\r', b'\n', 0, rest) {
        let (plain, tail) = lex::split(rest, at);
        out.extend_from_slice(plain);
        rest = match tail {
            [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] if matches!(after, [b' ' | b'\t', ..]) => {
                out.extend_from_slice(b"\r\n");
                after
            }
            [0, after @ ..] if plain.last() == Some(&b'\\') => {
                out.push(0);
                after
            }
            _ => {
                out.push(b' ');
                lex::split(tail, 1).1
            }
        };
    }
    out.extend_from_slice(rest);
}
