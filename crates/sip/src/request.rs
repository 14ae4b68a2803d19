use std::fmt;

use bytes::Bytes;

use crate::error::ParseError;
use crate::header::headers::Headers;
use crate::mask::Masked;
use crate::method::Method;
use crate::part::{RawParts, StartLine, Text};
use crate::uri::Uri;
use crate::version::Version;
use crate::writer;

/// A request (RFC 3261 section 7.1).
#[derive(Clone)]
pub struct Request {
    method: Method,
    uri: Text,
    version: Version,
    parts: RawParts,
}

impl Request {
    /// A request without header lines. The URI is the caller's to check; its white space and
    /// control octets are left out when it prints.
    pub fn new(method: Method, uri: impl Into<Bytes>) -> Self {
        Self { method, uri: Text::own(uri), version: Version::Sip2, parts: RawParts::new() }
    }

    /// What the request asks for.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI as received.
    pub fn uri(&self) -> &[u8] {
        self.uri.of(self.parts.raw())
    }

    /// The Request-URI taken apart.
    pub fn parsed_uri(&self) -> Result<Uri<'_>, ParseError> {
        Uri::parse(self.uri())
    }

    /// Puts another Request-URI in place; see [`Request::new`].
    pub fn set_uri(&mut self, uri: impl Into<Bytes>) {
        self.uri = Text::own(uri);
        self.parts.start_line = StartLine::Rebuilt;
    }

    /// The version in the start line; one that is not 2.0 prints as received while the request
    /// line is not edited.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The header lines.
    pub fn headers(&self) -> &Headers {
        &self.parts.headers
    }

    /// The header lines, to be edited.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.parts.headers
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &[u8] {
        self.parts.body()
    }

    /// The body as octets that share the datagram.
    pub fn body_bytes(&self) -> Bytes {
        self.parts.body.shared(self.parts.raw())
    }

    /// Puts another body in place. Content-Length follows when the message is printed;
    /// Content-Type is the caller's to set.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.parts.body = Text::own(body);
    }

    /// The octets to send; an unedited request shares those it was read from.
    pub fn to_bytes(&self) -> Bytes {
        match self.parts.untouched() {
            Some(received) => received.clone(),
            None => writer::collect(|out| self.write_to(out)),
        }
    }

    /// Appends the octets to send.
    ///
    /// An unedited request prints as received. In an edited one each received line still prints
    /// as received, except that exactly one Content-Length, the right one, stands last.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self.parts.untouched() {
            Some(received) => out.extend_from_slice(received),
            None => {
                self.parts.rewrite(out, self.uri(), |uri, out| writer::request_line(&self.method, uri, out))
            }
        }
    }

    /// A message of this start line and its length, of which the rest is still to be received.
    #[inline]
    pub(crate) fn received(method: Method, uri: Text, version: Version, line: u32) -> Self {
        Self { method, uri, version, parts: RawParts::received(line) }
    }

    /// Takes in the octets that all parts are ranges of; the body starts at `body`.
    #[inline]
    pub(crate) fn receive(&mut self, raw: Bytes, body: usize, irregular: bool) {
        self.parts.receive(raw, body, irregular);
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
        shown.field("headers", &self.parts.headers).field("body", &self.body().len()).finish()
    }
}
