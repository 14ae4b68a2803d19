//! An INVITE with Replaces of a dialog of ours: a new leg takes the place of the replaced leg (RFC 3891 section 3).
//!
//! The other leg gets a re-INVITE with the session of the new peer. Its 2xx completes the exchange, and the replaced leg gets a
//! BYE. After any other response, the call continues as before.

use std::sync::Arc;

use attesta_sip::{Method, Name, Response, Status};
use attesta_transaction::{ClientId, ServerId};

use crate::call::bridge::{Bridge, BridgedTo};
use crate::call::bye::hung_up;
use crate::call::crossing::{Arrival, Crossing};
use crate::call::end::{ByeTo, CallEnd};
use crate::call::replacement::{Replacement, Swap};
use crate::call::session;
use crate::counters::Refusal;
use crate::env::Env;
use crate::headers::address::source;
use crate::headers::options::{RELIABLE, remove};
use crate::headers::relay;
use crate::identity::belief::strip_untrusted;
use crate::intake::cancel::CancelScope;
use crate::intake::origin::Origin;
use crate::leg::dialog::Dialog;
use crate::leg::next_hop::RequestKind;
use crate::leg::offer_answer::Sender;
use crate::leg::refers::RelayedRefers;
use crate::leg::requests::RelayedRequest;
use crate::leg::{Leg, LegSettings, Side};

