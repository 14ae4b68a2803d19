//! Calls: from the INVITE that arrives to the end of both legs.
//!
//! A call is set up in the order that `contract.md` fixes: admit, verify the untouched message, route, then, for each target,
//! find it, sign, send.

use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_sip::{Name, Request, Response, Status};
use attesta_stir::{Identity, Reason};
use attesta_transaction::{Flow, ServerId, Tag};

use crate::arena::Key;
use crate::attempt::Dialling;
use crate::bridge;
use crate::callee;
use crate::cancel_scope::CancelScope;
use crate::certificates::Certificates;
use crate::config::{Config, TrunkEntry};
use crate::delivery::Hop;
use crate::desk::{Desk, Over, Server, Sleeper, Waiter, reply_tagged};
use crate::dialog::{self, Dialog};
use crate::event::{Arrival, CallEvent, CallNumber, Cause};
use crate::identity::{Finding, Offer, Received};
use crate::io::{Now, Output, Token};
use crate::leg::{Answer, Far, Leg, Side, Stage};
use crate::listener::Listener;
use crate::policy::{
    Admission, DECISION_BUDGET, Decision, Later, Policy, Question, Reply as Decided, Routing,
};
use crate::record::Record;
use crate::relay::reason_of;
use crate::route;
use crate::trunk::{Consequence, InboundIdentity};

/// One call: an A leg, and a B leg that is found by one or more attempts.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) key: Key,
    pub(crate) config: Arc<Config>,
    pub(crate) arrival: Arc<Arrival>,
    pub(crate) ingress: Arc<TrunkEntry>,
    pub(crate) listener: Arc<Listener>,
    /// The one way back to a caller to whom no connection can be opened.
    pub(crate) way: Option<Flow>,
    /// The caller's INVITE.
    pub(crate) invite: ServerId,
    /// Our tag in responses that make no dialog, and in the first dialog that one makes.
    pub(crate) tag: Tag,
    pub(crate) state: State,
    /// The question to the shell that is not answered yet.
    pub(crate) asked: Option<Token>,
    /// Reason values that the next response owes the caller (RFC 9410 section 3).
    pub(crate) reasons: Vec<String>,
    pub(crate) alarm: Option<Instant>,
    pub(crate) record: Record,
    pub(crate) span: tracing::Span,
}

/// How far a call has come.
///
/// ```text
/// Admitting -> Verifying -> Judging -> Routing -> Dialling -> Talking -> Over
/// ```
///
/// The first, third and fourth are passed through at once where policy answers at once, the second where no certificate is
/// missing; from each a call may end.
#[derive(Debug)]
pub(crate) enum State {
    /// Policy says later whether the call may proceed.
    Admitting { received: Received, until: Instant },
    /// Certificates are being fetched.
    Verifying { received: Received, until: Instant },
    /// Policy says later what the outcome of verification does.
    Judging { received: Received, finding: Finding, until: Instant },
    /// Policy says later where the call goes.
    Routing { offer: Offer, until: Instant },
    /// The callee's side is being found, or is ringing.
    Dialling(Box<Dialling>),
    /// Answered: by the leg `b`, or by the built-in callee where there is none.
    Talking { a: Key, b: Option<Key>, until: Instant },
    /// Ended, or about to change state.
    Over,
}

/// What a step of a call works on.
pub(crate) struct Turn<'a, P> {
    pub(crate) now: Now,
    pub(crate) desk: &'a mut Desk,
    pub(crate) certificates: &'a mut Certificates,
    pub(crate) policy: &'a mut P,
}

impl<P> Turn<'_, P> {
    pub(crate) fn tell(&mut self, event: CallEvent) {
        self.desk.emit(Output::Event(event));
    }
}

impl Call {
    pub(crate) fn number(&self) -> CallNumber {
        self.arrival.call
    }

