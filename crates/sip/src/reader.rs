//! One datagram to one message: one pass that notes where the lines stand.

use bytes::{Buf, Bytes};
use memchr::{memchr, memchr2, memrchr};

use crate::error::{Limit, ParseError, ParseErrorKind};
use crate::header::Headers;
use crate::header::index::{Index, Line};
use crate::header::name::Name;
use crate::lex;
use crate::limits::Limits;
use crate::message::{Message, Request, Response, Text, Version};
use crate::method::Method;
use crate::status::Status;

/// Reads one datagram; see [`Message::parse`].
pub(crate) fn datagram(mut raw: Bytes, limits: &Limits) -> Result<Message, ParseError> {
    if raw.len() > limits.message {
        return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::Message), limits.message));
    }
    let skipped = leading_line_ends(&raw);
    raw.advance(skipped);
    message(raw, limits).map_err(|error| error.shifted(skipped))
}

/// Octets of line ends before a start line (RFC 3261 section 7.5).
pub(crate) fn leading_line_ends(raw: &[u8]) -> usize {
    raw.iter().position(|octet| !matches!(octet, b'\r' | b'\n')).unwrap_or(raw.len())
}

fn message(mut raw: Bytes, limits: &Limits) -> Result<Message, ParseError> {
    if raw.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    let line = line_end(&raw, 0)?;
    let start = Start::read(lex::split(&raw, line.content).0, limits)?;
    let header = Header::read(&raw, &line, limits)?;
    let rest = raw.len() - header.end;
    let length = match header.content_length.map(|length| length as usize) {
        None => rest,
        // What lost its carriage returns on the way has become shorter than it says.
        Some(length) if length > rest && header.bare => rest,
        Some(length) => length,
    };
    if length > limits.body {
        return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::Body), header.end));
    }
    if length > rest {
        return Err(ParseError::new(ParseErrorKind::BodyTruncated, raw.len()));
    }
    raw.truncate(header.end + length);
    let body = Text::Received { start: narrow(header.end), end: narrow(raw.len()) };
    let headers = Headers::received(raw, header.index, header.irregular);
    let line = narrow(line.next);
    Ok(match start {
        Start::Request { method, uri, version } => {
            Message::Request(Request::received(method, uri, version, line, headers, body))
        }
        Start::Response { status, reason, version } => {
            Message::Response(Response::received(status, reason, version, line, headers, body))
        }
    })
}

/// A start line, taken apart; its parts are ranges of the message, in which it stands first.
enum Start {
    Request { method: Method, uri: Text, version: Version },
    Response { status: Status, reason: Text, version: Version },
}

impl Start {
    fn read(line: &[u8], limits: &Limits) -> Result<Self, ParseError> {
        let failed = |at: usize| ParseError::new(ParseErrorKind::StartLine, at);
        let first = memchr(b' ', line).ok_or(failed(line.len()))?;
        let (word, rest) = lex::split(line, first);
        // No method holds a slash, so this is a status line.
        if word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
            return Self::status_line(word, lex::split(rest, 1).1);
        }
        let method = Method::parse(word).ok_or(failed(lex::span(word, lex::TOKEN)))?;
        let last = memrchr(b' ', line).filter(|&last| last > first + 1).ok_or(failed(line.len()))?;
        let uri = line.get(first + 1..last).unwrap_or_default();
        if let Some(at) = uri.iter().position(|&octet| octet <= b' ' || octet == 0x7f) {
            return Err(failed(first + 1 + at));
        }
        if uri.len() > limits.uri {
            return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::Uri), first + 1));
        }
        let version = version(lex::split(line, last + 1).1)
            .ok_or(ParseError::new(ParseErrorKind::Version, last + 1))?;
        Ok(Self::Request {
            method,
            uri: Text::Received { start: narrow(first + 1), end: narrow(last) },
            version,
        })
    }

    /// What follows the version of a status line and its space.
    fn status_line(word: &[u8], rest: &[u8]) -> Result<Self, ParseError> {
        let start = word.len() + 1;
        let version = version(word).ok_or(ParseError::new(ParseErrorKind::Version, 0))?;
        let (code, rest) = lex::split(rest, 3);
        let status = if code.len() == 3 { lex::number(code) } else { None };
        let status = status.and_then(|code| Status::new(u16::try_from(code).ok()?));
        let status = status.ok_or(ParseError::new(ParseErrorKind::StatusCode, start))?;
        // The space before the phrase is often left out with the phrase.
        let space = match rest {
            [] => 0,
            [b' ', ..] => 1,
            _ => return Err(ParseError::new(ParseErrorKind::StatusCode, start + 3)),
        };
        let reason = Text::Received { start: narrow(start + 3 + space), end: narrow(start + 3 + rest.len()) };
        Ok(Self::Response { status, reason, version })
    }
}

/// `"SIP" "/" 1*DIGIT "." 1*DIGIT`.
fn version(text: &[u8]) -> Option<Version> {
    if text == b"SIP/2.0" {
        return Some(Version::Sip2);
    }
    let (name, number) = lex::split_once(text, b'/')?;
    let (major, minor) = lex::split_once(number, b'.')?;
    if !name.eq_ignore_ascii_case(b"SIP") || !lex::all(major, lex::DIGIT) || !lex::all(minor, lex::DIGIT) {
        return None;
    }
    let is_2 = lex::number(major) == Some(2) && lex::number(minor) == Some(0);
    Some(if is_2 { Version::Sip2 } else { Version::Other })
}

