//! Conversions to and from rsip 0.4, with the feature `rsip`.

use std::fmt;

use bytes::Bytes;

use crate::error::ParseError;
use crate::header::name::Name;
use crate::host::Host;
use crate::lex;
use crate::limits::Limits;
use crate::message::Message;
use crate::method::Method;
use crate::request::Request;
use crate::response::Response;
use crate::uri::Uri;
use crate::version::Version;

/// The reason for which a message does not convert to rsip.
///
/// rsip 0.4 stores text, so a message with a header that is not UTF-8 does not convert. These
/// messages do not convert either: a method that rsip does not list, a `tel:`, `urn:` or other
/// Request-URI that is not SIP, an IPv6 address in the Request-URI, a version other than 2.0. The
/// conversion changes details that rsip does not keep: compact header names become long names,
/// folds become a space, white space around a colon becomes one space after it. Header values stay
/// text, and rsip parses them: in an address without angle brackets, rsip takes `user@host` for a
/// host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RsipError {
    /// The start line or a header line is not UTF-8.
    NotUtf8,
    /// The version is not 2.0.
    Version,
    /// The Request-URI is not a SIP URI, or its host is an IPv6 address.
    RequestUri,
    /// rsip does not know the method.
    Method,
    /// rsip cannot read the message.
    Refused,
    /// rsip read the message, but lost a header line or a part of the body.
    Lossy,
}

impl fmt::Display for RsipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "the header is not UTF-8",
            Self::Version => "the version is not SIP/2.0",
            Self::RequestUri => "rsip cannot represent the Request-URI",
            Self::Method => "rsip does not know the method",
            Self::Refused => "rsip cannot read the message",
            Self::Lossy => "rsip would lose a part of the message",
        })
    }
}

impl std::error::Error for RsipError {}

impl TryFrom<&Message> for rsip::SipMessage {
    type Error = RsipError;

    fn try_from(message: &Message) -> Result<Self, RsipError> {
        if message.version() == Version::Other {
            return Err(RsipError::Version);
        }
        if let Message::Request(request) = message {
            representable(request)?;
        }
        let text = plain(message)?;
        let converted = Self::try_from(text.as_slice()).map_err(|_| RsipError::Refused)?;
        let headers = match &converted {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        };
        let kept = headers.iter().count() == message.headers().len() && converted.body() == message.body();
        if kept { Ok(converted) } else { Err(RsipError::Lossy) }
    }
}

impl TryFrom<&Request> for rsip::Request {
    type Error = RsipError;

    fn try_from(request: &Request) -> Result<Self, RsipError> {
        match rsip::SipMessage::try_from(&Message::from(request.clone()))? {
            rsip::SipMessage::Request(request) => Ok(request),
            rsip::SipMessage::Response(_) => Err(RsipError::Refused),
        }
    }
}

impl TryFrom<&Response> for rsip::Response {
    type Error = RsipError;

    fn try_from(response: &Response) -> Result<Self, RsipError> {
        match rsip::SipMessage::try_from(&Message::from(response.clone()))? {
            rsip::SipMessage::Response(response) => Ok(response),
            rsip::SipMessage::Request(_) => Err(RsipError::Refused),
        }
    }
}

impl TryFrom<&rsip::SipMessage> for Message {
    type Error = ParseError;

    /// Reads the text that rsip prints, with the default limits. The body is copied separately,
    /// because rsip replaces octets that are not UTF-8 when it prints.
    fn try_from(message: &rsip::SipMessage) -> Result<Self, ParseError> {
        let mut octets = match message {
            rsip::SipMessage::Request(request) => {
                format!("{} {} {}\r\n{}\r\n", request.method, request.uri, request.version, request.headers)
            }
            rsip::SipMessage::Response(response) => {
                format!("{} {}\r\n{}\r\n", response.version, response.status_code, response.headers)
            }
        }
        .into_bytes();
        octets.extend_from_slice(message.body());
        Self::parse(Bytes::from(octets), &Limits::default())
    }
}

/// Rejects requests that rsip would read incorrectly.
fn representable(request: &Request) -> Result<(), RsipError> {
    if matches!(request.method(), Method::Extension(_)) {
        return Err(RsipError::Method);
    }
    match request.parsed_uri() {
        Ok(Uri::Sip(uri)) if !matches!(uri.host(), Host::V6(_)) => Ok(()),
        Ok(_) | Err(_) => Err(RsipError::RequestUri),
    }
}

/// The message in a form that rsip can read: long names, no folds.
fn plain(message: &Message) -> Result<Vec<u8>, RsipError> {
    let printed = message.to_bytes();
    let end = memchr::memchr2(b'\r', b'\n', &printed).unwrap_or(printed.len());
    let mut text = lex::split(&printed, end).0.to_vec();
    text.extend_from_slice(b"\r\n");
    for field in message.headers().iter() {
        let name = field.name().map_or(field.name_bytes(), |name: Name| name.as_str().as_bytes());
        text.extend_from_slice(name);
        text.extend_from_slice(b": ");
        let mut pieces = field.value().split(|octet| matches!(octet, b'\r' | b'\n')).map(<[u8]>::trim_ascii);
        text.extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            text.push(b' ');
            text.extend_from_slice(piece);
        }
        text.extend_from_slice(b"\r\n");
    }
    if std::str::from_utf8(&text).is_err() {
        return Err(RsipError::NotUtf8);
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(message.body());
    Ok(text)
}
