//! The dispatch of each event of the endpoint to its owner: a call, a MESSAGE or a closing leg. Some events are answered at
//! once.

use std::sync::Arc;

use attesta_sip::{CSeq, Method, Name, Request, Response, Status};
use attesta_transaction::{ClientId, Event, Failure, Flow, ServerId};

use crate::call::Call;
use crate::call::closing::ClosingInput;
use crate::call::crossing::{Arrival, Crossing, Situation, cross};
use crate::call::end::ReleasedLeg;
use crate::call::input::{CallInput, CallStep};
use crate::call::replacement::Replacement;
use crate::config::trunk_entry::TrunkEntry;
use crate::counters::Refusal;
use crate::event::CallNumber;
use crate::headers::address::source;
use crate::headers::dialog_id::DialogId;
use crate::headers::dialog_names::names_dialogs;
use crate::headers::timer::is_too_short;
use crate::intake::emergency::is_emergency;
use crate::intake::origin::{Origin, arrival};
use crate::intake::screening::{Purpose, is_outside, screen};
use crate::io::Output;
use crate::late_answers::MOST_ACKS_AGAIN;
use crate::leg::dialog::Dialog;
use crate::leg::{Leg, LegSettings, Side};
use crate::message::{MessageInput, MessageRelay};
use crate::now::Now;
use crate::options;
use crate::owners::Owner;
use crate::policy::Policy;
use crate::switchboard::Switchboard;
use crate::trunk::rules::LegRules;

impl<P: Policy> Switchboard<P> {
    pub(super) fn on_event(&mut self, now: Now, event: Event) {
        match event {
            Event::Request { id, request, flow, on_reserve } => {
                self.on_request(now, id, request, &flow, on_reserve);
            }
            Event::Ack { request, flow, .. } => self.on_ack(now, request, &flow),
            Event::Cancelled { invite, request } => {
                if let Some(Owner::Call(key)) = self.shared.owners.of_server(invite) {
                    let input = CallInput::Cancelled { server: invite, cancel: &request };
                    self.with_call(now, key, |call, env| call.handle(input, env));
                }
            }
            Event::Response { id, response, flow } => self.on_response(now, id, &response, &flow),
            Event::ClientFailed { id, why } => self.on_client_failed(now, id, why),
            // A leg detects a missing ACK of its 2xx by itself. No other response needs an action.
            Event::ServerFailed { id, why } => tracing::debug!(?id, %why, "response not delivered"),
            Event::ClientTerminated { id } => {
                self.shared.owners.forget_client(id);
                self.shared.late_answers.forget(id);
            }
            Event::ServerTerminated { id } => self.shared.owners.forget_server(id),
        }
    }

    /// Handles a request in a dialog of ours, or a request outside a dialog.
    fn on_request(&mut self, now: Now, id: ServerId, request: Request, flow: &Flow, on_reserve: bool) {
        let dialog = DialogId::of_request(&request);
        let owner = dialog.as_ref().and_then(|dialog| self.owner_of(dialog, &request));
        match (owner, dialog) {
            (Some(Owner::Call(_)), Some(_)) if names_dialogs(request.headers()) => {
                self.on_naming_request(now, id, request, flow, Vec::new());
            }
            (Some(Owner::Call(key)), Some(dialog)) => {
                let input = CallInput::Request { dialog, id, request, flow };
                self.with_call(now, key, |call, env| call.handle(input, env));
            }
            (Some(Owner::Closing(key)), _) => {
                let input = ClosingInput::Request { id, request };
                self.with_closing(now, key, |leg, env| leg.handle(input, env));
            }
            (Some(Owner::Call(_) | Owner::Message(_) | Owner::Lookup(_)) | None, _)
                if is_outside(&request) =>
            {
                self.on_request_outside(now, id, request, flow, on_reserve);
            }
            (Some(Owner::Call(_) | Owner::Message(_) | Owner::Lookup(_)) | None, _) => {
                self.refuse_without_dialog(now, id, &request, flow);
            }
        }
    }

