use crate::error::{Limit, ParseError, ParseErrorKind};
use crate::header::address::{From, NameAddr, RecordRoute, Route, To};
use crate::header::call_id::CallId;
use crate::header::contact::Contact;
use crate::header::content_disposition::ContentDisposition;
use crate::header::cseq::CSeq;
use crate::header::headers::Headers;
use crate::header::max_forwards::MaxForwards;
use crate::header::media_type::{Accept, ContentType, MediaType};
use crate::header::name::{Name, Shape};
use crate::header::typed::Typed;
use crate::header::via::Via;
use crate::invalid::{Invalid, InvalidKind};
use crate::limits::Limits;
use crate::message::Message;
use crate::method::Method;
use crate::param::Params;
use crate::request::Request;
use crate::response::Response;
use crate::version::Version;

/// The requirements of an element on readable messages.
///
/// The default applies the requirements of RFC 3261 for all messages: mandatory headers are
/// present, a header that may occur only once occurs once, values can be read, the version is 2.0.
/// The setters add the features that the element supports.
///
/// ```
/// use attesta_sip::{InvalidKind, Limits, Message, Method, Rules, Status};
///
/// let rules = Rules::default().methods([Method::Invite, Method::Ack, Method::Bye]);
/// let options = &b"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
///     From: <sip:a@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: 1\r\nCSeq: 7 OPTIONS\r\n\r\n"[..];
/// if let Message::Request(request) = Message::parse(options.into(), &Limits::default())? {
///     let invalid = rules.request(&request).unwrap_err();
///     assert_eq!(invalid.kind(), InvalidKind::MethodNotAllowed);
///     let answer = rules.answer(&request, &invalid).unwrap();
///     assert_eq!(answer.status(), Status::METHOD_NOT_ALLOWED);
/// }
/// # Ok::<(), attesta_sip::ParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rules {
    methods: Option<Vec<Method>>,
    schemes: Option<Vec<String>>,
    extensions: Option<Vec<String>>,
    media_types: Option<Vec<String>>,
    params: Option<usize>,
    forwards: bool,
}

