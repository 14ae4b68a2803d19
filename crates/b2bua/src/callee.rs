//! The built-in test callee: an application that answers calls itself, in place of a B leg.

use attesta_sip::{Method, Name, Request, Response, Rules, Status};
use attesta_transaction::ServerId;
use bytes::Bytes;

use crate::arena::Key;
use crate::bridge;
use crate::counters::not_taken;
use crate::desk::Desk;
use crate::dialog;
use crate::io::Now;
use crate::leg::Answer;
use crate::listener::Listener;

impl Desk {
    /// Answers a request in the dialog of a call that the callee took.
    pub(crate) fn answer_for_callee(&mut self, now: Now, key: Key, id: ServerId, request: &Request) {
        let Some(leg) = self.legs.get(key) else { return };
        let listener = leg.listener.clone();
        if !matches!(request.method(), Method::Invite | Method::Update | Method::Options) {
            let (status, refusal) = not_taken(request.method());
            return self.refuse(now.mono, id, request, status, refusal);
        }
        if let Some(refusal) = objection(request) {
            return self.endpoint.respond(now.mono, id, &refusal);
        }
        let mut response = self.reply(request, Status::OK);
        let headers = response.headers_mut();
        headers.push(Name::Allow, bridge::allow());
        if *request.method() != Method::Options {
            headers.push(Name::Contact, listener.contact());
            if let Some(sdp) = session(request, &listener) {
                headers.push(Name::ContentType, SDP);
                response.set_body(sdp);
            }
        }
        if *request.method() == Method::Invite
            && let Some(leg) = self.legs.get_mut(key)
        {
            let seq = dialog::sequence(request).unwrap_or_default();
            leg.answer = Some(Answer::new(now.mono, id, seq, response.clone(), &self.config.transactions));
        }
        self.endpoint.respond(now.mono, id, &response);
        self.wind(key);
    }
}

/// The refusal of a request whose body the callee does not understand, or that takes none that it could send (RFC 3261
/// section 8.2.3).
pub(crate) fn objection(request: &Request) -> Option<Response> {
    let rules = Rules::default().media_types([SDP]);
    rules.answer(request, &rules.request(request).err()?)
}

/// The session description of the callee's 2xx: an answer to the offer, or an offer where there is none (RFC 3264
/// section 4). `None` where none is due: an UPDATE may come without (RFC 3311 section 5.2).
pub(crate) fn session(request: &Request, listener: &Listener) -> Option<Bytes> {
    match (request.body().is_empty(), request.method()) {
        (true, Method::Update) => None,
        (true, _) => Some(description(listener, "0 0", OWN_OFFER)),
        (false, _) => Some(answer(request.body(), listener)),
    }
}

/// Answers an offer (RFC 3264 section 6): the first audio stream is taken in its first format and stays inactive, since
/// there is no media behind it; every other stream is refused with port 0.
fn answer(offer: &[u8], listener: &Listener) -> Bytes {
    let offer = String::from_utf8_lossy(offer);
    // RFC 3264 section 6: the t= line equals that of the offer.
    let time = offer.lines().find_map(|line| line.strip_prefix("t=")).unwrap_or("0 0");
    let mut media = String::new();
    let mut taken = false;
    for line in offer.lines().filter_map(|line| line.strip_prefix("m=")) {
        let mut words = line.split_ascii_whitespace();
        let (kind, port, profile) = (words.next(), words.next(), words.next());
        let format = words.next().unwrap_or("0");
        let (kind, profile) = (kind.unwrap_or("audio"), profile.unwrap_or("RTP/AVP"));
        let offered = port.is_some_and(|port| port != "0");
        if !taken && offered && kind == "audio" {
            taken = true;
            media.push_str(&format!("m={kind} {DISCARD_PORT} {profile} {format}\r\n"));
            let described = format!("a=rtpmap:{format} ");
            for line in offer.lines().filter(|line| line.starts_with(&described)) {
                media.push_str(&format!("{line}\r\n"));
            }
            media.push_str("a=inactive\r\n");
        } else {
            media.push_str(&format!("m={kind} 0 {profile} {format}\r\n"));
        }
    }
    description(listener, time, &media)
}

fn description(listener: &Listener, time: &str, media: &str) -> Bytes {
    let address = listener.address.ip();
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    let head =
        format!("v=0\r\no=- 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt={time}\r\n");
    Bytes::from(head + media)
}

/// The media type of a session description (RFC 8866 section 8.1).
pub(crate) const SDP: &str = "application/sdp";

/// Nothing is sent from or received at it: RFC 863.
const DISCARD_PORT: u16 = 9;

const OWN_OFFER: &str = "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=inactive\r\n";