    /// Handles a request in a dialog after the dialogs that it names were mapped (Replaces, Join, Target-Dialog). The dialog of the
    /// request may have ended during the mapping.
    pub(super) fn deliver(&mut self, now: Now, id: ServerId, request: Request, flow: &Flow) {
        let dialog = DialogId::of_request(&request);
        let owner = dialog.as_ref().and_then(|dialog| self.owner_of(dialog, &request));
        match (owner, dialog) {
            (Some(Owner::Call(key)), Some(dialog)) => {
                let input = CallInput::Request { dialog, id, request, flow };
                self.with_call(now, key, |call, env| call.handle(input, env));
            }
            (Some(Owner::Closing(key)), _) => {
                let input = ClosingInput::Request { id, request };
                self.with_closing(now, key, |leg, env| leg.handle(input, env));
            }
            (Some(Owner::Call(_) | Owner::Message(_) | Owner::Lookup(_)) | None, _) => {
                self.refuse_without_dialog(now, id, &request, flow);
            }
        }
    }

    /// Refuses a request of a dialog that does not exist.
    fn refuse_without_dialog(&mut self, now: Now, id: ServerId, request: &Request, flow: &Flow) {
        let status = Status::CALL_DOES_NOT_EXIST;
        let known = self.knows(flow);
        let mut env = self.shared.env(now, &mut self.policy);
        if known {
            env.refuse(id, request, status, Refusal::NoDialog);
        } else {
            env.dismiss(id, request, flow, status, Refusal::NoDialog);
        }
    }

    /// Screens a request outside a dialog (RFC 3261 section 8.2). Checks its source, method, Request-URI and extensions. If the
    /// transaction layer is above its cap (`on_reserve`), only emergency calls are accepted.
    fn on_request_outside(
        &mut self,
        now: Now,
        id: ServerId,
        mut request: Request,
        flow: &Flow,
        on_reserve: bool,
    ) {
        let config = self.shared.config.clone();
        let mut env = self.shared.env(now, &mut self.policy);
        let Some(ingress) = config.screen(flow).cloned() else {
            return env.dismiss(id, &request, flow, Status::FORBIDDEN, Refusal::UnknownSource);
        };
        let emergency = *request.method() == Method::Invite && is_emergency(&config, &request);
        if on_reserve && !emergency {
            return env.endpoint.turn_away(now.mono, id, &request, flow);
        }
        let mut replacement = None;
        let screened = match screen(&request) {
            Ok(purpose @ (Purpose::Call | Purpose::Message)) if names_dialogs(request.headers()) => {
                self.map_outside(&mut request, &ingress).map(|found| {
                    replacement = found;
                    purpose
                })
            }
            screened => screened,
        };
        let mut env = self.shared.env(now, &mut self.policy);
        match screened {
            Err((status, refusal)) => env.refuse(id, &request, status, refusal),
            Ok(purpose) if self.service.is_closed_to(purpose, &config, &request) => {
                env.refuse(id, &request, Status::SERVICE_UNAVAILABLE, Refusal::Draining);
            }
            Ok(Purpose::Call | Purpose::Message) if env.endpoint.is_looped(&request) => {
                env.refuse(id, &request, Status::LOOP_DETECTED, Refusal::Loop);
            }
            Ok(Purpose::Query) => options::answer(id, &request, &mut env),
            Ok(Purpose::Message) => self.begin_message(now, id, request, flow, ingress),
            Ok(Purpose::Call)
                if let Some(rules) = ingress.trunk.leg_rules().session
                    && is_too_short(request.headers(), rules.shortest) =>
            {
                env.refuse_session(id, &request, rules.shortest);
            }
            Ok(Purpose::Call) if let Some((key, dialog)) = replacement => {
                let replacement = Replacement { dialog, id, request, flow, ingress, config };
                self.with_call(now, key, |call, env| call.handle(CallInput::Replacement(replacement), env));
            }
            Ok(Purpose::Call) => self.begin_call(now, id, request, flow, ingress, emergency),
        }
    }

    fn begin_call(
        &mut self,
        now: Now,
        id: ServerId,
        request: Request,
        flow: &Flow,
        ingress: Arc<TrunkEntry>,
        emergency: bool,
    ) {
        if self.calls_in_progress() >= self.shared.config.caps.calls && !emergency {
            let mut env = self.shared.env(now, &mut self.policy);
            return env.refuse(id, &request, Status::SERVICE_UNAVAILABLE, Refusal::CallCap);
        }
        let origin = self.origin(id, &request, flow, ingress, emergency);
        let key = self.calls.insert_with(|key| Call::new(origin(Owner::Call(key)), flow.clone(), now.mono));
        self.with_call(now, key, |call, env| call.begin(request, env));
    }

