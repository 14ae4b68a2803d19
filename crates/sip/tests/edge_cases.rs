//! Messages that are difficult for parsers, one test for each.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use attesta_sip::{
    Contact, From, Identity, InvalidKind, Limits, Message, Method, Name, ParseErrorKind, Request, Rules,
    Status, Supported, To, Uri, Via,
};

/// A request with this request line. The given header lines replace the usual ones.
fn with(request_line: &str, lines: &[&str]) -> Vec<u8> {
    let usual = [
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "From: <sip:a@example.com>;tag=1",
        "To: <sip:b@example.com>",
        "Call-ID: 1",
        "CSeq: 1 OPTIONS",
    ];
    let replaced = |usual: &str| {
        let name = usual.split(':').next();
        lines.iter().any(|line| line.split(':').next().map(str::trim_end) == name)
    };
    let kept = usual.into_iter().filter(|line| !replaced(line));
    let all: Vec<_> = kept.chain(lines.iter().copied()).collect();
    format!("{request_line}\r\n{}\r\n\r\n", all.join("\r\n")).into_bytes()
}

fn options(lines: &[&str]) -> Vec<u8> {
    with("OPTIONS sip:b@example.com SIP/2.0", lines)
}

/// A request that is read, follows the rules and prints as received.
fn accepted(octets: Vec<u8>) -> Request {
    let Ok(Message::Request(request)) = Message::parse(octets.clone().into(), &Limits::default()) else {
        panic!("not read: {}", String::from_utf8_lossy(&octets))
    };
    assert_eq!(Rules::default().request(&request), Ok(()), "{}", String::from_utf8_lossy(&octets));
    assert_eq!(request.to_bytes(), octets);
    request
}

fn refused(octets: Vec<u8>) -> (ParseErrorKind, Option<Status>) {
    let error = Message::parse(octets.into(), &Limits::default()).unwrap_err();
    (error.kind(), error.answer())
}

fn invalid(octets: Vec<u8>) -> InvalidKind {
    let message = Message::parse(octets.into(), &Limits::default()).unwrap();
    Rules::default().check(&message).unwrap_err().kind()
}

#[test]
fn compact_names() {
    let octets = b"OPTIONS sip:b SIP/2.0\r\nV: SIP/2.0/UDP a\r\nf: <sip:a>;tag=1\r\nt: <sip:b>\r\ni: 1\r\n\
        CSeq: 1 OPTIONS\r\nm: <sip:a>\r\ne: gzip\r\nl: 0\r\nc: text/plain\r\ns: x\r\nk: timer\r\nx: 90\r\ny: a.b.c\r\n\
        o: dialog\r\nr: <sip:c>\r\nb: <sip:d>\r\nu: dialog\r\na: *\r\nj: *\r\nd: no-fork\r\nn: retired\r\n\r\n";
    let request = accepted(octets.to_vec());
    let names: Vec<_> = request.headers().iter().map(|field| field.name()).collect();
    let expected = [
        Name::Via,
        Name::From,
        Name::To,
        Name::CallId,
        Name::CSeq,
        Name::Contact,
        Name::ContentEncoding,
        Name::ContentLength,
        Name::ContentType,
        Name::Subject,
        Name::Supported,
        Name::SessionExpires,
        Name::Identity,
        Name::Event,
        Name::ReferTo,
        Name::ReferredBy,
        Name::AllowEvents,
        Name::AcceptContact,
        Name::RejectContact,
        Name::RequestDisposition,
    ];
    assert_eq!(names[..20], expected.map(Some));
    assert_eq!(names[20], None);
}

#[test]
fn white_space_before_the_colon() {
    let request = accepted(options(&["Subject \t : x", "X-Own  : y"]));
    assert_eq!(request.headers().get(Name::Subject), Some(&b"x"[..]));
    assert_eq!(request.headers().named("x-own"), Some(&b"y"[..]));
}

