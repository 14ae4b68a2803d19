//! Our own offer of a session timer to a target (RFC 4028 section 7).

use std::time::Duration;

use attesta_sip::{Refresher, Request, Response, Status};

use crate::headers::timer::{self, LONGEST_SESSION};
use crate::trunk::rules::SessionRules;

/// The session timer that we offer to the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum SessionOffer {
    /// The interval of the trunk.
    #[default]
    OfTrunk,
    /// At least the Min-SE of a 422.
    AtLeast(Duration),
    /// Nothing. The target has refused the raised offer, or its 422 names no interval that we can offer.
    Nothing,
}

impl SessionOffer {
    /// Adds the offer to the INVITE to the target, if the caller offers no session timer. If the caller does not support session
    /// timers, the caller sends no refresh. The target is then the refresher.
    pub(super) fn add(self, outgoing: &mut Request, rules: SessionRules) {
        let headers = outgoing.headers_mut();
        match self {
            Self::OfTrunk => timer::offer(headers, (rules.interval, rules.shortest), Refresher::Uas),
            Self::AtLeast(least) => {
                timer::raise_minimum(headers, least);
                timer::offer(headers, (rules.interval, rules.shortest), Refresher::Uas);
            }
            Self::Nothing => {}
        }
    }

    /// Returns the next offer if this response is a 422 to our offer. The interval is raised only once.
    pub(super) fn after(self, response: &Response) -> Option<Self> {
        if response.status() != Status::SESSION_INTERVAL_TOO_SMALL {
            return None;
        }
        match self {
            Self::OfTrunk => {
                let least = timer::minimum(response.headers()).filter(|least| *least <= LONGEST_SESSION);
                Some(least.map_or(Self::Nothing, Self::AtLeast))
            }
            Self::AtLeast(_) => Some(Self::Nothing),
            Self::Nothing => None,
        }
    }
}
