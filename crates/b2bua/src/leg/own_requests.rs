//! The requests that we send in a dialog on our own account: refreshes of the session (RFC 4028 section 10) and probes.

use std::time::Duration;

use attesta_sip::{Method, Name, Request, Response, Status};
use attesta_transaction::Failure;

use crate::env::Env;
use crate::headers::relay;
use crate::headers::session::SDP;
use crate::headers::timer;
use crate::leg::Leg;
use crate::leg::next_hop::{OwnKind, OwnRequest, RequestKind};
use crate::leg::offer_answer::Sender;
use crate::leg::session_timer::{DueTimer, SessionTimer};

impl Leg {
    /// Begins the session timer with a 2xx in this dialog, or begins the interval again.
    pub(crate) fn begin_session(&mut self, interval: Duration, we_refresh: bool, env: &Env<'_>) {
        // An interval of 0 would end the call at once.
        let interval = interval.max(SHORTEST_SESSION);
        self.timer = Some(Box::new(SessionTimer::session(env.now.mono, interval, we_refresh)));
    }

    /// Ends the session timer. The keep-alive of the trunk takes its place.
    pub(crate) fn end_session(&mut self, env: &Env<'_>) {
        let every = self.rules.keep_alive;
        self.timer = every.map(|every| Box::new(SessionTimer::keep_alive(env.now.mono, every)));
    }

    /// Does what the session timer asks for. Returns true if the session has expired.
    pub(crate) fn on_timer(&mut self, env: &mut Env<'_>) -> bool {
        let due = self.timer.as_mut().map_or(DueTimer::Nothing, |timer| timer.on_deadline(env.now.mono));
        match due {
            DueTimer::Nothing => {}
            DueTimer::Refresh => self.refresh_session(env),
            DueTimer::Probe => {
                if self.own.is_none() {
                    let (request, seq) = self.own_request(Method::Options);
                    self.send(request, RequestKind::Own(OwnKind::Probe, seq), env);
                }
            }
            DueTimer::Expired => return true,
        }
        false
    }

    /// Refreshes the session: by UPDATE if the peer allows it, else by a re-INVITE with the last session description.
    fn refresh_session(&mut self, env: &mut Env<'_>) {
        let Some(interval) = self.timer.as_ref().and_then(|timer| timer.interval()) else { return };
        let (method, kind) = match &self.refresh_body {
            Some(_) => (Method::Invite, OwnKind::ReInvite),
            None => (Method::Update, OwnKind::Update),
        };
        if self.own.is_some() || (kind == OwnKind::ReInvite && !self.is_stable()) {
            // A request of ours or an INVITE is not answered yet. The probe follows in time.
            return;
        }
        let (mut request, seq) = self.own_request(method);
        let contact = self.own_contact();
        let headers = request.headers_mut();
        headers.push(Name::Contact, contact);
        headers.push(Name::Supported, "timer");
        headers.push(Name::SessionExpires, format!("{};refresher=uac", interval.as_secs()));
        if let Some(body) = self.refresh_body.clone() {
            headers.push(Name::ContentType, SDP);
            request.set_body(body);
        }
        self.observe_request(Sender::Local, &request, env);
        self.send(request, RequestKind::Own(kind, seq), env);
    }

    /// True if no INVITE is in progress in the dialog, and no offer is open.
    fn is_stable(&self) -> bool {
        !self.invite.awaits_ack() && self.requests.invite().is_none() && self.open_offer().is_none()
    }

    fn own_request(&mut self, method: Method) -> (Request, u32) {
        let (mut request, seq) = self.dialog.request(method);
        request.headers_mut().push(Name::MaxForwards, relay::MAX_FORWARDS.to_string());
        (request, seq)
    }

    /// A response to a request of ours. Returns true if the peer no longer knows the call (RFC 3261 section 12.2.1.2).
    pub(crate) fn on_own_response(
        &mut self,
        own: OwnRequest,
        response: &Response,
        env: &mut Env<'_>,
    ) -> bool {
        let status = response.status();
        if status.is_provisional() {
            return false;
        }
        self.own = None;
        env.owners.forget_client(own.client);
        self.observe_response(Sender::Remote, &own.kind.method(), response, env);
        if status.is_success() && own.kind == OwnKind::ReInvite {
            self.invite.on_2xx_received(own.seq, own.client);
            self.acknowledge(None, env);
        }
        if status.is_success() && own.kind != OwnKind::Probe {
            self.on_refreshed(response, env);
        }
        let is_gone = [Status::CALL_DOES_NOT_EXIST, Status::REQUEST_TIMEOUT].contains(&status);
        // Any other response to a probe comes from a peer that knows the dialog.
        if own.kind == OwnKind::Probe
            && !is_gone
            && let Some(timer) = &mut self.timer
        {
            timer.on_alive(env.now.mono);
        }
        is_gone
    }

    /// Our refresh was accepted: the 2xx says how long the session lasts, and who refreshes (RFC 4028 section 7.2).
    fn on_refreshed(&mut self, response: &Response, env: &Env<'_>) {
        match timer::session(response.headers()) {
            Some((interval, refresher)) => {
                self.begin_session(interval, refresher != Some(attesta_sip::Refresher::Uas), env);
            }
            None => self.end_session(env),
        }
    }

    /// A request of ours gets no response. Returns true if the peer is silent.
    pub(crate) fn on_own_failure(&mut self, why: Failure) -> bool {
        self.own = None;
        if why == Failure::Transport {
            self.on_loss();
        }
        why == Failure::Timeout
    }
}

/// The shortest session interval that the watch uses (RFC 4028 section 4).
const SHORTEST_SESSION: Duration = Duration::from_secs(90);
