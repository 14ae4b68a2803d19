//! The rules for relaying a message from one leg to the other: one table with a rule for each header field.
//!
//! Each leg is its own dialog. Header fields that identify or route a message are therefore written new on the other
//! leg, which hides the topology. Every other header field is relayed as received, even if it is unknown. The body is
//! relayed too.

use attesta_sip::{Headers, MaxForwards, Method, Name, Request, Response, Status};
use bytes::Bytes;

use crate::headers::contact::{is_owed_in_request, is_owed_in_response};

/// How a header field is relayed to the other leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HeaderRule {
    /// Relay the header field octet for octet.
    Relay,
    /// Do not relay. The header field belongs to one leg: the other leg has its own header field, or no such
    /// header field.
    PerLeg,
    /// Relay only these values. A value promises a feature to the other side, and the feature must work across us.
    Only(&'static [&'static str]),
    /// Relay all values except these.
    Except(&'static [&'static str]),
}

/// The exceptions from [`HeaderRule::Relay`], with the source of each.
const HEADER_RULES: &[(Name, HeaderRule)] = &[
    // The transaction and the dialog: RFC 3261 sections 8.1.1 and 12.
    (Name::Via, HeaderRule::PerLeg),
    (Name::From, HeaderRule::PerLeg),
    (Name::To, HeaderRule::PerLeg),
    (Name::CallId, HeaderRule::PerLeg),
    (Name::CSeq, HeaderRule::PerLeg),
    (Name::Contact, HeaderRule::PerLeg),
    (Name::Route, HeaderRule::PerLeg),
    (Name::RecordRoute, HeaderRule::PerLeg),
    // Decremented on each hop: RFC 7332 section 5.
    (Name::MaxForwards, HeaderRule::PerLeg),
    // Identifies a response to the INVITE of one leg: RFC 3262 section 7.2.
    (Name::RAck, HeaderRule::PerLeg),
    // Calculated from the length of the body.
    (Name::ContentLength, HeaderRule::PerLeg),
    // Paths and bindings of a registrar: RFC 3327, RFC 3608.
    (Name::Path, HeaderRule::PerLeg),
    (Name::ServiceRoute, HeaderRule::PerLeg),
    // The software at the other end: RFC 3261 sections 20.35 and 20.41.
    (Name::Server, HeaderRule::PerLeg),
    (Name::UserAgent, HeaderRule::PerLeg),
    // Measures one hop: RFC 3261 section 8.2.6.1.
    (Name::Timestamp, HeaderRule::PerLeg),
    // RFC 3261 section 20.37.
    (Name::Supported, HeaderRule::Only(OPTIONS)),
    // RFC 3261 section 20.5. These methods are for a registrar or an event server, and are not relayed.
    (Name::Allow, HeaderRule::Except(&["REGISTER", "PUBLISH"])),
];

/// The option tags that work across us, since the messages of these extensions are relayed end to end. Not included are
/// tags of extensions that name the path (`outbound`, `path`, `gruu`), and `from-change` (RFC 4916), since each leg keeps its From and To.
pub(crate) const OPTIONS: &[&str] = &[
    "100rel",
    "199",
    "answermode",
    "early-session",
    "histinfo",
    "join",
    "norefersub",
    "precondition",
    "privacy",
    "replaces",
    "resource-priority",
    "tdialog",
    "timer",
    "uui",
];

/// The methods that we accept outside a dialog or relay within a dialog, as the value of Allow.
pub(crate) const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, MESSAGE";

/// The methods that we relay within a dialog, as the value of Allow. A SUBSCRIBE outside a dialog is refused.
const ALLOW_IN_DIALOG: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, MESSAGE, SUBSCRIBE";

/// The initial Max-Forwards of a request that has no Max-Forwards (RFC 3261 section 8.1.1.6).
pub(crate) const MAX_FORWARDS: MaxForwards = MaxForwards(70);

/// Max-Forwards allows no further hop (RFC 7332 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooManyHops;

/// The value of Max-Forwards after this hop.
pub(crate) fn forwards(headers: &Headers) -> Result<MaxForwards, TooManyHops> {
    let received = headers.get(Name::MaxForwards).and_then(|value| MaxForwards::parse(value).ok());
    received.map_or(Ok(MAX_FORWARDS), |hops| hops.decremented().ok_or(TooManyHops))
}

