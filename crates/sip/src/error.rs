use std::fmt;

use crate::status::Status;

/// The reason for which octets could not be read, and the place of the fault.
///
/// The offset counts octets from the start of the parsed text: the datagram for
/// [`Message::parse`](crate::Message::parse), the value for a typed header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError {
    kind: ParseErrorKind,
    offset: usize,
}

impl ParseError {
    pub(crate) const fn new(kind: ParseErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// The same error with an offset in the whole text, in which the parsed part starts at `base`.
    pub(crate) const fn shifted(self, base: usize) -> Self {
        Self { kind: self.kind, offset: self.offset + base }
    }

    /// The kind of fault.
    pub const fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// The number of octets before the fault.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The status to answer a request with this fault; `None` if no response can be sent.
    ///
    /// A faulty response and a faulty ACK are dropped (RFC 3261 sections 18.3 and 17.1.1.3).
    /// [`UnreadableRequest`](crate::UnreadableRequest) tells whether the octets are such a message.
    pub const fn answer(&self) -> Option<Status> {
        if let ParseErrorKind::TooLarge(limit) = self.kind {
            Some(limit.status())
        } else if matches!(self.kind, ParseErrorKind::Empty) {
            None
        } else {
            Some(Status::BAD_REQUEST)
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {}", self.kind.text(), self.offset)
    }
}

impl std::error::Error for ParseError {}

/// The kinds of fault a parser finds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Only line ends: a keep-alive, not a message (RFC 5626 section 3.5.1).
    Empty,
    /// The start line is neither a request line nor a status line (RFC 3261 sections 7.1, 7.2).
    StartLine,
    /// The version does not have the form `SIP/digits.digits`.
    Version,
    /// The status code is not three digits from 100 to 699.
    StatusCode,
    /// The message ends before the empty line at the end of the header.
    Truncated,
    /// A carriage return without a line feed after it.
    BareCarriageReturn,
    /// A header line does not start with a token and a colon.
    HeaderName,
    /// Content-Length is not a single number, or several lines disagree (RFC 3261 section 20.14).
    ContentLength,
    /// A message on a stream has no Content-Length (RFC 3261 section 18.3).
    NoContentLength,
    /// The body in the datagram is shorter than Content-Length says (RFC 3261 section 18.3).
    BodyTruncated,
    /// The message exceeds one of the [`Limits`](crate::Limits).
    TooLarge(Limit),
    /// An octet that the grammar does not allow at this place.
    Unexpected,
    /// The value ends too early.
    UnexpectedEnd,
    /// A quoted string is not closed.
    UnclosedQuote,
    /// A `<` without a `>`.
    UnclosedAngle,
    /// Not a URI, or a URI whose scheme-specific part cannot be read.
    Uri,
    /// A `%` without two hexadecimal digits after it.
    Escape,
    /// Not a host name, an IPv4 address or a bracketed IPv6 address.
    Host,
    /// Not a number, or a number outside the range of the header.
    Number,
    /// Not an RFC 1123 date in GMT (RFC 3261 section 20.17).
    Date,
    /// A parameter occurs twice.
    DuplicateParam,
    /// A required parameter is missing.
    MissingParam,
}

impl ParseErrorKind {
    /// The kind as one kebab-case word, for logs and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::StartLine => "start-line",
            Self::Version => "version",
            Self::StatusCode => "status-code",
            Self::Truncated => "truncated",
            Self::BareCarriageReturn => "bare-carriage-return",
            Self::HeaderName => "header-name",
            Self::ContentLength => "content-length",
            Self::NoContentLength => "no-content-length",
            Self::BodyTruncated => "body-truncated",
            Self::TooLarge(limit) => limit.as_str(),
            Self::Unexpected => "unexpected-octet",
            Self::UnexpectedEnd => "unexpected-end",
            Self::UnclosedQuote => "unclosed-quote",
            Self::UnclosedAngle => "unclosed-angle",
            Self::Uri => "uri",
            Self::Escape => "escape",
            Self::Host => "host",
            Self::Number => "number",
            Self::Date => "date",
            Self::DuplicateParam => "duplicate-param",
            Self::MissingParam => "missing-param",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Empty => "only line ends, no message",
            Self::StartLine => "neither a request line nor a status line",
            Self::Version => "the version is not SIP/digits.digits",
            Self::StatusCode => "the status code is not three digits from 100 to 699",
            Self::Truncated => "the header does not end with an empty line",
            Self::BareCarriageReturn => "a carriage return without a line feed",
            Self::HeaderName => "a header line does not start with a name and a colon",
            Self::ContentLength => "Content-Length is not a single number",
            Self::NoContentLength => "a message on a stream has no Content-Length",
            Self::BodyTruncated => "the body is shorter than Content-Length",
            Self::TooLarge(limit) => limit.text(),
            Self::Unexpected => "an octet is not allowed here",
            Self::UnexpectedEnd => "the value ends too early",
            Self::UnclosedQuote => "a quoted string is not closed",
            Self::UnclosedAngle => "a '<' without a '>'",
            Self::Uri => "not a URI",
            Self::Escape => "'%' without two hexadecimal digits",
            Self::Host => "not a host",
            Self::Number => "not a number in the allowed range",
            Self::Date => "not an RFC 1123 date in GMT",
            Self::DuplicateParam => "a parameter occurs twice",
            Self::MissingParam => "a required parameter is missing",
        }
    }
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The limit of [`Limits`](crate::Limits) that the message exceeds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// Octets of the whole message.
    Message,
    /// Number of header lines.
    Headers,
    /// Octets of one header line, folds included.
    HeaderLine,
    /// Octets of the Request-URI.
    Uri,
    /// Parameters of one value.
    Params,
    /// Octets of the body.
    Body,
}

impl Limit {
    /// The limit as one kebab-case word, for logs and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message-too-large",
            Self::Headers => "too-many-headers",
            Self::HeaderLine => "header-line-too-long",
            Self::Uri => "uri-too-long",
            Self::Params => "too-many-params",
            Self::Body => "body-too-large",
        }
    }

    const fn status(self) -> Status {
        match self {
            Self::Message | Self::Headers | Self::HeaderLine => Status::MESSAGE_TOO_LARGE,
            Self::Uri => Status::URI_TOO_LONG,
            Self::Params => Status::BAD_REQUEST,
            Self::Body => Status::REQUEST_ENTITY_TOO_LARGE,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Message => "the message is larger than the limit",
            Self::Headers => "there are more header lines than the limit",
            Self::HeaderLine => "a header line is longer than the limit",
            Self::Uri => "the Request-URI is longer than the limit",
            Self::Params => "there are more parameters than the limit",
            Self::Body => "the body is larger than the limit",
        }
    }
}
