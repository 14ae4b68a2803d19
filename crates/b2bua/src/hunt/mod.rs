//! The hunt for a target that accepts a request: RFC 3261 section 13, RFC 3263 section 4.3. Calls and MESSAGEs use the
//! same hunt.
//!
//! For each target of the plan, in order, the hunt finds the addresses, signs, sends, and reads the responses. If a target
//! fails, the hunt continues with the next target. The hunt never calls its owner: each step returns its result.

pub(crate) mod attempt;
pub(crate) mod failover;
pub(crate) mod last_failure;
pub(crate) mod oversize;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod reliable;
mod session_offer;
pub(crate) mod signing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_sip::{Request, Response, Status};
use attesta_transaction::{CallId, ClientId, Failure, Flow};
use bytes::Bytes;

use crate::config::listener::Listener;
use crate::config::next_hop::NextHop;
use crate::config::trunk_entry::TrunkEntry;
use crate::env::Env;
use crate::event::Cause;
use crate::hunt::last_failure::LastFailure;
use crate::hunt::plan::RouteTarget;
use crate::hunt::progress::{Attempt, Progress};
use crate::hunt::session_offer::SessionOffer;
use crate::identity::VettedRequest;
use crate::intake::origin::Origin;
use crate::io::{Destination, ResolveError, SignError, Unreachable};
use crate::leg::next_hop::RESOLVE_BUDGET;
use crate::token::Token;
use crate::trunk::health::TargetStatus;
use crate::trunk::rules::LegRules;

/// A request, and the state of the search for a target that accepts the request.
#[derive(Debug)]
pub(crate) struct Hunt {
    request: VettedRequest,
    plan: VecDeque<RouteTarget>,
    /// The addresses of the current target that the hunt has not tried yet.
    destinations: VecDeque<Destination>,
    attempts: usize,
    progress: Progress,
    /// The trunk of the current target.
    egress: Option<Arc<TrunkEntry>>,
    /// The Request-URI of the request to the current target.
    uri: Bytes,
    /// Targets that are out of service. The hunt tries them if no other target remains.
    out_of_service: VecDeque<Attempt>,
    /// The flows that were tried and have failed.
    tried: Vec<Flow>,
    /// `None` until the hunt first tries a target that is out of service. From then on, true if targets in service have
    /// failed before. If true, a target out of service that does not respond does not change `failure`.
    others_tried: Option<bool>,
    /// The response to the sender if no target remains.
    failure: LastFailure,
    /// The token of the question that the shell has not answered yet.
    asked: Option<Token>,
    /// The session timer that we offer to the target, if the sender offers none.
    session_offer: SessionOffer,
    /// The Call-ID of the last request that the hunt built.
    built: Option<CallId>,
    /// The trunk to which the last request was sent, and the Call-ID of that request.
    sent: Option<(Arc<str>, CallId)>,
}

/// How a step of a hunt ends.
#[derive(Debug)]
pub(crate) enum HuntStep {
    /// The hunt continues.
    Goes,
    /// The attempt has failed. The owner ends the early dialogs, then
    /// [continues](Hunt::go_on) the hunt from this target.
    AttemptFailed(RouteTarget),
    /// A provisional response other than 100 arrived at this listener.
    Provisional(Arc<Listener>),
    /// A 2xx arrived.
    Success {
        /// The listener on which the 2xx arrived.
        listener: Arc<Listener>,
        /// How long the call may last.
        max_call: Duration,
    },
    /// The hunt has ended without a 2xx. The sender gets this response.
    Over(Box<Response>, Cause),
}

impl Hunt {
    pub(crate) fn new(request: VettedRequest, plan: VecDeque<RouteTarget>) -> Self {
        Self {
            request,
            plan,
            destinations: VecDeque::new(),
            attempts: 0,
            progress: Progress::Idle,
            egress: None,
            uri: Bytes::new(),
            out_of_service: VecDeque::new(),
            tried: Vec::new(),
            others_tried: None,
            failure: LastFailure::default(),
            asked: None,
            session_offer: SessionOffer::default(),
            built: None,
            sent: None,
        }
    }

