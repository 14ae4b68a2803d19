//! Messages that both this crate and rsip read have the same meaning in both.
#![cfg(feature = "rsip")]

mod shared;

use attesta_sip::{CSeq, From, Limits, Message, RsipError, To, Via};
use rsip::headers::ToTypedHeader;
use rsip::message::HeadersExt;

/// Compares the values that both crates read from one message; `None` if one of them cannot read
/// the message.
fn compare(octets: &[u8]) -> Option<()> {
    let ours = Message::parse(octets.to_vec().into(), &Limits::default()).ok()?;
    let theirs = rsip::SipMessage::try_from(&ours).ok()?;
    let headers = ours.headers();

    let via: Via<'_> = headers.read()?.ok()?;
    let their_via = theirs.via_header().ok()?.typed().ok()?;
    assert_eq!(via.host().to_string(), their_via.uri.host_with_port.host.to_string());
    assert_eq!(via.port(), their_via.uri.host_with_port.port.map(|port| *port.value()));
    // rsip misses some parameters. The parameters that rsip finds are the same.
    if let Some(branch) = their_via.branch() {
        assert_eq!(via.branch(), Some(branch.value().as_bytes()));
    }

    let from: From<'_> = headers.read()?.ok()?;
    let their_from = theirs.from_header().ok()?.typed().ok()?;
    if let Some(tag) = their_from.tag() {
        assert_eq!(from.tag(), Some(tag.value().as_bytes()));
    }
    let to: To<'_> = headers.read()?.ok()?;
    let their_to = theirs.to_header().ok()?.typed().ok()?;
    // Without angle brackets rsip takes `user@host` for a host.
    if !their_to.uri.host_with_port.host.to_string().contains('@') {
        let their_user = their_to.uri.user().map(|user| user.as_bytes().to_vec());
        assert_eq!(to.uri().user().map(<[u8]>::to_vec), their_user);
    }

    let cseq: CSeq = headers.read()?.ok()?;
    let their_cseq = theirs.cseq_header().ok()?.typed().ok()?;
    assert_eq!((cseq.number(), cseq.method().as_str()), (their_cseq.seq, &*their_cseq.method.to_string()));

    // After conversion to rsip and back, every value is the same except for its folds.
    let back = Message::try_from(&theirs).expect("what rsip prints can be read");
    let unfolded = |message: &Message| {
        let value = |octets: &[u8]| {
            let words = octets.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.collect::<Vec<_>>().join(&b' ')
        };
        message.headers().iter().map(|field| (field.name(), value(field.value()))).collect::<Vec<_>>()
    };
    assert_eq!(unfolded(&ours), unfolded(&back));
    assert_eq!(ours.body(), back.body());
    Some(())
}

#[test]
fn both_crates_read_the_same_values() {
    let (mut both, mut all) = (0, 0);
    for name in ["rfc4475", "rfc5118", "rfc_flows", "pcap_sip"] {
        let Some(folder) = shared::folder(name) else { return };
        for entry in shared::entries(&folder, "manifest.jsonl") {
            all += 1;
            both += usize::from(compare(&shared::octets(&folder, &entry)).is_some());
        }
    }
    assert!(both * 2 > all, "{both} of {all} messages were compared");
}

#[test]
fn messages_that_rsip_cannot_hold_are_refused() {
    let convert = |octets: &[u8]| {
        let message =
            Message::parse(octets.to_vec().into(), &Limits::default()).expect("this crate reads it");
        rsip::SipMessage::try_from(&message).err()
    };
    let rest = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\r\n";
    assert_eq!(convert(format!("OPTIONS sip:a SIP/2.0\r\n{rest}").as_bytes()), None);
    assert_eq!(convert(format!("OPTIONS sip:a SIP/2.1\r\n{rest}").as_bytes()), Some(RsipError::Version));
    assert_eq!(convert(b"OPTIONS sip:a SIP/2.0\r\nSubject: \xff\r\n\r\n"), Some(RsipError::NotUtf8));
    for (line, error) in [
        ("OPTIONS tel:+1 SIP/2.0", RsipError::RequestUri),
        ("OPTIONS urn:service:sos SIP/2.0", RsipError::RequestUri),
        ("OPTIONS sip:[::1] SIP/2.0", RsipError::RequestUri),
        ("DANCE sip:a SIP/2.0", RsipError::Method),
    ] {
        assert_eq!(convert(format!("{line}\r\n{rest}").as_bytes()), Some(error), "{line}");
    }
}
