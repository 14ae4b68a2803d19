//! Reads one datagram as a message, in one pass that records the position of each line.

use bytes::{Buf, Bytes};
use memchr::{memchr, memchr2, memrchr};

use crate::error::{Limit, ParseError, ParseErrorKind};
use crate::header::headers::Headers;
use crate::header::index::{Index, Line};
use crate::header::name::Name;
use crate::lex;
use crate::limits::Limits;
use crate::message::Message;
use crate::method::Method;
use crate::part::Text;
use crate::request::Request;
use crate::response::Response;
use crate::status::Status;
use crate::version::Version;

impl Message {
    /// Reads one datagram. Line ends before the start line are skipped, and octets after the body
    /// are dropped (RFC 3261 sections 7.5 and 18.3).
    ///
    /// The message keeps the datagram: header lines and the body are ranges of the datagram and
    /// print as received. This function does not check values, with one exception: Content-Length
    /// must be a single number, and the datagram must hold that many octets of body.
    ///
    /// A line may end with a line feed alone, as in messages that passed through a text editor and
    /// in the messages of RFC 5118. The body of such a message may be shorter than Content-Length
    /// says, and the empty line may be missing at the end. After an edit, the message prints with
    /// CRLF throughout. A carriage return alone is always an error.
    pub fn parse(mut datagram: Bytes, limits: &Limits) -> Result<Self, ParseError> {
        if datagram.len() > limits.message {
            return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::Message), limits.message));
        }
        let skipped = leading_line_ends(&datagram);
        datagram.advance(skipped);
        message(datagram, limits).map_err(|error| error.shifted(skipped))
    }
}

/// The number of line-end octets before the start line (RFC 3261 section 7.5).
pub(crate) fn leading_line_ends(raw: &[u8]) -> usize {
    raw.iter().position(|octet| !matches!(octet, b'\r' | b'\n')).unwrap_or(raw.len())
}

fn message(mut raw: Bytes, limits: &Limits) -> Result<Message, ParseError> {
    if raw.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    let (mut message, framing) = head(&raw, limits)?;
    let rest = raw.len() - framing.body;
    let length = match framing.content_length {
        None => rest,
        // A message that lost its carriage returns on the way is shorter than Content-Length says.
        Some(length) if length > rest && framing.bare => rest,
        Some(length) => length,
    };
    if length > limits.body {
        return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::Body), framing.body));
    }
    if length > rest {
        return Err(ParseError::new(ParseErrorKind::BodyTruncated, raw.len()));
    }
    raw.truncate(framing.body + length);
    message.receive(raw, framing.body, framing.irregular);
    Ok(message)
}

/// The extent of a message, according to its header.
pub(crate) struct Framing {
    pub(crate) content_length: Option<usize>,
    /// Length of the message up to its body, in octets.
    pub(crate) body: usize,
    /// Whether a line end lacks its carriage return, or a fold lacks its white space.
    pub(crate) irregular: bool,
    /// Whether the start line ends with a line feed alone.
    bare: bool,
}

/// Reads the start line and the header. The caller then passes the octets to the message.
#[inline]
pub(crate) fn head(raw: &[u8], limits: &Limits) -> Result<(Message, Framing), ParseError> {
    let line = LineEnd::first(raw)?;
    let mut message =
        ParsedStartLine::read(lex::split(raw, line.content).0, limits)?.message(narrow(line.next));
    let header = HeaderReader::read(raw, &line, message.headers_mut(), limits)?;
    let framing = Framing {
        content_length: header.content_length.map(|length| length as usize),
        body: header.end,
        irregular: header.irregular,
        bare: header.bare,
    };
    Ok((message, framing))
}

/// A parsed start line. Its parts are ranges of the message, and the start line is at offset 0.
enum ParsedStartLine {
    Request { method: Method, uri: Text, version: Version },
    Response { status: Status, reason: Text, version: Version },
}

impl ParsedStartLine {
    /// The message with this start line, whose length is `length`.
    #[inline]
    fn message(self, length: u32) -> Message {
        match self {
            Self::Request { method, uri, version } => {
                Message::Request(Request::received(method, uri, version, length))
            }
            Self::Response { status, reason, version } => {
                Message::Response(Response::received(status, reason, version, length))
            }
        }
    }

