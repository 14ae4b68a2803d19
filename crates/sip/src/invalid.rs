use std::fmt;

use crate::error::ParseErrorKind;
use crate::header::name::Name;
use crate::status::Status;

/// The reason for which a message is rejected, and the status to answer.
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

    /// The kind of fault.
    pub fn kind(&self) -> InvalidKind {
        self.kind
    }

    /// The header with the fault; `None` for the start line.
    pub fn header(&self) -> Option<Name> {
        self.header
    }

    /// The status to answer. `None` for a response or an ACK, which is dropped.
    pub fn answer(&self) -> Option<Status> {
        self.answer
    }

    /// Whether the message violates RFC 3261. False if the message only requests an unsupported feature.
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

/// The kinds of fault that [`Rules`](crate::Rules) find.
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
    /// A header that may occur only once occurs twice (RFC 3261 section 7.3.1): 400.
    Duplicate,
    /// A value cannot be read: 400.
    Value(ParseErrorKind),
    /// The method in CSeq differs from the method in the request line (RFC 3261 section 8.1.1.5):
    /// 400.
    MethodMismatch,
    /// A method unknown to this crate: 501.
    MethodUnknown,
    /// A known method that this element does not support: 405.
    MethodNotAllowed,
    /// The scheme of the Request-URI is not supported: 416.
    Scheme,
    /// Max-Forwards is 0: 483.
    TooManyHops,
    /// Require names an unsupported extension: 420.
    Extension,
    /// The type of the body is absent or not supported: 415.
    MediaType,
    /// The encoding of the body is not supported: 415.
    ContentEncoding,
    /// The sender accepts no body type that a response could have: 406.
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

    /// The status for a request with this fault. Responses and ACKs get no answer.
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
            Self::Duplicate => f.write_str("occurs twice"),
            Self::Value(kind) => kind.fmt(f),
            Self::MethodMismatch => f.write_str("the method differs from the method in the request line"),
            Self::MethodUnknown => f.write_str("the method is unknown"),
            Self::MethodNotAllowed => f.write_str("the method is not supported here"),
            Self::Scheme => f.write_str("the scheme of the Request-URI is not supported"),
            Self::TooManyHops => f.write_str("no further hop is allowed"),
            Self::Extension => f.write_str("an extension is not supported"),
            Self::MediaType => f.write_str("the type of the body is not supported"),
            Self::ContentEncoding => f.write_str("the encoding of the body is not supported"),
            Self::NotAcceptable => f.write_str("no accepted type of body can be sent"),
        }
    }
}
