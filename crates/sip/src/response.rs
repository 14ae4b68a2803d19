use std::fmt;

use bytes::Bytes;

use crate::error::ParseError;
use crate::header::address::To;
use crate::header::name::Name;
use crate::part::{self, RawParts, StartLine, Text};
use crate::reason_phrase::ReasonPhrase;
use crate::request::Request;
use crate::status::Status;
use crate::version::Version;
use crate::writer;

/// A response (RFC 3261 section 7.2).
#[derive(Clone)]
pub struct Response {
    status: Status,
    reason: Text,
    version: Version,
    parts: RawParts,
}

impl Response {
    /// A response without header lines, with the standard phrase for its status.
    pub fn new(status: Status) -> Self {
        Self { status, reason: Text::own(status.reason()), version: Version::Sip2, parts: RawParts::new() }
    }

    /// A response to a request. Copies Via, From, To, Call-ID and CSeq, and Timestamp into a 100
    /// (RFC 3261 sections 8.2.6.1 and 8.2.6.2). The caller adds a tag to To.
    pub fn to_request(request: &Request, status: Status) -> Self {
        let mut response = Self::new(status);
        let trying = status == Status::TRYING;
        for field in request.headers().iter() {
            let copied =
                matches!(field.name(), Some(Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq));
            if copied || (trying && field.name() == Some(Name::Timestamp)) {
                response.parts.headers.push_field(field);
            }
        }
        response
    }

    /// Adds this tag to To, unless To already has a tag (RFC 3261 section 8.2.6.2). The new tag
    /// replaces a `tag` parameter without a value.
    pub fn set_to_tag(&mut self, tag: &str) {
        let headers = &mut self.parts.headers;
        let (Some(Ok(to)), Some(value)) = (headers.read::<To<'_>>(), headers.get(Name::To)) else { return };
        if to.tag().is_none() {
            let params = to.params();
            let address = value.strip_suffix(params.as_bytes()).unwrap_or_default();
            let value = [address, &params.without("tag"), b";tag=", tag.as_bytes()].concat();
            headers.set(Name::To, value);
        }
    }

    /// The status code.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The phrase after the code. The phrase may be empty or invalid UTF-8.
    pub fn reason(&self) -> &[u8] {
        self.reason.of(self.parts.raw())
    }

    /// The phrase, parsed according to RFC 3261 section 25.1.
    pub fn reason_phrase(&self) -> Result<ReasonPhrase<'_>, ParseError> {
        ReasonPhrase::parse(self.reason())
    }

    /// Replaces the status and the phrase. Control octets in the phrase, except the tab, are left
    /// out when the response prints.
    pub fn set_status(&mut self, status: Status, reason: impl Into<Bytes>) {
        self.status = status;
        self.reason = Text::own(reason);
        self.parts.start_line = StartLine::Rebuilt;
    }

    /// A response that is being read: its start line has this length. `receive` completes the
    /// response.
    #[inline]
    pub(crate) fn received(status: Status, reason: Text, version: Version, line: u32) -> Self {
        Self { status, reason, version, parts: RawParts::received(line) }
    }

    fn write_start_line(&self, reason: &[u8], out: &mut Vec<u8>) {
        writer::status_line(self.status, reason, out);
    }
}

part::shared_methods!(Response, reason);

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Response");
        shown.field("status", &self.status);
        shown.field("headers", &self.parts.headers).field("body", &self.body().len()).finish()
    }
}
