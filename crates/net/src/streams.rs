//! The stream connections of one driver: who has them, which of them leads where, and how many there may be.

mod admission;
mod connection;
mod ended;
mod limits;
mod link;
mod occurrence;
mod setup;
mod wire;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use attesta_b2bua::{Token, Unreachable};
use attesta_transaction::{ConnectionId, Flow, Transmit, Transport, WorkerId};
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

use crate::streams::admission::{Admission, Guest};
use crate::streams::link::{Closed, Link, News, Report, expects_response};
use crate::tcp::{self, Acceptor, Layer};

pub use crate::streams::ended::{Ended, StreamCounters, Unaccepted};
pub use crate::streams::limits::StreamLimits;
pub(crate) use crate::streams::occurrence::{Occurrence, Unsent};

/// All stream connections of a driver, and the addresses at which more arrive.
pub(crate) struct Streams {
    acceptors: Vec<Acceptor>,
    limits: Arc<StreamLimits>,
    connections: BTreeMap<ConnectionId, Held>,
    /// Which connection leads where, of those that may carry requests there.
    ways: BTreeMap<Way, ConnectionId>,
    admission: Admission,
    ids: u64,
    tasks: JoinSet<()>,
    post: mpsc::Sender<Report>,
    reports: mpsc::Receiver<Report>,
    /// What has come and is to be looked at in this turn.
    arrived: Vec<Report>,
    newcomers: Vec<Newcomer>,
    /// Nothing is accepted before it ends, where the system had no descriptor left.
    pause: Option<Pin<Box<Sleep>>>,
    counters: StreamCounters,
}

/// A connection, as the driver knows it.
struct Held {
    /// Our address is that of the listener, whatever port a connection that we opened leaves from.
    flow: Flow,
    /// As what it was let in; `None`: we opened it.
    guest: Option<Guest>,
    /// `None` once it has been let go.
    ends: Option<Ends>,
    queued: Arc<AtomicUsize>,
    /// Why it was let go, where that was our decision.
    why: Option<Ended>,
    ways: Vec<Way>,
    /// Whether it has been opened.
    open: bool,
    /// Who wants to know when it is.
    waiters: Vec<(WorkerId, Token)>,
}

impl Held {
    fn is_ours(&self) -> bool {
        self.guest.is_none()
    }
}

/// What keeps a connection's task going.
struct Ends {
    queue: mpsc::Sender<Bytes>,
    cut: oneshot::Sender<Ended>,
}

/// Where a connection leads: requests with the same way share it (RFC 3261 section 18, RFC 5923).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Way {
    transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
    server_name: Option<Arc<str>>,
}

impl Way {
    fn of(flow: &Flow) -> Way {
        let Flow { transport, local, remote, .. } = *flow;
        Way { transport, local, remote, server_name: flow.server_name.clone() }
    }
}

/// A connection that a peer has opened and nobody has looked at.
struct Newcomer {
    stream: TcpStream,
    remote: SocketAddr,
    local: SocketAddr,
    layer: Layer,
}

impl Streams {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(acceptors: Vec<Acceptor>, limits: StreamLimits) -> Streams {
        let (post, reports) = mpsc::channel(REPORTS);
        Streams {
            acceptors,
            limits: Arc::new(limits),
            connections: BTreeMap::new(),
            ways: BTreeMap::new(),
            admission: Admission::default(),
            ids: 0,
            tasks: JoinSet::new(),
            post,
            reports,
            arrived: Vec::new(),
            newcomers: Vec::new(),
            pause: None,
            counters: StreamCounters::default(),
        }
    }

    pub(crate) fn counters(&self) -> StreamCounters {
        let mut counters = self.counters;
        counters.live = self.connections.len() as u64;
        counters
    }

