//! The situations of both sides of a call, by which the table of crossings decides.

use crate::call::bridge::Bridge;
use crate::call::crossing::{Arrival, Crossing, Pending, Situation, Usage, cross};
use crate::leg::next_hop::OwnKind;
use crate::leg::offer_answer::Sender;
use crate::leg::{Leg, Side};

impl Bridge {
    /// Returns the situation of the side `near`, then the situation of the other side.
    pub(super) fn situations(&mut self, near: Side) -> (Option<Situation>, Option<Situation>) {
        let is_over = self.is_releasing() || self.subscribed_until.is_some();
        let replaced = self.replaced_side();
        let (leg, far) = self.legs(near);
        let of = |leg: &Leg, other: Option<&Leg>| {
            situation(leg, other, is_over, replaced.is_some_and(|side| side != leg.side))
        };
        let near = leg.as_deref().map(|leg| of(leg, far.as_deref()));
        let far = far.as_deref().map(|far| of(far, leg.as_deref()));
        (near, far)
    }

    /// Looks up the row of the table for this arrival.
    pub(super) fn decides(&mut self, arrival: Arrival, near: Side) -> Option<Crossing> {
        let (situation, far) = self.situations(near);
        Some(cross(arrival, situation?, far))
    }
}

/// Returns the situation of a leg. `other` is the leg of the other side. `is_swapping` is true if
/// a re-INVITE to the leg is in flight, because the other leg is being replaced.
fn situation(leg: &Leg, other: Option<&Leg>, is_over: bool, is_swapping: bool) -> Situation {
    let usage = match (is_over, leg.invite.is_confirmed()) {
        (true, _) => Usage::Over,
        (false, true) => Usage::Confirmed,
        (false, false) => Usage::Early,
    };
    let invite = match (usage, leg.side) {
        (Usage::Early, Side::Caller) => Pending::Theirs,
        (Usage::Early, Side::Callee) => Pending::Ours,
        (Usage::Confirmed | Usage::Over, _) if leg.requests.invite().is_some() => Pending::Theirs,
        (Usage::Confirmed | Usage::Over, _)
            if is_swapping
                || other.is_some_and(|leg| leg.requests.invite().is_some())
                || leg.own.is_some_and(|own| own.kind == OwnKind::ReInvite) =>
        {
            Pending::Ours
        }
        (Usage::Confirmed | Usage::Over, _) => Pending::None,
    };
    let offer = match leg.open_offer() {
        Some(Sender::Local) => Pending::Ours,
        Some(Sender::Remote) => Pending::Theirs,
        None => Pending::None,
    };
    let (awaits_ack, is_full) = (leg.invite.awaits_ack(), leg.is_full());
    Situation { side: leg.side, usage, awaits_ack, invite, offer, is_full }
}
