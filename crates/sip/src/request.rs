use std::fmt;

use bytes::Bytes;

use crate::error::ParseError;
use crate::header::Headers;
use crate::mask::Masked;
use crate::message::Version;
use crate::method::Method;
use crate::part::{StartLine, Text};
use crate::uri::Uri;
use crate::writer;

/// A request (RFC 3261 section 7.1).
#[derive(Clone)]
pub struct Request {
    method: Method,
    uri: Text,
    version: Version,
    start_line: StartLine,
    headers: Headers,
    body: Text,
}

impl Request {
    /// A request without header lines. The URI is the caller's to check; its white space and
    /// control octets are left out when it prints.
    pub fn new(method: Method, uri: impl Into<Bytes>) -> Self {
        Self {
            method,
            uri: Text::own(uri),
            version: Version::Sip2,
            start_line: StartLine::Rebuilt,
            headers: Headers::new(),
            body: Text::own(Bytes::new()),
        }
    }

    /// What the request asks for.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI as received.
    pub fn uri(&self) -> &[u8] {
        self.uri.of(self.headers.raw())
    }

    /// The Request-URI taken apart.
    pub fn parsed_uri(&self) -> Result<Uri<'_>, ParseError> {
        Uri::parse(self.uri())
    }

    /// Puts another Request-URI in place; see [`Request::new`].
    pub fn set_uri(&mut self, uri: impl Into<Bytes>) {
        self.uri = Text::own(uri);
        self.start_line = StartLine::Rebuilt;
    }

    /// The version in the start line; one that is not 2.0 prints as received while the request
    /// line is not edited.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The header lines.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header lines, to be edited.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &[u8] {
        self.body.of(self.headers.raw())
    }

    /// The body as octets that share the datagram.
    pub fn body_bytes(&self) -> Bytes {
        self.body.shared(self.headers.raw())
    }

    /// Puts another body in place. Content-Length follows when the message is printed;
    /// Content-Type is the caller's to set.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.body = Text::own(body);
    }

    /// The octets to send; an unedited request shares those it was read from.
    pub fn to_bytes(&self) -> Bytes {
        if self.is_untouched() {
            self.headers.raw().clone()
        } else {
            writer::collect(|out| self.write_to(out))
        }
    }

    /// Appends the octets to send.
    ///
    /// An unedited request prints as received. In an edited one each received line still prints
    /// as received, except that exactly one Content-Length, the right one, stands last.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        if self.is_untouched() {
            return out.extend_from_slice(self.headers.raw());
        }
        out.reserve(self.uri().len() + self.headers.printed_length() + self.body().len() + writer::ROOM);
        match self.start_line.received(self.headers.raw()) {
            Some(line) => writer::line(line, out),
            None => writer::request_line(&self.method, self.uri(), out),
        }
        writer::rest(&self.headers, self.body(), out);
    }

    /// A message of this start line and its length, of which the rest is still to be received.
    #[inline]
    pub(crate) fn received(method: Method, uri: Text, version: Version, line: u32) -> Self {
        let body = Text::Received { start: 0, end: 0 };
        Self { method, uri, version, start_line: StartLine::Received(line), headers: Headers::new(), body }
    }

    /// Takes in the octets that all parts are ranges of; the body starts at `body`.
    #[inline]
    pub(crate) fn receive(&mut self, raw: Bytes, body: usize, irregular: bool) {
        self.body = Text::to_end(&raw, body);
        self.headers.receive(raw, irregular);
    }

    fn is_untouched(&self) -> bool {
        !self.headers.touched() && self.start_line.is_received() && self.body.is_received()
    }
}

/// Method, masked URI and header names.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Request");
        shown.field("method", &self.method);
        match self.parsed_uri() {
            Ok(uri) => shown.field("uri", &uri),
            Err(_) => shown.field("uri", &Masked(self.uri())),
        };
        shown.field("headers", &self.headers).field("body", &self.body().len()).finish()
    }
}
