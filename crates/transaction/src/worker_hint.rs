//! The worker of a message. It is found before the message is parsed.

use attesta_sip::{Headers, Name, NameAddr, Via};

use crate::id_generator::WorkerPlace;

/// The information in a message about the worker that has its state.
///
/// A response or a request within a dialog contains the [`WorkerPlace`] that made its branch or tag. A request without a tag of
/// ours has its Call-ID. An INVITE, its retransmissions, its CANCEL and the same request on another path share the Call-ID.
/// An INVITE may also name a dialog of ours, which it replaces or joins.
///
/// The hint reads only a few lines. It allocates nothing, and its time is at most linear in the length of the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WorkerHint<'a> {
    /// The place that made the branch of a response, or the To tag of a request, if it is ours.
    pub place: Option<WorkerPlace>,
    /// The place that made a tag in the Replaces, Join or Target-Dialog of an INVITE, if it is ours. Only for a received INVITE
    /// without a To tag of ours.
    pub named: Option<WorkerPlace>,
    /// The Call-ID, of a request or of a response that we sent.
    pub call_id: Option<&'a [u8]>,
}

impl<'a> WorkerHint<'a> {
    /// The hint of a received message. A response has our branch. A request within a dialog has our tag.
    #[must_use]
    pub fn of_received(message: &'a [u8]) -> Self {
        let mut hint = Self::read(message, is_response(message));
        if hint.place.is_none() && start(message).starts_with(b"INVITE ") {
            hint.named = named(message);
        }
        hint
    }

    /// The hint of a message that we sent, or of its first part, as an ICMP error quotes it. A request has our branch, a
    /// response our tag.
    #[must_use]
    pub fn of_sent(message: &'a [u8]) -> Self {
        Self::read(message, !is_response(message))
    }

    fn read(message: &'a [u8], ours_by_branch: bool) -> Self {
        let (mut to, mut call_id) = (None, None);
        for line in Lines(start(message)).skip(1) {
            // The first letters of Via, To and Call-ID, in long and compact form.
            if !matches!(line.first(), Some(b'v' | b'V' | b't' | b'T' | b'c' | b'C' | b'i' | b'I')) {
                continue;
            }
            let Some((name, value)) = split(line) else { continue };
            match Name::parse(name) {
                Some(Name::Via) if ours_by_branch => {
                    let branch = Via::parse(top(value)).ok().and_then(|via| via.branch());
                    return Self { place: branch.and_then(WorkerPlace::of), ..Self::default() };
                }
                Some(Name::To) if to.is_none() => to = Some(value),
                Some(Name::CallId) if call_id.is_none() => call_id = Some(value),
                _ => {}
            }
            if to.is_some() && call_id.is_some() {
                break;
            }
        }
        if ours_by_branch {
            return Self::default();
        }
        Self { place: to.and_then(NameAddr::tag_of).and_then(WorkerPlace::of), named: None, call_id }
    }
}

/// The place that made a tag in Replaces (RFC 3891), Join (RFC 3911) or Target-Dialog (RFC 4538).
fn named(message: &[u8]) -> Option<WorkerPlace> {
    for line in Lines(start(message)).skip(1) {
        if !matches!(line.first(), Some(b'r' | b'R' | b'j' | b'J' | b't' | b'T')) {
            continue;
        }
        let Some((name, value)) = split(line) else { continue };
        if let Some(Name::Replaces | Name::Join | Name::TargetDialog) = Name::parse(name) {
            let values = value.split(|octet| *octet == b';').skip(1);
            let mut tags = values.filter_map(|param| param.split(|octet| *octet == b'=').nth(1));
            let place = tags.find_map(|tag| WorkerPlace::of(tag.trim_ascii()));
            if place.is_some() {
                return place;
            }
        }
    }
    None
}

/// The fields that identify the transaction of a message. The message may be truncated.
pub(crate) fn fields(message: &[u8]) -> Headers {
    let mut found = Headers::new();
    for (name, value) in Lines(start(message)).skip(1).filter_map(split) {
        if let Some(name @ (Name::Via | Name::CallId | Name::CSeq)) = Name::parse(name) {
            found.push(name, value);
        }
    }
    found
}

/// The header lines, each with its continuation lines (RFC 3261 section 7.3.1).
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let Self(rest) = *self;
        let mut end = 0;
        loop {
            let Some(feed) = rest.get(end..)?.iter().position(|octet| *octet == b'\n') else {
                // The last line of a truncated message may be incomplete.
                *self = Self(&[]);
                return None;
            };
            end += feed + 1;
            // An empty line ends the header.
            if end <= 2 && rest.get(..end)?.trim_ascii().is_empty() {
                return None;
            }
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, rest) = rest.split_at_checked(end)?;
        *self = Self(rest);
        Some(line.trim_ascii_end())
    }
}

/// The message without leading line ends (RFC 3261 section 7.5).
fn start(message: &[u8]) -> &[u8] {
    let at = message.iter().position(|octet| !matches!(octet, b'\r' | b'\n')).unwrap_or(message.len());
    message.get(at..).unwrap_or_default()
}

fn is_response(message: &[u8]) -> bool {
    start(message).get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"SIP/"))
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    Some((name.trim_ascii_end(), value.get(1..)?.trim_ascii()))
}

