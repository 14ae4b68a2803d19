//! How far an attempt has come.

use std::time::Instant;

use attesta_sip::Request;
use attesta_stir::{Attestation, OrigId};
use attesta_transaction::ClientId;

use crate::config::next_hop::NextHop;
use crate::hunt::plan::RouteTarget;
use crate::trunk::Trunk;

/// How far an attempt has come.
#[derive(Debug)]
pub(crate) enum Progress {
    Idle,
    /// The addresses of the target are asked for.
    Resolving {
        target: RouteTarget,
        until: Instant,
    },
    /// Policy says later with which attestation the call is signed.
    Attesting {
        attempt: Attempt,
        planned: Option<Attestation>,
        until: Instant,
    },
    /// An outside signer is asked.
    Signing {
        attempt: Attempt,
        outgoing: Box<Request>,
        attested: Attested,
        until: Instant,
    },
    /// The shell opens a connection for an INVITE that is too large for a datagram.
    Connecting {
        /// The hop of it is the way of the datagram, if there is no connection.
        attempt: Attempt,
        /// The way of the connection.
        stream: NextHop,
        outgoing: Box<Request>,
        until: Instant,
    },
    /// The request is sent, and nothing has come back. A MESSAGE ends with its transaction, not at `until`.
    Trying {
        attempt: Attempt,
        client: ClientId,
        sent: Instant,
        until: Option<Instant>,
    },
    /// A provisional response has come.
    Ringing {
        attempt: Attempt,
        client: ClientId,
        sent: Instant,
        until: Option<Instant>,
    },
}

/// What a signature attests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attested {
    pub(crate) attestation: Attestation,
    pub(crate) origid: OrigId,
}

/// One address of a target that is tried.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) target: RouteTarget,
    /// Where the request leaves from, and where it goes.
    pub(crate) hop: NextHop,
}

impl Attempt {
    /// The trunk of the target, whose outbound rules hold.
    pub(crate) fn trunk(&self) -> &Trunk {
        &self.target.egress.trunk
    }
}
