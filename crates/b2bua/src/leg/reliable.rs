//! Reliable provisional responses: RFC 3262.
//!
//! If 100rel is relayed, [`RelayedReliable`] remembers which responses were relayed to the peer. If this edge ends 100rel on
//! the leg, [`ReliableSender`] sends the responses, and [`ReliableReceiver`] acknowledges the responses of the peer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use attesta_sip::{Method, Name, RAck, Response};
use attesta_transaction::ClientId;
use bytes::Bytes;

/// The reliable provisional responses that were relayed to the peer, and that have no PRACK yet (RFC 3262 section 3).
#[derive(Debug, Default)]
pub(crate) struct RelayedReliable {
    waiting: Vec<RelayedResponse>,
    /// The greatest RSeq that was relayed.
    last: Option<u32>,
    /// The greatest RSeq that the peer has acknowledged.
    acknowledged: Option<u32>,
}

/// A response that was relayed.
#[derive(Debug)]
struct RelayedResponse {
    rseq: u32,
    /// The CSeq number of the INVITE on this leg.
    invite: u32,
    /// The CSeq number of the INVITE on the other leg.
    far_invite: u32,
}

impl RelayedReliable {
    /// Notes that a response with this RSeq was relayed. Above [`MAX_UNACKNOWLEDGED`], the oldest response is forgotten.
    pub(crate) fn on_relayed(&mut self, rseq: u32, invite: u32, far_invite: u32) {
        self.last = self.last.max(Some(rseq));
        if self.waiting.iter().any(|each| each.rseq == rseq && each.invite == invite) {
            return;
        }
        if self.waiting.len() >= MAX_UNACKNOWLEDGED {
            self.waiting.remove(0);
        }
        self.waiting.push(RelayedResponse { rseq, invite, far_invite });
    }

    /// True if this RAck acknowledges a response.
    pub(crate) fn awaits(&self, rack: &RAck) -> bool {
        self.waiting.iter().any(|each| each.is_named_by(rack))
    }

    /// Handles a PRACK. Returns the CSeq number of the INVITE on the other leg, if the PRACK acknowledges a response.
    pub(crate) fn on_prack(&mut self, rack: &RAck) -> Option<u32> {
        let place = self.waiting.iter().position(|each| each.is_named_by(rack))?;
        self.acknowledged = self.acknowledged.max(Some(rack.response()));
        Some(self.waiting.remove(place).far_invite)
    }

    /// True if a response waits for its PRACK. A response that comes again after its PRACK does not count.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.iter().any(|each| Some(each.rseq) > self.acknowledged)
    }

    /// The greatest RSeq that was relayed.
    pub(crate) const fn last(&self) -> Option<u32> {
        self.last
    }
}

impl RelayedResponse {
    fn is_named_by(&self, rack: &RAck) -> bool {
        self.rseq == rack.response() && self.invite == rack.sequence()
    }
}

/// Our reliable provisional responses to one INVITE in one dialog (RFC 3262 section 3).
///
/// ```text
///          18x           PRACK, no 18x is queued
///   Idle ------> Waiting -------------------------> Idle
///    |            | ^  |
///    |            | |  | T1, then doubled: the 18x again
///    |            | +--+ PRACK, an 18x is queued: the next 18x
///    |            |
///    |            +--------> GivenUp   64*T1
///    |   2xx      |
///    +------------+--------> Answered
/// ```
///
/// Only one response waits for its PRACK. For the first response, RFC 3262 demands this. For the others, RFC 3262
/// recommends it. A final error response ends the dialog, and this machine with it.
#[derive(Debug)]
pub(crate) struct ReliableSender {
    state: SenderState,
    /// The CSeq number of the INVITE.
    invite: u32,
    /// The RSeq of the next response.
    next: u32,
    /// The responses that wait until the response before them is acknowledged.
    queue: VecDeque<ProvisionalResponse>,
    t1: Duration,
}

#[derive(Debug)]
enum SenderState {
    /// No response waits for its PRACK.
    Idle,
    /// A response waits for its PRACK.
    Waiting {
        sent: Box<ProvisionalResponse>,
        rseq: u32,
        again: Instant,
        interval: Duration,
        give_up: Instant,
    },
    /// No PRACK came within 64*T1. The INVITE must be refused with a 5xx.
    GivenUp,
    /// The INVITE has its 2xx. A response that was not acknowledged may still get its PRACK.
    Answered { unacknowledged: Option<u32> },
}

/// A provisional response that is sent reliably.
#[derive(Debug)]
pub(crate) struct ProvisionalResponse {
    pub(crate) response: Response,
    /// True if the body is a session description.
    pub(crate) has_session: bool,
}

