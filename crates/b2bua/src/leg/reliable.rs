//! Reliable provisional responses (RFC 3262).

use attesta_sip::RAck;

/// The reliable provisional responses that were relayed to the peer, and that have no PRACK yet (RFC 3262 section 3).
#[derive(Debug, Default)]
pub(crate) struct RelayedReliable(Vec<RelayedResponse>);

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
        if self.0.iter().any(|each| each.rseq == rseq && each.invite == invite) {
            return;
        }
        if self.0.len() >= MAX_UNACKNOWLEDGED {
            self.0.remove(0);
        }
        self.0.push(RelayedResponse { rseq, invite, far_invite });
    }

    /// True if this RAck acknowledges a response.
    pub(crate) fn awaits(&self, rack: &RAck) -> bool {
        self.0.iter().any(|each| each.is_named_by(rack))
    }

    /// Handles a PRACK. Returns the CSeq number of the INVITE on the other leg, if the PRACK acknowledges a response.
    pub(crate) fn on_prack(&mut self, rack: &RAck) -> Option<u32> {
        let place = self.0.iter().position(|each| each.is_named_by(rack))?;
        Some(self.0.remove(place).far_invite)
    }
}

impl RelayedResponse {
    fn is_named_by(&self, rack: &RAck) -> bool {
        self.rseq == rack.response() && self.invite == rack.sequence()
    }
}

/// The most responses that may wait for their PRACK. A peer that sends more responses violates RFC 3262 section 3: it must wait
/// for the PRACK of its first response.
const MAX_UNACKNOWLEDGED: usize = 16;

#[cfg(test)]
mod tests {
    use attesta_sip::Method;

    use super::*;

    #[test]
    fn a_prack_is_known_once() {
        let mut relayed = RelayedReliable::default();
        relayed.on_relayed(7, 314, 1);
        relayed.on_relayed(7, 314, 1);
        relayed.on_relayed(8, 315, 2);
        assert!(!relayed.awaits(&RAck::new(8, 314, Method::Invite)));
        assert_eq!(relayed.on_prack(&RAck::new(8, 315, Method::Invite)), Some(2));
        assert_eq!(relayed.on_prack(&RAck::new(7, 314, Method::Invite)), Some(1));
        assert_eq!(relayed.on_prack(&RAck::new(7, 314, Method::Invite)), None);
    }

    #[test]
    fn a_flood_of_responses_is_bounded() {
        let mut relayed = RelayedReliable::default();
        for rseq in 0..1_000 {
            relayed.on_relayed(rseq, 1, 1);
        }
        assert_eq!(relayed.0.len(), MAX_UNACKNOWLEDGED);
        assert!(relayed.awaits(&RAck::new(999, 1, Method::Invite)));
    }
}
