//! What a MESSAGE outside any dialog passes before it is sent on (RFC 3428): policy, verification, routes.
//!
//! Its Identity is judged as that of a call is (RFC 8224 covers any request), with `msg` as its own PASSporT, which binds the body
//! (RFC 9475). Policy has its say at once: a MESSAGE waits for certificates, and for no decision.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use attesta_sip::{Request, Status};
use attesta_stir::{Identity, Reason};
use attesta_transaction::{Flow, ServerId};

use super::{Switchboard, is_emergency};
use crate::arena::Key;
use crate::config::TrunkEntry;
use crate::counters::Refusal;
use crate::desk::Sleeper;
use crate::event::Arrival;
use crate::identity::{Finding, Offer, Received};
use crate::io::Now;
use crate::policy::{Admission, Later, Policy, Reply};
use crate::route::{self, Stop};
use crate::trunk::{Consequence, InboundIdentity};

/// A MESSAGE that is being verified.
#[derive(Debug)]
pub(super) struct Letter {
    received: Received,
    /// Its transaction with its sender.
    server: ServerId,
    arrival: Arc<Arrival>,
    ingress: Arc<TrunkEntry>,
    /// How long it waits for certificates.
    until: Instant,
    alarm: Option<Instant>,
}

impl<P: Policy> Switchboard<P> {
    /// A MESSAGE to somebody beyond us.
    pub(super) fn letter(
        &mut self,
        now: Now,
        id: ServerId,
        request: Request,
        flow: &Flow,
        ingress: Arc<TrunkEntry>,
    ) {
        if self.desk.pages.len() + self.letters.len() >= self.desk.config.caps.calls {
            let status = Status::SERVICE_UNAVAILABLE;
            return self.desk.refuse(now.mono, id, &request, status, Refusal::CallCap);
        }
        let emergency = is_emergency(&self.desk.config, &request);
        let arrival = self.arrival(&request, flow, &ingress, emergency);
        let later = Later(self.desk.token());
        let refused = match self.policy.admit(now, &arrival, later) {
            Reply::Now(Admission::Admit) => None,
            Reply::Now(Admission::Refuse(status)) => Some(status),
            Reply::Pending(_) => Some(Status::SERVICE_UNAVAILABLE),
        };
        if let Some(status) = refused {
            return self.desk.refuse(now.mono, id, &request, status, Refusal::NotRouted);
        }
        let until = now.mono + ingress.trunk.budget.unwrap_or(self.desk.config.budget);
        let received = Received::new(request);
        let letter = Letter { received, server: id, arrival, ingress, until, alarm: None };
        let key = self.letters.insert(letter);
        self.read(now, key);
    }

    /// Verifies the untouched MESSAGE against what is known of certificates; waits for those that are not known.
    pub(super) fn read(&mut self, now: Now, key: Key) {
        let Some(letter) = self.letters.get_mut(key) else { return };
        let (sleeper, trunk) = (Sleeper::Letter(key), &letter.ingress.trunk);
        let verification = match (&letter.ingress.domain, trunk.inbound_identity) {
            (Some(domain), InboundIdentity::Verify) => {
                let snapshot = self.certificates.snapshot().clone();
                Some(letter.received.verify(&domain.verifier, trunk, &snapshot, now.unix))
            }
            (None, InboundIdentity::Verify) | (_, InboundIdentity::Pass | InboundIdentity::Strip) => None,
        };
        if let Some(verification) = verification.as_ref().filter(|each| !each.wanted().is_empty()) {
            let cap = self.desk.config.caps.waiting_per_certificate;
            let may_wait = now.mono < letter.until;
            if may_wait && self.certificates.wait(sleeper, verification.wanted(), cap, &mut self.desk) {
                return self.desk.alarms.set(sleeper, &mut letter.alarm, Some(letter.until));
            }
        }
        self.certificates.leave(sleeper);
        self.desk.alarms.set(sleeper, &mut letter.alarm, None);
        let Some(letter) = self.letters.remove(key) else { return };
        let Letter { received, server, arrival, ingress, .. } = letter;
        let Some(verification) = verification else {
            let offer = received.unjudged(&ingress);
            return self.post(now, server, offer, Vec::new(), &ingress, &arrival);
        };
        let finding = received.finding(verification.give_up());
        match self.judge(now, &arrival, &ingress, &finding) {
            Ok(()) => {
                let offer = received.judged(&finding, &ingress);
                self.post(now, server, offer, finding.reasons, &ingress, &arrival);
            }
            Err((status, phrase)) => {
                let mut response = self.desk.reply(received.request(), status);
                if let Some(phrase) = phrase {
                    response.set_status(status, phrase);
                }
                self.desk.counters.refuse(Refusal::NotVerified);
                self.desk.endpoint.respond(now.mono, server, &response);
            }
        }
    }

