//! Where the requests of a leg are sent: the address of the peer is found first, then they leave.

use std::time::{Duration, Instant};

use attesta_sip::Request;
use attesta_transaction::{Flow, ServerId};

use crate::token::Token;

/// Where the requests of a leg are sent.
#[derive(Debug)]
pub(crate) enum NextHopState {
    /// The address was not asked for yet, or the remote target has changed.
    Unknown,
    /// The address was asked for. What is to be sent waits.
    Asked {
        /// The question.
        token: Token,
        /// When the answer is given up.
        until: Instant,
        /// What waits, in order.
        queue: Vec<QueuedRequest>,
    },
    /// The flow to the peer.
    Known(Flow),
}

impl NextHopState {
    /// When the answer is given up.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Asked { until, .. } => Some(*until),
            Self::Unknown | Self::Known(_) => None,
        }
    }

    /// The question that waits for an answer.
    pub(crate) const fn asked(&self) -> Option<Token> {
        match self {
            Self::Asked { token, .. } => Some(*token),
            Self::Unknown | Self::Known(_) => None,
        }
    }

    /// Drops a relayed request that still waits, since its sender has got an answer.
    pub(crate) fn unqueue(&mut self, server: ServerId) {
        match self {
            Self::Asked { queue, .. } => queue.retain(|each| each.kind != RequestKind::Relay(server)),
            Self::Unknown | Self::Known(_) => {}
        }
    }

    /// Drops all relayed requests that still wait, since the call is over.
    pub(crate) fn unqueue_all(&mut self) {
        match self {
            Self::Asked { queue, .. } => queue.retain(|each| !matches!(each.kind, RequestKind::Relay(_))),
            Self::Unknown | Self::Known(_) => {}
        }
    }
}

/// A request that is complete but for its Via.
#[derive(Debug)]
pub(crate) struct QueuedRequest {
    pub(crate) request: Request,
    pub(crate) kind: RequestKind,
}

/// What a request in a dialog is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RequestKind {
    /// The ACK of a 2xx.
    Ack,
    /// The BYE that ends the leg.
    Bye,
    /// A request of the other leg's peer, received in this transaction.
    Relay(ServerId),
}

/// How long the address of a peer, or of a target, is waited for.
pub(crate) const RESOLVE_BUDGET: Duration = Duration::from_secs(4);
