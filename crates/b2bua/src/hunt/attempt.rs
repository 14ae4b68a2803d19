//! One attempt: the request is built and sent, and its responses are read (RFC 3261 sections 8.1.1 and 13.2.2).

use attesta_sip::{MaxForwards, Method, Name, Request, Response, Status};
use attesta_transaction::Failure;

use crate::env::Env;
use crate::event::Cause;
use crate::headers::address::{tagged, untagged};
use crate::headers::contact::contact_for;
use crate::headers::relay;
use crate::hunt::progress::{Attempt, Progress};
use crate::hunt::{Hunt, HuntStep, refused};
use crate::identity::belief::{keep_own_reasons, strip_untrusted};
use crate::intake::origin::Origin;
use crate::leg::dialog::{FIRST_SEQ, is_sips};
use crate::trunk::rules::OutboundIdentity;

impl Hunt {
    /// Builds the INVITE or MESSAGE to send, without its Identity and its Via. The header fields that identify or route the
    /// request are new. The other header fields and the body are relayed. From, To and P-Asserted-Identity stay unchanged,
    /// except for the `verstat`.
    pub(super) fn build_request(&mut self, attempt: &Attempt, origin: &Origin, env: &mut Env<'_>) -> Request {
        let (tag, call_id) = (env.ids.tag(), env.ids.call_id());
        self.built = Some(call_id);
        let received = self.request.request();
        let method = received.method();
        let mut outgoing = Request::new(method.clone(), attempt.target.uri.clone());
        let headers = outgoing.headers_mut();
        let from = received.headers().get(Name::From).unwrap_or_default();
        headers.push(Name::From, tagged(from, &tag));
        headers.push(Name::To, untagged(received.headers().get(Name::To).unwrap_or_default()));
        headers.push(Name::CallId, call_id);
        headers.push(Name::CSeq, format!("{FIRST_SEQ} {method}"));
        let forwards = relay::forwards(received.headers()).unwrap_or(MaxForwards(0));
        let own = attempt.hop.listener.contact(is_sips(&attempt.target.uri));
        let contact = contact_for(own, attempt.trunk().leg_rules().relays_contact_params, received.headers());
        relay::request(received, &mut outgoing, forwards, || contact);
        if *method == Method::Invite {
            self.local_reliable(origin).offer(outgoing.headers_mut());
        }
        if let Some(rules) = attempt.trunk().leg_rules().session
            && *method == Method::Invite
        {
            self.session_offer.add(&mut outgoing, rules);
        }
        let strips = attempt.trunk().outbound_identity == OutboundIdentity::Strip;
        self.request.apply_trust(outgoing.headers_mut(), strips);
        outgoing
    }

    /// Sends the request. If it is too large for a datagram, the shell opens a connection first.
    pub(super) fn send(
        &mut self,
        attempt: Attempt,
        outgoing: Option<Request>,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        let outgoing = match outgoing {
            Some(outgoing) => outgoing,
            None => self.build_request(&attempt, origin, env),
        };
        match self.stream_for(&attempt, &outgoing, origin, env) {
            Some(stream) => self.connect(attempt, stream, outgoing, origin, env),
            None => self.dispatch(attempt, outgoing, origin, env),
        }
    }

    /// Sends the request, which is complete except for its Via.
    pub(super) fn dispatch(
        &mut self,
        attempt: Attempt,
        outgoing: Request,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        if relay::octets(&outgoing) > origin.config.caps.message {
            return refused(origin.reply(self.request(), Status::MESSAGE_TOO_LARGE));
        }
        let (flow, sent_by) = (attempt.hop.flow.clone(), &attempt.hop.listener.sent_by);
        let client = if origin.arrival.emergency {
            env.emergency_request(origin.owner, outgoing, flow, sent_by)
        } else {
            env.request(origin.owner, outgoing, flow, sent_by)
        };
        let Ok(client) = client else {
            return refused(origin.reply(self.request(), Status::SERVICE_UNAVAILABLE));
        };
        tracing::debug!(flow = ?attempt.hop.flow, "request sent");
        let trunk = attempt.trunk();
        if let Some(call_id) = self.built.take() {
            self.sent = Some((trunk.name().clone(), call_id));
        }
        let (sent, wait) = (env.now.mono, trunk.timers.no_response);
        env.targets.tried(sent, &attempt.hop.flow, wait);
        // The last target has the whole time of its transaction (Timer B).
        let until = (origin.is_call() && !self.is_last(origin)).then(|| sent + wait);
        self.progress = Progress::Trying { attempt, client, sent, until };
        HuntStep::Goes
    }

