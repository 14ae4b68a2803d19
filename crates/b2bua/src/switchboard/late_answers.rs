//! The dialogs that have answered an INVITE. A repeated or late 2xx may arrive until Timer M ends (RFC 6026 section 7.2).

use std::collections::BTreeMap;

use attesta_transaction::ClientId;

use crate::headers::dialog_id::DialogId;

/// The dialogs that answered each INVITE whose transaction lives. Bounded by the caps on transactions and on answers.
#[derive(Debug, Default)]
pub(super) struct LateAnswers(BTreeMap<ClientId, Vec<DialogId>>);

impl LateAnswers {
    /// Notes that a 2xx to this INVITE arrived in this dialog. At most `cap` dialogs are kept.
    pub(super) fn note(&mut self, invite: ClientId, dialog: DialogId, cap: usize) {
        let dialogs = self.0.entry(invite).or_default();
        if dialogs.len() < cap && !dialogs.contains(&dialog) {
            dialogs.push(dialog);
        }
    }

    /// True if a 2xx to this INVITE arrived in this dialog before.
    pub(super) fn contains(&self, invite: ClientId, dialog: &DialogId) -> bool {
        self.0.get(&invite).is_some_and(|dialogs| dialogs.contains(dialog))
    }

    /// True if `cap` dialogs have answered this INVITE.
    pub(super) fn is_full(&self, invite: ClientId, cap: usize) -> bool {
        self.0.get(&invite).is_some_and(|dialogs| dialogs.len() >= cap)
    }

    /// No further 2xx to this INVITE can come.
    pub(super) fn forget(&mut self, invite: ClientId) {
        self.0.remove(&invite);
    }
}