    /// Begins the call: it has passed screening.
    pub(crate) fn begin<P: Policy>(&mut self, turn: &mut Turn<'_, P>, request: Request) {
        turn.desk.counters.calls += 1;
        turn.desk.owe_response(self.invite, Server::Call(self.key));
        let kin = CancelScope { config: self.config.clone(), ingress: self.ingress.clone() };
        turn.desk.endpoint.accept_cancel_of(self.invite, Arc::new(kin));
        turn.tell(CallEvent::Started { at: turn.now.unix, arrival: self.arrival.clone() });
        tracing::debug!(trunk = %self.arrival.trunk, source = %self.arrival.source, caller = ?self.arrival.caller,
            callee = ?self.arrival.callee, "call");
        let received = Received::new(request);
        let later = self.later(turn);
        match turn.policy.admit(turn.now, &self.arrival, later) {
            Decided::Now(admission) => self.admitted(turn, received, admission),
            Decided::Pending(later) => {
                self.state = State::Admitting { received, until: turn.now.mono + DECISION_BUDGET };
                self.ask(turn, &later, Question::Admit(self.arrival.clone()));
            }
        }
    }

    fn admitted<P: Policy>(&mut self, turn: &mut Turn<'_, P>, received: Received, admission: Admission) {
        match admission {
            Admission::Admit => self.verify(turn, received, turn.now.mono + self.budget()),
            Admission::Refuse(status) => {
                let response = reply_tagged(received.request(), status, &self.tag);
                self.refuse(turn, response);
            }
        }
    }

    /// The longest that this call waits for certificates.
    fn budget(&self) -> Duration {
        self.ingress.trunk.budget.unwrap_or(self.config.budget)
    }

    /// Verifies the untouched message against what is known of certificates; waits for those that are not known.
    fn verify<P: Policy>(&mut self, turn: &mut Turn<'_, P>, received: Received, until: Instant) {
        let verifier = match (&self.ingress.domain, self.ingress.trunk.inbound_identity) {
            (Some(domain), InboundIdentity::Verify) => &domain.verifier,
            (None, InboundIdentity::Verify) | (_, InboundIdentity::Pass | InboundIdentity::Strip) => {
                let offer = received.unjudged(&self.ingress);
                return self.route(turn, offer);
            }
        };
        let snapshot = turn.certificates.snapshot().clone();
        let verification = received.verify(verifier, &self.ingress.trunk, &snapshot, turn.now.unix);
        let cap = self.config.caps.waiting_per_certificate;
        let may_wait = turn.now.mono < until && !verification.wanted().is_empty();
        if may_wait && turn.certificates.wait(Sleeper::Call(self.key), verification.wanted(), cap, turn.desk)
        {
            tracing::debug!(certificates = verification.wanted().len(), "waits for certificates");
            self.state = State::Verifying { received, until };
            return;
        }
        turn.certificates.leave(Sleeper::Call(self.key));
        let finding = received.finding(verification.give_up());
        self.found(turn, received, finding);
    }

    /// The outcome of verification is there: what does it do?
    fn found<P: Policy>(&mut self, turn: &mut Turn<'_, P>, received: Received, finding: Finding) {
        let verification = finding.verification.clone();
        let reason = verification.reason().map_or("", Reason::as_str);
        turn.desk.counters.judge(verification.verdict().as_str(), reason);
        tracing::debug!(verdict = verification.verdict().as_str(), reason, "verified");
        let (call, at) = (self.number(), turn.now.unix);
        turn.tell(CallEvent::Verified { call, at, verification: verification.clone() });
        let planned = finding.consequence(&self.ingress.trunk.outcomes);
        if self.arrival.emergency {
            return self.judged(turn, received, finding, Consequence::Continue);
        }
        let later = self.later(turn);
        match turn.policy.judge(turn.now, &self.arrival, &verification, planned, later) {
            Decided::Now(consequence) => self.judged(turn, received, finding, consequence),
            Decided::Pending(later) => {
                let until = turn.now.mono + DECISION_BUDGET;
                self.state = State::Judging { received, finding, until };
                self.ask(
                    turn,
                    &later,
                    Question::Judge { arrival: self.arrival.clone(), verification, planned },
                );
            }
        }
    }

