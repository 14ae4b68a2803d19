//! Session timers between both legs (RFC 4028). If both sides support session timers, the timer is relayed. If only one side
//! does, we run a timer with that side.

use std::time::Duration;

use attesta_sip::{Name, Refresher, Request, Response};

use crate::env::Env;
use crate::headers::session::{has_session, is_session_alone};
use crate::headers::timer::{self, Asked, LONGEST_SESSION};
use crate::leg::Leg;
use crate::leg::refresh_body::RefreshBody;
use crate::leg::session_timer::Role;

/// Prepares an INVITE or UPDATE for the far leg. The far peer keeps its own session timer, and the same side refreshes
/// (RFC 4028 section 7.4).
pub(crate) fn prepare(far: &Leg, outgoing: &mut Request) {
    let Some(rules) = far.rules.session else { return };
    if let Some(timer) = &far.timer
        && let Some(interval) = timer.interval()
    {
        let refresher = match timer.role() {
            Role::Refresher => Refresher::Uac,
            Role::Watcher | Role::KeepAlive => Refresher::Uas,
        };
        timer::offer(outgoing.headers_mut(), (interval, rules.shortest), refresher);
    } else if outgoing.headers().contains(Name::SessionExpires) {
        timer::offer(outgoing.headers_mut(), (rules.interval, rules.shortest), Refresher::Uas);
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
///
/// If session timers are off on both trunks, the 2xx is unchanged.
pub(crate) fn settle(
    (near, asked): (&mut Leg, &Asked),
    (far, response): (&mut Leg, &Response),
    back: &mut Response,
    env: &Env<'_>,
) {
    if near.rules.session.is_none() && far.rules.session.is_none() {
        near.end_session(env);
        far.end_session(env);
        return;
    }
    match (asked.supports, timer::session(response.headers())) {
        (true, Some((interval, _))) => {
            for leg in [near, far] {
                watch(leg, interval, Duration::ZERO, Role::Watcher, env);
            }
        }
        (true | false, None) => {
            far.end_session(env);
            begin_own(near, asked, back, env);
            watch_other(near, far, env);
        }
        (false, Some((interval, refresher))) => {
            timer::strip(back.headers_mut());
            near.end_session(env);
            let role = if refresher == Some(Refresher::Uac) { Role::Refresher } else { Role::Watcher };
            watch(far, interval, Duration::ZERO, role, env);
            watch_other(far, near, env);
        }
    }
}

/// Watches `other`, whose peer has no session timer, if we refresh the session of `leg`. The refreshes of `leg` do not reach
/// this peer. Without a question of its own, a call whose peer no longer exists would be refreshed without end.
fn watch_other(leg: &Leg, other: &mut Leg, env: &Env<'_>) {
    if let Some(timer) = leg.timer.as_ref().filter(|timer| timer.role() == Role::Refresher)
        && let Some(interval) = timer.interval()
    {
        other.watch_without_session(interval, env);
    }
}

/// Begins our own session with `near` in a 2xx to its INVITE or UPDATE, if the sender supports session timers. The other side
/// has no session timer.
pub(crate) fn begin_own(near: &mut Leg, asked: &Asked, back: &mut Response, env: &Env<'_>) {
    let Some(interval) = own_interval(near, asked) else { return near.end_session(env) };
    // RFC 4028 section 9, table 2: the sender may choose the refresher.
    let refresher = asked.session.and_then(|(_, side)| side).unwrap_or(Refresher::Uac);
    let role = match refresher {
        Refresher::Uac => Role::Watcher,
        Refresher::Uas => Role::Refresher,
    };
    if role == Role::Refresher && !asked.takes_update {
        if has_session(back.headers(), back.body()) && is_session_alone(back.headers()) {
            near.refresh_body = Some(Box::new(RefreshBody::new(back.body_bytes())));
        } else if near.refresh_body.is_none() {
            // We have no session description for a re-INVITE.
            return near.end_session(env);
        }
    }
    timer::begin(back.headers_mut(), interval, refresher);
    watch(near, interval, asked.minimum, role, env);
}

/// Returns the interval of our own session: the interval of the request, but at least its Min-SE, and at most a day (RFC 4028
/// section 9). Returns `None` if there is no session timer with this peer.
fn own_interval(near: &Leg, asked: &Asked) -> Option<Duration> {
    let rules = near.rules.session.filter(|_| asked.supports && asked.minimum <= LONGEST_SESSION)?;
    let interval = asked.session.map_or(rules.interval, |(interval, _)| interval);
    Some(interval.max(asked.minimum).min(LONGEST_SESSION))
}

fn watch(leg: &mut Leg, interval: Duration, minimum: Duration, role: Role, env: &Env<'_>) {
    if leg.rules.session.is_some() {
        leg.begin_session(interval, minimum, role, env);
    } else {
        leg.end_session(env);
    }
}