    /// Handles a response to the request of the attempt.
    pub(crate) fn on_response(
        &mut self,
        response: &Response,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        let (attempt, client, sent, until) = match self.take_progress() {
            Progress::Trying { attempt, client, sent, .. } => {
                let until = origin.is_call().then(|| env.now.mono + attempt.trunk().timers.ring);
                (attempt, client, sent, until)
            }
            Progress::Ringing { attempt, client, sent, until } => (attempt, client, sent, until),
            other @ (Progress::Idle
            | Progress::Resolving { .. }
            | Progress::Attesting { .. }
            | Progress::Signing { .. }
            | Progress::Connecting { .. }) => return self.put_back(other),
        };
        let status = response.status();
        env.targets.answered(env.now.mono, &attempt.hop.flow, origin.config.caps.remembered_targets);
        if status.is_provisional() {
            let listener = attempt.hop.listener.clone();
            self.progress = Progress::Ringing { attempt, client, sent, until };
            return if status == Status::TRYING { HuntStep::Goes } else { HuntStep::Provisional(listener) };
        }
        if status.is_success() {
            env.targets.accepts(&attempt.hop.flow);
            let max_call = attempt.trunk().timers.max_call;
            return HuntStep::Success { listener: attempt.hop.listener, max_call };
        }
        env.owners.forget_client(client);
        if status != Status::SERVICE_UNAVAILABLE {
            env.targets.accepts(&attempt.hop.flow);
        }
        tracing::debug!(status = status.code(), "refused by the target");
        if *self.request().method() == Method::Invite
            && attempt.trunk().leg_rules().session.is_some()
            && !self.request().headers().contains(Name::SessionExpires)
            && let Some(offer) = self.session_offer.after(response)
        {
            // The target refuses the interval that we offered. The sender has asked for none.
            self.session_offer = offer;
            return self.approach(attempt, origin, env);
        }
        let back = self.response_to_sender(response, origin, env);
        if !attempt.trunk().fails_over(status) {
            return HuntStep::Over(Box::new(back), Cause::Declined(status));
        }
        self.fail_over(&attempt, response, back, origin, env);
        HuntStep::AttemptFailed(attempt.target)
    }

    /// Handles a failure: the request of the attempt gets no final response.
    pub(crate) fn on_failure(&mut self, why: Failure, origin: &Origin, env: &mut Env<'_>) -> HuntStep {
        match self.take_progress() {
            Progress::Trying { attempt, sent, .. } | Progress::Ringing { attempt, sent, .. } => {
                tracing::debug!(%why, flow = ?attempt.hop.flow, "attempt failed");
                self.failed_at(&attempt, why, sent, origin, env);
                if why == Failure::Timeout && !origin.is_call() {
                    // The transaction with the sender has ended too (RFC 4320 section 4.2).
                    return refused(origin.reply(self.request(), Status::REQUEST_TIMEOUT));
                }
                HuntStep::AttemptFailed(attempt.target)
            }
            other @ (Progress::Idle
            | Progress::Resolving { .. }
            | Progress::Attesting { .. }
            | Progress::Signing { .. }
            | Progress::Connecting { .. }) => self.put_back(other),
        }
    }

    /// Builds the final response to the sender, outside any dialog, from the final response of the target.
    pub(crate) fn response_to_sender(
        &self,
        response: &Response,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Response {
        let mut back = origin.reply(self.request(), response.status());
        let contact = || origin.listener.contact(false);
        relay::response(response, &mut back, self.request().method(), contact);
        // A response to MESSAGE names no peer (RFC 3428 section 7).
        if *self.request().method() == Method::Message && response.status().class() != 3 {
            back.headers_mut().remove(Name::Contact);
        }
        self.strip_response(&mut back, env);
        back
    }

    /// Removes, from a response of the target, the header fields that the sender must not see.
    pub(crate) fn strip_response(&self, response: &mut Response, env: &mut Env<'_>) {
        strip_untrusted(response.headers_mut(), self.rules().trusts);
        if keep_own_reasons(response.headers_mut(), self.request()) {
            env.counters.identity_disputed += 1;
            tracing::warn!("the target says that an Identity of ours does not verify");
        }
    }
}
