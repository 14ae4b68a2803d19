//! What a scripted user knows of a call: enough of RFC 3261 section 12 to send requests within it.

use std::net::SocketAddr;

use attesta_sip::{CSeq, From, Headers, Method, Name, NameAddr, Request, Response, Status, To};
use attesta_transaction::IdGenerator;

/// One dialog, seen from one side.
pub(super) struct Call {
    call_id: Vec<u8>,
    /// Our address with our tag, as it stands in the From of our requests.
    local: Vec<u8>,
    /// The other's address with the other's tag.
    remote: Vec<u8>,
    /// The other's Contact.
    target: Vec<u8>,
    cseq: u32,
}

impl Call {
    /// A request that opens something new; an INVITE carries an offer.
    pub(super) fn opening(
        method: Method,
        own_uri: &str,
        peer_uri: &str,
        address: SocketAddr,
        ids: &mut IdGenerator,
    ) -> Request {
        let mut request = Request::new(method.clone(), peer_uri.to_owned());
        let headers = request.headers_mut();
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, format!("<{own_uri}>;tag={}", ids.tag()));
        headers.push(Name::To, format!("<{peer_uri}>"));
        headers.push(Name::CallId, ids.call_id().to_string());
        headers.push(Name::CSeq, format!("1 {method}"));
        headers.push(Name::Contact, format!("<sip:{address}>"));
        if method == Method::Invite {
            headers.push(Name::ContentType, "application/sdp");
            request.set_body(SDP);
        }
        request
    }

    /// The call as its callee sees it, when the INVITE has come.
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
        }
    }

    /// The call as its caller sees it, when a 2xx has come.
    pub(super) fn confirmed(invite: &Request, response: &Response) -> Self {
        let headers = response.headers();
        Self {
            call_id: text(headers, Name::CallId),
            local: text(headers, Name::From),
            remote: text(headers, Name::To),
            target: contact(headers).unwrap_or_else(|| invite.uri().to_vec()),
            cseq: number(invite.headers()),
        }
    }

    /// A request within the call.
    pub(super) fn request(&mut self, method: Method) -> Request {
        self.cseq += 1;
        self.build(method)
    }

    /// The ACK of the 2xx (RFC 3261 section 13.2.2.4).
    pub(super) fn ack(&self) -> Request {
        self.build(Method::Ack)
    }

    /// A response; one that opens a dialog carries a Contact, and a 2xx to an INVITE an answer.
    pub(super) fn response(request: &Request, status: Status, tag: &[u8], address: SocketAddr) -> Response {
        let mut response = Response::to_request(request, status);
        let headers = response.headers_mut();
        let to = text(headers, Name::To);
        if status != Status::TRYING && To::parse(&to).is_ok_and(|to| to.tag().is_none()) {
            headers.set(Name::To, [&to, b";tag=".as_slice(), tag].concat());
        }
        if *request.method() == Method::Invite && !matches!(status.class(), 3..=6) {
            headers.push(Name::Contact, format!("<sip:{address}>"));
            if status.is_success() {
                headers.push(Name::ContentType, "application/sdp");
                response.set_body(SDP);
            }
        }
        response
    }

    pub(super) fn local_tag(&self) -> Vec<u8> {
        From::parse(&self.local).ok().and_then(|from| from.tag()).unwrap_or_default().to_vec()
    }

    pub(super) fn remote_tag(response: &Response) -> Vec<u8> {
        let to = text(response.headers(), Name::To);
        To::parse(&to).ok().and_then(|to| to.tag()).unwrap_or_default().to_vec()
    }

    fn build(&self, method: Method) -> Request {
        let mut request = Request::new(method.clone(), self.target.clone());
        let headers = request.headers_mut();
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, &self.local);
        headers.push(Name::To, &self.remote);
        headers.push(Name::CallId, &self.call_id);
        headers.push(Name::CSeq, format!("{} {method}", self.cseq));
        request
    }
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