    fn read(line: &[u8], limits: &Limits) -> Result<Self, ParseError> {
        let failed = |at: usize| ParseError::new(ParseErrorKind::StartLine, at);
        let first = memchr(b' ', line).ok_or(failed(line.len()))?;
        let (word, rest) = lex::split(line, first);
        // No method holds a slash, so this is a status line.
        if word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
            return Self::status_line(word, lex::split(rest, 1).1);
        }
        let method = Method::parse(word).ok_or_else(|| failed(lex::span(word, lex::TOKEN)))?;
        let start = first + 1;
        let last = memrchr(b' ', line).filter(|&last| last > start).ok_or(failed(line.len()))?;
        let uri = line.get(start..last).unwrap_or_default();
        if let Some(at) = memchr2(b' ', b'\t', uri) {
            return Err(failed(start + at));
        }
        if uri.len() > limits.uri {
            return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::Uri), start));
        }
        let version = version(lex::split(line, last + 1).1);
        let version = version.ok_or(ParseError::new(ParseErrorKind::Version, last + 1))?;
        let uri = Text::Received { start: narrow(start), end: narrow(last) };
        Ok(Self::Request { method, uri, version })
    }

    /// Parses a status line from its version and the text after the first space.
    fn status_line(word: &[u8], rest: &[u8]) -> Result<Self, ParseError> {
        let start = word.len() + 1;
        let version = version(word).ok_or(ParseError::new(ParseErrorKind::Version, 0))?;
        let (code, rest) = lex::split(rest, 3);
        let status = if code.len() == 3 { lex::number(code) } else { None };
        let status = status.and_then(|code| Status::new(u16::try_from(code).ok()?));
        let status = status.ok_or(ParseError::new(ParseErrorKind::StatusCode, start))?;
        // Senders that leave out the phrase often leave out the space before it too.
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

/// Reads header lines up to the empty line.
struct HeaderReader<'m> {
    index: &'m mut Index,
    content_length: Option<u32>,
    /// Whether the start line ends with a line feed alone.
    bare: bool,
    /// Whether a line end lacks its carriage return, or a fold lacks its white space.
    irregular: bool,
    /// Length of the message up to its body, in octets.
    end: usize,
}

impl<'m> HeaderReader<'m> {
    /// Reads the lines after the start line.
    fn read(
        raw: &[u8],
        start_line: &LineEnd,
        headers: &'m mut Headers,
        limits: &Limits,
    ) -> Result<Self, ParseError> {
        let bare = start_line.is_bare();
        let index = headers.index_mut();
        let mut header = Self { index, content_length: None, bare, irregular: bare, end: start_line.next };
        let mut rest = lex::split(raw, start_line.next).1;
        loop {
            let line_end = match rest {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => {
                    header.irregular = true;
                    1
                }
                // A message that lost its carriage returns may also have lost the empty line at its end.
                [] if bare => 0,
                [] => return Err(ParseError::new(ParseErrorKind::Truncated, raw.len())),
                [..] => {
                    rest = header.read_line(raw, rest, limits)?;
                    continue;
                }
            };
            header.end = raw.len() - rest.len() + line_end;
            return Ok(header);
        }
    }

    /// Reads the first line of `line` with its folds. Returns the text after the line.
    #[inline]
    fn read_line<'a>(
        &mut self,
        raw: &'a [u8],
        line: &'a [u8],
        limits: &Limits,
    ) -> Result<&'a [u8], ParseError> {
        let at = |rest: &[u8]| raw.len() - rest.len();
        let name = FieldName::read(line).map_err(|error| error.shifted(at(line)))?;
        let (value, rest) = match single_line(name.rest) {
            Some(found) => found,
            None => self.folded(raw, at(name.rest))?,
        };
        let length = line.len() - rest.len();
        if length > limits.header_line || name.length > usize::from(u8::MAX) {
            return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::HeaderLine), at(line)));
        }
        if self.index.len() >= limits.headers {
            return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::Headers), at(line)));
        }
        if name.known == Some(Name::ContentLength) {
            self.content_length(value.text)
                .ok_or(ParseError::new(ParseErrorKind::ContentLength, at(name.rest) + value.offset))?;
        }
        let offset = line.len() - name.rest.len() + value.offset;
        self.index.push(Line {
            start: narrow(at(line)),
            length: narrow(length),
            value_length: narrow(value.text.len()),
            value: u16::try_from(offset).unwrap_or(u16::MAX),
            name_length: u8::try_from(name.length).unwrap_or(u8::MAX),
            name: name.known,
        });
        Ok(rest)
    }

    /// Reads a value that starts at `from`, with folds. [`single_line`] does not read such values.
    #[inline(never)]
    fn folded<'a>(&mut self, raw: &'a [u8], from: usize) -> Result<(Value<'a>, &'a [u8]), ParseError> {
        let (content, next) = self.fold(raw, from)?;
        let text = raw.get(from..content).unwrap_or_default();
        let value = lex::trim_start(text);
        let offset = text.len() - value.len();
        Ok((Value { text: lex::trim_end(value), offset }, lex::split(raw, next).1))
    }

    /// Finds the end of a line that continues from `from`, with folds. Returns the end of its
    /// content and the start of the next line.
    fn fold(&mut self, raw: &[u8], from: usize) -> Result<(usize, usize), ParseError> {
        let mut at = from;
        loop {
            let rest = lex::split(raw, at).1;
            let length =
                memchr2(b'\r', b'\n', rest).ok_or(ParseError::new(ParseErrorKind::Truncated, raw.len()))?;
            let content = at + length;
            let end = LineEnd::read(lex::split(rest, length).1, content)?;
            self.irregular |= end.is_bare();
            match raw.get(end.next) {
                Some(b' ' | b'\t') => {}
                // No header name starts with '<'. After a comma, such a line continues a list whose
                // fold lost its white space, as in the fourth message of RFC 3665 section 3.10.
                Some(b'<') if raw.get(from..end.content).is_some_and(|text| text.ends_with(b",")) => {
                    self.irregular = true;
                }
                Some(_) | None => return Ok((end.content, end.next)),
            }
            at = end.next;
        }
    }

    /// Stores a Content-Length; `None` if it is not a number or differs from an earlier
    /// Content-Length.
    fn content_length(&mut self, value: &[u8]) -> Option<()> {
        let length = lex::number(value)?;
        let same = self.content_length.is_none_or(|before| before == length);
        self.content_length = Some(length);
        same.then_some(())
    }
}