    /// Ready when connections have arrived or have something to say, which then waits to be taken.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_accept(cx);
        if self.arrived.is_empty() {
            // It never ends, since `post` lives.
            let _ = self.reports.poll_recv_many(cx, &mut self.arrived, BATCH);
        }
        let idle = self.newcomers.is_empty() && self.arrived.is_empty();
        if idle { Poll::Pending } else { Poll::Ready(()) }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return;
            }
            self.pause = None;
        }
        // Each address has its share, so that a flood at one keeps none from the others.
        let share = BATCH.div_ceil(self.acceptors.len().max(1));
        for acceptor in &self.acceptors {
            for _ in 0..share {
                match acceptor.poll_accept(cx) {
                    Poll::Ready(Ok((stream, remote))) => self.newcomers.push(Newcomer {
                        stream,
                        remote,
                        local: acceptor.local(),
                        layer: acceptor.layer().clone(),
                    }),
                    Poll::Ready(Err(error)) if is_the_peers(&error) => {}
                    Poll::Ready(Err(error)) => {
                        tracing::warn!(local = %acceptor.local(), %error, "accept");
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

    /// What connections have brought, as far as it was collected. `claims` says whether a trunk claims where one comes from.
    pub(crate) fn take(&mut self, occurrences: &mut Vec<Occurrence>, claims: &dyn Fn(&Flow) -> bool) {
        for newcomer in mem::take(&mut self.newcomers) {
            self.admit(newcomer, claims);
        }
        let mut arrived = mem::take(&mut self.arrived);
        for Report { id, news } in arrived.drain(..) {
            self.hear(id, news, occurrences, claims);
        }
        self.arrived = arrived;
        while self.tasks.try_join_next().is_some() {}
    }

    fn admit(&mut self, newcomer: Newcomer, claims: &dyn Fn(&Flow) -> bool) {
        let Newcomer { stream, remote, local, layer } = newcomer;
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
        let guest = match admitted {
            Ok(guest) => guest,
            Err(why) => {
                tracing::debug!(%remote, why = why.as_str(), "connection refused");
                return self.counters.refuse(why);
            }
        };
        tcp::tune(&stream);
        self.counters.accepted += 1;
        let link = self.hold(flow, Some(guest));
        self.tasks.spawn(setup::serve(stream, layer, link));
    }

    /// Holds a connection from now on, and gives the other end of it. Requests to where it comes from may take it: its far
    /// end is indexed by its source (RFC 3261 section 18).
    fn hold(&mut self, mut flow: Flow, guest: Option<Guest>) -> Link {
        let ours = guest.is_none();
        self.ids += 1;
        let id = ConnectionId(self.ids);
        let way = Way::of(&flow);
        flow.connection = Some(id);
        let (queue, outgoing) = mpsc::channel(self.limits.queue);
        let (cut, cut_here) = oneshot::channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let held = Held {
            flow,
            guest,
            ends: Some(Ends { queue, cut }),
            queued: Arc::clone(&queued),
            why: None,
            ways: Vec::new(),
            open: !ours,
            waiters: Vec::new(),
        };
        self.connections.insert(id, held);
        self.lead(way, id);
        let (reports, limits) = (self.post.clone(), Arc::clone(&self.limits));
        Link { id, queue: outgoing, queued, reports, cut: cut_here, limits, ours }
    }

    /// Requests to `way` take this connection from now on, unless they have one.
    fn lead(&mut self, way: Way, id: ConnectionId) {
        let Some(held) = self.connections.get_mut(&id) else { return };
        if let std::collections::btree_map::Entry::Vacant(free) = self.ways.entry(way.clone()) {
            free.insert(id);
            held.ways.push(way);
        }
    }

    /// New requests take this connection no more.
    fn unlead(&mut self, id: ConnectionId) {
        let ways = self.connections.get_mut(&id).map(|held| mem::take(&mut held.ways));
        for way in ways.into_iter().flatten() {
            self.ways.remove(&way);
        }
    }

    /// Sends a message on its connection; where it names none, on one that leads there or that is opened for it. Gives it
    /// back if there is no way; without its connection if that is at fault, since a peer that does not read is not to be
    /// tried another way.
    pub(crate) fn send(&mut self, mut transmit: Transmit) -> Option<Unsent> {
        let id = match transmit.flow.connection {
            Some(id) => Ok(id),
            None if self.is_closed_to(&transmit) => Err(Unreachable::NoRoom),
            None => self.connection_to(&transmit.flow),
        };
        let id = match id {
            Ok(id) => id,
            Err(why) => return Some(Unsent { transmit, why }),
        };
        let Some(held) = self.connections.get_mut(&id) else { return Some(Unsent::refused(transmit)) };
        let Some(ends) = &held.ends else { return Some(Unsent::refused(transmit)) };
        let octets = transmit.payload.len();
        let room = self.limits.room(held.is_ours());
        let full = held.queued.fetch_add(octets, Ordering::Relaxed) + octets > room;
        if full || ends.queue.try_send(transmit.payload.clone()).is_err() {
            held.queued.fetch_sub(octets, Ordering::Relaxed);
            tracing::debug!(flow = ?held.flow, "send queue full");
            self.cut(id, Ended::QueueFull);
            transmit.flow.connection = None;
            return Some(Unsent::refused(transmit));
        }
        tracing::trace!(flow = ?held.flow, octets, "sent");
        self.counters.messages_sent += 1;
        self.counters.octets_sent += octets as u64;
        None
    }

    /// Whether a new connection would be one too many for a response. Any stranger can have one opened, by a request whose
    /// connection it closes at once (RFC 3261 section 18.2.2), so that requests keep half of them for themselves.
    fn is_closed_to(&mut self, transmit: &Transmit) -> bool {
        let closed = transmit.payload.starts_with(b"SIP/2.0 ")
            && self.opened() >= self.limits.opened.div_ceil(2)
            && !self.ways.contains_key(&Way::of(&transmit.flow));
        if closed {
            self.counters.end(Ended::Cap);
        }
        closed
    }

    /// Connections that we have opened, or are opening.
    fn opened(&self) -> usize {
        self.connections.len() - self.admission.accepted()
    }

    /// The connection that leads where a flow does, opened if there is none.
    fn connection_to(&mut self, flow: &Flow) -> Result<ConnectionId, Unreachable> {
        if let Some(id) = self.ways.get(&Way::of(flow)) {
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
            tracing::debug!(?flow, "too many connections to open one more");
            self.counters.end(Ended::Cap);
            return Err(Unreachable::NoRoom);
        }
        self.counters.opened += 1;
        let link = self.hold(flow.clone(), None);
        let id = link.id;
        self.tasks.spawn(setup::open(flow.clone(), layer, link));
        Ok(id)
    }

    /// Has a connection ready that leads where `flow` does. Gives what is known at once; else `asker` hears of it.
    pub(crate) fn reach(&mut self, asker: (WorkerId, Token), flow: &Flow) -> Option<Result<(), Unreachable>> {
        let id = match self.connection_to(flow) {
            Ok(id) => id,
            Err(why) => return Some(Err(why)),
        };
        match self.connections.get_mut(&id) {
            Some(held) if held.open => Some(Ok(())),
            Some(held) => {
                held.waiters.push(asker);
                None
            }
            None => Some(Err(Unreachable::Refused)),
        }
    }

    fn hear(
        &mut self,
        id: ConnectionId,
        news: News,
        occurrences: &mut Vec<Occurrence>,
        claims: &dyn Fn(&Flow) -> bool,
    ) {
        let Some(held) = self.connections.get_mut(&id) else { return };
        match news {
            News::Open(tls_names) => {
                tracing::debug!(flow = ?held.flow, ours = held.is_ours(), "connection open");
                held.flow.tls_names = tls_names;
                held.open = true;
                if let Some(guest) = &mut held.guest {
                    self.admission.shook_hands(guest, claims(&held.flow));
                }
                let reached = |asker| Occurrence::Reached(asker, Ok(()));
                occurrences.extend(held.waiters.drain(..).map(reached));
            }
            News::Message { data, alias } => {
                let flow = held.flow.clone();
                if let (Some(port), false) = (alias, held.is_ours()) {
                    self.alias(id, port, claims);
                }
                self.counters.messages_received += 1;
                self.counters.octets_received += data.len() as u64;
                occurrences.push(Occurrence::Message { flow, data });
            }
            News::Unreadable(error) => {
                let flow = held.flow.clone();
                self.unlead(id);
                occurrences.push(Occurrence::Unreadable { flow, error });
            }
            News::HalfClosed => self.unlead(id),
            News::Closed(closed) => self.bury(id, closed, occurrences),
        }
    }

    /// A peer that has opened a connection takes requests to its own port on it too (RFC 5923 section 5). Over TLS these
    /// are the requests to a domain that its certificate proves. Over TCP nothing proves anything, so that only those are
    /// believed whose address a trunk claims: a stranger behind the address of a trunk's target would take in its calls.
    fn alias(&mut self, id: ConnectionId, port: u16, claims: &dyn Fn(&Flow) -> bool) {
        let Some(held) = self.connections.get(&id).filter(|held| held.ways.len() < ALIASES) else { return };
        let mut way = Way::of(&held.flow);
        way.remote.set_port(port);
        match held.flow.transport {
            Transport::Tcp if claims(&held.flow) => self.lead(way, id),
            Transport::Tls => {
                let names = held.flow.tls_names.clone();
                for name in names.iter().flat_map(|names| names.iter()).take(ALIASES) {
                    self.lead(Way { server_name: Some(name.into()), ..way.clone() }, id);
                }
            }
            Transport::Udp | Transport::Tcp | Transport::Ws | Transport::Wss => {}
        }
    }

    /// Lets go of a connection: it sends what it has and closes.
    pub(crate) fn let_go(&mut self, id: ConnectionId, why: Ended) {
        self.unlead(id);
        if let Some(held) = self.connections.get_mut(&id) {
            held.why = held.why.or(Some(why));
            held.ends = None;
        }
    }

    /// Ends a connection at once.
    fn cut(&mut self, id: ConnectionId, why: Ended) {
        self.unlead(id);
        if let Some(ends) = self.connections.get_mut(&id).and_then(|held| held.ends.take()) {
            // Its task may have ended by itself; its report is then on its way.
            let _ = ends.cut.send(why);
        }
    }

    /// A connection is over. What it did not deliver goes by a new one, once, if it was a request and this one had worked:
    /// a peer may close at the very moment at which something is sent.
    fn bury(&mut self, id: ConnectionId, closed: Closed, occurrences: &mut Vec<Occurrence>) {
        self.unlead(id);
        let Some(held) = self.connections.remove(&id) else { return };
        let ours = held.is_ours();
        if let Some(guest) = held.guest {
            self.admission.leave(guest);
        }
        let unreachable = |asker| Occurrence::Reached(asker, Err(Unreachable::Refused));
        occurrences.extend(held.waiters.into_iter().map(unreachable));
        let why = held.why.unwrap_or(closed.why);
        tracing::debug!(flow = ?held.flow, ours, %why, unsent = closed.unsent.len(), "connection closed");
        self.counters.end(why);
        let mut flow = held.flow;
        let innocent = matches!(why, Ended::ByPeer | Ended::Broken | Ended::Idle);
        if ours || !innocent {
            flow.connection = None;
            flow.tls_names = None;
        }
        let moves = ours && closed.proven && innocent;
        for payload in closed.unsent {
            let again = moves && expects_response(&payload);
            let transmit = Transmit { flow: flow.clone(), payload };
            let failed = if again { self.send(transmit) } else { Some(Unsent::refused(transmit)) };
            self.counters.messages_moved += u64::from(failed.is_none());
            occurrences.extend(failed.map(Occurrence::Failed));
        }
    }

    /// Closes every connection, each after what it still has to send.
    pub(crate) async fn stop(&mut self) {
        self.acceptors.clear();
        self.newcomers.clear();
        self.reports.close();
        for held in self.connections.values_mut() {
            held.ends = None;
        }
        let tasks = &mut self.tasks;
        let reports = &mut self.reports;
        let ended = async {
            loop {
                tokio::select! {
                    ended = tasks.join_next() => if ended.is_none() { break },
                    // What was on its way makes room for those that wait to say so.
                    Some(_) = poll_fn(|cx| reports.poll_recv(cx)) => {}
                }
            }
        };
        // The rest is cut with the runtime's sockets.
        let _ = timeout(FAREWELL, ended).await;
        self.connections.clear();
        self.ways.clear();
    }
}

/// Whether it is that one connection that failed before it was accepted, and not the listener.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Messages of all connections that wait for the driver; when there is no room, nothing more is read.
const REPORTS: usize = 128;

/// Newcomers, and messages, taken in one pass.
const BATCH: usize = 64;

/// Ways that lead to one connection: its source, and what the peer calls itself.
const ALIASES: usize = 4;

/// How long nothing is accepted after the system had no descriptor to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long connections may take to send the rest when the driver stops.
const FAREWELL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
