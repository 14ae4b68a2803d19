//! Attempts: finding a target, signing, sending the INVITE, and what comes back (RFC 3261 section 13, RFC 3263 section 4.3).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_sip::{Name, Request, Response, Status};
use attesta_stir::{Attestation, OrigId};
use attesta_transaction::{ClientId, Failure, Flow};
use bytes::Bytes;

use crate::arena::Key;
use crate::bridge;
use crate::call::{Call, State, Turn};
use crate::config::{Listener, NamedSigner, SigningMeans};
use crate::desk::{Client, Desk, reply_tagged};
use crate::dialog::{self, Dialog, DialogId};
use crate::event::{CallEvent, Cause};
use crate::identity::{self, Claims, Offer};
use crate::io::{Destination, Output, ResolveError, SignError};
use crate::leg::{Accepted, Leg, RESOLVE_BUDGET, Side, Stage};
use crate::policy::{Answer, DECISION_BUDGET, Policy, Question};
use crate::route::Stop;
use crate::trunk::{OnSignFailure, OutboundIdentity};

/// A call whose callee's side is being found.
#[derive(Debug)]
pub(crate) struct Dialling {
    pub(crate) offer: Offer,
    stops: VecDeque<Stop>,
    destinations: VecDeque<Destination>,
    attempts: usize,
    /// The early dialogs of the attempt: the caller's and the callee's half of each.
    forks: Vec<Fork>,
    progress: Progress,
    /// What the caller is told when no target is left.
    failure: (Status, Cause),
}

#[derive(Clone, Copy, Debug)]
struct Fork {
    a: Key,
    b: Key,
}

/// How far an attempt has come.
#[derive(Debug)]
enum Progress {
    Idle,
    /// It is asked where the target can be reached.
    Resolving {
        stop: Stop,
        until: Instant,
    },
    /// Policy says later with which attestation the call is signed.
    Attesting {
        stop: Stop,
        path: Path,
        planned: Option<Attestation>,
        until: Instant,
    },
    /// An outside signer is asked.
    Signing {
        stop: Stop,
        path: Path,
        outgoing: Box<Request>,
        stamp: Stamp,
        until: Instant,
    },
    /// The INVITE is sent; nothing has come back.
    Inviting {
        stop: Stop,
        path: Path,
        client: ClientId,
        until: Instant,
    },
    /// A provisional response has come.
    Ringing {
        stop: Stop,
        path: Path,
        client: ClientId,
        until: Instant,
    },
}

/// Where an attempt leaves from and goes to.
#[derive(Clone, Debug)]
struct Path {
    listener: Arc<Listener>,
    flow: Flow,
}

/// What is told of a signature.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    attestation: Attestation,
    origid: OrigId,
}

impl Dialling {
    pub(crate) fn new(offer: Offer, stops: VecDeque<Stop>) -> Self {
        Self {
            offer,
            stops,
            destinations: VecDeque::new(),
            attempts: 0,
            forks: Vec::new(),
            progress: Progress::Idle,
            failure: (Status::SERVER_INTERNAL_ERROR, Cause::Unreachable),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.progress {
            Progress::Idle => None,
            Progress::Resolving { until, .. }
            | Progress::Attesting { until, .. }
            | Progress::Signing { until, .. }
            | Progress::Inviting { until, .. }
            | Progress::Ringing { until, .. } => Some(*until),
        }
    }

    fn client(&self) -> Option<ClientId> {
        match &self.progress {
            Progress::Inviting { client, .. } | Progress::Ringing { client, .. } => Some(*client),
            Progress::Idle
            | Progress::Resolving { .. }
            | Progress::Attesting { .. }
            | Progress::Signing { .. } => None,
        }
    }
}

impl Call {
    fn dialling(&mut self) -> Option<&mut Dialling> {
        match &mut self.state {
            State::Dialling(dialling) => Some(dialling),
            State::Admitting { .. }
            | State::Verifying { .. }
            | State::Judging { .. }
            | State::Routing { .. }
            | State::Talking { .. }
            | State::Over => None,
        }
    }

    /// What the attempt is at; it is taken out, to be put back by the step that follows.
    fn take_progress(&mut self) -> Option<Progress> {
        self.dialling().map(|dialling| std::mem::replace(&mut dialling.progress, Progress::Idle))
    }

