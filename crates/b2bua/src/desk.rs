//! What all calls of a switchboard share: the endpoint, the legs, and who waits for what.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use attesta_sip::{Name, Request, Response, Status};
use attesta_transaction::{ClientId, Endpoint, Flow, IdGenerator, Seed, ServerId, Tag, WorkerPlace};

use crate::alarm::Alarms;
use crate::arena::{Arena, Key};
use crate::bridge;
use crate::config::Config;
use crate::counters::{Counters, Refusal};
use crate::delivery::Hop;
use crate::dialog::{self, DialogId};
use crate::event::Cause;
use crate::health::Health;
use crate::io::{Output, Token};
use crate::leg::{Far, Leg};
use crate::listener::Listener;
use crate::page::Page;
use crate::relay::Relay;
use crate::target::Target;
use crate::transports::Transports;

/// The shared state of a switchboard, apart from the calls themselves, so that a call can work on it.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) config: Arc<Config>,
    pub(crate) endpoint: Endpoint,
    pub(crate) ids: IdGenerator,
    pub(crate) outbox: VecDeque<Output>,
    pub(crate) legs: Arena<Leg>,
    pub(crate) relays: Arena<Relay>,
    pub(crate) pages: Arena<Page>,
    pub(crate) alarms: Alarms<Sleeper>,
    pub(crate) counters: Counters,
    /// How the targets of calls do.
    pub(crate) health: Health,
    /// Of these addresses, who takes no connection.
    pub(crate) connections: Health,
    /// Calls that are over for a reason that one of their legs found.
    pub(crate) over: Vec<Over>,
    dialogs: BTreeMap<DialogId, Key>,
    clients: BTreeMap<ClientId, Client>,
    /// The dialogs that were answered by 2xx, of each INVITE whose 2xx may still come again (RFC 6026 section 7.2).
    answers: BTreeMap<ClientId, Vec<DialogId>>,
    servers: BTreeMap<ServerId, Server>,
    waiters: BTreeMap<Token, Waiter>,
    tokens: u64,
    /// The chance by which servers are chosen.
    names: Seed,
}

/// What has a deadline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Sleeper {
    Call(Key),
    Leg(Key),
    Relay(Key),
    Page(Key),
    /// A MESSAGE whose Identity is being verified.
    Letter(Key),
}

/// Whose request a client transaction carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Client {
    /// The INVITE of a call's current attempt.
    Invite(Key),
    /// The BYE that ends a leg.
    Bye(Key),
    /// A request of one leg on its way to the other.
    Relay(Key),
    /// A MESSAGE outside any dialog.
    Page(Key),
}

/// Whose answer a server transaction waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Server {
    /// The INVITE that began a call.
    Call(Key),
    /// A request within a dialog.
    Relay(Key),
}

/// Who asked the shell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waiter {
    Call(Key),
    Leg(Key),
    Page(Key),
}

/// The end of a call, as a leg found it.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) call: Key,
    pub(crate) cause: Cause,
    /// The leg that needs no BYE, since it sent one or does not know the dialog any more.
    pub(crate) gone: Option<Key>,
    /// The BYE that ended it, whose header fields cross to the other side.
    pub(crate) bye: Option<Request>,
}

impl Desk {
    pub(crate) fn new(config: Arc<Config>, place: WorkerPlace, seed: &Seed) -> Self {
        Self {
            endpoint: Endpoint::new(config.transactions.clone(), place, &seed.fork(ENDPOINT)),
            config,
            ids: IdGenerator::new(place, &seed.fork(CALLS)),
            outbox: VecDeque::new(),
            legs: Arena::new(),
            relays: Arena::new(),
            pages: Arena::new(),
            alarms: Alarms::new(),
            counters: Counters::default(),
            health: Health::default(),
            connections: Health::default(),
            over: Vec::new(),
            dialogs: BTreeMap::new(),
            clients: BTreeMap::new(),
            answers: BTreeMap::new(),
            servers: BTreeMap::new(),
            waiters: BTreeMap::new(),
            tokens: first_number(place),
            names: seed.fork(NAMES),
        }
    }

