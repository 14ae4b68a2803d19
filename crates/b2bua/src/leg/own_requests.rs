//! Our own requests in a dialog: refreshes of the session (RFC 4028 section 10) and probes.

use std::time::Duration;

use attesta_sip::{Method, Name, Refresher, Request, Response, RetryAfter, Status};
use attesta_transaction::{Failure, Flow};

use crate::env::Env;
use crate::headers::address::contact;
use crate::headers::session::SDP;
use crate::headers::timer::LONGEST_SESSION;
use crate::headers::{relay, timer};
use crate::leg::next_hop::{OwnKind, OwnRequest, RequestKind};
use crate::leg::offer_answer::Sender;
use crate::leg::session_timer::{DueTimer, Role, SessionTimer};
use crate::leg::{Leg, Side};

/// The consequence of the response to our own request, or of the missing response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnOutcome {
    /// The call continues.
    Goes,
    /// The peer no longer knows the call (RFC 3261 section 12.2.1.2), or it cannot be reached.
    Lost,
    /// The peer does not respond (RFC 4028 section 10).
    Silent,
}

impl Leg {
    /// Starts or restarts the session timer after a 2xx in this dialog. `minimum` is the Min-SE of the peer's request, or zero.
    pub(crate) fn begin_session(&mut self, interval: Duration, minimum: Duration, role: Role, env: &Env<'_>) {
        let interval = interval.clamp(SHORTEST_SESSION, LONGEST_SESSION);
        let known = self.timer.as_ref().and_then(|timer| timer.minimum()).unwrap_or_default();
        let mut timer = SessionTimer::session(env.now.mono, interval, role);
        timer.on_minimum(known.max(minimum.min(LONGEST_SESSION)));
        match &mut self.timer {
            Some(begun) => **begun = timer,
            None => self.timer = Some(Box::new(timer)),
        }
    }

    /// Ends the session timer. The keep-alive of the trunk replaces the session timer.
    pub(crate) fn end_session(&mut self, env: &Env<'_>) {
        let every = self.rules.keep_alive;
        self.timer = every.map(|every| Box::new(SessionTimer::keep_alive(env.now.mono, every)));
    }

    /// Starts a keep-alive that ends the call within `interval` if the peer is silent. A keep-alive of the trunk stays.
    pub(crate) fn watch_without_session(&mut self, interval: Duration, env: &Env<'_>) {
        if self.timer.is_none() && self.rules.session.is_some() {
            self.timer = Some(Box::new(SessionTimer::keep_alive_within(env.now.mono, interval)));
        }
    }

    /// Does the work of the session timer that is due. Returns true if the session has expired.
    pub(crate) fn on_timer(&mut self, env: &mut Env<'_>) -> bool {
        let due = self.timer.as_mut().map_or(DueTimer::Nothing, |timer| timer.on_deadline(env.now.mono));
        match due {
            DueTimer::Nothing => {}
            DueTimer::Refresh => self.refresh_session(env),
            DueTimer::Probe => {
                // A refresh without a response is also a probe.
                if self.own.is_none() {
                    let (request, seq) = self.own_request(Method::Options);
                    self.send(request, RequestKind::Own(OwnKind::Probe, seq), env);
                }
            }
            DueTimer::Expired => return true,
        }
        false
    }

    /// Refreshes the session with an UPDATE if the peer allows UPDATE. Otherwise sends a re-INVITE with the last session
    /// description (RFC 4028 section 7.4).
    fn refresh_session(&mut self, env: &mut Env<'_>) {
        let body = self.refresh_body.as_ref().and_then(|ours| ours.get());
        let (method, kind) = match &body {
            Some(_) => (Method::Invite, OwnKind::ReInvite),
            None => (Method::Update, OwnKind::Update),
        };
        let must_wait = self.own.is_some() || (kind == OwnKind::ReInvite && !self.is_stable());
        let (interval, minimum) = match &mut self.timer {
            Some(timer) if must_wait => return timer.on_busy(env.now.mono),
            Some(timer) => (timer.interval().unwrap_or_default(), timer.minimum()),
            None => return,
        };
        let interval = interval.max(minimum.unwrap_or_default());
        let (mut request, seq) = self.own_request(method);
        let contact = self.own_contact();
        let headers = request.headers_mut();
        headers.push(Name::Contact, contact);
        headers.push(Name::Supported, "timer");
        headers.push(Name::SessionExpires, format!("{};refresher=uac", interval.as_secs()));
        if let Some(minimum) = minimum {
            timer::raise_minimum(headers, minimum);
        }
        if let Some(body) = body {
            headers.push(Name::ContentType, SDP);
            request.set_body(body);
        }
        self.observe_request(Sender::Local, &request, env);
        self.send(request, RequestKind::Own(kind, seq), env);
    }

    /// True if no INVITE is in progress in the dialog, and no offer is open (RFC 3261 section 14.1).
    fn is_stable(&self) -> bool {
        let has_invite = self.session.has_invite() || self.requests.invite().is_some();
        let has_ack = self.invite.awaits_ack() || self.invite.owes_ack();
        !has_invite && !has_ack && self.open_offer().is_none()
    }

    pub(super) fn own_request(&mut self, method: Method) -> (Request, u32) {
        let (mut request, seq) = self.dialog.request(method);
        request.headers_mut().push(Name::MaxForwards, relay::MAX_FORWARDS.to_string());
        (request, seq)
    }

