//! A connection in the driver's table, and the key that identifies it for requests.

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

/// A connection, as the driver sees it.
pub(super) struct ConnectionEntry {
    /// The flow of the connection. Our address is the address of the listener, even if the system chose another port for a
    /// connection that we opened.
    pub(super) flow: Flow,
    /// The counts of an accepted connection. `None` if we opened the connection.
    pub(super) admitted: Option<Admitted>,
    /// `None` after the driver has closed the connection.
    pub(super) task: Option<TaskHandles>,
    pub(super) queued: Arc<AtomicUsize>,
    /// The reason for which the driver closed the connection.
    pub(super) reason: Option<Ended>,
    pub(super) keys: Vec<ConnectionKey>,
    /// True after the connection is open.
    pub(super) open: bool,
    /// The requesters that wait until the connection is open.
    pub(super) waiters: Vec<(WorkerId, Token)>,
}

impl ConnectionEntry {
    pub(super) fn is_outbound(&self) -> bool {
        self.admitted.is_none()
    }
}

/// The driver's handles to the task of a connection. Dropping them closes the connection.
pub(super) struct TaskHandles {
    pub(super) queue: mpsc::Sender<Bytes>,
    pub(super) abort: oneshot::Sender<Ended>,
}

/// The destination of a connection. Requests with the same key share the connection (RFC 3261 section 18, RFC 5923).
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

/// A socket that was accepted and not checked yet.
pub(super) struct AcceptedSocket {
    pub(super) stream: TcpStream,
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) layer: Layer,
}