#[test]
fn a_folded_identity() {
    let request = accepted(options(&[
        "Identity: eyJ.eyI.c2ln\r\n ;info=<https://cr.example.com/a.pem>\r\n\t;ppt=shaken",
    ]));
    let identity: Identity<'_> = request.headers().read().unwrap().unwrap();
    assert_eq!((identity.token(), identity.ppt()), (&b"eyJ.eyI.c2ln"[..], Some("shaken")));
}

#[test]
fn a_display_name_that_is_not_utf_8() {
    let mut octets = options(&["From: \"?\" <sip:a@example.com>;tag=1"]);
    let at = octets.iter().position(|&octet| octet == b'?').unwrap();
    octets[at] = 0xff;
    let request = accepted(octets);
    let from: From<'_> = request.headers().read().unwrap().unwrap();
    assert_eq!(from.display_name().unwrap().as_ref(), b"\xff");
}

#[test]
fn request_uris_of_other_kinds() {
    for uri in
        ["sip:[2001:db8::1]", "sip:a@[::ffff:192.0.2.1]:5070", "tel:+1-215-555-0100", "urn:service:sos"]
    {
        let request = accepted(with(&format!("OPTIONS {uri} SIP/2.0"), &[]));
        assert_eq!(request.uri(), uri.as_bytes());
    }
}

#[test]
fn an_unknown_method() {
    let request = accepted(with("DANCE sip:b@example.com SIP/2.0", &["CSeq: 1 DANCE"]));
    assert_eq!(request.method().as_str(), "DANCE");
    let fault = Rules::default().methods([Method::Invite]).request(&request).unwrap_err();
    assert_eq!(fault.answer(), Some(Status::NOT_IMPLEMENTED));
}

