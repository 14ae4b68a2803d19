//! The data that a scripted user has about a call: enough of RFC 3261 section 12 to send requests within the call.

use attesta_sip::{CSeq, From, Headers, Method, Name, NameAddr, Request, Response, Status, To};
use attesta_transaction::IdGenerator;

/// One dialog, from the viewpoint of one side.
#[derive(Clone)]
pub(super) struct Call {
    call_id: Vec<u8>,
    /// Our address with our tag, as in the From of our requests.
    local: Vec<u8>,
    /// The peer's address with the peer's tag.
    remote: Vec<u8>,
    /// The peer's Contact.
    target: Vec<u8>,
    cseq: u32,
    /// Whether our BYE has been sent.
    pub(super) hung_up: bool,
}

impl Call {
    /// Builds a request outside any dialog. An INVITE carries an offer.
    pub(super) fn opening(
        method: Method,
        own_uri: &str,
        peer_uri: &str,
        contact: &str,
        ids: &mut IdGenerator,
    ) -> Request {
        let mut request = Request::new(method.clone(), peer_uri.to_owned());
        let headers = request.headers_mut();
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, format!("<{own_uri}>;tag={}", ids.tag()));
        headers.push(Name::To, format!("<{peer_uri}>"));
        headers.push(Name::CallId, ids.call_id().to_string());
        headers.push(Name::CSeq, format!("1 {method}"));
        headers.push(Name::Contact, contact);
        if method == Method::Invite {
            headers.push(Name::ContentType, "application/sdp");
            request.set_body(SDP);
        }
        request
    }

    /// Returns the dialog of the callee when the INVITE has arrived.
    pub(super) fn answered(invite: &Request, ids: &mut IdGenerator) -> Self {
        let headers = invite.headers();
        let local = match text(headers, Name::To) {
            to if To::parse(&to).is_ok_and(|to| to.tag().is_some()) => to,
            to => [&to, format!(";tag={}", ids.tag()).as_bytes()].concat(),
        };
        let target = contact(headers).unwrap_or_default();
        Self {
            call_id: text(headers, Name::CallId),
            local,
            remote: text(headers, Name::From),
            target,
            cseq: 0,
            hung_up: false,
        }
    }

    /// Returns the dialog of the caller when a provisional response with a tag or a 2xx has arrived.
    pub(super) fn calling(invite: &Request, response: &Response) -> Self {
        let headers = response.headers();
        Self {
            call_id: text(headers, Name::CallId),
            local: text(headers, Name::From),
            remote: text(headers, Name::To),
            target: contact(headers).unwrap_or_else(|| invite.uri().to_vec()),
            cseq: number(invite.headers()),
            hung_up: false,
        }
    }

    /// Builds a request within the call. A target refresh carries a Contact (RFC 3261 section 12.2), and a re-INVITE carries an
    /// offer.
    pub(super) fn request(&mut self, method: Method, contact: &str) -> Request {
        self.cseq += 1;
        let mut request = self.build(method.clone(), self.cseq);
        if refreshes(&method) {
            request.headers_mut().push(Name::Contact, contact);
        }
        if method == Method::Invite {
            request.headers_mut().push(Name::ContentType, "application/sdp");
            request.set_body(SDP);
        }
        request
    }

    /// Builds the ACK of the 2xx to an INVITE (RFC 3261 section 13.2.2.4). If the 2xx contained the offer, the ACK carries the
    /// answer.
    pub(super) fn ack(&self, invite: &Request) -> Request {
        let mut request = self.build(Method::Ack, number(invite.headers()));
        if invite.body().is_empty() {
            request.headers_mut().push(Name::ContentType, "application/sdp");
            request.set_body(SDP);
        }
        request
    }

    /// Stores the Contact of a target refresh, or of its 2xx, as the remote target (RFC 3261 section 12.2).
    pub(super) fn follows(&mut self, method: &Method, headers: &Headers) {
        if let Some(contact) = contact(headers).filter(|_| refreshes(method)) {
            self.target = contact;
        }
    }

    /// Builds a response. A response that creates a dialog carries a Contact, and a 2xx to an INVITE carries an answer.
    pub(super) fn response(request: &Request, status: Status, tag: &[u8], contact: &str) -> Response {
        let mut response = Response::to_request(request, status);
        let headers = response.headers_mut();
        let to = text(headers, Name::To);
        if status != Status::TRYING && To::parse(&to).is_ok_and(|to| to.tag().is_none()) {
            headers.set(Name::To, [&to, b";tag=".as_slice(), tag].concat());
        }
        if refreshes(request.method()) && !matches!(status.class(), 3..=6) {
            headers.push(Name::Contact, contact);
            if *request.method() == Method::Invite && status.is_success() {
                headers.push(Name::ContentType, "application/sdp");
                response.set_body(SDP);
            }
        }
        response
    }

    pub(super) fn local_tag(&self) -> Vec<u8> {
        From::parse(&self.local).ok().and_then(|from| from.tag()).unwrap_or_default().to_vec()
    }

    /// Sets the tag of the callee in the dialog.
    pub(super) fn is_tagged(&mut self, tag: &[u8]) {
        let own = self.local_tag();
        self.local.truncate(self.local.len() - own.len());
        self.local.extend_from_slice(tag);
    }

    /// Returns true if the dialog of the caller has this To tag.
    pub(super) fn leads_to(&self, tag: &[u8]) -> bool {
        To::parse(&self.remote).ok().and_then(|to| to.tag()).unwrap_or_default() == tag
    }

    /// Returns the To tag of a message.
    pub(super) fn to_tag(headers: &Headers) -> Vec<u8> {
        let to = text(headers, Name::To);
        To::parse(&to).ok().and_then(|to| to.tag()).unwrap_or_default().to_vec()
    }

    fn build(&self, method: Method, cseq: u32) -> Request {
        let mut request = Request::new(method.clone(), self.target.clone());
        let headers = request.headers_mut();
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, &self.local);
        headers.push(Name::To, &self.remote);
        headers.push(Name::CallId, &self.call_id);
        headers.push(Name::CSeq, format!("{cseq} {method}"));
        request
    }
}

/// Returns true if a request with this method is a target refresh.
fn refreshes(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Refer | Method::Subscribe | Method::Notify)
}

fn text(headers: &Headers, name: Name) -> Vec<u8> {
    headers.get(name).unwrap_or_default().to_vec()
}

fn contact(headers: &Headers) -> Option<Vec<u8>> {
    Some(NameAddr::parse(headers.values(Name::Contact).next()?).ok()?.uri().as_bytes().to_vec())
}

fn number(headers: &Headers) -> u32 {
    headers.get(Name::CSeq).and_then(|cseq| CSeq::parse(cseq).ok()).map_or(0, |cseq| cseq.number())
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.100\r\ns=-\r\nc=IN IP4 192.0.2.100\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";
