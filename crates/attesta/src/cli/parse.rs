//! `attesta parse`: checks SIP messages and shows the response of the edge to each message.

mod answer;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::PathBuf;

use attesta_sip::{
    Frame, Framer, Invalid, InvalidKind, Limits, Message, ParseError, Rules, Status, StreamError,
    UnreadableRequest,
};
use bytes::Bytes;
use clap::Args;
use serde::Serialize;

use self::answer::answer;
use super::input::Input;
use super::outcome::Outcome;
use crate::console::{Console, Palette, Progress};
use crate::fault::Failure;

#[derive(Debug, Args)]
pub(super) struct Parse {
    /// Files, folders (with their subfolders), or - for standard input. A .stream file contains one direction of a TCP
    /// connection
    #[arg(value_name = "FILE|DIR|-", default_value = "-")]
    paths: Vec<PathBuf>,
}

pub(super) fn parse(args: &Parse, console: &Console) -> Result<Outcome, Failure> {
    let inputs = Input::all(&args.paths)?;
    let mut progress = Progress::new(inputs.len());
    let mut checker =
        MessageChecker { rules: Rules::default(), console, out: console.out(), outcome: Outcome::Nothing };
    for input in &inputs {
        progress.step();
        if input.is_stream() {
            checker.stream(&input.name(), &input.read(MAX_STREAM)?)?;
        } else {
            checker.datagram(&input.name(), Bytes::from(input.read(MAX_MESSAGE)?))?;
        }
    }
    progress.finish();
    checker.out.flush()?;
    Ok(checker.outcome)
}

/// Checks messages, prints a line for each and keeps the overall result.
struct MessageChecker<'a, W> {
    rules: Rules,
    console: &'a Console,
    out: W,
    outcome: Outcome,
}

impl<W: Write> MessageChecker<'_, W> {
    fn datagram(&mut self, file: &str, datagram: Bytes) -> io::Result<()> {
        let line = Line::new(file, None);
        let line = match Message::parse(datagram.clone(), &Limits::default()) {
            Ok(message) => line.check(&message, &datagram, round_trip(&message, &datagram), &self.rules),
            Err(error) => {
                let partial = UnreadableRequest::read(&datagram);
                let answer = partial.and_then(|partial| partial.answer(&error)).map(|answer| answer.status());
                line.unreadable(&datagram, error, answer)
            }
        };
        self.print(&line)
    }

    /// Checks one direction of a TCP connection. After an error the rest of the stream cannot be split into messages.
    fn stream(&mut self, file: &str, octets: &[u8]) -> io::Result<()> {
        let mut framer = Framer::new(Limits::default());
        let (mut index, mut rest) = (0, octets);
        for piece in octets.chunks(STREAM_PIECE) {
            framer.push(piece);
            while let Some(frame) = framer.poll() {
                let line = Line::new(file, Some(index));
                let line = match frame {
                    Ok(Frame::Ping | Frame::Pong) => continue,
                    Ok(Frame::Message(message)) => {
                        rest = without_line_ends(rest);
                        let round_trip = round_trip(&message, rest);
                        let own = message.to_bytes();
                        rest = rest.get(own.len()..).unwrap_or_default();
                        line.check(&message, &own, round_trip, &self.rules)
                    }
                    Err(error) => line.stream_error(&error),
                };
                index += 1;
                self.print(&line)?;
            }
        }
        Ok(())
    }

    fn print(&mut self, line: &Line<'_>) -> io::Result<()> {
        self.outcome = match (self.outcome, line.result) {
            (Outcome::No, _) | (_, ParseResult::Reject) => Outcome::No,
            (_, ParseResult::Accept) => Outcome::Done,
        };
        if self.console.json_or_piped() {
            serde_json::to_writer(&mut self.out, line)?;
            writeln!(self.out)
        } else {
            line.write(&mut self.out, self.console.palette())
        }
    }
}

/// The output line of one message.
#[derive(Debug, Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    result: ParseResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum ParseResult {
    Accept,
    Reject,
}

/// An error of a message and its position.
#[derive(Debug, Serialize)]
struct ErrorReport {
    kind: Cow<'static, str>,
    offset: usize,
    text: Cow<'static, str>,
}

impl ErrorReport {
    fn of(fault: &Invalid, message: &Message, datagram: &[u8]) -> Self {
        let offset = match (fault.header(), message) {
            // If a header field appears twice, the position of the error is the second field.
            (Some(header), _) => {
                let place = usize::from(fault.kind() == InvalidKind::Duplicate);
                message.headers().all(header).nth(place).map_or(0, |value| offset_in(datagram, value))
            }
            (None, Message::Request(request)) => offset_in(datagram, request.uri()),
            (None, Message::Response(_)) => 0,
        };
        Self { kind: fault.kind().as_str().into(), offset, text: fault.to_string().into() }
    }
}

