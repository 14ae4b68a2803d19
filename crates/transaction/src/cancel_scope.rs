//! Who else may cancel an INVITE.

use std::fmt::Debug;

use crate::flow::Flow;

/// Addresses that belong together: what may cancel an INVITE beside the address that it came from, such as the other node of
/// a pair.
///
/// See [`Endpoint::accept_cancel_of`](crate::Endpoint::accept_cancel_of).
pub trait CancelScope: Debug + Send + Sync {
    /// Whether a CANCEL that came by this flow counts.
    fn may_cancel(&self, flow: &Flow) -> bool;
}
