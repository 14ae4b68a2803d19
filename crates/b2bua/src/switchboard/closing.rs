//! How a switchboard ends its work: it begins no calls any more, then hangs up those that are left.

use attesta_sip::Request;

use super::{Switchboard, is_emergency};
use crate::call::Call;
use crate::io::Now;
use crate::policy::Policy;
use crate::screening::Purpose;

/// What a switchboard still begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hours {
    /// Everything.
    Open,
    /// Emergency calls, and MESSAGEs to emergency services.
    Draining,
    /// Nothing.
    Closed,
}

impl<P: Policy> Switchboard<P> {
    /// Whether a request for this purpose is refused since this edge is about to stop. An OPTIONS is too: by it, peers find out
    /// whom to send calls to.
    pub(super) fn is_closed_to(&self, purpose: Purpose, request: &Request) -> bool {
        match self.hours {
            Hours::Open => false,
            Hours::Draining => purpose == Purpose::Query || !is_emergency(&self.desk.config, request),
            Hours::Closed => true,
        }
    }

    /// Whether no call lives, and no MESSAGE is on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.len() + self.letters.len() + self.desk.pages.len() == 0
    }

    /// Whether nothing is owed to anybody: no call lives, no dialog, and of transactions only those that have had their final
    /// response, and absorb what comes late.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let transactions = self.desk.endpoint.counters();
        let live = transactions.live_clients + transactions.live_servers;
        self.is_empty() && self.desk.legs.len() == 0 && live == transactions.absorbing
    }

    /// Begins nothing any more but emergency calls. What was closed before stays so.
    pub(super) fn close(&mut self) {
        if self.hours == Hours::Open {
            self.hours = Hours::Draining;
        }
    }

    /// Ends all calls, and the MESSAGEs that have not been sent on.
    pub(super) fn hang_up_all(&mut self, now: Now) {
        self.hours = Hours::Closed;
        let calls: Vec<_> = self.calls.keys().collect();
        for key in calls {
            self.with_call(now, key, Call::shut_down);
        }
        self.refuse_letters(now);
    }
}
