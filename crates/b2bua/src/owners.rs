//! Finds the object that owns the identifier in an input.

use std::collections::BTreeMap;

use attesta_transaction::{ClientId, ServerId};
use bytes::Bytes;

use crate::arena::{CallKey, ClosingKey, LookupKey, MessageKey};
use crate::headers::dialog_id::DialogId;
use crate::token::Token;

/// The object that owns a dialog, a transaction, a question to the shell or a deadline. The owner selects one of its legs or
/// requests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Owner {
    /// A call.
    Call(CallKey),
    /// A MESSAGE outside a dialog.
    Message(MessageKey),
    /// A leg whose call is over.
    Closing(ClosingKey),
    /// A request that waits for a dialog of another worker.
    Lookup(LookupKey),
}

/// The owner of each identifier. If an identifier has no owner, its call, MESSAGE or leg has ended.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// The owner of each dialog, and the Call-ID.
    dialogs: BTreeMap<DialogId, (Owner, Bytes)>,
    clients: BTreeMap<ClientId, Owner>,
    servers: BTreeMap<ServerId, Owner>,
    tokens: BTreeMap<Token, Owner>,
}

impl Owners {
    /// The owner of the dialog with these tags.
    pub(crate) fn of_dialog(&self, id: &DialogId) -> Option<Owner> {
        self.dialogs.get(id).map(|(owner, _)| *owner)
    }

    /// The owner of the dialog with these tags and this Call-ID (RFC 3261 section 12).
    pub(crate) fn of_request(&self, id: &DialogId, call_id: &[u8]) -> Option<Owner> {
        self.dialogs.get(id).filter(|(_, known)| *known == call_id).map(|(owner, _)| *owner)
    }

    pub(crate) fn of_client(&self, id: ClientId) -> Option<Owner> {
        self.clients.get(&id).copied()
    }

    pub(crate) fn of_server(&self, id: ServerId) -> Option<Owner> {
        self.servers.get(&id).copied()
    }

    pub(crate) fn of_token(&self, token: Token) -> Option<Owner> {
        self.tokens.get(&token).copied()
    }

    /// `owner` owns the dialog from now on.
    pub(crate) fn own_dialog(&mut self, id: DialogId, call_id: &Bytes, owner: Owner) {
        self.dialogs.insert(id, (owner, call_id.clone()));
    }

    /// Responses to this request go to `owner`.
    pub(crate) fn own_client(&mut self, id: ClientId, owner: Owner) {
        self.clients.insert(id, owner);
    }

    /// A CANCEL of this request goes to `owner`.
    pub(crate) fn own_server(&mut self, id: ServerId, owner: Owner) {
        self.servers.insert(id, owner);
    }

    /// The answer with this token goes to `owner`.
    pub(crate) fn own_token(&mut self, token: Token, owner: Owner) {
        self.tokens.insert(token, owner);
    }

    pub(crate) fn forget_dialog(&mut self, id: &DialogId) {
        self.dialogs.remove(id);
    }

    pub(crate) fn forget_client(&mut self, id: ClientId) {
        self.clients.remove(&id);
    }

    pub(crate) fn forget_server(&mut self, id: ServerId) {
        self.servers.remove(&id);
    }

    pub(crate) fn forget_token(&mut self, token: Token) {
        self.tokens.remove(&token);
    }

    /// The dialogs that have an owner.
    pub(crate) fn dialogs(&self) -> usize {
        self.dialogs.len()
    }
}
