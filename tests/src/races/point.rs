//! The points of a call at which events cross.

use super::world::World;
use crate::phone::{Action, Holds, Side};

/// A point of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Point {
    /// The INVITE is on its way to the edge.
    InviteSent,
    /// The caller has its 100, and the callee the INVITE.
    Tried,
    /// The callee rings.
    Ringing,
    /// The callee rings reliably: the caller holds the PRACK back.
    RingingReliably,
    /// The callee rings reliably, and has the PRACK.
    Acknowledged,
    /// The INVITE had no offer; a reliable 183 has it. The caller holds the PRACK back.
    OfferedReliably,
    /// The 200 is on its way from the edge to the caller.
    Answering,
    /// The caller has the 200, and holds the ACK back.
    Answered,
    /// The INVITE had no offer, the 200 has it, and the caller holds the ACK back.
    OfferedIn200,
    /// The call is up.
    Established,
    /// A re-INVITE of this side waits for its answer.
    ReInvited(Side),
    /// A re-INVITE of this side without an offer waits for its answer.
    ReInvitedWithoutOffer(Side),
    /// A re-INVITE of this side has its 200, and this side holds the ACK back.
    ReAnswered(Side),
    /// An UPDATE of this side waits for its answer.
    Updating(Side),
    /// A BYE of this side waits for its answer.
    Ending(Side),
}

impl Point {
    /// All points. A race names them by their place.
    pub const ALL: [Self; 20] = [
        Self::InviteSent,
        Self::Tried,
        Self::Ringing,
        Self::RingingReliably,
        Self::Acknowledged,
        Self::OfferedReliably,
        Self::Answering,
        Self::Answered,
        Self::OfferedIn200,
        Self::Established,
        Self::ReInvited(Side::Caller),
        Self::ReInvited(Side::Callee),
        Self::ReInvitedWithoutOffer(Side::Caller),
        Self::ReInvitedWithoutOffer(Side::Callee),
        Self::ReAnswered(Side::Caller),
        Self::ReAnswered(Side::Callee),
        Self::Updating(Side::Caller),
        Self::Updating(Side::Callee),
        Self::Ending(Side::Caller),
        Self::Ending(Side::Callee),
    ];

    /// What the phones hold back from this point on.
    pub(super) const fn holds(self) -> Holds {
        let none = Holds { acks: false, pracks: false, answers: false };
        match self {
            Self::InviteSent | Self::Tried | Self::Ringing | Self::Acknowledged | Self::Answering => none,
            Self::Established => none,
            Self::RingingReliably | Self::OfferedReliably => Holds { pracks: true, ..none },
            Self::Answered | Self::OfferedIn200 => Holds { acks: true, ..none },
            Self::ReInvited(_) | Self::ReInvitedWithoutOffer(_) | Self::Updating(_) | Self::Ending(_) => {
                Holds { answers: true, ..none }
            }
            Self::ReAnswered(_) => Holds { acks: true, ..none },
        }
    }

    /// Brings the call to this point.
    pub(super) fn is_reached(self, world: &mut World) -> bool {
        let (caller, callee) = (Side::Caller, Side::Callee);
        let reliable = Action::RingReliably { session: true };
        match self {
            Self::InviteSent => world.calls(true),
            Self::Tried => world.calls(true) && world.settles(),
            Self::Ringing => Self::Tried.is_reached(world) && world.does(callee, Action::Ring),
            Self::RingingReliably | Self::Acknowledged => {
                Self::Tried.is_reached(world) && world.does(callee, reliable)
            }
            Self::OfferedReliably => world.calls(false) && world.settles() && world.does(callee, reliable),
            Self::Answering => {
                Self::Ringing.is_reached(world) && world.acts(callee, Action::Answer) && {
                    world.delivers(0);
                    world.flights() == 1
                }
            }
            Self::Answered => Self::Ringing.is_reached(world) && world.does(callee, Action::Answer),
            Self::OfferedIn200 => world.calls(false) && world.settles() && world.does(callee, Action::Answer),
            Self::Established => {
                let reached = Self::Ringing.is_reached(world) && world.does(callee, Action::Answer);
                if world.phone(caller).holds.acks {
                    reached && world.does(caller, Action::Ack)
                } else {
                    reached
                }
            }
            Self::ReInvited(side) | Self::ReAnswered(side) => {
                Self::Established.is_reached(world) && world.does(side, Action::Invite { offer: true })
            }
            Self::ReInvitedWithoutOffer(side) => {
                Self::Established.is_reached(world) && world.does(side, Action::Invite { offer: false })
            }
            Self::Updating(side) => {
                Self::Established.is_reached(world) && world.does(side, Action::Update { offer: true })
            }
            Self::Ending(side) => Self::Established.is_reached(world) && world.does(side, Action::Bye),
        }
    }
}
