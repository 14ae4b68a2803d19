//! The next hop of a leg: its address is resolved first, then the requests are sent.

use std::mem;
use std::time::{Duration, Instant};

use attesta_sip::{Method, Request};
use attesta_transaction::{ClientId, Flow, ServerId, Transport};

use crate::io::Destination;
use crate::token::Token;

/// The path by which the last message of the peer in the dialog arrived. Datagrams are not remembered, except for a peer
/// behind a NAT.
#[derive(Debug)]
pub(crate) struct PeerPath {
    flow: Option<Box<Flow>>,
    /// True if requests go where the peer's messages come from, and not to its Contact.
    behind_nat: bool,
    /// True if the Contact of the peer cannot be reached. Requests then use the connection of the peer.
    is_last_resort: bool,
    /// True if the path has changed since the last failure. The next request that fails may have used the earlier path.
    has_moved: bool,
    /// Requests in a row that could not be sent.
    failures: u8,
}

/// A request to the peer that could not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loss {
    /// The first in a row. A lost connection is the likely reason, and the next request may arrive.
    First,
    /// One more in a row.
    Again,
}

impl PeerPath {
    pub(crate) const fn new(behind_nat: bool) -> Self {
        Self { flow: None, behind_nat, is_last_resort: false, has_moved: false, failures: 0 }
    }

    /// A message of the peer has arrived by this flow. `needs_tls`: only flows with TLS may carry requests to the peer.
    pub(crate) fn on_message(&mut self, flow: &Flow, needs_tls: bool) {
        self.failures = 0;
        if (!flow.transport.reliable() && !self.behind_nat) || (needs_tls && !flow.transport.is_secure()) {
            self.flow = None;
        } else if self.flow.as_deref() != Some(flow) {
            self.has_moved = self.flow.is_some();
            self.flow = Some(Box::new(flow.clone()));
        }
    }

    /// The next hop, if the path alone decides it: a peer behind a NAT, a WebSocket, which accepts no connection (RFC 7118
    /// appendix B.1), or a peer whose Contact cannot be reached.
    pub(crate) fn decided(&self) -> Option<&Flow> {
        self.flow.as_deref().filter(|flow| {
            self.behind_nat
                || flow.transport.is_websocket()
                || (self.is_last_resort && flow.connection.is_some())
        })
    }

    /// The flow along the connection of the peer, if the connection leads to this destination. The name that the peer's
    /// certificate proved on this connection stays (RFC 3261 section 18.1.1, RFC 5923 section 5). If the connection is lost, a
    /// new connection must prove the same name. A TLS peer that has opened the connection has proved no name for its
    /// address, so that the connection alone may carry the request.
    pub(crate) fn connection_to(&self, destination: &Destination) -> Option<Flow> {
        let flow = self.flow.as_deref().filter(|flow| flow.connection.is_some())?;
        if flow.transport != destination.transport || flow.remote != destination.address {
            return None;
        }
        let only = flow.transport == Transport::Tls && flow.server_name.is_none();
        let connection = flow.connection.filter(|_| only);
        Some(Flow { connection, tls_names: None, ..flow.clone() })
    }

    /// The peer has another Contact, which may accept connections.
    pub(crate) fn on_new_target(&mut self) {
        self.is_last_resort = false;
    }

    /// No address of the Contact can be used. From now on the connection of the peer decides, if there is one.
    pub(crate) fn on_no_address(&mut self) {
        self.is_last_resort = true;
    }

    /// A request to the peer by the flow `used` could not be sent. A lost connection is not used again: the peer gets a new
    /// connection if its Contact accepts one. If the Contact accepts none, the open connection of the peer is the last
    /// resort. A WebSocket and the address of a NAT stay, because only the peer can replace them.
    pub(crate) fn on_loss(&mut self, used: Option<&Flow>) -> Loss {
        if mem::take(&mut self.has_moved) {
            return Loss::First;
        }
        self.failures = self.failures.saturating_add(1);
        let is_of_peer = |flow: &Flow| {
            used.is_none_or(|used| used.transport == flow.transport && used.remote == flow.remote)
        };
        match self.flow.as_deref() {
            Some(flow) if self.behind_nat || flow.transport.is_websocket() => {}
            Some(flow) if is_of_peer(flow) => self.flow = None,
            Some(_) | None => self.is_last_resort = true,
        }
        if self.failures > 1 { Loss::Again } else { Loss::First }
    }
}

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

    /// The address is asked for again, because the remote target or the route set has changed.
    pub(crate) fn forget(&mut self) {
        match self {
            Self::Known(_) => *self = Self::Unknown,
            Self::Unknown | Self::Asked { .. } => {}
        }
    }

    /// Drops a queued request of this transaction, since its sender has got a response.
    pub(crate) fn unqueue(&mut self, server: ServerId) {
        match self {
            Self::Asked { queue, .. } => queue.retain(|each| each.kind != RequestKind::Relay(server)),
            Self::Unknown | Self::Known(_) => {}
        }
    }

    /// Drops all requests that still wait, except ACK and BYE, since the call is over.
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
    /// A request that the other leg's peer sent in this transaction.
    Relay(ServerId),
    /// A request on our own account, with its CSeq number.
    Own(OwnKind, u32),
}

/// The purpose of a request on our own account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnKind {
    /// OPTIONS: asks whether the peer knows the call.
    Probe,
    /// UPDATE: refreshes the session.
    Update,
    /// A re-INVITE without a change: refreshes the session of a peer that takes no UPDATE.
    ReInvite,
}

impl OwnKind {
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Probe => Method::Options,
            Self::Update => Method::Update,
            Self::ReInvite => Method::Invite,
        }
    }
}

/// A request of ours that has no final response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OwnRequest {
    pub(crate) client: ClientId,
    pub(crate) kind: OwnKind,
    /// The CSeq number.
    pub(crate) seq: u32,
}

/// The longest time that we wait for the address of a peer or a target.
pub(crate) const RESOLVE_BUDGET: Duration = Duration::from_secs(4);
