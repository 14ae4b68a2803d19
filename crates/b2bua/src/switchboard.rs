//! The top object: inputs in, outputs out.

mod closing;
mod letters;

use std::sync::Arc;
use std::time::Instant;

use attesta_sip::{CSeq, Method, Name, NameAddr, Request, Response, Status, Uri};
use attesta_stir::Identity;
use attesta_stir::cert::Snapshot;
use attesta_transaction as transaction;
use attesta_transaction::{ClientId, Event, Failure, Flow, Seed, ServerId, WorkerPlace};
use bytes::Bytes;

use crate::arena::{Arena, Key};
use crate::bridge;
use crate::call::{Call, State, Turn};
use crate::certificates::Certificates;
use crate::config::{Config, TrunkEntry};
use crate::counters::{Counters, Refusal};
use crate::desk::{Client, Desk, Server, Sleeper, Waiter, first_number};
use crate::dialog::{self, Dialog, DialogId};
use crate::event::{Arrival, CallNumber};
use crate::identity;
use crate::io::{Input, Now, Output, ResolveError, Token};
use crate::leg::{Accepted, Ack, Leg, Side, Stage};
use crate::policy::{DefaultPolicy, Policy};
use crate::record::Record;
use crate::screening::{self, Purpose};
use closing::Hours;
use letters::Letter;

/// The back-to-back user agent of one worker.
///
/// It has no socket, clock, task or lock. [`handle_input`](Self::handle_input) takes in what happened; then
/// [`poll_output`](Self::poll_output) is drained until it gives [`Output::Timeout`].
#[derive(Debug)]
pub struct Switchboard<P = DefaultPolicy> {
    policy: P,
    desk: Desk,
    certificates: Certificates,
    calls: Arena<Call>,
    /// MESSAGEs that are being verified.
    letters: Arena<Letter>,
    numbers: u64,
    hours: Hours,
    /// When the endpoint wants to be woken.
    endpoint_deadline: Option<Instant>,
}

impl<P: Policy> Switchboard<P> {
    /// A switchboard without calls. What it makes carries `place`; all its chance comes from `seed`.
    #[must_use]
    pub fn new(config: Arc<Config>, policy: P, place: WorkerPlace, seed: &Seed) -> Self {
        Self {
            policy,
            desk: Desk::new(config, place, seed),
            certificates: Certificates::default(),
            calls: Arena::new(),
            letters: Arena::new(),
            numbers: first_number(place),
            hours: Hours::Open,
            endpoint_deadline: None,
        }
    }

