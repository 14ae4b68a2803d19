//! A connection as the driver keeps it, and the key by which requests find it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use attesta_b2bua::Token;
use attesta_transaction::{Flow, Transport, WorkerId};
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use crate::streams::admission::Admitted;
use crate::streams::ended::Ended;
use crate::tcp::Layer;

/// A connection, as the driver knows it.
pub(super) struct Entry {
    /// Our address is that of the listener, whatever port a connection that we opened leaves from.
    pub(super) flow: Flow,
    /// As what it was let in; `None`: we opened it.
    pub(super) admitted: Option<Admitted>,
    /// `None` once it has been let go.
    pub(super) task: Option<TaskHandles>,
    pub(super) queued: Arc<AtomicUsize>,
    /// Why it was let go, where that was our decision.
    pub(super) reason: Option<Ended>,
    pub(super) keys: Vec<ConnectionKey>,
    /// Whether it has been opened.
    pub(super) open: bool,
    /// Who wants to know when it is.
    pub(super) waiters: Vec<(WorkerId, Token)>,
}

impl Entry {
    pub(super) fn is_outbound(&self) -> bool {
        self.admitted.is_none()
    }
}

/// What keeps a connection's task going.
pub(super) struct TaskHandles {
    pub(super) queue: mpsc::Sender<Bytes>,
    pub(super) abort: oneshot::Sender<Ended>,
}

/// Where a connection leads: requests with the same key share it (RFC 3261 section 18, RFC 5923).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ConnectionKey {
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) server_name: Option<Arc<str>>,
}

impl ConnectionKey {
    pub(super) fn of(flow: &Flow) -> ConnectionKey {
        let Flow { transport, local, remote, .. } = *flow;
        ConnectionKey { transport, local, remote, server_name: flow.server_name.clone() }
    }
}

/// A connection that a peer has opened and nobody has looked at.
pub(super) struct AcceptedSocket {
    pub(super) stream: TcpStream,
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) layer: Layer,
}
