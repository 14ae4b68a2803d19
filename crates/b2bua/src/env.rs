//! The state that one step of a call, a MESSAGE or a closing leg may use and change.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use attesta_sip::{Name, Request, Response, Status};
use attesta_transaction::{
    ClientId, Endpoint, Flow, IdGenerator, Overloaded, Seed, SentBy, ServerId, Transmit, WorkerPlace,
};
use bytes::Bytes;

use crate::certificates::Certificates;
use crate::config::Config;
use crate::config::transports::Transports;
use crate::counters::{Counters, Refusal};
use crate::event::CallEvent;
use crate::headers::relay;
use crate::headers::reply::reply_tagged;
use crate::io::Output;
use crate::late_answers::LateAnswers;
use crate::now::Now;
use crate::owners::{Owner, Owners};
use crate::policy::{Later, Policy, Question};
use crate::targets::Targets;
use crate::token::Token;
use crate::trunk::target::Target;

/// The state that all owners of a worker share. This type holds no state of a single call.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The configuration for new calls.
    pub(crate) config: Arc<Config>,
    pub(crate) endpoint: Endpoint,
    pub(crate) ids: IdGenerator,
    pub(crate) certificates: Certificates,
    pub(crate) targets: Targets,
    pub(crate) counters: Counters,
    pub(crate) owners: Owners,
    pub(crate) late_answers: LateAnswers,
    pub(crate) out: VecDeque<Output>,
    tokens: u64,
    /// The seed from which the seed of each choice among servers is derived (RFC 2782).
    names: Seed,
}

impl Shared {
    pub(crate) fn new(config: Arc<Config>, place: WorkerPlace, seed: &Seed) -> Self {
        Self {
            endpoint: Endpoint::new(config.transactions.clone(), place, &seed.fork(ENDPOINT)),
            config,
            ids: IdGenerator::new(place, &seed.fork(CALLS)),
            certificates: Certificates::default(),
            targets: Targets::default(),
            counters: Counters::default(),
            owners: Owners::default(),
            late_answers: LateAnswers::default(),
            out: VecDeque::with_capacity(KEPT_OUTPUTS),
            tokens: first_number(place),
            names: seed.fork(NAMES),
        }
    }

    /// Returns a new token. The answer with this token goes to `owner`.
    pub(crate) fn token(&mut self, owner: Owner) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.owners.own_token(token, owner);
        token
    }

    /// Returns the next output for the shell.
    pub(crate) fn take_output(&mut self) -> Option<Output> {
        let output = self.out.pop_front();
        if output.is_none() && self.out.capacity() > KEPT_OUTPUTS {
            self.out.shrink_to(KEPT_OUTPUTS);
        }
        output
    }

    /// The state that a step at `now` may change.
    pub(crate) fn env<'a>(&'a mut self, now: Now, policy: &'a mut dyn Policy) -> Env<'a> {
        Env {
            now,
            policy,
            endpoint: &mut self.endpoint,
            ids: &mut self.ids,
            certificates: &mut self.certificates,
            targets: &mut self.targets,
            counters: &mut self.counters,
            owners: &mut self.owners,
            late_answers: &mut self.late_answers,
            out: &mut self.out,
            tokens: &mut self.tokens,
            names: &self.names,
        }
    }
}

/// The state that one step may change.
pub(crate) struct Env<'a> {
    pub(crate) now: Now,
    pub(crate) policy: &'a mut dyn Policy,
    pub(crate) endpoint: &'a mut Endpoint,
    pub(crate) ids: &'a mut IdGenerator,
    pub(crate) certificates: &'a mut Certificates,
    pub(crate) targets: &'a mut Targets,
    pub(crate) counters: &'a mut Counters,
    pub(crate) owners: &'a mut Owners,
    pub(crate) late_answers: &'a mut LateAnswers,
    pub(crate) out: &'a mut VecDeque<Output>,
    tokens: &'a mut u64,
    names: &'a Seed,
}