    /// Takes in what happened outside, at `now`. Time never runs backwards from call to call.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        match input {
            Input::Datagram { flow, data } => {
                self.desk.endpoint.handle_input(now.mono, transaction::Input::Datagram { flow, data });
            }
            Input::Unreadable { flow, error } => {
                self.desk.endpoint.handle_input(now.mono, transaction::Input::Unreadable { flow, error });
            }
            Input::TransportFailed(transmit) => {
                self.desk.endpoint.handle_input(now.mono, transaction::Input::TransportFailed(transmit));
            }
            Input::NoRoom(transmit) => {
                self.desk.endpoint.handle_input(now.mono, transaction::Input::NoRoom(transmit));
            }
            Input::Timeout => {
                self.desk.endpoint.handle_input(now.mono, transaction::Input::Timeout);
                self.drain_endpoint(now);
                self.fire_alarms(now);
            }
            Input::Resolved { token, result } => match self.desk.waiter(token) {
                Some(Waiter::Call(key)) => {
                    self.with_call(now, key, |call, turn| call.resolved(turn, result));
                }
                Some(Waiter::Leg(key)) => self.desk.leg_resolved(now, key, result),
                Some(Waiter::Page(key)) => self.desk.page_resolved(now, key, result),
                None => {}
            },
            Input::Reached { token, result } => {
                self.answer(now, token, |call, turn| call.reached(turn, result));
            }
            Input::Certificates(snapshot) => self.learn(now, snapshot),
            Input::Signed { token, result } => {
                self.answer(now, token, |call, turn| call.signed(turn, result));
            }
            Input::Decided { token, decision } => {
                self.answer(now, token, |call, turn| call.decided(turn, decision));
            }
            Input::Configure(config) => self.desk.config = config,
            Input::Drain => self.close(),
            Input::HangUp => self.hang_up_all(now),
        }
        self.drain_endpoint(now);
    }

    /// What must happen outside, in order; [`Output::Timeout`] once nothing is left.
    pub fn poll_output(&mut self) -> Output {
        self.desk.outbox.pop_front().unwrap_or_else(|| {
            let deadlines = [self.endpoint_deadline, self.desk.alarms.next()];
            Output::Timeout(deadlines.into_iter().flatten().min())
        })
    }

    /// What was counted so far, and how much lives now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.desk.counters(self.calls.len());
        counters.draining = u64::from(self.hours != Hours::Open);
        counters
    }

    /// Whether a trunk claims the address that a message of this flow comes from: only such peers begin calls.
    #[must_use]
    pub fn knows(&self, flow: &Flow) -> bool {
        self.desk.config.screen(flow).is_some()
    }

    /// Whether a trunk claims the address that this flow comes from, or a name that its peer's certificate proves: of a trunk
    /// that goes by both, either, so that its peers are known before their handshake.
    #[must_use]
    pub fn claims(&self, flow: &Flow) -> bool {
        self.desk.config.claims(flow)
    }

    /// The policy.
    pub const fn policy_mut(&mut self) -> &mut P {
        &mut self.policy
    }

    /// Takes what the endpoint has to say, until it has no more; each event may lead to others.
    fn drain_endpoint(&mut self, now: Now) {
        self.settle(now);
        loop {
            match self.desk.endpoint.poll_output() {
                transaction::Output::Transmit(transmit) => self.desk.emit(Output::Transmit(transmit)),
                transaction::Output::Event(event) => {
                    self.handle_event(now, event);
                    self.settle(now);
                }
                transaction::Output::Timeout(deadline) => {
                    self.endpoint_deadline = deadline;
                    return;
                }
            }
        }
    }

    fn handle_event(&mut self, now: Now, event: Event) {
        match event {
            Event::Request { id, request, flow, on_reserve } => {
                self.requested(now, id, request, &flow, on_reserve);
            }
            Event::Ack { request, .. } => {
                if let Some(leg) = DialogId::of_request(&request).and_then(|id| self.desk.leg_of(&id)) {
                    self.desk.acknowledged(now, leg, &request);
                }
            }
            Event::Cancelled { invite, request } => match self.desk.server(invite) {
                Some(Server::Call(key)) => {
                    self.with_call(now, key, |call, turn| call.cancelled(turn, &request));
                }
                Some(Server::Relay(key)) => self.desk.relay_cancelled(now, key, &request),
                None => {}
            },
            Event::Response { id, response, flow } => self.responded(now, id, &response, &flow),
            Event::ClientFailed { id, why } => self.client_failed(now, id, why),
            // A 2xx that is not acknowledged is the leg's own affair; of other responses nothing follows.
            Event::ServerFailed { id, why } => tracing::debug!(?id, %why, "response not delivered"),
            Event::ClientTerminated { id } => {
                self.desk.forget_client(id);
                self.desk.forget_answers(id);
            }
            Event::ServerTerminated { id } => self.desk.forget_server(id),
        }
    }

    /// A request: of a dialog, or one that may begin a call.
    fn requested(&mut self, now: Now, id: ServerId, request: Request, flow: &Flow, on_reserve: bool) {
        match DialogId::of_request(&request).and_then(|dialog| self.desk.leg_of(&dialog)) {
            Some(leg) => self.desk.in_dialog(now, leg, id, request),
            None if screening::is_outside(&request) => self.outside(now, id, request, flow, on_reserve),
            None if self.desk.config.screen(flow).is_none() => {
                self.desk.dismiss(id, &request, flow, Status::CALL_DOES_NOT_EXIST, Refusal::NoDialog);
            }
            None => {
                let status = Status::CALL_DOES_NOT_EXIST;
                self.desk.refuse(now.mono, id, &request, status, Refusal::NoDialog);
            }
        }
    }

    /// Screens a request outside any dialog (RFC 3261 section 8.2): source, method, Request-URI, extensions.
    /// On the reserve of the transaction layer nothing goes on but emergency calls.
    fn outside(&mut self, now: Now, id: ServerId, request: Request, flow: &Flow, on_reserve: bool) {
        let trunk = self.desk.config.screen(flow).cloned();
        let emergency = *request.method() == Method::Invite && is_emergency(&self.desk.config, &request);
        let Some(ingress) = trunk else {
            return self.desk.dismiss(id, &request, flow, Status::FORBIDDEN, Refusal::UnknownSource);
        };
        if on_reserve && !emergency {
            return self.desk.endpoint.turn_away(now.mono, id, &request, flow);
        }
        match screening::screen(&request) {
            Err((status, refusal)) => self.desk.refuse(now.mono, id, &request, status, refusal),
            Ok(purpose) if self.is_closed_to(purpose, &request) => {
                let status = Status::SERVICE_UNAVAILABLE;
                self.desk.refuse(now.mono, id, &request, status, Refusal::Draining);
            }
            Ok(Purpose::Query) => self.answer_options(now, id, &request),
            Ok(Purpose::Page) => self.letter(now, id, request, flow, ingress),
            Ok(Purpose::Call) => {
                if self.calls.len() >= self.desk.config.caps.calls && !emergency {
                    let status = Status::SERVICE_UNAVAILABLE;
                    return self.desk.refuse(now.mono, id, &request, status, Refusal::CallCap);
                }
                self.begin(now, id, request, flow, ingress, emergency);
            }
        }
    }

    /// An OPTIONS to us (RFC 3261 section 11.2).
    fn answer_options(&mut self, now: Now, id: ServerId, request: &Request) {
        let mut response = self.desk.reply(request, Status::OK);
        let headers = response.headers_mut();
        headers.push(Name::Allow, bridge::allow());
        headers.push(Name::Accept, "*/*");
        headers.push(Name::Supported, bridge::OPTIONS.join(", "));
        self.desk.endpoint.respond(now.mono, id, &response);
    }

    fn begin(
        &mut self,
        now: Now,
        id: ServerId,
        request: Request,
        flow: &Flow,
        ingress: Arc<TrunkEntry>,
        emergency: bool,
    ) {
        let Some(listener) = self.desk.listener_at(flow) else { return };
        let arrival = self.arrival(&request, flow, &ingress, emergency);
        let (config, tag) = (self.desk.config.clone(), self.desk.ids.tag());
        let span = tracing::debug_span!("call", id = arrival.call.get());
        let way = flow.transport.is_websocket().then(|| flow.clone());
        let key = self.calls.insert_with(|key| Call {
            key,
            config,
            arrival,
            ingress,
            listener,
            way,
            invite: id,
            tag,
            state: State::Over,
            asked: None,
            reasons: Vec::new(),
            alarm: None,
            record: Record::new(now.mono),
            span,
        });
        self.with_call(now, key, |call, turn| call.begin(turn, request));
    }

    /// What policy and routes are told of a request.
    fn arrival(
        &mut self,
        request: &Request,
        flow: &Flow,
        ingress: &TrunkEntry,
        emergency: bool,
    ) -> Arc<Arrival> {
        self.numbers += 1;
        let headers = request.headers();
        Arc::new(Arrival {
            call: CallNumber(self.numbers),
            trunk: ingress.trunk.name().clone(),
            source: flow.remote,
            call_id: Bytes::copy_from_slice(headers.get(Name::CallId).unwrap_or_default()),
            caller: identity::judged(headers, &ingress.trunk),
            callee: identity::callee(headers, &ingress.trunk),
            destination: Identity::callee(request.uri(), &ingress.trunk.dial_plan).ok(),
            emergency,
        })
    }

    fn responded(&mut self, now: Now, id: ClientId, response: &Response, flow: &Flow) {
        match self.desk.client(id) {
            Some(Client::Invite(key)) => {
                let taken = self.with_call(now, key, |call, turn| call.invited(turn, response, flow));
                if taken != Some(true) {
                    self.answered_again(now, id, response, flow);
                }
            }
            Some(Client::Relay(key)) => {
                if response.status().is_final() {
                    self.desk.forget_client(id);
                }
                self.desk.relay_response(now, key, response);
            }
            Some(Client::Bye(leg)) => {
                if response.status().is_final() {
                    self.desk.forget_client(id);
                    self.desk.close_leg(leg);
                }
            }
            Some(Client::Page(key)) => {
                if response.status().is_final() {
                    self.desk.forget_client(id);
                }
                self.desk.page_answered(now, key, response);
            }
            None => self.answered_again(now, id, response, flow),
        }
        if let Some((dialog, _)) = answer(response) {
            self.desk.note_answer(id, dialog);
        }
    }

    /// A 2xx to an INVITE that nobody waits for: the same again, which gets its ACK again while its dialog lives; or one more
    /// dialog, of a fork or of an INVITE that was given up, which is acknowledged and ended (RFC 3261 section 13.2.2.4).
    fn answered_again(&mut self, now: Now, client: ClientId, response: &Response, flow: &Flow) {
        let Some((id, seq)) = answer(response) else { return };
        if let Some(leg) = self.desk.leg_of(&id) {
            return self.desk.accepted_again(now, leg, seq);
        }
        if self.desk.has_answer(client, &id) {
            return tracing::debug!("an answer of a dialog that is over came late");
        }
        if self.desk.is_answered_enough(client) {
            return self.desk.counters.refuse(Refusal::AnswerCap);
        }
        let Ok(dialog) = Dialog::calling(response, || dialog::source(flow.transport, flow.remote)) else {
            return;
        };
        let Some(listener) = self.desk.listener_at(flow) else { return };
        tracing::debug!("one answer too many is acknowledged and ended");
        let mut leg = Leg::new(dialog, Side::Callee, Stage::Ending, listener);
        leg.invite = Some(Accepted { seq, ack: Ack::Due });
        let key = self.desk.open_leg(leg);
        self.desk.hang_up(now, key, false, None);
    }

    fn client_failed(&mut self, now: Now, id: ClientId, why: Failure) {
        let client = self.desk.client(id);
        self.desk.forget_client(id);
        match client {
            Some(Client::Invite(key)) => {
                self.with_call(now, key, |call, turn| call.invite_failed(turn, why));
            }
            Some(Client::Relay(key)) => self.desk.relay_failed(now, key, why),
            Some(Client::Bye(leg)) => self.desk.close_leg(leg),
            Some(Client::Page(key)) => self.desk.page_failed(now, key, why),
            None => {}
        }
    }

    /// New certificates: those that wait for them are verified again, oldest first.
    fn learn(&mut self, now: Now, snapshot: Arc<Snapshot>) {
        for waiting in self.certificates.learn(snapshot) {
            match waiting {
                Sleeper::Call(key) => {
                    self.with_call(now, key, Call::certificates);
                }
                Sleeper::Letter(key) => self.read(now, key),
                Sleeper::Leg(_) | Sleeper::Relay(_) | Sleeper::Page(_) => {}
            }
        }
    }

    fn answer(&mut self, now: Now, token: Token, step: impl FnOnce(&mut Call, &mut Turn<'_, P>)) {
        if let Some(Waiter::Call(key)) = self.desk.waiter(token) {
            self.with_call(now, key, step);
        }
    }

    /// Lets a call take a step, and sets its alarm after it.
    fn with_call<T>(
        &mut self,
        now: Now,
        key: Key,
        step: impl FnOnce(&mut Call, &mut Turn<'_, P>) -> T,
    ) -> Option<T> {
        let call = self.calls.get_mut(key)?;
        let _span = call.span.clone().entered();
        let (desk, certificates) = (&mut self.desk, &mut self.certificates);
        let result = step(call, &mut Turn { now, desk, certificates, policy: &mut self.policy });
        call.wind(&mut self.desk);
        Some(result)
    }

    fn fire_alarms(&mut self, now: Now) {
        while let Some(sleeper) = self.desk.alarms.due(now.mono) {
            match sleeper {
                Sleeper::Call(key) => {
                    self.with_call(now, key, Call::alarm);
                }
                Sleeper::Leg(key) => self.desk.leg_alarm(now, key),
                Sleeper::Relay(key) => self.desk.relay_overdue(now, key),
                Sleeper::Page(key) => self.desk.page_resolved(now, key, Err(ResolveError::Timeout)),
                Sleeper::Letter(key) => self.read(now, key),
            }
            self.settle(now);
        }
    }

    /// Ends the calls that are over.
    fn settle(&mut self, now: Now) {
        while let Some(over) = self.desk.over.pop() {
            if let Some(call) = self.calls.remove(over.call) {
                let (desk, certificates) = (&mut self.desk, &mut self.certificates);
                call.finish(&mut Turn { now, desk, certificates, policy: &mut self.policy }, &over);
            }
        }
    }
}

/// The dialog of a 2xx to an INVITE, and the number in its CSeq; `None` for any other response.
fn answer(response: &Response) -> Option<(DialogId, u32)> {
    let cseq = CSeq::parse(response.headers().get(Name::CSeq)?).ok()?;
    let answers = response.status().is_success() && *cseq.method() == Method::Invite;
    answers.then(|| DialogId::of_response(response)).flatten().map(|dialog| (dialog, cseq.number()))
}

/// Whether a request calls an emergency service: by the URN of RFC 5031, or by a configured number. The Request-URI decides;
/// To counts where the Request-URI names no number, as once a proxy has found the answering point. A caller who writes
/// `urn:service:sos` into To does not make a call to an ordinary number one.
fn is_emergency(config: &Config, request: &Request) -> bool {
    let number = |uri: &[u8]| Identity::callee(uri, &attesta_stir::DialPlan::default()).ok()?.tn().copied();
    let named = |uri: &[u8]| {
        let by_urn = matches!(Uri::parse(uri), Ok(Uri::Absolute(uri)) if uri.is_emergency());
        by_urn || number(uri).is_some_and(|number| config.is_emergency(&number))
    };
    let to = request.headers().get(Name::To).and_then(|to| NameAddr::parse(to).ok());
    let meant = || number(request.uri()).is_none() && to.is_some_and(|to| named(to.uri().as_bytes()));
    named(request.uri()) || meant()
}
