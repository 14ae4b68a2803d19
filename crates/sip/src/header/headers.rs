use std::fmt;

use bytes::Bytes;

use crate::header::field::{Field, text, write_field};
use crate::header::index::{Index, Line};
use crate::header::name::{Name, Shape};
use crate::header::values::Values;
use crate::lex;

/// The header lines of a message, in order.
///
/// A received line stays what it is: a range of the datagram, which prints as it came. A line
/// that is added stands in a buffer of the message. Up to 32 lines are indexed without
/// allocation.
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
    /// The received message, of which lines are ranges; empty for a message that was built.
    raw: Bytes,
    /// Lines that were added. Their ranges count on from the end of `raw`.
    added: Vec<u8>,
    index: Index,
    /// Whether anything differs from what was received.
    edited: bool,
    /// Whether a received line would not print as RFC 3261 has it: a line feed alone ends it, or
    /// a fold has no white space.
    irregular: bool,
}

impl Headers {
    /// No lines.
    #[inline]
    pub fn new() -> Self {
        Self { raw: Bytes::new(), added: Vec::new(), index: Index::new(), edited: true, irregular: false }
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of the first line of this name, without the white space around it; folds stay.
    #[inline]
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        let line = self.index.lines().iter().find(|line| line.name == Some(name))?;
        Some(self.value_of(line))
    }

