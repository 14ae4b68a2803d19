use std::fmt;

use bytes::Bytes;

use crate::error::ParseError;
use crate::header::Headers;
use crate::header::address::To;
use crate::header::name::Name;
use crate::limits::Limits;
use crate::mask::Masked;
use crate::method::Method;
use crate::reader;
use crate::status::Status;
use crate::uri::Uri;
use crate::writer;

/// A SIP message (RFC 3261 section 7).
#[derive(Clone, Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Reads one datagram: line ends before the start line are passed over, octets behind the
    /// body are dropped (RFC 3261 sections 7.5 and 18.3).
    ///
    /// The message keeps the datagram: header lines and the body are ranges of it, and print as
    /// they came. Whether the values make sense is not looked at, except that Content-Length must
    /// be one number that the datagram can satisfy.
    ///
    /// A line may end with a line feed alone, as in a message that went through a text editor and
    /// in those of RFC 5118. Of such a message the body may be shorter than Content-Length says,
    /// and the empty line may be missing at its end. Once edited, it prints with CRLF throughout.
    /// A carriage return alone is always refused.
    pub fn parse(datagram: Bytes, limits: &Limits) -> Result<Self, ParseError> {
        reader::datagram(datagram, limits)
    }

    /// The header lines.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => request.headers(),
            Self::Response(response) => response.headers(),
        }
    }

    /// The header lines, to be edited.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => request.headers_mut(),
            Self::Response(response) => response.headers_mut(),
        }
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request(request) => request.body(),
            Self::Response(response) => response.body(),
        }
    }

    /// The version in the start line.
    pub fn version(&self) -> Version {
        match self {
            Self::Request(request) => request.version(),
            Self::Response(response) => response.version(),
        }
    }

    /// The octets to send; an unedited message shares those it was read from.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// Takes in the octets that all parts are ranges of; the body starts at `body`.
    pub(crate) fn receive(&mut self, raw: Bytes, body: usize, irregular: bool) {
        // A message is at most 2^30 octets.
        let narrow = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let text = Text::Received { start: narrow(body), end: narrow(raw.len()) };
        match self {
            Self::Request(request) => request.body = text,
            Self::Response(response) => response.body = text,
        }
        self.headers_mut().receive(raw, irregular);
    }

    /// Appends the octets to send.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request(request) => request.write_to(out),
            Self::Response(response) => response.write_to(out),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// The version of a start line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Version {
    /// `SIP/2.0`, the only one there is.
    Sip2,
    /// A well-formed version of another number, which deserves 505.
    Other,
}

/// A request (RFC 3261 section 7.1).
#[derive(Clone)]
pub struct Request {
    method: Method,
    uri: Text,
    version: Version,
    start_line: StartLine,
    headers: Headers,
    body: Text,
}

impl Request {
    /// A request without header lines. The URI is the caller's to check; its white space and
    /// control octets are left out when it prints.
    pub fn new(method: Method, uri: impl Into<Bytes>) -> Self {
        Self {
            method,
            uri: Text::own(uri),
            version: Version::Sip2,
            start_line: StartLine::Rebuilt,
            headers: Headers::new(),
            body: Text::own(Bytes::new()),
        }
    }

    /// What the request asks for.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI as received.
    pub fn uri(&self) -> &[u8] {
        self.uri.of(self.headers.raw())
    }

