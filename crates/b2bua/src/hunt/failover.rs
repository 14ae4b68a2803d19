//! The steps after a target has failed: RFC 3263 section 4.3, RFC 3261 sections 16.7 and 21.5.4.

use std::time::Instant;

use attesta_sip::{Name, Response, Status};
use attesta_transaction::Failure;

use crate::env::Env;
use crate::event::Cause;
use crate::hunt::last_failure::LastFailure;
use crate::hunt::progress::Attempt;
use crate::hunt::{Hunt, HuntStep};
use crate::intake::origin::Origin;
use crate::trunk::health::TargetStatus;

impl Hunt {
    /// Tries the targets that are out of service because they failed, after no target in service remains. Each request is
    /// then tried at least once. An emergency call also tries the targets whose Retry-After has not ended.
    pub(super) fn last_resort(&mut self, origin: &Origin, env: &mut Env<'_>) -> HuntStep {
        self.others_tried.get_or_insert(self.tried);
        while self.attempts < origin.config.caps.attempts
            && let Some(attempt) = self.out_of_service.pop_front()
        {
            match env.targets.status(env.now.mono, &attempt.hop.flow) {
                TargetStatus::AskedToWait(until) if !origin.arrival.emergency => {
                    self.earliest = Some(self.earliest.map_or(until, |first| first.min(until)));
                }
                TargetStatus::AskedToWait(_) | TargetStatus::Failed | TargetStatus::InService => {
                    tracing::debug!(flow = ?attempt.hop.flow, "no other target remains: trying a target out of service");
                    return self.approach(attempt, origin, env);
                }
            }
        }
        self.exhausted(origin, env.now.mono)
    }

    fn exhausted(&mut self, origin: &Origin, now: Instant) -> HuntStep {
        match std::mem::take(&mut self.failure) {
            LastFailure::As(response, cause) => HuntStep::Over(response, cause),
            LastFailure::With(status, cause) => {
                let mut response = origin.reply(self.request(), status);
                if let Some(until) = self.earliest.filter(|_| !self.tried) {
                    // No target was tried, because each has sent a Retry-After that has not ended.
                    response.headers_mut().push(Name::RetryAfter, retry_after(now, until));
                }
                HuntStep::Over(Box::new(response), cause)
            }
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
        let (trunk, cap) = (attempt.trunk(), origin.config.caps.remembered_targets);
        env.targets.failed(env.now.mono, (trunk, &attempt.hop.flow), why, sent, cap, env.counters);
        let status = match why {
            Failure::Timeout => Status::REQUEST_TIMEOUT,
            Failure::Transport | Failure::NoRoom => Status::SERVER_INTERNAL_ERROR,
        };
        if self.others_tried != Some(true) {
            self.failure = LastFailure::With(status, Cause::Unreachable);
        }
    }

    /// Records a final response of a target after which the next target is tried. If no target remains, the sender gets
    /// `back`, or a 500 instead of a 503.
    pub(super) fn fail_over(
        &mut self,
        attempt: &Attempt,
        response: &Response,
        back: Response,
        origin: &Origin,
        env: &mut Env<'_>,
    ) {
        let status = response.status();
        self.failure = if status == Status::SERVICE_UNAVAILABLE {
            let (trunk, cap) = (attempt.trunk(), origin.config.caps.remembered_targets);
            env.targets.unavailable(env.now.mono, (trunk, &attempt.hop.flow), response, cap, env.counters);
            // RFC 3261 section 16.7: a relayed 503 would tell the sender that this edge is unavailable.
            LastFailure::With(Status::SERVER_INTERNAL_ERROR, Cause::Declined(status))
        } else {
            LastFailure::As(Box::new(back), Cause::Declined(status))
        };
    }
}

/// The seconds until `then`, rounded up, for Retry-After.
fn retry_after(now: Instant, then: Instant) -> String {
    then.saturating_duration_since(now).as_millis().div_ceil(1000).to_string()
}
