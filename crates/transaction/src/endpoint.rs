//! The demultiplexer: finds the machine that a message or a timer belongs to.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Instant;

use attesta_sip::{Method, Name, Request, Response, Rules, Status, To};
use bytes::Bytes;

use crate::ack_cancel;
use crate::cancel_scope::CancelScope;
use crate::client_invite::Cancel;
use crate::config::{Claim, Config};
use crate::counters::{Counters, Refusal};
use crate::error::{Failure, Overloaded};
use crate::flow::{Flow, Transport};
use crate::id_generator::{Branch, IdGenerator, Seed, WorkerPlace};
use crate::io::{ClientId, Event, Input, Output, ServerId, Slot, Transmit};
use crate::key::{Key, Keyring};
use crate::outbox::Outbox;
use crate::sent_by::SentBy;
use crate::table::{Digested, Table};
use crate::throttle::Throttle;
use crate::transaction::{Client, ClientEvent, Server, ServerEvent};

/// The transaction layer of one worker: RFC 3261 sections 17 and 18.2, RFC 6026, RFC 4320, RFC 3581.
///
/// It has no socket and no clock. [`handle_input`](Self::handle_input) and the user's calls change it; what must happen
/// outside waits in [`poll_output`](Self::poll_output), which is to be drained after each of them.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) config: Config,
    pub(crate) rules: Rules,
    pub(crate) ids: IdGenerator,
    pub(crate) keyring: Keyring,
    pub(crate) clients: Table<Client>,
    pub(crate) servers: Table<Server>,
    /// The server transactions outside dialogs by what their requests keep on every path.
    pub(crate) merged: HashMap<Key, Slot, BuildHasherDefault<Digested>>,
    pub(crate) out: Outbox,
    pub(crate) throttle: Throttle,
}

impl Endpoint {
    /// An endpoint without transactions. Its branches carry `place`; all its chance comes from `seed`.
    #[must_use]
    pub fn new(config: Config, place: WorkerPlace, seed: &Seed) -> Self {
        let mut ids = IdGenerator::new(place, seed);
        let keyring = Keyring::new(&mut ids);
        Self {
            rules: Rules::default().limits(config.reading_limits()),
            config,
            ids,
            keyring,
            clients: Table::new(),
            servers: Table::new(),
            merged: HashMap::default(),
            out: Outbox::default(),
            throttle: Throttle::default(),
        }
    }

