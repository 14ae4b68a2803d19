//! The next hop of a leg: its address is resolved first, then the requests are sent.

use std::time::{Duration, Instant};

use attesta_sip::Request;
use attesta_transaction::{Flow, ServerId};

use crate::token::Token;

/// The next hop of the requests of a leg.
#[derive(Debug)]
pub(crate) enum NextHopState {
    /// The address was not asked for yet, or the remote target has changed.
    Unknown,
    /// The address was asked for. Requests wait in a queue.
    Asked {
        /// The token of the question.
        token: Token,
        /// When we stop waiting for the answer.
        until: Instant,
        /// The waiting requests, in order.
        queue: Vec<QueuedRequest>,
    },
    /// The flow to the peer.
    Known(Flow),
}

impl NextHopState {
    /// When we stop waiting for the answer.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Asked { until, .. } => Some(*until),
            Self::Unknown | Self::Known(_) => None,
        }
    }

    /// The token of the question that has no answer yet.
    pub(crate) const fn asked(&self) -> Option<Token> {
        match self {
            Self::Asked { token, .. } => Some(*token),
            Self::Unknown | Self::Known(_) => None,
        }
    }

    /// The remote target or the route set has changed: the address is asked for again. A WebSocket peer stays on its
    /// connection.
    pub(crate) fn forget(&mut self) {
        match self {
            Self::Known(flow) if !flow.transport.is_websocket() => *self = Self::Unknown,
            Self::Unknown | Self::Asked { .. } | Self::Known(_) => {}
        }
    }

    /// Drops a queued request of this transaction, since its sender has got a response.
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

/// A request that is complete except for its Via.
#[derive(Debug)]
pub(crate) struct QueuedRequest {
    pub(crate) request: Request,
    pub(crate) kind: RequestKind,
}

/// The purpose of a request in a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RequestKind {
    /// The ACK of a 2xx.
    Ack,
    /// The BYE that ends the leg.
    Bye,
    /// A request that the other leg's peer sent in this transaction.
    Relay(ServerId),
}

/// The longest time that we wait for the address of a peer or a target.
pub(crate) const RESOLVE_BUDGET: Duration = Duration::from_secs(4);
