//! The early dialogs of one INVITE. Each fork that responds has its own early dialog (RFC 3261 section 13.2.2.1).

use std::sync::Arc;

use attesta_sip::{Method, Name, Request, Response};
use attesta_transaction::{Flow, ServerId};

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

/// The early dialogs of the attempt. Each has a leg of the caller and a leg of the callee.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the bridge that is answered moves into the next phase without a copy")]
pub(crate) struct Forks {
    early: Vec<Box<Bridge>>,
    /// The dialogs of callees that the caller has ended by a BYE. At most as many as early dialogs may live.
    ended: Vec<DialogId>,
}

impl Forks {
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Bridge> {
        self.early.iter_mut().map(AsMut::as_mut)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bridge> {
        self.early.iter().map(AsRef::as_ref)
    }

    /// Ends all early dialogs and the requests in flight in them.
    pub(crate) fn close(&mut self, env: &mut Env<'_>) {
        self.ended.clear();
        for mut bridge in self.early.drain(..) {
            bridge.close(env);
        }
    }

    /// Removes and returns the early dialog at this place. Ends all others.
    pub(crate) fn take(&mut self, place: usize, env: &mut Env<'_>) -> Option<Box<Bridge>> {
        let taken = (place < self.early.len()).then(|| self.early.remove(place));
        self.close(env);
        taken
    }

    /// Ends the early dialog with this identifier. Returns the leg of the callee. This leg needs a BYE.
    pub(crate) fn end(&mut self, id: &DialogId, env: &mut Env<'_>) -> Option<Leg> {
        let place = self.early.iter_mut().position(|bridge| bridge.side_of(id).is_some())?;
        let mut bridge = self.early.remove(place);
        bridge.abandon_requests(env);
        bridge.a.close(env);
        match bridge.b {
            BridgedTo::Leg(leg) => {
                self.ended.push(leg.dialog.id());
                Some(leg)
            }
            BridgedTo::BuiltInCallee => None,
        }
    }

    /// True if a response other than a refusal belongs to an early dialog that the caller has ended.
    pub(crate) fn has_ended(&self, response: &Response) -> bool {
        !self.ended.is_empty()
            && response.status().class() < 3
            && DialogId::of_response(response).is_some_and(|id| self.ended.contains(&id))
    }

    /// The early dialog at this place.
    pub(crate) fn get(&mut self, place: usize) -> Option<&mut Bridge> {
        self.early.get_mut(place).map(AsMut::as_mut)
    }

    /// Returns the place of the early dialog to which a response belongs.
    pub(crate) fn find(&mut self, response: &Response) -> Option<usize> {
        let id = DialogId::of_response(response)?;
        self.early.iter_mut().position(|bridge| bridge.callee().is_some_and(|leg| leg.dialog.has_id(&id)))
    }

    /// True if this 2xx must wait for the PRACK of the caller.
    pub(crate) fn holds_2xx(&mut self, response: &Response) -> bool {
        self.find(response).and_then(|place| self.get(place)).is_some_and(|bridge| bridge.a.holds_2xx())
    }

    /// Repeats our own reliable responses that are due. Returns true if a response got no PRACK within 64*T1. `server` is the
    /// transaction of the caller's INVITE.
    pub(crate) fn has_given_up(&mut self, server: ServerId, env: &mut Env<'_>) -> bool {
        let mut has_given_up = false;
        for bridge in self.iter_mut() {
            has_given_up |= bridge.a.on_reliable_deadline(server, env);
        }
        has_given_up
    }

    /// How many early dialogs there are, or were until the caller ended them.
    pub(crate) fn len(&self) -> usize {
        self.early.len() + self.ended.len()
    }

    /// True if more than one early dialog lives.
    pub(crate) fn are_several(&self) -> bool {
        self.early.len() > 1
    }

    /// Creates the early dialog for the first response of a fork. Returns `None` if the response creates no new dialog.
    pub(crate) fn open(
        &mut self,
        (response, flow, listener): (&Response, &Flow, &Arc<Listener>),
        hunt: &Hunt,
        caller: &CallerSide,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> Option<usize> {
        // A dialog with the same tag may live on from an earlier attempt of this call.
        let tag = if hunt.is_first_attempt() && self.len() == 0 { origin.tag } else { env.ids.tag() };
        let request = hunt.request();
        let callee = Dialog::calling(response, hunt.uri(), || source(flow.transport, flow.remote)).ok()?;
        let from = || source(origin.listener.transport, origin.arrival.source);
        let answering = Dialog::answering(request, &tag, from).ok()?;
        // The To header field of the INVITE had a tag. This tag identifies a dialog that exists already.
        if env.owners.of_dialog(&answering.id()).is_some() {
            return None;
        }
        // The response of the callee names a dialog of another call. The new dialog must not replace that dialog.
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
        self.early.push(Box::new(Bridge::new(a, BridgedTo::Leg(b))));
        Some(self.early.len() - 1)
    }
}

impl Bridge {
    /// Builds the response for the caller in this dialog, from the response to our INVITE.
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
        let contact = || self.a.contact(response.headers());
        relay::response(response, &mut back, request.method(), contact);
        hunt.strip_response(&mut back, env);
        back
    }
}