    fn set_progress(&mut self, progress: Progress) {
        if let Some(dialling) = self.dialling() {
            dialling.progress = progress;
        }
    }

    /// Asks where the next target can be reached; ends the call where none is left.
    pub(crate) fn next_attempt<P: Policy>(&mut self, turn: &mut Turn<'_, P>) {
        let cap = self.config.caps.attempts;
        let Some(dialling) = self.dialling() else { return };
        dialling.destinations.clear();
        let stop = if dialling.attempts < cap { dialling.stops.pop_front() } else { None };
        match stop {
            Some(stop) => {
                let target = stop.target.clone();
                tracing::debug!(%target, "next target");
                dialling.progress = Progress::Resolving { stop, until: turn.now.mono + RESOLVE_BUDGET };
                let token = turn.desk.token();
                self.await_answer(turn, token);
                turn.desk.emit(Output::Resolve { token, target });
            }
            None => self.exhausted(turn),
        }
    }

    fn exhausted<P>(&mut self, turn: &mut Turn<'_, P>) {
        let tag = self.tag;
        let Some(dialling) = self.dialling() else { return };
        let (status, cause) = dialling.failure;
        let response = reply_tagged(dialling.offer.request(), status, &tag);
        self.conclude(turn, response, cause);
    }

    /// The answer to where the target can be reached.
    pub(crate) fn resolved<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        result: Result<Vec<Destination>, ResolveError>,
    ) {
        match self.take_progress() {
            Some(Progress::Resolving { stop, .. }) => {
                self.forget_question(turn);
                let Some(dialling) = self.dialling() else { return };
                match result {
                    Ok(destinations) => dialling.destinations = destinations.into(),
                    Err(why) => {
                        tracing::debug!(%why, "no way to the target");
                        if why == ResolveError::Timeout {
                            dialling.failure = (Status::SERVER_TIMEOUT, Cause::Unreachable);
                        }
                    }
                }
                self.next_destination(turn, stop);
            }
            Some(other) => self.set_progress(other),
            None => {}
        }
    }

    /// Tries the next address of a target, or the next target.
    fn next_destination<P: Policy>(&mut self, turn: &mut Turn<'_, P>, stop: Stop) {
        let config = self.config.clone();
        while let Some(dialling) = self.dialling() {
            if dialling.attempts >= config.caps.attempts {
                break;
            }
            let Some(Destination { transport, address }) = dialling.destinations.pop_front() else { break };
            dialling.attempts += 1;
            if config.listener_at(transport, address).is_some() {
                // It would come straight back: nobody of that name lives here.
                dialling.failure = (Status::NOT_FOUND, Cause::Refused(Status::NOT_FOUND));
                continue;
            }
            let names = &stop.egress.trunk.listeners;
            let Some(listener) = config.listener_towards(names, transport, address).cloned() else {
                tracing::warn!(%transport, %address, "no listener reaches the target");
                continue;
            };
            let flow = listener.flow_to(address);
            return self.attest(turn, stop, Path { listener, flow });
        }
        self.next_attempt(turn);
    }

    /// Decides whether the call is signed towards this target, and how.
    fn attest<P: Policy>(&mut self, turn: &mut Turn<'_, P>, stop: Stop, path: Path) {
        let Some(dialling) = self.dialling() else { return };
        let signs = stop.egress.trunk.outbound_identity == OutboundIdentity::Sign;
        if !signs || dialling.offer.is_covered() {
            return self.send_invite(turn, stop, path, None);
        }
        let planned = dialling.offer.attestation();
        let later = self.later(turn);
        match turn.policy.attest(turn.now, &self.arrival, stop.egress.trunk.name(), planned, later) {
            Answer::Now(attestation) => self.sign(turn, stop, path, attestation),
            Answer::Pending(later) => {
                let trunk = stop.egress.trunk.name().clone();
                let until = turn.now.mono + DECISION_BUDGET;
                self.set_progress(Progress::Attesting { stop, path, planned, until });
                self.ask(turn, &later, Question::Attest { arrival: self.arrival.clone(), trunk, planned });
            }
        }
    }

    /// Policy has said with which attestation the call is signed.
    pub(crate) fn attested<P: Policy>(&mut self, turn: &mut Turn<'_, P>, attestation: Option<Attestation>) {
        match self.take_progress() {
            Some(Progress::Attesting { stop, path, .. }) => {
                self.forget_question(turn);
                self.sign(turn, stop, path, attestation);
            }
            Some(other) => self.set_progress(other),
            None => {}
        }
    }

