use std::fmt;

use crate::error::ParseErrorKind;
use crate::header::name::Name;
use crate::status::Status;

/// Why a message is not accepted, and what it deserves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invalid {
    kind: InvalidKind,
    header: Option<Name>,
    answer: Option<Status>,
}

impl Invalid {
    pub(crate) fn new(kind: InvalidKind, header: Option<Name>, answered: bool) -> Self {
        let answer = if answered { Some(kind.status()) } else { None };
        Self { kind, header, answer }
    }

    /// What was wrong.
    pub fn kind(&self) -> InvalidKind {
        self.kind
    }

    /// The header it was found in; `None` for the start line.
    pub fn header(&self) -> Option<Name> {
        self.header
    }

    /// The status to answer with; `None` where the message is dropped: a response, or an ACK.
    pub fn answer(&self) -> Option<Status> {
        self.answer
    }

    /// Whether the message breaks RFC 3261, rather than asking for what is not supported here.
    pub fn is_malformed(&self) -> bool {
        self.kind.status() == Status::BAD_REQUEST
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.header {
            Some(header) => write!(f, "{header}: {}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl std::error::Error for Invalid {}

/// The kinds of fault [`Rules`](crate::Rules) find.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum InvalidKind {
    /// The version is not 2.0: 505.
    Version,
    /// The Request-URI cannot be read: 400.
    RequestUri(ParseErrorKind),
    /// The Request-URI has a header part, which RFC 3261 section 19.1.1 forbids: 400.
    RequestUriHeaders,
    /// A mandatory header is missing (RFC 3261 section 8.1.1): 400.
    Missing,
    /// A header that stands once stands twice (RFC 3261 section 7.3.1): 400.
    Duplicate,
    /// A value cannot be read: 400.
    Value(ParseErrorKind),
    /// CSeq names another method than the request line (RFC 3261 section 8.1.1.5): 400.
    MethodMismatch,
    /// A method unknown to this crate: 501.
    MethodUnknown,
    /// A known method that is not answered here: 405.
    MethodNotAllowed,
    /// A Request-URI of another scheme: 416.
    Scheme,
    /// No hop is left: 483.
    TooManyHops,
    /// An extension is required that is not supported: 420.
    Extension,
    /// A body of a type that is not understood, or of none: 415.
    MediaType,
    /// A body in an encoding that is not understood: 415.
    ContentEncoding,
    /// A response could not carry a body that the sender takes: 406.
    NotAcceptable,
}

impl InvalidKind {
    /// The kind as one kebab-case word, for logs and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version-not-supported",
            Self::RequestUri(_) => "request-uri",
            Self::RequestUriHeaders => "request-uri-headers",
            Self::Missing => "missing-header",
            Self::Duplicate => "duplicate-header",
            Self::Value(_) => "header-value",
            Self::MethodMismatch => "method-mismatch",
            Self::MethodUnknown => "method-unknown",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Scheme => "uri-scheme",
            Self::TooManyHops => "too-many-hops",
            Self::Extension => "extension",
            Self::MediaType => "media-type",
            Self::ContentEncoding => "content-encoding",
            Self::NotAcceptable => "not-acceptable",
        }
    }

    /// The status a request with this fault deserves, were it to be answered.
    pub const fn status(self) -> Status {
        match self {
            Self::Version => Status::VERSION_NOT_SUPPORTED,
            Self::RequestUri(_)
            | Self::RequestUriHeaders
            | Self::Missing
            | Self::Duplicate
            | Self::Value(_)
            | Self::MethodMismatch => Status::BAD_REQUEST,
            Self::MethodUnknown => Status::NOT_IMPLEMENTED,
            Self::MethodNotAllowed => Status::METHOD_NOT_ALLOWED,
            Self::Scheme => Status::UNSUPPORTED_URI_SCHEME,
            Self::TooManyHops => Status::TOO_MANY_HOPS,
            Self::Extension => Status::BAD_EXTENSION,
            Self::MediaType | Self::ContentEncoding => Status::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable => Status::NOT_ACCEPTABLE,
        }
    }
}

impl fmt::Display for InvalidKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => f.write_str("the version is not SIP/2.0"),
            Self::RequestUri(kind) => write!(f, "Request-URI: {kind}"),
            Self::RequestUriHeaders => f.write_str("the Request-URI has a header part"),
            Self::Missing => f.write_str("missing"),
            Self::Duplicate => f.write_str("stands twice"),
            Self::Value(kind) => kind.fmt(f),
            Self::MethodMismatch => f.write_str("another method than that of the request line"),
            Self::MethodUnknown => f.write_str("an unknown method"),
            Self::MethodNotAllowed => f.write_str("a method that is not answered here"),
            Self::Scheme => f.write_str("a Request-URI of a scheme that is not supported"),
            Self::TooManyHops => f.write_str("no hop is left"),
            Self::Extension => f.write_str("an extension that is not supported"),
            Self::MediaType => f.write_str("a body of a type that is not understood"),
            Self::ContentEncoding => f.write_str("a body in an encoding that is not understood"),
            Self::NotAcceptable => f.write_str("no type of body that can be sent"),
        }
    }
}
