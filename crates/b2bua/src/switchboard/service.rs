//! The requests that a switchboard accepts before and during a shutdown.

use attesta_sip::Request;

use crate::config::Config;
use crate::intake::emergency::is_emergency;
use crate::intake::screening::Purpose;

/// The set of requests outside dialogs that a switchboard accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServiceState {
    /// All requests.
    Open,
    /// Emergency calls, and MESSAGEs to emergency services.
    Draining,
    /// No requests.
    Closed,
}

impl ServiceState {
    /// True if a request for this purpose is refused because the edge is about to stop. An OPTIONS is refused too, because a
    /// 2xx would tell the peers to send calls here.
    pub(crate) fn is_closed_to(self, purpose: Purpose, config: &Config, request: &Request) -> bool {
        match self {
            Self::Open => false,
            Self::Draining => purpose == Purpose::Query || !is_emergency(config, request),
            Self::Closed => true,
        }
    }
}
