//! What is answered at once to a request outside any dialog, whoever sends it: RFC 3261 section 8.2.
//!
//! This is the one list of it: `attesta parse` answers by it too.

use attesta_sip::{Method, Name, Request, Status, Uri};
use attesta_transaction::WorkerPlace;

use crate::counters::{Refusal, not_taken};
use crate::headers::address::{contact, tag};
use crate::headers::relay;

/// What a request outside any dialog is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// An INVITE: it begins a call.
    Call,
    /// A MESSAGE: it is relayed.
    Message,
    /// An OPTIONS: we answer it.
    Query,
}

/// The final response that a switchboard without calls gives at once to a request from one of its trunks, be it well formed;
/// `None` where it gives none: to an ACK, to an INVITE that begins a call, and to a MESSAGE that is relayed.
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

/// Whether a request stands outside any dialog. A To tag names a dialog; one that no edge of ours made names none of ours, and
/// does not keep an INVITE, a MESSAGE or an OPTIONS from being taken for the first of its kind (RFC 3261 section 12.2.2).
pub(crate) fn is_outside(request: &Request) -> bool {
    let to = request.headers().get(Name::To).unwrap_or_default();
    let Some(tag) = tag(to) else { return true };
    let begins = matches!(request.method(), Method::Invite | Method::Message | Method::Options);
    begins && WorkerPlace::of(&tag).is_none()
}

/// What the request is for, or what stands against it: its method, its Request-URI, the extensions that it requires, the hops
/// that it has left, in this order, which is that of RFC 3261 section 8.2.
pub(crate) fn screen(request: &Request) -> Result<Purpose, (Status, Refusal)> {
    let purpose = purpose(request.method())?;
    let served = match request.parsed_uri() {
        Ok(Uri::Sip(_) | Uri::Tel(_)) => true,
        Ok(Uri::Absolute(uri)) => uri.is_emergency(),
        Err(_) => false,
    };
    if !served {
        return Err((Status::UNSUPPORTED_URI_SCHEME, Refusal::Scheme));
    }
    if relay::unsupported(request).is_some() {
        return Err((Status::BAD_EXTENSION, Refusal::Extension));
    }
    // An OPTIONS whose hops are used up has come to us, and we answer it (RFC 3261 section 11).
    if purpose != Purpose::Query && relay::forwards(request.headers()).is_err() {
        return Err((Status::TOO_MANY_HOPS, Refusal::MaxForwards));
    }
    if purpose == Purpose::Call && !can_be_answered(request) {
        return Err((Status::BAD_REQUEST, Refusal::NoContact));
    }
    Ok(purpose)
}

fn purpose(method: &Method) -> Result<Purpose, (Status, Refusal)> {
    if matches!(method, Method::Bye | Method::Prack | Method::Update | Method::Info | Method::Notify) {
        return Err((Status::CALL_DOES_NOT_EXIST, Refusal::NoDialog));
    }
    let taken = [
        (Method::Invite, Purpose::Call),
        (Method::Message, Purpose::Message),
        (Method::Options, Purpose::Query),
    ];
    taken
        .into_iter()
        .find(|(taken, _)| taken == method)
        .map(|(_, purpose)| purpose)
        .ok_or_else(|| not_taken(method))
}

/// Whether the Contact of an INVITE names a place. Without one it is of RFC 2543, and the dialog goes to where it came from.
fn can_be_answered(request: &Request) -> bool {
    let headers = request.headers();
    !headers.contains(Name::Contact) || contact(headers).is_some()
}
