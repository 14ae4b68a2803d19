use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use crate::error::{Limit, ParseError, ParseErrorKind};
use crate::limits::Limits;
use crate::message::Message;
use crate::reader::{self, Framing};
use crate::response::Response;
use crate::unreadable_request::UnreadableRequest;

/// Splits a byte stream into messages (RFC 3261 section 18.3). The framer reads no socket.
///
/// The caller pushes octets in pieces of any size. After each push, the caller polls messages and
/// keep-alives until `poll` returns `None`. The sizes of the pieces do not change the result.
///
/// A message without Content-Length, or with a Content-Length that is not a single number, has no
/// known end. After such a message, and after a message that exceeds a limit, the stream cannot
/// continue. The caller sets time limits for slow senders: [`Framer::is_idle`] tells whether a
/// message is incomplete.
///
/// ```
/// use attesta_sip::{Frame, Framer, Limits};
///
/// let mut framer = Framer::new(Limits::default());
/// framer.push(b"\r\n\r\nOPTIONS sip:a SIP/2.0\r\nContent-Le");
/// assert!(matches!(framer.poll(), Some(Ok(Frame::Pong))));
/// assert!(matches!(framer.poll(), Some(Ok(Frame::Ping))));
/// assert!(framer.poll().is_none() && !framer.is_idle());
/// framer.push(b"ngth: 2\r\n\r\nhi");
/// let whole = framer.poll();
/// assert!(matches!(whole, Some(Ok(Frame::Message(message))) if message.body() == b"hi"));
/// assert!(framer.is_idle());
/// ```
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buffer: BytesMut,
    state: State,
}

/// The meaning of the octets in the buffer.
#[derive(Debug)]
enum State {
    /// The stream is between two messages. `line_end` tells whether the last octets were a line
    /// end.
    Between { line_end: bool },
    /// The buffer starts with a start line. The first `scanned` octets hold no empty line.
    Head { scanned: usize },
    /// The buffer starts with the octets of this message; `length` is the total length.
    Body(Box<Pending>),
    /// After an error the end of a message cannot be found.
    Broken,
}

/// A message with a complete header and an incomplete body.
#[derive(Debug)]
struct Pending {
    message: Message,
    body: usize,
    irregular: bool,
    length: usize,
}

/// An element of a stream.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every frame is a message, and a box would cost an allocation"
)]
pub enum Frame {
    /// A message.
    Message(Message),
    /// One line end between messages: the answer to a ping (RFC 5626 section 3.5.1).
    Pong,
    /// A second line end directly after the first. This is a ping, and its answer is one CRLF (RFC 5626 section 4.4.1). The
    /// first line end was already returned as a pong.
    Ping,
}

/// An error after which a stream cannot be split into messages.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamError {
    error: ParseError,
    octets: Bytes,
}

impl StreamError {
    /// The fault. Its offset counts from the start of the message.
    pub fn error(&self) -> ParseError {
        self.error
    }

    /// The received octets of the message.
    pub fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// The response to send before the connection is closed; `None` if the message cannot be
    /// answered.
    pub fn answer(&self) -> Option<Response> {
        UnreadableRequest::read(&self.octets)?.answer(&self.error)
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// Shows the fault and the number of received octets.
impl fmt::Debug for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamError").field("error", &self.error).field("octets", &self.octets.len()).finish()
    }
}

impl std::error::Error for StreamError {}

impl Framer {
    /// A stream at its start. The buffer never holds more than one message within the limits plus
    /// the octets of the last push.
    pub fn new(limits: Limits) -> Self {
        Self { limits, buffer: BytesMut::new(), state: State::Between { line_end: false } }
    }

    /// Adds octets to the buffer; after an error the octets are dropped.
    pub fn push(&mut self, octets: &[u8]) {
        if !matches!(self.state, State::Broken) {
            self.buffer.extend_from_slice(octets);
        }
    }

    /// The next message, keep-alive or error. Returns `None` until more octets arrive, and always
    /// after an error.
    pub fn poll(&mut self) -> Option<Result<Frame, StreamError>> {
        loop {
            match &mut self.state {
                State::Between { line_end } => {
                    let second = *line_end;
                    match self.buffer.first()? {
                        b'\n' => self.buffer.advance(1),
                        b'\r' if self.buffer.get(1)? == &b'\n' => {
                            self.buffer.advance(2);
                            self.state = State::Between { line_end: !second };
                            return Some(Ok(if second { Frame::Ping } else { Frame::Pong }));
                        }
                        _ => self.state = State::Head { scanned: 0 },
                    }
                }
                State::Head { scanned } => {
                    let Some(end) = empty_line(&self.buffer, scanned) else {
                        return self.too_large(self.buffer.len());
                    };
                    if end > self.limits.message {
                        return self.too_large(end);
                    }
                    match self.read_head(end) {
                        Ok(pending) => self.state = State::Body(Box::new(pending)),
                        Err(error) => return Some(Err(self.broken(error))),
                    }
                }
                State::Body(pending) => {
                    if self.buffer.len() < pending.length {
                        return None;
                    }
                    let State::Body(pending) = self.between() else { return None };
                    let Pending { mut message, body, irregular, length } = *pending;
                    message.receive(Bytes::copy_from_slice(self.buffer.get(..length)?), body, irregular);
                    self.buffer.advance(length);
                    return Some(Ok(Frame::Message(message)));
                }
                State::Broken => return None,
            }
        }
    }

    /// Whether the stream is between two messages and the buffer is empty.
    pub fn is_idle(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The number of octets that arrived but were not returned yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn between(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Between { line_end: false })
    }

