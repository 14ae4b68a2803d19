//! Transfers: the legs that a header field names, and the subscriptions of REFERs (RFC 3515, RFC 3891).

use std::time::Duration;

use attesta_sip::{Event, Headers, Method, Name, Request, Response, Status};

use crate::call::bridge::{Bridge, BridgedTo};
use crate::call::end::CallEnd;
use crate::call::replacement::Replacement;
use crate::call::{Call, Phase};
use crate::counters::Refusal;
use crate::env::Env;
use crate::headers::address::{pieces, sequence};
use crate::headers::dialog_id::DialogId;
use crate::leg::{Leg, Side};

impl Call {
    /// The leg with this dialog, and the leg on the other side.
    pub(crate) fn legs_of(&self, dialog: &DialogId) -> Option<(&Leg, &Leg)> {
        match &self.phase {
            Phase::Connected { bridge, .. } => bridge.legs_of(dialog),
            Phase::Setup(setup) => setup.forks.iter().find_map(|bridge| bridge.legs_of(dialog)),
            Phase::Intake(_) | Phase::Subscribed(_) | Phase::Over => None,
        }
    }
}

impl Call {
    /// Handles an INVITE that replaces a leg of the call.
    pub(super) fn on_replacement(
        &mut self,
        replacement: Replacement<'_>,
        env: &mut Env<'_>,
    ) -> Option<CallEnd> {
        match self.phase.find(|bridge| bridge.side_of(&replacement.dialog)) {
            Some((bridge, side)) => bridge.replace(side, replacement, &self.origin, env),
            None => {
                let Replacement { id, request, .. } = replacement;
                env.refuse(id, &request, Status::CALL_DOES_NOT_EXIST, Refusal::NamedDialog);
                None
            }
        }
    }
}

impl Bridge {
    fn legs_of(&self, dialog: &DialogId) -> Option<(&Leg, &Leg)> {
        match &self.b {
            BridgedTo::Leg(b) if b.dialog.has_id(dialog) => Some((b, &self.a)),
            BridgedTo::Leg(b) if self.a.dialog.has_id(dialog) => Some((&self.a, b)),
            BridgedTo::Leg(_) | BridgedTo::BuiltInCallee => None,
        }
    }

    /// True while the subscription of a REFER lives.
    pub(super) fn is_subscribed(&mut self) -> bool {
        match self.legs(Side::Caller) {
            (Some(a), Some(b)) => a.refers.is_live() || b.refers.is_live(),
            (_, None) | (None, _) => false,
        }
    }

    /// A BYE has ended the call. The dialogs live on until their subscriptions end, for [`SUBSCRIPTION_BUDGET`] at most. The
    /// requests in flight that belong to no subscription get a 487.
    pub(super) fn outlives_the_call(&mut self, env: &mut Env<'_>) {
        self.subscribed_until = Some(env.now.mono + SUBSCRIPTION_BUDGET);
        self.abandon_swap(env);
        for side in [Side::Caller, Side::Callee] {
            if let (Some(leg), far) = self.legs(side) {
                leg.abandon_requests(far, &OF_SUBSCRIPTIONS, env);
                leg.end_session_for_good(env);
            }
        }
    }

    /// True for a NOTIFY or SUBSCRIBE of `near` that belongs to the subscription of a REFER.
    pub(super) fn belongs_to_refer(&mut self, near: Side, request: &Request) -> bool {
        let (Some(leg), Some(far)) = self.legs(near) else { return false };
        let is_live = (*request.method() == Method::Notify && far.refers.is_live())
            || (*request.method() == Method::Subscribe && leg.refers.is_live());
        let package = |value| Event::parse(value).is_ok_and(|event| event.package() == b"refer");
        is_live && request.headers().get(Name::Event).is_some_and(package)
    }

