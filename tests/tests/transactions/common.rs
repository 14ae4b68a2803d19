//! Messages that a probe builds from the messages that it received.

use attesta_sip::{Message, Name};

/// The first value of a header field, empty where there is none.
pub(crate) fn field(message: &Message, name: Name) -> String {
    String::from_utf8_lossy(message.headers().get(name).unwrap_or_default()).into_owned()
}

/// Returns a probe's response to a request, with a To tag.
pub(crate) fn respond(request: &Message, status: &str) -> String {
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=far\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:192.0.2.2:5060>\r\nContent-Length: 0\r\n\r\n",
        field(request, Name::Via),
        field(request, Name::From),
        field(request, Name::To),
        field(request, Name::CallId),
        field(request, Name::CSeq)
    )
}

/// Returns a probe's ACK of a failure, built from its INVITE.
pub(crate) fn acknowledge(invite: &str, failure: &Message) -> String {
    invite
        .replace("INVITE", "ACK")
        .replace("To: <sip:bob@192.0.2.1>\r\n", &format!("To: {}\r\n", field(failure, Name::To)))
        .replace("Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKorigin\r\n", "")
}