#[test]
fn separators_in_a_quoted_display_name() {
    let request = accepted(options(&[r#"Contact: "A, <l>;\"ice" <sip:a@example.com>, <sip:b@example.com>"#]));
    let contacts: Vec<Contact<'_>> = request.headers().read_all().map(Result::unwrap).collect();
    assert_eq!(contacts.len(), 2);
    assert_eq!(contacts[0].address().unwrap().display_name().unwrap().as_ref(), b"A, <l>;\"ice");
}

#[test]
fn line_ends_before_the_start_line() {
    let octets = [b"\r\n\r\n".to_vec(), options(&[])].concat();
    let message = Message::parse(octets.into(), &Limits::default()).unwrap();
    assert_eq!(message.to_bytes(), options(&[]));
    assert_eq!(refused(b"\r\n\r\n".to_vec()), (ParseErrorKind::Empty, None));
}

#[test]
fn content_lengths() {
    let body = |line: &str| [options(&[line]), b"12345".to_vec()].concat();
    let length = |octets: Vec<u8>| Message::parse(octets.into(), &Limits::default()).unwrap().body().len();
    // Absent: the body is the rest of the datagram. Too short: the remaining octets are dropped.
    assert_eq!(length([options(&[]), b"12345".to_vec()].concat()), 5);
    assert_eq!(length(body("Content-Length: 3")), 3);
    let bad_request = |kind| (kind, Some(Status::BAD_REQUEST));
    assert_eq!(refused(body("Content-Length: 6")), bad_request(ParseErrorKind::BodyTruncated));
    assert_eq!(refused(body("Content-Length: -1")), bad_request(ParseErrorKind::ContentLength));
    assert_eq!(refused(body("Content-Length: 1\r\nl: 2")), bad_request(ParseErrorKind::ContentLength));
    assert_eq!(refused(body("Content-Length: 5, 5")), bad_request(ParseErrorKind::ContentLength));
    assert_eq!(refused(body("Content-Length: 4294967296")), bad_request(ParseErrorKind::ContentLength));
    assert_eq!(refused(body("Content-Length:")), bad_request(ParseErrorKind::ContentLength));
    assert_eq!(invalid(body("Content-Length: 5\r\nl: 5")), InvalidKind::Duplicate);
}

#[test]
fn from_twice() {
    assert_eq!(invalid(options(&["From: <sip:a>;tag=1\r\nFrom: <sip:b>;tag=2"])), InvalidKind::Duplicate);
}

#[test]
fn a_header_of_70_kb() {
    let long = format!("Subject: {}", "x".repeat(70_000));
    assert!(matches!(
        refused(options(&[&long])),
        (ParseErrorKind::TooLarge(_), Some(Status::MESSAGE_TOO_LARGE))
    ));
    let limits = Limits::default().message(100_000);
    let error = Message::parse(options(&[&long]).into(), &limits).unwrap_err();
    assert_eq!(error.answer(), Some(Status::MESSAGE_TOO_LARGE));
}

#[test]
fn a_nul_escaped_in_a_quoted_string() {
    let request = accepted(options(&["From: \"a\\\0b\" <sip:a@example.com>;tag=1"]));
    let from: From<'_> = request.headers().read().unwrap().unwrap();
    assert_eq!(from.display_name().unwrap().as_ref(), b"a\0b");
}

#[test]
fn an_instance_in_a_contact() {
    let request = accepted(options(&["Contact: <sip:a@192.0.2.1>;+sip.instance=\"<urn:uuid:0>\";reg-id=1"]));
    let contact: Contact<'_> = request.headers().read().unwrap().unwrap();
    assert_eq!(contact.instance(), Some(&b"urn:uuid:0"[..]));
}

#[test]
fn escapes_in_a_user_part() {
    let request = accepted(with("OPTIONS sip:a%20%00%C3%A9@example.com SIP/2.0", &[]));
    let uri = request.parsed_uri().unwrap();
    assert_eq!(uri.as_sip().unwrap().user_unescaped().unwrap().as_ref(), b"a \0\xc3\xa9");
}

#[test]
fn loose_routers_with_and_without_a_value() {
    for (text, loose) in
        [("sip:a;lr", true), ("sip:a;lr=on", true), ("sip:a;LR=true", true), ("sip:a;xlr", false)]
    {
        assert_eq!(Uri::parse(text.as_bytes()).unwrap().as_sip().unwrap().is_loose_router(), loose, "{text}");
    }
}

#[test]
fn carriage_returns_alone() {
    assert_eq!(refused(options(&["Subject: a\rVia: b"])).0, ParseErrorKind::BareCarriageReturn);
    assert_eq!(refused(b"OPTIONS sip:a SIP/2.0\r".to_vec()).0, ParseErrorKind::Truncated);
}

#[test]
fn parameters_with_an_empty_text_after_the_equals_sign() {
    let request = accepted(with(
        "OPTIONS sip:b@example.com;user=;lr= SIP/2.0",
        &["Via: SIP/2.0/UDP 192.0.2.1;rport=;received=;branch=z9hG4bK1", "To: <sip:b@example.com;x=>;tag="],
    ));
    let via: Via<'_> = request.headers().read().unwrap().unwrap();
    assert_eq!((via.rport(), via.received(), via.branch()), (Some(None), None, Some(&b"z9hG4bK1"[..])));
    let to: To<'_> = request.headers().read().unwrap().unwrap();
    assert_eq!(to.tag(), None);
    assert!(request.parsed_uri().unwrap().as_sip().unwrap().is_loose_router());
}

#[test]
fn empty_lists() {
    let request = accepted(options(&["Supported:", "Allow: ", "Require:", "Contact:", "Accept:\r\n "]));
    assert!(request.headers().read::<Supported<'_>>().is_none());
    assert_eq!(request.headers().read_all::<Contact<'_>>().count(), 0);
    assert_eq!(Rules::default().extensions(["timer"]).request(&request), Ok(()));
    assert_eq!(invalid(options(&["Via:"])), InvalidKind::Missing);
    assert_eq!(invalid(options(&["Via:\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1"])), InvalidKind::Missing);
}