    fn judged<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        received: Received,
        finding: Finding,
        consequence: Consequence,
    ) {
        let (status, phrase) = match consequence {
            Consequence::Continue => {
                self.reasons.extend(finding.reasons.iter().cloned());
                let offer = received.judged(&finding, &self.ingress);
                return self.route(turn, offer);
            }
            Consequence::Reject => finding.rejection(),
            Consequence::RejectWith(status) => (status, None),
        };
        let mut response = reply_tagged(received.request(), status, &self.tag);
        if let Some(phrase) = phrase {
            response.set_status(status, phrase);
        }
        self.refuse(turn, response);
    }

    /// Finds out where the call goes. The built-in callee's numbers come before all routes.
    fn route<P: Policy>(&mut self, turn: &mut Turn<'_, P>, offer: Offer) {
        let called = self.arrival.destination.as_ref().and_then(Identity::tn);
        if called.is_some_and(|number| self.config.is_callee(number)) {
            return self.answer_as_callee(turn, &offer);
        }
        let later = self.later(turn);
        match turn.policy.route(turn.now, &self.arrival, later) {
            Decided::Now(routing) => self.routed(turn, offer, &routing),
            Decided::Pending(later) => {
                self.state = State::Routing { offer, until: turn.now.mono + DECISION_BUDGET };
                self.ask(turn, &later, Question::Route(self.arrival.clone()));
            }
        }
    }

    fn routed<P: Policy>(&mut self, turn: &mut Turn<'_, P>, offer: Offer, routing: &Routing) {
        match route::plan(&self.config, &self.ingress, &self.arrival, offer.request().uri(), routing) {
            Ok(stops) => {
                self.state = State::Dialling(Box::new(Dialling::new(offer, stops)));
                self.next_attempt(turn);
            }
            Err(status) => {
                let response = reply_tagged(offer.request(), status, &self.tag);
                self.refuse(turn, response);
            }
        }
    }

    /// The built-in callee rings and answers at once.
    fn answer_as_callee<P: Policy>(&mut self, turn: &mut Turn<'_, P>, offer: &Offer) {
        let origin = || dialog::source(self.listener.transport, self.arrival.source);
        let Ok(dialog) = Dialog::answering(offer.request(), &self.tag, origin) else {
            let response = reply_tagged(offer.request(), Status::BAD_REQUEST, &self.tag);
            return self.refuse(turn, response);
        };
        if let Some(mut response) = callee::objection(offer.request()) {
            response.set_to_tag(self.tag.as_str());
            return self.refuse(turn, response);
        }
        let mut ringing = reply_tagged(offer.request(), Status::RINGING, &self.tag);
        bridge::record_route(offer.request(), &mut ringing);
        ringing.headers_mut().push(Name::Contact, self.listener.contact());
        self.provisional(turn, ringing);
        let mut ok = reply_tagged(offer.request(), Status::OK, &self.tag);
        bridge::record_route(offer.request(), &mut ok);
        let headers = ok.headers_mut();
        headers.push(Name::Contact, self.listener.contact());
        headers.push(Name::Allow, bridge::allow());
        if let Some(sdp) = callee::session(offer.request(), &self.listener) {
            headers.push(Name::ContentType, callee::SDP);
            ok.set_body(sdp);
        }
        let mut leg = Leg::new(dialog, Side::Caller, Stage::Early(self.key), self.listener.clone());
        leg.hop = self.way_back();
        leg.far = Far::Callee;
        let a = turn.desk.open_leg(leg);
        self.answered(turn, offer.request(), ok, a, None, self.ingress.trunk.timers.max_call);
    }

    /// Where requests to the caller go: along its WebSocket, whose other end has no address (RFC 7118 appendix B.1), else
    /// where its Contact and its routes say.
    pub(crate) fn way_back(&self) -> Hop {
        self.way.clone().map_or(Hop::Unknown, Hop::Known)
    }

    /// Sends a provisional response, with the Reasons that are owed.
    pub(crate) fn provisional<P>(&mut self, turn: &mut Turn<'_, P>, mut response: Response) {
        self.pay_reasons(&mut response);
        let status = response.status();
        turn.desk.endpoint.respond(turn.now.mono, self.invite, &response);
        turn.tell(CallEvent::Ringing { call: self.number(), at: turn.now.unix, status });
    }

    /// Sends the 2xx on the leg `a`, and confirms both legs.
    pub(crate) fn answered<P>(
        &mut self,
        turn: &mut Turn<'_, P>,
        request: &Request,
        mut response: Response,
        a: Key,
        b: Option<Key>,
        max_call: Duration,
    ) {
        self.pay_reasons(&mut response);
        turn.desk.counters.answered += 1;
        self.record.concluded(turn.now.mono, response.status());
        turn.desk.endpoint.respond(turn.now.mono, self.invite, &response);
        turn.desk.forget_server(self.invite);
        for key in [Some(a), b].into_iter().flatten() {
            if let Some(leg) = turn.desk.legs.get_mut(key) {
                leg.stage = Stage::Confirmed(self.key);
            }
        }
        if let Some(leg) = turn.desk.legs.get_mut(a) {
            let seq = dialog::sequence(request).unwrap_or_default();
            leg.answer =
                Some(Answer::new(turn.now.mono, self.invite, seq, response, &self.config.transactions));
        }
        turn.desk.wind(a);
        turn.tell(CallEvent::Answered { call: self.number(), at: turn.now.unix });
        tracing::debug!("answered");
        self.state = State::Talking { a, b, until: turn.now.mono + max_call };
    }

    /// Refuses the call: this edge's own decision.
    pub(crate) fn refuse<P>(&mut self, turn: &mut Turn<'_, P>, response: Response) {
        let status = response.status();
        self.conclude(turn, response, Cause::Refused(status));
    }

    /// Sends the final response of a call that is not to be, and ends it.
    pub(crate) fn conclude<P>(&mut self, turn: &mut Turn<'_, P>, mut response: Response, cause: Cause) {
        self.pay_reasons(&mut response);
        self.record.concluded(turn.now.mono, response.status());
        turn.desk.endpoint.respond(turn.now.mono, self.invite, &response);
        turn.desk.forget_server(self.invite);
        self.over(turn, cause);
    }

    pub(crate) fn over<P>(&mut self, turn: &mut Turn<'_, P>, cause: Cause) {
        turn.desk.over.push(Over { call: self.key, cause, gone: None, bye: None });
    }

    fn pay_reasons(&mut self, response: &mut Response) {
        for reason in self.reasons.drain(..) {
            response.headers_mut().push(Name::Reason, reason);
        }
    }

    /// New certificates are known.
    pub(crate) fn certificates<P: Policy>(&mut self, turn: &mut Turn<'_, P>) {
        if !matches!(self.state, State::Verifying { .. }) {
            return;
        }
        if let State::Verifying { received, until } = std::mem::replace(&mut self.state, State::Over) {
            self.verify(turn, received, until);
        }
    }

    /// Policy has answered. An answer of another phase is dropped, and the call goes on waiting.
    pub(crate) fn decided<P: Policy>(&mut self, turn: &mut Turn<'_, P>, decision: Decision) {
        match (std::mem::replace(&mut self.state, State::Over), decision) {
            (State::Admitting { received, .. }, Decision::Admit(admission)) => {
                self.forget_question(turn);
                self.admitted(turn, received, admission);
            }
            (State::Judging { received, finding, .. }, Decision::Judge(consequence)) => {
                self.forget_question(turn);
                self.judged(turn, received, finding, consequence);
            }
            (State::Routing { offer, .. }, Decision::Route(routing)) => {
                self.forget_question(turn);
                self.routed(turn, offer, &routing);
            }
            (State::Dialling(dialling), Decision::Attest(attestation)) => {
                self.state = State::Dialling(dialling);
                self.attested(turn, attestation);
            }
            (state, decision) => {
                tracing::debug!(?decision, "a decision of another phase is dropped");
                self.state = state;
            }
        }
    }

    /// When the call next has something to do of itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Admitting { until, .. }
            | State::Verifying { until, .. }
            | State::Judging { until, .. }
            | State::Routing { until, .. }
            | State::Talking { until, .. } => Some(*until),
            State::Dialling(dialling) => dialling.deadline(),
            State::Over => None,
        }
    }

    /// The deadline has come. Where policy did not answer in time, the call is refused, unless it is an emergency call: that
    /// goes on as the configuration says.
    pub(crate) fn alarm<P: Policy>(&mut self, turn: &mut Turn<'_, P>) {
        if self.deadline().is_none_or(|deadline| deadline > turn.now.mono) {
            return;
        }
        let emergency = self.arrival.emergency;
        if !matches!(self.state, State::Dialling(_)) {
            self.forget_question(turn);
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Verifying { received, until } => self.verify(turn, received, until),
            State::Admitting { received, .. } if emergency => self.admitted(turn, received, Admission::Admit),
            State::Judging { received, finding, .. } if emergency => {
                self.judged(turn, received, finding, Consequence::Continue);
            }
            State::Routing { offer, .. } if emergency => self.routed(turn, offer, &Routing::Configured),
            State::Admitting { received, .. } | State::Judging { received, .. } => {
                self.undecided(turn, received.request());
            }
            State::Routing { offer, .. } => self.undecided(turn, offer.request()),
            State::Dialling(dialling) => {
                self.state = State::Dialling(dialling);
                self.attempt_overdue(turn);
            }
            State::Talking { a, b, until } => {
                self.state = State::Talking { a, b, until };
                self.over(turn, Cause::TooLong);
            }
            State::Over => {}
        }
    }

    pub(crate) fn undecided<P>(&mut self, turn: &mut Turn<'_, P>, request: &Request) {
        tracing::warn!("policy did not answer in time");
        let response = reply_tagged(request, Status::SERVICE_UNAVAILABLE, &self.tag);
        self.refuse(turn, response);
    }

    /// The caller gave up: its INVITE gets a 487 (RFC 3261 section 9.2), and the callee's side is told why when the call
    /// ends.
    pub(crate) fn cancelled<P>(&mut self, turn: &mut Turn<'_, P>, cancel: &Request) {
        let Some(request) = self.request() else { return };
        let response = reply_tagged(request, Status::REQUEST_TERMINATED, &self.tag);
        let reason = reason_of(cancel);
        self.abandon_attempt(turn, reason);
        self.conclude(turn, response, Cause::Cancelled);
    }

    /// The INVITE of the caller, while the call is being set up.
    pub(crate) fn request(&self) -> Option<&Request> {
        match &self.state {
            State::Admitting { received, .. }
            | State::Verifying { received, .. }
            | State::Judging { received, .. } => Some(received.request()),
            State::Routing { offer, .. } => Some(offer.request()),
            State::Dialling(dialling) => Some(dialling.offer.request()),
            State::Talking { .. } | State::Over => None,
        }
    }

    /// The call has ended: what is left of it is ended too. `over` says what is ended already.
    pub(crate) fn finish<P>(mut self, turn: &mut Turn<'_, P>, over: &Over) {
        let _span = self.span.clone().entered();
        turn.certificates.leave(Sleeper::Call(self.key));
        turn.desk.alarms.set(Sleeper::Call(self.key), &mut self.alarm, None);
        // The caller ended its early dialog by a BYE: the INVITE is still owed an answer (RFC 3261 section 15.1.2).
        if let Some(request) = self.request()
            && turn.desk.server(self.invite).is_some()
        {
            let response = reply_tagged(request, Status::REQUEST_TERMINATED, &self.tag);
            self.record.concluded(turn.now.mono, response.status());
            turn.desk.endpoint.respond(turn.now.mono, self.invite, &response);
            turn.desk.forget_server(self.invite);
        }
        self.abandon_attempt(turn, None);
        if let State::Talking { a, b, .. } = self.state {
            for key in [Some(a), b].into_iter().flatten() {
                turn.desk.hang_up(turn.now, key, over.gone == Some(key), over.bye.as_ref());
            }
        }
        turn.desk.counters.end(over.cause);
        self.record.log(turn.now.mono, &self.arrival, over.cause);
        turn.tell(CallEvent::Ended { call: self.number(), at: turn.now.unix, cause: over.cause });
    }

    /// The right to answer a phase later; where the phase answers at once, the token is never used.
    pub(crate) fn later<P>(&self, turn: &mut Turn<'_, P>) -> Later {
        Later(turn.desk.token())
    }

    /// Asks policy by way of the shell.
    pub(crate) fn ask<P>(&mut self, turn: &mut Turn<'_, P>, later: &Later, question: Question) {
        let token = later.token();
        self.await_answer(turn, token);
        turn.desk.emit(Output::Decide { token, question });
    }

    /// The call waits for the answer that bears `token`, and for no other: it has one question at a time.
    pub(crate) fn await_answer<P>(&mut self, turn: &mut Turn<'_, P>, token: Token) {
        self.forget_question(turn);
        self.asked = Some(token);
        turn.desk.wait(token, Waiter::Call(self.key));
    }

    /// The question is answered, or its answer is of no use any more.
    pub(crate) fn forget_question<P>(&mut self, turn: &mut Turn<'_, P>) {
        if let Some(token) = self.asked.take() {
            turn.desk.forget_token(token);
        }
    }

    /// Sets the alarm to the deadline; to be called after each step.
    pub(crate) fn wind(&mut self, desk: &mut Desk) {
        let deadline = self.deadline();
        desk.alarms.set(Sleeper::Call(self.key), &mut self.alarm, deadline);
    }
}
