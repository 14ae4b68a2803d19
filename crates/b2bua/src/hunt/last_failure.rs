//! What the sender is told if no target takes its request.

use attesta_sip::{Response, Status};

use crate::event::Cause;

/// What the sender is told if no target is left.
#[derive(Debug)]
pub(crate) enum LastFailure {
    /// This status: there is no response that could be relayed, or none that should be.
    With(Status, Cause),
    /// The response of the target that failed last.
    As(Box<Response>, Cause),
}

impl Default for LastFailure {
    fn default() -> Self {
        Self::With(Status::SERVER_INTERNAL_ERROR, Cause::Unreachable)
    }
}
