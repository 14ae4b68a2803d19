//! The steps after a target has failed: RFC 3263 section 4.3, RFC 3261 sections 16.7 and 21.5.4.

use std::time::Instant;

use attesta_sip::{Name, Response, Status};
use attesta_transaction::Failure;

use crate::env::Env;
use crate::event::Cause;
use crate::hunt::last_failure::LastFailure;
use crate::hunt::plan::RouteTarget;
use crate::hunt::progress::Attempt;
use crate::hunt::{Hunt, HuntStep};
use crate::intake::origin::Origin;
use crate::trunk::health::{Peer, TargetStatus};
use crate::trunk::rules::RetryAfterRule;

impl Hunt {
    /// Tries the targets that are out of service, after no target in service remains. Each request is then tried at least
    /// once. Targets that have asked to wait by a Retry-After come last.
    pub(super) fn last_resort(&mut self, origin: &Origin, env: &mut Env<'_>) -> HuntStep {
        self.others_tried.get_or_insert(!self.tried.is_empty());
        if self.attempts < origin.config.caps.attempts {
            let waits = |attempt: &Attempt| {
                matches!(env.targets.status(env.now.mono, &attempt.hop.flow), TargetStatus::AskedToWait(_))
            };
            let place = self.out_of_service.iter().position(|attempt| !waits(attempt)).unwrap_or(0);
            if let Some(attempt) = self.out_of_service.remove(place) {
                tracing::debug!(flow = ?attempt.hop.flow, "no other target remains: trying a target out of service");
                return self.approach(attempt, origin, env);
            }
        }
        match std::mem::take(&mut self.failure) {
            LastFailure::As(response, cause) => HuntStep::Over(response, cause),
            LastFailure::With(status, cause) => {
                HuntStep::Over(Box::new(origin.reply(self.request(), status)), cause)
            }
        }
    }

    /// True if no other target or address remains after the current attempt.
    pub(super) fn is_last(&self, origin: &Origin) -> bool {
        let is_exhausted =
            self.plan.is_empty() && self.destinations.is_empty() && self.out_of_service.is_empty();
        is_exhausted || self.attempts >= origin.config.caps.attempts
    }

    /// True if a target of this hunt other than `attempt` is in service. A target named by a domain name counts: its
    /// addresses are not known yet.
    fn has_alternative(&self, attempt: &Attempt, env: &Env<'_>) -> bool {
        let own = Peer::of(&attempt.hop.flow);
        let is_other = |peer: Peer| peer != own && env.targets.is_in_service(env.now.mono, peer);
        let tried = self.tried.iter().map(Peer::of);
        let addresses = self.destinations.iter().map(|to| Peer::at(to.transport, to.address));
        let is_open = |next: &RouteTarget| {
            next.target.address().is_none_or(|(transport, to)| is_other(Peer::at(transport, to)))
        };
        tried.chain(addresses).any(is_other) || self.plan.iter().any(is_open)
    }

    /// Records a failure of ours as the response to the sender. A response of a target says more, and stays (ADR 10).
    pub(super) fn fails_with(&mut self, status: Status, cause: Cause) {
        if matches!(self.failure, LastFailure::With(..)) {
            self.failure = LastFailure::With(status, cause);
        }
    }

    /// Records that the request sent to a target at `sent` gets no response.
    pub(super) fn failed_at(
        &mut self,
        attempt: &Attempt,
        why: Failure,
        sent: Instant,
        origin: &Origin,
        env: &mut Env<'_>,
    ) {
        self.tried.push(attempt.hop.flow.clone());
        let (trunk, cap) = (attempt.trunk(), origin.config.caps.remembered_targets);
        env.targets.failed(env.now.mono, (trunk, &attempt.hop.flow), why, sent, cap, env.counters);
        let status = match why {
            Failure::Timeout => Status::REQUEST_TIMEOUT,
            Failure::Transport | Failure::NoRoom => Status::SERVER_INTERNAL_ERROR,
        };
        if self.others_tried != Some(true) {
            self.fails_with(status, Cause::Unreachable);
        }
    }

    /// Records a final response of a target after which the next target is tried. If no target remains, the sender gets
    /// `back` (ADR 10).
    pub(super) fn fail_over(
        &mut self,
        attempt: &Attempt,
        response: &Response,
        mut back: Response,
        origin: &Origin,
        env: &mut Env<'_>,
    ) {
        let status = response.status();
        self.tried.push(attempt.hop.flow.clone());
        if status == Status::SERVICE_UNAVAILABLE {
            // The Retry-After of one target is not for this edge.
            back.headers_mut().remove(Name::RetryAfter);
            let (trunk, cap) = (attempt.trunk(), origin.config.caps.remembered_targets);
            if trunk.retry_after == RetryAfterRule::Respect {
                let may_rest = self.has_alternative(attempt, env);
                let peer = (trunk, &attempt.hop.flow);
                env.targets.unavailable(env.now.mono, peer, response, may_rest, cap, env.counters);
            }
        }
        tracing::debug!(trunk = %attempt.trunk().name(), status = status.code(), "the next target is tried");
        self.failure = LastFailure::As(Box::new(back), Cause::Declined(status));
    }
}