    /// The value of each line of this name.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> + Clone {
        self.index.lines().iter().filter(move |line| line.name == Some(name)).map(|line| self.value_of(line))
    }

    /// Each value of this name: lines of a [`Shape::List`] header are split at commas outside
    /// quotes and angle brackets, those of others are one value each. A list may be empty, as that
    /// of `Supported` often is: then its line holds no value. An empty `Identity` is a value that
    /// nobody can read: somebody meant to vouch, and did not.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> + Clone {
        let list = matches!(name.shape(), Shape::List);
        let identity = name == Name::Identity;
        self.all(name).flat_map(move |value| {
            if list && !(identity && value.is_empty()) { Values::list(value) } else { Values::single(value) }
        })
    }

    /// Number of lines of this name.
    pub fn count(&self, name: Name) -> usize {
        self.index.lines().iter().filter(|line| line.name == Some(name)).count()
    }

    /// Whether there is a line of this name.
    pub fn contains(&self, name: Name) -> bool {
        self.index.lines().iter().any(|line| line.name == Some(name))
    }

    /// The value of the first line of this name, by the rule of [`Field::is_named`]; for headers
    /// that [`Name`] does not list.
    pub fn named(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|field| field.is_named(name)).map(|field| field.value())
    }

    /// The value of each line of this name, by the rule of [`Field::is_named`].
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
    /// can start a line of its own (RFC 3261 section 7.3.1; the rule is that of RFC 9110
    /// section 5.5). So in all methods that take a value.
    pub fn push(&mut self, name: Name, value: impl AsRef<[u8]>) {
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.push(line);
    }

    /// Adds a line before all others.
    pub fn push_front(&mut self, name: Name, value: impl AsRef<[u8]>) {
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.insert(0, line);
    }

    /// Adds a line before the first one of `before`, or at the end if there is none.
    pub fn insert_before(&mut self, before: Name, name: Name, value: impl AsRef<[u8]>) {
        let at = self.position(before).unwrap_or(self.len());
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.insert(at, line);
    }

    /// Adds a line after the last one of `after`, or at the end if there is none.
    pub fn insert_after(&mut self, after: Name, name: Name, value: impl AsRef<[u8]>) {
        let last = self.index.lines().iter().rposition(|line| line.name == Some(after));
        let at = last.map_or(self.len(), |at| at + 1);
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.insert(at, line);
    }

    /// Adds a line at the end under a name of the caller's; a known one is found by [`Name`] too.
    ///
    /// Does nothing and gives `false` if the name is not a token of at most 255 octets.
    pub fn push_named(&mut self, name: &str, value: impl AsRef<[u8]>) -> bool {
        if !is_name(name) {
            return false;
        }
        let line = self.write_line(name.as_bytes(), Name::parse(name.as_bytes()), value.as_ref());
        self.index.push(line);
        true
    }

    /// Adds a line of this or another message at the end, octet for octet. Of a line with folds
    /// the name and the value are kept, and its line ends become CRLF.
    pub fn push_field(&mut self, field: Field<'_>) {
        let line = self.copy_line(field);
        self.index.push(line);
    }

    /// Puts one line in place of all those of this name, where the first of them stood; at the
    /// end if there was none.
    pub fn set(&mut self, name: Name, value: impl AsRef<[u8]>) {
        let at = self.position(name);
        self.remove(name);
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.insert(at.unwrap_or(self.len()), line);
    }

    /// Puts another value in place of the first line of this name; at the end if there is none.
    pub fn set_first(&mut self, name: Name, value: impl AsRef<[u8]>) {
        let at = self.position(name);
        let mut place = 0..;
        self.retain_lines(|_| place.next() != at);
        let line = self.write_line(name.as_str().as_bytes(), Some(name), value.as_ref());
        self.index.insert(at.unwrap_or(self.len()), line);
    }

    /// Puts another value in place of the first one of this name, as the top one of several Via on
    /// one line; at the end if there is none.
    pub fn set_first_value(&mut self, name: Name, value: impl AsRef<[u8]>) {
        if !self.replace_first_value(name, Some(lex::trim(value.as_ref()))) {
            self.push(name, value);
        }
    }

    /// Removes the first value of this name, as the top one of several Route on one line; gives
    /// whether there was one.
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

    /// Puts one line in place of all those of this name, by the rule of [`Field::is_named`], where
    /// the first of them stood; at the end if there was none.
    ///
    /// Does nothing and gives `false` if the name is not a token of at most 255 octets.
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

    /// Removes all lines of this name; gives how many there were.
    pub fn remove(&mut self, name: Name) -> usize {
        self.retain_lines(|line| line.name != Some(name))
    }

    /// Removes the first line of this name; gives whether there was one.
    pub fn remove_first(&mut self, name: Name) -> bool {
        let at = self.position(name);
        let mut place = 0..;
        at.is_some() && self.retain_lines(|_| place.next() != at) > 0
    }

    /// Removes all lines of this name, by the rule of [`Field::is_named`]; gives how many there
    /// were.
    pub fn remove_named(&mut self, name: &str) -> usize {
        self.retain(|field| !field.is_named(name))
    }

    /// Keeps the lines for which `keep` holds; gives how many went.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) -> usize {
        let (raw, added) = (&self.raw, &self.added);
        let removed = self.index.retain(|line| keep(Field::of(line, raw, added)));
        self.edited |= removed > 0;
        removed
    }

    /// The lines of a message that is being received.
    pub(crate) fn index_mut(&mut self) -> &mut Index {
        &mut self.index
    }

    /// Takes in the received message that the lines are ranges of.
    pub(crate) fn receive(&mut self, raw: Bytes, irregular: bool) {
        self.raw = raw;
        self.edited = false;
        self.irregular = irregular;
    }

    /// The received message; empty for one that was built.
    #[inline]
    pub(crate) fn raw(&self) -> &Bytes {
        &self.raw
    }

    pub(crate) fn edited(&self) -> bool {
        self.edited
    }

    /// Prints all lines but those of Content-Length, which follow from the body.
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
            // Lines that stand side by side are copied at once.
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

    /// Octets that all lines take.
    pub(crate) fn printed_length(&self) -> usize {
        self.index.lines().iter().map(|line| line.length as usize + 1).sum()
    }

    fn retain_lines(&mut self, keep: impl FnMut(&Line) -> bool) -> usize {
        let removed = self.index.retain(keep);
        self.edited |= removed > 0;
        removed
    }

    /// Puts this in place of the first value of this name, or takes that out; gives whether there is one.
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

    /// Whether the received text ends here and the added text starts.
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

/// Names only: values may be personal.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Offsets are 32 bits wide: a message is at most 2^30 octets, and what is added to one stays far
/// below the other 2^31.
fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Whether a line can have this name.
fn is_name(name: &str) -> bool {
    lex::all(name.as_bytes(), lex::TOKEN) && name.len() <= usize::from(u8::MAX)
}
