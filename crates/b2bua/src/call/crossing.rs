//! The table of crossings. The kind of a message and the situation of both legs decide whether the message is relayed or
//! answered, and whether the call ends.
//!
//! The table has no state and no effects. [`Bridge`](crate::call::bridge::Bridge) carries out the crossing. `docs/crossings.md`
//! is generated from the rows.

use attesta_sip::{Method, Status};

use crate::counters::Refusal;
use crate::leg::Side;

/// A message or an event that concerns both legs.
///
/// For a request, the near leg is the leg of its sender. For a response, the near leg is the leg of the peer that sent the
/// request, and the far leg is the leg of the responding peer. For [`NotAcknowledged`](Self::NotAcknowledged) and
/// [`LateSuccess`](Self::LateSuccess), the near leg is the leg on which the event occurs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// A BYE.
    Bye,
    /// An INVITE within the dialog.
    Invite,
    /// An UPDATE with an offer.
    UpdateWithOffer,
    /// A PRACK that acknowledges a response of our own.
    OwnPrack,
    /// A PRACK that acknowledges no response that we sent.
    UnknownPrack,
    /// A NOTIFY or SUBSCRIBE of the subscription of a REFER that was relayed.
    OfRefer,
    /// Any other request within the dialog.
    Request,
    /// An INVITE with Replaces, outside the dialog. Replaces names the near leg.
    Replaces,
    /// A CANCEL of an INVITE.
    Cancel,
    /// A response that ends the INVITE usage: 481 or 408 to INVITE, UPDATE or INFO. A missing response counts too.
    UsageGone,
    /// A 401 or 407 to a BYE.
    ByeChallenged,
    /// Any other final response to a BYE, or no response.
    ByeAnswered,
    /// Any other final response, or no response.
    Final,
    /// A relayed request could not be sent.
    NotSent,
    /// A relayed BYE could not be sent.
    ByeNotSent,
    /// Two requests in a row could not be sent to a peer that uses TLS.
    PeerLost,
    /// No ACK of our 2xx has arrived within 64*T1.
    NotAcknowledged,
    /// A 2xx that arrives too late for its INVITE. The call was answered in another dialog, or is over.
    LateSuccess,
}

impl Arrival {
    /// Returns the arrival of a request with this method. `has_offer` is true if the request contains an offer. `is_expected`
    /// is false for a PRACK whose RAck matches no response that we sent.
    pub(crate) fn of_request(method: &Method, has_offer: bool, is_expected: bool) -> Self {
        if *method == Method::Bye {
            Self::Bye
        } else if *method == Method::Invite {
            Self::Invite
        } else if *method == Method::Update && has_offer {
            Self::UpdateWithOffer
        } else if *method == Method::Prack && !is_expected {
            Self::UnknownPrack
        } else {
            Self::Request
        }
    }

    /// Returns the arrival of a final response to a relayed request with this method. A timeout counts as a 408 (RFC 5057
    /// section 5.1 note 4).
    pub(crate) fn of_final(method: &Method, status: Status) -> Self {
        let is_challenge = [Status::UNAUTHORIZED, Status::PROXY_AUTHENTICATION_REQUIRED].contains(&status);
        let is_gone = [Status::CALL_DOES_NOT_EXIST, Status::REQUEST_TIMEOUT].contains(&status);
        if *method == Method::Bye {
            if is_challenge { Self::ByeChallenged } else { Self::ByeAnswered }
        } else if is_gone && [Method::Invite, Method::Update, Method::Info].contains(method) {
            Self::UsageGone
        } else {
            Self::Final
        }
    }

    /// Returns the arrival for a relayed request with this method that could not be sent. `is_lost` is true if the peer cannot
    /// be reached.
    pub(crate) fn of_unsent(method: &Method, is_lost: bool) -> Self {
        match (*method == Method::Bye, is_lost) {
            (true, _) => Self::ByeNotSent,
            (false, true) => Self::PeerLost,
            (false, false) => Self::NotSent,
        }
    }
}

/// The situation of one leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Situation {
    pub(crate) side: Side,
    pub(crate) usage: Usage,
    /// Our 2xx to the peer waits for the ACK.
    pub(crate) awaits_ack: bool,
    /// The INVITE that has no final response yet.
    pub(crate) invite: Pending,
    /// The offer that has no answer yet (RFC 3264 section 4).
    pub(crate) offer: Pending,
    /// True if the number of the peer's requests in flight has reached the configured limit.
    pub(crate) is_full: bool,
}

