//! The ACK of a 300-699 response and the CANCEL. Both requests are built from the INVITE as sent.

use attesta_sip::{CSeq, Limits, Message, Method, Name, Request, Response, To};
use bytes::Bytes;

/// The ACK of a 300-699 response (RFC 3261 section 17.1.1.3). It has the Request-URI, Call-ID, From, CSeq number, Route and top
/// Via of the INVITE, and the To of the response.
///
/// `None` if the INVITE as sent cannot be parsed.
pub(crate) fn ack(invite: &Bytes, response: &Response) -> Option<Bytes> {
    let invite = read(invite)?;
    let to = response.headers().get(Name::To)?;
    Some(follow(&invite, Method::Ack, to)?.to_bytes())
}

/// The CANCEL of an INVITE (RFC 3261 section 9.1), with a Reason if there is one (RFC 3326).
///
/// `None` if the INVITE as sent cannot be parsed.
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

/// The To tag of a response as sent.
pub(crate) fn to_tag(response: &Bytes) -> Option<Vec<u8>> {
    let message = Message::parse(response.clone(), &unlimited()).ok()?;
    Some(To::parse(message.headers().get(Name::To)?).ok()?.tag()?.to_vec())
}

fn read(sent: &Bytes) -> Option<Request> {
    match Message::parse(sent.clone(), &unlimited()).ok()? {
        Message::Request(request) => Some(request),
        Message::Response(_) => None,
    }
}

/// Our own messages are parsed without limits, because the limits are for received messages.
fn unlimited() -> Limits {
    Limits::default()
        .message(usize::MAX)
        .headers(usize::MAX)
        .header_line(usize::MAX)
        .uri(usize::MAX)
        .params(usize::MAX)
        .body(usize::MAX)
}

#[cfg(test)]
mod tests {
    use attesta_sip::Status;

    use super::*;

    fn invite() -> Bytes {
        let mut invite = Request::new(Method::Invite, "sip:bob@192.0.2.2");
        let headers = invite.headers_mut();
        headers.push(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
        headers.push(Name::Via, "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK0");
        headers.push(Name::Route, "<sip:one;lr>, <sip:two;lr>");
        headers.push(Name::Route, "<sip:three;lr>");
        headers.push(Name::From, "<sip:alice@192.0.2.1>;tag=a");
        headers.push(Name::To, "<sip:bob@192.0.2.2>");
        headers.push(Name::CallId, "hop");
        headers.push(Name::CSeq, "77 INVITE");
        headers.push(Name::Require, "100rel");
        invite.set_body("v=0\r\n");
        invite.to_bytes()
    }

    #[test]
    fn an_ack_has_the_to_of_the_response_and_the_rest_of_the_invite() {
        let mut response = Response::new(Status::BUSY_HERE);
        response.headers_mut().push(Name::To, "<sip:bob@192.0.2.2>;tag=b");
        assert_eq!(
            ack(&invite(), &response).unwrap(),
            "ACK sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             Route: <sip:one;lr>, <sip:two;lr>\r\nRoute: <sip:three;lr>\r\nFrom: <sip:alice@192.0.2.1>;tag=a\r\n\
             To: <sip:bob@192.0.2.2>;tag=b\r\nCall-ID: hop\r\nCSeq: 77 ACK\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_cancel_is_the_invite_without_its_requirements_and_with_a_reason() {
        let reason = Bytes::from("SIP;cause=200");
        assert_eq!(
            cancel(&invite(), Some(&reason)).unwrap(),
            "CANCEL sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             Route: <sip:one;lr>, <sip:two;lr>\r\nRoute: <sip:three;lr>\r\nFrom: <sip:alice@192.0.2.1>;tag=a\r\n\
             To: <sip:bob@192.0.2.2>\r\nCall-ID: hop\r\nCSeq: 77 CANCEL\r\nReason: SIP;cause=200\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }
}
