//! What passes between the driver and the task of a connection.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use attesta_sip::StreamError;
use attesta_transaction::{ConnectionId, TlsNames};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::streams::ended::Ended;
use crate::streams::limits::StreamLimits;

/// What a connection tells the driver.
#[derive(Debug)]
pub(crate) struct ConnectionReport {
    pub(crate) id: ConnectionId,
    pub(crate) event: ConnectionEvent,
}

/// The event of one connection, in the order in which it happens.
#[derive(Debug)]
pub(crate) enum ConnectionEvent {
    /// It is open; what the peer's certificate proved, where there was one.
    Open(Option<Arc<TlsNames>>),
    /// A message.
    Message { data: Bytes, alias: Option<u16> },
    /// What arrives cannot be read any further. The connection waits for the answer, if there is one, and then to be let
    /// go.
    Unreadable(StreamError),
    /// The peer sends nothing more; what is on its way to it still leaves.
    HalfClosed,
    /// It is over.
    Closed(Closed),
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) reason: Ended,
    /// What it was given and, as far as can be told, did not bring to the peer.
    pub(crate) unsent: Vec<Bytes>,
    /// Whether it had carried a message of the peer's: it worked, and a new one may do so again.
    pub(crate) had_input: bool,
}

/// The driver's end of a connection, as its task holds it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    /// What is to be sent. When the driver lets go of the other end, the connection sends what it has and closes.
    pub(crate) queue: mpsc::Receiver<Bytes>,
    /// Octets of what is in the queue or was taken from it and is not sent yet.
    pub(crate) queued: Arc<AtomicUsize>,
    pub(crate) reports: mpsc::Sender<ConnectionReport>,
    /// Closes the connection at once.
    pub(crate) abort: oneshot::Receiver<Ended>,
    pub(crate) limits: Arc<StreamLimits>,
    /// Whether we opened it.
    pub(crate) outbound: bool,
}

impl Link {
    /// Tells the driver, once it has room; a driver that is gone needs to know nothing.
    pub(crate) async fn report(&self, event: ConnectionEvent) {
        let _ = self.reports.send(ConnectionReport { id: self.id, event }).await;
    }

    /// The end of a connection that was never open.
    pub(crate) async fn fail(mut self, reason: Ended) {
        let unsent = drain(&mut self.queue);
        self.report(ConnectionEvent::Closed(Closed { reason, unsent, had_input: false })).await;
    }
}

/// What the queue still holds; nothing more is put into it.
pub(super) fn drain(queue: &mut mpsc::Receiver<Bytes>) -> Vec<Bytes> {
    queue.close();
    std::iter::from_fn(|| queue.try_recv().ok()).collect()
}

/// Whether the peer answers this message: a request other than ACK. What it answers may be sent twice, since the second is
/// known for the same by its branch (RFC 3261 section 17.2.3).
pub(crate) fn expects_response(message: &[u8]) -> bool {
    !message.starts_with(b"SIP/2.0 ") && !message.starts_with(b"ACK ")
}
