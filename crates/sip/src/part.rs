//! The parts of a message that are ranges of what was received until they are edited.

use bytes::Bytes;

use crate::header::headers::Headers;
use crate::writer;

/// What requests and responses have in common: all but what the start line says.
#[derive(Clone)]
pub(crate) struct RawParts {
    pub(crate) start_line: StartLine,
    pub(crate) headers: Headers,
    pub(crate) body: Text,
}

impl RawParts {
    /// Those of a message that is built here: no header lines, and no body.
    pub(crate) fn new() -> Self {
        Self { start_line: StartLine::Rebuilt, headers: Headers::new(), body: Text::own(Bytes::new()) }
    }

    /// Those of a message with a start line of this length, of which the rest is still to be received.
    #[inline]
    pub(crate) fn received(line: u32) -> Self {
        let body = Text::Received { start: 0, end: 0 };
        Self { start_line: StartLine::Received(line), headers: Headers::new(), body }
    }

    /// Takes in the octets that all parts are ranges of; the body starts at `body`.
    #[inline]
    pub(crate) fn receive(&mut self, raw: Bytes, body: usize, irregular: bool) {
        self.body = Text::to_end(&raw, body);
        self.headers.receive(raw, irregular);
    }

    /// The octets that a text of this message is a range of.
    #[inline]
    pub(crate) fn raw(&self) -> &Bytes {
        self.headers.raw()
    }

    #[inline]
    pub(crate) fn body(&self) -> &[u8] {
        self.body.of(self.raw())
    }

    /// Appends the octets of a message that was edited; `start_line` appends one that was rebuilt, around `text`.
    pub(crate) fn rewrite(
        &self,
        out: &mut Vec<u8>,
        text: &[u8],
        start_line: impl FnOnce(&[u8], &mut Vec<u8>),
    ) {
        out.reserve(text.len() + self.headers.printed_length() + self.body().len() + writer::ROOM);
        match self.start_line.received(self.raw()) {
            Some(line) => writer::line(line, out),
            None => start_line(text, out),
        }
        writer::rest(&self.headers, self.body(), out);
    }

    /// The octets received, if they stand as they came.
    #[inline]
    pub(crate) fn untouched(&self) -> Option<&Bytes> {
        let untouched = !self.headers.touched() && self.start_line.is_received() && self.body.is_received();
        untouched.then(|| self.raw())
    }
}

/// A part of a message: a range of what was received, or octets of its own.
#[derive(Clone)]
pub(crate) enum Text {
    Received { start: u32, end: u32 },
    Own(Bytes),
}

impl Text {
    pub(crate) fn own(text: impl Into<Bytes>) -> Self {
        Self::Own(text.into())
    }

    /// All of a message from this octet on.
    pub(crate) fn to_end(raw: &[u8], start: usize) -> Self {
        // A message is at most 2^30 octets.
        let narrow = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Self::Received { start: narrow(start), end: narrow(raw.len()) }
    }

    pub(crate) fn is_received(&self) -> bool {
        matches!(self, Self::Received { .. })
    }

    pub(crate) fn of<'a>(&'a self, raw: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Received { start, end } => raw.get(*start as usize..*end as usize).unwrap_or_default(),
            Self::Own(text) => text,
        }
    }

    pub(crate) fn shared(&self, raw: &Bytes) -> Bytes {
        match self {
            Self::Received { .. } => raw.slice_ref(self.of(raw)),
            Self::Own(text) => text.clone(),
        }
    }
}

/// Whether the start line still stands as received.
#[derive(Clone, Copy)]
pub(crate) enum StartLine {
    /// Its octets, line end included.
    Received(u32),
    Rebuilt,
}

impl StartLine {
    pub(crate) fn is_received(self) -> bool {
        matches!(self, Self::Received(_))
    }

    pub(crate) fn received(self, raw: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Received(length) => raw.get(..length as usize),
            Self::Rebuilt => None,
        }
    }
}
