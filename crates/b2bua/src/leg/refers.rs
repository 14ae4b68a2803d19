//! The REFERs of a peer that were relayed: RFC 3515 section 2.4.6.

/// The REFERs of the peer that were relayed, oldest first. Their CSeq numbers identify the subscriptions.
#[derive(Debug, Default)]
pub(crate) struct RelayedRefers(Vec<RelayedRefer>);

/// A REFER that was relayed.
#[derive(Clone, Copy, Debug)]
struct RelayedRefer {
    /// The CSeq number on this leg.
    seq: u32,
    /// The CSeq number on the other leg.
    far_seq: u32,
}

impl RelayedRefers {
    /// A REFER was relayed. Above [`MAX_REFERS`], the oldest REFER is forgotten.
    pub(crate) fn on_relayed(&mut self, seq: u32, far_seq: u32) {
        if self.0.len() >= MAX_REFERS {
            self.0.remove(0);
        }
        self.0.push(RelayedRefer { seq, far_seq });
    }

    /// The REFER with this number was refused, or creates no subscription.
    pub(crate) fn on_refused(&mut self, seq: u32) {
        self.0.retain(|refer| refer.seq != seq);
    }

    /// The subscription of the REFER with this number on the other leg has ended. Without a number, it is the subscription of
    /// the first REFER (RFC 3515 section 2.4.6).
    pub(crate) fn on_ended(&mut self, far_seq: Option<u32>) {
        match far_seq {
            Some(far_seq) => self.0.retain(|refer| refer.far_seq != far_seq),
            None if self.0.is_empty() => {}
            None => drop(self.0.remove(0)),
        }
    }

    /// True if a subscription lives, or a REFER has no final response.
    pub(crate) const fn is_live(&self) -> bool {
        !self.0.is_empty()
    }

    /// The number on the other leg of the REFER with this number.
    pub(crate) fn far_of(&self, seq: u32) -> Option<u32> {
        self.0.iter().find(|refer| refer.seq == seq).map(|refer| refer.far_seq)
    }

    /// The number on this leg of the REFER that has this number on the other leg.
    pub(crate) fn near_of(&self, far_seq: u32) -> Option<u32> {
        self.0.iter().find(|refer| refer.far_seq == far_seq).map(|refer| refer.seq)
    }
}

/// The most REFERs of one peer whose subscriptions are known.
const MAX_REFERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refers_have_a_number_on_each_leg() {
        let mut refers = RelayedRefers::default();
        refers.on_relayed(314, 2);
        refers.on_relayed(316, 5);
        assert_eq!((refers.far_of(314), refers.near_of(5)), (Some(2), Some(316)));
        assert_eq!((refers.far_of(2), refers.near_of(314)), (None, None));
    }

    #[test]
    fn a_subscription_lives_until_its_last_notify_or_the_refusal() {
        let mut refers = RelayedRefers::default();
        for seq in 1..=4 {
            refers.on_relayed(seq, seq + 10);
        }
        refers.on_refused(2);
        refers.on_ended(Some(13));
        refers.on_ended(Some(2));
        assert_eq!([1, 2, 3, 4].map(|seq| refers.far_of(seq).is_some()), [true, false, false, true]);
        refers.on_ended(None);
        assert_eq!((refers.far_of(1), refers.far_of(4), refers.is_live()), (None, Some(14), true));
        refers.on_ended(None);
        refers.on_ended(None);
        assert!(!refers.is_live());
    }

    #[test]
    fn a_flood_of_refers_is_bounded() {
        let mut refers = RelayedRefers::default();
        for seq in 1..=1_000 {
            refers.on_relayed(seq, seq + 1);
        }
        assert_eq!(refers.0.len(), MAX_REFERS);
        assert_eq!((refers.far_of(1_000), refers.far_of(1)), (Some(1_001), None));
    }
}
