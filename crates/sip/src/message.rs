use bytes::Bytes;

use crate::header::headers::Headers;
use crate::request::Request;
use crate::response::Response;
use crate::version::Version;

/// A SIP message (RFC 3261 section 7).
#[derive(Clone, Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// The header lines.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => request.headers(),
            Self::Response(response) => response.headers(),
        }
    }

    /// The header lines, for editing.
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

    /// The body as octets that share the memory of the datagram.
    pub fn body_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.body_bytes(),
            Self::Response(response) => response.body_bytes(),
        }
    }

    /// Replaces the body; see [`Request::set_body`].
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        match self {
            Self::Request(request) => request.set_body(body),
            Self::Response(response) => response.set_body(body),
        }
    }

    /// The version in the start line.
    pub fn version(&self) -> Version {
        match self {
            Self::Request(request) => request.version(),
            Self::Response(response) => response.version(),
        }
    }

    /// The octets to send. An unedited message shares the octets that it was read from.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// Sets the received octets. All parts of the message are ranges of `raw`. The body starts at
    /// offset `body`.
    pub(crate) fn receive(&mut self, raw: Bytes, body: usize, irregular: bool) {
        match self {
            Self::Request(request) => request.receive(raw, body, irregular),
            Self::Response(response) => response.receive(raw, body, irregular),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::name::Name;
    use crate::limits::Limits;
    use crate::method::Method;
    use crate::status::Status;

    const INVITE: &[u8] = b"INVITE sip:bob@example.com SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        Max-Forwards : 70\r\nSubject:\r\n folded\r\nX-Odd: \xff\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>\r\n\
        Call-ID: 1@a\r\nCSeq: 1 INVITE\r\nl: 4\r\n\r\nbody";

    fn request(octets: &'static [u8]) -> Request {
        match Message::parse(octets.into(), &Limits::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("expected a request"),
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
    fn leading_line_ends_and_trailing_octets_are_dropped() {
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
    fn the_first_of_several_values_can_be_removed_or_changed() {
        let octets =
            b"BYE sip:a SIP/2.0\r\nRoute:\r\nRoute: <sip:b;x=\",\">\r\n , <sip:c>\r\nroute: <sip:d>\r\n\r\n";
        let mut edited = request(octets);
        let headers = edited.headers_mut();
        headers.set_first_value(Name::Route, " <sip:e> ");
        let values = |headers: &Headers| headers.values(Name::Route).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(values(headers), [b"<sip:e>", b"<sip:c>", b"<sip:d>"]);
        assert!(headers.remove_first_value(Name::Route));
        assert_eq!(headers.all(Name::Route).collect::<Vec<_>>(), [&b""[..], b"<sip:c>", b"<sip:d>"]);
        assert!(headers.remove_first_value(Name::Route) && headers.remove_first_value(Name::Route));
        assert!(!headers.remove_first_value(Name::Route));
        headers.set_first_value(Name::Route, "<sip:f>");
        headers.set_first_value(Name::Subject, "a, b");
        headers.set_first_value(Name::Subject, "c, d");
        assert!(edited.to_bytes().starts_with(
            b"BYE sip:a SIP/2.0\r\nRoute:\r\nRoute: <sip:f>\r\nSubject: c, d\r\nContent-Length"
        ));
    }

    #[test]
    fn an_empty_identity_is_a_value_and_an_empty_supported_is_not() {
        let message = request(b"OPTIONS sip:a SIP/2.0\r\nIdentity: \r\nSupported:\r\n\r\n");
        assert!(message.headers().values(Name::Identity).eq([b""]));
        assert_eq!(message.headers().values(Name::Supported).count(), 0);
    }

    #[test]
    fn a_known_header_is_found_by_any_form_of_its_name() {
        let mut edited = request(b"BYE sip:a SIP/2.0\r\ny: a.b.c\r\nX-A: 1\r\nx-a: 2\r\nY: d.e.f\r\n\r\n");
        let headers = edited.headers_mut();
        assert_eq!(headers.named("identity"), Some(&b"a.b.c"[..]));
        assert_eq!(headers.all_named("y").count() + headers.all_named("X-a").count(), 4);
        assert!(
            headers.set_named("X-A", "3") && headers.set_named("X-B", "4") && !headers.set_named("X:", "")
        );
        assert_eq!(headers.remove_named("Identity"), 2);
        assert!(edited.to_bytes().starts_with(b"BYE sip:a SIP/2.0\r\nX-A: 3\r\nX-B: 4\r\nContent-Length"));
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
    fn an_edited_message_prints_line_feeds_alone_as_crlf() {
        let octets = b"OPTIONS sip:a SIP/2.0\nSubject: a\n b\nl: 2\n\nhi";
        let mut parsed = request(octets);
        assert_eq!(parsed.to_bytes(), &octets[..]);
        parsed.headers_mut().push(Name::MaxForwards, "1");
        let expected =
            "OPTIONS sip:a SIP/2.0\r\nSubject: a\r\n b\r\nMax-Forwards: 1\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(parsed.to_bytes(), expected);
    }

    #[test]
    fn a_list_continues_after_a_comma_even_without_white_space() {
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
    fn a_message_without_carriage_returns_may_be_shorter() {
        let short = request(b"OPTIONS sip:a SIP/2.0\nl: 20\n\na\nb\n");
        assert_eq!(short.body(), b"a\nb\n");
        let open = request(b"OPTIONS sip:a SIP/2.0\nl: 0\n");
        assert_eq!((open.headers().len(), open.body()), (1, &b""[..]));
        for whole in [&b"OPTIONS sip:a SIP/2.0\r\nl: 20\r\n\r\na"[..], b"OPTIONS sip:a SIP/2.0\r\nl: 0\r\n"] {
            assert!(Message::parse(whole.into(), &Limits::default()).is_err());
        }
    }

    #[test]
    fn a_response_copies_the_headers_that_identify_its_request() {
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
        for (to, tagged) in [
            ("<sip:b>;x=\"1;tag=2\" ;tag=;y", "<sip:b>;x=\"1;tag=2\";y;tag=a"),
            ("sip:b ; TAG", "sip:b ;tag=a"),
            ("sip:b ;x=", "sip:b ;x=;tag=a"),
        ] {
            response.headers_mut().set(Name::To, to);
            response.set_to_tag("a");
            assert_eq!(response.headers().get(Name::To), Some(tagged.as_bytes()));
        }
    }

    #[test]
    fn headers_can_hold_more_lines_than_the_array() {
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