/// The state of the INVITE usage of a leg, as the table needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Usage {
    /// The INVITE that created the dialog has no 2xx yet.
    Early,
    /// The INVITE that created the dialog has a 2xx.
    Confirmed,
    /// We or the peer have sent a BYE.
    Over,
}

/// The sender of an INVITE or an offer that has no answer yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pending {
    /// There is no such INVITE or offer.
    None,
    /// The peer sent it.
    Theirs,
    /// We sent it.
    Ours,
}

impl Situation {
    /// Returns the situation of a leg whose call is over.
    pub(crate) const fn over(side: Side) -> Self {
        let (usage, awaits_ack, is_full) = (Usage::Over, false, false);
        Self { side, usage, awaits_ack, invite: Pending::None, offer: Pending::None, is_full }
    }

    /// Returns the situation of a caller that has no final response.
    pub(crate) const fn unanswered() -> Self {
        let (side, usage, awaits_ack, is_full) = (Side::Caller, Usage::Early, false, false);
        Self { side, usage, awaits_ack, invite: Pending::Theirs, offer: Pending::None, is_full }
    }
}

/// The action of the bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Crossing {
    /// The message is relayed.
    Relay,
    /// The BYE is relayed. Its sender gets the response of the far peer, or our 200 if the far peer takes too long.
    RelayBye,
    /// The request is answered with this status.
    Answer(Status, Refusal),
    /// The PRACK is answered with 200, or with 488 if it contains an offer. Then our next reliable response that waits is sent.
    Acknowledged,
    /// The request is answered with 500 and Retry-After.
    RetryAfter(Refusal),
    /// The BYE is not relayed. We answer 200 at once, and the call ends on the other side.
    AnswerAndEnd,
    /// The caller gets 487, and the callee gets a CANCEL. A BYE is answered with 200 first.
    EndUnanswered,
    /// The response is relayed, and both sides get a BYE.
    EndUsage,
    /// The response is relayed, and the call is over on both sides.
    RelayAndEnd,
    /// The BYE could not be relayed. Its sender gets 200, and the call ends on the other side.
    OkAndEnd,
    /// The sender of the request gets 503, and the call continues.
    Unavailable,
    /// The sender of the request gets 503, and both sides get a BYE.
    UnavailableAndEnd,
    /// Both sides get a BYE.
    ByeToBoth,
    /// The other side gets a re-INVITE with the session of the new peer. When the 2xx arrives, the leg of the new peer replaces
    /// the leg that Replaces names.
    Swap,
    /// The 2xx gets an ACK and a BYE.
    AckAndBye,
    /// The message is not relayed, and changes nothing in the call.
    Absorb,
}

impl Crossing {
    /// The table returned a crossing that is not valid for this arrival. Panics in a debug build. A release build ignores the
    /// error.
    pub(crate) fn is_of_another_arrival(self) {
        debug_assert!(false, "{self:?} is the crossing of another arrival");
    }
}

/// The situations of a leg for which a row is valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum For {
    Any,
    EarlyCaller,
    EarlyCallee,
    Early,
    Over,
    AwaitsAck,
    TheirInvite,
    OurInvite,
    TheirOffer,
    OurOffer,
    /// An INVITE has no final response, or our 2xx has no ACK.
    InInvite,
    /// Like [`InInvite`](Self::InInvite), or an offer has no answer.
    Negotiates,
    Full,
    /// The far side is the built-in callee, which has no leg.
    BuiltInCallee,
}

impl For {
    fn fits(self, leg: Option<&Situation>) -> bool {
        let is = |test: fn(&Situation) -> bool| leg.is_some_and(test);
        match self {
            Self::Any => true,
            Self::EarlyCaller => is(|leg| leg.usage == Usage::Early && leg.side == Side::Caller),
            Self::EarlyCallee => is(|leg| leg.usage == Usage::Early && leg.side == Side::Callee),
            Self::Early => is(|leg| leg.usage == Usage::Early),
            Self::Over => is(|leg| leg.usage == Usage::Over),
            Self::AwaitsAck => is(|leg| leg.awaits_ack),
            Self::TheirInvite => is(|leg| leg.invite == Pending::Theirs),
            Self::OurInvite => is(|leg| leg.invite == Pending::Ours),
            Self::TheirOffer => is(|leg| leg.offer == Pending::Theirs),
            Self::OurOffer => is(|leg| leg.offer == Pending::Ours),
            Self::InInvite => is(|leg| leg.awaits_ack || leg.invite != Pending::None),
            Self::Negotiates => {
                is(|leg| leg.awaits_ack || leg.invite != Pending::None || leg.offer != Pending::None)
            }
            Self::Full => is(|leg| leg.is_full),
            Self::BuiltInCallee => leg.is_none(),
        }
    }
}

