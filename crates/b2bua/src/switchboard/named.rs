//! Dialogs that a header field names: Replaces (RFC 3891), Join (RFC 3911), Target-Dialog (RFC 4538) and the Replaces in a
//! Refer-To (RFC 3515).
//!
//! A peer knows the dialog of its own leg. On the other leg, the dialog has other identifiers.

use std::time::Duration;

use attesta_sip::{Name, NameAddr, Replaces, Request, Status, Uri};
use attesta_transaction::{Flow, ServerId, WorkerPlace};

use crate::arena::{CallKey, LookupKey};
use crate::config::trunk_entry::TrunkEntry;
use crate::counters::Refusal;
use crate::headers::address::{address_uri, owned};
use crate::headers::dialog_id::DialogId;
use crate::headers::dialog_names::{DialogName, Mapping, Unmapped, map_names};
use crate::io::Output;
use crate::leg::{Leg, Side};
use crate::now::Now;
use crate::owners::Owner;
use crate::policy::Policy;
use crate::switchboard::Switchboard;
use crate::switchboard::lookup::{Answers, Lookup};
use crate::token::Token;

/// The two legs of a dialog that a header field names.
struct Named<'a> {
    call: CallKey,
    /// The leg of the party that is replaced.
    replaced: &'a Leg,
    /// The leg of the party that receives the header field.
    remaining: &'a Leg,
}

impl<P: Policy> Switchboard<P> {
    /// The dialog of the other leg, as its peer knows it. `name` is a dialog of this worker as one of its peers knows it, in
    /// either direction. `None` if there is no such dialog. The answer to [`Output::FindDialog`] of another worker.
    #[must_use]
    pub fn find_dialog(&self, name: &DialogName) -> Option<DialogName> {
        self.named(name).map(|named| named.remaining.dialog.name())
    }

