//! The immediate responses to a request outside any dialog, from any sender: RFC 3261 section 8.2.
//!
//! `attesta parse` uses the same rules.

use attesta_sip::{Method, Name, Request, Status, Uri};
use attesta_transaction::WorkerPlace;

use crate::counters::{Refusal, not_taken};
use crate::headers::address::{contact, tag};
use crate::headers::relay;

/// The purpose of a request outside any dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// An INVITE, which begins a call.
    Call,
    /// A MESSAGE, which we relay.
    Message,
    /// An OPTIONS, which we answer.
    Query,
}

/// The final response that a switchboard without calls sends at once to a request from one of its trunks. The request
/// must be well formed. `None`: there is no immediate response to an ACK, to an INVITE that begins a call, or to a
/// MESSAGE that is relayed.
///
/// ```
/// use attesta_b2bua::answer_alone;
/// use attesta_sip::{Limits, Message, Status};
///
/// let register = &b"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
///     From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: 1\r\nCSeq: 7 REGISTER\r\n\r\n"[..];
/// if let Message::Request(request) = Message::parse(register.into(), &Limits::default())? {
///     assert_eq!(answer_alone(&request), Some(Status::METHOD_NOT_ALLOWED));
/// }
/// # Ok::<(), attesta_sip::ParseError>(())
/// ```
#[must_use]
pub fn answer_alone(request: &Request) -> Option<Status> {
    if *request.method() == Method::Ack {
        return None;
    }
    if *request.method() == Method::Cancel || !is_outside(request) {
        return Some(Status::CALL_DOES_NOT_EXIST);
    }
    match screen(request) {
        Ok(Purpose::Query) => Some(Status::OK),
        Ok(Purpose::Call | Purpose::Message) => None,
        Err((status, _)) => Some(status),
    }
}

/// True if a request is outside any dialog. It has no To tag, or it is an INVITE, MESSAGE or OPTIONS whose To tag was created
/// by another system (RFC 3261 section 12.2.2).
pub(crate) fn is_outside(request: &Request) -> bool {
    let to = request.headers().get(Name::To).unwrap_or_default();
    let Some(tag) = tag(to) else { return true };
    let begins = matches!(request.method(), Method::Invite | Method::Message | Method::Options);
    begins && WorkerPlace::of(&tag).is_none()
}

/// The purpose of a request, or the reason why the request is refused. The checks follow the order of RFC 3261 section
/// 8.2: method, Request-URI, required extensions. Then follow Max-Forwards, and the Contact of an INVITE: an unusable Contact is
/// refused, and a missing Contact is not.
pub(crate) fn screen(request: &Request) -> Result<Purpose, (Status, Refusal)> {
    let purpose = purpose(request.method())?;
    let is_served = match request.parsed_uri() {
        Ok(Uri::Sip(_) | Uri::Tel(_)) => true,
        Ok(Uri::Absolute(uri)) => uri.is_emergency(),
        Err(_) => false,
    };
    if !is_served {
        return Err((Status::UNSUPPORTED_URI_SCHEME, Refusal::Scheme));
    }
    if relay::unsupported(request).is_some() {
        return Err((Status::BAD_EXTENSION, Refusal::Extension));
    }
    // We answer an OPTIONS whose Max-Forwards is 0 (RFC 3261 section 11).
    if purpose != Purpose::Query && relay::forwards(request.headers()).is_err() {
        return Err((Status::TOO_MANY_HOPS, Refusal::MaxForwards));
    }
    if purpose == Purpose::Call && !has_usable_contact(request) {
        return Err((Status::BAD_REQUEST, Refusal::NoContact));
    }
    Ok(purpose)
}

fn purpose(method: &Method) -> Result<Purpose, (Status, Refusal)> {
    if matches!(method, Method::Bye | Method::Prack | Method::Update | Method::Info | Method::Notify) {
        return Err((Status::CALL_DOES_NOT_EXIST, Refusal::NoDialog));
    }
    let accepted = [
        (Method::Invite, Purpose::Call),
        (Method::Message, Purpose::Message),
        (Method::Options, Purpose::Query),
    ];
    accepted
        .into_iter()
        .find(|(known, _)| known == method)
        .map(|(_, purpose)| purpose)
        .ok_or_else(|| not_taken(method))
}

/// True if an INVITE has a usable Contact or no Contact. An INVITE of RFC 2543 may have no Contact: then requests in the
/// dialog go to the source address of the INVITE.
fn has_usable_contact(request: &Request) -> bool {
    let headers = request.headers();
    !headers.contains(Name::Contact) || contact(headers).is_some()
}
