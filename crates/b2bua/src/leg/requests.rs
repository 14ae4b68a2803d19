//! Requests that a peer sent within its dialog and that are being relayed.

use std::time::{Duration, Instant};

use attesta_sip::{Method, Request};
use attesta_transaction::{ClientId, ServerId};

/// A request of a peer on its way to the other leg.
#[derive(Debug)]
pub(crate) struct RelayedRequest {
    /// The request as it was received.
    pub(crate) request: Request,
    /// Its transaction with the peer that sent it.
    pub(crate) server: ServerId,
    /// Its transaction on the other leg, once the request was sent.
    pub(crate) client: Option<ClientId>,
    /// Its CSeq number on the other leg.
    pub(crate) seq: u32,
    /// When an INVITE that got provisional responses only is cancelled.
    deadline: Option<Instant>,
    /// True once the INVITE is cancelled because it has rung for too long.
    is_overdue: bool,
}

impl RelayedRequest {
    pub(crate) const fn new(request: Request, server: ServerId, seq: u32) -> Self {
        Self { request, server, client: None, seq, deadline: None, is_overdue: false }
    }

    pub(crate) fn is_invite(&self) -> bool {
        *self.request.method() == Method::Invite
    }

    /// A provisional response has arrived: from now on an INVITE may ring.
    pub(crate) fn on_provisional(&mut self, now: Instant) {
        if self.is_invite() && !self.is_overdue {
            self.deadline = Some(now + REINVITE_BUDGET);
        }
    }
}

/// The requests of one peer that are in flight, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct RelayedRequests(Vec<RelayedRequest>);

impl RelayedRequests {
    pub(crate) fn push(&mut self, request: RelayedRequest) {
        self.0.push(request);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The INVITE in flight. At most one INVITE is in flight (RFC 3261 section 14.2).
    pub(crate) fn invite(&self) -> Option<&RelayedRequest> {
        self.0.iter().find(|each| each.is_invite())
    }

    pub(crate) fn by_client(&mut self, client: ClientId) -> Option<&mut RelayedRequest> {
        self.0.iter_mut().find(|each| each.client == Some(client))
    }

    pub(crate) fn by_server(&mut self, server: ServerId) -> Option<&mut RelayedRequest> {
        self.0.iter_mut().find(|each| each.server == server)
    }

    /// Takes out the request that was received in this transaction.
    pub(crate) fn remove(&mut self, server: ServerId) -> Option<RelayedRequest> {
        let place = self.0.iter().position(|each| each.server == server)?;
        Some(self.0.remove(place))
    }

    /// Takes out the first request.
    pub(crate) fn pop(&mut self) -> Option<RelayedRequest> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    /// The transaction of an INVITE that rings for too long. Each INVITE is returned once.
    pub(crate) fn overdue(&mut self, now: Instant) -> Option<ClientId> {
        let is_due = |each: &&mut RelayedRequest| each.deadline.is_some_and(|deadline| deadline <= now);
        let overdue = self.0.iter_mut().find(is_due)?;
        overdue.deadline = None;
        overdue.is_overdue = true;
        overdue.client
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(|each| each.deadline).min()
    }
}

/// How long a relayed INVITE may ring.
const REINVITE_BUDGET: Duration = Duration::from_secs(120);