/// One row of the table.
#[derive(Debug)]
struct Row {
    arrival: Arrival,
    near: For,
    far: For,
    crossing: Crossing,
    source: &'static str,
}

const fn row(arrival: Arrival, near: For, far: For, crossing: Crossing, source: &'static str) -> Row {
    Row { arrival, near, far, crossing, source }
}

const GLARE: Crossing = Crossing::Answer(Status::REQUEST_PENDING, Refusal::Glare);
const LATER: Crossing = Crossing::RetryAfter(Refusal::Glare);
const UNKNOWN: Crossing = Crossing::Answer(Status::CALL_DOES_NOT_EXIST, Refusal::NoDialog);
const NOT_REPLACED: Crossing = Crossing::Answer(Status::CALL_DOES_NOT_EXIST, Refusal::NamedDialog);
const TOO_MANY: Crossing = Crossing::RetryAfter(Refusal::RequestCap);

/// The rows. The first row that matches applies.
const ROWS: &[Row] = &[
    row(Arrival::Bye, For::Over, For::Any, Crossing::AnswerAndEnd, "RFC 5407 section 3.2.1"),
    row(Arrival::Bye, For::EarlyCallee, For::Any, UNKNOWN, "RFC 3261 section 15.1.1"),
    row(Arrival::Bye, For::EarlyCaller, For::Any, Crossing::EndUnanswered, "RFC 3261 section 15.1.2"),
    row(Arrival::Bye, For::AwaitsAck, For::Any, Crossing::AnswerAndEnd, "RFC 5407 section 3.1.3"),
    row(Arrival::Bye, For::Any, For::InInvite, Crossing::AnswerAndEnd, "RFC 3261 sections 15 and 15.1.2"),
    row(Arrival::Bye, For::Any, For::BuiltInCallee, Crossing::AnswerAndEnd, "RFC 3261 section 15.1.2"),
    row(Arrival::Bye, For::Any, For::Any, Crossing::RelayBye, "RFC 3261 section 15"),
    row(Arrival::Invite, For::Over, For::Any, UNKNOWN, "RFC 5407 section 3.2.2"),
    row(Arrival::Invite, For::OurInvite, For::Any, GLARE, "RFC 3261 section 14.2"),
    row(Arrival::Invite, For::TheirInvite, For::Any, LATER, "RFC 3261 section 14.2"),
    row(Arrival::Invite, For::OurOffer, For::Any, GLARE, "RFC 5407 section 3.1.5, RFC 3311 section 5.2"),
    row(Arrival::Invite, For::TheirOffer, For::Any, LATER, "RFC 3261 section 14.2, RFC 3311 section 5.2"),
    row(Arrival::Invite, For::Any, For::Negotiates, GLARE, "RFC 3261 section 14.2, for the other leg"),
    row(Arrival::Invite, For::Full, For::Any, TOO_MANY, "our limit"),
    row(Arrival::Invite, For::AwaitsAck, For::Any, Crossing::Relay, "RFC 5407 section 3.1.4"),
    row(Arrival::Invite, For::Any, For::Any, Crossing::Relay, "RFC 3261 section 14"),
    row(Arrival::UpdateWithOffer, For::Over, For::Any, UNKNOWN, "RFC 3261 section 15.1.2"),
    row(Arrival::UpdateWithOffer, For::OurOffer, For::Any, GLARE, "RFC 3311 section 5.2"),
    row(Arrival::UpdateWithOffer, For::TheirOffer, For::Any, LATER, "RFC 3311 section 5.2"),
    row(Arrival::UpdateWithOffer, For::Any, For::OurOffer, GLARE, "RFC 3311 section 5.1, for the other leg"),
    row(
        Arrival::UpdateWithOffer,
        For::Any,
        For::TheirOffer,
        GLARE,
        "RFC 3311 section 5.1, for the other leg",
    ),
    row(Arrival::UpdateWithOffer, For::Full, For::Any, TOO_MANY, "our limit"),
    row(Arrival::UpdateWithOffer, For::Any, For::Any, Crossing::Relay, "RFC 3311 section 5.1"),
    row(Arrival::OwnPrack, For::Any, For::Any, Crossing::Acknowledged, "RFC 3262 section 3"),
    row(Arrival::UnknownPrack, For::Any, For::Any, UNKNOWN, "RFC 3262 section 3"),
    row(Arrival::OfRefer, For::Full, For::Any, TOO_MANY, "our limit"),
    row(Arrival::OfRefer, For::Any, For::Any, Crossing::Relay, "RFC 3515 section 2.4.4, RFC 5057 section 3"),
    row(Arrival::Request, For::Over, For::Any, UNKNOWN, "RFC 3261 section 15.1.2"),
    row(Arrival::Request, For::Full, For::Any, TOO_MANY, "our limit"),
    row(Arrival::Request, For::Any, For::Any, Crossing::Relay, "RFC 3261 section 12.2"),
    row(
        Arrival::Replaces,
        For::Over,
        For::Any,
        Crossing::Answer(Status::DECLINE, Refusal::NamedDialog),
        "RFC 3891 section 3",
    ),
    row(Arrival::Replaces, For::Early, For::Any, NOT_REPLACED, "RFC 3891 section 3"),
    row(Arrival::Replaces, For::Any, For::BuiltInCallee, NOT_REPLACED, "our limit"),
    row(Arrival::Replaces, For::Negotiates, For::Any, LATER, "RFC 3261 section 14.2"),
    row(Arrival::Replaces, For::Any, For::Negotiates, LATER, "RFC 3261 section 14.2, for the other leg"),
    row(Arrival::Replaces, For::Any, For::Any, Crossing::Swap, "RFC 3891 section 3"),
    row(Arrival::Cancel, For::EarlyCaller, For::Any, Crossing::EndUnanswered, "RFC 3261 section 9.2"),
    row(Arrival::Cancel, For::TheirInvite, For::Any, Crossing::Relay, "RFC 3261 section 9.1"),
    row(Arrival::Cancel, For::Any, For::Any, Crossing::Absorb, "RFC 5407 section 3.1.2"),
    row(Arrival::UsageGone, For::Early, For::Any, Crossing::Relay, "RFC 3261 section 12.3"),
    row(Arrival::UsageGone, For::Any, For::Any, Crossing::EndUsage, "RFC 3261 section 12.2.1.2, RFC 5057"),
    row(Arrival::ByeChallenged, For::Any, For::Any, Crossing::Relay, "RFC 3261 section 22"),
    row(Arrival::ByeAnswered, For::Any, For::Any, Crossing::RelayAndEnd, "RFC 3261 section 15.1.1"),
    row(Arrival::Final, For::Any, For::Any, Crossing::Relay, "RFC 5057 section 5.1"),
    row(Arrival::NotSent, For::Any, For::Any, Crossing::Unavailable, "RFC 3261 section 8.1.3.1"),
    row(Arrival::PeerLost, For::Early, For::Any, Crossing::Unavailable, "RFC 3261 section 8.1.3.1"),
    row(Arrival::PeerLost, For::Any, For::Any, Crossing::UnavailableAndEnd, "RFC 3261 section 12.2.1.2"),
    row(Arrival::ByeNotSent, For::Any, For::Any, Crossing::OkAndEnd, "RFC 3261 section 15.1.1"),
    row(Arrival::NotAcknowledged, For::Any, For::Any, Crossing::ByeToBoth, "RFC 3261 section 13.3.1.4"),
    row(Arrival::LateSuccess, For::Any, For::Any, Crossing::AckAndBye, "RFC 3261 sections 9.1 and 13.2.2.4"),
];

/// Returns the crossing of `arrival` from the first row that matches. `far` is `None` if the far side is the built-in callee,
/// or if there is no far leg yet.
pub(crate) fn cross(arrival: Arrival, near: Situation, far: Option<Situation>) -> Crossing {
    match ROWS.iter().find(|row| fits(row, arrival, &near, far.as_ref())) {
        Some(row) => {
            tracing::trace!(?arrival, crossing = ?row.crossing, source = row.source, "crossing");
            row.crossing
        }
        None => Crossing::Absorb,
    }
}

fn fits(row: &Row, arrival: Arrival, near: &Situation, far: Option<&Situation>) -> bool {
    row.arrival == arrival && row.near.fits(Some(near)) && row.far.fits(far)
}

#[cfg(test)]
mod tests;
