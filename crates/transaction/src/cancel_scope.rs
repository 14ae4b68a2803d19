//! The other addresses that may cancel an INVITE.

use std::fmt::Debug;

use crate::flow::Flow;

/// The addresses that may cancel an INVITE in addition to its source address, such as the other node of a cluster.
///
/// See [`Endpoint::accept_cancel_of`](crate::Endpoint::accept_cancel_of).
pub trait CancelScope: Debug + Send + Sync {
    /// Whether a CANCEL from this flow is accepted.
    fn may_cancel(&self, flow: &Flow) -> bool;
}
