//! The end of a call.

use std::time::Instant;

use attesta_sip::Request;

use crate::event::Cause;
use crate::leg::{Leg, Side};

/// The reason for the end of a call, and the BYEs to send.
#[derive(Debug)]
pub(crate) struct CallEnd {
    pub(crate) cause: Cause,
    pub(crate) bye_to: ByeTo,
    /// The BYE that ended the call. Its header fields are relayed to the other side.
    pub(crate) bye: Option<Request>,
    /// The time at which the call ended. `None` means now.
    pub(crate) at: Option<Instant>,
}

/// The sides that get a BYE from us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ByeTo {
    Both,
    /// The other side sent a BYE.
    Only(Side),
    /// A BYE has ended both dialogs.
    Neither,
}

impl ByeTo {
    pub(crate) fn includes(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::Only(only) => only == side,
            Self::Neither => false,
        }
    }
}

impl CallEnd {
    /// Ends the call for the reason `cause`. Both sides get a BYE from us.
    pub(crate) const fn by(cause: Cause) -> Self {
        Self { cause, bye_to: ByeTo::Both, bye: None, at: None }
    }
}

/// A leg whose call is over.
#[derive(Debug)]
pub(crate) struct ReleasedLeg {
    pub(crate) leg: Leg,
    /// True if the peer gets a BYE.
    pub(crate) needs_bye: bool,
    /// The BYE of the other side. Its header fields are relayed.
    pub(crate) bye: Option<Request>,
}