    fn begin_message(
        &mut self,
        now: Now,
        id: ServerId,
        request: Request,
        flow: &Flow,
        ingress: Arc<TrunkEntry>,
    ) {
        if self.messages.len() >= self.shared.config.caps.calls {
            let mut env = self.shared.env(now, &mut self.policy);
            return env.refuse(id, &request, Status::SERVICE_UNAVAILABLE, Refusal::CallCap);
        }
        let emergency = is_emergency(&self.shared.config, &request);
        let origin = self.origin(id, &request, flow, ingress, emergency);
        let key = self.messages.insert_with(|key| MessageRelay::new(origin(Owner::Message(key))));
        self.with_message(now, key, |message, env| message.begin(request, env));
    }

    /// Returns a function that builds the origin of a request as soon as the owner is known.
    fn origin(
        &mut self,
        server: ServerId,
        request: &Request,
        flow: &Flow,
        ingress: Arc<TrunkEntry>,
        emergency: bool,
    ) -> impl FnOnce(Owner) -> Origin + use<P> {
        self.numbers += 1;
        let arrival = arrival(CallNumber(self.numbers), request, flow, &ingress, emergency);
        let config = self.shared.config.clone();
        let listener = config.listener_of(flow);
        let tag = self.shared.ids.tag();
        move |owner| Origin { owner, config, arrival, ingress, listener, server, tag }
    }

    /// Returns the owner of the dialog of a request.
    fn owner_of(&self, dialog: &DialogId, request: &Request) -> Option<Owner> {
        let call_id = request.headers().get(Name::CallId)?;
        self.shared.owners.of_request(dialog, call_id)
    }

    fn on_ack(&mut self, now: Now, request: Request, flow: &Flow) {
        let dialog = DialogId::of_request(&request);
        let owner = dialog.as_ref().and_then(|dialog| self.owner_of(dialog, &request));
        match (owner, dialog) {
            (Some(Owner::Call(key)), Some(dialog)) => {
                let input = CallInput::Ack { dialog, ack: &request, flow };
                self.with_call(now, key, |call, env| call.handle(input, env));
            }
            (Some(Owner::Closing(key)), _) => {
                self.with_closing(now, key, |leg, env| leg.handle(ClosingInput::Ack(request), env));
            }
            // An ACK gets no response, even if its dialog is over.
            (Some(Owner::Call(_) | Owner::Message(_) | Owner::Lookup(_)) | None, _) => {}
        }
    }

    fn on_response(&mut self, now: Now, id: ClientId, response: &Response, flow: &Flow) {
        let answered = answered_dialog(response);
        let cap = self.shared.config.caps.answers;
        let taken = match self.shared.owners.of_client(id) {
            Some(Owner::Call(key)) => {
                let input = CallInput::Response { client: id, response, flow };
                match self.with_call(now, key, |call, env| call.handle(input, env)) {
                    CallStep::NotTaken => false,
                    // If the call created no dialog from the 2xx, `on_late_2xx` acknowledges the 2xx.
                    CallStep::Goes | CallStep::Over => answered.as_ref().is_none_or(|(dialog, _)| {
                        self.shared.owners.of_dialog(dialog) == Some(Owner::Call(key))
                    }),
                }
            }
            Some(Owner::Message(key)) => {
                let input = MessageInput::Response { client: id, response };
                self.with_message(now, key, |message, env| message.handle(input, env));
                true
            }
            Some(Owner::Closing(key)) => {
                if let Some((dialog, _)) = &answered {
                    // This entry comes first, because the leg may store its ACK in the entry and then end.
                    self.shared.late_answers.note(id, dialog.clone(), cap);
                }
                let seq = cseq_of(response).map_or(0, |cseq| cseq.number());
                let input = ClosingInput::Response { client: id, status: response.status(), seq };
                self.with_closing(now, key, |leg, env| leg.handle(input, env));
                true
            }
            Some(Owner::Lookup(_)) | None => false,
        };
        if let Some((dialog, seq)) = answered {
            if !taken {
                self.on_late_2xx(now, id, &dialog, seq, (response, flow));
            }
            self.shared.late_answers.note(id, dialog, cap);
        }
    }