/// Header lines up to the empty one.
pub(crate) struct Header {
    index: Index,
    content_length: Option<u32>,
    /// Whether the start line ends with a line feed alone.
    bare: bool,
    /// Whether a line end lacks its carriage return, or a fold its white space.
    irregular: bool,
    /// Octets of the message up to its body.
    end: usize,
}

impl Header {
    /// Reads the lines behind the start line.
    fn read(raw: &[u8], start_line: &LineEnd, limits: &Limits) -> Result<Self, ParseError> {
        let mut header = Self {
            index: Index::new(),
            content_length: None,
            bare: start_line.is_bare(),
            irregular: start_line.is_bare(),
            end: start_line.next,
        };
        while header.read_line(raw, limits)? {}
        Ok(header)
    }

    /// Reads one line with its folds; `false` if it is the empty one.
    fn read_line(&mut self, raw: &[u8], limits: &Limits) -> Result<bool, ParseError> {
        let start = self.end;
        let line = lex::split(raw, start).1;
        match line {
            [b'\r', b'\n', ..] => {
                self.end = start + 2;
                return Ok(false);
            }
            [b'\n', ..] => {
                self.end = start + 1;
                self.irregular = true;
                return Ok(false);
            }
            // What lost its carriage returns may have lost the empty line at its end too.
            [] if self.bare => return Ok(false),
            [] => return Err(ParseError::new(ParseErrorKind::Truncated, start)),
            [..] => {}
        }
        let name_length = lex::span(line, lex::TOKEN);
        let (name, after) = lex::split(line, name_length);
        let colon = name_length + after.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
        if name.is_empty() || line.get(colon) != Some(&b':') {
            return Err(ParseError::new(ParseErrorKind::HeaderName, start + colon));
        }
        let (content, next) = self.fold(raw, start + colon + 1)?;
        if next - start > limits.header_line || name_length > usize::from(u8::MAX) {
            return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::HeaderLine), start));
        }
        if self.index.len() >= limits.headers {
            return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::Headers), start));
        }
        let text = raw.get(start + colon + 1..content).unwrap_or_default();
        let value = lex::trim_start(text);
        let offset = colon + 1 + text.len() - value.len();
        let value = value.trim_ascii_end();
        let known = Name::parse(name);
        if known == Some(Name::ContentLength) {
            self.content_length(value)
                .ok_or(ParseError::new(ParseErrorKind::ContentLength, start + offset))?;
        }
        self.index.push(Line {
            start: narrow(start),
            length: narrow(next - start),
            value_length: narrow(value.len()),
            value: u16::try_from(offset).unwrap_or(u16::MAX),
            name_length: u8::try_from(name_length).unwrap_or(u8::MAX),
            name: known,
        });
        self.end = next;
        Ok(true)
    }

    /// Finds the end of a line that goes on from `from`, folds included: where its content ends
    /// and where the next line starts.
    fn fold(&mut self, raw: &[u8], from: usize) -> Result<(usize, usize), ParseError> {
        let mut at = from;
        loop {
            let end = line_end(raw, at)?;
            self.irregular |= end.is_bare();
            match raw.get(end.next) {
                Some(b' ' | b'\t') => {}
                // No name starts with '<': behind a comma, a list goes on whose fold lost its
                // white space, as in the fourth message of RFC 3665 section 3.10.
                Some(b'<') if raw.get(from..end.content).is_some_and(|text| text.ends_with(b",")) => {
                    self.irregular = true;
                }
                Some(_) | None => return Ok((end.content, end.next)),
            }
            at = end.next;
        }
    }

    /// Takes a Content-Length in; `None` if it is not a number or differs from one before it.
    fn content_length(&mut self, value: &[u8]) -> Option<()> {
        let length = lex::number(value)?;
        let same = self.content_length.is_none_or(|before| before == length);
        self.content_length = Some(length);
        same.then_some(())
    }
}

struct LineEnd {
    /// The first octet of the line end.
    content: usize,
    /// The first octet behind it.
    next: usize,
}

impl LineEnd {
    /// Whether it is a line feed alone.
    fn is_bare(&self) -> bool {
        self.next - self.content == 1
    }
}

/// The end of the line that goes on from `from`.
#[inline]
fn line_end(raw: &[u8], from: usize) -> Result<LineEnd, ParseError> {
    let rest = lex::split(raw, from).1;
    let Some(length) = memchr2(b'\r', b'\n', rest) else {
        return Err(ParseError::new(ParseErrorKind::Truncated, raw.len()));
    };
    let content = from + length;
    match lex::split(rest, length).1 {
        [b'\r', b'\n', ..] => Ok(LineEnd { content, next: content + 2 }),
        [b'\n', ..] => Ok(LineEnd { content, next: content + 1 }),
        [b'\r'] => Err(ParseError::new(ParseErrorKind::Truncated, raw.len())),
        _ => Err(ParseError::new(ParseErrorKind::BareCarriageReturn, content)),
    }
}

/// A message is at most 2^30 octets.
fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
