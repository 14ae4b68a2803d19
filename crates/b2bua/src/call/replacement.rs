//! The state of an INVITE with Replaces of a dialog of ours (RFC 3891 section 3).

use std::sync::Arc;
use std::time::Instant;

use attesta_sip::Request;
use attesta_transaction::{Flow, ServerId};

use crate::config::Config;
use crate::config::trunk_entry::TrunkEntry;
use crate::headers::dialog_id::DialogId;
use crate::leg::{Leg, Side};

/// An INVITE with Replaces. Its sender may replace the leg.
#[derive(Debug)]
pub(crate) struct Replacement<'a> {
    /// The dialog of the leg that is replaced.
    pub(crate) dialog: DialogId,
    pub(crate) id: ServerId,
    pub(crate) request: Request,
    pub(crate) flow: &'a Flow,
    /// The trunk of the new peer.
    pub(crate) ingress: Arc<TrunkEntry>,
    pub(crate) config: Arc<Config>,
}

/// A new leg that waits for the 2xx of the other side.
#[derive(Debug)]
pub(super) struct Swap {
    pub(super) leg: Leg,
    /// The side of the leg that is replaced.
    pub(super) replaced: Side,
    /// True if the replaced peer has sent a BYE. Its call continues with the new leg, or ends with the failure of the swap.
    pub(super) has_hung_up: bool,
}

impl Swap {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.leg.deadline()
    }
}