    /// The request as it was received.
    pub(crate) fn request(&self) -> &Request {
        self.request.request()
    }

    /// The rules of the current target's trunk.
    pub(crate) fn rules(&self) -> LegRules {
        self.egress.as_ref().map(|egress| egress.trunk.leg_rules()).unwrap_or_default()
    }

    /// The trunk of the current target.
    pub(crate) const fn egress(&self) -> Option<&Arc<TrunkEntry>> {
        self.egress.as_ref()
    }

    /// The Request-URI of the request to the current target.
    pub(crate) fn uri(&self) -> &[u8] {
        &self.uri
    }

    /// True while the hunt tries its first address.
    pub(crate) const fn is_first_attempt(&self) -> bool {
        self.attempts == 1
    }

    /// The trunk to which the last request was sent, and the Call-ID of that request.
    pub(crate) fn take_sent(&mut self) -> Option<(Arc<str>, CallId)> {
        self.sent.take()
    }

    /// True once a request was sent.
    pub(crate) const fn has_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// True if responses of this transaction are for the current attempt.
    pub(crate) fn is_waiting_on(&self, client: ClientId) -> bool {
        self.client() == Some(client)
    }

    /// True if the answer with this token is for this hunt.
    pub(crate) fn waits_for(&self, token: Token) -> bool {
        self.asked == Some(token)
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match &self.progress {
            Progress::Idle => None,
            Progress::Resolving { until, .. }
            | Progress::Attesting { until, .. }
            | Progress::Signing { until, .. }
            | Progress::Connecting { until, .. } => Some(*until),
            Progress::Trying { until, .. } | Progress::Ringing { until, .. } => *until,
        }
    }

    const fn client(&self) -> Option<ClientId> {
        match &self.progress {
            Progress::Trying { client, .. } | Progress::Ringing { client, .. } => Some(*client),
            Progress::Idle
            | Progress::Resolving { .. }
            | Progress::Attesting { .. }
            | Progress::Signing { .. }
            | Progress::Connecting { .. } => None,
        }
    }

    /// Asks for the addresses of the next target. If no target remains, the hunt tries the targets out of service.
    pub(crate) fn next_target(&mut self, origin: &Origin, env: &mut Env<'_>) -> HuntStep {
        self.destinations.clear();
        let next = if self.attempts < origin.config.caps.attempts { self.plan.pop_front() } else { None };
        match next {
            Some(target) => {
                let transports = origin.config.transports(&target.egress.trunk.listeners);
                tracing::debug!(target = %target.target, "next target");
                self.forget_question(env);
                self.asked = Some(env.resolve(origin.owner, target.target.clone(), transports));
                self.progress = Progress::Resolving { target, until: env.now.mono + RESOLVE_BUDGET };
                HuntStep::Goes
            }
            None => self.last_resort(origin, env),
        }
    }

    /// Handles the addresses of the target, or the reason why the target has no addresses.
    pub(crate) fn on_resolved(
        &mut self,
        result: Result<Vec<Destination>, ResolveError>,
        origin: &Origin,
        env: &mut Env<'_>,
    ) -> HuntStep {
        match self.take_progress() {
            Progress::Resolving { target, .. } => {
                self.forget_question(env);
                match result {
                    Ok(destinations) => self.destinations = destinations.into(),
                    Err(why) => {
                        tracing::debug!(%why, target = %target.target, "target not resolved");
                        if why == ResolveError::Timeout {
                            self.fails_with(Status::SERVER_TIMEOUT, Cause::Unreachable);
                        }
                    }
                }
                self.go_on(target, origin, env)
            }
            other @ (Progress::Idle
            | Progress::Attesting { .. }
            | Progress::Signing { .. }
            | Progress::Connecting { .. }
            | Progress::Trying { .. }
            | Progress::Ringing { .. }) => self.put_back(other),
        }
    }

