//! The next hop of a leg. The leg resolves the address of the peer, and then sends its requests.

use std::mem;
use std::time::{Duration, Instant};

use attesta_sip::{Method, Request};
use attesta_transaction::{ClientId, Flow, ServerId, Transport};

use crate::io::Destination;
use crate::token::Token;

/// The path of the last message of the peer in the dialog. A path over UDP is kept only for a peer behind a NAT.
#[derive(Debug)]
pub(crate) struct PeerPath {
    flow: Option<Box<Flow>>,
    /// True if requests go to the source address of the peer's messages instead of its Contact.
    behind_nat: bool,
    /// True if the Contact of the peer cannot be reached. Requests then use the connection of the peer.
    is_last_resort: bool,
    /// True if the path has changed since the last failure. The next request that fails may have used the earlier path.
    has_moved: bool,
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
        Self { flow: None, behind_nat, is_last_resort: false, has_moved: false, failures: 0 }
    }

    /// Notes the flow on which a message of the peer has arrived. If `needs_tls` is true, only flows with TLS may carry requests
    /// to the peer.
    pub(crate) fn on_message(&mut self, flow: &Flow, needs_tls: bool) {
        self.failures = 0;
        if (!flow.transport.reliable() && !self.behind_nat) || (needs_tls && !flow.transport.is_secure()) {
            self.flow = None;
        } else if self.flow.as_deref() != Some(flow) {
            self.has_moved = self.flow.is_some();
            self.flow = Some(Box::new(flow.clone()));
        }
    }

    /// Returns the next hop if the path alone determines it: the peer is behind a NAT, its Contact cannot be reached, or it uses
    /// a WebSocket. A WebSocket client accepts no connections (RFC 7118 appendix B.1).
    pub(crate) fn decided(&self) -> Option<&Flow> {
        self.flow.as_deref().filter(|flow| {
            self.behind_nat
                || flow.transport.is_websocket()
                || (self.is_last_resort && flow.connection.is_some())
        })
    }

    /// Returns the flow on the connection of the peer, if the connection leads to this destination. The flow keeps the name
    /// that the certificate of the peer proved (RFC 3261 section 18.1.1, RFC 5923 section 5). If the connection is lost, the
    /// new connection must prove the same name. If a TLS peer has opened the connection, it has proved no name for its address.
    /// Then only this connection may carry the request.
    pub(crate) fn connection_to(&self, destination: &Destination) -> Option<Flow> {
        let flow = self.flow.as_deref().filter(|flow| flow.connection.is_some())?;
        if flow.transport != destination.transport || flow.remote != destination.address {
            return None;
        }
        let only = flow.transport == Transport::Tls && flow.server_name.is_none();
        let connection = flow.connection.filter(|_| only);
        Some(Flow { connection, tls_names: None, ..flow.clone() })
    }

    /// Notes that the peer has another Contact, which may accept connections.
    pub(crate) fn on_new_target(&mut self) {
        self.is_last_resort = false;
    }

    /// Notes that no address of the Contact can be used. From now on, requests use the connection of the peer if it is open.
    pub(crate) fn on_no_address(&mut self) {
        self.is_last_resort = true;
    }

    /// Handles a request to the peer that could not be sent by the flow `used`. A lost connection is not used again. The peer
    /// gets a new connection if its Contact accepts connections, or else its own open connection. A WebSocket and the address of
    /// a NAT stay, because only the peer can replace them.
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
