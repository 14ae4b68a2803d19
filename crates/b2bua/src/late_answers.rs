//! The dialogs that have answered an INVITE. A repeated or late 2xx may arrive until Timer M ends (RFC 6026 section 7.2).
//!
//! The table is beside the calls: an entry may live longer than its call, and counts as no live dialog.

use std::collections::BTreeMap;

use attesta_transaction::{ClientId, Transmit};

use crate::headers::dialog_id::DialogId;

/// The most times that the ACK of one 2xx is sent again. A callee repeats its 2xx eleven times within 64*T1 (RFC 3261 section
/// 13.3.1.4).
pub(crate) const MOST_ACKS_AGAIN: u8 = 64;

/// The dialogs that answered each INVITE whose transaction lives. Bounded by the caps on transactions and on answers.
#[derive(Debug, Default)]
pub(crate) struct LateAnswers(BTreeMap<ClientId, Vec<LateAnswer>>);

/// A dialog in which a 2xx has arrived.
#[derive(Debug)]
struct LateAnswer {
    dialog: DialogId,
    /// The ACK, once the dialog is over. A repeated 2xx gets the same ACK again (RFC 3261 section 13.2.2.4).
    ack: Option<Transmit>,
    /// How often the ACK was sent again.
    times: u8,
}

impl LateAnswers {
    /// Notes that a 2xx to this INVITE arrived in this dialog. At most `cap` dialogs are kept.
    pub(crate) fn note(&mut self, invite: ClientId, dialog: DialogId, cap: usize) {
        let dialogs = self.0.entry(invite).or_default();
        if dialogs.len() < cap && dialogs.iter().all(|each| each.dialog != dialog) {
            dialogs.push(LateAnswer { dialog, ack: None, times: 0 });
        }
    }

    /// Keeps the ACK of a dialog that is over. Nothing is kept after the transaction of the INVITE has ended.
    pub(crate) fn keep_ack(&mut self, invite: ClientId, dialog: &DialogId, ack: Transmit) {
        let answers = self.0.get_mut(&invite).into_iter().flatten();
        for answer in answers.filter(|each| each.dialog == *dialog) {
            answer.ack = Some(ack.clone());
        }
    }

    /// The ACK of a repeated 2xx to this INVITE in a dialog that is over, and how often this ACK was asked for.
    pub(crate) fn ack_of(&mut self, invite: ClientId, dialog: &DialogId) -> Option<(Transmit, u8)> {
        let answer = self.0.get_mut(&invite)?.iter_mut().find(|each| each.dialog == *dialog)?;
        let ack = answer.ack.clone()?;
        answer.times = answer.times.saturating_add(1);
        Some((ack, answer.times))
    }

    /// True if a 2xx to this INVITE arrived in this dialog before.
    pub(crate) fn contains(&self, invite: ClientId, dialog: &DialogId) -> bool {
        self.0.get(&invite).is_some_and(|dialogs| dialogs.iter().any(|each| each.dialog == *dialog))
    }

    /// True if `cap` dialogs have answered this INVITE.
    pub(crate) fn is_full(&self, invite: ClientId, cap: usize) -> bool {
        self.0.get(&invite).is_some_and(|dialogs| dialogs.len() >= cap)
    }

    /// No further 2xx to this INVITE can come.
    pub(crate) fn forget(&mut self, invite: ClientId) {
        self.0.remove(&invite);
    }
}