/// The header name at the start of a line, up to its colon.
struct FieldName<'a> {
    known: Option<Name>,
    length: usize,
    /// The text after the colon.
    rest: &'a [u8],
}

impl<'a> FieldName<'a> {
    #[inline]
    fn read(line: &'a [u8]) -> Result<Self, ParseError> {
        // A known name directly before the colon is found without a test of each octet.
        if let Some(start) = line.first_chunk()
            && let Some((name, length)) = Name::before_colon(start)
        {
            let rest = line.get(length + 1..).unwrap_or_default();
            return Ok(Self { known: Some(name), length, rest });
        }
        Self::unknown(line)
    }

    #[inline(never)]
    fn unknown(line: &'a [u8]) -> Result<Self, ParseError> {
        let (name, after) = lex::split(line, lex::span(line, lex::TOKEN));
        let white = after.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
        match lex::split(after, white).1 {
            [b':', rest @ ..] if !name.is_empty() => {
                Ok(Self { known: Name::parse(name), length: name.len(), rest })
            }
            _ => Err(ParseError::new(ParseErrorKind::HeaderName, name.len() + white)),
        }
    }
}

/// The value of a line, without the white space around it.
struct Value<'a> {
    text: &'a [u8],
    /// The number of octets between the colon and the text.
    offset: usize,
}

/// Reads a value in the most frequent form: at most one space before it, no white space after it,
/// CRLF, no fold. Returns the text after the line end; `None` if the value has another form.
#[inline]
fn single_line(text: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (value, offset) = match text {
        [b' ', value @ ..] => (value, 1),
        value => (value, 0),
    };
    let (value, end) = value.split_at_checked(memchr2(b'\r', b'\n', value)?)?;
    let [b'\r', b'\n', rest @ ..] = end else { return None };
    let ([first, ..], Some(last), Some(next)) = (value, value.last(), rest.first()) else { return None };
    let white = |octet: &u8| matches!(octet, b' ' | b'\t');
    if white(first) || white(last) || white(next) || *next == b'<' {
        return None;
    }
    Some((Value { text: value, offset }, rest))
}

struct LineEnd {
    /// Offset of the first octet of the line end.
    content: usize,
    /// Offset of the first octet after the line end.
    next: usize,
}

impl LineEnd {
    /// Finds the end of the first line.
    fn first(raw: &[u8]) -> Result<Self, ParseError> {
        let content =
            memchr2(b'\r', b'\n', raw).ok_or(ParseError::new(ParseErrorKind::Truncated, raw.len()))?;
        Self::read(lex::split(raw, content).1, content)
    }

    /// Reads the line end at the start of `text`, which is at offset `content` of the message.
    fn read(text: &[u8], content: usize) -> Result<Self, ParseError> {
        match text {
            [b'\r', b'\n', ..] => Ok(Self { content, next: content + 2 }),
            [b'\n', ..] => Ok(Self { content, next: content + 1 }),
            [b'\r'] => Err(ParseError::new(ParseErrorKind::Truncated, content + 1)),
            _ => Err(ParseError::new(ParseErrorKind::BareCarriageReturn, content)),
        }
    }

    /// Whether the line end is a line feed alone.
    fn is_bare(&self) -> bool {
        self.next - self.content == 1
    }
}

/// Converts an offset; a message has at most 2^30 octets.
fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