    /// Returns the random wait after a 491: 2.1 to 4 s if the Call-ID is ours, else up to 2 s. The two sides therefore do not
    /// send at the same time again (RFC 3261 section 14.1).
    fn wait_after_collision(&self, env: &mut Env<'_>) -> Duration {
        let number = env.ids.number();
        Duration::from_millis(match self.side {
            Side::Callee => 2_100 + number % 191 * 10,
            Side::Caller => 10 + number % 200 * 10,
        })
    }

    /// Handles a response to our own request.
    pub(crate) fn on_own_response(
        &mut self,
        own: OwnRequest,
        (response, flow): (&Response, &Flow),
        env: &mut Env<'_>,
    ) -> OwnOutcome {
        self.on_message_from(flow);
        let status = response.status();
        if status.is_provisional() {
            return OwnOutcome::Goes;
        }
        self.own = None;
        env.owners.forget_client(own.client);
        self.observe_response(Sender::Remote, &own.kind.method(), response, env);
        if [Status::CALL_DOES_NOT_EXIST, Status::REQUEST_TIMEOUT].contains(&status) {
            return OwnOutcome::Lost;
        }
        match own.kind {
            // Any other response to a probe proves that the peer knows the dialog.
            OwnKind::Probe => {
                if let Some(timer) = &mut self.timer {
                    timer.on_alive(env.now.mono);
                }
            }
            OwnKind::Update | OwnKind::ReInvite if status.is_success() => {
                self.refresh(contact(response.headers()));
                if own.kind == OwnKind::ReInvite {
                    self.invite.on_2xx_received(own.seq, own.client);
                    self.acknowledge(None, env);
                }
                self.on_refreshed(response, env);
            }
            OwnKind::Update | OwnKind::ReInvite => self.on_refresh_refused(response, env),
            // The response to a PRACK is handled with the reliable provisional responses.
            OwnKind::Prack => {}
        }
        OwnOutcome::Goes
    }

    /// Handles the 2xx to our refresh. The 2xx contains the session interval and the refresher (RFC 4028 section 7.2).
    fn on_refreshed(&mut self, response: &Response, env: &Env<'_>) {
        match timer::session(response.headers()) {
            Some((interval, Some(Refresher::Uas))) => {
                self.begin_session(interval, Duration::ZERO, Role::Watcher, env);
            }
            Some((interval, Some(Refresher::Uac) | None)) => {
                self.begin_session(interval, Duration::ZERO, Role::Refresher, env);
            }
            None => self.end_session(env),
        }
    }

    /// Handles the refusal of our refresh. The call continues, and a new attempt follows (RFC 4028 section 10).
    fn on_refresh_refused(&mut self, response: &Response, env: &mut Env<'_>) {
        let status = response.status();
        tracing::debug!(status = status.code(), side = self.side.as_str(), "session refresh refused");
        let wait = if status == Status::REQUEST_PENDING {
            Some(self.wait_after_collision(env))
        } else {
            retry_after(response)
        };
        let (now, Some(timer)) = (env.now.mono, &mut self.timer) else { return };
        if let Some(wait) = wait {
            return timer.on_put_off(now, wait);
        }
        let minimum = timer::minimum(response.headers()).filter(|minimum| *minimum <= LONGEST_SESSION);
        match minimum {
            Some(minimum) if status == Status::SESSION_INTERVAL_TOO_SMALL => timer.on_too_short(now, minimum),
            Some(_) | None => timer.on_refused(now),
        }
    }

    /// Handles the failure of our own request: the peer sends no response.
    pub(crate) fn on_own_failure(&mut self, own: OwnRequest, why: Failure, env: &mut Env<'_>) -> OwnOutcome {
        self.own = None;
        match why {
            Failure::Timeout => OwnOutcome::Silent,
            Failure::NoRoom => {
                self.on_own_unsent(own.kind, false, env);
                OwnOutcome::Goes
            }
            Failure::Transport => {
                let is_lost = self.on_loss();
                self.on_own_unsent(own.kind, true, env);
                if is_lost { OwnOutcome::Lost } else { OwnOutcome::Goes }
            }
        }
    }

    /// Handles our own request that could not be sent. `is_peers_fault` is false if one of our limits is the reason.
    pub(super) fn on_own_unsent(&mut self, kind: OwnKind, is_peers_fault: bool, env: &Env<'_>) {
        if kind == OwnKind::ReInvite {
            self.take_back_offer();
        }
        let now = env.now.mono;
        match (kind, &mut self.timer) {
            (OwnKind::Probe, Some(timer)) => timer.on_probe_unsent(now, is_peers_fault),
            (OwnKind::Update | OwnKind::ReInvite, Some(timer)) if is_peers_fault => timer.on_refused(now),
            (OwnKind::Update | OwnKind::ReInvite, Some(timer)) => timer.on_busy(now),
            (OwnKind::Prack, _) | (OwnKind::Probe | OwnKind::Update | OwnKind::ReInvite, None) => {}
        }
    }
}

/// Returns the time after which the refused request may be sent again: 500 and 503 name it (RFC 3261 sections 14.2 and 21.5.4).
fn retry_after(response: &Response) -> Option<Duration> {
    let may_repeat =
        [Status::SERVER_INTERNAL_ERROR, Status::SERVICE_UNAVAILABLE].contains(&response.status());
    let value = response.headers().get(Name::RetryAfter).filter(|_| may_repeat)?;
    let seconds = RetryAfter::parse(value).ok()?.seconds();
    Some(Duration::from_secs(seconds.into()).max(SHORTEST_WAIT))
}

/// The shortest session interval that we use (RFC 4028 section 4). A shorter interval would end the call at once.
const SHORTEST_SESSION: Duration = Duration::from_secs(90);
/// The shortest wait before a refused refresh is sent again.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