/// What is done with a PRACK.
#[derive(Debug)]
pub(crate) enum OnPrack<'a> {
    /// The PRACK acknowledges no response: 481.
    Unknown,
    /// The PRACK acknowledges a response: 200. If there is a next response, it is sent now.
    Acknowledges(Option<&'a Response>),
}

/// The action that is due for our reliable response.
#[derive(Debug)]
pub(crate) enum DueReliable<'a> {
    Nothing,
    /// The response is sent again.
    Repeat(&'a Response),
    /// No PRACK came within 64*T1: the INVITE is refused with a 5xx.
    GiveUp,
}

impl ReliableSender {
    /// The responses to the INVITE with the CSeq number `invite`. `first` is the RSeq of the first response.
    pub(crate) const fn new(invite: u32, first: u32, t1: Duration) -> Self {
        Self { state: SenderState::Idle, invite, next: first, queue: VecDeque::new(), t1 }
    }

    /// The first RSeq, from a random number: from 1 to 2^31 - 1 (RFC 3262 section 3).
    pub(crate) fn first_rseq(random: u64) -> u32 {
        u32::try_from(random % LAST_FIRST_RSEQ).unwrap_or_default() + 1
    }

    /// True if no further response can be queued: [`send`](Self::send) drops a response.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= MAX_QUEUED
    }

    /// Sends a response, or queues it. Returns the response if it is sent now. If `is_blocked`, the response waits for
    /// [`resume`](Self::resume).
    pub(crate) fn send(
        &mut self,
        now: Instant,
        response: ProvisionalResponse,
        is_blocked: bool,
    ) -> Option<&Response> {
        match &self.state {
            SenderState::Idle | SenderState::Waiting { .. } if !self.is_full() => {
                self.queue.push_back(response);
                if is_blocked { None } else { self.resume(now) }
            }
            SenderState::Idle
            | SenderState::Waiting { .. }
            | SenderState::GivenUp
            | SenderState::Answered { .. } => None,
        }
    }

    /// Sends the first response of the queue, if no response waits for its PRACK.
    pub(crate) fn resume(&mut self, now: Instant) -> Option<&Response> {
        match self.state {
            SenderState::Idle => {}
            SenderState::Waiting { .. } | SenderState::GivenUp | SenderState::Answered { .. } => return None,
        }
        let mut sent = Box::new(self.queue.pop_front()?);
        let rseq = self.next;
        // RSeq numbers must not wrap around: 2^31 responses to one INVITE cannot be sent in the time that an INVITE may take.
        self.next = self.next.saturating_add(1);
        sent.response.headers_mut().set(Name::RSeq, rseq.to_string());
        let (again, give_up) = (now + self.t1, now + GIVE_UP_AFTER * self.t1);
        self.state = SenderState::Waiting { sent, rseq, again, interval: self.t1, give_up };
        match &self.state {
            SenderState::Waiting { sent, .. } => Some(&sent.response),
            SenderState::Idle | SenderState::GivenUp | SenderState::Answered { .. } => None,
        }
    }

    /// True if this RAck acknowledges a response.
    pub(crate) fn awaits(&self, rack: &RAck) -> bool {
        let waiting = match &self.state {
            SenderState::Waiting { rseq, .. } => Some(*rseq),
            SenderState::Answered { unacknowledged } => *unacknowledged,
            SenderState::Idle | SenderState::GivenUp => None,
        };
        waiting == Some(rack.response()) && self.invite == rack.sequence() && *rack.method() == Method::Invite
    }

    /// A PRACK has arrived.
    pub(crate) fn on_prack(&mut self, now: Instant, rack: &RAck) -> OnPrack<'_> {
        if !self.awaits(rack) {
            return OnPrack::Unknown;
        }
        match &mut self.state {
            SenderState::Answered { unacknowledged } => *unacknowledged = None,
            state @ (SenderState::Idle | SenderState::Waiting { .. } | SenderState::GivenUp) => {
                *state = SenderState::Idle;
            }
        }
        OnPrack::Acknowledges(self.resume(now))
    }

    /// True if a response with a session description waits for its PRACK. A 2xx must wait until then (RFC 3262 sections 3 and
    /// 5). Responses that were not sent yet are dropped, because no response follows the 2xx.
    pub(crate) fn holds_2xx(&mut self) -> bool {
        self.queue.clear();
        matches!(&self.state, SenderState::Waiting { sent, .. } if sent.has_session)
    }

    /// The INVITE has its 2xx. No response is sent again, and no further response is sent.
    pub(crate) fn on_2xx_sent(&mut self) {
        self.queue.clear();
        let unacknowledged = match &self.state {
            SenderState::Waiting { rseq, .. } => Some(*rseq),
            SenderState::Idle | SenderState::GivenUp | SenderState::Answered { .. } => None,
        };
        self.state = SenderState::Answered { unacknowledged };
    }

    /// When [`on_deadline`](Self::on_deadline) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            SenderState::Waiting { again, give_up, .. } => Some((*again).min(*give_up)),
            SenderState::Idle | SenderState::GivenUp | SenderState::Answered { .. } => None,
        }
    }

    /// The action that is due at `now`. The interval is doubled each time, without the limit T2 (RFC 3262 section 3).
    pub(crate) fn on_deadline(&mut self, now: Instant) -> DueReliable<'_> {
        if matches!(&self.state, SenderState::Waiting { give_up, .. } if *give_up <= now) {
            self.state = SenderState::GivenUp;
            self.queue.clear();
            return DueReliable::GiveUp;
        }
        match &mut self.state {
            SenderState::Waiting { sent, again, interval, .. } if *again <= now => {
                *interval = interval.saturating_mul(2);
                *again = now + *interval;
                DueReliable::Repeat(&sent.response)
            }
            SenderState::Idle
            | SenderState::Waiting { .. }
            | SenderState::GivenUp
            | SenderState::Answered { .. } => DueReliable::Nothing,
        }
    }
}

