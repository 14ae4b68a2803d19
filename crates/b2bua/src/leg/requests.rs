//! Requests of a peer within its dialog that are being relayed.

use std::time::{Duration, Instant};

use attesta_sip::{Method, Request};
use attesta_transaction::{ClientId, ServerId};

/// A request of a peer that is relayed to the other leg.
#[derive(Debug)]
pub(crate) struct RelayedRequest {
    /// The request as we received it.
    pub(crate) request: Request,
    /// The transaction with the peer that sent the request.
    pub(crate) server: ServerId,
    /// The transaction on the other leg. `None` until the request is sent.
    pub(crate) client: Option<ClientId>,
    /// The CSeq number of the request on the other leg.
    pub(crate) seq: u32,
    /// The time at which an INVITE without a final response is cancelled.
    deadline: Option<Instant>,
    /// True if the INVITE was cancelled because it rang for too long.
    is_overdue: bool,
    /// The provisional responses to an INVITE.
    pub(crate) provisionals: ProvisionalCount,
}

impl RelayedRequest {
    pub(crate) const fn new(request: Request, server: ServerId, seq: u32) -> Self {
        let provisionals = ProvisionalCount(0);
        Self { request, server, client: None, seq, deadline: None, is_overdue: false, provisionals }
    }

    pub(crate) fn is_invite(&self) -> bool {
        *self.request.method() == Method::Invite
    }

    /// Handles a provisional response. From now on, the time for which an INVITE may ring is limited.
    pub(crate) fn on_provisional(&mut self, now: Instant) {
        if self.is_invite() && !self.is_overdue {
            self.deadline = Some(now + REINVITE_BUDGET);
        }
    }
}

/// How many provisional responses to one INVITE were relayed. The peer that answers the INVITE could otherwise make us send
/// without limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProvisionalCount(u8);

impl ProvisionalCount {
    /// Counts one more response. Returns true if the limit is reached: then the response is not relayed.
    pub(crate) const fn is_exceeded_by_one_more(&mut self) -> bool {
        if self.0 >= MOST_PROVISIONAL_RESPONSES {
            return true;
        }
        self.0 += 1;
        false
    }
}

/// The most provisional responses to one INVITE that are relayed. A callee that rings for two hours sends about as many (RFC
/// 3261 section 13.3.1.1: one each minute).
pub(crate) const MOST_PROVISIONAL_RESPONSES: u8 = 128;

/// The requests of one peer that are in flight, in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct RelayedRequests(Vec<RelayedRequest>);

impl RelayedRequests {
    pub(crate) fn push(&mut self, request: RelayedRequest) {
        // Most often there is only one, such as the BYE.
        self.0.reserve_exact(1);
        self.0.push(request);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the INVITE in flight. At most one INVITE is in flight (RFC 3261 section 14.2).
    pub(crate) fn invite(&self) -> Option<&RelayedRequest> {
        self.0.iter().find(|each| each.is_invite())
    }

    pub(crate) fn by_client(&mut self, client: ClientId) -> Option<&mut RelayedRequest> {
        self.0.iter_mut().find(|each| each.client == Some(client))
    }

    pub(crate) fn by_server(&mut self, server: ServerId) -> Option<&mut RelayedRequest> {
        self.0.iter_mut().find(|each| each.server == server)
    }

    /// Removes and returns the request that was received in this transaction.
    pub(crate) fn remove(&mut self, server: ServerId) -> Option<RelayedRequest> {
        let place = self.0.iter().position(|each| each.server == server)?;
        Some(self.0.remove(place))
    }

    /// Removes and returns the first request.
    pub(crate) fn pop(&mut self) -> Option<RelayedRequest> {
        self.pop_except(&[])
    }

    /// Removes and returns the first request that has none of these methods.
    pub(crate) fn pop_except(&mut self, kept: &[Method]) -> Option<RelayedRequest> {
        let place = self.0.iter().position(|each| !kept.contains(each.request.method()))?;
        Some(self.0.remove(place))
    }

    /// Returns the transaction of an INVITE that has rung for too long. Each INVITE is returned once.
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

/// The longest time for which a relayed INVITE may ring.
const REINVITE_BUDGET: Duration = Duration::from_secs(120);
