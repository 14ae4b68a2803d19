//! The state of a relayed BYE (RFC 3261 section 15, RFC 5407 section 3).

use std::time::Instant;

use attesta_transaction::ServerId;

use crate::leg::Side;

/// A BYE that ends the call.
#[derive(Debug)]
pub(crate) struct Releasing {
    /// The side that sent the BYE.
    pub(super) near: Side,
    pub(super) server: ServerId,
    /// When the BYE arrived.
    pub(super) since: Instant,
    pub(super) state: State,
    pub(super) until: Instant,
}

/// ```text
///   BYE              401, 407
/// ------> Relayed -------------> Challenged
///            | final response,      | BYE with credentials: Relayed
///            | or too late          | or too late
///            v                      v
///           the call is over
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// The BYE waits for the response of the far peer.
    Relayed,
    /// The far peer asked for credentials. The sender of the BYE may send another BYE.
    Challenged,
}

impl Releasing {
    /// True while the BYE waits for its response.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Relayed
    }
}