    /// The Request-URI taken apart.
    pub fn parsed_uri(&self) -> Result<Uri<'_>, ParseError> {
        Uri::parse(self.uri())
    }

    /// Puts another Request-URI in place; see [`Request::new`].
    pub fn set_uri(&mut self, uri: impl Into<Bytes>) {
        self.uri = Text::own(uri);
        self.start_line = StartLine::Rebuilt;
    }

    /// The version in the start line; one that is not 2.0 prints as received while the request
    /// line is not edited.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The header lines.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header lines, to be edited.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &[u8] {
        self.body.of(self.headers.raw())
    }

    /// The body as octets that share the datagram.
    pub fn body_bytes(&self) -> Bytes {
        self.body.shared(self.headers.raw())
    }

    /// Puts another body in place. Content-Length follows when the message is printed;
    /// Content-Type is the caller's to set.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.body = Text::own(body);
    }

    /// The octets to send; an unedited request shares those it was read from.
    pub fn to_bytes(&self) -> Bytes {
        if self.is_untouched() {
            self.headers.raw().clone()
        } else {
            writer::collect(|out| self.write_to(out))
        }
    }

    /// Appends the octets to send.
    ///
    /// An unedited request prints as received. In an edited one each received line still prints
    /// as received, except that exactly one Content-Length, the right one, stands last.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        if self.is_untouched() {
            return out.extend_from_slice(self.headers.raw());
        }
        out.reserve(self.uri().len() + self.headers.printed_length() + self.body().len() + writer::ROOM);
        match self.start_line.received(self.headers.raw()) {
            Some(line) => writer::line(line, out),
            None => writer::request_line(&self.method, self.uri(), out),
        }
        writer::rest(&self.headers, self.body(), out);
    }

    /// A message of this start line and its length, of which the rest is still to be received.
    #[inline]
    pub(crate) fn received(method: Method, uri: Text, version: Version, line: u32) -> Self {
        let body = Text::Received { start: 0, end: 0 };
        Self { method, uri, version, start_line: StartLine::Received(line), headers: Headers::new(), body }
    }

    fn is_untouched(&self) -> bool {
        !self.headers.touched() && self.start_line.is_received() && self.body.is_received()
    }
}

/// Method, masked URI and header names.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Request");
        shown.field("method", &self.method);
        match self.parsed_uri() {
            Ok(uri) => shown.field("uri", &uri),
            Err(_) => shown.field("uri", &Masked(self.uri())),
        };
        shown.field("headers", &self.headers).field("body", &self.body().len()).finish()
    }
}

/// A response (RFC 3261 section 7.2).
#[derive(Clone)]
pub struct Response {
    status: Status,
    reason: Text,
    version: Version,
    start_line: StartLine,
    headers: Headers,
    body: Text,
}

impl Response {
    /// A response without header lines, with the usual phrase for its status.
    pub fn new(status: Status) -> Self {
        Self {
            status,
            reason: Text::own(status.reason()),
            version: Version::Sip2,
            start_line: StartLine::Rebuilt,
            headers: Headers::new(),
            body: Text::own(Bytes::new()),
        }
    }

    /// A response to a request: Via, From, To, Call-ID and CSeq are copied, and Timestamp into a
    /// 100 (RFC 3261 sections 8.2.6.1 and 8.2.6.2). A tag for To is the caller's to add.
    pub fn to_request(request: &Request, status: Status) -> Self {
        let mut response = Self::new(status);
        let trying = status == Status::TRYING;
        for field in request.headers.iter() {
            let copied =
                matches!(field.name(), Some(Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq));
            if copied || (trying && field.name() == Some(Name::Timestamp)) {
                response.headers.push_field(field);
            }
        }
        response
    }

    /// Adds this tag to To, unless it has one (RFC 3261 section 8.2.6.2).
    pub fn set_to_tag(&mut self, tag: &str) {
        let Some(Ok(to)) = self.headers.read::<To<'_>>() else { return };
        if to.tag().is_none() {
            let value = [self.headers.get(Name::To).unwrap_or_default(), b";tag=", tag.as_bytes()].concat();
            self.headers.set(Name::To, value);
        }
    }

    /// The status code.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The phrase behind the code; may be empty, and need not be UTF-8.
    pub fn reason(&self) -> &[u8] {
        self.reason.of(self.headers.raw())
    }

    /// Puts another status and phrase in place; control octets are left out when it prints.
    pub fn set_status(&mut self, status: Status, reason: impl Into<Bytes>) {
        self.status = status;
        self.reason = Text::own(reason);
        self.start_line = StartLine::Rebuilt;
    }

    /// The version in the start line.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The header lines.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header lines, to be edited.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &[u8] {
        self.body.of(self.headers.raw())
    }

    /// The body as octets that share the datagram.
    pub fn body_bytes(&self) -> Bytes {
        self.body.shared(self.headers.raw())
    }

    /// Puts another body in place; see [`Request::set_body`].
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.body = Text::own(body);
    }

    /// The octets to send; an unedited response shares those it was read from.
    pub fn to_bytes(&self) -> Bytes {
        if self.is_untouched() {
            self.headers.raw().clone()
        } else {
            writer::collect(|out| self.write_to(out))
        }
    }

    /// Appends the octets to send; see [`Request::write_to`].
    pub fn write_to(&self, out: &mut Vec<u8>) {
        if self.is_untouched() {
            return out.extend_from_slice(self.headers.raw());
        }
        out.reserve(self.reason().len() + self.headers.printed_length() + self.body().len() + writer::ROOM);
        match self.start_line.received(self.headers.raw()) {
            Some(line) => writer::line(line, out),
            None => writer::status_line(self.status, self.reason(), out),
        }
        writer::rest(&self.headers, self.body(), out);
    }

    /// A message of this start line and its length, of which the rest is still to be received.
    #[inline]
    pub(crate) fn received(status: Status, reason: Text, version: Version, line: u32) -> Self {
        let body = Text::Received { start: 0, end: 0 };
        Self { status, reason, version, start_line: StartLine::Received(line), headers: Headers::new(), body }
    }

    fn is_untouched(&self) -> bool {
        !self.headers.touched() && self.start_line.is_received() && self.body.is_received()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Response");
        shown.field("status", &self.status);
        shown.field("headers", &self.headers).field("body", &self.body().len()).finish()
    }
}