    /// Reads the header, which has `end` octets, and calculates the length of the message.
    fn read_head(&self, end: usize) -> Result<Pending, ParseError> {
        let (message, framing) = reader::head(self.buffer.get(..end).unwrap_or_default(), &self.limits)?;
        let Framing { content_length, body, irregular, .. } = framing;
        let content = content_length.ok_or(ParseError::new(ParseErrorKind::NoContentLength, body))?;
        if content > self.limits.body {
            return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::Body), body));
        }
        if content > self.limits.message.saturating_sub(body) {
            return Err(ParseError::new(ParseErrorKind::TooLarge(Limit::Message), body));
        }
        Ok(Pending { message, body, irregular, length: body + content })
    }

    /// An error if a message may not have this many octets.
    fn too_large(&mut self, octets: usize) -> Option<Result<Frame, StreamError>> {
        let limit = self.limits.message;
        (octets > limit)
            .then(|| Err(self.broken(ParseError::new(ParseErrorKind::TooLarge(Limit::Message), limit))))
    }

    fn broken(&mut self, error: ParseError) -> StreamError {
        self.state = State::Broken;
        StreamError { error, octets: self.buffer.split().freeze() }
    }
}

/// The end of the first empty line; the first `scanned` octets are not searched again.
fn empty_line(octets: &[u8], scanned: &mut usize) -> Option<usize> {
    loop {
        let rest = octets.get(*scanned..)?;
        let line_feed = *scanned + memchr(b'\n', rest).unwrap_or(rest.len());
        match octets.get(line_feed + 1..).unwrap_or_default() {
            [b'\n', ..] => return Some(line_feed + 2),
            [b'\r', b'\n', ..] => return Some(line_feed + 3),
            [] | [b'\r'] => {
                *scanned = line_feed;
                return None;
            }
            [..] => *scanned = line_feed + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::name::Name;
    use crate::status::Status;

    /// The returned frames as words.
    fn frames(framer: &mut Framer, pieces: &[&[u8]]) -> Vec<String> {
        let mut seen = Vec::new();
        for piece in pieces {
            framer.push(piece);
            while let Some(frame) = framer.poll() {
                seen.push(match frame {
                    Ok(Frame::Message(message)) => String::from_utf8_lossy(&message.to_bytes()).into_owned(),
                    Ok(Frame::Ping) => "ping".to_owned(),
                    Ok(Frame::Pong) => "pong".to_owned(),
                    Err(error) => error.error().kind().as_str().to_owned(),
                });
            }
        }
        seen
    }

    const ONE: &str = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\nl: 3\r\n\r\n\r\n\n";
    const TWO: &str = "SIP/2.0 200 OK\nSubject: a\n b\nContent-Length:\n 0\n\n";

    #[test]
    fn messages_and_keep_alives_in_one_stream() {
        let stream = format!("\r\n\r\n\r\n\r\n{ONE}{TWO}\r\n{ONE}");
        let seen = frames(&mut Framer::new(Limits::default()), &[stream.as_bytes()]);
        assert_eq!(seen, ["pong", "ping", "pong", "ping", ONE, TWO, "pong", ONE]);
    }

    #[test]
    fn a_message_without_a_known_end_ends_the_stream() {
        let head = "INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n";
        for (length, kind) in [
            ("", "no-content-length"),
            ("l: -1\r\n", "content-length"),
            ("l: 1\r\nContent-Length: 2\r\n", "content-length"),
            ("l: 99999999\r\n", "body-too-large"),
        ] {
            let mut framer = Framer::new(Limits::default());
            framer.push(format!("{head}{length}\r\n{ONE}").as_bytes());
            let error = framer.poll().unwrap().unwrap_err();
            assert_eq!(error.error().kind().as_str(), kind);
            let answer = error.answer().unwrap();
            assert_eq!(answer.headers().get(Name::Via), Some(&b"SIP/2.0/TCP a"[..]));
            assert!(answer.status() == Status::BAD_REQUEST || kind == "body-too-large");
            framer.push(ONE.as_bytes());
            assert!(framer.poll().is_none() && framer.is_idle());
        }
    }

    #[test]
    fn a_header_without_an_end_exceeds_the_limit() {
        let mut framer = Framer::new(Limits::default().message(100));
        framer.push(b"INVITE sip:a SIP/2.0\r\n");
        assert!(framer.poll().is_none() && framer.buffered() == 22);
        for _ in 0..8 {
            framer.push(b"X: 45678\r\n");
        }
        assert_eq!(frames(&mut framer, &[b""]), ["message-too-large"]);
        let mut framer = Framer::new(Limits::default().message(100));
        let seen = frames(&mut framer, &[b"INVITE sip:a SIP/2.0\r\nl: 99\r\n\r\n"]);
        assert_eq!(seen, ["message-too-large"]);
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_frames(cuts in prop::collection::vec(1usize..40, 1..40), broken in any::<bool>()) {
            let end = if broken { "BYE sip:a SIP/2.0\r\n\r\n" } else { "" };
            let stream = format!("{ONE}\r\n\r\n{TWO}\r\n{ONE}{TWO}{end}");
            let whole = frames(&mut Framer::new(Limits::default()), &[stream.as_bytes()]);
            let (mut pieces, mut rest) = (Vec::new(), stream.as_bytes());
            for cut in cuts.iter().cycle() {
                let (piece, tail) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = tail;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(frames(&mut Framer::new(Limits::default()), &pieces), whole);
        }
    }
}
