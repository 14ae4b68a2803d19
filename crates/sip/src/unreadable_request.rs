use crate::error::ParseError;
use crate::header::name::Name;
use crate::lex;
use crate::method::Method;
use crate::response::Response;
use crate::status::Status;

/// The readable parts of a request that cannot be parsed: enough to answer without state (RFC 3261
/// sections 8.2.6 and 8.2.7).
///
/// ```
/// use attesta_sip::{Limits, Message, UnreadableRequest};
///
/// let broken = &b"INVITE sip:bob@example.com SIP/2.0\r\n\
///     Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nContent-Length: -1\r\n\r\n"[..];
/// let error = Message::parse(broken.into(), &Limits::default()).unwrap_err();
/// let answer = UnreadableRequest::read(broken).and_then(|found| found.answer(&error));
/// assert!(answer.unwrap().to_bytes().starts_with(b"SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP"));
/// ```
#[derive(Clone)]
pub struct UnreadableRequest<'a> {
    method: Method,
    lines: Vec<(Name, &'a [u8])>,
}

impl<'a> UnreadableRequest<'a> {
    /// Reads the octets; `None` if they do not start like a request.
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let mut lines = Lines { rest: octets };
        let start = lines.find(|line| !line.is_empty())?;
        let word = lex::split(start, start.iter().position(u8::is_ascii_whitespace)?).0;
        let method = Method::parse(word)?;
        let mut found = Self { method, lines: Vec::new() };
        let header = lines.take_while(|line| !line.is_empty());
        found.lines.extend(header.filter_map(copied_line).take(Self::MAX_LINES));
        Some(found)
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The value of the first line with this name. Only the headers that a response copies are
    /// kept: Via, From, To, Call-ID and CSeq.
    pub fn get(&self, name: Name) -> Option<&'a [u8]> {
        self.lines.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
    }

    /// A response with the headers found; `None` for an ACK, or without a Via to route the
    /// response.
    pub fn response(&self, status: Status) -> Option<Response> {
        if self.method == Method::Ack || self.get(Name::Via).is_none() {
            return None;
        }
        let mut response = Response::new(status);
        for (name, value) in &self.lines {
            response.headers_mut().push(*name, value);
        }
        Some(response)
    }

    /// The response to a request with this error; `None` if no response is sent.
    pub fn answer(&self, error: &ParseError) -> Option<Response> {
        self.response(error.answer()?)
    }

    /// The largest number of lines that are kept. A request that passed more hops has looped.
    const MAX_LINES: usize = 80;
}

/// The name and value of a line, if a response copies this header.
fn copied_line(line: &[u8]) -> Option<(Name, &[u8])> {
    let (name, value) = lex::split_once(line, b':')?;
    let name = Name::parse(name.trim_ascii_end())?;
    let copied = matches!(name, Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq);
    copied.then_some((name, lex::trim(value)))
}

/// Lines with their folds; CRLF or LF ends a line.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let whole = self.rest;
        let mut end = 0;
        loop {
            let rest = lex::split(whole, end).1;
            end += memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let starts_empty = matches!(whole, [b'\n', ..] | [b'\r', b'\n', ..]);
            if starts_empty || !matches!(whole.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, rest) = lex::split(whole, end);
        self.rest = rest;
        Some(line.trim_ascii_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_request_can_be_answered() {
        let octets = b"\r\nINVITE sip:a@b   SIP/2.0\nv: SIP/2.0/UDP a;branch=1,\n SIP/2.0/UDP b\nnonsense\nTo : <sip:c>\r\nCSeq: 1 INVITE\r\n\r\nVia: x";
        let found = UnreadableRequest::read(octets).unwrap();
        assert_eq!(found.method(), &Method::Invite);
        let answer = found.response(Status::BAD_REQUEST).unwrap();
        assert_eq!(
            answer.to_bytes(),
            "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP a;branch=1,\r\n SIP/2.0/UDP b\r\nTo: <sip:c>\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn responses_and_acks_are_not_answered() {
        assert!(UnreadableRequest::read(b"SIP/2.0 99 x\r\nVia: a\r\n\r\n").is_none());
        assert!(UnreadableRequest::read(b"\0\0\0\0").is_none());
        let ack = UnreadableRequest::read(b"ACK sip:a SIP/2.0\r\nVia: a\r\n\r\n").unwrap();
        assert!(ack.response(Status::BAD_REQUEST).is_none());
        let unknown = UnreadableRequest::read(b"BYE sip:a SIP/2.0\r\nFrom: a\r\n\r\n").unwrap();
        assert!(unknown.response(Status::BAD_REQUEST).is_none());
    }
}
