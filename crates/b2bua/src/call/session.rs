//! Session timers between both legs (RFC 4028). If both sides support session timers, the timer is relayed. If only one side
//! does, we run a timer with that side.

use std::time::Duration;

use attesta_sip::{Headers, Name, Refresher, Request, Response};

use crate::env::Env;
use crate::headers::session::has_session;
use crate::headers::timer;
use crate::leg::Leg;

/// Prepares an INVITE or UPDATE of `near` for the far leg. The far peer keeps its own session timer.
pub(crate) fn prepare(near: &Leg, far: &Leg, outgoing: &mut Request) {
    if let Some(interval) = far.timer.as_ref().and_then(|timer| timer.interval())
        && !near.supports_timer
    {
        timer::offer(outgoing.headers_mut(), interval);
    }
}

/// Handles the 2xx of the far peer to an INVITE or UPDATE of `near`. `back` is the 2xx to the peer `near`.
///
/// | near | far | the 2xx to near |
/// |---|---|---|
/// | supports timers | has begun a session | unchanged; both legs are watched |
/// | supports timers | has begun none | begins our own session |
/// | does not | has begun a session | without the session; the far leg is watched |
/// | does not | has begun none | unchanged; the keep-alive of each trunk |
pub(crate) fn settle(
    (near, request): (&mut Leg, &Headers),
    (far, response): (&mut Leg, &Response),
    back: &mut Response,
    env: &Env<'_>,
) {
    near.supports_timer |= timer::supports_timer(request);
    let begun = timer::session(response.headers());
    match (near.supports_timer, begun) {
        (true, Some((interval, _))) => {
            for leg in [near, far] {
                watch(leg, interval, false, env);
            }
        }
        (true, None) => {
            far.end_session(env);
            match near.rules.session {
                Some(rules) => {
                    let asked = timer::session(request);
                    let interval = asked.map_or(rules.interval, |(interval, _)| interval);
                    let refresher = asked.and_then(|(_, side)| side).unwrap_or(Refresher::Uac);
                    let we_refresh = refresher == Refresher::Uas;
                    timer::begin(back.headers_mut(), interval, refresher);
                    if we_refresh && !takes_update(request) && has_session(back.headers(), back.body()) {
                        near.refresh_body = Some(back.body_bytes());
                    }
                    watch(near, interval, we_refresh, env);
                }
                None => near.end_session(env),
            }
        }
        (false, Some((interval, refresher))) => {
            timer::strip(back.headers_mut());
            far.supports_timer = true;
            near.end_session(env);
            watch(far, interval, refresher == Some(Refresher::Uac), env);
        }
        (false, None) => {
            near.end_session(env);
            far.end_session(env);
        }
    }
}

fn watch(leg: &mut Leg, interval: Duration, we_refresh: bool, env: &Env<'_>) {
    if leg.rules.session.is_some() {
        leg.begin_session(interval, we_refresh, env);
    }
}

/// True if the sender takes an UPDATE (RFC 3311 section 4).
fn takes_update(headers: &Headers) -> bool {
    headers.values(Name::Allow).any(|method| method.eq_ignore_ascii_case(b"UPDATE"))
}
