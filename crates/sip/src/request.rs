use std::fmt;

use bytes::Bytes;

use crate::error::ParseError;
use crate::mask::Masked;
use crate::method::Method;
use crate::part::{self, RawParts, StartLine, Text};
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
    /// A request without header lines. The caller checks the URI. White space and control octets in
    /// the URI are left out when the request prints.
    pub fn new(method: Method, uri: impl Into<Bytes>) -> Self {
        Self { method, uri: Text::own(uri), version: Version::Sip2, parts: RawParts::new() }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI as received.
    pub fn uri(&self) -> &[u8] {
        self.uri.of(self.parts.raw())
    }

    /// The parsed Request-URI.
    pub fn parsed_uri(&self) -> Result<Uri<'_>, ParseError> {
        Uri::parse(self.uri())
    }

    /// Replaces the Request-URI; see [`Request::new`].
    pub fn set_uri(&mut self, uri: impl Into<Bytes>) {
        self.uri = Text::own(uri);
        self.parts.start_line = StartLine::Rebuilt;
    }

    /// A request that is being read: its start line has this length. `receive` completes the
    /// request.
    #[inline]
    pub(crate) fn received(method: Method, uri: Text, version: Version, line: u32) -> Self {
        Self { method, uri, version, parts: RawParts::received(line) }
    }

    fn write_start_line(&self, uri: &[u8], out: &mut Vec<u8>) {
        writer::request_line(&self.method, uri, out);
    }
}

part::shared_methods!(Request, uri);

/// Shows the method, the masked URI and the header names.
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
