//! Transfers: the legs that a header field names, and the subscriptions of REFERs (RFC 3515, RFC 3891).

use attesta_sip::{Event, Method, Name, Request};

use crate::call::bridge::{Bridge, BridgedTo};
use crate::call::{Call, Phase};
use crate::headers::address::pieces;
use crate::headers::dialog_id::DialogId;
use crate::leg::{Leg, Side};

impl Call {
    /// The leg with this dialog, and the leg on the other side.
    pub(crate) fn legs_of(&self, dialog: &DialogId) -> Option<(&Leg, &Leg)> {
        match &self.phase {
            Phase::Connected { bridge, .. } => bridge.legs_of(dialog),
            Phase::Setup(setup) => setup.forks.iter().find_map(|bridge| bridge.legs_of(dialog)),
            Phase::Intake(_) | Phase::Over => None,
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
