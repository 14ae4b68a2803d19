//! The next hop of a leg. The leg resolves the address of the peer, and then sends its requests.

use std::time::{Duration, Instant};

use attesta_sip::{Method, Request};
use attesta_transaction::{ClientId, Flow, ServerId};

use crate::io::Destination;
use crate::token::Token;

/// The path of the last message of the peer in the dialog. A path over UDP is kept only for a peer behind a NAT.
#[derive(Debug)]
pub(crate) struct PeerPath {
    flow: Option<Box<Flow>>,
    /// True if requests go to the source address of the peer's messages instead of its Contact.
    behind_nat: bool,
    /// The number of consecutive requests that could not be sent.
    failures: u8,
}

/// The result of a request to the peer that could not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loss {
    /// This is the first such request. A lost connection is the likely reason. The next request may arrive.
    First,
    /// The request before this request could not be sent either.
    Again,
}

impl PeerPath {
    pub(crate) const fn new(behind_nat: bool) -> Self {
        Self { flow: None, behind_nat, failures: 0 }
    }

    /// Notes the flow on which a message of the peer has arrived. Returns the flow as the next hop if the peer is behind a NAT
    /// or uses a WebSocket. A WebSocket client accepts no connections (RFC 7118 appendix B.1).
    pub(crate) fn on_message(&mut self, flow: &Flow) -> Option<Flow> {
        self.failures = 0;
        if !flow.transport.reliable() && !self.behind_nat {
            self.flow = None;
            return None;
        }
        if self.flow.as_deref() != Some(flow) {
            self.flow = Some(Box::new(flow.clone()));
        }
        (self.behind_nat || flow.transport.is_websocket()).then(|| flow.clone())
    }

    /// Returns the flow on the connection of the peer, if the connection leads to this destination. The flow keeps the name
    /// that the certificate of the peer proved (RFC 3261 section 18.1.1, RFC 5923 section 5). If the connection is lost, the
    /// new connection must prove the same name.
    pub(crate) fn connection_to(&self, destination: &Destination) -> Option<Flow> {
        let flow = self.flow.as_deref().filter(|flow| flow.connection.is_some())?;
        let leads = flow.transport == destination.transport && flow.remote == destination.address;
        leads.then(|| Flow { connection: None, tls_names: None, ..flow.clone() })
    }

    /// True if the path alone determines the next hop.
    pub(crate) fn decides(&self) -> bool {
        self.flow.as_deref().is_some_and(|flow| self.behind_nat || flow.transport.is_websocket())
    }

    /// Handles a request to the peer that could not be sent. A lost connection is not used again. The peer gets a new
    /// connection if its Contact accepts connections.
    pub(crate) fn on_loss(&mut self) -> Loss {
        self.flow = None;
        self.failures = self.failures.saturating_add(1);
        if self.failures > 1 { Loss::Again } else { Loss::First }
    }
}

/// The next hop of the requests of a leg.
#[derive(Debug)]
pub(crate) enum NextHopState {
    /// The address was not requested yet, or the remote target has changed.
    Unknown,
    /// The address was requested. The requests of the leg wait in a queue.
    Asked {
        /// The token of the request for the address.
        token: Token,
        /// The time at which we stop waiting for the answer.
        until: Instant,
        /// The waiting requests, in order.
        queue: Vec<QueuedRequest>,
    },
    /// The flow to the peer.
    Known(Flow),
}

impl NextHopState {
    /// Returns the time at which we stop waiting for the answer.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Asked { until, .. } => Some(*until),
            Self::Unknown | Self::Known(_) => None,
        }
    }

    /// Returns the token of the request for the address, if it has no answer yet.
    pub(crate) const fn asked(&self) -> Option<Token> {
        match self {
            Self::Asked { token, .. } => Some(*token),
            Self::Unknown | Self::Known(_) => None,
        }
    }

    /// Discards the address, because the remote target or the route set has changed. The address is requested again.
    pub(crate) fn forget(&mut self) {
        match self {
            Self::Known(_) => *self = Self::Unknown,
            Self::Unknown | Self::Asked { .. } => {}
        }
    }

    /// Removes the request of this transaction from the queue, because its sender has received a response.
    pub(crate) fn unqueue(&mut self, server: ServerId) {
        match self {
            Self::Asked { queue, .. } => queue.retain(|each| each.kind != RequestKind::Relay(server)),
            Self::Unknown | Self::Known(_) => {}
        }
    }

    /// Removes all requests except ACK and BYE from the queue, because the call is over.
    pub(crate) fn unqueue_all(&mut self) {
        match self {
            Self::Asked { queue, .. } => {
                queue.retain(|each| !matches!(each.kind, RequestKind::Relay(_) | RequestKind::Own(..)))
            }
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
    /// A request of the other peer, which sent the request in this transaction.
    Relay(ServerId),
    /// Our own request, with its CSeq number.
    Own(OwnKind, u32),
}

/// The purpose of our own request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnKind {
    /// An OPTIONS. It asks whether the peer knows the call.
    Probe,
    /// An UPDATE. It refreshes the session.
    Update,
    /// PRACK: acknowledges a reliable provisional response (RFC 3262 section 4).
    Prack,
    /// A re-INVITE without a change: refreshes the session of a peer that takes no UPDATE.
    ReInvite,
}

impl OwnKind {
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Probe => Method::Options,
            Self::Update => Method::Update,
            Self::Prack => Method::Prack,
            Self::ReInvite => Method::Invite,
        }
    }
}

/// Our own request that has no final response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OwnRequest {
    pub(crate) client: ClientId,
    pub(crate) kind: OwnKind,
    /// The CSeq number.
    pub(crate) seq: u32,
}

/// The longest time that we wait for the address of a peer or a target.
pub(crate) const RESOLVE_BUDGET: Duration = Duration::from_secs(4);
