//! A MESSAGE outside any dialog, relayed (RFC 3428).
//!
//! It takes the way of an INVITE as far as a transaction without a dialog can: screened, admitted and routed, then each target
//! in turn is found and sent to, until one gives a final response. Nothing of it is verified or signed. It never outlives its
//! client transaction, and nobody is told of a timeout (RFC 4320 section 4.2).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use attesta_sip::{Name, Request, Response, Status};
use attesta_transaction::{Failure, Overloaded, ServerId};

use crate::arena::Key;
use crate::bridge;
use crate::config::TrunkEntry;
use crate::delivery::RESOLVE_BUDGET;
use crate::desk::{Client, Desk, Sleeper, Waiter};
use crate::identity::{self, Offer, Received};
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
    attempts: usize,
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
        request: Request,
        ingress: &Arc<TrunkEntry>,
        stops: VecDeque<Stop>,
    ) {
        let key = self.pages.insert(Page {
            offer: Received::new(request).unjudged(ingress),
            server,
            stops,
            destinations: VecDeque::new(),
            attempts: 0,
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
        let Some(stop) = stop else {
            let status = page.failure;
            return self.page_refused(now, key, status);
        };
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
        let result = result.map(|destinations| self.well_first(now, destinations));
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
            page.attempts += 1;
            if config.is_own(transport, address) {
                // It would come straight back: nobody of that name lives here.
                page.failure = Status::NOT_FOUND;
                continue;
            }
            let egress = &stop.egress.trunk;
            let Some(listener) = config.listener_towards(&egress.listeners, transport, address) else {
                tracing::warn!(%transport, %address, "no listener reaches the target");
                continue;
            };
            let (tag, call_id) = (self.minter.tag(), self.minter.call_id());
            let strips = egress.outbound_identity == OutboundIdentity::Strip;
            let outgoing = page.offer.leave(stop.uri.clone(), &tag, &call_id, &listener.contact(), strips);
            if bridge::octets(&outgoing) > config.caps.message {
                return self.page_refused(now, key, Status::MESSAGE_TOO_LARGE);
            }
            let flow = listener.flow_to(&destination);
            return match self.endpoint.request(now.mono, outgoing, flow, &listener.sent_by) {
                Ok(client) => {
                    page.step = Step::Sent { trusts: egress.trusts, stop };
                    if page.attempts == 1 {
                        self.counters.messages += 1;
                    }
                    self.expect_response(client, Client::Page(key));
                }
                Err(Overloaded) => self.page_refused(now, key, Status::SERVICE_UNAVAILABLE),
            };
        }
        self.page_next_stop(now, key);
    }

    /// The final response of a target.
    pub(crate) fn page_answered(&mut self, now: Now, key: Key, response: &Response) {
        let Some(page) = self.pages.get_mut(key) else { return };
        let Step::Sent { stop, trusts, .. } = std::mem::replace(&mut page.step, Step::Idle) else { return };
        let status = response.status();
        if status == Status::SERVICE_UNAVAILABLE {
            // RFC 3261 section 16.7: upstream is not to take a 503 for one of ours.
            page.failure = Status::SERVER_INTERNAL_ERROR;
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
        self.endpoint.respond(now.mono, page.server, &back);
    }

    /// The MESSAGE will get no response from its target: another one is tried, unless the time is up.
    pub(crate) fn page_failed(&mut self, now: Now, key: Key, why: Failure) {
        let Some(page) = self.pages.get_mut(key) else { return };
        let Step::Sent { stop, .. } = std::mem::replace(&mut page.step, Step::Idle) else { return };
        match why {
            Failure::Transport | Failure::NoRoom => {
                page.failure = Status::SERVER_INTERNAL_ERROR;
                self.page_next_destination(now, key, stop);
            }
            // Its sender's own transaction is at its end as well.
            Failure::Timeout => self.page_refused(now, key, Status::REQUEST_TIMEOUT),
        }
    }

    /// Ends a MESSAGE that no target took. A 408 is never sent (RFC 4320 section 4.2): then there is no answer at all.
    fn page_refused(&mut self, now: Now, key: Key, status: Status) {
        let Some(mut page) = self.pages.remove(key) else { return };
        self.alarms.set(Sleeper::Page(key), &mut page.alarm, None);
        tracing::debug!(status = status.code(), "no target took a MESSAGE");
        let response = self.reply(page.offer.request(), status);
        self.endpoint.respond(now.mono, page.server, &response);
    }
}
