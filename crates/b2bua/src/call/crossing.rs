//! The table of crossings. The kind of a message and the situation of both legs decide whether the message is relayed or
//! answered, and whether the call ends.
//!
//! The table is pure. [`Bridge`](crate::call::bridge::Bridge) carries out the crossing.

use attesta_sip::{Method, Status};

use crate::counters::Refusal;
use crate::event::Cause;
use crate::leg::Side;

/// A message that arrives on the near leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// A BYE.
    Bye,
    /// An INVITE within the dialog.
    Invite,
    /// Any other request within the dialog.
    Request,
    /// A final response to a request that was relayed to the far leg, or the status that stands for no response.
    Final(Status),
}

impl Arrival {
    /// The arrival of a request.
    pub(crate) fn of(method: &Method) -> Self {
        if *method == Method::Bye {
            Self::Bye
        } else if *method == Method::Invite {
            Self::Invite
        } else {
            Self::Request
        }
    }
}

/// The situation of one leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Situation {
    pub(crate) side: Side,
    /// True from the 2xx on.
    pub(crate) is_confirmed: bool,
    /// An INVITE of its peer is being relayed.
    pub(crate) has_invite: bool,
    /// Our 2xx to its peer waits for the ACK.
    pub(crate) awaits_ack: bool,
    /// As many requests of its peer are in flight as the configuration allows.
    pub(crate) is_full: bool,
}

/// What the bridge does with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Crossing {
    /// The message is relayed.
    Relay,
    /// The request is answered with this status.
    Answer(Status, Refusal),
    /// The request is answered with 500 and Retry-After.
    RetryAfter(Refusal),
    /// The request is answered with 200, and the call ends.
    End(Cause),
    /// The response is relayed, and the call ends. The far peer no longer knows the dialog and gets no BYE.
    RelayAndEndNear,
    /// The response is relayed, and the call ends on both sides.
    RelayAndEndBoth,
}

