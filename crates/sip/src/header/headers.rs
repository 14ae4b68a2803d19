use std::fmt;

use bytes::Bytes;

use crate::header::field::{Field, text, write_field};
use crate::header::index::{Index, Line};
use crate::header::name::{Name, Shape};
use crate::header::values::Values;
use crate::lex;

/// The header lines of a message, in order.
///
/// A received line stays a range of the datagram and prints as received. Added lines are stored in
/// a buffer of the message. The index of up to 32 lines needs no allocation.
///
/// ```
/// use attesta_sip::{Headers, Name};
///
/// let mut headers = Headers::new();
/// headers.push(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK776, SIP/2.0/UDP 192.0.2.2");
/// headers.push_named("X-Customer", "acme");
/// assert_eq!(headers.values(Name::Via).count(), 2);
/// assert_eq!(headers.named("x-customer"), Some(&b"acme"[..]));
/// ```
#[derive(Clone)]
pub struct Headers {
    /// The received message. Lines are ranges of these octets. Empty for a message that was built.
    raw: Bytes,
    /// Added lines. The offsets of their ranges continue after the end of `raw`.
    added: Vec<u8>,
    index: Index,
    /// Whether the headers differ from the received ones.
    edited: bool,
    /// Whether a received line violates the form of RFC 3261: it ends with a line feed alone, or one of its folds has no white
    /// space.
    irregular: bool,
}

impl Headers {
    /// Creates an empty list.
    #[inline]
    pub fn new() -> Self {
        Self { raw: Bytes::new(), added: Vec::new(), index: Index::new(), edited: true, irregular: false }
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of the first line with this name, without the white space around it. Folds stay.
    #[inline]
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        let line = self.index.lines().iter().find(|line| line.name == Some(name))?;
        Some(self.value_of(line))
    }

