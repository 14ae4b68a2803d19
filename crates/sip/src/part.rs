//! The parts of a message. Received parts are ranges of the received octets until they are edited.

use bytes::Bytes;

use crate::header::headers::Headers;
use crate::writer;

/// The parts that requests and responses have in common: everything except the content of the start
/// line.
#[derive(Clone)]
pub(crate) struct RawParts {
    pub(crate) start_line: StartLine,
    pub(crate) headers: Headers,
    pub(crate) body: Text,
}

impl RawParts {
    /// The parts of a new message: no header lines and no body.
    pub(crate) fn new() -> Self {
        Self { start_line: StartLine::Rebuilt, headers: Headers::new(), body: Text::own(Bytes::new()) }
    }

    /// The parts of a message that is being read: its start line has this length. `receive`
    /// completes the message.
    #[inline]
    pub(crate) fn received(line: u32) -> Self {
        let body = Text::Received { start: 0, end: 0 };
        Self { start_line: StartLine::Received(line), headers: Headers::new(), body }
    }

    /// Sets the octets that all parts are ranges of; the body starts at `body`.
    #[inline]
    pub(crate) fn receive(&mut self, raw: Bytes, body: usize, irregular: bool) {
        self.body = Text::to_end(&raw, body);
        self.headers.receive(raw, irregular);
    }

    /// The received octets.
    #[inline]
    pub(crate) fn raw(&self) -> &Bytes {
        self.headers.raw()
    }

    #[inline]
    pub(crate) fn body(&self) -> &[u8] {
        self.body.of(self.raw())
    }

    /// Appends the octets of an edited message. `start_line` appends a rebuilt start line that
    /// holds `text`.
    pub(crate) fn rewrite(
        &self,
        out: &mut Vec<u8>,
        text: &[u8],
        start_line: impl FnOnce(&[u8], &mut Vec<u8>),
    ) {
        out.reserve(text.len() + self.headers.printed_length() + self.body().len() + writer::FIXED_LENGTH);
        match self.start_line.received(self.raw()) {
            Some(line) => writer::line(line, out),
            None => start_line(text, out),
        }
        writer::rest(&self.headers, self.body(), out);
    }

    /// The received octets, if nothing is edited.
    #[inline]
    pub(crate) fn unedited(&self) -> Option<&Bytes> {
        let unedited = !self.headers.edited() && self.start_line.is_received() && self.body.is_received();
        unedited.then(|| self.raw())
    }
}

/// A part of a message: a range of the received octets, or its own octets.
#[derive(Clone)]
pub(crate) enum Text {
    Received { start: u32, end: u32 },
    Own(Bytes),
}

impl Text {
    pub(crate) fn own(text: impl Into<Bytes>) -> Self {
        Self::Own(text.into())
    }

    /// The part of a message from `start` to the end.
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

/// The state of the start line: received, or edited.
#[derive(Clone, Copy)]
pub(crate) enum StartLine {
    /// The length of the received start line in octets, with its line end.
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

/// Implements the methods that [`Request`](crate::Request) and [`Response`](crate::Response) share. They act on the
/// field `parts` and the field `version`; `$text` is the method that reads the text of the start line.
macro_rules! shared_methods {
    ($type:ident, $text:ident) => {
        impl $type {
            /// The version in the start line. A version other than 2.0 prints as received until the start line is
            /// edited.
            pub fn version(&self) -> $crate::version::Version {
                self.version
            }

            /// The header lines.
            pub fn headers(&self) -> &$crate::header::headers::Headers {
                &self.parts.headers
            }

            /// The header lines, for editing.
            pub fn headers_mut(&mut self) -> &mut $crate::header::headers::Headers {
                &mut self.parts.headers
            }

            /// The body; empty if there is none.
            pub fn body(&self) -> &[u8] {
                self.parts.body()
            }

            /// The body as octets that share the memory of the datagram.
            pub fn body_bytes(&self) -> bytes::Bytes {
                self.parts.body.shared(self.parts.raw())
            }

            /// Replaces the body. Content-Length is calculated when the message is printed. The caller sets Content-Type.
            pub fn set_body(&mut self, body: impl Into<bytes::Bytes>) {
                self.parts.body = $crate::part::Text::own(body);
            }

            /// The octets to send. An unedited message shares the octets that it was read from.
            pub fn to_bytes(&self) -> bytes::Bytes {
                match self.parts.unedited() {
                    Some(received) => received.clone(),
                    None => $crate::writer::collect(|out| self.write_to(out)),
                }
            }

            /// Appends the octets to send.
            ///
            /// An unedited message prints as received. In an edited message each received line still prints as
            /// received, except Content-Length: the last header line is the only Content-Length, and it is correct.
            pub fn write_to(&self, out: &mut Vec<u8>) {
                match self.parts.unedited() {
                    Some(received) => out.extend_from_slice(received),
                    None => {
                        self.parts.rewrite(out, self.$text(), |text, out| self.write_start_line(text, out));
                    }
                }
            }

            /// Sets the octets that all parts are ranges of; the body starts at `body`.
            #[inline]
            pub(crate) fn receive(&mut self, raw: bytes::Bytes, body: usize, irregular: bool) {
                self.parts.receive(raw, body, irregular);
            }
        }
    };
}
pub(crate) use shared_methods;