    /// Follows the subscriptions of the REFERs. `near` is the side of the peer that sent the request, which has the final
    /// response `status`.
    pub(super) fn on_final_of(&mut self, near: Side, relayed: &Request, response: &Response) {
        let (leg, far) = self.legs(near);
        let status = response.status();
        if *relayed.method() == Method::Refer {
            let is_accepted = status.is_success() && !declines_subscription(response.headers());
            if let (false, Some(leg)) = (is_accepted, leg) {
                leg.refers.on_refused(sequence(relayed).unwrap_or_default());
            }
        } else if *relayed.method() == Method::Notify
            && (is_last_notify(relayed) || status == Status::CALL_DOES_NOT_EXIST)
            && let Some(far) = far
        {
            far.refers.on_ended(relayed.headers().get(Name::Event).and_then(refer_id));
        }
    }

    /// The Event of a NOTIFY or SUBSCRIBE of `near`, with the `id` that the REFER has on the far leg (RFC 3515 section 2.4.6).
    /// `Ok(None)`: the Event stays as it is.
    pub(super) fn map_event(
        &mut self,
        near: Side,
        request: &Request,
    ) -> Result<Option<Vec<u8>>, NoSuchRefer> {
        if ![Method::Notify, Method::Subscribe].contains(request.method()) {
            return Ok(None);
        }
        let Some(value) = request.headers().get(Name::Event) else { return Ok(None) };
        let Some(id) = refer_id(value) else { return Ok(None) };
        // The REFER of a NOTIFY came from the far peer, the REFER of a SUBSCRIBE from the near peer.
        let mapped = match self.legs(near) {
            (_, Some(far)) if *request.method() == Method::Notify => far.refers.near_of(id),
            (Some(leg), Some(_)) => leg.refers.far_of(id),
            (_, None) | (None, _) => return Ok(None),
        };
        Ok(Some(with_id(value, mapped.ok_or(NoSuchRefer)?)))
    }
}

/// RFC 4488 section 4: the peer accepts the REFER and creates no subscription.
fn declines_subscription(headers: &Headers) -> bool {
    headers.named("Refer-Sub").is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"false"))
}

/// True if the NOTIFY ends its subscription (RFC 6665 section 4.1.3).
fn is_last_notify(notify: &Request) -> bool {
    let state = notify.headers().get(Name::SubscriptionState).and_then(|value| pieces(value).next());
    state.is_some_and(|state| state.trim_ascii().eq_ignore_ascii_case(b"terminated"))
}

/// No REFER of the dialog has the number that the `id` of an Event names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoSuchRefer;

/// The CSeq number of the REFER whose subscription this Event names.
fn refer_id(value: &[u8]) -> Option<u32> {
    let event = Event::parse(value).ok().filter(|event| event.package() == b"refer")?;
    str::from_utf8(event.id()?).ok()?.parse().ok()
}

fn with_id(value: &[u8], id: u32) -> Vec<u8> {
    let mut parts = pieces(value);
    let mut text = parts.next().unwrap_or_default().trim_ascii().to_vec();
    for part in parts {
        let name = part.split(|octet| *octet == b'=').next().unwrap_or_default();
        text.push(b';');
        if name.trim_ascii().eq_ignore_ascii_case(b"id") {
            text.extend_from_slice(format!("id={id}").as_bytes());
        } else {
            text.extend_from_slice(part.trim_ascii());
        }
    }
    text
}

/// The methods of a subscription and of the request that creates it (RFC 3515 section 2.4.4).
const OF_SUBSCRIPTIONS: [Method; 3] = [Method::Refer, Method::Notify, Method::Subscribe];

/// How long the subscription of a REFER may outlive its call. A target may ring for three minutes.
const SUBSCRIPTION_BUDGET: Duration = Duration::from_secs(240);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_subscription_of_a_refer_has_the_number_of_a_request() {
        assert_eq!(refer_id(b"refer;id=93809824"), Some(93_809_824));
        assert_eq!(refer_id(b"refer ; x=1; ID = 7"), Some(7));
        for other in [&b"refer"[..], b"dialog;id=7", b"refer;id=abc", b"refer;id=99999999999"] {
            assert_eq!(refer_id(other), None);
        }
        assert_eq!(with_id(b"refer;x=\";id=1\";id=7", 2), b"refer;x=\";id=1\";id=2");
    }
}
