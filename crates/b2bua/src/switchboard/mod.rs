//! The top object of this crate. It takes inputs and returns outputs. It finds the owner of each input, and owns all calls,
//! MESSAGEs and closing legs.

mod dispatch;
mod lookup;
mod named;
mod service;
mod shutdown;

use std::sync::Arc;
use std::time::Instant;

use attesta_stir::cert::Snapshot;
use attesta_transaction as transaction;
use attesta_transaction::{Flow, Seed, WorkerPlace};

use crate::alarm::Alarms;
use crate::arena::{Arena, CallKey, ClosingKey, MessageKey, OfCall, OfClosing, OfLookup, OfMessage};
use crate::call::Call;
use crate::call::closing::{ClosingInput, ClosingLeg};
use crate::call::end::ReleasedLeg;
use crate::call::input::{CallInput, CallStep};
use crate::config::Config;
use crate::counters::Counters;
use crate::env::{Env, Shared, first_number};
use crate::io::{Destination, Input, Output, ResolveError};
use crate::message::{MessageInput, MessageRelay};
use crate::now::Now;
use crate::owners::Owner;
use crate::policy::{Decision, DefaultPolicy, Policy};
use crate::switchboard::lookup::Lookup;
use crate::switchboard::service::ServiceState;
use crate::token::Token;

/// The back-to-back user agent of one worker.
///
/// The switchboard has no socket, clock, task or lock. [`handle_input`](Self::handle_input) takes an event from outside. Call
/// [`poll_output`](Self::poll_output) afterwards, until it returns [`Output::Timeout`].
#[derive(Debug)]
pub struct Switchboard<P = DefaultPolicy> {
    policy: P,
    shared: Shared,
    calls: Arena<OfCall, Call>,
    messages: Arena<OfMessage, MessageRelay>,
    /// Legs whose call is over, while a BYE or an ACK is outstanding.
    closing: Arena<OfClosing, ClosingLeg>,
    /// Requests that wait for a dialog of another worker.
    lookups: Arena<OfLookup, Lookup>,
    alarms: Alarms<Owner>,
    /// The number of the last call.
    numbers: u64,
    service: ServiceState,
    /// The time at which the endpoint has work to do.
    endpoint_deadline: Option<Instant>,
}

impl<P: Policy> Switchboard<P> {
    /// Creates a switchboard without calls. Its identifiers contain `place`. All its random values are derived from `seed`.
    #[must_use]
    pub fn new(config: Arc<Config>, policy: P, place: WorkerPlace, seed: &Seed) -> Self {
        Self {
            policy,
            shared: Shared::new(config, place, seed),
            calls: Arena::new(),
            messages: Arena::new(),
            closing: Arena::new(),
            lookups: Arena::new(),
            alarms: Alarms::new(),
            numbers: first_number(place),
            service: ServiceState::Open,
            endpoint_deadline: None,
        }
    }