    /// Refuses the MESSAGEs that have not been sent on, since the edge stops.
    pub(super) fn refuse_letters(&mut self, now: Now) {
        let keys: Vec<_> = self.letters.keys().collect();
        for key in keys {
            let sleeper = Sleeper::Letter(key);
            self.certificates.leave(sleeper);
            let Some(mut letter) = self.letters.remove(key) else { continue };
            self.desk.alarms.set(sleeper, &mut letter.alarm, None);
            let (status, request) = (Status::SERVICE_UNAVAILABLE, letter.received.request());
            self.desk.refuse(now.mono, letter.server, request, status, Refusal::Draining);
        }
    }

    /// What the outcome of verification does to the MESSAGE: it goes on, or is refused so.
    fn judge(
        &mut self,
        now: Now,
        arrival: &Arrival,
        ingress: &TrunkEntry,
        finding: &Finding,
    ) -> Result<(), (Status, Option<&'static str>)> {
        let verification = &finding.verification;
        let reason = verification.reason().map_or("", Reason::as_str);
        self.desk.counters.judge(verification.verdict().as_str(), reason);
        tracing::debug!(verdict = verification.verdict().as_str(), reason, "MESSAGE verified");
        if arrival.emergency {
            return Ok(());
        }
        let planned = finding.consequence(&ingress.trunk.outcomes);
        let later = Later(self.desk.token());
        match self.policy.judge(now, arrival, verification, planned, later) {
            Reply::Now(Consequence::Continue) => Ok(()),
            Reply::Now(Consequence::Reject) => Err(finding.rejection()),
            Reply::Now(Consequence::RejectWith(status)) => Err((status, None)),
            Reply::Pending(_) => Err((Status::SERVICE_UNAVAILABLE, None)),
        }
    }

    /// Sends the MESSAGE on its way.
    fn post(
        &mut self,
        now: Now,
        server: ServerId,
        offer: Offer,
        reasons: Vec<String>,
        ingress: &Arc<TrunkEntry>,
        arrival: &Arrival,
    ) {
        match self.stops(now, offer.request(), ingress, arrival) {
            Ok(stops) => self.desk.page(now, server, offer, reasons, stops),
            Err(status) => {
                self.desk.refuse(now.mono, server, offer.request(), status, Refusal::NotRouted);
            }
        }
    }

    /// Where a MESSAGE may go, by policy and routes. The built-in callee takes none.
    fn stops(
        &mut self,
        now: Now,
        request: &Request,
        ingress: &Arc<TrunkEntry>,
        arrival: &Arrival,
    ) -> Result<VecDeque<Stop>, Status> {
        let called = arrival.destination.as_ref().and_then(Identity::tn);
        if called.is_some_and(|number| self.desk.config.is_callee(number)) {
            return Err(Status::METHOD_NOT_ALLOWED);
        }
        let later = Later(self.desk.token());
        match self.policy.route(now, arrival, later) {
            Reply::Now(routing) => route::plan(&self.desk.config, ingress, arrival, request.uri(), &routing),
            Reply::Pending(_) => Err(Status::SERVICE_UNAVAILABLE),
        }
    }
}