    /// Asks where a target can be reached; the answer bears the token.
    pub(crate) fn resolve(&mut self, target: Target, transports: Transports) -> Token {
        let token = self.token();
        let seed = self.names.fork(token.0);
        self.emit(Output::Resolve { token, target, transports, seed });
        token
    }

    /// A token that was never used.
    pub(crate) fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// The answer that bears `token` is for `waiter`.
    pub(crate) fn wait(&mut self, token: Token, waiter: Waiter) {
        self.waiters.insert(token, waiter);
    }

    /// Who waits for the answer that bears `token`.
    pub(crate) fn waiter(&self, token: Token) -> Option<Waiter> {
        self.waiters.get(&token).copied()
    }

    /// An answer that bears `token` is no longer waited for.
    pub(crate) fn forget_token(&mut self, token: Token) {
        self.waiters.remove(&token);
    }

    pub(crate) fn expect_response(&mut self, id: ClientId, whose: Client) {
        self.clients.insert(id, whose);
    }

    pub(crate) fn client(&self, id: ClientId) -> Option<Client> {
        self.clients.get(&id).copied()
    }

    /// Responses to this request are no longer of interest to who sent it.
    pub(crate) fn forget_client(&mut self, id: ClientId) {
        self.clients.remove(&id);
    }

    /// A 2xx to this INVITE has come, in this dialog.
    pub(crate) fn note_answer(&mut self, id: ClientId, dialog: DialogId) {
        let cap = self.config.caps.answers;
        let answers = self.answers.entry(id).or_default();
        if answers.len() < cap && !answers.contains(&dialog) {
            answers.push(dialog);
        }
    }

    /// Whether a 2xx to this INVITE had come in this dialog before.
    pub(crate) fn has_answer(&self, id: ClientId, dialog: &DialogId) -> bool {
        self.answers.get(&id).is_some_and(|answers| answers.contains(dialog))
    }

    /// Whether as many 2xx to this INVITE have come, each in another dialog, as are taken.
    pub(crate) fn is_answered_enough(&self, id: ClientId) -> bool {
        self.answers.get(&id).is_some_and(|answers| answers.len() >= self.config.caps.answers)
    }

    /// No further 2xx to this INVITE can come.
    pub(crate) fn forget_answers(&mut self, id: ClientId) {
        self.answers.remove(&id);
    }

    pub(crate) fn owe_response(&mut self, id: ServerId, whose: Server) {
        self.servers.insert(id, whose);
    }

    pub(crate) fn server(&self, id: ServerId) -> Option<Server> {
        self.servers.get(&id).copied()
    }

    pub(crate) fn forget_server(&mut self, id: ServerId) {
        self.servers.remove(&id);
    }

    pub(crate) fn leg_of(&self, id: &DialogId) -> Option<Key> {
        self.dialogs.get(id).copied()
    }

    pub(crate) fn open_leg(&mut self, leg: Leg) -> Key {
        let id = leg.dialog.id();
        let key = self.legs.insert(leg);
        self.dialogs.insert(id, key);
        key
    }

    /// Forgets a leg: nothing more is sent in its dialog, and what arrives in it finds none.
    pub(crate) fn close_leg(&mut self, key: Key) {
        let Some(mut leg) = self.legs.remove(key) else { return };
        self.dialogs.remove(&leg.dialog.id());
        self.alarms.set(Sleeper::Leg(key), &mut leg.alarm, None);
        if let Hop::Asked { token, .. } = leg.hop {
            self.waiters.remove(&token);
        }
        if let Far::Leg(other) = leg.far
            && let Some(other) = self.legs.get_mut(other)
        {
            other.far = Far::Nobody;
        }
    }

    /// Sets the alarm of a leg to its deadline; to be called after whatever may have moved it.
    pub(crate) fn wind(&mut self, key: Key) {
        if let Some(leg) = self.legs.get_mut(key) {
            let deadline = leg.deadline();
            self.alarms.set(Sleeper::Leg(key), &mut leg.alarm, deadline);
        }
    }

