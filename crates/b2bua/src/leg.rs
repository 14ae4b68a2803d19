//! Legs: one dialog of a call, and what is in flight in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use attesta_sip::Response;
use attesta_transaction::{Config as Transactions, ServerId, Transmit};

use crate::arena::Key;
use crate::delivery::Hop;
use crate::dialog::Dialog;
use crate::listener::Listener;
use crate::trunk::Trusts;

/// Which end of the call a leg leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// The A leg.
    Caller,
    /// The B leg.
    Callee,
}

impl Side {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "a",
            Self::Callee => "b",
        }
    }
}

/// One leg of a call: a dialog with one peer.
///
/// A leg outlives its call while the call's end is being told to the peer, and no longer than the BYE and the ACK that it
/// then waits for.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) dialog: Dialog,
    pub(crate) side: Side,
    pub(crate) stage: Stage,
    /// Who deals with the peer's requests.
    pub(crate) far: Far,
    /// What is believed when its peer says it.
    pub(crate) trusts: Trusts,
    /// Where its messages leave from.
    pub(crate) listener: Arc<Listener>,
    pub(crate) hop: Hop,
    /// Our 2xx to the peer's INVITE, while its ACK is due.
    pub(crate) answer: Option<Answer>,
    /// Our INVITE that the peer answered with 2xx last.
    pub(crate) invite: Option<Accepted>,
    /// The peer's requests that are being relayed.
    pub(crate) relays: Vec<Key>,
    pub(crate) alarm: Option<Instant>,
}

/// The other side of a call, as a leg sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Far {
    /// A leg, to which requests are relayed.
    Leg(Key),
    /// The built-in callee, which answers them: an application in the place of a leg.
    Callee,
    /// Nobody any more.
    Nobody,
}

/// How far a leg has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Its dialog is early (RFC 3261 section 12.1), in the call named.
    Early(Key),
    /// Its dialog is confirmed, in the call named.
    Confirmed(Key),
    /// The call is over: a BYE is due, or its response.
    Ending,
}

impl Leg {
    pub(crate) fn new(dialog: Dialog, side: Side, stage: Stage, listener: Arc<Listener>) -> Self {
        Self {
            dialog,
            side,
            stage,
            far: Far::Nobody,
            trusts: Trusts::default(),
            listener,
            hop: Hop::Unknown,
            answer: None,
            invite: None,
            relays: Vec::new(),
            alarm: None,
        }
    }

    /// The call that it belongs to, while that lives.
    pub(crate) const fn call(&self) -> Option<Key> {
        match self.stage {
            Stage::Early(call) | Stage::Confirmed(call) => Some(call),
            Stage::Ending => None,
        }
    }

    /// When it next has something to do of itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let hop = match &self.hop {
            Hop::Asked { until, .. } => Some(*until),
            Hop::Unknown | Hop::Known(_) => None,
        };
        hop.into_iter().chain(self.answer.as_ref().map(Answer::deadline)).min()
    }
}

/// Our 2xx to an INVITE, sent again until its ACK comes (RFC 3261 section 13.3.1.4).
#[derive(Debug)]
pub(crate) struct Answer {
    /// The INVITE.
    pub(crate) server: ServerId,
    /// Its CSeq number, which the ACK repeats.
    pub(crate) seq: u32,
    pub(crate) response: Response,
    again: Instant,
    interval: Duration,
    longest: Duration,
    pub(crate) give_up: Instant,
}

impl Answer {
    pub(crate) fn new(
        now: Instant,
        server: ServerId,
        seq: u32,
        response: Response,
        timers: &Transactions,
    ) -> Self {
        let (t1, longest) = (timers.round_trip(), timers.longest_interval());
        Self { server, seq, response, again: now + t1, interval: t1, longest, give_up: now + 64 * t1 }
    }

    fn deadline(&self) -> Instant {
        self.again.min(self.give_up)
    }

    /// Whether the 2xx is to be sent again at `now`; if so, the next time is set.
    pub(crate) fn repeats(&mut self, now: Instant) -> bool {
        let due = self.again <= now;
        if due {
            self.interval = self.interval.saturating_mul(2).min(self.longest);
            self.again = now + self.interval;
        }
        due
    }
}

/// Our INVITE that was answered with 2xx.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Its CSeq number.
    pub(crate) seq: u32,
    pub(crate) ack: Ack,
}

/// The ACK of a 2xx that we received.
#[derive(Debug)]
pub(crate) enum Ack {
    /// The other leg's is waited for.
    Due,
    /// It goes out as soon as it is known where to.
    Ready,
    /// As it was sent: a 2xx that comes again gets the same again (RFC 3261 section 13.2.2.4).
    Sent(Transmit),
}