impl<'a> Line<'a> {
    fn new(file: &'a str, index: Option<usize>) -> Self {
        Self {
            file,
            index,
            result: ParseResult::Reject,
            kind: None,
            method: None,
            uri: None,
            status: None,
            answer: None,
            error: None,
            round_trip: None,
        }
    }

    /// Checks a parsed message. `octets` is the input of the parser.
    fn check(self, message: &Message, octets: &[u8], round_trip: bool, rules: &Rules) -> Self {
        let fault = rules.check(message).err();
        let answer = answer(message, fault.as_ref()).map(Status::code);
        // Some faults, such as another SIP version, do not make a message malformed.
        let fault = fault.filter(Invalid::is_malformed);
        let line = Self {
            result: if fault.is_some() { ParseResult::Reject } else { ParseResult::Accept },
            answer,
            error: fault.map(|fault| ErrorReport::of(&fault, message, octets)),
            round_trip: Some(round_trip),
            ..self
        };
        line.with_start_line(message)
    }

    fn with_start_line(self, message: &Message) -> Self {
        match message {
            Message::Request(request) => Self {
                kind: Some(REQUEST),
                method: Some(request.method().as_str().to_owned()),
                uri: Some(String::from_utf8_lossy(request.uri()).into_owned()),
                ..self
            },
            Message::Response(response) => {
                Self { kind: Some(RESPONSE), status: Some(response.status().code()), ..self }
            }
        }
    }

    /// Describes octets that cannot be parsed as a message.
    fn unreadable(self, octets: &[u8], error: ParseError, answer: Option<Status>) -> Self {
        let partial = UnreadableRequest::read(octets);
        let response = octets.trim_ascii_start().starts_with(b"SIP/");
        Self {
            kind: if partial.is_some() { Some(REQUEST) } else { response.then_some(RESPONSE) },
            method: partial.map(|partial| partial.method().as_str().to_owned()),
            answer: answer.map(Status::code),
            error: Some(ErrorReport {
                kind: error.kind().as_str().into(),
                offset: error.offset(),
                text: error.kind().to_string().into(),
            }),
            ..self
        }
    }

    fn stream_error(self, error: &StreamError) -> Self {
        let answer = error.answer().map(|response| response.status());
        self.unreadable(error.octets(), error.error(), answer)
    }

    /// Writes one line of text.
    fn write(&self, out: &mut impl Write, palette: Palette) -> io::Result<()> {
        let (word, style) = match self.result {
            ParseResult::Accept => ("accept", palette.good),
            ParseResult::Reject => ("reject", palette.bad),
        };
        let (name, dim) = (palette.name, palette.dim);
        write!(out, "{style}{word}{style:#}  {name}{}", self.file)?;
        if let Some(index) = self.index {
            write!(out, "#{index}")?;
        }
        write!(out, "{name:#}  ")?;
        match (&self.method, self.status) {
            (Some(method), _) => write!(out, "{method} {}", self.uri.as_deref().unwrap_or_default())?,
            (None, Some(status)) => write!(out, "response {status}")?,
            (None, None) => write!(out, "{}", self.kind.unwrap_or("no message"))?,
        }
        if let Some(error) = &self.error {
            write!(out, "  {dim}octet {}:{dim:#} {}", error.offset, error.text)?;
        }
        if let Some(answer) = self.answer {
            write!(out, "  {dim}answer {answer}{dim:#}")?;
        }
        if self.round_trip == Some(false) {
            write!(out, "  {style}prints differently from the input{style:#}", style = palette.bad)?;
        }
        writeln!(out)
    }
}

/// Returns true if the printed message equals the input. Line breaks before the message and octets after the message do
/// not belong to the message (RFC 3261 sections 7.5 and 18.3).
fn round_trip(message: &Message, octets: &[u8]) -> bool {
    let mut printed = Vec::with_capacity(octets.len());
    message.write_to(&mut printed);
    without_line_ends(octets).starts_with(&printed)
}

/// Returns `octets` without leading line breaks.
fn without_line_ends(octets: &[u8]) -> &[u8] {
    let start = octets.iter().position(|octet| !matches!(octet, b'\r' | b'\n')).unwrap_or(octets.len());
    octets.get(start..).unwrap_or_default()
}

/// Returns the offset of `part` in `whole`. `part` must be a slice of `whole`.
fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    let offset = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    if offset <= whole.len() { offset } else { 0 }
}

const REQUEST: &str = "request";
const RESPONSE: &str = "response";
/// The size limit of a UDP datagram in octets.
const MAX_MESSAGE: u64 = 65_535;
/// The size limit of one direction of a connection, in octets.
const MAX_STREAM: u64 = 64 * 1024 * 1024;
const STREAM_PIECE: usize = 64 * 1024;