    /// A response to a request, with a To tag where that has none (RFC 3261 section 8.2.6.2).
    pub(crate) fn reply(&mut self, request: &Request, status: Status) -> Response {
        let tag = self.ids.tag();
        reply_tagged(request, status, &tag)
    }

    /// Refuses a request outside any call.
    pub(crate) fn refuse(
        &mut self,
        now: Instant,
        id: ServerId,
        request: &Request,
        status: Status,
        refusal: Refusal,
    ) {
        let mut response = self.reply(request, status);
        let headers = response.headers_mut();
        if status == Status::METHOD_NOT_ALLOWED || status == Status::NOT_IMPLEMENTED {
            headers.push(Name::Allow, bridge::allow());
        }
        if status == Status::BAD_EXTENSION {
            headers.push(Name::Unsupported, bridge::unsupported(request).unwrap_or_default());
        }
        if refusal == Refusal::CallCap {
            headers.push(Name::RetryAfter, RETRY_AFTER_CAP);
        }
        if refusal == Refusal::Draining {
            headers.push(Name::RetryAfter, RETRY_AFTER_DRAINING);
        }
        tracing::debug!(status = status.code(), refusal = refusal.as_str(), "refused");
        self.counters.refuse(refusal);
        self.endpoint.respond(now, id, &response);
    }

    /// Refuses a request of a stranger's: nothing of it is kept, so that forged sources find neither memory to fill nor an
    /// answer that is repeated.
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

    /// The listener on which a message arrived; the first where that is not ours, which a shell does not do.
    pub(crate) fn listener_at(&self, flow: &Flow) -> Option<Arc<Listener>> {
        let config = &self.config;
        config.listener_at(flow.transport, flow.local).or(config.listeners.first()).cloned()
    }

    /// The counters, the gauges among them read now.
    pub(crate) fn counters(&self, calls: usize) -> Counters {
        let mut counters = self.counters.read(calls, self.legs.len(), self.endpoint.counters());
        counters.targets_aside = self.health.len() as u64;
        counters
    }

    pub(crate) fn emit(&mut self, output: Output) {
        self.outbox.push_back(output);
    }

    /// Ends the call that a leg belongs to, once what is at hand is done.
    pub(crate) fn end_call_of(&mut self, leg: Key, cause: Cause, gone: Option<Key>, bye: Option<Request>) {
        if let Some(call) = self.legs.get(leg).and_then(Leg::call) {
            self.over.push(Over { call, cause, gone, bye });
        }
    }

    /// Seconds within 0 and 10, for a Retry-After that keeps two sides from meeting again (RFC 3261 section 14.2).
    pub(crate) fn random_pause(&mut self) -> u64 {
        self.ids.number() % 11
    }
}

/// A response to a request, with this To tag where the request has none.
pub(crate) fn reply_tagged(request: &Request, status: Status, tag: &Tag) -> Response {
    let mut response = Response::to_request(request, status);
    let to = request.headers().get(Name::To).unwrap_or_default();
    if status != Status::TRYING && dialog::tag(to).is_none() {
        response.headers_mut().set(Name::To, dialog::tagged(to, tag));
    }
    response
}

/// What the numbers of a worker start after, so that no two workers of an edge number alike.
pub(crate) fn first_number(place: WorkerPlace) -> u64 {
    u64::from_be_bytes([0, place.worker, 0, 0, 0, 0, 0, 0])
}

/// The streams of the seed.
const ENDPOINT: u64 = 0;
const CALLS: u64 = 1;
const NAMES: u64 = 2;

/// When a caller that met the cap on calls should come again, in seconds.
const RETRY_AFTER_CAP: &str = "5";

/// When a peer should come again to an edge that is about to stop, in seconds: once another may have taken its place.
pub(crate) const RETRY_AFTER_DRAINING: &str = "30";