    /// Handles an event from outside, at the time `now`. The time must never be earlier than in the previous call of this
    /// function.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        match input {
            Input::Datagram { flow, data } => {
                self.feed_endpoint(now, transaction::Input::Datagram { flow, data });
            }
            Input::Unreadable { flow, error } => {
                self.feed_endpoint(now, transaction::Input::Unreadable { flow, error });
            }
            Input::TransportFailed(transmit) => {
                self.feed_endpoint(now, transaction::Input::TransportFailed(transmit));
            }
            Input::NoRoom(transmit) => self.feed_endpoint(now, transaction::Input::NoRoom(transmit)),
            Input::Timeout => {
                self.feed_endpoint(now, transaction::Input::Timeout);
                self.drain_endpoint(now);
                self.fire_alarms(now);
            }
            Input::Resolved { token, result } => self.on_resolved(now, token, result),
            Input::Reached { token, result } => {
                self.answer_call(now, token, CallInput::Reached { token, result });
            }
            Input::Certificates(snapshot) => self.learn(now, snapshot),
            Input::Signed { token, result } => {
                self.answer_call(now, token, CallInput::Signed { token, result })
            }
            Input::Decided { token, decision } => self.on_decided(now, token, decision),
            Input::DialogFound { token, dialog } => self.on_dialog_found(now, token, dialog),
            Input::Configure(config) => self.shared.config = config,
            Input::Drain => self.drain(),
            Input::HangUp => self.hang_up_all(now),
        }
        self.drain_endpoint(now);
    }

    /// Returns the next action for the shell, in order. Returns [`Output::Timeout`] if no action remains.
    pub fn poll_output(&mut self) -> Output {
        self.shared.take_output().unwrap_or_else(|| {
            let deadlines = [self.endpoint_deadline, self.alarms.next()];
            Output::Timeout(deadlines.into_iter().flatten().min())
        })
    }

    /// Returns the counts so far, and the numbers of live objects.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let (shared, calls) = (&self.shared, self.calls_in_progress());
        let mut counters = shared.counters.read(calls, shared.owners.dialogs(), shared.endpoint.counters());
        counters.targets_out_of_service = shared.targets.out_of_service() as u64;
        counters.draining = u64::from(self.service != ServiceState::Open);
        counters
    }

    /// True if a trunk claims the source address of this flow. Only such peers may start calls.
    #[must_use]
    pub fn knows(&self, flow: &Flow) -> bool {
        self.shared.config.screen(flow).is_some()
    }

    /// True if a trunk claims the address of this flow, or a name that the certificate of its peer proves. For a trunk that
    /// requires both, the address or the name is enough here: before the handshake, the name of the peer is not known.
    #[must_use]
    pub fn claims(&self, flow: &Flow) -> bool {
        self.shared.config.claims(flow)
    }

    /// Returns the policy.
    pub const fn policy_mut(&mut self) -> &mut P {
        &mut self.policy
    }

    /// The calls that are not over. A call that is over may wait for the end of a subscription.
    fn calls_in_progress(&self) -> usize {
        let subscribed = usize::try_from(self.shared.counters.subscriptions_live).unwrap_or_default();
        self.calls.len().saturating_sub(subscribed)
    }

    fn feed_endpoint(&mut self, now: Now, input: transaction::Input) {
        self.shared.endpoint.handle_input(now.mono, input);
    }

    /// Handles the outputs of the endpoint until no output remains. Each output may cause further outputs.
    fn drain_endpoint(&mut self, now: Now) {
        loop {
            match self.shared.endpoint.poll_output() {
                transaction::Output::Transmit(transmit) => {
                    self.shared.out.push_back(Output::Transmit(transmit));
                }
                transaction::Output::Event(event) => self.on_event(now, event),
                transaction::Output::Timeout(deadline) => {
                    self.endpoint_deadline = deadline;
                    return;
                }
            }
        }
    }

    fn on_resolved(&mut self, now: Now, token: Token, result: Result<Vec<Destination>, ResolveError>) {
        match self.shared.owners.of_token(token) {
            Some(Owner::Call(key)) => {
                let input = CallInput::Resolved { token, result };
                self.with_call(now, key, |call, env| call.handle(input, env));
            }
            Some(Owner::Message(key)) => {
                let input = MessageInput::Resolved { token, result };
                self.with_message(now, key, |message, env| message.handle(input, env));
            }
            Some(Owner::Closing(key)) => {
                let input = ClosingInput::Resolved(result);
                self.with_closing(now, key, |leg, env| leg.handle(input, env));
            }
            Some(Owner::Lookup(_)) | None => {}
        }
    }

    fn on_decided(&mut self, now: Now, token: Token, decision: Decision) {
        match self.shared.owners.of_token(token) {
            Some(Owner::Message(key)) => {
                let input = MessageInput::Decided { token, decision };
                self.with_message(now, key, |message, env| message.handle(input, env));
            }
            Some(Owner::Call(_) | Owner::Closing(_) | Owner::Lookup(_)) | None => {
                self.answer_call(now, token, CallInput::Decided { token, decision });
            }
        }
    }

    /// Gives the answer with this token to its call. If there is no owner, the answer is too late and is ignored.
    fn answer_call(&mut self, now: Now, token: Token, input: CallInput<'_>) {
        if let Some(Owner::Call(key)) = self.shared.owners.of_token(token) {
            self.with_call(now, key, |call, env| call.handle(input, env));
        }
    }

    /// Handles new certificates. The requests that wait for certificates are verified again, oldest first.
    fn learn(&mut self, now: Now, snapshot: Arc<Snapshot>) {
        for owner in self.shared.certificates.learn(snapshot) {
            match owner {
                Owner::Call(key) => {
                    self.with_call(now, key, |call, env| call.handle(CallInput::Certificates, env));
                }
                Owner::Message(key) => {
                    self.with_message(now, key, |message, env| {
                        message.handle(MessageInput::Certificates, env);
                    });
                }
                Owner::Closing(_) | Owner::Lookup(_) => {}
            }
        }
    }

    fn fire_alarms(&mut self, now: Now) {
        while let Some(owner) = self.alarms.take_due(now.mono) {
            match owner {
                Owner::Call(key) => {
                    self.with_call(now, key, |call, env| {
                        call.alarm = None;
                        call.handle(CallInput::Deadline, env)
                    });
                }
                Owner::Message(key) => {
                    self.with_message(now, key, |message, env| {
                        message.alarm = None;
                        message.handle(MessageInput::Deadline, env);
                    });
                }
                Owner::Lookup(key) => {
                    if let Some(lookup) = self.lookups.get_mut(key) {
                        lookup.alarm = None;
                    }
                    self.end_lookup(now, key, None);
                }
                Owner::Closing(key) => {
                    self.with_closing(now, key, |leg, env| {
                        leg.alarm = None;
                        leg.handle(ClosingInput::Deadline, env);
                    });
                }
            }
        }
    }

    /// Performs a step of a call, and sets the alarm of the call. The legs that the call has released become closing legs.
    /// Returns `NotTaken` if there is no such call.
    fn with_call(
        &mut self,
        now: Now,
        key: CallKey,
        step: impl FnOnce(&mut Call, &mut Env<'_>) -> CallStep,
    ) -> CallStep {
        let Some(call) = self.calls.get_mut(key) else { return CallStep::NotTaken };
        let step = step(call, &mut self.shared.env(now, &mut self.policy));
        let released = call.take_released();
        let deadline = call.deadline();
        self.alarms.set(Owner::Call(key), &mut call.alarm, deadline);
        if step == CallStep::Over {
            self.calls.remove(key);
        }
        for leg in released {
            self.close_with(now, |owner, env| {
                let mut leg = leg;
                leg.leg.hand_to(owner, env);
                leg
            });
        }
        step
    }

    /// Performs a step of a MESSAGE, and sets its alarm.
    fn with_message(
        &mut self,
        now: Now,
        key: MessageKey,
        step: impl FnOnce(&mut MessageRelay, &mut Env<'_>),
    ) {
        if let Some(message) = self.messages.get_mut(key) {
            step(message, &mut self.shared.env(now, &mut self.policy));
            let deadline = message.deadline();
            self.alarms.set(Owner::Message(key), &mut message.alarm, deadline);
            if message.is_over() {
                self.messages.remove(key);
            }
        }
    }

    /// Performs a step of a closing leg, and sets its alarm.
    fn with_closing(&mut self, now: Now, key: ClosingKey, step: impl FnOnce(&mut ClosingLeg, &mut Env<'_>)) {
        if let Some(leg) = self.closing.get_mut(key) {
            step(leg, &mut self.shared.env(now, &mut self.policy));
            self.settle(key);
        }
    }

    /// Sets the alarm of a closing leg, or deletes the leg if no message in its dialog is outstanding.
    fn settle(&mut self, key: ClosingKey) {
        if let Some(leg) = self.closing.get_mut(key) {
            let deadline = if leg.is_over() { None } else { leg.deadline() };
            self.alarms.set(Owner::Closing(key), &mut leg.alarm, deadline);
            if leg.is_over() {
                self.closing.remove(key);
            }
        }
    }

    /// Ends a leg that has no call. The leg sends an ACK and a BYE, and waits for the response.
    fn close_with(&mut self, now: Now, leg: impl FnOnce(Owner, &mut Env<'_>) -> ReleasedLeg) {
        let env = &mut self.shared.env(now, &mut self.policy);
        let key = self.closing.insert_with(|key| {
            let released = leg(Owner::Closing(key), env);
            ClosingLeg::begin(released, env)
        });
        self.settle(key);
    }
}
