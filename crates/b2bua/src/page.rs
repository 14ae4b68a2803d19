//! A MESSAGE outside any dialog, relayed (RFC 3428).
//!
//! It takes the way of an INVITE as far as a transaction without a dialog can: screened, admitted, verified and routed
//! (`switchboard/letters.rs`), then each target in turn is found and sent to, until one gives a final response. Nothing of it is
//! signed. It never outlives its client transaction, and nobody is told of a timeout (RFC 4320 section 4.2).

use std::collections::VecDeque;
use std::time::Instant;

use attesta_sip::{Name, Response, Status};
use attesta_transaction::{Failure, Overloaded, ServerId};

use crate::arena::Key;
use crate::attempt::Path;
use crate::bridge;
use crate::delivery::RESOLVE_BUDGET;
use crate::desk::{Client, Desk, Sleeper, Waiter};
use crate::failover::retry_after;
use crate::health::Standing;
use crate::identity::{self, Offer};
use crate::io::{Destination, Now, ResolveError, Token};
use crate::route::Stop;
use crate::trunk::{OutboundIdentity, Trusts};

/// A MESSAGE on its way.
#[derive(Debug)]
pub(crate) struct Page {
    /// The MESSAGE as it was received.
    offer: Offer,
    /// Its transaction with its sender.
    server: ServerId,
    stops: VecDeque<Stop>,
    destinations: VecDeque<Destination>,
    /// Targets that are set aside, for the case that no other is left.
    aside: VecDeque<(Stop, Path)>,
    attempts: usize,
    /// Whether any target was sent to.
    tried: bool,
    /// Reason values that the final response owes its sender (RFC 9410 section 3).
    reasons: Vec<String>,
    step: Step,
    /// What its sender is told when no target is left.
    failure: Status,
    alarm: Option<Instant>,
}

/// How far a MESSAGE has come.
#[derive(Debug)]
enum Step {
    Idle,
    /// It is asked where the target can be reached.
    Resolving {
        stop: Stop,
        token: Token,
    },
    /// It is sent; the transaction's own timer ends it.
    Sent {
        stop: Stop,
        path: Path,
        at: Instant,
        /// What is believed when the target says it.
        trusts: Trusts,
    },
}

impl Desk {
    /// Relays a MESSAGE to the first of `stops` that takes it.
    pub(crate) fn page(
        &mut self,
        now: Now,
        server: ServerId,
        offer: Offer,
        reasons: Vec<String>,
        stops: VecDeque<Stop>,
    ) {
        let key = self.pages.insert(Page {
            offer,
            server,
            stops,
            destinations: VecDeque::new(),
            aside: VecDeque::new(),
            attempts: 0,
            tried: false,
            reasons,
            step: Step::Idle,
            failure: Status::SERVER_INTERNAL_ERROR,
            alarm: None,
        });
        self.page_next_stop(now, key);
    }

    fn page_next_stop(&mut self, now: Now, key: Key) {
        let config = self.config.clone();
        let cap = config.caps.attempts;
        let Some(page) = self.pages.get_mut(key) else { return };
        page.destinations.clear();
        let stop = if page.attempts < cap { page.stops.pop_front() } else { None };
        let Some(stop) = stop else { return self.page_last_resort(now, key) };
        let target = stop.target.clone();
        tracing::debug!(%target, "next target of a MESSAGE");
        let token = self.resolve(target, config.transports(&stop.egress.trunk.listeners));
        self.wait(token, Waiter::Page(key));
        if let Some(page) = self.pages.get_mut(key) {
            page.step = Step::Resolving { stop, token };
            self.alarms.set(Sleeper::Page(key), &mut page.alarm, Some(now.mono + RESOLVE_BUDGET));
        }
    }

    /// The answer to where the target can be reached, or that there is none in time.
    pub(crate) fn page_resolved(
        &mut self,
        now: Now,
        key: Key,
        result: Result<Vec<Destination>, ResolveError>,
    ) {
        let Some(page) = self.pages.get_mut(key) else { return };
        match std::mem::replace(&mut page.step, Step::Idle) {
            Step::Resolving { stop, token } => {
                self.alarms.set(Sleeper::Page(key), &mut page.alarm, None);
                match result {
                    Ok(destinations) => page.destinations = destinations.into(),
                    Err(ResolveError::Timeout) => page.failure = Status::SERVER_TIMEOUT,
                    Err(why) => tracing::debug!(%why, "no way to the target of a MESSAGE"),
                }
                self.forget_token(token);
                self.page_next_destination(now, key, stop);
            }
            other @ (Step::Idle | Step::Sent { .. }) => page.step = other,
        }
    }

    fn page_next_destination(&mut self, now: Now, key: Key, stop: Stop) {
        let config = self.config.clone();
        while let Some(page) = self.pages.get_mut(key) {
            if page.attempts >= config.caps.attempts {
                break;
            }
            let Some(destination) = page.destinations.pop_front() else { break };
            let Destination { transport, address, .. } = destination;
            if config.is_own(transport, address) {
                // It would come straight back: nobody of that name lives here.
                page.attempts += 1;
                page.failure = Status::NOT_FOUND;
                continue;
            }
            let Some(listener) = config.listener_towards(&stop.egress.trunk.listeners, transport, address)
            else {
                tracing::warn!(%transport, %address, "no listener reaches the target");
                page.attempts += 1;
                continue;
            };
            let path = Path { listener: listener.clone(), flow: listener.flow_to(&destination) };
            if self.standing(now, &path) == Standing::Well {
                return self.page_sent(now, key, stop, path);
            }
            if let Some(page) = self.pages.get_mut(key)
                && page.aside.len() < config.caps.attempts
            {
                page.aside.push_back((stop.clone(), path));
            }
        }
        self.page_next_stop(now, key);
    }

