//! Reads addresses, Contact and CSeq, and writes addresses with another tag.

use std::net::SocketAddr;

use attesta_sip::{CSeq, Headers, Name, NameAddr, Params, Request};
use attesta_transaction::{Tag, Transport};
use bytes::Bytes;

/// The CSeq number of a request.
pub(crate) fn sequence(request: &Request) -> Option<u32> {
    request.headers().get(Name::CSeq).and_then(|value| CSeq::parse(value).ok()).map(|cseq| cseq.number())
}

/// The URI of the first Contact, as a copy.
pub(crate) fn contact(headers: &Headers) -> Option<Bytes> {
    let address = NameAddr::parse(headers.values(Name::Contact).next()?).ok()?;
    Some(owned(address.uri().as_bytes()))
}

/// The tag of a From or To value, as a copy.
pub(crate) fn tag(address: &[u8]) -> Option<Bytes> {
    NameAddr::tag_of(address).map(owned)
}

/// A From or To value with our tag instead of any tag that it had. Display name, URI and other parameters stay as
/// received.
pub(crate) fn tagged(address: &[u8], tag: &Tag) -> Bytes {
    let mut text = untagged(address);
    text.extend_from_slice(b";tag=");
    text.extend_from_slice(tag.as_bytes());
    text.into()
}

/// A From or To value without its tag. An address without angle brackets gets them, since its parameters belong to the
/// header field (RFC 3261 section 20.10).
pub(crate) fn untagged(address: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(address.len() + 32);
    let Ok(parsed) = NameAddr::parse(address) else {
        text.extend_from_slice(address);
        return text;
    };
    parsed.with_params(Params::default()).write_to(&mut text);
    for param in pieces(parsed.params().as_bytes()) {
        let (name, _) = param.split_at(param.iter().position(|octet| *octet == b'=').unwrap_or(param.len()));
        if !name.trim_ascii().eq_ignore_ascii_case(b"tag") {
            text.push(b';');
            text.extend_from_slice(param.trim_ascii());
        }
    }
    text
}

/// Parameters as they were written, with quotes, and without the semicolons between them.
pub(crate) fn pieces(params: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let outside_quotes = move |octet: &u8| {
        let separates = *octet == b';' && !quoted;
        (quoted, escaped) = match octet {
            b'"' if !escaped => (!quoted, false),
            b'\\' if quoted && !escaped => (quoted, true),
            _ => (quoted, false),
        };
        separates
    };
    params.split(outside_quotes).filter(|piece| !piece.trim_ascii().is_empty())
}

/// The URI of the address that a message came from. It is the remote target of a peer that sends no Contact, which RFC
/// 2543 allows. The URI in From is not used, since it may not lead back to the peer.
pub(crate) fn source(transport: Transport, remote: SocketAddr) -> Bytes {
    Bytes::from(format!("sip:{remote};transport={}", transport.as_str().to_ascii_lowercase()))
}

/// The URI of an address, as a copy.
pub(crate) fn address_uri(address: &[u8]) -> Option<Bytes> {
    NameAddr::parse(address).ok().map(|address| owned(address.uri().as_bytes()))
}

/// A copy of the octets in their own memory, so that the datagram can be freed.
pub(crate) fn owned(octets: &[u8]) -> Bytes {
    Bytes::copy_from_slice(octets)
}