impl Bridge {
    /// Handles an INVITE that replaces the leg of the side `near`.
    pub(super) fn replace(
        &mut self,
        near: Side,
        replacement: Replacement<'_>,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        match self.decides(Arrival::Replaces, near) {
            Some(Crossing::Swap) => return self.begin_swap(near, replacement, origin, env),
            Some(Crossing::Answer(status, why)) => {
                env.refuse(replacement.id, &replacement.request, status, why);
            }
            Some(Crossing::RetryAfter(why)) => env.put_off(replacement.id, &replacement.request, why),
            Some(
                other @ (Crossing::Relay
                | Crossing::RelayBye
                | Crossing::Acknowledged
                | Crossing::AnswerAndEnd
                | Crossing::EndUnanswered
                | Crossing::EndUsage
                | Crossing::RelayAndEnd
                | Crossing::OkAndEnd
                | Crossing::Unavailable
                | Crossing::UnavailableAndEnd
                | Crossing::ByeToBoth
                | Crossing::AckAndBye
                | Crossing::Absorb),
            ) => other.is_of_another_arrival(),
            None => refuse(&replacement, env),
        }
        None
    }

    fn begin_swap(
        &mut self,
        near: Side,
        replacement: Replacement<'_>,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let (_, far) = self.legs(near);
        let (Some(far), Some(mut leg)) = (far, open(near, &replacement, origin, env)) else {
            refuse(&replacement, env);
            return None;
        };
        let Replacement { id, request, ingress, config, .. } = replacement;
        leg.observe_request(Sender::Remote, &request, env);
        let (mut outgoing, seq) = far.dialog.request(Method::Invite);
        let forwards = relay::forwards(request.headers()).unwrap_or(relay::MAX_FORWARDS);
        relay::request(&request, &mut outgoing, forwards, || far.contact(request.headers()));
        let headers = outgoing.headers_mut();
        strip_untrusted(headers, leg.rules.trusts);
        // Replaces is for us. An Identity belongs to a new call. The new peer gets no provisional response except 100.
        headers.remove(Name::Replaces);
        headers.remove(Name::Identity);
        remove(headers, Name::Require, "replaces");
        for list in [Name::Require, Name::Supported] {
            remove(headers, list, RELIABLE);
        }
        session::prepare(far, &mut outgoing);
        far.observe_request(Sender::Local, &outgoing, env);
        leg.requests.push(RelayedRequest::new(request, id, seq));
        env.owners.own_server(id, origin.owner);
        env.endpoint.accept_cancel_of(id, Arc::new(CancelScope { config, ingress }));
        let launched = far.send(outgoing, RequestKind::Relay(id), env);
        tracing::debug!(side = near.as_str(), "an INVITE replaces a leg");
        self.swap = Some(Box::new(Swap { leg, replaced: near, has_hung_up: false }));
        launched.and_then(|launched| self.on_launched(near, launched, env))
    }

    /// The side whose leg is being replaced.
    pub(super) fn replaced_side(&self) -> Option<Side> {
        self.swap.as_ref().map(|swap| swap.replaced)
    }

    /// The leg that waits for the 2xx of the other side.
    pub(super) fn new_leg(&mut self) -> Option<&mut Leg> {
        self.swap.as_mut().map(|swap| &mut swap.leg)
    }

    /// True if we sent the re-INVITE of the swap in this transaction.
    pub(super) fn swaps_by(&mut self, client: ClientId) -> bool {
        self.new_leg().is_some_and(|leg| leg.requests.by_client(client).is_some())
    }

    /// True if the INVITE with Replaces has this transaction.
    pub(super) fn swaps_for(&mut self, server: ServerId) -> bool {
        self.new_leg().is_some_and(|leg| leg.requests.by_server(server).is_some())
    }

    /// The replaced peer hangs up during the swap. Returns false if the leg of `near` is not being replaced.
    pub(super) fn hangs_up_during_swap(&mut self, near: Side) -> bool {
        match &mut self.swap {
            Some(swap) if swap.replaced == near => {
                swap.has_hung_up = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Handles a response to the re-INVITE of the swap. If the response is a 2xx, the new leg replaces the old leg, and the caller
    /// of this function relays the 2xx.
    pub(super) fn on_swap_response(
        &mut self,
        client: ClientId,
        response: &Response,
        env: &mut Env<'_>,
    ) -> SwapStep {
        let status = response.status();
        if status.is_provisional() {
            if let Some(relayed) = self.new_leg().and_then(|leg| leg.requests.by_client(client)) {
                relayed.on_provisional(env.now.mono);
            }
            return SwapStep::Goes;
        }
        if status.is_success() {
            self.exchange(env);
            return SwapStep::Exchanged;
        }
        SwapStep::Refused(self.fail_swap(status, Some(response), env))
    }

    /// Replaces the old leg by the new leg. Requests in flight between the replaced leg and the other leg end.
    fn exchange(&mut self, env: &mut Env<'_>) {
        let Some(swap) = self.swap.take() else { return };
        let Swap { leg, replaced, has_hung_up } = *swap;
        let place = match (replaced, &mut self.b) {
            (Side::Callee, BridgedTo::Leg(b)) => b,
            (Side::Caller, _) | (Side::Callee, BridgedTo::BuiltInCallee) => &mut self.a,
        };
        let mut old = std::mem::replace(place, leg);
        if let (_, Some(far)) = self.legs(replaced) {
            old.abandon_requests(Some(far), &[], env);
            far.abandon_requests(Some(&mut old), &[], env);
            far.refers = RelayedRefers::default();
        }
        env.counters.legs_replaced += 1;
        if has_hung_up {
            old.close(env);
        } else {
            self.replaced = Some(Box::new(old));
        }
    }

    /// Ends the swap. The new peer gets this status, or this response of the other peer. The call continues, unless the
    /// replaced peer has hung up.
    pub(super) fn fail_swap(
        &mut self,
        status: Status,
        response: Option<&Response>,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        let Swap { mut leg, replaced, has_hung_up } = *self.swap.take()?;
        let (_, far) = self.legs(replaced);
        let far = far?;
        while let Some(RelayedRequest { request, server, client, .. }) = leg.requests.pop() {
            env.owners.forget_server(server);
            if let Some(client) = client {
                env.owners.forget_client(client);
            }
            far.unqueue(server);
            let mut back = env.reply(&request, status);
            if let Some(response) = response {
                relay::response(response, &mut back, &Method::Invite, || leg.contact(response.headers()));
                strip_untrusted(back.headers_mut(), far.rules.trusts);
            }
            far.observe_response(Sender::Remote, &Method::Invite, &back, env);
            env.respond(server, &back);
        }
        leg.close(env);
        has_hung_up
            .then(|| CallEnd { bye_to: ByeTo::Only(replaced.other()), ..CallEnd::by(hung_up(replaced)) })
    }

    /// The call is over during the swap. The new peer gets a 487.
    pub(super) fn abandon_swap(&mut self, env: &mut Env<'_>) {
        if let Some(swap) = self.swap.take() {
            let Swap { mut leg, replaced, .. } = *swap;
            leg.abandon_requests(self.legs(replaced).1, &[], env);
            leg.close(env);
        }
    }
}

/// The result of a response to the re-INVITE of a swap.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the value is moved once and never stored")]
pub(super) enum SwapStep {
    /// The response is provisional.
    Goes,
    /// The new leg has taken its place. The 2xx must be relayed.
    Exchanged,
    /// The swap has failed. The call ends if the replaced peer has hung up.
    Refused(Option<CallEnd>),
}

/// Opens the leg of the new peer.
fn open(side: Side, replacement: &Replacement<'_>, origin: &Origin, env: &mut Env<'_>) -> Option<Leg> {
    let Replacement { request, flow, ingress, config, .. } = replacement;
    let tag = env.ids.tag();
    let dialog = Dialog::answering(request, &tag, || source(flow.transport, flow.remote)).ok()?;
    if env.owners.of_dialog(&dialog.id()).is_some() {
        return None;
    }
    let settings = LegSettings {
        owner: origin.owner,
        side,
        listener: config.listener_of(flow),
        config: config.clone(),
        trunk: Some(ingress.clone()),
        rules: ingress.trunk.leg_rules(),
        flow: (*flow).clone(),
    };
    Some(Leg::open(dialog, settings, env))
}

fn refuse(replacement: &Replacement<'_>, env: &mut Env<'_>) {
    let status = Status::CALL_DOES_NOT_EXIST;
    env.refuse(replacement.id, &replacement.request, status, Refusal::NamedDialog);
}
