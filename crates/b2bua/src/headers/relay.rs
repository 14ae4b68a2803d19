//! What crosses from leg to leg: one table, header by header.
//!
//! Each leg is a dialog of its own, so what identifies or routes a message is made anew on the other side, which hides the
//! topology. Everything else crosses as it was received, what we do not know included, and so does the body.

use attesta_sip::{Headers, MaxForwards, Method, Name, Request, Response, Status};
use bytes::Bytes;

/// What becomes of a header field on its way to the other leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Crossing {
    /// It crosses octet for octet.
    Relay,
    /// It belongs to the leg that it arrived on: the other leg has its own, or none.
    Stay,
    /// Of its values only these cross: what the other side is promised must work across us.
    Only(&'static [&'static str]),
    /// Of its values these do not cross.
    Without(&'static [&'static str]),
}

/// The exceptions from [`Crossing::Relay`], with the place that asks for each.
const CROSSINGS: &[(Name, Crossing)] = &[
    // The transaction and the dialog: RFC 3261 sections 8.1.1 and 12.
    (Name::Via, Crossing::Stay),
    (Name::From, Crossing::Stay),
    (Name::To, Crossing::Stay),
    (Name::CallId, Crossing::Stay),
    (Name::CSeq, Crossing::Stay),
    (Name::Contact, Crossing::Stay),
    (Name::Route, Crossing::Stay),
    (Name::RecordRoute, Crossing::Stay),
    // Counted down on each hop: RFC 7332 section 5.
    (Name::MaxForwards, Crossing::Stay),
    // Numbers an INVITE of one leg: RFC 3262 section 7.2.
    (Name::RAck, Crossing::Stay),
    // Printed from the body.
    (Name::ContentLength, Crossing::Stay),
    // Paths and bindings of a registrar: RFC 3327, RFC 3608.
    (Name::Path, Crossing::Stay),
    (Name::ServiceRoute, Crossing::Stay),
    // What is at the other end: RFC 3261 sections 20.35 and 20.41.
    (Name::Server, Crossing::Stay),
    (Name::UserAgent, Crossing::Stay),
    // Measures one hop: RFC 3261 section 8.2.6.1.
    (Name::Timestamp, Crossing::Stay),
    // RFC 3261 section 20.37.
    (Name::Supported, Crossing::Only(OPTIONS)),
    // RFC 3261 section 20.5; these are for a registrar or an event server, and are not relayed.
    (Name::Allow, Crossing::Without(&["REGISTER", "PUBLISH"])),
];

/// The option tags that work across us, since what they stand for is relayed end to end. Those that name another dialog
/// (`replaces`, `join`, `tdialog`) or the path (`outbound`, `path`, `gruu`) do not.
pub(crate) const OPTIONS: &[&str] = &[
    "100rel",
    "199",
    "answermode",
    "early-session",
    "from-change",
    "histinfo",
    "norefersub",
    "precondition",
    "privacy",
    "resource-priority",
    "timer",
    "uui",
];

/// The methods that we take within a dialog and relay; what Allow says.
pub(crate) const METHODS: &[&str] =
    &["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY", "MESSAGE"];

/// The methods that we take, as the value of an Allow header field.
pub(crate) fn allow() -> String {
    METHODS.join(", ")
}

/// The first Max-Forwards of a request that comes without (RFC 3261 section 8.1.1.6).
pub(crate) const MAX_FORWARDS: MaxForwards = MaxForwards(70);

/// No hop is left (RFC 7332 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooManyHops;

/// What Max-Forwards says after this hop.
pub(crate) fn forwards(headers: &Headers) -> Result<MaxForwards, TooManyHops> {
    let received = headers.get(Name::MaxForwards).and_then(|value| MaxForwards::parse(value).ok());
    received.map_or(Ok(MAX_FORWARDS), |hops| hops.decremented().ok_or(TooManyHops))
}

/// Carries header fields and body of a request over to the request that the other leg's dialog made.
pub(crate) fn request(from: &Request, to: &mut Request, forwards: MaxForwards, contact: &str) {
    let headers = to.headers_mut();
    headers.push(Name::MaxForwards, forwards.to_string());
    // A MESSAGE has none (RFC 3428 section 4).
    let named = from.headers().contains(Name::Contact) && *from.method() != Method::Message;
    if named || *from.method() == Method::Invite {
        headers.push(Name::Contact, contact);
    }
    carry(from.headers(), headers);
    to.set_body(from.body_bytes());
}

/// Carries header fields and body of a response over to the response that the other leg's transaction gets.
pub(crate) fn response(from: &Response, to: &mut Response, contact: &str) {
    let headers = to.headers_mut();
    if points_elsewhere(from.status()) {
        for line in from.headers().all(Name::Contact) {
            headers.push(Name::Contact, line);
        }
    } else if from.headers().contains(Name::Contact) {
        headers.push(Name::Contact, contact);
    }
    carry(from.headers(), headers);
    to.set_status(from.status(), Bytes::copy_from_slice(from.reason()));
    to.set_body(from.body_bytes());
}

/// Copies the path that a request recorded into a response that makes a dialog (RFC 3261 section 12.1.1).
pub(crate) fn record_route(request: &Request, response: &mut Response) {
    for line in request.headers().all(Name::RecordRoute) {
        response.headers_mut().push(Name::RecordRoute, line);
    }
}

/// Whether the Contact of such a response names other places to try, and not the peer (RFC 3261 section 20.10).
fn points_elsewhere(status: Status) -> bool {
    status.class() == 3 || status == Status::AMBIGUOUS
}

fn carry(from: &Headers, to: &mut Headers) {
    for field in from.iter() {
        match crossing(field.name()) {
            Crossing::Relay => to.push_field(field),
            Crossing::Stay => {}
            Crossing::Only(known) => select(from, to, field.name(), |value| is_one_of(value, known)),
            Crossing::Without(known) => select(from, to, field.name(), |value| !is_one_of(value, known)),
        }
    }
}

/// Carries some values of a header over, as one line where the first of its lines stands.
fn select(from: &Headers, to: &mut Headers, name: Option<Name>, crosses: impl Fn(&[u8]) -> bool) {
    let Some(name) = name.filter(|name| !to.contains(*name)) else { return };
    let values: Vec<_> =
        from.values(name).filter(|value| crosses(value)).map(String::from_utf8_lossy).collect();
    if !values.is_empty() {
        to.push(name, values.join(", "));
    }
}

fn crossing(name: Option<Name>) -> Crossing {
    let exception = CROSSINGS.iter().find(|(exception, _)| Some(*exception) == name);
    exception.map_or(Crossing::Relay, |(_, crossing)| *crossing)
}

/// The option tags of Require that we do not know (RFC 3261 section 8.2.2.3), as the value of Unsupported.
pub(crate) fn unsupported(request: &Request) -> Option<String> {
    let unknown = request.headers().values(Name::Require).filter(|tag| !is_one_of(tag, OPTIONS));
    let unknown: Vec<_> = unknown.map(String::from_utf8_lossy).collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}

fn is_one_of(value: &[u8], known: &[&str]) -> bool {
    known.iter().any(|each| value.eq_ignore_ascii_case(each.as_bytes()))
}

/// The octets that a request takes, but for its start line.
pub(crate) fn octets(request: &Request) -> usize {
    request.headers().iter().map(|field| field.as_bytes().len()).sum::<usize>() + request.body().len()
}
