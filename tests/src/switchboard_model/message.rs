//! Messages of the peers, and the parts that the model reads from received messages.

use attesta_sip::{CSeq, Headers, Name, NameAddr, Via};
use attesta_transaction::Transport;
use bytes::Bytes;

use super::edge::{DOMAIN, EDGE};

pub(super) const OFFER: &str =
    "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// A request that a peer at `address` sends.
pub(super) struct Draft<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) address: &'a str,
    pub(super) transport: Transport,
    pub(super) branch: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) call_id: &'a str,
    pub(super) seq: u32,
    /// Further header lines, each with its line end.
    pub(super) rest: &'a str,
    pub(super) body: &'a str,
}

impl Draft<'_> {
    pub(super) fn print(&self) -> Bytes {
        let Self { method, uri, address, transport, branch, from, to, call_id, seq, rest, body } = self;
        let transport = transport.as_str();
        let contact = contact(address, self.transport);
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let length = body.len();
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {address};branch={branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {seq} {method}\r\n\
             {contact}{rest}{kind}Content-Length: {length}\r\n\r\n{body}"
        );
        text.into()
    }
}

/// Returns the Contact line of a peer.
pub(super) fn contact(address: &str, transport: Transport) -> String {
    let by = if transport == Transport::Tcp { ";transport=tcp" } else { "" };
    let (host, port) = address.split_once(':').unwrap_or((address, "5060"));
    format!("Contact: <sip:{host}{DOMAIN}:{port}{by}>\r\n")
}

pub(super) fn edge_uri() -> String {
    format!("sip:{EDGE}")
}

pub(super) fn text(headers: &Headers, name: Name) -> String {
    String::from_utf8_lossy(headers.get(name).unwrap_or_default()).into_owned()
}

/// Returns the tag of a From or To header field, or an empty text.
pub(super) fn tag(headers: &Headers, name: Name) -> String {
    let tag = headers.get(name).and_then(|value| NameAddr::parse(value).ok()?.tag().map(<[u8]>::to_vec));
    String::from_utf8_lossy(&tag.unwrap_or_default()).into_owned()
}

/// Returns the branch of the topmost Via.
pub(super) fn branch(headers: &Headers) -> String {
    let branch =
        headers.get(Name::Via).and_then(|value| Via::parse(value).ok()?.branch().map(<[u8]>::to_vec));
    String::from_utf8_lossy(&branch.unwrap_or_default()).into_owned()
}

/// Returns the number and the method of CSeq.
pub(super) fn cseq(headers: &Headers) -> Option<(u32, String)> {
    let cseq = CSeq::parse(headers.get(Name::CSeq)?).ok()?;
    Some((cseq.number(), cseq.method().as_str().to_owned()))
}

/// Returns the call number that a caller's INVITE carries across the edge.
pub(super) fn call(headers: &Headers) -> Option<usize> {
    std::str::from_utf8(headers.named("X-Call")?).ok()?.parse().ok()
}
