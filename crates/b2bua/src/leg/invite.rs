//! The INVITE usage of one dialog: 2xx, ACK and BYE (RFC 3261 sections 13.2.2.4, 13.3.1.4 and 15, RFC 5407 section 2).

use std::time::{Duration, Instant};

use attesta_sip::Response;
use attesta_transaction::{ClientId, Config as Transactions, ServerId, Transmit};

/// The state of the INVITE usage, in the words of RFC 5407 section 2.
///
/// ```text
///  1xx with a tag          2xx                ACK
/// ---------------> Early -----> Moratorium -----> Established
///                    |               |                 |
///                    |               +-----------------+ BYE, or the call is over
///                    |                        v
///                    | the call is over    Mortal
///                    v                        | response to BYE, or BYE from the peer
///                  Morgue <-------------------+
/// ```
///
/// The first response that creates a dialog also creates its leg. Therefore no leg is in the state Preparative
/// of RFC 5407.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InviteState {
    /// The dialog is early (RFC 3261 section 12.1).
    Early,
    /// The 2xx was sent or received. The ACK is outstanding.
    Moratorium,
    /// The 2xx and the ACK were sent or received.
    Established,
    /// The call is over. We must send a BYE, or have sent the BYE.
    Mortal {
        /// Our BYE.
        bye: Bye,
    },
    /// The dialog has ended. We send nothing more in the dialog, and wait for nothing.
    Morgue,
}

/// The BYE by which we end a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bye {
    /// The BYE waits for the ACK of our 2xx (RFC 3261 section 15).
    AwaitsAck,
    /// The BYE waits for the address of the peer.
    Queued,
    /// The BYE was sent in this transaction.
    Sent(ClientId),
}

/// The INVITE usage of one dialog.
#[derive(Debug)]
pub(crate) struct InviteUsage {
    pub(crate) state: InviteState,
    /// Our 2xx to the peer's INVITE, until its ACK arrives. The 2xx is then dropped, so that a long call does not keep its
    /// memory.
    unacknowledged: Option<Box<Unacknowledged2xx>>,
    /// Our last INVITE that the peer answered with 2xx.
    answered: Option<AnsweredInvite>,
    /// Our re-INVITE that was cancelled when the call ended. Its final response may be a 2xx, which needs an ACK.
    given_up: Option<ClientId>,
}

impl InviteUsage {
    /// The usage of an early dialog.
    pub(crate) const fn early() -> Self {
        Self { state: InviteState::Early, unacknowledged: None, answered: None, given_up: None }
    }

    /// True from the 2xx until the end of the call.
    pub(crate) const fn is_confirmed(&self) -> bool {
        matches!(self.state, InviteState::Moratorium | InviteState::Established)
    }

    /// True while our 2xx waits for its ACK.
    pub(crate) const fn awaits_ack(&self) -> bool {
        self.unacknowledged.is_some()
    }

    /// Notes that we have sent a 2xx to the peer's INVITE.
    pub(crate) fn on_2xx_sent(&mut self, answer: Unacknowledged2xx) {
        self.unacknowledged = Some(Box::new(answer));
        self.answer_first();
    }

    /// Notes that the peer has answered our INVITE with a 2xx. The INVITE has the CSeq number `seq`.
    pub(crate) fn on_2xx_received(&mut self, seq: u32, client: ClientId) {
        self.answered = Some(AnsweredInvite { client, seq, ack: Ack::Due });
        self.answer_first();
    }

    fn answer_first(&mut self) {
        if self.state == InviteState::Early {
            self.state = InviteState::Moratorium;
        }
    }

    fn acknowledge_first(&mut self) {
        if self.state == InviteState::Moratorium {
            self.state = InviteState::Established;
        }
    }

    /// Handles the peer's ACK with CSeq number `seq`. Returns true if this is the first ACK of our 2xx.
    pub(crate) fn on_ack(&mut self, seq: Option<u32>) -> bool {
        let acknowledges = self.unacknowledged.as_ref().is_some_and(|answer| seq == Some(answer.seq));
        if acknowledges {
            self.unacknowledged = None;
            self.acknowledge_first();
        }
        acknowledges
    }

    /// Returns the CSeq number of our INVITE whose 2xx has no ACK yet. Each number is returned only once, so the caller of this
    /// function must send the ACK.
    pub(crate) fn take_ack_due(&mut self) -> Option<u32> {
        let answered = self.answered.as_mut().filter(|answered| matches!(answered.ack, Ack::Due))?;
        answered.ack = Ack::Queued;
        Some(answered.seq)
    }

    /// Notes that the ACK was sent.
    pub(crate) fn on_ack_sent(&mut self, transmit: Transmit) {
        if let Some(answered) = &mut self.answered {
            answered.ack = Ack::Sent(transmit);
        }
        self.acknowledge_first();
    }