    /// Takes in what happened outside, at `now`. Time never runs backwards from call to call.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Datagram { flow, data } => self.receive(now, flow, data),
            Input::Unreadable { flow, error } => {
                self.receive_unreadable(now, &flow, error.octets(), error.error());
            }
            Input::TransportFailed(transmit) => self.transport_failed(now, &transmit, Failure::Transport),
            Input::NoRoom(transmit) => self.transport_failed(now, &transmit, Failure::NoRoom),
            Input::Timeout => self.fire_timers(now),
        }
    }

    /// What must happen outside, in order; [`Output::Timeout`] once nothing is left.
    pub fn poll_output(&mut self) -> Output {
        self.out.pop().unwrap_or_else(|| {
            let deadlines = [self.clients.next_deadline(), self.servers.next_deadline()];
            Output::Timeout(deadlines.into_iter().flatten().min())
        })
    }

    /// Sends a request in a transaction of its own: `request` without a Via of ours, which is added with a new branch.
    ///
    /// An ACK is no such request; see [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// If as many transactions have work to do as the configuration allows. A BYE is always taken: there is one for each
    /// dialog, and without it the far end would keep a call that is over.
    pub fn request(
        &mut self,
        now: Instant,
        request: Request,
        flow: Flow,
        sent_by: &SentBy,
    ) -> Result<ClientId, Overloaded> {
        let claim = if is_in_dialog(&request) { Claim::InDialog } else { Claim::Ordinary };
        self.begin(now, request, flow, sent_by, claim)
    }

    /// The same for a request of an emergency call, which may use all of the reserve.
    ///
    /// # Errors
    ///
    /// If even that is used up.
    pub fn emergency_request(
        &mut self,
        now: Instant,
        request: Request,
        flow: Flow,
        sent_by: &SentBy,
    ) -> Result<ClientId, Overloaded> {
        self.begin(now, request, flow, sent_by, Claim::Emergency)
    }

    fn begin(
        &mut self,
        now: Instant,
        mut request: Request,
        flow: Flow,
        sent_by: &SentBy,
        claim: Claim,
    ) -> Result<ClientId, Overloaded> {
        debug_assert!(*request.method() != Method::Ack, "an ACK has no transaction");
        if *request.method() != Method::Bye && self.live() >= self.config.cap(claim) {
            return Err(Overloaded);
        }
        let branch = self.push_via(&mut request, &flow, sent_by);
        let key = self.keyring.client(branch.as_bytes(), request.method());
        let payload = request.to_bytes();
        let client = Client::start(now, request.method(), branch, flow, payload, &self.config, &mut self.out);
        self.insert_client(key, client).map(ClientId).ok_or(Overloaded)
    }

    /// Cancels an INVITE (RFC 3261 section 9.1): a CANCEL leaves as soon as a provisional response has come, if no final one
    /// comes first. `reason` is the value of its Reason header (RFC 3326).
    ///
    /// The INVITE still ends with a response, mostly a 487, or with a [`Event::ClientFailed`]; of the CANCEL's own response
    /// nothing is heard. Does nothing for another method and for an INVITE that has its final response.
    pub fn cancel(&mut self, now: Instant, id: ClientId, reason: Option<Bytes>) {
        self.step_client(now, id.0, ClientEvent::Cancel(Cancel(reason)));
    }

    /// Sends a request outside any transaction, as the ACK of a 2xx is sent (RFC 3261 section 13.2.2.4): adds a Via with a
    /// new branch, and gives back what was sent, for the user to hand out again when the 2xx comes again.
    pub fn send(&mut self, mut request: Request, flow: Flow, sent_by: &SentBy) -> Transmit {
        self.push_via(&mut request, &flow, sent_by);
        let transmit = Transmit { flow, payload: request.to_bytes() };
        self.out.send(&transmit.flow, &transmit.payload);
        transmit
    }

    /// Answers a request (RFC 3261 section 17.2).
    ///
    /// To an INVITE: any provisional responses, then one final; a 2xx again and again until its ACK, which is the user's to
    /// do (RFC 6026 section 7.1). To other requests: one final response, no provisional, and no 408 (RFC 4320 section 4):
    /// these are not sent. A response to a transaction that is gone, or that has its final response, is discarded.
    pub fn respond(&mut self, now: Instant, id: ServerId, response: &Response) {
        if self.servers.get(id.0).is_some() {
            let event = ServerEvent::Response(response.status(), response.to_bytes());
            self.step_server(now, id.0, event);
        }
    }

    /// An INVITE may be cancelled by its kin, too, and not only from the address that it came from.
    pub fn accept_cancel_of(&mut self, id: ServerId, kin: Arc<dyn CancelScope>) {
        if let Some(server) = self.servers.get_mut(id.0) {
            server.kin = Some(kin);
        }
    }

    /// Refuses a request and forgets it (RFC 3261 section 8.2.7): `response`, a 300-699 without a To tag, leaves once, to the
    /// address of `source`, by which the request came. The same request is a new one when it comes again; the ACK of an
    /// INVITE is known by the To tag that the endpoint makes, and is not heard of.
    ///
    /// For requests of strangers: whoever forges their source finds neither memory to fill nor a machine that repeats the
    /// answer to a victim.
    pub fn dismiss(&mut self, id: ServerId, response: Response, source: &Flow) {
        if self.end_server(id.0) {
            self.send_stateless(response, source);
        }
    }

    /// Refuses a request that was taken on the reserve and is no emergency call (see [`Event::Request`]): 503 with
    /// Retry-After, without state, as at the cap.
    pub fn turn_away(&mut self, now: Instant, id: ServerId, request: &Request, source: &Flow) {
        if self.end_server(id.0) {
            self.answer(now, Refusal::Overloaded, Status::SERVICE_UNAVAILABLE, request, source);
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            live_clients: self.clients.len() as u64,
            live_servers: self.servers.len() as u64,
            absorbing: self.absorbing() as u64,
            ..self.out.counters
        }
    }

    /// Whether no transaction lives, no timer runs and nothing waits to be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty() && self.merged.is_empty() && self.out.is_empty()
    }

    /// How many transactions have work to do.
    pub(crate) fn live(&self) -> usize {
        self.clients.live() + self.servers.live()
    }

    fn absorbing(&self) -> usize {
        self.clients.absorbing() + self.servers.absorbing()
    }

    pub(crate) fn insert_client(&mut self, key: Key, client: Client) -> Option<Slot> {
        let deadline = client.deadline();
        let slot = self.clients.insert(key, client)?;
        self.clients.wake_at(slot, deadline, false);
        self.out.counters.clients += 1;
        Some(slot)
    }

    pub(crate) fn insert_server(&mut self, key: Key, server: Server) -> Option<Slot> {
        let (deadline, merged) = (server.deadline(), server.merged);
        let slot = self.servers.insert(key, server)?;
        self.servers.wake_at(slot, deadline, false);
        if let Some(merged) = merged {
            self.merged.insert(merged, slot);
        }
        self.out.counters.servers += 1;
        Some(slot)
    }

    pub(crate) fn step_client(&mut self, now: Instant, slot: Slot, event: ClientEvent) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        let cancel = client.step(now, event, ClientId(slot), &self.config, &mut self.out);
        if client.is_terminated() {
            self.end_client(slot);
            return;
        }
        let (deadline, absorbs) = (client.deadline(), client.absorbs());
        self.clients.wake_at(slot, deadline, absorbs);
        self.shed();
        if let Some(cancel) = cancel {
            self.send_cancel(now, slot, &cancel);
        }
    }

    pub(crate) fn step_server(&mut self, now: Instant, slot: Slot, event: ServerEvent) {
        let Some(server) = self.servers.get_mut(slot) else { return };
        // What has failed may come again by another path, where a proxy tries one after the other (RFC 8224 section 6.2.3).
        if matches!(&event, ServerEvent::Response(status, _) if status.class() > 2)
            && let Some(merged) = server.merged.take()
        {
            self.merged.remove(&merged);
        }
        server.step(now, event, ServerId(slot), &self.config, &mut self.out);
        if server.is_terminated() {
            self.end_server(slot);
            return;
        }
        let (deadline, absorbs) = (server.deadline(), server.absorbs());
        self.servers.wake_at(slot, deadline, absorbs);
        self.shed();
    }

    fn end_client(&mut self, slot: Slot) {
        let Some(client) = self.clients.remove(slot) else { return };
        if client.is_named() {
            self.out.tell(Event::ClientTerminated { id: ClientId(slot) });
        }
    }

    /// Gives whether the transaction was there.
    fn end_server(&mut self, slot: Slot) -> bool {
        let Some(server) = self.servers.remove(slot) else { return false };
        if server.is_named() {
            self.out.tell(Event::ServerTerminated { id: ServerId(slot) });
        }
        if let Some(merged) = server.merged {
            self.merged.remove(&merged);
        }
        true
    }

    /// Makes room for those that only absorb what comes late: the one that is nearest to its end has absorbed the most.
    fn shed(&mut self) {
        while self.absorbing() > self.config.absorbing_cap() {
            match (self.clients.nearest_end(), self.servers.nearest_end()) {
                (Some((at, client)), server) if server.is_none_or(|(other, _)| at <= other) => {
                    self.end_client(client);
                }
                (_, Some((_, server))) => {
                    self.end_server(server);
                }
                (_, None) => return,
            }
            self.out.counters.shed += 1;
        }
    }

    /// The CANCEL goes where its INVITE went, with its branch (RFC 3261 section 9.1).
    fn send_cancel(&mut self, now: Instant, invite: Slot, Cancel(reason): &Cancel) {
        let Some(invite) = self.clients.get(invite) else { return };
        let Some(cancel) = ack_cancel::cancel(&invite.request, reason.as_ref()) else { return };
        let (flow, branch) = (invite.flow.clone(), invite.branch);
        let key = self.keyring.client(branch.as_bytes(), &Method::Cancel);
        let client = Client::start_cancel(now, branch, flow, cancel, &self.config, &mut self.out);
        self.insert_client(key, client);
    }

    fn fire_timers(&mut self, now: Instant) {
        while let Some(slot) = self.clients.due(now) {
            self.step_client(now, slot, ClientEvent::Timer);
        }
        while let Some(slot) = self.servers.due(now) {
            self.step_server(now, slot, ServerEvent::Timer);
        }
    }

    /// The Via that we put above what stands there; over UDP it asks for the reply to come where the request came from
    /// (RFC 3581 section 3).
    fn push_via(&mut self, request: &mut Request, flow: &Flow, sent_by: &SentBy) -> Branch {
        let branch = self.ids.branch();
        let rport = match flow.transport {
            Transport::Udp => ";rport",
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => "",
        };
        let (transport, sent_by) = (flow.transport.as_str(), sent_by.as_str());
        let via = ["SIP/2.0/", transport, " ", sent_by, ";branch=", branch.as_str(), rport].concat();
        request.headers_mut().push_front(Name::Via, via);
        branch
    }
}

/// Whether a request is sent within a dialog, as far as the request itself tells.
pub(crate) fn is_in_dialog(request: &Request) -> bool {
    request.headers().get(Name::To).and_then(|to| To::parse(to).ok()).is_some_and(|to| to.tag().is_some())
}
