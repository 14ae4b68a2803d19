//! The two requests that follow an INVITE to its next hop: the ACK of a failure and the CANCEL.

use attesta_sip::{CSeq, Limits, Message, Method, Name, Request, Response};
use bytes::Bytes;

/// The ACK of a 300-699 response (RFC 3261 section 17.1.1.3): Request-URI, Call-ID, From, CSeq number, Route and the top Via
/// of the INVITE, the To of the response.
///
/// `None` if the INVITE, as it was sent, cannot be read.
pub(crate) fn ack(invite: &Bytes, response: &Response) -> Option<Bytes> {
    let invite = read(invite)?;
    let to = response.headers().get(Name::To)?;
    Some(follow(&invite, Method::Ack, to)?.to_bytes())
}

/// The CANCEL of an INVITE (RFC 3261 section 9.1), with a Reason where there is one (RFC 3326).
///
/// `None` if the INVITE, as it was sent, cannot be read.
pub(crate) fn cancel(invite: &Bytes, reason: Option<&Bytes>) -> Option<Bytes> {
    let invite = read(invite)?;
    let to = invite.headers().get(Name::To)?;
    let mut cancel = follow(&invite, Method::Cancel, to)?;
    if let Some(reason) = reason {
        cancel.headers_mut().push(Name::Reason, reason);
    }
    Some(cancel.to_bytes())
}

fn follow(invite: &Request, method: Method, to: &[u8]) -> Option<Request> {
    let received = invite.headers();
    let number = CSeq::parse(received.get(Name::CSeq)?).ok()?.number();
    let cseq = format!("{number} {method}");
    let mut request = Request::new(method, Bytes::copy_from_slice(invite.uri()));
    let headers = request.headers_mut();
    headers.push(Name::Via, received.values(Name::Via).next()?);
    headers.push(Name::MaxForwards, "70");
    received.all(Name::Route).for_each(|route| headers.push(Name::Route, route));
    headers.push(Name::From, received.get(Name::From)?);
    headers.push(Name::To, to);
    headers.push(Name::CallId, received.get(Name::CallId)?);
    headers.push(Name::CSeq, cseq);
    Some(request)
}

/// Reads back what was sent: no limit of a reader applies to it.
fn read(sent: &Bytes) -> Option<Request> {
    let limits = Limits::default()
        .message(usize::MAX)
        .headers(usize::MAX)
        .header_line(usize::MAX)
        .uri(usize::MAX)
        .params(usize::MAX)
        .body(usize::MAX);
    match Message::parse(sent.clone(), &limits).ok()? {
        Message::Request(request) => Some(request),
        Message::Response(_) => None,
    }
}
