//! Attempts: finding a target, signing, sending the INVITE, and what comes back (RFC 3261 section 13, RFC 3263 section 4.3).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use attesta_sip::{Method, Request, Status};
use attesta_stir::Attestation;
use attesta_transaction::{ClientId, Failure, Flow};
use bytes::Bytes;

use crate::bridge;
use crate::call::{Call, State, Turn};
use crate::delivery::RESOLVE_BUDGET;
use crate::desk::{Client, Desk, reply_tagged};
use crate::event::Cause;
use crate::failover::Failing;
use crate::health::Standing;
use crate::identity::Offer;
use crate::io::{Destination, ResolveError, SignError, Unreachable};
use crate::listener::Listener;
use crate::oversize::Reaching;
use crate::policy::Policy;
use crate::ringing::{Fork, close};
use crate::route::Stop;
use crate::signing::Stamp;
use crate::trunk::{OutboundIdentity, Trusts};

/// A call whose callee's side is being found.
#[derive(Debug)]
pub(crate) struct Dialling {
    pub(crate) offer: Offer,
    stops: VecDeque<Stop>,
    pub(crate) destinations: VecDeque<Destination>,
    pub(crate) attempts: usize,
    /// The early dialogs of the attempt: the caller's and the callee's half of each.
    pub(crate) forks: Vec<Fork>,
    progress: Progress,
    /// What is believed when the target of the attempt says it.
    pub(crate) trusts: Trusts,
    /// Targets that are set aside, for the case that no other is left.
    pub(crate) aside: VecDeque<(Stop, Path)>,
    /// When the first of those may be tried that asked to be left alone.
    pub(crate) rest: Option<Instant>,
    /// Whether any target was tried.
    pub(crate) tried: bool,
    /// Once targets that are set aside are tried: whether others were before, whose word stands for the caller if these have
    /// none.
    pub(crate) settled: Option<bool>,
    /// What the caller is told when no target is left.
    pub(crate) failure: Failing,
}