/// The crossing of `arrival`. The first row that fits wins. `far` is `None` if the built-in callee is the far side.
///
/// | arrival | near | far | crossing | source |
/// |---|---|---|---|---|
/// | BYE | early, callee | any | 481 | RFC 3261 section 15.1.1 |
/// | BYE | early, caller | any | 200, the call ends | RFC 3261 section 15.1.2 |
/// | BYE | confirmed | any | 200, the call ends | RFC 3261 section 15.1.2 |
/// | INVITE | early, callee | any | 491 | RFC 3261 section 14.2 |
/// | INVITE | early, caller | any | 500 with Retry-After | RFC 3261 section 14.2 |
/// | INVITE | its INVITE is unanswered, or our 2xx is not acknowledged | any | 500 with Retry-After | RFC 3261 section 14.2 |
/// | INVITE | stable | the same on the far leg | 491 | RFC 3261 section 14.2 |
/// | request | too many in flight | any | 500 with Retry-After | our cap |
/// | request | any | any | relay | |
/// | 481 | confirmed | any | relay, the call ends | RFC 3261 section 12.2.1.2 |
/// | 408 | confirmed | any | relay, the call ends | RFC 3261 section 12.2.1.2 |
/// | final | any | any | relay | |
pub(crate) fn cross(arrival: Arrival, near: Situation, far: Option<Situation>) -> Crossing {
    let negotiates = |leg: &Situation| leg.has_invite || leg.awaits_ack;
    match (arrival, near.side) {
        (Arrival::Bye, Side::Callee) if !near.is_confirmed => {
            Crossing::Answer(Status::CALL_DOES_NOT_EXIST, Refusal::NoDialog)
        }
        (Arrival::Bye, Side::Caller) if !near.is_confirmed => Crossing::End(Cause::Cancelled),
        (Arrival::Bye, Side::Caller) => Crossing::End(Cause::CallerHungUp),
        (Arrival::Bye, Side::Callee) => Crossing::End(Cause::CalleeHungUp),
        (Arrival::Invite, Side::Callee) if !near.is_confirmed => {
            Crossing::Answer(Status::REQUEST_PENDING, Refusal::Glare)
        }
        (Arrival::Invite, Side::Caller) if !near.is_confirmed => Crossing::RetryAfter(Refusal::Glare),
        (Arrival::Invite, _) if negotiates(&near) => Crossing::RetryAfter(Refusal::Glare),
        (Arrival::Invite, _) if far.as_ref().is_some_and(negotiates) => {
            Crossing::Answer(Status::REQUEST_PENDING, Refusal::Glare)
        }
        (Arrival::Invite | Arrival::Request, _) if near.is_full => Crossing::RetryAfter(Refusal::RequestCap),
        (Arrival::Invite | Arrival::Request, _) => Crossing::Relay,
        (Arrival::Final(Status::CALL_DOES_NOT_EXIST), _) if near.is_confirmed => Crossing::RelayAndEndNear,
        (Arrival::Final(Status::REQUEST_TIMEOUT), _) if near.is_confirmed => Crossing::RelayAndEndBoth,
        (Arrival::Final(_), _) => Crossing::Relay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STABLE: Situation = Situation {
        side: Side::Caller,
        is_confirmed: true,
        has_invite: false,
        awaits_ack: false,
        is_full: false,
    };
    const OTHER: Situation = Situation { side: Side::Callee, ..STABLE };

    #[test]
    fn each_row_fires() {
        let early = Situation { is_confirmed: false, ..STABLE };
        let early_callee = Situation { is_confirmed: false, ..OTHER };
        let inviting = Situation { has_invite: true, ..STABLE };
        let unacknowledged = Situation { awaits_ack: true, ..STABLE };
        let full = Situation { is_full: true, ..STABLE };
        let later = Crossing::RetryAfter(Refusal::Glare);
        let glare = Crossing::Answer(Status::REQUEST_PENDING, Refusal::Glare);
        let unknown = Crossing::Answer(Status::CALL_DOES_NOT_EXIST, Refusal::NoDialog);
        for (arrival, near, far, expected) in [
            (Arrival::Bye, early_callee, early, unknown),
            (Arrival::Bye, early, early_callee, Crossing::End(Cause::Cancelled)),
            (Arrival::Bye, STABLE, OTHER, Crossing::End(Cause::CallerHungUp)),
            (Arrival::Bye, OTHER, STABLE, Crossing::End(Cause::CalleeHungUp)),
            (Arrival::Invite, early_callee, early, glare),
            (Arrival::Invite, early, early_callee, later),
            (Arrival::Invite, inviting, OTHER, later),
            (Arrival::Invite, unacknowledged, OTHER, later),
            (Arrival::Invite, OTHER, inviting, glare),
            (Arrival::Invite, OTHER, unacknowledged, glare),
            (Arrival::Invite, full, OTHER, Crossing::RetryAfter(Refusal::RequestCap)),
            (Arrival::Request, full, OTHER, Crossing::RetryAfter(Refusal::RequestCap)),
            (Arrival::Invite, STABLE, OTHER, Crossing::Relay),
            (Arrival::Request, inviting, unacknowledged, Crossing::Relay),
            (Arrival::Request, early, early_callee, Crossing::Relay),
            (Arrival::Final(Status::CALL_DOES_NOT_EXIST), STABLE, OTHER, Crossing::RelayAndEndNear),
            (Arrival::Final(Status::REQUEST_TIMEOUT), STABLE, OTHER, Crossing::RelayAndEndBoth),
            (Arrival::Final(Status::CALL_DOES_NOT_EXIST), early, early_callee, Crossing::Relay),
            (Arrival::Final(Status::REQUEST_TIMEOUT), early, early_callee, Crossing::Relay),
            (Arrival::Final(Status::OK), STABLE, OTHER, Crossing::Relay),
        ] {
            assert_eq!(cross(arrival, near, Some(far)), expected, "{arrival:?} on {near:?}");
        }
    }

    #[test]
    fn the_built_in_callee_meets_no_glare() {
        assert_eq!(cross(Arrival::Invite, STABLE, None), Crossing::Relay);
    }
}
