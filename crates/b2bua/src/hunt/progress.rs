//! The progress of an attempt.

use std::time::Instant;

use attesta_sip::Request;
use attesta_stir::{Attestation, OrigId};
use attesta_transaction::ClientId;

use crate::config::next_hop::NextHop;
use crate::hunt::plan::RouteTarget;
use crate::trunk::Trunk;

/// The progress of an attempt.
#[derive(Debug)]
pub(crate) enum Progress {
    Idle,
    /// The shell looks up the addresses of the target.
    Resolving {
        target: RouteTarget,
        until: Instant,
    },
    /// The policy has not yet decided about the attestation of the signature.
    Attesting {
        attempt: Attempt,
        planned: Option<Attestation>,
        until: Instant,
    },
    /// An outside signer makes the signature.
    Signing {
        attempt: Attempt,
        outgoing: Box<Request>,
        attested: Attested,
        until: Instant,
    },
    /// The shell opens a connection for an INVITE that is too large for a datagram.
    Connecting {
        /// The attempt. Its hop is used for a datagram if no connection opens.
        attempt: Attempt,
        /// The hop of the connection.
        stream: NextHop,
        outgoing: Box<Request>,
        until: Instant,
    },
    /// The request was sent, and no response has arrived. A MESSAGE ends with its transaction, not at `until`.
    Trying {
        attempt: Attempt,
        client: ClientId,
        sent: Instant,
        until: Option<Instant>,
    },
    /// A provisional response has arrived.
    Ringing {
        attempt: Attempt,
        client: ClientId,
        sent: Instant,
        until: Option<Instant>,
    },
}

/// The claims about the origin of the call that a signature attests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attested {
    pub(crate) attestation: Attestation,
    pub(crate) origid: OrigId,
}

/// One address of a target, which the hunt tries.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) target: RouteTarget,
    /// The listener that sends the request, and the flow to the target.
    pub(crate) hop: NextHop,
}

impl Attempt {
    /// The trunk of the target. The outbound rules of this trunk apply.
    pub(crate) fn trunk(&self) -> &Trunk {
        &self.target.egress.trunk
    }
}