    /// Tries the next address of a target, or the next target.
    pub(crate) fn go_on(&mut self, target: RouteTarget, origin: &Origin, env: &mut Env<'_>) -> HuntStep {
        let (config, cap) = (&origin.config, origin.config.caps.attempts);
        while self.attempts < cap {
            let Some(Destination { transport, address, server_name }) = self.destinations.pop_front() else {
                break;
            };
            if config.is_own(transport, address) {
                // This address is our own, so the request would come back to us. We serve no users: 404.
                self.attempts += 1;
                self.fails_with(Status::NOT_FOUND, Cause::Refused(Status::NOT_FOUND));
                continue;
            }
            let names = &target.egress.trunk.listeners;
            let Some(listener) = config.listener_towards(names, transport, address).cloned() else {
                tracing::warn!(trunk = %target.egress.trunk.name, %transport, %address, "no listener reaches the target");
                self.attempts += 1;
                continue;
            };
            let flow = listener.flow_to(address, server_name);
            let is_in_service = env.targets.status(env.now.mono, &flow) == TargetStatus::InService;
            let hop = NextHop { listener, flow };
            if is_in_service {
                return self.approach(Attempt { target, hop }, origin, env);
            }
            if self.out_of_service.len() < cap {
                self.out_of_service.push_back(Attempt { target: target.clone(), hop });
            }
        }
        self.next_target(origin, env)
    }

    /// Begins an attempt at one address.
    fn approach(&mut self, attempt: Attempt, origin: &Origin, env: &mut Env<'_>) -> HuntStep {
        self.attempts += 1;
        self.egress = Some(attempt.target.egress.clone());
        self.uri = attempt.target.uri.clone();
        self.attest(attempt, origin, env)
    }

    /// Handles the deadline: the expected answer or response did not arrive in time.
    pub(crate) fn on_deadline(&mut self, origin: &Origin, env: &mut Env<'_>) -> HuntStep {
        if self.deadline().is_none_or(|deadline| deadline > env.now.mono) {
            return HuntStep::Goes;
        }
        match &self.progress {
            Progress::Idle => HuntStep::Goes,
            Progress::Resolving { .. } => self.on_resolved(Err(ResolveError::Timeout), origin, env),
            Progress::Attesting { planned, .. } => self.undecided(*planned, origin, env),
            Progress::Signing { .. } => self.on_signed(Err(SignError::Unavailable), origin, env),
            Progress::Connecting { .. } => self.on_connected(Err(Unreachable::Refused), origin, env),
            Progress::Trying { client, .. } => {
                env.give_up(*client, None);
                self.on_failure(Failure::Timeout, origin, env)
            }
            Progress::Ringing { client, .. } => {
                env.give_up(*client, None);
                self.progress = Progress::Idle;
                let response = origin.reply(self.request(), Status::TEMPORARILY_UNAVAILABLE);
                HuntStep::Over(Box::new(response), Cause::NotAnswered)
            }
        }
    }

    /// Ends the hunt. Cancels an INVITE that was sent, with this Reason. A 2xx that crosses the CANCEL gets an ACK and a BYE.
    pub(crate) fn abandon(&mut self, reason: Option<Bytes>, env: &mut Env<'_>) {
        self.forget_question(env);
        if let Some(client) = self.client() {
            env.give_up(client, reason);
        }
        self.progress = Progress::Idle;
    }

    /// Takes the progress, and leaves `Idle`. The caller sets the next progress, or restores this progress with `put_back`.
    fn take_progress(&mut self) -> Progress {
        std::mem::replace(&mut self.progress, Progress::Idle)
    }

    /// Restores the progress. The input belongs to another phase and is ignored.
    fn put_back(&mut self, progress: Progress) -> HuntStep {
        self.progress = progress;
        HuntStep::Goes
    }

    /// Forgets the question to the shell: it is answered, or the hunt no longer needs the answer.
    fn forget_question(&mut self, env: &mut Env<'_>) {
        if let Some(token) = self.asked.take() {
            env.owners.forget_token(token);
        }
    }
}

/// Ends the hunt with a refusal that is our own decision.
fn refused(response: Response) -> HuntStep {
    let status = response.status();
    HuntStep::Over(Box::new(response), Cause::Refused(status))
}