/// How far an attempt has come.
#[derive(Debug)]
pub(crate) enum Progress {
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
    /// The shell opens a connection for an INVITE that is too large for a datagram.
    Reaching(Reaching),
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
pub(crate) struct Path {
    pub(crate) listener: Arc<Listener>,
    pub(crate) flow: Flow,
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
            trusts: Trusts::default(),
            aside: VecDeque::new(),
            rest: None,
            tried: false,
            settled: None,
            failure: Failing::default(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.progress {
            Progress::Idle => None,
            Progress::Resolving { until, .. }
            | Progress::Attesting { until, .. }
            | Progress::Signing { until, .. }
            | Progress::Reaching(Reaching { until, .. })
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
            | Progress::Signing { .. }
            | Progress::Reaching(_) => None,
        }
    }
}

impl Call {
    pub(crate) fn dialling(&mut self) -> Option<&mut Dialling> {
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
    pub(crate) fn take_progress(&mut self) -> Option<Progress> {
        self.dialling().map(|dialling| std::mem::replace(&mut dialling.progress, Progress::Idle))
    }

    pub(crate) fn set_progress(&mut self, progress: Progress) {
        if let Some(dialling) = self.dialling() {
            dialling.progress = progress;
        }
    }

    /// Asks where the next target can be reached; ends the call where none is left.
    pub(crate) fn next_attempt<P: Policy>(&mut self, turn: &mut Turn<'_, P>) {
        let cap = self.config.caps.attempts;
        let config = self.config.clone();
        let Some(dialling) = self.dialling() else { return };
        dialling.destinations.clear();
        let stop = if dialling.attempts < cap { dialling.stops.pop_front() } else { None };
        match stop {
            Some(stop) => {
                let target = stop.target.clone();
                let transports = config.transports(&stop.egress.trunk.listeners);
                tracing::debug!(%target, "next target");
                dialling.progress = Progress::Resolving { stop, until: turn.now.mono + RESOLVE_BUDGET };
                let token = turn.desk.resolve(target, transports);
                self.await_answer(turn, token);
            }
            None => self.last_resort(turn),
        }
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
                            dialling.failure = Failing::With(Status::SERVER_TIMEOUT, Cause::Unreachable);
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
    pub(crate) fn next_destination<P: Policy>(&mut self, turn: &mut Turn<'_, P>, stop: Stop) {
        let config = self.config.clone();
        while let Some(dialling) = self.dialling() {
            if dialling.attempts >= config.caps.attempts {
                break;
            }
            let Some(destination) = dialling.destinations.pop_front() else { break };
            let Destination { transport, address, .. } = destination;
            if config.is_own(transport, address) {
                // It would come straight back: nobody of that name lives here.
                dialling.attempts += 1;
                dialling.failure = Failing::With(Status::NOT_FOUND, Cause::Refused(Status::NOT_FOUND));
                continue;
            }
            let names = &stop.egress.trunk.listeners;
            let Some(listener) = config.listener_towards(names, transport, address).cloned() else {
                tracing::warn!(%transport, %address, "no listener reaches the target");
                dialling.attempts += 1;
                continue;
            };
            let flow = listener.flow_to(&destination);
            let path = Path { listener, flow };
            if turn.desk.standing(turn.now, &path) == Standing::Well {
                return self.approach(turn, stop, path);
            }
            if dialling.aside.len() < config.caps.attempts {
                dialling.aside.push_back((stop.clone(), path));
            }
        }
        self.next_attempt(turn);
    }

    /// Begins an attempt at one address.
    pub(crate) fn approach<P: Policy>(&mut self, turn: &mut Turn<'_, P>, stop: Stop, path: Path) {
        let Some(dialling) = self.dialling() else { return };
        dialling.attempts += 1;
        dialling.tried = true;
        dialling.trusts = stop.egress.trunk.trusts;
        self.attest(turn, stop, path);
    }

    /// The INVITE as it leaves towards a target, but for its Identity.
    pub(crate) fn outgoing(&mut self, desk: &mut Desk, stop: &Stop, path: &Path) -> Request {
        let (tag, call_id) = (desk.ids.tag(), desk.ids.call_id());
        self.record.drafted(call_id);
        match self.dialling() {
            Some(dialling) => {
                let strips = stop.egress.trunk.outbound_identity == OutboundIdentity::Strip;
                dialling.offer.leave(stop.uri.clone(), &tag, &call_id, &path.listener.contact(), strips)
            }
            None => Request::new(Method::Invite, stop.uri.clone()),
        }
    }

    pub(crate) fn send_invite<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        stop: Stop,
        path: Path,
        outgoing: Option<Request>,
    ) {
        let outgoing = outgoing.unwrap_or_else(|| self.outgoing(turn.desk, &stop, &path));
        match self.way_of_the_large(turn, &stop, &path, &outgoing) {
            Some(over) => self.reach(turn, stop, path, over, outgoing),
            None => self.dispatch(turn, stop, path, outgoing),
        }
    }

    /// Sends the INVITE, which is complete but for its Via.
    pub(crate) fn dispatch<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        stop: Stop,
        path: Path,
        outgoing: Request,
    ) {
        let tag = self.tag;
        let refused = if bridge::octets(&outgoing) > self.config.caps.message {
            Some(Status::MESSAGE_TOO_LARGE)
        } else {
            let (flow, sent_by, endpoint) =
                (path.flow.clone(), &path.listener.sent_by, &mut turn.desk.endpoint);
            let sent = if self.arrival.emergency {
                endpoint.emergency_request(turn.now.mono, outgoing, flow, sent_by)
            } else {
                endpoint.request(turn.now.mono, outgoing, flow, sent_by)
            };
            match sent {
                Ok(client) => {
                    tracing::debug!(flow = ?path.flow, "INVITE sent");
                    self.record.sent(stop.egress.trunk.name());
                    turn.desk.expect_response(client, Client::Invite(self.key));
                    let wait = stop.egress.trunk.timers.no_response;
                    turn.desk.peer_tried(turn.now, &path, wait);
                    let until = turn.now.mono + wait;
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

    /// The INVITE of the attempt will get no response.
    pub(crate) fn invite_failed<P: Policy>(&mut self, turn: &mut Turn<'_, P>, why: Failure) {
        tracing::debug!(%why, "attempt failed");
        match self.take_progress() {
            Some(
                Progress::Inviting { stop, path, until, .. } | Progress::Ringing { stop, path, until, .. },
            ) => {
                let Some(dialling) = self.dialling() else { return };
                close(turn, &std::mem::take(&mut dialling.forks));
                self.failed_at(turn, stop, &path, why, until);
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
            Some(progress @ Progress::Reaching(_)) => {
                self.set_progress(progress);
                self.reached(turn, Err(Unreachable::Refused));
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