impl Rules {
    /// The supported methods. Another method gets 501 if this crate does not know the method, else
    /// 405 with `Allow` (RFC 3261 section 8.2.1). Default: any.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = Some(methods.into_iter().collect());
        self
    }

    /// The supported schemes of a Request-URI. Other schemes get 416 (RFC 3261 section 8.2.2.1).
    /// Default: any.
    #[must_use]
    pub fn schemes<'s>(mut self, schemes: impl IntoIterator<Item = &'s str>) -> Self {
        self.schemes = Some(schemes.into_iter().map(str::to_owned).collect());
        self
    }

    /// The option tags that `Require` may hold. Other tags get 420 with `Unsupported`, except in
    /// ACK and CANCEL (RFC 3261 section 8.2.2.3). Default: any.
    #[must_use]
    pub fn extensions<'s>(mut self, tags: impl IntoIterator<Item = &'s str>) -> Self {
        self.extensions = Some(tags.into_iter().map(str::to_owned).collect());
        self
    }

    /// The supported types of body, for example `application/sdp`. A body of another type or in a
    /// Content-Encoding gets 415 with `Accept` or `Accept-Encoding`, unless its Content-Disposition
    /// makes the body optional. An INVITE whose `Accept` covers none of the types gets 406 (RFC
    /// 3261 sections 8.2.3, 21.4.7 and 21.4.13). Default: any.
    #[must_use]
    pub fn media_types<'s>(mut self, types: impl IntoIterator<Item = &'s str>) -> Self {
        self.media_types = Some(types.into_iter().map(str::to_owned).collect());
        self
    }

    /// The number of parameters that one value may have. More parameters get 400. Default: the
    /// default of [`Limits`](crate::Limits).
    #[must_use]
    pub fn limits(mut self, limits: &Limits) -> Self {
        self.params = Some(limits.params);
        self
    }

    /// Whether requests are forwarded to another hop. If so, a request with `Max-Forwards` 0 gets
    /// 483 (RFC 7332 section 4). Default: no.
    #[must_use]
    pub fn forwards(mut self, forwards: bool) -> Self {
        self.forwards = forwards;
        self
    }

    /// Checks a request or a response. Returns the first fault.
    pub fn check(&self, message: &Message) -> Result<(), Invalid> {
        match message {
            Message::Request(request) => self.request(request),
            Message::Response(response) => self.response(response),
        }
    }

    /// Checks a request in this order: version, form, method, scheme, hops, extensions, body (RFC
    /// 3261 section 8.2).
    ///
    /// Only the top Via must be readable; the other Via values are for other hops.
    pub fn request(&self, request: &Request) -> Result<(), Invalid> {
        let answered = *request.method() != Method::Ack;
        self.check_form(request)
            .and_then(|()| self.check_support(request))
            .map_err(|fault| fault.invalid(answered))
    }

    /// Checks a response. A faulty response is dropped (RFC 3261 section 18.1.2). Headers that have
    /// a meaning only in requests, including Date, are not checked.
    pub fn response(&self, response: &Response) -> Result<(), Invalid> {
        let checked = match response.version() {
            Version::Sip2 => self.check_headers(response.headers()).map(|_| ()),
            Version::Other => Err(Fault::new(InvalidKind::Version, None)),
        };
        checked.map_err(|fault| fault.invalid(false))
    }

    /// The response to a request with this fault, with `Allow`, `Unsupported`, `Accept` or
    /// `Accept-Encoding` if the status requires the header; `None` if no response is sent.
    pub fn answer(&self, request: &Request, fault: &Invalid) -> Option<Response> {
        let mut response = Response::to_request(request, fault.answer()?);
        let headers = response.headers_mut();
        match fault.kind() {
            InvalidKind::MethodNotAllowed | InvalidKind::MethodUnknown => {
                let names: Vec<_> = self.methods.iter().flatten().map(Method::as_str).collect();
                headers.push(Name::Allow, names.join(", "));
            }
            InvalidKind::Extension => {
                // One line for all tags: with one line per tag, many short tags would make the
                // response many times larger than the request.
                let tags: Vec<_> = self.unsupported(request.headers()).collect();
                headers.push(Name::Unsupported, tags.join(&b", "[..]));
            }
            InvalidKind::MediaType => {
                headers.push(Name::Accept, self.media_types.as_deref().unwrap_or_default().join(", "));
            }
            InvalidKind::ContentEncoding => headers.push(Name::AcceptEncoding, IDENTITY),
            InvalidKind::Version
            | InvalidKind::RequestUri(_)
            | InvalidKind::RequestUriHeaders
            | InvalidKind::Missing
            | InvalidKind::Duplicate
            | InvalidKind::Value(_)
            | InvalidKind::MethodMismatch
            | InvalidKind::Scheme
            | InvalidKind::TooManyHops
            | InvalidKind::NotAcceptable => {}
        }
        Some(response)
    }

    fn check_form(&self, request: &Request) -> Result<(), Fault> {
        if request.version() == Version::Other {
            return Err(Fault::new(InvalidKind::Version, None));
        }
        let uri =
            request.parsed_uri().map_err(|error| Fault::new(InvalidKind::RequestUri(error.kind()), None))?;
        if uri.as_sip().is_some_and(|uri| !uri.headers_raw().is_empty()) {
            return Err(Fault::new(InvalidKind::RequestUriHeaders, None));
        }
        self.check_count(uri.params(), None)?;
        let cseq = self.check_headers(request.headers())?;
        self.check_request_headers(request.headers())?;
        if cseq.method() != request.method() {
            return Err(Fault::new(InvalidKind::MethodMismatch, Some(Name::CSeq)));
        }
        Ok(())
    }

    /// Checks the requirements for both requests and responses.
    fn check_headers(&self, headers: &Headers) -> Result<CSeq, Fault> {
        check_duplicates(headers)?;
        required::<CallId<'_>>(headers)?;
        let cseq = required::<CSeq>(headers)?;
        self.check_address(*required::<From<'_>>(headers)?, Name::From)?;
        self.check_address(*required::<To<'_>>(headers)?, Name::To)?;
        self.check_count(required::<Via<'_>>(headers)?.params(), Some(Name::Via))?;
        for contact in headers.read_all::<Contact<'_>>() {
            if let Contact::Address(address) = contact.map_err(Fault::of::<Contact<'_>>)? {
                self.check_address(address, Name::Contact)?;
            }
        }
        for route in headers.read_all::<RecordRoute<'_>>() {
            self.check_address(*route.map_err(Fault::of::<RecordRoute<'_>>)?, Name::RecordRoute)?;
        }
        Ok(cseq)
    }

    /// Checks headers that have a meaning only in requests. An empty Max-Forwards counts as absent. Date is not checked: a
    /// wrong clock must not cost a call, and who needs Date reads it.
    fn check_request_headers(&self, headers: &Headers) -> Result<(), Fault> {
        for route in headers.read_all::<Route<'_>>() {
            self.check_address(*route.map_err(Fault::of::<Route<'_>>)?, Name::Route)?;
        }
        if headers.get(Name::MaxForwards).is_some_and(|hops| !hops.is_empty()) {
            headers.read::<MaxForwards>().transpose().map_err(Fault::of::<MaxForwards>)?;
        }
        Ok(())
    }

    fn check_address(&self, address: NameAddr<'_>, name: Name) -> Result<(), Fault> {
        self.check_count(address.params(), Some(name))?;
        self.check_count(address.uri().params(), Some(name))
    }

    fn check_count(&self, params: Params<'_>, name: Option<Name>) -> Result<(), Fault> {
        if params.len() <= self.params.unwrap_or(Limits::default().params) {
            return Ok(());
        }
        let error = ParseErrorKind::TooLarge(Limit::Params);
        Err(Fault::new(name.map_or(InvalidKind::RequestUri(error), |_| InvalidKind::Value(error)), name))
    }

    fn check_support(&self, request: &Request) -> Result<(), Fault> {
        let method = request.method();
        if self.methods.as_ref().is_some_and(|methods| !methods.contains(method)) {
            let unknown = matches!(method, Method::Extension(_));
            let kind = if unknown { InvalidKind::MethodUnknown } else { InvalidKind::MethodNotAllowed };
            return Err(Fault::new(kind, None));
        }
        if let (Some(schemes), Ok(uri)) = (&self.schemes, request.parsed_uri())
            && !schemes.iter().any(|scheme| uri.scheme().eq_ignore_ascii_case(scheme.as_bytes()))
        {
            return Err(Fault::new(InvalidKind::Scheme, None));
        }
        if self.forwards && matches!(request.headers().read(), Some(Ok(MaxForwards(0)))) {
            return Err(Fault::new(InvalidKind::TooManyHops, Some(Name::MaxForwards)));
        }
        let exempt = matches!(method, Method::Ack | Method::Cancel);
        if !exempt && self.unsupported(request.headers()).next().is_some() {
            return Err(Fault::new(InvalidKind::Extension, Some(Name::Require)));
        }
        self.media_types.as_deref().map_or(Ok(()), |types| check_content(request, types))
    }

    /// The option tags in `Require` that the element does not support.
    fn unsupported<'a>(&'a self, headers: &'a Headers) -> impl Iterator<Item = &'a [u8]> {
        let known = move |tag: &[u8]| match &self.extensions {
            Some(tags) => tags.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(tag)),
            None => true,
        };
        headers.values(Name::Require).filter(move |tag| !known(tag))
    }
}

/// A fault before the check whether it can be answered.
struct Fault {
    kind: InvalidKind,
    header: Option<Name>,
}

impl Fault {
    fn new(kind: InvalidKind, header: Option<Name>) -> Self {
        Self { kind, header }
    }

    /// A value of type `T` that could not be read.
    fn of<'a, T: Typed<'a>>(error: ParseError) -> Self {
        Self::new(InvalidKind::Value(error.kind()), Some(T::NAME))
    }

    fn invalid(self, answered: bool) -> Invalid {
        Invalid::new(self.kind, self.header, answered)
    }
}

fn required<'a, T: Typed<'a>>(headers: &'a Headers) -> Result<T, Fault> {
    let value = headers.read::<T>().ok_or(Fault::new(InvalidKind::Missing, Some(T::NAME)))?;
    value.map_err(Fault::of::<T>)
}

/// Checks whether the body has one of these types, and whether a response may carry one of them
/// (RFC 3261 section 8.2.3).
fn check_content(request: &Request, types: &[String]) -> Result<(), Fault> {
    let headers = request.headers();
    let types = || types.iter().filter_map(|each| MediaType::parse(each.as_bytes()).ok());
    let optional =
        || headers.read::<ContentDisposition<'_>>().is_some_and(|read| read.is_ok_and(|it| it.is_optional()));
    if !request.body().is_empty() && !optional() {
        let found = headers.read::<ContentType<'_>>().and_then(Result::ok).map(|found| found.media_type());
        if !found.is_some_and(|found| types().any(|each| each.covers(&found))) {
            return Err(Fault::new(InvalidKind::MediaType, Some(Name::ContentType)));
        }
        if headers.values(Name::ContentEncoding).any(|each| !each.eq_ignore_ascii_case(IDENTITY.as_bytes())) {
            return Err(Fault::new(InvalidKind::ContentEncoding, Some(Name::ContentEncoding)));
        }
    }
    let takes = |range: Accept<'_>| range.q() > 0 && types().any(|each| range.range().covers(&each));
    let refuses = *request.method() == Method::Invite
        && headers.contains(Name::Accept)
        && !headers.read_all::<Accept<'_>>().flatten().any(takes);
    if refuses { Err(Fault::new(InvalidKind::NotAcceptable, Some(Name::Accept))) } else { Ok(()) }
}

/// Checks that no header with a single value occurs twice. Descriptive headers may occur twice,
/// because the second line does not change the meaning of the message.
fn check_duplicates(headers: &Headers) -> Result<(), Fault> {
    let mut seen: u128 = 0;
    for name in headers.iter().filter_map(|field| field.name()) {
        if !matches!(name.shape(), Shape::Single) || DESCRIPTIVE.contains(&name) {
            continue;
        }
        let bit = 1 << name as u32;
        if seen & bit != 0 {
            return Err(Fault::new(InvalidKind::Duplicate, Some(name)));
        }
        seen |= bit;
    }
    Ok(())
}

/// No encoding (RFC 3261 section 20.2).
const IDENTITY: &str = "identity";

// `check_duplicates` needs one bit for each name.
const _: () = assert!(Name::ALL.len() <= u128::BITS as usize, "more names than bits in `seen`");

const DESCRIPTIVE: [Name; 7] = [
    Name::MimeVersion,
    Name::Organization,
    Name::Priority,
    Name::Server,
    Name::Subject,
    Name::Timestamp,
    Name::UserAgent,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lex;
    use crate::status::Status;

    const GOOD: &str = "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        From: <sip:a@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: 1\r\nCSeq: 7 OPTIONS\r\n\
        Max-Forwards: 0\r\nRequire: one, two\r\n\r\n";

    fn check(rules: &Rules, text: &str) -> Result<(), (InvalidKind, Option<Name>, Option<u16>)> {
        let message = Message::parse(text.to_owned().into(), &Limits::default()).unwrap();
        rules
            .check(&message)
            .map_err(|invalid| (invalid.kind(), invalid.header(), invalid.answer().map(Status::code)))
    }

    #[test]
    fn every_malformed_part_is_found() {
        let rules = Rules::default();
        assert_eq!(check(&rules, GOOD), Ok(()));
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let name = Name::parse(name.as_bytes()).unwrap();
            let without = GOOD.replace(&format!("\r\n{name}: "), "\r\nX: ");
            assert_eq!(check(&rules, &without), Err((InvalidKind::Missing, Some(name), Some(400))));
        }
        let twice = GOOD.replace("To: ", "To: <sip:b>\r\nt: ");
        assert_eq!(check(&rules, &twice), Err((InvalidKind::Duplicate, Some(Name::To), Some(400))));
        let mismatch = GOOD.replace("7 OPTIONS", "7 options");
        assert_eq!(check(&rules, &mismatch), Err((InvalidKind::MethodMismatch, Some(Name::CSeq), Some(400))));
        let version = GOOD.replace("SIP/2.0\r\n", "SIP/2.1\r\n");
        assert_eq!(check(&rules, &version), Err((InvalidKind::Version, None, Some(505))));
        let many = GOOD.replace("tag=1", &format!("tag=1{}", ";x".repeat(64)));
        let error = InvalidKind::Value(ParseErrorKind::TooLarge(Limit::Params));
        assert_eq!(check(&rules, &many), Err((error, Some(Name::From), Some(400))));
    }

    #[test]
    fn each_unsupported_feature_gets_its_status() {
        let rules = Rules::default();
        let kind = |rules: &Rules| check(rules, GOOD).unwrap_err().0;
        assert_eq!(kind(&rules.clone().methods([Method::Invite])), InvalidKind::MethodNotAllowed);
        assert_eq!(kind(&rules.clone().schemes(["tel"])), InvalidKind::Scheme);
        assert_eq!(kind(&rules.clone().forwards(true)), InvalidKind::TooManyHops);
        assert_eq!(kind(&rules.clone().extensions(["ONE"])), InvalidKind::Extension);
        assert_eq!(check(&rules.extensions(["one", "two"]), GOOD), Ok(()));
    }

    #[test]
    fn the_answer_names_the_unsupported_feature() {
        let rules = Rules::default().extensions(["one"]);
        let Message::Request(request) = Message::parse(GOOD.into(), &Limits::default()).unwrap() else {
            panic!("a request")
        };
        let invalid = rules.request(&request).unwrap_err();
        let answer = rules.answer(&request, &invalid).unwrap();
        assert_eq!(answer.status(), Status::BAD_EXTENSION);
        assert_eq!(answer.headers().get(Name::Unsupported), Some(&b"two"[..]));
    }

    #[test]
    fn unsupported_tags_are_listed_on_one_line() {
        let text = GOOD.replace("one, two", "a,,b\r\nRequire:\r\nRequire: c");
        let Message::Request(request) = Message::parse(text.into(), &Limits::default()).unwrap() else {
            panic!("a request")
        };
        let rules = Rules::default().extensions(["b"]);
        let answer = rules.answer(&request, &rules.request(&request).unwrap_err()).unwrap();
        assert_eq!(answer.headers().all(Name::Unsupported).collect::<Vec<_>>(), [b"a, , c"]);
        assert_eq!(check(&rules, &GOOD.replace("one, two", "")), Ok(()));
    }

    #[test]
    fn headers_of_requests_are_not_checked_in_a_response() {
        for (line, name) in [("Max-Forwards: 256", Name::MaxForwards), ("Route: nowhere", Name::Route)] {
            let request = GOOD.replace("Max-Forwards: 0", line);
            let fault = check(&Rules::default(), &request).unwrap_err();
            assert_eq!((fault.1, fault.2), (Some(name), Some(400)));
            let response = request.replace("OPTIONS sip:example.com SIP/2.0", "SIP/2.0 200 OK");
            assert_eq!(check(&Rules::default(), &response), Ok(()), "{line}");
        }
    }

    #[test]
    fn small_faults_of_phones_cost_no_call() {
        for line in
            ["Date: Fri, 01 Jan 2010 16:00:00 EST", "Date: yesterday", "Max-Forwards:", "Max-Forwards: "]
        {
            assert_eq!(check(&Rules::default(), &GOOD.replace("Max-Forwards: 0", line)), Ok(()), "{line}");
        }
        for (good, bad) in [
            ("<sip:a@example.com>;tag=1", "<sip:a@example.com>;tag=1; "),
            ("<sip:example.com>", "sip:b ;"),
            ("=z9hG4bK1", "=z9hG4bK1;"),
        ] {
            assert!(GOOD.contains(good), "{good}");
            assert_eq!(check(&Rules::default(), &GOOD.replace(good, bad)), Ok(()), "{bad}");
        }
    }

    #[test]
    fn only_the_top_via_must_be_readable() {
        for (below, top) in [("SIP/2.0/UDP 192.0.2.1;;", None), ("SIP/2.0/UDP 192.0.2.1", Some(400))] {
            let other = if top.is_none() { "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1" } else { "nonsense" };
            let text = GOOD.replace("Via: ", &format!("Via: {other}, {below}\r\nVia: "));
            assert_eq!(check(&Rules::default(), &text).err().and_then(|(_, _, answer)| answer), top);
        }
    }

    #[test]
    fn an_unsupported_body_is_refused_with_the_supported_types() {
        let rules = Rules::default().media_types(["application/sdp"]);
        let with = |lines: &str| {
            GOOD.replace("OPTIONS", "INVITE").replace("\r\n\r\n", &format!("\r\n{lines}\r\n\r\nv=0"))
        };
        let answered = |text: &str| {
            let Message::Request(request) =
                Message::parse(text.to_owned().into(), &Limits::default()).unwrap()
            else {
                panic!("a request")
            };
            let response = rules.answer(&request, &rules.request(&request).err()?)?;
            let said = |name| response.headers().get(name).map(|value| lex::text(value).into_owned());
            Some((response.status().code(), said(Name::Accept).or(said(Name::AcceptEncoding))))
        };
        let sdp = "Content-Type: Application/SDP";
        assert_eq!(answered(&with(sdp)), None);
        assert_eq!(answered(&with(&format!("{sdp}\r\nAccept: text/plain, application/*"))), None);
        assert_eq!(answered(&with("Content-Type: a/b\r\nContent-Disposition: x;handling=optional")), None);
        let unknown = Some((415, Some("application/sdp".to_owned())));
        assert_eq!(answered(&with("Content-Type: application/unknownformat")), unknown);
        assert_eq!(answered(&with("Subject: a body without a type")), unknown);
        let encoded = answered(&with(&format!("{sdp}\r\nContent-Encoding: gzip")));
        assert_eq!(encoded, Some((415, Some("identity".to_owned()))));
        assert_eq!(answered(&with(&format!("{sdp}\r\nAccept: text/plain"))), Some((406, None)));
        assert_eq!(answered(&with(&format!("{sdp}\r\nAccept: application/sdp;q=0"))), Some((406, None)));
    }

    #[test]
    fn acks_and_responses_are_dropped() {
        let ack = GOOD.replace("OPTIONS", "ACK").replace("To:", "X:");
        assert_eq!(check(&Rules::default(), &ack), Err((InvalidKind::Missing, Some(Name::To), None)));
        let response =
            GOOD.replace("OPTIONS sip:example.com SIP/2.0", "SIP/2.0 200 OK").replace("7 OPTIONS", "x");
        let fault = check(&Rules::default(), &response).unwrap_err();
        assert_eq!((fault.1, fault.2), (Some(Name::CSeq), None));
    }
}