    /// Signs, by whatever means the signer has, and sends.
    fn sign<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        stop: Stop,
        path: Path,
        attestation: Option<Attestation>,
    ) {
        let Some(attestation) = attestation else { return self.send_invite(turn, stop, path, None) };
        let signer = self.ingress.signer_towards(&stop.egress).cloned();
        let stamp = Stamp { attestation, origid: OrigId::from_random(turn.desk.minter.bytes16()) };
        let Some(dialling) = self.dialling() else { return };
        let claims = dialling.offer.claims(attestation, stamp.origid, turn.now.unix);
        let (Some(signer), Some(claims)) = (signer, claims) else {
            return self.sign_failed(turn, stop, path, None);
        };
        let mut outgoing = self.outgoing(turn.desk, &stop, &path);
        identity::date(&mut outgoing, turn.now.unix);
        match &signer.means {
            SigningMeans::Key(key) => match claims.sign(key) {
                Ok(value) => {
                    outgoing.headers_mut().push(Name::Identity, value);
                    self.signed_invite(turn, stop, path, outgoing, stamp);
                }
                Err(why) => {
                    tracing::warn!(signer = %signer.name, %why, "not signed");
                    self.sign_failed(turn, stop, path, None);
                }
            },
            SigningMeans::Outside => self.sign_outside(turn, (stop, path), outgoing, stamp, &signer, claims),
            SigningMeans::SetAside => {
                tracing::warn!(signer = %signer.name, "the signer is set aside");
                self.sign_failed(turn, stop, path, None);
            }
        }
    }

    fn sign_outside<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        (stop, path): (Stop, Path),
        outgoing: Request,
        stamp: Stamp,
        signer: &NamedSigner,
        claims: Claims,
    ) {
        let until = turn.now.mono + SIGN_BUDGET;
        self.set_progress(Progress::Signing { stop, path, outgoing: Box::new(outgoing), stamp, until });
        let token = turn.desk.token();
        self.await_answer(turn, token);
        turn.desk.emit(Output::Sign { token, signer: signer.name.clone(), claims });
    }

    /// The answer of an outside signer.
    pub(crate) fn signed<P: Policy>(&mut self, turn: &mut Turn<'_, P>, result: Result<Bytes, SignError>) {
        match self.take_progress() {
            Some(Progress::Signing { stop, path, mut outgoing, stamp, .. }) => {
                self.forget_question(turn);
                match result.and_then(|value| identity::checked(value).ok_or(SignError::Invalid)) {
                    Ok(value) => {
                        outgoing.headers_mut().push(Name::Identity, value);
                        self.signed_invite(turn, stop, path, *outgoing, stamp);
                    }
                    Err(why) => {
                        tracing::warn!(%why, "not signed");
                        self.sign_failed(turn, stop, path, Some(*outgoing));
                    }
                }
            }
            Some(other) => self.set_progress(other),
            None => {}
        }
    }

    fn signed_invite<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        stop: Stop,
        path: Path,
        outgoing: Request,
        stamp: Stamp,
    ) {
        let Stamp { attestation, origid } = stamp;
        turn.desk.counters.identity_signed += 1;
        tracing::debug!(attestation = attestation.as_str(), %origid, "signed");
        let call = self.number();
        self.tell(turn, |_, now| CallEvent::Signed { call, at: now.unix, attestation, origid });
        self.send_invite(turn, stop, path, Some(outgoing));
    }

    /// The call cannot be signed: the trunk says what follows; an emergency call goes on.
    fn sign_failed<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        stop: Stop,
        path: Path,
        outgoing: Option<Request>,
    ) {
        turn.desk.counters.identity_sign_failures += 1;
        match stop.egress.trunk.on_sign_failure {
            OnSignFailure::Reject if !self.arrival.emergency => {
                let tag = self.tag;
                let Some(dialling) = self.dialling() else { return };
                let response = reply_tagged(dialling.offer.request(), Status::SERVER_INTERNAL_ERROR, &tag);
                self.refuse(turn, response);
            }
            OnSignFailure::Reject | OnSignFailure::Continue => self.send_invite(turn, stop, path, outgoing),
        }
    }

    /// The INVITE as it leaves towards a target, but for its Identity.
    fn outgoing(&mut self, desk: &mut Desk, stop: &Stop, path: &Path) -> Request {
        let (tag, call_id) = (desk.minter.tag(), desk.minter.call_id());
        match self.dialling() {
            Some(dialling) => {
                let strips = stop.egress.trunk.outbound_identity == OutboundIdentity::Strip;
                dialling.offer.leave(stop.uri.clone(), &tag, &call_id, &path.listener.contact(), strips)
            }
            None => Request::new(attesta_sip::Method::Invite, stop.uri.clone()),
        }
    }

    fn send_invite<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        stop: Stop,
        path: Path,
        outgoing: Option<Request>,
    ) {
        let outgoing = outgoing.unwrap_or_else(|| self.outgoing(turn.desk, &stop, &path));
        let tag = self.tag;
        let refused = if bridge::octets(&outgoing) > self.config.caps.message {
            Some(Status::MESSAGE_TOO_LARGE)
        } else {
            let sent_by = &path.listener.sent_by;
            match turn.desk.endpoint.request(turn.now.mono, outgoing, path.flow.clone(), sent_by) {
                Ok(client) => {
                    tracing::debug!(flow = ?path.flow, "INVITE sent");
                    turn.desk.expect_response(client, Client::Invite(self.key));
                    let until = turn.now.mono + stop.egress.trunk.timers.no_response;
                    self.set_progress(Progress::Inviting { stop, path, client, until });
                    None
                }
                Err(_) => Some(Status::SERVICE_UNAVAILABLE),
            }
        };
        if let (Some(status), Some(dialling)) = (refused, self.dialling()) {
            let response = reply_tagged(dialling.offer.request(), status, &tag);
            self.refuse(turn, response);
        }
    }

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
            self.declined(turn, response, stop);
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
        let full = self.dialling().is_none_or(|dialling| dialling.forks.len() >= turn.desk.config.caps.forks);
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
            leg.invite = Some(Accepted { seq: dialog::FIRST_SEQ, ack: None });
        }
        self.answered(turn, dialling.offer.request(), back, fork.a, Some(fork.b), max_call);
    }

    /// A final failure: another target may do better after a 503 (RFC 3263 section 4.3), all else is relayed.
    fn declined<P: Policy>(&mut self, turn: &mut Turn<'_, P>, response: &Response, stop: Stop) {
        let status = response.status();
        tracing::debug!(status = status.code(), "declined");
        let tag = self.tag;
        let contact = self.listener.contact();
        let Some(dialling) = self.dialling() else { return };
        close(turn, &std::mem::take(&mut dialling.forks));
        if status == Status::SERVICE_UNAVAILABLE {
            // RFC 3261 section 16.7: upstream is not to take a 503 for one of ours.
            dialling.failure = (Status::SERVER_INTERNAL_ERROR, Cause::Declined(status));
            return self.next_destination(turn, stop);
        }
        let mut back = reply_tagged(dialling.offer.request(), status, &tag);
        bridge::response(response, &mut back, &contact);
        self.conclude(turn, back, Cause::Declined(status));
    }

    /// The early dialogs of a response, made where it is the first in them.
    fn fork<P>(
        &mut self,
        turn: &mut Turn<'_, P>,
        response: &Response,
        flow: &Flow,
        listener: &Arc<Listener>,
    ) -> Option<Fork> {
        let (key, tag, own) = (self.key, self.tag, self.listener.clone());
        let dialling = self.dialling()?;
        let known = DialogId::of_response(response).and_then(|id| turn.desk.leg_of(&id));
        if let Some(fork) = dialling.forks.iter().find(|fork| Some(fork.b) == known) {
            return Some(*fork);
        }
        // A dialog of the same tag may live on from an earlier attempt of this call.
        let tag =
            if dialling.attempts == 1 && dialling.forks.is_empty() { tag } else { turn.desk.minter.tag() };
        let callee = Dialog::calling(response, || dialog::source(flow)).ok()?;
        let caller = Dialog::answering(dialling.offer.request(), &tag).ok()?;
        let b = turn.desk.open_leg(Leg::new(callee, Side::Callee, Stage::Early(key), listener.clone()));
        let a = turn.desk.open_leg(Leg::new(caller, Side::Caller, Stage::Early(key), own));
        for (one, other) in [(a, b), (b, a)] {
            if let Some(leg) = turn.desk.legs.get_mut(one) {
                leg.peer = Some(other);
            }
        }
        let fork = Fork { a, b };
        dialling.forks.push(fork);
        Some(fork)
    }

    /// The response as the caller gets it.
    fn back(&mut self, desk: &Desk, response: &Response, fork: Fork) -> Option<Response> {
        let contact = self.listener.contact();
        let leg = desk.legs.get(fork.a)?;
        let request = self.dialling()?.offer.request();
        let mut back = Response::to_request(request, response.status());
        back.headers_mut().set(Name::To, leg.dialog.local_address());
        bridge::response(response, &mut back, &contact);
        Some(back)
    }

    /// The INVITE of the attempt will get no response.
    pub(crate) fn invite_failed<P: Policy>(&mut self, turn: &mut Turn<'_, P>, why: Failure) {
        tracing::debug!(%why, "attempt failed");
        match self.take_progress() {
            Some(Progress::Inviting { stop, .. } | Progress::Ringing { stop, .. }) => {
                let Some(dialling) = self.dialling() else { return };
                close(turn, &std::mem::take(&mut dialling.forks));
                dialling.failure = match why {
                    Failure::Timeout => (Status::REQUEST_TIMEOUT, Cause::Unreachable),
                    Failure::Transport => (Status::SERVER_INTERNAL_ERROR, Cause::Unreachable),
                };
                self.next_destination(turn, stop);
            }
            Some(other) => self.set_progress(other),
            None => {}
        }
    }

    /// The deadline of the attempt has come.
    pub(crate) fn attempt_overdue<P: Policy>(&mut self, turn: &mut Turn<'_, P>) {
        let tag = self.tag;
        match self.take_progress() {
            Some(Progress::Resolving { stop, until }) => {
                self.set_progress(Progress::Resolving { stop, until });
                self.resolved(turn, Err(ResolveError::Timeout));
            }
            Some(Progress::Attesting { stop, path, planned, .. }) => {
                self.forget_question(turn);
                if self.arrival.emergency {
                    return self.sign(turn, stop, path, planned);
                }
                let request = self.dialling().map(|dialling| dialling.offer.request().clone());
                if let Some(request) = request {
                    self.undecided(turn, &request);
                }
            }
            Some(progress @ Progress::Signing { .. }) => {
                self.set_progress(progress);
                self.signed(turn, Err(SignError::Unavailable));
            }
            Some(Progress::Inviting { client, stop, path, until }) => {
                turn.desk.forget_client(client);
                turn.desk.endpoint.cancel(turn.now.mono, client, None);
                self.set_progress(Progress::Inviting { client, stop, path, until });
                self.invite_failed(turn, Failure::Timeout);
            }
            Some(Progress::Ringing { client, .. }) => {
                turn.desk.forget_client(client);
                turn.desk.endpoint.cancel(turn.now.mono, client, None);
                let Some(dialling) = self.dialling() else { return };
                close(turn, &std::mem::take(&mut dialling.forks));
                let response = reply_tagged(dialling.offer.request(), Status::TEMPORARILY_UNAVAILABLE, &tag);
                self.conclude(turn, response, Cause::NotAnswered);
            }
            Some(Progress::Idle) | None => {}
        }
    }

    /// The attempt is of no use any more: its INVITE is cancelled, with this Reason, and its early dialogs are over. A 2xx
    /// that crosses the CANCEL finds no call.
    pub(crate) fn abandon_attempt<P>(&mut self, turn: &mut Turn<'_, P>, reason: Option<Bytes>) {
        self.forget_question(turn);
        let Some(dialling) = self.dialling() else { return };
        if let Some(client) = dialling.client() {
            turn.desk.forget_client(client);
            turn.desk.endpoint.cancel(turn.now.mono, client, reason);
        }
        dialling.progress = Progress::Idle;
        close(turn, &std::mem::take(&mut dialling.forks));
    }
}

/// Ends early dialogs that come to nothing, and with them what is in flight in them.
fn close<P>(turn: &mut Turn<'_, P>, forks: &[Fork]) {
    for key in forks.iter().flat_map(|fork| [fork.a, fork.b]) {
        turn.desk.hang_up(turn.now, key, true, None);
    }
}

/// The longest that a call waits for an outside signer.
const SIGN_BUDGET: Duration = Duration::from_millis(500);