    /// Handles a 2xx to our INVITE with CSeq number `seq`. No request waits for this 2xx.
    pub(crate) fn on_repeated_2xx(&mut self, seq: u32, client: ClientId) -> Repeated2xx {
        match &self.answered {
            Some(AnsweredInvite { seq: last, ack, .. }) if seq <= *last => match ack {
                Ack::Sent(transmit) if seq == *last => Repeated2xx::AckAgain(transmit.clone()),
                Ack::Due | Ack::Queued | Ack::Sent(_) => Repeated2xx::Ignore,
            },
            Some(_) | None => {
                self.answered = Some(AnsweredInvite { client, seq, ack: Ack::Due });
                Repeated2xx::Ack
            }
        }
    }

    /// Notes that the ACK cannot be sent.
    pub(crate) fn on_ack_not_sent(&mut self) {
        self.answered = None;
    }

    /// Returns the transaction of our last answered INVITE, and the ACK that was sent.
    pub(crate) fn sent_ack(&self) -> Option<(ClientId, Transmit)> {
        match self.answered.as_ref()? {
            AnsweredInvite { client, ack: Ack::Sent(transmit), .. } => Some((*client, transmit.clone())),
            AnsweredInvite { ack: Ack::Due | Ack::Queued, .. } => None,
        }
    }

    /// Notes that our BYE was sent in this transaction.
    pub(crate) fn on_bye_sent(&mut self, client: ClientId) {
        self.state = InviteState::Mortal { bye: Bye::Sent(client) };
    }

    /// Returns the transaction of our BYE.
    pub(crate) const fn bye(&self) -> Option<ClientId> {
        match self.state {
            InviteState::Mortal { bye: Bye::Sent(client) } => Some(client),
            InviteState::Mortal { bye: Bye::AwaitsAck | Bye::Queued }
            | InviteState::Early
            | InviteState::Moratorium
            | InviteState::Established
            | InviteState::Morgue => None,
        }
    }

    /// Notes that our re-INVITE in this transaction was cancelled, because the call is over.
    pub(crate) fn on_given_up(&mut self, client: ClientId) {
        self.given_up = Some(client);
    }

    /// Returns the transaction of the cancelled re-INVITE.
    pub(crate) const fn given_up(&self) -> Option<ClientId> {
        self.given_up
    }

    /// Notes that the cancelled re-INVITE has its final response, or gets no response.
    pub(crate) fn on_given_up_over(&mut self) {
        self.given_up = None;
    }

    /// True if we must still send an ACK, or may receive a 2xx to a cancelled re-INVITE.
    pub(crate) const fn is_in_progress(&self) -> bool {
        let acks = matches!(self.answered, Some(AnsweredInvite { ack: Ack::Queued, .. }));
        acks || self.given_up.is_some()
    }

    /// Returns the time at which [`on_deadline`](Self::on_deadline) must be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.unacknowledged.as_ref().map(|answer| answer.again.min(answer.give_up))
    }

    /// Returns the action that is due at `now` for our 2xx.
    pub(crate) fn on_deadline(&mut self, now: Instant) -> Due2xx<'_> {
        if self.unacknowledged.as_ref().is_some_and(|answer| answer.give_up <= now) {
            self.unacknowledged = None;
            return Due2xx::GiveUp;
        }
        match &mut self.unacknowledged {
            Some(answer) => {
                if answer.repeats(now) {
                    Due2xx::Repeat(answer.server, &answer.response)
                } else {
                    Due2xx::Nothing
                }
            }
            None => Due2xx::Nothing,
        }
    }
}

/// The handling of a 2xx for which no request waits (RFC 3261 section 13.2.2.4).
#[derive(Debug)]
pub(crate) enum Repeated2xx {
    /// The 2xx was repeated. The same ACK is sent again.
    AckAgain(Transmit),
    /// The 2xx answers a cancelled INVITE, and gets its own ACK.
    Ack,
    /// The ACK is not known yet, or the 2xx is older than the last 2xx.
    Ignore,
}

/// The action that is due for our 2xx (RFC 3261 section 13.3.1.4).
#[derive(Debug)]
pub(crate) enum Due2xx<'a> {
    /// Nothing.
    Nothing,
    /// The 2xx is sent again.
    Repeat(ServerId, &'a Response),
    /// No ACK arrived within 64*T1.
    GiveUp,
}

/// Our 2xx to an INVITE. We repeat the 2xx until its ACK arrives (RFC 3261 section 13.3.1.4).
#[derive(Debug)]
pub(crate) struct Unacknowledged2xx {
    /// The transaction of the INVITE.
    server: ServerId,
    /// The CSeq number of the INVITE. The ACK has the same number.
    seq: u32,
    response: Response,
    again: Instant,
    interval: Duration,
    longest: Duration,
    give_up: Instant,
}

impl Unacknowledged2xx {
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

    /// Returns true if the 2xx must be repeated at `now`. In this case, also sets the time of the next repetition.
    fn repeats(&mut self, now: Instant) -> bool {
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
struct AnsweredInvite {
    client: ClientId,
    /// The CSeq number of the INVITE.
    seq: u32,
    ack: Ack,
}

/// The ACK of a 2xx that we received.
#[derive(Debug)]
enum Ack {
    /// The ACK waits for the ACK of the other leg.
    Due,
    /// The ACK is sent as soon as the address of the peer is known.
    Queued,
    /// The ACK was sent. A repeated 2xx gets the same ACK again (RFC 3261 section 13.2.2.4).
    Sent(Transmit),
}