/// Copies the header fields and the body of a request to the request of the other leg's dialog. `contact` is our Contact on
/// the other leg.
pub(crate) fn request(
    from: &Request,
    to: &mut Request,
    forwards: MaxForwards,
    contact: impl FnOnce() -> String,
) {
    let headers = to.headers_mut();
    headers.push(Name::MaxForwards, forwards.to_string());
    // A MESSAGE has no Contact (RFC 3428 section 4).
    let named = from.headers().contains(Name::Contact) && *from.method() != Method::Message;
    if named || is_owed_in_request(from.method()) {
        headers.push(Name::Contact, contact());
    }
    copy_headers(from.headers(), headers);
    if *from.method() == Method::Invite {
        allow_methods(headers);
    }
    to.set_body(from.body_bytes());
}

/// Copies the header fields and the body of a response to the response on the other leg. `method` is the method of the request,
/// and `contact` is our Contact on the other leg.
pub(crate) fn response(
    from: &Response,
    to: &mut Response,
    method: &Method,
    contact: impl FnOnce() -> String,
) {
    let headers = to.headers_mut();
    if has_other_targets(from.status()) {
        for line in from.headers().all(Name::Contact) {
            headers.push(Name::Contact, line);
        }
    } else if from.headers().contains(Name::Contact) || is_owed_in_response(method, from.status()) {
        headers.push(Name::Contact, contact());
    }
    copy_headers(from.headers(), headers);
    if *method == Method::Invite && from.status().is_success() {
        allow_methods(headers);
    }
    to.set_status(from.status(), Bytes::copy_from_slice(from.reason()));
    to.set_body(from.body_bytes());
}

/// Adds Allow to an INVITE or to its 2xx, if the other side has sent no Allow (RFC 3261 sections 13.2.1 and 13.3.1.4).
fn allow_methods(headers: &mut Headers) {
    if !headers.contains(Name::Allow) {
        headers.push(Name::Allow, ALLOW_IN_DIALOG);
    }
}

/// Copies Record-Route from a request to a response that creates a dialog (RFC 3261 section 12.1.1).
pub(crate) fn record_route(request: &Request, response: &mut Response) {
    for line in request.headers().all(Name::RecordRoute) {
        response.headers_mut().push(Name::RecordRoute, line);
    }
}

/// True if the Contact of a response with this status names other targets to try, instead of the peer (RFC 3261 section
/// 20.10).
fn has_other_targets(status: Status) -> bool {
    status.class() == 3 || status == Status::AMBIGUOUS
}

fn copy_headers(from: &Headers, to: &mut Headers) {
    for field in from.iter() {
        match rule_of(field.name()) {
            HeaderRule::Relay => to.push_field(field),
            HeaderRule::PerLeg => {}
            HeaderRule::Only(known) => copy_values(from, to, field.name(), |value| is_one_of(value, known)),
            HeaderRule::Except(known) => {
                copy_values(from, to, field.name(), |value| !is_one_of(value, known))
            }
        }
    }
}

/// Copies some values of a header field, as one line at the place of its first line.
fn copy_values(from: &Headers, to: &mut Headers, name: Option<Name>, is_relayed: impl Fn(&[u8]) -> bool) {
    let Some(name) = name.filter(|name| !to.contains(*name)) else { return };
    let values: Vec<_> =
        from.values(name).filter(|value| is_relayed(value)).map(String::from_utf8_lossy).collect();
    if !values.is_empty() {
        to.push(name, values.join(", "));
    }
}

fn rule_of(name: Option<Name>) -> HeaderRule {
    let exception = HEADER_RULES.iter().find(|(exception, _)| Some(*exception) == name);
    exception.map_or(HeaderRule::Relay, |(_, rule)| *rule)
}

/// The option tags in Require that we do not know (RFC 3261 section 8.2.2.3), as the value of Unsupported.
pub(crate) fn unsupported(request: &Request) -> Option<String> {
    let unknown = request.headers().values(Name::Require).filter(|tag| !is_one_of(tag, OPTIONS));
    let unknown: Vec<_> = unknown.map(String::from_utf8_lossy).collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}

fn is_one_of(value: &[u8], known: &[&str]) -> bool {
    known.iter().any(|each| value.eq_ignore_ascii_case(each.as_bytes()))
}

/// The number of octets of a request without its start line.
pub(crate) fn octets(request: &Request) -> usize {
    request.headers().iter().map(|field| field.as_bytes().len()).sum::<usize>() + request.body().len()
}
