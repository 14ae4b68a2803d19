//! The caller's side of a call: the transaction of the INVITE and the responses in it.

use attesta_sip::{Name, Request, Response, Status};
use attesta_transaction::{Flow, ServerId};

use crate::call::end::CallEnd;
use crate::call::record::Record;
use crate::env::Env;
use crate::event::{CallEvent, Cause};
use crate::headers::address::sequence;
use crate::intake::origin::Origin;
use crate::leg::invite::Unacknowledged2xx;
use crate::leg::offer_answer::Sender;
use crate::leg::{Leg, LegSettings, Side};

/// The caller's side of a call.
#[derive(Debug)]
pub(crate) struct CallerSide {
    /// The flow on which the INVITE arrived.
    flow: Flow,
    /// Reason values to add to the next response (RFC 9410 section 3).
    pub(crate) reasons: Vec<String>,
    pub(crate) record: Record,
    /// True if the final response to the INVITE was sent.
    is_answered: bool,
}

impl CallerSide {
    pub(crate) const fn new(flow: Flow, record: Record) -> Self {
        Self { flow, reasons: Vec::new(), record, is_answered: false }
    }

    /// Returns the settings of the caller's leg.
    pub(crate) fn leg_settings(&self, origin: &Origin) -> LegSettings {
        LegSettings {
            owner: origin.owner,
            side: Side::Caller,
            listener: origin.listener.clone(),
            config: origin.config.clone(),
            rules: origin.ingress.trunk.leg_rules(),
            trunk: Some(origin.ingress.clone()),
            flow: self.flow.clone(),
        }
    }

    /// True if the final response to the INVITE was sent.
    pub(crate) const fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Sends a provisional response.
    pub(crate) fn provisional(&mut self, mut response: Response, origin: &Origin, env: &mut Env<'_>) {
        self.add_reasons(&mut response);
        env.respond(origin.server, &response);
        Self::tell_ringing(response.status(), origin, env);
    }

    /// Tells the embedder about a provisional response.
    pub(crate) fn tell_ringing(status: Status, origin: &Origin, env: &mut Env<'_>) {
        let (call, at) = (origin.arrival.call, env.now.unix);
        env.tell(CallEvent::Ringing { call, at, status });
    }

    /// Sends the 2xx on the leg `a`.
    pub(crate) fn success(
        &mut self,
        mut response: Response,
        request: &Request,
        a: &mut Leg,
        origin: &Origin,
        env: &mut Env<'_>,
    ) {
        self.add_reasons(&mut response);
        env.counters.answered += 1;
        self.finish(&response, origin.server, env);
        a.observe_response(Sender::Local, request.method(), &response, env);
        let (now, seq) = (env.now.mono, sequence(request).unwrap_or_default());
        let timers = &origin.config.transactions;
        a.invite.on_2xx_sent(Unacknowledged2xx::new(now, origin.server, seq, response, timers));
        env.tell(CallEvent::Answered { call: origin.arrival.call, at: env.now.unix });
        tracing::debug!("answered");
    }

    /// Sends a final error response. The call ends for the reason `cause`.
    pub(crate) fn conclude(
        &mut self,
        mut response: Response,
        cause: Cause,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> CallEnd {
        self.add_reasons(&mut response);
        self.finish(&response, origin.server, env);
        CallEnd::by(cause)
    }

    /// Sends a final error response that we decide on ourselves.
    pub(crate) fn refuse(&mut self, response: Response, origin: &Origin, env: &mut Env<'_>) -> CallEnd {
        let cause = Cause::Refused(response.status());
        self.conclude(response, cause, origin, env)
    }

    fn finish(&mut self, response: &Response, server: ServerId, env: &mut Env<'_>) {
        self.is_answered = true;
        self.record.concluded(env.now.mono, response.status());
        env.respond(server, response);
        env.owners.forget_server(server);
    }

    /// Adds the pending Reason values to the response.
    pub(crate) fn add_reasons(&mut self, response: &mut Response) {
        for reason in self.reasons.drain(..) {
            response.headers_mut().push(Name::Reason, reason);
        }
    }
}
