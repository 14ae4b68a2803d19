//! The reports of the stream connections to the driver.

use attesta_b2bua::{Input, Token, Unreachable};
use attesta_sip::StreamError;
use attesta_transaction::{Flow, Transmit, WorkerId};
use bytes::Bytes;

/// An event of a connection for the driver.
#[derive(Debug)]
pub(crate) enum StreamEvent {
    /// A message arrived.
    Message { flow: Flow, data: Bytes },
    /// The input of this flow is unreadable. The switchboard answers it, and then the connection closes.
    Unreadable { flow: Flow, error: StreamError },
    /// A message was not delivered.
    Failed(Unsent),
    /// The requested connection is ready, or could not be opened.
    Reached((WorkerId, Token), Result<(), Unreachable>),
}

/// A message that was not delivered, and the reason.
#[derive(Debug)]
pub(crate) struct Unsent {
    pub(crate) transmit: Transmit,
    pub(crate) reason: Unreachable,
}

impl Unsent {
    /// Creates the report for a peer that is unreachable, or unreachable by this flow.
    pub(crate) const fn refused(transmit: Transmit) -> Self {
        Self { transmit, reason: Unreachable::Refused }
    }

    /// Creates the report for a limit of the edge.
    pub(crate) const fn no_room(transmit: Transmit) -> Self {
        Self { transmit, reason: Unreachable::NoRoom }
    }
}

impl From<Unsent> for Input {
    fn from(unsent: Unsent) -> Self {
        match unsent.reason {
            Unreachable::Refused => Self::TransportFailed(unsent.transmit),
            Unreachable::NoRoom => Self::NoRoom(unsent.transmit),
        }
    }
}