    /// Finds the legs of the dialog with this name. If `to_tag` is ours, its peer is the party that is replaced. If `from_tag`
    /// is ours, its peer receives the header field.
    fn named(&self, name: &DialogName) -> Option<Named<'_>> {
        let DialogName { to_tag, from_tag, .. } = name;
        let as_receiver = DialogId { local: to_tag.clone(), remote: from_tag.clone() };
        if let Some(key) = self.call_of(&as_receiver, name) {
            let (replaced, remaining) = self.calls.get(key)?.legs_of(&as_receiver)?;
            return Some(Named { call: key, replaced, remaining });
        }
        let as_other = DialogId { local: from_tag.clone(), remote: to_tag.clone() };
        let key = self.call_of(&as_other, name)?;
        let (remaining, replaced) = self.calls.get(key)?.legs_of(&as_other)?;
        Some(Named { call: key, replaced, remaining })
    }

    fn call_of(&self, dialog: &DialogId, name: &DialogName) -> Option<CallKey> {
        match self.shared.owners.of_request(dialog, &name.call_id)? {
            Owner::Call(key) => Some(key),
            Owner::Message(_) | Owner::Closing(_) | Owner::Lookup(_) => None,
        }
    }

    /// True if a BYE has ended the dialog that is not [named](Self::named), and the dialog is not forgotten yet.
    fn has_ended(&self, name: &DialogName) -> bool {
        let DialogName { to_tag, from_tag, call_id } = name;
        [(to_tag, from_tag), (from_tag, to_tag)].into_iter().any(|(local, remote)| {
            let dialog = DialogId { local: local.clone(), remote: remote.clone() };
            matches!(
                self.shared.owners.of_request(&dialog, call_id),
                Some(Owner::Closing(_) | Owner::Call(_))
            )
        })
    }

    /// Maps the names in a request that begins a call or a MESSAGE. `ingress` is its trunk. Placement has brought the request
    /// to the worker of the dialog. Returns the leg that the request replaces.
    pub(super) fn map_outside(
        &self,
        request: &mut Request,
        ingress: &TrunkEntry,
    ) -> Result<Option<(CallKey, DialogId)>, (Status, Refusal)> {
        let instance = self.shared.ids.place().instance;
        let referred_by = request.headers().get(Name::ReferredBy).and_then(address_uri);
        let replaces = request.headers().get(Name::Replaces).map(owned);
        let is_early_only = replaces
            .as_deref()
            .is_some_and(|value| Replaces::parse(value).is_ok_and(|replaces| replaces.is_early_only()));
        let mut replacement = None;
        let mut refused = (Status::CALL_DOES_NOT_EXIST, Refusal::NamedDialog);
        let mapped = map_names(request, &mut |field, name| {
            if name.place(instance).is_none() {
                return Mapping::Foreign;
            }
            let Some(Named { call, replaced, remaining }) = self.named(name) else {
                if field == Name::Replaces && self.has_ended(name) {
                    refused.0 = Status::DECLINE;
                }
                return Mapping::Unknown;
            };
            let is_of_trunk =
                replaced.trunk.as_ref().is_some_and(|entry| entry.trunk.name == ingress.trunk.name);
            let is_allowed = field == Name::TargetDialog
                || is_of_trunk
                || referred_by.as_deref().is_some_and(|uri| is_party(uri, replaced.dialog.remote_address()));
            if !is_allowed {
                refused = (Status::FORBIDDEN, Refusal::ForeignDialog);
                return Mapping::Unknown;
            }
            if field == Name::Replaces {
                let is_confirmed = remaining.invite.is_confirmed();
                if is_confirmed && is_early_only {
                    refused.0 = Status::BUSY_HERE;
                    return Mapping::Unknown;
                }
                if is_confirmed {
                    replacement = Some((call, replaced.dialog.id()));
                    return Mapping::Foreign;
                }
                // An early dialog can be replaced only at the party that began it.
                if !is_confirmed && remaining.side == Side::Callee {
                    return Mapping::Unknown;
                }
            }
            Mapping::To(remaining.dialog.name())
        });
        mapped.map(|()| replacement).map_err(|why| refusal_of(&why).unwrap_or(refused))
    }

    /// Maps the names in a request within a dialog, and passes the request on. `answers` are those of other workers.
    pub(super) fn on_naming_request(
        &mut self,
        now: Now,
        id: ServerId,
        mut request: Request,
        flow: &Flow,
        answers: Answers,
    ) {
        let own = self.shared.ids.place();
        let mapped = map_names(&mut request, &mut |_, name| {
            let Some(place) = name.place(own.instance) else { return Mapping::Foreign };
            let answer = answers.iter().find(|(asked, _)| asked == name).map(|(_, answer)| answer.clone());
            match answer.unwrap_or_else(|| self.find_dialog(name)) {
                Some(other) => Mapping::To(other),
                None if place != own && !answers.iter().any(|(asked, _)| asked == name) => {
                    Mapping::Elsewhere(place)
                }
                None => Mapping::Unknown,
            }
        });
        match mapped {
            Ok(()) => self.deliver(now, id, request, flow),
            Err(Unmapped::Ask(place, asked)) if self.lookups.len() < MAX_LOOKUPS => {
                let (flow, until) = (flow.clone(), now.mono + LOOKUP_BUDGET);
                self.look_up(
                    place,
                    Lookup { id, request, flow, answers, asked, token: None, until, alarm: None },
                );
            }
            Err(why) => {
                let (status, refusal) =
                    refusal_of(&why).unwrap_or((Status::CALL_DOES_NOT_EXIST, Refusal::NamedDialog));
                self.shared.env(now, &mut self.policy).refuse(id, &request, status, refusal);
            }
        }
    }

    /// Asks the worker at `place`.
    fn look_up(&mut self, place: WorkerPlace, lookup: Lookup) {
        let (dialog, until) = (lookup.asked.clone(), lookup.until);
        let key = self.lookups.insert_with(|_| lookup);
        let token = self.shared.token(Owner::Lookup(key));
        self.shared.out.push_back(Output::FindDialog { token, place, dialog });
        if let Some(lookup) = self.lookups.get_mut(key) {
            lookup.token = Some(token);
            self.alarms.set(Owner::Lookup(key), &mut lookup.alarm, Some(until));
        }
    }

    /// The answer of another worker. An answer without an owner comes too late.
    pub(super) fn on_dialog_found(&mut self, now: Now, token: Token, dialog: Option<DialogName>) {
        if let Some(Owner::Lookup(key)) = self.shared.owners.of_token(token) {
            self.end_lookup(now, key, dialog);
        }
    }

    /// The request continues with this answer.
    pub(super) fn end_lookup(&mut self, now: Now, key: LookupKey, dialog: Option<DialogName>) {
        if let Some(mut lookup) = self.lookups.remove(key) {
            self.alarms.set(Owner::Lookup(key), &mut lookup.alarm, None);
            if let Some(token) = lookup.token {
                self.shared.owners.forget_token(token);
            }
            let Lookup { id, request, flow, mut answers, asked, .. } = lookup;
            answers.push((asked, dialog));
            self.on_naming_request(now, id, request, &flow, answers);
        }
    }
}

/// The refusal of a request whose header fields are at fault. `None` if a dialog is missing.
fn refusal_of(why: &Unmapped) -> Option<(Status, Refusal)> {
    match why {
        Unmapped::Malformed => Some((Status::BAD_REQUEST, Refusal::DialogName)),
        Unmapped::TooLong => Some((Status::BAD_REQUEST, Refusal::ReferToTooLong)),
        Unmapped::Unknown | Unmapped::Ask(..) => None,
    }
}

/// True if the URI of a Referred-By names the party with this From or To value (RFC 3891 section 3).
fn is_party(referred_by: &[u8], address: &[u8]) -> bool {
    let party = NameAddr::parse(address).ok();
    match (Uri::parse(referred_by), party.as_ref().map(NameAddr::uri)) {
        (Ok(Uri::Sip(one)), Some(Uri::Sip(other))) => {
            one.user_unescaped() == other.user_unescaped() && one.host() == other.host()
        }
        (Ok(Uri::Tel(_) | Uri::Absolute(_)), Some(other)) => other.as_bytes() == referred_by,
        (Ok(_) | Err(_), _) => false,
    }
}

/// How long a request waits for a dialog of another worker.
const LOOKUP_BUDGET: Duration = Duration::from_secs(2);

/// The most requests that wait for a dialog of another worker. Further requests get a 481.
const MAX_LOOKUPS: usize = 256;