    /// No target is left that is well: those that are set aside are tried, as for a call.
    fn page_last_resort(&mut self, now: Now, key: Key) {
        let cap = self.config.caps.attempts;
        let mut rest: Option<Instant> = None;
        while let Some(page) = self.pages.get_mut(key) {
            let next = if page.attempts < cap { page.aside.pop_front() } else { None };
            let Some((stop, path)) = next else { break };
            match self.standing(now, &path) {
                Standing::Resting(until) => {
                    rest = Some(rest.map_or(until, |first| first.min(until)));
                }
                Standing::Failed | Standing::Well => {
                    return self.page_sent(now, key, stop, path);
                }
            }
        }
        let Some(page) = self.pages.get(key) else { return };
        let (status, rest) = (page.failure, rest.filter(|_| !page.tried));
        self.page_refused(now, key, status, rest);
    }

    /// Sends the MESSAGE to one address.
    fn page_sent(&mut self, now: Now, key: Key, stop: Stop, path: Path) {
        let Some(page) = self.pages.get_mut(key) else { return };
        let (egress, listener) = (&stop.egress.trunk, &path.listener);
        page.attempts += 1;
        let (tag, call_id) = (self.ids.tag(), self.ids.call_id());
        let strips = egress.outbound_identity == OutboundIdentity::Strip;
        let outgoing = page.offer.leave(stop.uri.clone(), &tag, &call_id, &listener.contact(), strips);
        if bridge::octets(&outgoing) > self.config.caps.message {
            return self.page_refused(now, key, Status::MESSAGE_TOO_LARGE, None);
        }
        match self.endpoint.request(now.mono, outgoing, path.flow.clone(), &listener.sent_by) {
            Ok(client) => {
                self.counters.messages += u64::from(!page.tried);
                page.tried = true;
                let (trusts, wait) = (egress.trusts, egress.timers.no_response);
                page.step = Step::Sent { stop, path: path.clone(), at: now.mono, trusts };
                self.peer_tried(now, &path, wait);
                self.expect_response(client, Client::Page(key));
            }
            Err(Overloaded) => self.page_refused(now, key, Status::SERVICE_UNAVAILABLE, None),
        }
    }

    /// A response of a target. A provisional one says that it is there, and no more (RFC 4320 section 4.1).
    pub(crate) fn page_answered(&mut self, now: Now, key: Key, response: &Response) {
        let cap = self.config.caps.set_aside;
        let Some(page) = self.pages.get_mut(key) else { return };
        let Step::Sent { stop, path, trusts, .. } = &page.step else { return };
        let (stop, path, trusts) = (stop.clone(), path.clone(), *trusts);
        let status = response.status();
        if status.is_final() {
            page.step = Step::Idle;
        }
        if status == Status::SERVICE_UNAVAILABLE {
            // RFC 3261 section 16.7: upstream is not to take a 503 for one of ours.
            page.failure = Status::SERVER_INTERNAL_ERROR;
        }
        self.peer_answered(now, &path, cap);
        if status.is_provisional() {
            return;
        }
        if status == Status::SERVICE_UNAVAILABLE {
            self.peer_rests(now, (&stop, &path), response, cap);
            return self.page_next_destination(now, key, stop);
        }
        let Some(page) = self.pages.remove(key) else { return };
        let mut back = self.reply(page.offer.request(), status);
        bridge::response(response, &mut back, "");
        // A 2xx to a MESSAGE has no Contact (RFC 3428 section 7).
        if status.class() != 3 {
            back.headers_mut().remove(Name::Contact);
        }
        identity::disbelieve(back.headers_mut(), trusts);
        for reason in page.reasons {
            back.headers_mut().push(Name::Reason, reason);
        }
        self.endpoint.respond(now.mono, page.server, &back);
    }

    /// The MESSAGE will get no response from its target: another one is tried, unless the time is up.
    pub(crate) fn page_failed(&mut self, now: Now, key: Key, why: Failure) {
        let Some(page) = self.pages.get_mut(key) else { return };
        let Step::Sent { stop, path, at, .. } = std::mem::replace(&mut page.step, Step::Idle) else { return };
        self.peer_failed(now, (&stop, &path), why, Some(at), self.config.caps.set_aside);
        let Some(page) = self.pages.get_mut(key) else { return };
        match why {
            Failure::Transport | Failure::NoRoom => {
                page.failure = Status::SERVER_INTERNAL_ERROR;
                self.page_next_destination(now, key, stop);
            }
            // Its sender's own transaction is at its end as well.
            Failure::Timeout => self.page_refused(now, key, Status::REQUEST_TIMEOUT, None),
        }
    }

    /// Ends a MESSAGE that no target took. A 408 is never sent (RFC 4320 section 4.2): then there is no answer at all.
    fn page_refused(&mut self, now: Now, key: Key, status: Status, rest: Option<Instant>) {
        let Some(mut page) = self.pages.remove(key) else { return };
        self.alarms.set(Sleeper::Page(key), &mut page.alarm, None);
        tracing::debug!(status = status.code(), "no target took a MESSAGE");
        let mut response = self.reply(page.offer.request(), status);
        if let Some(until) = rest {
            response.headers_mut().push(Name::RetryAfter, retry_after(now.mono, until));
        }
        for reason in page.reasons {
            response.headers_mut().push(Name::Reason, reason);
        }
        self.endpoint.respond(now.mono, page.server, &response);
    }
}
