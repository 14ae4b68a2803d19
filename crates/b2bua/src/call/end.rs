//! The end of a call.

use attesta_sip::Request;

use crate::event::Cause;
use crate::leg::Side;

/// Why and how a call ends.
#[derive(Debug)]
pub(crate) struct CallEnd {
    pub(crate) cause: Cause,
    /// The side that needs no BYE: it sent one, or no longer knows the dialog.
    pub(crate) gone: Option<Side>,
    /// The BYE that ended the call, whose header fields cross to the other side.
    pub(crate) bye: Option<Request>,
}

impl CallEnd {
    /// The call ends for this cause. A BYE goes to each side that was answered.
    pub(crate) const fn by(cause: Cause) -> Self {
        Self { cause, gone: None, bye: None }
    }
}
