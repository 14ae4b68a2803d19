//! The built-in test callee. It answers calls itself, and the call has no B leg.

use attesta_sip::{Method, Name, Request, Response, Rules, Status};
use attesta_transaction::ServerId;
use bytes::Bytes;

use crate::call::caller::CallerSide;
use crate::call::session;
use crate::config::listener::Listener;
use crate::counters::not_taken;
use crate::env::Env;
use crate::headers::address::{sequence, source};
use crate::headers::relay;
use crate::headers::session::SDP;
use crate::headers::timer::Asked;
use crate::intake::origin::Origin;
use crate::leg::Leg;
use crate::leg::dialog::Dialog;
use crate::leg::invite::Unacknowledged2xx;
use crate::leg::offer_answer::Sender;

/// Sends 180 and 200 at once. Returns the leg of the caller.
///
/// # Errors
///
/// Returns the response that refuses the call if the INVITE creates no dialog, or if the callee does not support the body.
pub(crate) fn answer_call(
    request: &Request,
    caller: &mut CallerSide,
    origin: &Origin,
    env: &mut Env<'_>,
) -> Result<Leg, Box<Response>> {
    let from = || source(origin.listener.transport, origin.arrival.source);
    let dialog = Dialog::answering(request, &origin.tag, from)
        .map_err(|_| Box::new(origin.reply(request, Status::BAD_REQUEST)))?;
    if let Some(mut response) = objection(request) {
        response.set_to_tag(origin.tag.as_str());
        return Err(Box::new(response));
    }
    let contact = origin.config.contact(&origin.listener, dialog.is_secure());
    let mut ringing = origin.reply(request, Status::RINGING);
    relay::record_route(request, &mut ringing);
    ringing.headers_mut().push(Name::Contact, contact.as_str());
    caller.provisional(ringing, origin, env);
    let mut ok = origin.reply(request, Status::OK);
    relay::record_route(request, &mut ok);
    let headers = ok.headers_mut();
    headers.push(Name::Contact, contact);
    headers.push(Name::Allow, relay::ALLOW);
    if let Some(sdp) = description_for(request, &origin.listener) {
        headers.push(Name::ContentType, SDP);
        ok.set_body(sdp);
    }
    let mut a = Leg::open(dialog, caller.leg_settings(origin), env);
    a.observe_request(Sender::Remote, request, env);
    session::begin_own(&mut a, &Asked::of(request.headers()), &mut ok, env);
    caller.success(ok, request, &mut a, origin, env);
    Ok(a)
}

/// Answers a request in the dialog of a call that the callee has answered.
pub(crate) fn answer_in_dialog(
    leg: &mut Leg,
    id: ServerId,
    request: &Request,
    origin: &Origin,
    env: &mut Env<'_>,
) {
    let method = request.method();
    if !matches!(method, Method::Invite | Method::Update | Method::Options) {
        let (status, refusal) = not_taken(method);
        return env.refuse(id, request, status, refusal);
    }
    if let Some(refusal) = objection(request) {
        return env.respond(id, &refusal);
    }
    let mut response = env.reply(request, Status::OK);
    let headers = response.headers_mut();
    headers.push(Name::Allow, relay::ALLOW);
    if *method != Method::Options {
        headers.push(Name::Contact, leg.own_contact());
        if let Some(sdp) = description_for(request, &leg.listener) {
            headers.push(Name::ContentType, SDP);
            response.set_body(sdp);
        }
    }
    if *method != Method::Options && leg.invite.is_confirmed() {
        session::begin_own(leg, &Asked::of(request.headers()), &mut response, env);
    }
    leg.observe_response(Sender::Local, method, &response, env);
    env.respond(id, &response);
    if *method == Method::Invite {
        let (now, seq) = (env.now.mono, sequence(request).unwrap_or_default());
        let timers = &origin.config.transactions;
        leg.invite.on_2xx_sent(Unacknowledged2xx::new(now, id, seq, response, timers));
    }
}

/// Returns the refusal of a request whose body the callee does not support, or whose Accept allows no SDP in the response (RFC
/// 3261 section 8.2.3).
pub(crate) fn objection(request: &Request) -> Option<Response> {
    let rules = Rules::default().media_types([SDP]);
    rules.answer(request, &rules.request(request).err()?)
}

/// Returns the session description for the 2xx of the callee: an answer to the offer, or an offer if the request has none (RFC
/// 3264 section 4).
/// Returns `None` if the request is an UPDATE without an offer (RFC 3311 section 5.2).
pub(crate) fn description_for(request: &Request, listener: &Listener) -> Option<Bytes> {
    match (request.body().is_empty(), request.method()) {
        (true, Method::Update) => None,
        (true, _) => Some(description(listener, "0 0", OWN_OFFER)),
        (false, _) => Some(answer(request.body(), listener)),
    }
}

/// Answers an offer (RFC 3264 section 6). The callee accepts the first audio stream in its first format, as inactive, because
/// the callee has no media. The callee refuses every other stream with port 0.
fn answer(offer: &[u8], listener: &Listener) -> Bytes {
    let offer = String::from_utf8_lossy(offer);
    // RFC 3264 section 6: the t= line of the answer equals the t= line of the offer.
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

/// The discard port (RFC 863). No media is sent from or received at this port.
const DISCARD_PORT: u16 = 9;

const OWN_OFFER: &str = "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=inactive\r\n";
