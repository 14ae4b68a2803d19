//! What the pool of connections has to say to the driver.

use attesta_b2bua::{Input, Token, Unreachable};
use attesta_sip::StreamError;
use attesta_transaction::{Flow, Transmit, WorkerId};
use bytes::Bytes;

/// What a connection means to the driver.
#[derive(Debug)]
pub(crate) enum StreamEvent {
    /// A message arrived.
    Message { flow: Flow, data: Bytes },
    /// What arrives on this flow cannot be read: it deserves an answer, and is closed then.
    Unreadable { flow: Flow, error: StreamError },
    /// This was not delivered.
    Failed(Unsent),
    /// The connection that was asked for is there, or will not be.
    Reached((WorkerId, Token), Result<(), Unreachable>),
}

/// What was not delivered, and reason.
#[derive(Debug)]
pub(crate) struct Unsent {
    pub(crate) transmit: Transmit,
    pub(crate) reason: Unreachable,
}

impl Unsent {
    /// The peer is to be had no more, or not like this.
    pub(crate) const fn refused(transmit: Transmit) -> Self {
        Self { transmit, reason: Unreachable::Refused }
    }

    /// A limit of outbound is reached.
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
