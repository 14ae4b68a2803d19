//! The demultiplexer. It finds the machine of a message or a timer.

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
/// The endpoint has no socket and no clock. [`handle_input`](Self::handle_input) and the calls of the user change its state.
/// After each of these calls, drain the outputs by [`poll_output`](Self::poll_output).
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) config: Config,
    pub(crate) rules: Rules,
    pub(crate) ids: IdGenerator,
    pub(crate) keyring: Keyring,
    pub(crate) clients: Table<Client>,
    pub(crate) servers: Table<Server>,
    /// Server transactions outside dialogs, by the fields that a request keeps on every path (RFC 3261 section 8.2.2.2).
    pub(crate) merged: HashMap<Key, Slot, BuildHasherDefault<Digested>>,
    pub(crate) out: Outbox,
    pub(crate) throttle: Throttle,
}

impl Endpoint {
    /// An endpoint without transactions. Its branches contain `place`. All its random values come from `seed`.
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

    /// Handles one input at `now`. The time never goes backwards from call to call.
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

    /// The next output, in order. [`Output::Timeout`] if no output remains.
    pub fn poll_output(&mut self) -> Output {
        self.out.pop().unwrap_or_else(|| {
            let deadlines = [self.clients.next_deadline(), self.servers.next_deadline()];
            Output::Timeout(deadlines.into_iter().flatten().min())
        })
    }

    /// Sends a request in a new transaction. The endpoint adds its Via with a new branch.
    ///
    /// An ACK needs [`send`](Self::send) instead.
    ///
    /// # Errors
    ///
    /// If the cap on live transactions is reached. A BYE is always accepted. There is one BYE for each dialog, and without the
    /// BYE the peer would keep an ended call.
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

    /// Like [`request`](Self::request), for an emergency call, which may exceed the cap by half.
    ///
    /// # Errors
    ///
    /// If the higher cap is reached too.
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

    /// Cancels an INVITE (RFC 3261 section 9.1). The CANCEL is sent when a provisional response has arrived, unless a final
    /// response arrives first. `reason` is the value of its Reason header (RFC 3326).
    ///
    /// The INVITE still ends with a response, usually a 487, or with [`Event::ClientFailed`]. The response to the CANCEL gives
    /// no event. The call has no effect for another method, or after the final response of the INVITE.
    pub fn cancel(&mut self, now: Instant, id: ClientId, reason: Option<Bytes>) {
        self.step_client(now, id.0, ClientEvent::Cancel(Cancel(reason)));
    }

    /// Sends a request outside any transaction, such as the ACK of a 2xx (RFC 3261 section 13.2.2.4). The endpoint adds a Via
    /// with a new branch. Returns the sent message: the user sends it again when the 2xx arrives again.
    pub fn send(&mut self, mut request: Request, flow: Flow, sent_by: &SentBy) -> Transmit {
        self.push_via(&mut request, &flow, sent_by);
        let transmit = Transmit { flow, payload: request.to_bytes() };
        self.out.send(&transmit.flow, &transmit.payload);
        transmit
    }

    /// Answers a request (RFC 3261 section 17.2).
    ///
    /// * To an INVITE: any provisional responses, then one final response. The user retransmits a 2xx until its ACK arrives
    ///   (RFC 6026 section 7.1).
    /// * To other requests: one final response. Provisional responses and 408 are not sent (RFC 4320 section 4).
    ///
    /// A response is discarded if the transaction has ended or already has its final response.
    pub fn respond(&mut self, now: Instant, id: ServerId, response: &Response) {
        if self.servers.get(id.0).is_some() {
            let event = ServerEvent::Response(response.status(), response.to_bytes());
            self.step_server(now, id.0, event);
        }
    }

    /// Accepts a CANCEL of an INVITE from the addresses of `scope` too, not only from the address of the INVITE.
    pub fn accept_cancel_of(&mut self, id: ServerId, scope: Arc<dyn CancelScope>) {
        if let Some(server) = self.servers.get_mut(id.0) {
            server.cancel_scope = Some(scope);
        }
    }

    /// Refuses a request without state (RFC 3261 section 8.2.7). `response` is a 300-699 without a To tag. It is sent once to
    /// the address of `source`, the flow of the request. A retransmission counts as a new request. The endpoint recognises the
    /// ACK of an INVITE by its own To tag, and gives no event for this ACK.
    ///
    /// Use this function for requests from unknown sources. A sender with a forged source address then cannot fill our memory.
    /// It also cannot make us retransmit the response to a victim.
    pub fn dismiss(&mut self, id: ServerId, response: Response, source: &Flow) {
        if self.end_server(id.0) {
            self.send_stateless(response, source);
        }
    }

    /// Refuses a request that was accepted above the cap and is not an emergency call (see [`Event::Request`]): 503 with
    /// Retry-After, without state, as at the cap.
    pub fn turn_away(&mut self, now: Instant, id: ServerId, request: &Request, source: &Flow) {
        if self.end_server(id.0) {
            self.answer(now, Refusal::Overloaded, Status::SERVICE_UNAVAILABLE, request, source);
        }
    }

    /// The counters so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            live_clients: self.clients.len() as u64,
            live_servers: self.servers.len() as u64,
            absorbing: self.absorbing() as u64,
            ..self.out.counters
        }
    }

    /// Whether there is no transaction, no timer and no output.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty() && self.merged.is_empty() && self.out.is_empty()
    }

    /// The number of live transactions, which still have work to do.
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
        // After a failure, the same request may arrive over another path, because a proxy may try several paths in turn (RFC
        // 8224 section 6.2.3).
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

    /// Returns whether the transaction existed.
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

    /// Drops absorbing transactions above the cap. The transaction that is nearest to its end is dropped first.
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

    /// Sends the CANCEL to the next hop of the INVITE, with the same branch (RFC 3261 section 9.1).
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

    /// Adds our Via on top. Over UDP it has `rport`, so that responses come to the source port (RFC 3581 section 3).
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

/// Whether a request is within a dialog: its To has a tag.
pub(crate) fn is_in_dialog(request: &Request) -> bool {
    request.headers().get(Name::To).and_then(|to| To::parse(to).ok()).is_some_and(|to| to.tag().is_some())
}
