//! The same work done by several parsers. Each function returns a count, so that the compiler cannot remove the work.

use attesta_benches::messages;
use attesta_sip::{CSeq, Contact, From, Limits, MaxForwards, Message, To, Via};
use bytes::Bytes;

/// Finds where each line of a message starts and ends.
pub(crate) mod index {
    use super::{Bytes, Limits, Message};

    pub(crate) fn attesta(message: &Bytes) -> usize {
        Message::parse(message.clone(), &Limits::default()).map_or(0, |message| message.headers().len())
    }

    /// httparse reads header lines only, because it knows no start line of SIP.
    pub(crate) fn httparse(message: &Bytes) -> usize {
        let lines = message.iter().position(|&octet| octet == b'\n').and_then(|end| message.get(end + 1..));
        let mut headers = [httparse::EMPTY_HEADER; 32];
        match httparse::parse_headers(lines.unwrap_or_default(), &mut headers) {
            Ok(httparse::Status::Complete((_, headers))) => headers.len(),
            Ok(httparse::Status::Partial) | Err(_) => 0,
        }
    }

    pub(crate) fn rsip(message: &Bytes) -> usize {
        rsip::SipMessage::try_from(&message[..]).map_or(0, |message| message.body().len())
    }

    pub(crate) fn rsipstack(message: &Bytes) -> usize {
        rsipstack::sip::SipMessage::try_from(&message[..])
            .map_or(0, |message| usize::from(message.is_request()))
    }
}

/// Reads a message, then its Request-URI, all Via, From, To, Contact, CSeq and Max-Forwards.
pub(crate) mod typed {
    use super::{Bytes, CSeq, Contact, From, Limits, MaxForwards, Message, To, Via};

    pub(crate) fn attesta(message: &Bytes) -> usize {
        let Ok(Message::Request(request)) = Message::parse(message.clone(), &Limits::default()) else {
            return 0;
        };
        let headers = request.headers();
        let mut read = request.parsed_uri().map_or(0, |uri| uri.user().map_or(0, <[u8]>::len));
        read += headers
            .read_all::<Via<'_>>()
            .flatten()
            .filter_map(|via| via.branch())
            .map(<[u8]>::len)
            .sum::<usize>();
        read += headers.read::<From<'_>>().and_then(|from| from.ok()?.tag()).map_or(0, <[u8]>::len);
        read += headers.read::<To<'_>>().map_or(0, |to| usize::from(to.is_ok()));
        read += headers.read::<Contact<'_>>().map_or(0, |contact| usize::from(contact.is_ok()));
        read += headers.read::<CSeq>().map_or(0, |cseq| cseq.map_or(0, |cseq| cseq.number() as usize));
        read += headers.read::<MaxForwards>().map_or(0, |hops| hops.map_or(0, |hops| usize::from(hops.0)));
        read
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enum of another crate, of which six variants are read"
    )]
    pub(crate) fn rsip(message: &Bytes) -> usize {
        use rsip::headers::{Header, ToTypedHeader};

        let Ok(rsip::SipMessage::Request(request)) = rsip::SipMessage::try_from(&message[..]) else {
            return 0;
        };
        let mut read = request.uri.user().map_or(0, str::len);
        for header in request.headers.iter() {
            read += match header {
                Header::Via(value) => value.typed().map_or(0, |via| via.params.len()),
                Header::From(value) => value.typed().map_or(0, |from| from.params.len()),
                Header::To(value) => value.typed().map_or(0, |to| to.params.len()),
                Header::Contact(value) => value.typed().map_or(0, |contact| contact.params.len()),
                Header::CSeq(value) => value.typed().map_or(0, |cseq| cseq.seq as usize),
                Header::MaxForwards(value) => value.num().map_or(0, |hops| hops as usize),
                _ => 0,
            };
        }
        read
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enum of another crate, of which six variants are read"
    )]
    pub(crate) fn rsipstack(message: &Bytes) -> usize {
        use rsipstack::sip::Header;
        use rsipstack::sip::prelude::ToTypedHeader;

        let Ok(rsipstack::sip::SipMessage::Request(request)) =
            rsipstack::sip::SipMessage::try_from(&message[..])
        else {
            return 0;
        };
        let mut read = request.uri.user().map_or(0, str::len);
        for header in request.headers.iter() {
            read += match header {
                Header::Via(value) => value.typed().map_or(0, |via| via.params.len()),
                Header::From(value) => value.typed().map_or(0, |from| from.params.len()),
                Header::To(value) => value.typed().map_or(0, |to| to.params.len()),
                Header::Contact(value) => value.typed().map_or(0, |contact| contact.params.len()),
                Header::CSeq(value) => value.typed().map_or(0, |cseq| cseq.seq as usize),
                Header::MaxForwards(value) => value.value().len(),
                _ => 0,
            };
        }
        read
    }
}

/// Prints a message that was read and not edited.
pub(crate) mod print {
    use super::Message;

    pub(crate) fn attesta(message: &Message, out: &mut Vec<u8>) -> usize {
        out.clear();
        message.write_to(out);
        out.len()
    }

    pub(crate) fn rsip(message: &rsip::SipMessage, out: &mut Vec<u8>) -> usize {
        out.clear();
        out.extend(Vec::<u8>::from(message.clone()));
        out.len()
    }

    pub(crate) fn rsipstack(message: &rsipstack::sip::SipMessage, out: &mut Vec<u8>) -> usize {
        out.clear();
        out.extend(message.to_bytes());
        out.len()
    }
}

/// Returns the two messages, each with its name in the tables.
pub(crate) fn inputs() -> [(&'static str, Bytes); 2] {
    [
        ("INVITE 1.1 kB", Bytes::from_static(messages::INVITE)),
        ("INVITE 1.9 kB signed", Bytes::from_static(messages::SIGNED_INVITE)),
    ]
}