/// The peer's reliable provisional responses to our INVITE in one dialog (RFC 3262 section 4).
///
/// ```text
///   RSeq n: PRACK          RSeq n+1: PRACK
///  ----------------> Last n ---------------> Last n+1
///                     |  ^
///                     +--+ any other RSeq: the response is discarded
/// ```
#[derive(Debug, Default)]
pub(crate) struct ReliableReceiver {
    first: u32,
    /// The RSeq of the last response in order.
    last: Option<u32>,
    /// Our PRACKs that have no final response.
    pracks: Vec<ClientId>,
    /// The answer in a response that we have acknowledged.
    answer: Option<Answer>,
}

/// A session description, with its Content-Type.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) content_type: Bytes,
    pub(crate) body: Bytes,
}

impl ReliableReceiver {
    /// A response with this RSeq has arrived. Returns true if the response is the next in order: it must be acknowledged.
    /// Otherwise it is a repetition, or a response before it is missing, and it is discarded.
    pub(crate) fn on_response(&mut self, rseq: u32) -> bool {
        let is_next = match self.last {
            None => rseq > 0,
            Some(last) => last.checked_add(1) == Some(rseq),
        };
        // The peer has not waited for its answers to our PRACKs. It sends the response again.
        let is_taken = is_next && self.pracks.len() < MAX_UNACKNOWLEDGED;
        if is_taken {
            if self.last.is_none() {
                self.first = rseq;
            }
            self.last = Some(rseq);
        }
        is_taken
    }

    /// The RAck for the last response to our INVITE with this CSeq number (RFC 3262 section 7.2).
    pub(crate) fn rack(&self, invite: u32) -> Option<RAck> {
        self.last.map(|rseq| RAck::new(rseq, invite, Method::Invite))
    }

    /// The PRACK was sent in this transaction.
    pub(crate) fn on_prack_sent(&mut self, client: ClientId) {
        self.pracks.push(client);
    }

    /// The last PRACK could not be sent. The peer sends the response again, and the response is then acknowledged.
    pub(crate) fn on_prack_not_sent(&mut self) {
        self.last = self.last.filter(|last| *last != self.first).map(|last| last - 1);
    }

    /// True if this is the transaction of a PRACK that has no final response.
    pub(crate) fn sent(&self, client: ClientId) -> bool {
        self.pracks.contains(&client)
    }

    /// The PRACK in this transaction has its final response, or gets none.
    pub(crate) fn on_prack_done(&mut self, client: ClientId) {
        self.pracks.retain(|each| *each != client);
    }

    /// Takes out a PRACK that has no final response.
    pub(crate) fn pop_prack(&mut self) -> Option<ClientId> {
        self.pracks.pop()
    }

    /// The first answer counts. Later session descriptions repeat it (RFC 6337 section 3.1.1).
    pub(crate) fn keep_answer(&mut self, answer: Answer) {
        self.answer.get_or_insert(answer);
    }

    /// The INVITE has its 2xx. Returns the answer, which the 2xx need not contain.
    pub(crate) fn take_answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }
}

/// The most responses that may wait for their PRACK. A peer that sends more has not waited for the PRACK of its first
/// response (RFC 3262 section 3).
const MAX_UNACKNOWLEDGED: usize = 16;

/// The most responses that wait until the response before them is acknowledged. Further responses are dropped.
const MAX_QUEUED: usize = 8;

/// The greatest RSeq of a first response (RFC 3262 section 3).
const LAST_FIRST_RSEQ: u64 = (1 << 31) - 1;

/// How long a response waits for its PRACK, in T1 (RFC 3262 section 3).
const GIVE_UP_AFTER: u32 = 64;

#[cfg(test)]
mod tests;
