//! The early dialogs of one INVITE, one for each fork that responds (RFC 3261 section 13.2.2.1).

use std::sync::Arc;

use attesta_sip::{Method, Name, Request, Response};
use attesta_transaction::Flow;

use crate::call::bridge::{Bridge, BridgedTo};
use crate::call::caller::CallerSide;
use crate::config::listener::Listener;
use crate::env::Env;
use crate::headers::address::source;
use crate::headers::dialog_id::DialogId;
use crate::headers::relay;
use crate::hunt::Hunt;
use crate::intake::origin::Origin;
use crate::leg::dialog::Dialog;
use crate::leg::offer_answer::Sender;
use crate::leg::{Leg, LegSettings, Side};

/// The early dialogs of the attempt, each with the caller's and the callee's half.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the bridge that is answered moves into the next phase without a copy")]
pub(crate) struct Forks(Vec<Box<Bridge>>);

impl Forks {
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Bridge> {
        self.0.iter_mut().map(AsMut::as_mut)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bridge> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Ends all early dialogs and the requests in flight in them.
    pub(crate) fn close(&mut self, env: &mut Env<'_>) {
        for mut bridge in self.0.drain(..) {
            bridge.close(env);
        }
    }

    /// Takes out the early dialog at this place, and ends all others.
    pub(crate) fn take(&mut self, place: usize, env: &mut Env<'_>) -> Option<Box<Bridge>> {
        let taken = (place < self.0.len()).then(|| self.0.remove(place));
        self.close(env);
        taken
    }

    /// Ends the early dialog with this identifier. Returns the leg of the callee, which needs a BYE.
    pub(crate) fn end(&mut self, id: &DialogId, env: &mut Env<'_>) -> Option<Leg> {
        let place = self.0.iter_mut().position(|bridge| bridge.side_of(id).is_some())?;
        let mut bridge = self.0.remove(place);
        bridge.abandon_requests(env);
        bridge.a.close(env);
        match bridge.b {
            BridgedTo::Leg(leg) => Some(leg),
            BridgedTo::BuiltInCallee => None,
        }
    }

    /// The early dialog at this place.
    pub(crate) fn get(&mut self, place: usize) -> Option<&mut Bridge> {
        self.0.get_mut(place).map(AsMut::as_mut)
    }

    /// The place of the early dialog that a response belongs to.
    pub(crate) fn find(&mut self, response: &Response) -> Option<usize> {
        let id = DialogId::of_response(response)?;
        self.0.iter_mut().position(|bridge| bridge.callee().is_some_and(|leg| leg.dialog.has_id(&id)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Makes the early dialogs of a response that is the first of its fork. `None` if it makes no dialog of its own.
    pub(crate) fn open(
        &mut self,
        (response, flow, listener): (&Response, &Flow, &Arc<Listener>),
        hunt: &Hunt,
        caller: &CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<usize> {
        // A dialog with the same tag may live on from an earlier attempt of this call.
        let tag = if hunt.is_first_attempt() && self.0.is_empty() { origin.tag } else { env.ids.tag() };
        let request = hunt.request();
        let callee = Dialog::calling(response, hunt.uri(), || source(flow.transport, flow.remote)).ok()?;
        let from = || source(origin.listener.transport, origin.arrival.source);
        let answering = Dialog::answering(request, &tag, from).ok()?;
        // The caller named the dialog itself, by a To tag: the dialog can be no other.
        if env.owners.of_dialog(&answering.id()).is_some() {
            return None;
        }
        // The callee names a dialog of another call: the new dialog must not replace it.
        if env.owners.of_dialog(&callee.id()).is_some() {
            return None;
        }
        let b = LegSettings {
            owner: origin.owner,
            side: Side::Callee,
            listener: listener.clone(),
            config: origin.config.clone(),
            rules: hunt.rules(),
            trunk: hunt.egress().cloned(),
            flow: flow.clone(),
        };
        let mut b = Leg::open(callee, b, env);
        b.observe_request(Sender::Local, request, env);
        let mut a = Leg::open(answering, caller.leg_settings(origin), env);
        a.observe_request(Sender::Remote, request, env);
        self.0.push(Box::new(Bridge::new(a, BridgedTo::Leg(b))));
        Some(self.0.len() - 1)
    }
}

impl Bridge {
    /// A response to our INVITE as the caller gets it in this dialog.
    pub(crate) fn response_to_caller(
        &mut self,
        response: &Response,
        hunt: &Hunt,
        env: &mut Env<'_>,
    ) -> Response {
        let request: &Request = hunt.request();
        if let Some(callee) = self.callee() {
            callee.observe_response(Sender::Remote, &Method::Invite, response, env);
        }
        let mut back = Response::to_request(request, response.status());
        back.headers_mut().set(Name::To, self.a.dialog.local_address());
        relay::record_route(request, &mut back);
        let contact = self.a.contact(response.headers());
        relay::response(response, &mut back, request.method(), &contact);
        hunt.strip_response(&mut back, env);
        back
    }
}