/// The first value of a Via line. Our own Via contains no comma.
fn top(value: &[u8]) -> &[u8] {
    value.split(|octet| *octet == b',').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id_generator::{IdGenerator, Seed};

    const PLACE: WorkerPlace = WorkerPlace { instance: 7, worker: 3 };

    fn ids() -> IdGenerator {
        IdGenerator::new(PLACE, &Seed::new([9; 32]))
    }

    fn here(call_id: Option<&'static str>) -> WorkerHint<'static> {
        WorkerHint { place: Some(PLACE), named: None, call_id: call_id.map(str::as_bytes) }
    }

    #[test]
    fn a_response_goes_where_its_top_branch_was_made() {
        let branch = ids().branch();
        for via in ["Via:", "v :", "VIA:\r\n "] {
            let response = format!(
                "SIP/2.0 200 OK\r\nCall-ID: c\r\n{via} SIP/2.0/UDP a;branch={branch};rport=5, SIP/2.0/UDP b;branch=z9hG4bK1\r\n\
                 To: <sip:b>;tag=theirs\r\n\r\n"
            );
            assert_eq!(WorkerHint::of_received(response.as_bytes()), here(None), "{via}");
        }
        let stray = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nCall-ID: c\r\n\r\n";
        assert_eq!(WorkerHint::of_received(stray), WorkerHint::default());
    }

    #[test]
    fn a_request_in_a_dialog_goes_where_its_to_tag_was_made() {
        let tag = ids().tag();
        for to in [
            format!("To: \"a;tag=x\" <sip:b;tag=y>;tag={tag}"),
            format!("t\t:\r\n\t<sip:b>\r\n ;x=y;TAG={tag}"),
        ] {
            let request = format!(
                "\r\n\r\nBYE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n{to}\r\nI: c\r\n\r\n"
            );
            assert_eq!(WorkerHint::of_received(request.as_bytes()), here(Some("c")), "{to}");
        }
    }

    #[test]
    fn a_request_without_a_tag_of_ours_has_its_call_id() {
        let branch = ids().branch();
        for to in ["<sip:b>", "<sip:b>;tag=theirs", "\"unfinished"] {
            let request = format!(
                "INVITE sip:b SIP/2.0\nv: SIP/2.0/UDP a;branch={branch}\nCALL-ID : 1@c \nTo: {to}\n\nCall-ID: body\n"
            );
            let hint = WorkerHint { place: None, named: None, call_id: Some(b"1@c") };
            assert_eq!(WorkerHint::of_received(request.as_bytes()), hint, "{to}");
        }
        assert_eq!(
            WorkerHint::of_received(b"INVITE sip:b SIP/2.0\r\n\r\nCall-ID: body\r\n"),
            WorkerHint::default()
        );
    }

    #[test]
    fn an_invite_that_names_a_dialog_of_ours_has_its_worker() {
        let tag = ids().tag();
        for line in [
            format!("Replaces: a@b;to-tag={tag};from-tag=x"),
            format!("REPLACES : a@b\r\n ;early-only;from-tag=x ; to-tag = {tag}"),
            format!("Join: a@b;to-tag=x;from-tag={tag}"),
            format!("Target-Dialog: a@b;local-tag={tag};remote-tag=x"),
        ] {
            let request =
                |method| format!("{method} sip:b SIP/2.0\r\nTo: <sip:b>\r\nCall-ID: c\r\n{line}\r\n\r\n");
            let hint = |named| WorkerHint { place: None, named, call_id: Some(b"c") };
            assert_eq!(WorkerHint::of_received(request("INVITE").as_bytes()), hint(Some(PLACE)), "{line}");
            assert_eq!(WorkerHint::of_received(request("MESSAGE").as_bytes()), hint(None), "{line}");
        }
        let within = format!(
            "INVITE sip:b SIP/2.0\r\nTo: <sip:b>;tag={tag}\r\nCall-ID: c\r\nReplaces: a;to-tag={tag};from-tag=x\r\n\r\n"
        );
        assert_eq!(WorkerHint::of_received(within.as_bytes()), here(Some("c")));
        let foreign = b"INVITE sip:b SIP/2.0\r\nTo: <sip:b>\r\nReplaces: a;to-tag=1;from-tag\r\n\r\n";
        assert_eq!(WorkerHint::of_received(foreign), WorkerHint::default());
    }

    #[test]
    fn a_quoted_message_goes_to_its_sender() {
        let (branch, tag) = (ids().branch(), ids().tag());
        let request =
            format!("INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch={branch};rport\r\nFrom: <si");
        assert_eq!(WorkerHint::of_sent(request.as_bytes()), here(None));
        let response = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nTo: <sip:b>;tag={tag}\r\nCall-ID: c\r\nCSe"
        );
        assert_eq!(WorkerHint::of_sent(response.as_bytes()), here(Some("c")));
    }

    #[test]
    fn a_truncated_message_has_the_fields_that_are_complete() {
        let cut = b"SIP/2.0 200 OK\r\nv: one,\r\n two\r\nTo: <sip:b>\r\nVIA: three\r\nI: c\r\nCSeq: 1 INV";
        let found = fields(cut);
        let lines: Vec<_> = found.iter().map(|field| (field.name(), field.value())).collect();
        let [one, three, call_id]: [&[u8]; 3] = [b"one,\r\n two", b"three", b"c"];
        assert_eq!(lines, [(Some(Name::Via), one), (Some(Name::Via), three), (Some(Name::CallId), call_id)]);
    }

    #[test]
    fn odd_octets_give_no_hint() {
        let odd: [&[u8]; 8] = [
            b"",
            b"\r\n",
            b"\n",
            b"SIP/",
            b"\r\n \r\n \r\n",
            b"X\r\n:\r\nv\r\nv:\r\nt:\r\n",
            b"\xff\n\xff:\xff\n",
            b"a\n\n",
        ];
        for message in odd {
            assert_eq!(WorkerHint::of_received(message), WorkerHint::default());
            assert_eq!(WorkerHint::of_sent(message), WorkerHint::default());
            assert_eq!(fields(message).get(Name::CSeq), None);
        }
    }
}
