//! What becomes of a call when a target fails, and of the target: RFC 3263 section 4.3, RFC 3261 sections 16.7 and 21.5.4.

use std::time::{Duration, Instant};

use attesta_sip::{Name, Response, RetryAfter, Status};
use attesta_transaction::Failure;

use crate::attempt::Path;
use crate::call::{Call, Turn};
use crate::desk::{Desk, reply_tagged};
use crate::event::Cause;
use crate::health::{Peer, Standing};
use crate::io::{Destination, Now};
use crate::policy::Policy;
use crate::route::Stop;

/// What the caller is told when no target is left.
#[derive(Debug)]
pub(crate) enum Failing {
    /// This status: there is no response that could be relayed, or none that should be.
    With(Status, Cause),
    /// The response of the target that failed last.
    As(Box<Response>, Cause),
}

impl Call {
    /// No target is left that is well. Those that failed before are tried rather than that the call is refused; an emergency
    /// call tries those, too, that asked to be left alone.
    pub(crate) fn last_resort<P: Policy>(&mut self, turn: &mut Turn<'_, P>) {
        let (emergency, cap) = (self.arrival.emergency, self.config.caps.attempts);
        let Some(dialling) = self.dialling() else { return };
        dialling.settled.get_or_insert(dialling.tried);
        while dialling.attempts < cap
            && let Some((stop, path)) = dialling.aside.pop_front()
        {
            match turn.desk.standing(turn.now, &path) {
                Standing::Resting(until) if !emergency => {
                    dialling.rest = Some(dialling.rest.map_or(until, |first| first.min(until)));
                }
                Standing::Resting(_) | Standing::Failed | Standing::Well => {
                    tracing::debug!(flow = ?path.flow, "no other target is left: one that is set aside is tried");
                    return self.approach(turn, stop, path);
                }
            }
        }
        self.exhausted(turn);
    }

    fn exhausted<P>(&mut self, turn: &mut Turn<'_, P>) {
        let (tag, now) = (self.tag, turn.now.mono);
        let Some(dialling) = self.dialling() else { return };
        let rest = dialling.rest.filter(|_| !dialling.tried);
        let (response, cause) = match std::mem::take(&mut dialling.failure) {
            Failing::As(response, cause) => (*response, cause),
            Failing::With(status, cause) => {
                let mut response = reply_tagged(dialling.offer.request(), status, &tag);
                if let Some(until) = rest {
                    // Every target has asked to be left alone for longer.
                    response.headers_mut().push(Name::RetryAfter, retry_after(now, until));
                }
                (response, cause)
            }
        };
        self.conclude(turn, response, cause);
    }

    /// A target has failed the call, to which it was to respond until `until`: it is remembered, and the next one is tried.
    pub(crate) fn failed_at<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        stop: Stop,
        path: &Path,
        why: Failure,
        until: Instant,
    ) {
        let cap = self.config.caps.set_aside;
        let sent = until.checked_sub(stop.egress.trunk.timers.no_response);
        turn.desk.peer_failed(turn.now, (&stop, path), why, sent, cap);
        let Some(dialling) = self.dialling() else { return };
        let status = match why {
            Failure::Timeout => Status::REQUEST_TIMEOUT,
            Failure::Transport | Failure::NoRoom => Status::SERVER_INTERNAL_ERROR,
        };
        if dialling.settled != Some(true) {
            dialling.failure = Failing::With(status, Cause::Unreachable);
        }
        self.next_destination(turn, stop);
    }

    /// Whether a final response sends the call to the next target; if so, it is on its way there. `back` is what the caller
    /// gets if there is none.
    pub(crate) fn fails_over<P: Policy>(
        &mut self,
        turn: &mut Turn<'_, P>,
        (stop, path): (&Stop, &Path),
        response: &Response,
        back: &Response,
    ) -> bool {
        let status = response.status();
        if !stop.egress.trunk.fails_over(status) {
            return false;
        }
        let cap = self.config.caps.set_aside;
        let Some(dialling) = self.dialling() else { return false };
        if status == Status::SERVICE_UNAVAILABLE {
            // RFC 3261 section 16.7: upstream is not to take a 503 for one of ours.
            dialling.failure = Failing::With(Status::SERVER_INTERNAL_ERROR, Cause::Declined(status));
            turn.desk.peer_rests(turn.now, (stop, path), response, cap);
        } else {
            dialling.failure = Failing::As(Box::new(back.clone()), Cause::Declined(status));
        }
        self.next_destination(turn, stop.clone());
        true
    }
}

