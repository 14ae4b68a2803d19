//! The stream connections of one driver. This file finds the connection to a destination, and limits the number of connections.

mod admission;
mod connection;
pub(crate) mod ended;
mod entry;
pub(crate) mod event;
pub(crate) mod limits;
mod link;
mod setup;
mod wire;

use std::collections::btree_map::{BTreeMap, Entry};
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use attesta_b2bua::{Token, Unreachable};
use attesta_transaction::{ConnectionId, Flow, Transmit, Transport, WorkerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

use crate::streams::admission::{Admission, Admitted};
use crate::streams::ended::{Ended, StreamCounters, Unaccepted};
use crate::streams::entry::{AcceptedSocket, ConnectionEntry, ConnectionKey, TaskHandles};
use crate::streams::event::{StreamEvent, Unsent};
use crate::streams::limits::StreamLimits;
use crate::streams::link::{Closed, ConnectionEvent, ConnectionReport, Link, expects_response};
use crate::tcp::{self, Acceptor};

/// All stream connections of a driver, and the addresses that accept further connections.
pub(crate) struct Streams {
    acceptors: Vec<Acceptor>,
    limits: Arc<StreamLimits>,
    connections: BTreeMap<ConnectionId, ConnectionEntry>,
    /// The connection for each key. Only connections that may carry new requests are in this map.
    by_key: BTreeMap<ConnectionKey, ConnectionId>,
    admission: Admission,
    ids: u64,
    tasks: JoinSet<()>,
    post: mpsc::Sender<ConnectionReport>,
    reports: mpsc::Receiver<ConnectionReport>,
    /// Reports that this turn of the loop handles.
    pending_reports: Vec<ConnectionReport>,
    accepted_sockets: Vec<AcceptedSocket>,
    /// If the system has no free descriptors, no connection is accepted until this pause ends.
    pause: Option<Pin<Box<Sleep>>>,
    counters: StreamCounters,
}

impl Streams {
    /// Creates the streams. Must be called within a tokio runtime.
    pub(crate) fn new(acceptors: Vec<Acceptor>, limits: StreamLimits) -> Streams {
        let (post, reports) = mpsc::channel(REPORTS);
        Streams {
            acceptors,
            limits: Arc::new(limits),
            connections: BTreeMap::new(),
            by_key: BTreeMap::new(),
            admission: Admission::default(),
            ids: 0,
            tasks: JoinSet::new(),
            post,
            reports,
            pending_reports: Vec::new(),
            accepted_sockets: Vec::new(),
            pause: None,
            counters: StreamCounters::default(),
        }
    }

    pub(crate) fn counters(&self) -> StreamCounters {
        let mut counters = self.counters;
        counters.live = self.connections.len() as u64;
        counters
    }

    /// Ready if there are accepted sockets or reports for [`Streams::take`].
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_accept(cx);
        if self.pending_reports.is_empty() {
            // The channel never closes, because `post` is a sender that exists as long as this object.
            let _ = self.reports.poll_recv_many(cx, &mut self.pending_reports, BATCH);
        }
        let idle = self.accepted_sockets.is_empty() && self.pending_reports.is_empty();
        if idle { Poll::Pending } else { Poll::Ready(()) }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return;
            }
            self.pause = None;
        }
        // Each listener has its share, so that a flood at one listener does not block the other listeners.
        let share = BATCH.div_ceil(self.acceptors.len().max(1));
        for acceptor in &self.acceptors {
            for _ in 0..share {
                match acceptor.poll_accept(cx) {
                    Poll::Ready(Ok((stream, remote))) => self.accepted_sockets.push(AcceptedSocket {
                        stream,
                        remote,
                        local: acceptor.local(),
                        layer: acceptor.layer().clone(),
                    }),
                    Poll::Ready(Err(error)) if is_peer_fault(&error) => {}
                    Poll::Ready(Err(error)) => {
                        tracing::warn!(local = %acceptor.local(), %error, "cannot accept a connection; trying again shortly");
                        self.counters.refuse(Unaccepted::System);
                        let mut pause = Box::pin(sleep(ACCEPT_PAUSE));
                        if pause.as_mut().poll(cx).is_pending() {
                            self.pause = Some(pause);
                        }
                        return;
                    }
                    Poll::Pending => break,
                }
            }
        }
    }

    /// Handles the items that [`Streams::poll_ready`] has collected. `claims` returns true if a trunk claims the source of a
    /// flow.
    pub(crate) fn take(&mut self, events: &mut Vec<StreamEvent>, claims: &dyn Fn(&Flow) -> bool) {
        for accepted in mem::take(&mut self.accepted_sockets) {
            self.admit(accepted, claims);
        }
        let mut pending_reports = mem::take(&mut self.pending_reports);
        for ConnectionReport { id, event } in pending_reports.drain(..) {
            self.handle_report(id, event, events, claims);
        }
        self.pending_reports = pending_reports;
        while self.tasks.try_join_next().is_some() {}
    }

    fn admit(&mut self, accepted: AcceptedSocket, claims: &dyn Fn(&Flow) -> bool) {
        let AcceptedSocket { stream, remote, local, layer } = accepted;
        let flow = Flow {
            transport: layer.transport(),
            local,
            remote,
            connection: None,
            worker: WorkerId::default(),
            tls_names: None,
            server_name: None,
        };
        let admitted = self.admission.admit(&self.limits, remote.ip(), !claims(&flow), layer.is_tls());
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(reason) => {
                tracing::debug!(%remote, reason = reason.as_str(), "connection refused: limit reached");
                return self.counters.refuse(reason);
            }
        };
        tcp::tune(&stream);
        self.counters.accepted += 1;
        let link = self.register(flow, Some(admitted));
        self.tasks.spawn(setup::serve(stream, layer, link));
    }

    /// Registers a connection and returns the link for its task. The source address of an accepted connection is its key.
    /// Requests to this address may use the connection (RFC 3261 section 18).
    fn register(&mut self, mut flow: Flow, admitted: Option<Admitted>) -> Link {
        let outbound = admitted.is_none();
        self.ids += 1;
        let id = ConnectionId(self.ids);
        let key = ConnectionKey::of(&flow);
        flow.connection = Some(id);
        let (queue, outgoing) = mpsc::channel(self.limits.queue);
        let (abort, aborted) = oneshot::channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let entry = ConnectionEntry {
            flow,
            admitted,
            task: Some(TaskHandles { queue, abort }),
            queued: Arc::clone(&queued),
            reason: None,
            keys: Vec::new(),
            open: !outbound,
            waiters: Vec::new(),
        };
        self.connections.insert(id, entry);
        self.index(key, id);
        let (reports, limits) = (self.post.clone(), Arc::clone(&self.limits));
        Link { id, queue: outgoing, queued, reports, abort: aborted, limits, outbound }
    }

    /// Makes requests to `key` use this connection, unless they have another connection.
    fn index(&mut self, key: ConnectionKey, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(&id) else { return };
        if let Entry::Vacant(free) = self.by_key.entry(key.clone()) {
            free.insert(id);
            entry.keys.push(key);
        }
    }

    /// Stops new requests from using this connection.
    fn unindex(&mut self, id: ConnectionId) {
        let keys = self.connections.get_mut(&id).map(|entry| mem::take(&mut entry.keys));
        for key in keys.into_iter().flatten() {
            self.by_key.remove(&key);
        }
    }

    /// Sends a message on its connection. If the flow names no connection, uses a connection to the destination, or opens one.
    /// Returns the message if this fails.
    /// If the connection is at fault, the returned flow names no connection. The message is then not sent again on another
    /// connection, because the peer does not read.
    pub(crate) fn send(&mut self, mut transmit: Transmit) -> Option<Unsent> {
        let id = match transmit.flow.connection {
            Some(id) => Ok(id),
            None if self.is_reserved(&transmit) => Err(Unreachable::NoRoom),
            None => self.connection_to(&transmit.flow),
        };
        let id = match id {
            Ok(id) => id,
            Err(reason) => return Some(Unsent { transmit, reason }),
        };
        let Some(entry) = self.connections.get_mut(&id) else { return Some(Unsent::refused(transmit)) };
        let Some(task) = &entry.task else { return Some(Unsent::refused(transmit)) };
        let octets = transmit.payload.len();
        let room = self.limits.room(entry.is_outbound());
        let full = entry.queued.fetch_add(octets, Ordering::Relaxed) + octets > room;
        if full || task.queue.try_send(transmit.payload.clone()).is_err() {
            entry.queued.fetch_sub(octets, Ordering::Relaxed);
            tracing::debug!(flow = ?entry.flow, "send queue full: closing the connection");
            self.abort(id, Ended::QueueFull);
            transmit.flow.connection = None;
            return Some(Unsent::refused(transmit));
        }
        tracing::trace!(flow = ?entry.flow, octets, "sent");
        self.counters.messages_sent += 1;
        self.counters.octets_sent += octets as u64;
        None
    }

    /// True if a response must not open another connection. An unknown peer could otherwise use up our connections: it sends a
    /// request and closes the connection at once (RFC 3261 section 18.2.2). Half of the connections are therefore reserved for
    /// requests.
    fn is_reserved(&mut self, transmit: &Transmit) -> bool {
        let reserved = transmit.payload.starts_with(b"SIP/2.0 ")
            && self.opened() >= self.limits.opened.div_ceil(2)
            && !self.by_key.contains_key(&ConnectionKey::of(&transmit.flow));
        if reserved {
            self.counters.end(Ended::Cap);
        }
        reserved
    }

    /// Returns the number of connections that we have opened or are opening.
    fn opened(&self) -> usize {
        self.connections.len() - self.admission.accepted()
    }

    /// Returns the connection to the destination of a flow. Opens a connection if there is none.
    fn connection_to(&mut self, flow: &Flow) -> Result<ConnectionId, Unreachable> {
        if let Some(id) = self.by_key.get(&ConnectionKey::of(flow)) {
            return Ok(*id);
        }
        if flow.remote.port() == 0 || flow.local.is_ipv4() != flow.remote.is_ipv4() {
            return Err(Unreachable::Refused);
        }
        let serves =
            |acceptor: &&Acceptor| acceptor.transport() == flow.transport && acceptor.local() == flow.local;
        let acceptor = self.acceptors.iter().find(serves).ok_or(Unreachable::Refused)?;
        let layer = acceptor.layer().clone();
        if self.opened() >= self.limits.opened {
            tracing::debug!(?flow, "cannot open a connection: limit reached");
            self.counters.end(Ended::Cap);
            return Err(Unreachable::NoRoom);
        }
        self.counters.opened += 1;
        let link = self.register(flow.clone(), None);
        let id = link.id;
        self.tasks.spawn(setup::open(flow.clone(), layer, link));
        Ok(id)
    }

    /// Prepares a connection to the destination of `flow`. Returns the result if it is known at once. Otherwise `requester`
    /// gets the result later.
    pub(crate) fn reach(
        &mut self,
        requester: (WorkerId, Token),
        flow: &Flow,
    ) -> Option<Result<(), Unreachable>> {
        let id = match self.connection_to(flow) {
            Ok(id) => id,
            Err(reason) => return Some(Err(reason)),
        };
        match self.connections.get_mut(&id) {
            Some(entry) if entry.open => Some(Ok(())),
            Some(entry) => {
                entry.waiters.push(requester);
                None
            }
            None => Some(Err(Unreachable::Refused)),
        }
    }

    fn handle_report(
        &mut self,
        id: ConnectionId,
        event: ConnectionEvent,
        events: &mut Vec<StreamEvent>,
        claims: &dyn Fn(&Flow) -> bool,
    ) {
        let Some(entry) = self.connections.get_mut(&id) else { return };
        match event {
            ConnectionEvent::Open(tls_names) => {
                tracing::debug!(flow = ?entry.flow, outbound = entry.is_outbound(), "connection open");
                entry.flow.tls_names = tls_names;
                entry.open = true;
                if let Some(admitted) = &mut entry.admitted {
                    self.admission.end_handshake(admitted, claims(&entry.flow));
                }
                let reached = |requester| StreamEvent::Reached(requester, Ok(()));
                events.extend(entry.waiters.drain(..).map(reached));
            }
            ConnectionEvent::Message { data, alias } => {
                let flow = entry.flow.clone();
                if let (Some(port), false) = (alias, entry.is_outbound()) {
                    self.alias(id, port, claims);
                }
                self.counters.messages_received += 1;
                self.counters.octets_received += data.len() as u64;
                events.push(StreamEvent::Message { flow, data });
            }
            ConnectionEvent::Unreadable(error) => {
                let flow = entry.flow.clone();
                self.unindex(id);
                events.push(StreamEvent::Unreadable { flow, error });
            }
            ConnectionEvent::HalfClosed => self.unindex(id),
            ConnectionEvent::Closed(closed) => self.remove_closed(id, closed, events),
        }
    }

    /// Adds a key for requests to the peer's own port to an accepted connection (RFC 5923 section 5). Over TLS, the key is for
    /// requests to a domain that the peer's certificate proves. TCP proves no name, so only peers that a trunk claims get a
    /// key. Otherwise an unknown peer at the address of a trunk's target could receive the calls of this target.
    fn alias(&mut self, id: ConnectionId, port: u16, claims: &dyn Fn(&Flow) -> bool) {
        let Some(entry) = self.connections.get(&id).filter(|entry| entry.keys.len() < ALIASES) else {
            return;
        };
        let mut key = ConnectionKey::of(&entry.flow);
        key.remote.set_port(port);
        match entry.flow.transport {
            Transport::Tcp if claims(&entry.flow) => self.index(key, id),
            Transport::Tls => {
                let names = entry.flow.tls_names.clone();
                for name in names.iter().flat_map(|names| names.iter()).take(ALIASES) {
                    self.index(ConnectionKey { server_name: Some(name.into()), ..key.clone() }, id);
                }
            }
            Transport::Udp | Transport::Tcp | Transport::Ws | Transport::Wss => {}
        }
    }

    /// Closes a connection after it has sent its queue.
    pub(crate) fn close(&mut self, id: ConnectionId, reason: Ended) {
        self.unindex(id);
        if let Some(entry) = self.connections.get_mut(&id) {
            entry.reason = entry.reason.or(Some(reason));
            entry.task = None;
        }
    }

    /// Ends a connection at once.
    fn abort(&mut self, id: ConnectionId, reason: Ended) {
        self.unindex(id);
        if let Some(task) = self.connections.get_mut(&id).and_then(|entry| entry.task.take()) {
            // An error means that the task has already ended. Its report follows.
            let _ = task.abort.send(reason);
        }
    }

    /// Removes a closed connection. If a peer closes a connection while a request is being sent, the request may be lost.
    /// Undelivered requests are therefore sent once on a new connection, if we opened the closed connection and if it had
    /// worked.
    fn remove_closed(&mut self, id: ConnectionId, closed: Closed, events: &mut Vec<StreamEvent>) {
        self.unindex(id);
        let Some(entry) = self.connections.remove(&id) else { return };
        let outbound = entry.is_outbound();
        if let Some(admitted) = entry.admitted {
            self.admission.release(admitted);
        }
        let unreachable = |requester| StreamEvent::Reached(requester, Err(Unreachable::Refused));
        events.extend(entry.waiters.into_iter().map(unreachable));
        let reason = entry.reason.unwrap_or(closed.reason);
        tracing::debug!(flow = ?entry.flow, outbound, %reason, unsent = closed.unsent.len(), "connection closed");
        self.counters.end(reason);
        let mut flow = entry.flow;
        let may_retry = matches!(reason, Ended::ByPeer | Ended::Broken | Ended::Idle);
        if outbound || !may_retry {
            flow.connection = None;
            flow.tls_names = None;
        }
        let may_resend = outbound && closed.had_input && may_retry;
        for payload in closed.unsent {
            let resend = may_resend && expects_response(&payload);
            let transmit = Transmit { flow: flow.clone(), payload };
            let failed = if resend { self.send(transmit) } else { Some(Unsent::refused(transmit)) };
            self.counters.messages_moved += u64::from(failed.is_none());
            events.extend(failed.map(StreamEvent::Failed));
        }
    }

    /// Closes all connections. Each connection first sends its queue.
    pub(crate) async fn stop(&mut self) {
        self.acceptors.clear();
        self.accepted_sockets.clear();
        self.reports.close();
        for entry in self.connections.values_mut() {
            entry.task = None;
        }
        let tasks = &mut self.tasks;
        let reports = &mut self.reports;
        let ended = async {
            loop {
                tokio::select! {
                    ended = tasks.join_next() => if ended.is_none() { break },
                    // A task that waits to send its report can end only if the reports are read.
                    Some(_) = poll_fn(|cx| reports.poll_recv(cx)) => {}
                }
            }
        };
        // The remaining connections are closed together with the sockets of the runtime.
        let _ = timeout(CLOSE_GRACE, ended).await;
        self.connections.clear();
        self.by_key.clear();
    }
}

/// True if the error concerns one connection that failed before it was accepted. False if it concerns the listener.
fn is_peer_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// The most reports of all connections that wait for the driver. If there is no room, the connections stop reading.
const REPORTS: usize = 128;

/// The most accepted sockets, and the most reports, in one turn of the loop.
const BATCH: usize = 64;

/// The most keys of one connection: its source, and the names and ports that the peer claims.
const ALIASES: usize = 4;

/// The time for which no connection is accepted after the system had no free descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The time that connections have to send their queues when the driver stops.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