    /// Handles a 2xx to an INVITE after its owner no longer waits for a final response (RFC 3261 section 13.2.2.4). A repeated
    /// 2xx gets its ACK again, also after its dialog is over, within a limit. Any other 2xx is from another fork, or from a
    /// cancelled INVITE. We acknowledge this 2xx and end its dialog, unless the limit of dialogs for the INVITE is reached.
    fn on_late_2xx(
        &mut self,
        now: Now,
        client: ClientId,
        id: &DialogId,
        seq: u32,
        (response, flow): (&Response, &Flow),
    ) {
        match self.shared.owners.of_dialog(id) {
            Some(Owner::Call(key)) => {
                let input = CallInput::Repeated2xx { dialog: id.clone(), seq, client };
                self.with_call(now, key, |call, env| call.handle(input, env));
                return;
            }
            Some(Owner::Closing(key)) => {
                let input = ClosingInput::Repeated2xx { seq, client };
                return self.with_closing(now, key, |leg, env| leg.handle(input, env));
            }
            Some(Owner::Message(_) | Owner::Lookup(_)) | None => {}
        }
        let config = self.shared.config.clone();
        if self.shared.late_answers.contains(client, id) {
            tracing::debug!("a 2xx of a dialog that is over came late");
            match self.shared.late_answers.ack_of(client, id) {
                Some((_, times)) if times > MOST_ACKS_AGAIN => self.shared.counters.refuse(Refusal::AckCap),
                Some((ack, _)) => self.shared.out.push_back(Output::Transmit(ack)),
                None => {}
            }
        } else if self.shared.late_answers.is_full(client, config.caps.answers) {
            self.shared.counters.refuse(Refusal::AnswerCap);
        } else if let Ok(dialog) = Dialog::calling(response, b"", || source(flow.transport, flow.remote)) {
            tracing::debug!("an extra 2xx gets an ACK and a BYE");
            let (listener, flow) = (config.listener_of(flow), flow.clone());
            let (side, rules) = (Side::Callee, LegRules::default());
            let crossing = cross(Arrival::LateSuccess, Situation::over(Side::Callee), None);
            debug_assert_eq!(crossing, Crossing::AckAndBye, "a late 2xx must get an ACK and a BYE");
            self.close_with(now, |owner, env| {
                let settings = LegSettings { owner, side, listener, config, rules, trunk: None, flow };
                let mut leg = Leg::open(dialog, settings, env);
                leg.invite.on_2xx_received(seq, client);
                ReleasedLeg { leg, needs_bye: true, bye: None }
            });
        }
    }

    fn on_client_failed(&mut self, now: Now, id: ClientId, why: Failure) {
        let owner = self.shared.owners.of_client(id);
        self.shared.owners.forget_client(id);
        match owner {
            Some(Owner::Call(key)) => {
                let input = CallInput::Failed { client: id, why };
                self.with_call(now, key, |call, env| call.handle(input, env));
            }
            Some(Owner::Message(key)) => {
                let input = MessageInput::Failed { client: id, why };
                self.with_message(now, key, |message, env| message.handle(input, env));
            }
            Some(Owner::Closing(key)) => {
                let input = ClosingInput::Failed { client: id, why };
                self.with_closing(now, key, |leg, env| leg.handle(input, env));
            }
            Some(Owner::Lookup(_)) | None => {}
        }
    }
}

/// Returns the dialog of a 2xx to an INVITE, and the number in its CSeq. Returns `None` for any other response.
fn answered_dialog(response: &Response) -> Option<(DialogId, u32)> {
    let cseq = cseq_of(response)?;
    let answers = response.status().is_success() && *cseq.method() == Method::Invite;
    answers.then(|| DialogId::of_response(response)).flatten().map(|dialog| (dialog, cseq.number()))
}

fn cseq_of(response: &Response) -> Option<CSeq> {
    CSeq::parse(response.headers().get(Name::CSeq)?).ok()
}
