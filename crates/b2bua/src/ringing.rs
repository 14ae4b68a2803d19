//! What comes back on the INVITE of an attempt: RFC 3261 section 13.2.2.

use std::sync::Arc;
use std::time::Duration;

use attesta_sip::{Name, Response, Status};
use attesta_transaction::Flow;

use crate::arena::Key;
use crate::attempt::{Dialling, Path, Progress};
use crate::bridge;
use crate::call::{Call, State, Turn};
use crate::counters::Counters;
use crate::desk::{Desk, reply_tagged};
use crate::dialog::{self, Dialog, DialogId};
use crate::event::Cause;
use crate::identity;
use crate::leg::{Accepted, Ack, Far, Leg, Side, Stage};
use crate::listener::Listener;
use crate::policy::Policy;
use crate::route::Stop;

/// The two halves of one early dialog: the caller's and the callee's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fork {
    a: Key,
    b: Key,
}

impl Call {
    /// A response to the INVITE of the attempt. Gives `false` for one that the attempt does not take: a 2xx of a call that is
    /// answered already.
    pub(crate) fn invited<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        response: &Response,
        flow: &Flow,
    ) -> bool {
        let (stop, path, client, until) = match self.take_progress() {
            Some(Progress::Inviting { stop, path, client, .. }) => {
                let until = turn.now.mono + stop.egress.trunk.timers.ring;
                (stop, path, client, until)
            }
            Some(Progress::Ringing { stop, path, client, until }) => (stop, path, client, until),
            Some(other) => {
                self.set_progress(other);
                return false;
            }
            None => return false,
        };
        let status = response.status();
        turn.desk.peer_answered(turn.now, &path, self.config.caps.set_aside);
        if status.is_provisional() {
            let listener = path.listener.clone();
            self.set_progress(Progress::Ringing { stop, path, client, until });
            if status != Status::TRYING {
                self.rings(turn, response, flow, &listener);
            }
        } else if status.is_success() {
            let max_call = stop.egress.trunk.timers.max_call;
            self.picked_up(turn, response, flow, &path.listener, max_call);
        } else {
            turn.desk.forget_client(client);
            self.declined(turn, response, &stop, &path);
        }
        true
    }

    /// A provisional response: relayed in the early dialog that corresponds to the callee's (RFC 3261 section 13.2.2.1).
    fn rings<P>(
        &mut self,
        turn: &mut Turn<'_, P>,
        response: &Response,
        flow: &Flow,
        listener: &Arc<Listener>,
    ) {
        let cap = self.config.caps.forks;
        let full = self.dialling().is_none_or(|dialling| dialling.forks.len() >= cap);
        let known = DialogId::of_response(response).is_some_and(|id| turn.desk.leg_of(&id).is_some());
        if full && !known {
            tracing::debug!("one fork too many");
            return;
        }
        if let Some(fork) = self.fork(turn, response, flow, listener)
            && let Some(back) = self.back(turn.desk, response, fork)
        {
            self.provisional(turn, back);
        }
    }

    /// A 2xx: the call is answered in that dialog, and every other early dialog of it is over.
    fn picked_up<P>(
        &mut self,
        turn: &mut Turn<'_, P>,
        response: &Response,
        flow: &Flow,
        listener: &Arc<Listener>,
        max_call: Duration,
    ) {
        let fork = self.fork(turn, response, flow, listener);
        let back = fork.and_then(|fork| self.back(turn.desk, response, fork));
        let tag = self.tag;
        let State::Dialling(dialling) = std::mem::replace(&mut self.state, State::Over) else { return };
        let (Some(fork), Some(back)) = (fork, back) else {
            close(turn, &dialling.forks);
            let response = reply_tagged(dialling.offer.request(), Status::BAD_GATEWAY, &tag);
            return self.refuse(turn, response);
        };
        let others: Vec<_> = dialling.forks.iter().filter(|other| other.b != fork.b).copied().collect();
        close(turn, &others);
        if let Some(leg) = turn.desk.legs.get_mut(fork.b) {
            leg.invite = Some(Accepted { seq: dialog::FIRST_SEQ, ack: Ack::Due });
        }
        self.answered(turn, dialling.offer.request(), back, fork.a, Some(fork.b), max_call);
    }

    /// A final failure: another target may do better after a 503 (RFC 3263 section 4.3) and what the trunk lists beside, all
    /// else is relayed.
    fn declined<P: Policy>(&mut self, turn: &mut Turn<'_, P>, response: &Response, stop: &Stop, path: &Path) {
        let status = response.status();
        tracing::debug!(status = status.code(), "declined");
        let tag = self.tag;
        let contact = self.listener.contact();
        let Some(dialling) = self.dialling() else { return };
        close(turn, &std::mem::take(&mut dialling.forks));
        let mut back = reply_tagged(dialling.offer.request(), status, &tag);
        bridge::response(response, &mut back, &contact);
        dialling.believe(&mut back, &mut turn.desk.counters);
        if !self.fails_over(turn, (stop, path), response, &back) {
            self.conclude(turn, back, Cause::Declined(status));
        }
    }

    /// The early dialogs of a response, made where it is the first in them.
    fn fork<P>(
        &mut self,
        turn: &mut Turn<'_, P>,
        response: &Response,
        flow: &Flow,
        listener: &Arc<Listener>,
    ) -> Option<Fork> {
        let (key, tag, own, source) = (self.key, self.tag, self.listener.clone(), self.arrival.source);
        let believed_of_caller = self.ingress.trunk.trusts;
        let way_back = self.way_back();
        let dialling = self.dialling()?;
        let trusts = dialling.trusts;
        let known = DialogId::of_response(response).and_then(|id| turn.desk.leg_of(&id));
        if let Some(fork) = dialling.forks.iter().find(|fork| Some(fork.b) == known) {
            return Some(*fork);
        }
        // A dialog of the same tag may live on from an earlier attempt of this call.
        let tag = if dialling.attempts == 1 && dialling.forks.is_empty() { tag } else { turn.desk.ids.tag() };
        let callee = Dialog::calling(response, || dialog::source(flow.transport, flow.remote)).ok()?;
        let caller =
            Dialog::answering(dialling.offer.request(), &tag, || dialog::source(own.transport, source))
                .ok()?;
        // The caller named the dialog itself: it can have no other.
        if turn.desk.leg_of(&caller.id()).is_some() {
            return None;
        }
        let b = turn.desk.open_leg(Leg::new(callee, Side::Callee, Stage::Early(key), listener.clone()));
        let mut a = Leg::new(caller, Side::Caller, Stage::Early(key), own);
        a.hop = way_back;
        let a = turn.desk.open_leg(a);
        for (one, other, trusts) in [(a, b, believed_of_caller), (b, a, trusts)] {
            if let Some(leg) = turn.desk.legs.get_mut(one) {
                leg.far = Far::Leg(other);
                leg.trusts = trusts;
            }
        }
        let fork = Fork { a, b };
        dialling.forks.push(fork);
        Some(fork)
    }

    /// The response as the caller gets it.
    fn back(&mut self, desk: &mut Desk, response: &Response, fork: Fork) -> Option<Response> {
        let contact = self.listener.contact();
        let leg = desk.legs.get(fork.a)?;
        let dialling = self.dialling()?;
        let request = dialling.offer.request();
        let mut back = Response::to_request(request, response.status());
        back.headers_mut().set(Name::To, leg.dialog.local_address());
        bridge::record_route(request, &mut back);
        bridge::response(response, &mut back, &contact);
        dialling.believe(&mut back, &mut desk.counters);
        Some(back)
    }
}

impl Dialling {
    /// Leaves in a response of the target's what the caller is to hear.
    fn believe(&self, response: &mut Response, counters: &mut Counters) {
        identity::disbelieve(response.headers_mut(), self.trusts);
        if identity::keep_own_blame(response.headers_mut(), self.offer.request()) {
            counters.identity_disputed += 1;
            tracing::warn!("the target says that an Identity of ours does not verify");
        }
    }
}

/// Ends early dialogs that come to nothing, and with them what is in flight in them.
pub(crate) fn close<P>(turn: &mut Turn<'_, P>, forks: &[Fork]) {
    for key in forks.iter().flat_map(|fork| [fork.a, fork.b]) {
        turn.desk.hang_up(turn.now, key, true, None);
    }
}
