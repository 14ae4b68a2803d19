//! The sides of a call on which this edge ends 100rel (RFC 3262).

use attesta_sip::{Headers, Name, Request};

use crate::headers::options::{self, RELIABLE};
use crate::headers::session::has_session;
use crate::hunt::Hunt;
use crate::intake::origin::Origin;
use crate::trunk::rules::Reliable;

/// The sides on which this edge ends 100rel. At most one side is true. The table is at [`Reliable`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LocalReliable {
    /// The caller has 100rel, and the callee may lack it.
    pub(crate) caller: bool,
    /// The caller lacks 100rel, and the callee may have it.
    pub(crate) callee: bool,
}

impl LocalReliable {
    /// The sides for this INVITE. `caller` and `callee` are the rules of the two trunks.
    fn of(invite: &Request, caller: Reliable, callee: Reliable) -> Self {
        let ends = |rule| match rule {
            Reliable::Local => true,
            Reliable::Relay => false,
        };
        let (caller, callee) = (ends(caller), ends(callee));
        if !(caller || callee) || !has_session(invite.headers(), invite.body()) {
            return Self { caller: false, callee: false };
        }
        let is_supported = options::supports(invite.headers(), RELIABLE);
        Self { caller: caller && is_supported, callee: callee && !is_supported }
    }

    /// Offers 100rel to the callee. A Require of the caller becomes Supported, because this edge fulfils it.
    pub(super) fn offer(self, headers: &mut Headers) {
        if self.caller {
            options::remove(headers, Name::Require, RELIABLE);
        }
        if self.caller || self.callee {
            options::add(headers, Name::Supported, RELIABLE);
        }
    }
}

impl Hunt {
    /// The sides on which this edge ends 100rel, as long as the current target is tried.
    pub(crate) fn local_reliable(&self, origin: &Origin) -> LocalReliable {
        LocalReliable::of(self.request(), origin.ingress.trunk.reliable, self.rules().reliable)
    }
}

#[cfg(test)]
mod tests {
    use attesta_sip::Method;

    use super::*;
    use crate::headers::session::SDP;

    /// The sides for an INVITE with 100rel in these lists, and the lists of our INVITE: Supported and Require.
    fn ends(lists: &[Name], offer: &str, rules: (Reliable, Reliable)) -> ((bool, bool), (bool, bool)) {
        let mut invite = Request::new(Method::Invite, "sip:bob@192.0.2.3");
        for list in lists {
            invite.headers_mut().push(*list, RELIABLE);
        }
        invite.headers_mut().push(Name::ContentType, SDP);
        invite.set_body(offer.to_owned());
        let local = LocalReliable::of(&invite, rules.0, rules.1);
        let headers = invite.headers_mut();
        local.offer(headers);
        let lists = [Name::Supported, Name::Require].map(|list| options::has(headers, list, RELIABLE));
        ((local.caller, local.callee), (lists[0], lists[1]))
    }

    /// The table at [`Reliable`].
    #[test]
    fn the_trunks_and_the_caller_decide_which_side_is_ended() {
        use Reliable::{Local, Relay};
        let all = [(Relay, Relay), (Relay, Local), (Local, Relay), (Local, Local)];
        let nothing = (false, false);
        for rules in all {
            let callee = rules.1 == Local;
            assert_eq!(ends(&[], "v=0", rules), ((false, callee), (callee, false)), "{rules:?}");
            let caller = rules.0 == Local;
            assert_eq!(ends(&[Name::Supported], "v=0", rules), ((caller, false), (true, false)), "{rules:?}");
            assert_eq!(
                ends(&[Name::Require], "v=0", rules),
                ((caller, false), (caller, !caller)),
                "{rules:?}"
            );
            assert_eq!(ends(&[], "", rules), (nothing, nothing), "no offer: {rules:?}");
            assert_eq!(ends(&[Name::Require], "", rules), (nothing, (false, true)), "no offer: {rules:?}");
        }
    }
}