impl Env<'_> {
    /// Begins a client transaction. Its responses go to `owner`.
    ///
    /// # Errors
    ///
    /// [`Overloaded`] if the endpoint holds as many transactions as its cap allows.
    pub(crate) fn request(
        &mut self,
        owner: Owner,
        request: Request,
        flow: Flow,
        sent_by: &SentBy,
    ) -> Result<ClientId, Overloaded> {
        let client = self.endpoint.request(self.now.mono, request, flow, sent_by)?;
        self.owners.own_client(client, owner);
        Ok(client)
    }

    /// Begins a client transaction of an emergency call. Its responses go to `owner`. An emergency call may use the whole
    /// reserve of transactions.
    pub(crate) fn emergency_request(
        &mut self,
        owner: Owner,
        request: Request,
        flow: Flow,
        sent_by: &SentBy,
    ) -> Result<ClientId, Overloaded> {
        let client = self.endpoint.emergency_request(self.now.mono, request, flow, sent_by)?;
        self.owners.own_client(client, owner);
        Ok(client)
    }

    /// Sends an ACK of a 2xx, which has no transaction.
    pub(crate) fn send(&mut self, request: Request, flow: Flow, sent_by: &SentBy) -> Transmit {
        self.endpoint.send(request, flow, sent_by)
    }

    /// Cancels an INVITE. The owner of the INVITE gets no further response (RFC 3261 section 9.1).
    pub(crate) fn give_up(&mut self, client: ClientId, reason: Option<Bytes>) {
        self.owners.forget_client(client);
        self.cancel(client, reason);
    }

    /// Cancels an INVITE. Its owner still waits for the final response.
    pub(crate) fn cancel(&mut self, client: ClientId, reason: Option<Bytes>) {
        self.endpoint.cancel(self.now.mono, client, reason);
    }

    pub(crate) fn respond(&mut self, id: ServerId, response: &Response) {
        self.endpoint.respond(self.now.mono, id, response);
    }

    /// Asks the shell for the addresses of a target. The answer goes to `owner`.
    pub(crate) fn resolve(&mut self, owner: Owner, target: Target, transports: Transports) -> Token {
        let token = self.token(owner);
        let seed = self.names.fork(token.0);
        self.out.push_back(Output::Resolve { token, target, transports, seed });
        token
    }

    /// Asks the shell to open a connection. The answer goes to `owner`.
    pub(crate) fn reach(&mut self, owner: Owner, flow: Flow) -> Token {
        let token = self.token(owner);
        self.out.push_back(Output::Reach { token, flow });
        token
    }

    /// Returns a new token, with which the policy may give its answer later. If the policy answers at once, the token is
    /// never used.
    pub(crate) fn later(&mut self) -> Later {
        *self.tokens += 1;
        Later(Token(*self.tokens))
    }

    /// Asks the shell for the policy's later answer to `question`. The answer goes to `owner`.
    pub(crate) fn ask(&mut self, owner: Owner, later: &Later, question: Question) -> Token {
        let token = later.token();
        self.owners.own_token(token, owner);
        self.out.push_back(Output::Decide { token, question });
        token
    }

    /// Returns a new token. The answer with this token goes to `owner`.
    pub(crate) fn token(&mut self, owner: Owner) -> Token {
        let token = self.later().token();
        self.owners.own_token(token, owner);
        token
    }

    pub(crate) fn tell(&mut self, event: CallEvent) {
        self.out.push_back(Output::Event(event));
    }

    /// Builds a response to a request, with a To tag of ours if the request has no To tag (RFC 3261 section 8.2.6.2).
    pub(crate) fn reply(&mut self, request: &Request, status: Status) -> Response {
        let tag = self.ids.tag();
        reply_tagged(request, status, &tag)
    }

    /// Refuses a request, and counts the reason.
    pub(crate) fn refuse(&mut self, id: ServerId, request: &Request, status: Status, refusal: Refusal) {
        let mut response = self.reply(request, status);
        let headers = response.headers_mut();
        if status == Status::METHOD_NOT_ALLOWED || status == Status::NOT_IMPLEMENTED {
            headers.push(Name::Allow, relay::ALLOW);
        }
        if status == Status::BAD_EXTENSION {
            headers.push(Name::Unsupported, relay::unsupported(request).unwrap_or_default());
        }
        if refusal == Refusal::CallCap {
            headers.push(Name::RetryAfter, RETRY_AFTER_CAP);
        }
        if refusal == Refusal::Draining {
            headers.push(Name::RetryAfter, RETRY_AFTER_DRAINING);
        }
        tracing::debug!(status = status.code(), refusal = refusal.as_str(), "refused");
        self.counters.refuse(refusal);
        self.respond(id, &response);
    }

    /// Refuses a request whose session interval is too short: 422 with Min-SE (RFC 4028 section 9).
    pub(crate) fn refuse_session(&mut self, id: ServerId, request: &Request, shortest: Duration) {
        let mut response = self.reply(request, Status::SESSION_INTERVAL_TOO_SMALL);
        response.headers_mut().push(Name::MinSe, shortest.as_secs().to_string());
        self.counters.refuse(Refusal::SessionTooShort);
        self.respond(id, &response);
    }

    /// Refuses a request that its sender may repeat within ten seconds: 500 with Retry-After (RFC 3261 section 14.2).
    pub(crate) fn put_off(&mut self, id: ServerId, request: &Request, refusal: Refusal) {
        // With a random delay from 0 to 10 seconds, the requests of the two sides are unlikely to collide again.
        let seconds = self.ids.number() % 11;
        let mut response = self.reply(request, Status::SERVER_INTERNAL_ERROR);
        response.headers_mut().push(Name::RetryAfter, seconds.to_string());
        self.counters.refuse(refusal);
        self.respond(id, &response);
    }

    /// Refuses a request from an unknown source. The endpoint keeps nothing of the request and sends the response only
    /// once. A sender with a forged source address can then neither fill our memory nor cause retransmissions.
    pub(crate) fn dismiss(
        &mut self,
        id: ServerId,
        request: &Request,
        source: &Flow,
        status: Status,
        refusal: Refusal,
    ) {
        self.counters.refuse(refusal);
        self.endpoint.dismiss(id, Response::to_request(request, status), source);
    }
}

/// The number before the first number of a worker. Each worker of an edge has its own range, so no two workers use
/// the same number.
pub(crate) fn first_number(place: WorkerPlace) -> u64 {
    u64::from_be_bytes([0, place.worker, 0, 0, 0, 0, 0, 0])
}

/// The outputs for which an empty queue has room. The memory for more outputs is freed, so that one burst does not keep it.
const KEPT_OUTPUTS: usize = 32;

/// The labels of the random streams that are derived from the seed of a worker.
const ENDPOINT: u64 = 0;
const CALLS: u64 = 1;
const NAMES: u64 = 2;

/// The Retry-After in the response to a request that exceeds the cap on calls, in seconds.
const RETRY_AFTER_CAP: &str = "5";

/// The Retry-After in the response of a draining edge, in seconds. After this time, another edge may accept the calls.
pub(crate) const RETRY_AFTER_DRAINING: &str = "30";
