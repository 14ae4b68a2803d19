//! The messages between the driver and the task of a connection.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use attesta_sip::StreamError;
use attesta_transaction::{ConnectionId, TlsNames};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::streams::ended::Ended;
use crate::streams::limits::StreamLimits;

/// A report of a connection to the driver.
#[derive(Debug)]
pub(crate) struct ConnectionReport {
    pub(crate) id: ConnectionId,
    pub(crate) event: ConnectionEvent,
}

/// The events of one connection, in the order in which they occur.
#[derive(Debug)]
pub(crate) enum ConnectionEvent {
    /// The connection is open. If the peer has shown a certificate, it proves these names.
    Open(Option<Arc<TlsNames>>),
    /// A message.
    Message { data: Bytes, alias: Option<u16> },
    /// All further input is unreadable. The connection waits for the response to the message, if there is one. Then it waits
    /// until the driver closes the connection.
    Unreadable(StreamError),
    /// The peer has closed its side. The connection can still send messages to the peer.
    HalfClosed,
    /// The connection has ended.
    Closed(Closed),
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) reason: Ended,
    /// Messages that the connection accepted and probably did not deliver.
    pub(crate) unsent: Vec<Bytes>,
    /// True if the connection has received a message. Such a connection worked, so a new connection may work too.
    pub(crate) had_input: bool,
}

/// The link of a connection's task to the driver.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    /// Messages to send. When the driver drops its end, the connection sends the remaining messages and closes.
    pub(crate) queue: mpsc::Receiver<Bytes>,
    /// The octets of the messages in the queue, and of the messages that were taken from the queue and not sent yet.
    pub(crate) queued: Arc<AtomicUsize>,
    pub(crate) reports: mpsc::Sender<ConnectionReport>,
    /// Closes the connection at once.
    pub(crate) abort: oneshot::Receiver<Ended>,
    pub(crate) limits: Arc<StreamLimits>,
    /// True if we opened the connection.
    pub(crate) outbound: bool,
}

impl Link {
    /// Sends a report as soon as the driver has room for it. An error means that the driver no longer exists and needs no
    /// report.
    pub(crate) async fn report(&self, event: ConnectionEvent) {
        let _ = self.reports.send(ConnectionReport { id: self.id, event }).await;
    }

    /// Reports the end of a connection that was never open.
    pub(crate) async fn fail(mut self, reason: Ended) {
        let unsent = drain(&mut self.queue);
        self.report(ConnectionEvent::Closed(Closed { reason, unsent, had_input: false })).await;
    }
}

/// Closes the queue and returns the remaining messages.
pub(super) fn drain(queue: &mut mpsc::Receiver<Bytes>) -> Vec<Bytes> {
    queue.close();
    std::iter::from_fn(|| queue.try_recv().ok()).collect()
}

/// True if the peer answers this message: a request other than ACK. Such a message may be sent twice, because the peer
/// recognizes the second copy by its branch (RFC 3261 section 17.2.3).
pub(crate) fn expects_response(message: &[u8]) -> bool {
    !message.starts_with(b"SIP/2.0 ") && !message.starts_with(b"ACK ")
}