    /// The value of each line with this name.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> + Clone {
        self.index.lines().iter().filter(move |line| line.name == Some(name)).map(|line| self.value_of(line))
    }

    /// Each value with this name. Lines of a [`Shape::List`] header are split at commas outside
    /// quotes and angle brackets. A line of another header is one value. An empty line of a list
    /// header, for example an empty `Supported`, holds no value. An empty `Identity` is the
    /// exception: it counts as a value that cannot be read, so that a failed attempt to sign stays
    /// visible.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> + Clone {
        let list = matches!(name.shape(), Shape::List);
        let identity = name == Name::Identity;
        self.all(name).flat_map(move |value| {
            if list && !(identity && value.is_empty()) { Values::list(value) } else { Values::single(value) }
        })
    }

    /// The number of lines with this name.
    pub fn count(&self, name: Name) -> usize {
        self.index.lines().iter().filter(|line| line.name == Some(name)).count()
    }

    /// Whether there is a line with this name.
    pub fn contains(&self, name: Name) -> bool {
        self.index.lines().iter().any(|line| line.name == Some(name))
    }

    /// The value of the first line that [`Field::is_named`] matches; for headers that [`Name`] does
    /// not list.
    pub fn named(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|field| field.is_named(name)).map(|field| field.value())
    }

    /// The value of each line that [`Field::is_named`] matches.
    pub fn all_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.iter().filter(move |field| field.is_named(name)).map(|field| field.value())
    }

    /// All lines in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        self.index.lines().iter().map(|line| self.field(line))
    }

    /// Adds a line at the end.
    ///
    /// A CR, LF or NUL in the value that is not part of a fold becomes a space, so that no value
    /// can start a new line (RFC 3261 section 7.3.1; rule of RFC 9110 section 5.5). All methods
    /// that take a value do this.
    pub fn push(&mut self, name: Name, value: impl AsRef<[u8]>) {
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.push(line);
    }

    /// Adds a line before all others.
    pub fn push_front(&mut self, name: Name, value: impl AsRef<[u8]>) {
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.insert(0, line);
    }

    /// Adds a line before the first line named `before`, or at the end if no line has this name.
    pub fn insert_before(&mut self, before: Name, name: Name, value: impl AsRef<[u8]>) {
        let at = self.position(before).unwrap_or(self.len());
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.insert(at, line);
    }

    /// Adds a line after the last line named `after`, or at the end if no line has this name.
    pub fn insert_after(&mut self, after: Name, name: Name, value: impl AsRef<[u8]>) {
        let last = self.index.lines().iter().rposition(|line| line.name == Some(after));
        let at = last.map_or(self.len(), |at| at + 1);
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.insert(at, line);
    }

    /// Adds a line at the end with any name. If the name is known, lookups by [`Name`] find the
    /// line too.
    ///
    /// Returns `false` and adds nothing if the name is not a token of at most 255 octets.
    pub fn push_named(&mut self, name: &str, value: impl AsRef<[u8]>) -> bool {
        if !is_name(name) {
            return false;
        }
        let line = self.write_line(name.as_bytes(), Name::parse(name.as_bytes()), value.as_ref());
        self.index.push(line);
        true
    }

    /// Adds a line of this or another message at the end, octet for octet. A line with folds keeps
    /// its name and value, and its line ends become CRLF.
    pub fn push_field(&mut self, field: Field<'_>) {
        let line = self.copy_line(field);
        self.index.push(line);
    }

    /// Replaces all lines with this name by one line, at the position of the first line. Adds the
    /// line at the end if no line had this name.
    pub fn set(&mut self, name: Name, value: impl AsRef<[u8]>) {
        let at = self.position(name);
        self.remove(name);
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.insert(at.unwrap_or(self.len()), line);
    }

    /// Replaces the value of the first line with this name; adds a line at the end if there is
    /// none.
    pub fn set_first(&mut self, name: Name, value: impl AsRef<[u8]>) {
        let at = self.position(name);
        let mut place = 0..;
        self.retain_lines(|_| place.next() != at);
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.insert(at.unwrap_or(self.len()), line);
    }

    /// Replaces the first value with this name, for example the top Via of several on one line;
    /// adds a line at the end if no value has this name.
    pub fn set_first_value(&mut self, name: Name, value: impl AsRef<[u8]>) {
        if !self.replace_first_value(name, Some(lex::trim(value.as_ref()))) {
            self.push(name, value);
        }
    }

    /// Removes the first value with this name, for example the top Route of several on one line.
    /// Returns whether a value was removed.
    ///
    /// ```
    /// use attesta_sip::{Headers, Name};
    ///
    /// let mut headers = Headers::new();
    /// headers.push(Name::Route, "<sip:a.example.com;lr>, <sip:b.example.com;lr>");
    /// assert!(headers.remove_first_value(Name::Route));
    /// assert_eq!(headers.get(Name::Route), Some(&b"<sip:b.example.com;lr>"[..]));
    /// ```
    pub fn remove_first_value(&mut self, name: Name) -> bool {
        self.replace_first_value(name, None)
    }

    /// Replaces all lines that [`Field::is_named`] matches by one line, at the position of the
    /// first line. Adds the line at the end if no line matched.
    ///
    /// Returns `false` and changes nothing if the name is not a token of at most 255 octets.
    pub fn set_named(&mut self, name: &str, value: impl AsRef<[u8]>) -> bool {
        if !is_name(name) {
            return false;
        }
        let at = self.iter().position(|field| field.is_named(name));
        self.remove_named(name);
        let line = self.write_line(name.as_bytes(), Name::parse(name.as_bytes()), value.as_ref());
        self.index.insert(at.unwrap_or(self.len()), line);
        true
    }

    /// Removes all lines with this name. Returns their number.
    pub fn remove(&mut self, name: Name) -> usize {
        self.retain_lines(|line| line.name != Some(name))
    }

    /// Removes the first line with this name. Returns whether a line was removed.
    pub fn remove_first(&mut self, name: Name) -> bool {
        let at = self.position(name);
        let mut place = 0..;
        at.is_some() && self.retain_lines(|_| place.next() != at) > 0
    }

    /// Removes all lines that [`Field::is_named`] matches. Returns their number.
    pub fn remove_named(&mut self, name: &str) -> usize {
        self.retain(|field| !field.is_named(name))
    }

    /// Keeps the lines for which `keep` returns true. Returns the number of removed lines.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) -> usize {
        let (raw, added) = (&self.raw, &self.added);
        let removed = self.index.retain(|line| keep(Field::of(line, raw, added)));
        self.edited |= removed > 0;
        removed
    }

    /// The index, to be filled while a message is read.
    pub(crate) fn index_mut(&mut self) -> &mut Index {
        &mut self.index
    }

    /// Sets the received message. The lines are ranges of these octets.
    pub(crate) fn receive(&mut self, raw: Bytes, irregular: bool) {
        self.raw = raw;
        self.edited = false;
        self.irregular = irregular;
    }

    /// The received message; empty for a message that was built.
    #[inline]
    pub(crate) fn raw(&self) -> &Bytes {
        &self.raw
    }

    pub(crate) fn edited(&self) -> bool {
        self.edited
    }

    /// Prints all lines except Content-Length, which is calculated from the body.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        let mut run: Option<(u32, u32)> = None;
        for line in self.index.lines() {
            if line.name == Some(Name::ContentLength) {
                continue;
            }
            if self.irregular && self.is_received(line) {
                self.write_run(run.take(), out);
                write_field(self.field(line).name_bytes(), self.field(line).value(), out);
                continue;
            }
            // Adjacent lines are copied together.
            run = match run {
                Some((start, end)) if end == line.start && !self.is_end_of_raw(end) => {
                    Some((start, line.end()))
                }
                other => {
                    self.write_run(other, out);
                    Some((line.start, line.end()))
                }
            };
        }
        self.write_run(run, out);
    }

    /// The total length of all lines, in octets.
    pub(crate) fn printed_length(&self) -> usize {
        self.index.lines().iter().map(|line| line.length as usize + 1).sum()
    }

    fn retain_lines(&mut self, keep: impl FnMut(&Line) -> bool) -> usize {
        let removed = self.index.retain(keep);
        self.edited |= removed > 0;
        removed
    }

    /// Replaces the first value with this name, or removes it if `value` is `None`. Returns whether
    /// a value had this name.
    fn replace_first_value(&mut self, name: Name, value: Option<&[u8]>) -> bool {
        let list = matches!(name.shape(), Shape::List);
        let lines = self.index.lines().iter().enumerate().filter(|(_, line)| line.name == Some(name));
        let first = lines.map(|(at, line)| (at, self.value_of(line))).find_map(|(at, text)| {
            let mut values = if list { Values::list(text) } else { Values::single(text) };
            values.next().map(|_| (at, values.rest()))
        });
        let Some((at, rest)) = first else { return false };
        let text: Vec<_> = value.into_iter().chain(rest).collect();
        let text = (!text.is_empty()).then(|| text.join(&b", "[..]));
        let mut place = 0..;
        self.retain_lines(|_| place.next() != Some(at));
        if let Some(text) = text {
            let line = self.write_line(name.as_str().as_bytes(), Some(name), &text);
            self.index.insert(at, line);
        }
        true
    }

    fn position(&self, name: Name) -> Option<usize> {
        self.index.lines().iter().position(|line| line.name == Some(name))
    }

    fn field(&self, line: &Line) -> Field<'_> {
        Field::of(line, &self.raw, &self.added)
    }

    #[inline]
    fn value_of(&self, line: &Line) -> &[u8] {
        let start = line.start as usize + usize::from(line.value);
        text(&self.raw, &self.added, start, line.value_length as usize)
    }

    fn is_received(&self, line: &Line) -> bool {
        (line.start as usize) < self.raw.len()
    }

    /// Whether the received text ends at this offset and the added text starts.
    fn is_end_of_raw(&self, at: u32) -> bool {
        at as usize == self.raw.len()
    }

    fn write_run(&self, run: Option<(u32, u32)>, out: &mut Vec<u8>) {
        if let Some((start, end)) = run {
            out.extend_from_slice(text(&self.raw, &self.added, start as usize, (end - start) as usize));
        }
    }

    fn write_line(&mut self, name: &[u8], known: Option<Name>, value: &[u8]) -> Line {
        self.edited = true;
        let value = lex::trim(value);
        let start = self.raw.len() + self.added.len();
        write_field(name, value, &mut self.added);
        let length = self.raw.len() + self.added.len() - start;
        Line {
            start: narrow(start),
            length: narrow(length),
            value_length: narrow(length - name.len() - b": \r\n".len()),
            value: u16::try_from(name.len() + 2).unwrap_or(u16::MAX),
            name_length: u8::try_from(name.len()).unwrap_or(u8::MAX),
            name: known,
        }
    }

    fn copy_line(&mut self, field: Field<'_>) -> Line {
        let plain =
            field.as_bytes().ends_with(b"\r\n") && memchr::memchr_iter(b'\n', field.as_bytes()).count() == 1;
        if !plain {
            return self.write_line(field.name_bytes(), field.name(), field.value());
        }
        self.edited = true;
        let start = self.raw.len() + self.added.len();
        self.added.extend_from_slice(field.as_bytes());
        Line { start: narrow(start), ..field.line() }
    }
}

impl Default for Headers {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows names only, because values may be personal data.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Converts an offset to 32 bits. A message has at most 2^30 octets, and added text needs much less than the remaining range.
fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Whether a line can have this name.
fn is_name(name: &str) -> bool {
    lex::all(name.as_bytes(), lex::TOKEN) && name.len() <= usize::from(u8::MAX)
}
