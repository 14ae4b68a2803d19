//! The response to the sender if no target accepts the request.

use attesta_sip::{Response, Status};

use crate::event::Cause;

/// The response to the sender if no target remains.
#[derive(Debug)]
pub(crate) enum LastFailure {
    /// A response of ours with this status: no target sent a response, or the target's response must not be relayed.
    With(Status, Cause),
    /// The response of the target that failed last.
    As(Box<Response>, Cause),
}

impl Default for LastFailure {
    fn default() -> Self {
        Self::With(Status::SERVER_INTERNAL_ERROR, Cause::Unreachable)
    }
}
