use std::fmt;

use crate::status::Status;

/// Why octets could not be read, and where.
///
/// The offset counts octets from the start of what was given to the parser: the datagram for
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

    /// The same error, seen from a text in which the parsed part starts at `base`.
    pub(crate) const fn shifted(self, base: usize) -> Self {
        Self { kind: self.kind, offset: self.offset + base }
    }

    /// What was wrong.
    pub const fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// Octets before the place where reading stopped.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The status a request with this fault deserves; `None` where nothing can be answered.
    ///
    /// A response or an ACK with a fault is dropped, whatever the fault
    /// (RFC 3261 sections 18.3 and 17.1.1.3): ask [`UnreadableRequest`](crate::UnreadableRequest) what it was.
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
    /// Nothing but line ends: a keep-alive, not a message (RFC 5626 section 3.5.1).
    Empty,
    /// The start line is neither a request line nor a status line (RFC 3261 sections 7.1, 7.2).
    StartLine,
    /// The version is not written `SIP/digits.digits`.
    Version,
    /// The status code is not three digits from 100 to 699.
    StatusCode,
    /// The message ends before the empty line that closes the header.
    Truncated,
    /// A carriage return that no line feed follows.
    BareCarriageReturn,
    /// A header line does not start with a token and a colon.
    HeaderName,
    /// Content-Length is not one number, or several lines disagree (RFC 3261 section 20.14).
    ContentLength,
    /// On a stream, the length of the body is not given (RFC 3261 section 18.3).
    NoContentLength,
    /// The datagram holds less body than Content-Length says (RFC 3261 section 18.3).
    BodyTruncated,
    /// A limit of [`Limits`](crate::Limits) was passed.
    TooLarge(Limit),
    /// An octet that cannot stand where it stands.
    Unexpected,
    /// The value ends too early.
    UnexpectedEnd,
    /// A quoted string is not closed.
    UnclosedQuote,
    /// A `<` without its `>`.
    UnclosedAngle,
    /// Not a URI, or one whose scheme-specific part is broken.
    Uri,
    /// An escape that is not `%` and two hexadecimal digits.
    Escape,
    /// Not a host name, an IPv4 address or a bracketed IPv6 address.
    Host,
    /// Not a number, or one out of the range the header allows.
    Number,
    /// Not an RFC 1123 date in GMT (RFC 3261 section 20.17).
    Date,
    /// The parameter occurs twice.
    DuplicateParam,
    /// A parameter the header cannot do without is missing.
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
            Self::Empty => "no message, only line ends",
            Self::StartLine => "neither a request line nor a status line",
            Self::Version => "the version is not SIP/digits.digits",
            Self::StatusCode => "the status code is not three digits from 100 to 699",
            Self::Truncated => "the header does not end with an empty line",
            Self::BareCarriageReturn => "a carriage return without a line feed",
            Self::HeaderName => "a header line without a name and a colon",
            Self::ContentLength => "Content-Length is not one number",
            Self::NoContentLength => "no Content-Length on a stream",
            Self::BodyTruncated => "the body is shorter than Content-Length",
            Self::TooLarge(limit) => limit.text(),
            Self::Unexpected => "an octet that cannot stand here",
            Self::UnexpectedEnd => "the value ends too early",
            Self::UnclosedQuote => "a quoted string is not closed",
            Self::UnclosedAngle => "a '<' without its '>'",
            Self::Uri => "not a URI",
            Self::Escape => "'%' without two hexadecimal digits",
            Self::Host => "not a host",
            Self::Number => "not a number of the allowed range",
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

/// Which of the [`Limits`](crate::Limits) was passed.
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
            Self::Headers => "more header lines than the limit",
            Self::HeaderLine => "a header line is longer than the limit",
            Self::Uri => "the Request-URI is longer than the limit",
            Self::Params => "more parameters than the limit",
            Self::Body => "the body is larger than the limit",
        }
    }
}