impl Default for Failing {
    fn default() -> Self {
        Self::With(Status::SERVER_INTERNAL_ERROR, Cause::Unreachable)
    }
}

impl Desk {
    /// A response came back from where a request was sent.
    pub(crate) fn peer_answered(&mut self, now: Now, path: &Path, cap: usize) {
        if self.health.answered(now.mono, Peer::of(&path.flow), cap) {
            tracing::info!(flow = ?path.flow, "a target that was set aside is back");
        }
    }

    /// What was `sent` to a target then gets no response: it is set aside, unless it is not at fault.
    pub(crate) fn peer_failed(
        &mut self,
        now: Now,
        (stop, path): (&Stop, &Path),
        why: Failure,
        sent: Option<Instant>,
        cap: usize,
    ) {
        let is_its_fault = match why {
            // It may be silent to this request only.
            Failure::Timeout => !sent.is_some_and(|sent| self.health.heard_since(sent, Peer::of(&path.flow))),
            Failure::Transport => true,
            Failure::NoRoom => false,
        };
        let trunk = &stop.egress.trunk;
        if is_its_fault && self.health.failed(now.mono, Peer::of(&path.flow), trunk.resume, cap) {
            self.counters.targets_set_aside += 1;
            tracing::warn!(trunk = %trunk.name, flow = ?path.flow, resume = ?trunk.resume, "a target is set aside");
        }
    }

    /// A 503: without a Retry-After it is taken for a 500, and says nothing of the next call (RFC 3261 section 21.5.4).
    pub(crate) fn peer_rests(
        &mut self,
        now: Now,
        (stop, path): (&Stop, &Path),
        response: &Response,
        cap: usize,
    ) {
        let value = response.headers().get(Name::RetryAfter);
        let Some(Ok(retry_after)) = value.map(RetryAfter::parse) else { return };
        let longest = stop.egress.trunk.resume.saturating_mul(LONGEST_REST);
        let span = Duration::from_secs(retry_after.seconds().into()).min(longest);
        if !span.is_zero() {
            self.counters.targets_set_aside += 1;
            tracing::warn!(flow = ?path.flow, ?span, "a target asks to be left alone");
            self.health.rests(now.mono, Peer::of(&path.flow), span, cap);
        }
    }

    /// How a target stands: one that may not be tried waits for the case that no other is left.
    pub(crate) fn standing(&self, now: Now, path: &Path) -> Standing {
        self.health.standing(now.mono, Peer::of(&path.flow))
    }

    /// The same places, those that are set aside last.
    pub(crate) fn well_first(&self, now: Now, mut destinations: Vec<Destination>) -> Vec<Destination> {
        destinations.sort_by_key(|each| self.health.standing(now.mono, Peer::at(each)) != Standing::Well);
        destinations
    }

    /// A call is sent to a target, and will know within `wait` whether it is there.
    pub(crate) fn peer_tried(&mut self, now: Now, path: &Path, wait: Duration) {
        self.health.tried(now.mono, Peer::of(&path.flow), wait);
    }
}

/// The Retry-After of whoever is to come again then.
pub(crate) fn retry_after(now: Instant, then: Instant) -> String {
    then.saturating_duration_since(now).as_millis().div_ceil(1000).to_string()
}

/// The longest that a Retry-After of a target's is believed, in times of its trunk's `resume`: one slip of its, over one call
/// perhaps, is not to cost the trunk an hour.
const LONGEST_REST: u32 = 5;