/// A part of a message: a range of what was received, or octets of its own.
#[derive(Clone)]
pub(crate) enum Text {
    Received { start: u32, end: u32 },
    Own(Bytes),
}

impl Text {
    fn own(text: impl Into<Bytes>) -> Self {
        Self::Own(text.into())
    }

    fn is_received(&self) -> bool {
        matches!(self, Self::Received { .. })
    }

    fn of<'a>(&'a self, raw: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Received { start, end } => raw.get(*start as usize..*end as usize).unwrap_or_default(),
            Self::Own(text) => text,
        }
    }

    fn shared(&self, raw: &Bytes) -> Bytes {
        match self {
            Self::Received { .. } => raw.slice_ref(self.of(raw)),
            Self::Own(text) => text.clone(),
        }
    }
}

/// Whether the start line still stands as received.
#[derive(Clone, Copy)]
enum StartLine {
    /// Its octets, line end included.
    Received(u32),
    Rebuilt,
}

impl StartLine {
    fn is_received(self) -> bool {
        matches!(self, Self::Received(_))
    }

    fn received(self, raw: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Received(length) => raw.get(..length as usize),
            Self::Rebuilt => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:bob@example.com SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        Max-Forwards : 70\r\nSubject:\r\n folded\r\nX-Odd: \xff\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>\r\n\
        Call-ID: 1@a\r\nCSeq: 1 INVITE\r\nl: 4\r\n\r\nbody";

    fn request(octets: &'static [u8]) -> Request {
        match Message::parse(octets.into(), &Limits::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    #[test]
    fn an_unedited_message_prints_as_received() {
        let parsed = request(INVITE);
        assert_eq!(parsed.to_bytes(), INVITE);
        assert_eq!(parsed.body(), b"body");
        assert_eq!(parsed.body_bytes(), &b"body"[..]);
        assert_eq!(parsed.headers().get(Name::Subject), Some(&b"folded"[..]));
        assert_eq!(parsed.headers().named("x-odd"), Some(&b"\xff"[..]));
    }

    #[test]
    fn line_ends_before_and_octets_behind_are_no_part_of_it() {
        let mut octets = b"\r\n\r\n".to_vec();
        octets.extend_from_slice(INVITE);
        octets.extend_from_slice(b"INVITE");
        let parsed = Message::parse(octets.into(), &Limits::default()).unwrap();
        assert_eq!(parsed.to_bytes(), INVITE);
    }

    #[test]
    fn an_edit_leaves_the_other_lines_alone() {
        let mut edited = request(INVITE);
        edited.headers_mut().push_front(Name::Via, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2");
        edited.headers_mut().set(Name::MaxForwards, "69");
        edited.headers_mut().insert_after(Name::Subject, Name::Date, "Sat, 13 Nov 2010 23:29:00 GMT");
        edited.headers_mut().remove(Name::From);
        edited.set_body("longer body");
        let expected: &[u8] =
            b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2\r\n\
            v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 69\r\nSubject:\r\n folded\r\n\
            Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nX-Odd: \xff\r\nTo: <sip:bob@example.com>\r\n\
            Call-ID: 1@a\r\nCSeq: 1 INVITE\r\nContent-Length: 11\r\n\r\nlonger body";
        assert_eq!(edited.to_bytes(), expected);
        edited.set_uri("sip:carol@example.com");
        assert!(edited.to_bytes().starts_with(b"INVITE sip:carol@example.com SIP/2.0\r\n"));
    }

    #[test]
    fn a_value_cannot_start_a_line() {
        let mut built = Request::new(Method::Options, "sip:a\r\nX: y SIP/2.0");
        built.headers_mut().push(Name::Subject, "a\r\nInjected: b\n\rc\0d\r\n folded");
        built.headers_mut().push_named("X-A", "\r\nInjected: b");
        assert!(!built.headers_mut().push_named("X A", "b"));
        assert_eq!(
            built.to_bytes(),
            "OPTIONS sip:aX:ySIP/2.0 SIP/2.0\r\nSubject: a  Injected: b  c d\r\n folded\r\nX-A: Injected: b\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn line_feeds_alone_are_read_kept_and_never_sent_in_an_edited_message() {
        let octets = b"OPTIONS sip:a SIP/2.0\nSubject: a\n b\nl: 2\n\nhi";
        let mut parsed = request(octets);
        assert_eq!(parsed.to_bytes(), &octets[..]);
        parsed.headers_mut().push(Name::MaxForwards, "1");
        let expected =
            "OPTIONS sip:a SIP/2.0\r\nSubject: a\r\n b\r\nMax-Forwards: 1\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(parsed.to_bytes(), expected);
    }

    #[test]
    fn a_list_goes_on_behind_a_comma_even_without_white_space() {
        let octets = b"OPTIONS sip:a SIP/2.0\r\nRoute: <sip:b;lr>,\r\n<sip:c;lr>\r\n\r\n";
        let mut parsed = request(octets);
        assert_eq!(parsed.to_bytes(), &octets[..]);
        let routes: Vec<_> = parsed.headers().values(Name::Route).collect();
        assert_eq!(routes, [b"<sip:b;lr>", b"<sip:c;lr>"]);
        parsed.headers_mut().push(Name::MaxForwards, "1");
        assert!(
            parsed.to_bytes().starts_with(b"OPTIONS sip:a SIP/2.0\r\nRoute: <sip:b;lr>,  <sip:c;lr>\r\nMax")
        );
        assert!(
            Message::parse(
                "OPTIONS sip:a SIP/2.0\r\nRoute: <sip:b>\r\n<sip:c>\r\n\r\n".into(),
                &Limits::default()
            )
            .is_err()
        );
    }

    #[test]
    fn without_carriage_returns_less_may_arrive_than_was_written() {
        let short = request(b"OPTIONS sip:a SIP/2.0\nl: 20\n\na\nb\n");
        assert_eq!(short.body(), b"a\nb\n");
        let open = request(b"OPTIONS sip:a SIP/2.0\nl: 0\n");
        assert_eq!((open.headers().len(), open.body()), (1, &b""[..]));
        for whole in [&b"OPTIONS sip:a SIP/2.0\r\nl: 20\r\n\r\na"[..], b"OPTIONS sip:a SIP/2.0\r\nl: 0\r\n"] {
            assert!(Message::parse(whole.into(), &Limits::default()).is_err());
        }
    }

    #[test]
    fn a_response_copies_what_binds_it_to_its_request() {
        let response = Response::to_request(&request(INVITE), Status::TRYING);
        assert_eq!(
            response.to_bytes(),
            "SIP/2.0 100 Trying\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:bob@example.com>\r\nCall-ID: 1@a\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_tag_is_added_once() {
        let mut response = Response::to_request(&request(INVITE), Status::RINGING);
        response.set_to_tag("a6c85cf");
        response.set_to_tag("other");
        assert_eq!(response.headers().get(Name::To), Some(&b"<sip:bob@example.com>;tag=a6c85cf"[..]));
    }

    #[test]
    fn more_lines_than_the_array_holds() {
        let mut headers = Headers::new();
        for at in 0..100 {
            headers.push(Name::Via, format!("{at}"));
        }
        headers.push_front(Name::MaxForwards, "1");
        headers.insert_before(Name::Via, Name::Subject, "s");
        assert_eq!(headers.len(), 102);
        let vias: Vec<_> = headers.all(Name::Via).collect();
        assert_eq!((vias[0], vias[99]), (&b"0"[..], &b"99"[..]));
        assert!(headers.remove_first(Name::Via));
        assert_eq!(headers.get(Name::Via), Some(&b"1"[..]));
        headers.set_first(Name::Via, "x");
        assert_eq!(headers.all(Name::Via).take(2).collect::<Vec<_>>(), [&b"x"[..], b"2"]);
        assert_eq!(headers.remove(Name::Via), 99);
        assert_eq!(headers.len(), 2);
    }
}
