//! What crosses in a race.

use super::world::{Hop, World};
use crate::phone::{Action, Side};

/// Something that happens in a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A phone does this.
    Acts(Side, Action),
    /// The next ACK on this hop is lost, also if it was sent already.
    AckLost(Hop),
    /// The callee is gone. ICMP says so, or nobody.
    TargetLost {
        /// Whether ICMP says so.
        told: bool,
    },
    /// Time passes until the next timer fires.
    Timer,
}

impl Event {
    /// All events. A race names them by their place.
    pub const ALL: [Self; 27] = [
        Self::Acts(Side::Caller, Action::Cancel),
        Self::Acts(Side::Callee, Action::Cancel),
        Self::Acts(Side::Callee, Action::Ring),
        Self::Acts(Side::Callee, Action::RingReliably { session: true }),
        Self::Acts(Side::Callee, Action::RingReliably { session: false }),
        Self::Acts(Side::Callee, Action::Answer),
        Self::Acts(Side::Caller, Action::Answer),
        Self::Acts(Side::Callee, Action::Refuse(486)),
        Self::Acts(Side::Caller, Action::Refuse(488)),
        Self::Acts(Side::Caller, Action::Invite { offer: true }),
        Self::Acts(Side::Callee, Action::Invite { offer: true }),
        Self::Acts(Side::Caller, Action::Invite { offer: false }),
        Self::Acts(Side::Callee, Action::Invite { offer: false }),
        Self::Acts(Side::Caller, Action::Update { offer: true }),
        Self::Acts(Side::Callee, Action::Update { offer: true }),
        Self::Acts(Side::Caller, Action::Prack),
        Self::Acts(Side::Caller, Action::Ack),
        Self::Acts(Side::Callee, Action::Ack),
        Self::Acts(Side::Caller, Action::Bye),
        Self::Acts(Side::Callee, Action::Bye),
        Self::AckLost(Hop::FromPhone),
        Self::AckLost(Hop::FromEdge),
        Self::Acts(Side::Caller, Action::Refer),
        Self::Acts(Side::Callee, Action::Refer),
        Self::TargetLost { told: true },
        Self::TargetLost { told: false },
        Self::Timer,
    ];

    /// Makes it happen; gives whether it can.
    pub(super) fn happens(self, world: &mut World) -> bool {
        match self {
            Self::Acts(side, action) => world.acts(side, action),
            Self::AckLost(hop) => {
                world.loses_ack(hop);
                true
            }
            Self::TargetLost { told } => world.loses_target(told),
            Self::Timer => world.next_timer(),
        }
    }
}
