//! Requests within a dialog on their way to the peer: found first, then sent.

use std::time::{Duration, Instant};

use attesta_sip::Request;
use attesta_transaction::{Failure, Flow};

use crate::arena::Key;
use crate::desk::{Client, Desk, Waiter};
use crate::io::{Destination, Now, ResolveError, Token};
use crate::leg::Ack;

/// Where the requests of a leg are sent.
#[derive(Debug)]
pub(crate) enum Hop {
    /// Not yet asked for, or the remote target has changed.
    Unknown,
    /// Asked for; what is to be sent waits.
    Asked {
        /// The question.
        token: Token,
        /// When the answer is given up.
        until: Instant,
        /// What waits, in order.
        parcels: Vec<Parcel>,
    },
    /// There.
    Known(Flow),
}

/// A request that is ready but for its Via.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) request: Request,
    pub(crate) errand: Errand,
}

/// What a request in a dialog is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Errand {
    /// The ACK of a 2xx.
    Ack,
    /// The BYE that ends the leg.
    Bye,
    /// A request of the other leg's, relayed.
    Relay(Key),
}

impl Desk {
    /// Sends a request in the dialog of a leg, once it is known where to.
    pub(crate) fn send(&mut self, now: Now, key: Key, parcel: Parcel) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        match &mut leg.hop {
            Hop::Known(flow) => {
                let flow = flow.clone();
                self.launch(now, key, flow, parcel);
            }
            Hop::Asked { parcels, .. } => parcels.push(parcel),
            Hop::Unknown => match leg.dialog.next_hop() {
                Some(target) => {
                    let transports = self.config.transports(&[]);
                    let token = self.resolve(target, transports);
                    self.wait(token, Waiter::Leg(key));
                    let until = now.mono + RESOLVE_BUDGET;
                    if let Some(leg) = self.legs.get_mut(key) {
                        leg.hop = Hop::Asked { token, until, parcels: vec![parcel] };
                    }
                    self.wind(key);
                }
                None => self.undeliverable(now, key, parcel.errand),
            },
        }
    }

    /// The answer to where the peer of a leg is.
    pub(crate) fn leg_resolved(
        &mut self,
        now: Now,
        key: Key,
        result: Result<Vec<Destination>, ResolveError>,
    ) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let Hop::Asked { token, parcels, .. } = std::mem::replace(&mut leg.hop, Hop::Unknown) else { return };
        self.forget_token(token);
        let found = result.ok().and_then(|destinations| {
            let destinations = self.well_first(now, destinations);
            self.flow_towards(key, &destinations)
        });
        if let (Some(flow), Some(leg)) = (&found, self.legs.get_mut(key)) {
            leg.hop = Hop::Known(flow.clone());
        }
        self.wind(key);
        for parcel in parcels {
            match &found {
                Some(flow) => self.launch(now, key, flow.clone(), parcel),
                None => self.undeliverable(now, key, parcel.errand),
            }
        }
    }

    /// The flow to the first of the destinations that a listener of ours can reach, preferring the leg's own.
    fn flow_towards(&mut self, key: Key, destinations: &[Destination]) -> Option<Flow> {
        let leg = self.legs.get_mut(key)?;
        for destination in destinations {
            let Destination { transport, address, .. } = destination;
            let own = &leg.listener;
            if own.transport != *transport || own.address.is_ipv4() != address.is_ipv4() {
                match self.config.listener_towards(&[], *transport, *address) {
                    Some(other) => leg.listener = other.clone(),
                    None => continue,
                }
            }
            return Some(leg.listener.flow_to(destination));
        }
        None
    }

    fn launch(&mut self, now: Now, key: Key, flow: Flow, parcel: Parcel) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let sent_by = leg.listener.sent_by.clone();
        match parcel.errand {
            Errand::Ack => {
                let transmit = self.endpoint.send(parcel.request, flow, &sent_by);
                if let Some(accepted) = &mut leg.invite {
                    accepted.ack = Ack::Sent(transmit);
                }
            }
            Errand::Bye => match self.endpoint.request(now.mono, parcel.request, flow, &sent_by) {
                Ok(client) => self.expect_response(client, Client::Bye(key)),
                Err(_) => self.close_leg(key),
            },
            Errand::Relay(relay) => {
                if self.relays.get(relay).is_some() {
                    let sent = self.endpoint.request(now.mono, parcel.request, flow, &sent_by);
                    self.relay_sent(now, relay, sent);
                }
            }
        }
    }

    fn undeliverable(&mut self, now: Now, key: Key, errand: Errand) {
        tracing::debug!(?errand, "no way to the peer");
        match errand {
            Errand::Ack => {}
            Errand::Bye => self.close_leg(key),
            Errand::Relay(relay) => self.relay_failed(now, relay, Failure::Transport),
        }
    }
}

/// How long a leg waits to learn where its peer is.
pub(crate) const RESOLVE_BUDGET: Duration = Duration::from_secs(4);
