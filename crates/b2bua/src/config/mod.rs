//! The configuration of an edge: built once, checked as a whole, then immutable.

pub(crate) mod builder;
pub(crate) mod caps;
pub(crate) mod error;
pub(crate) mod listener;
pub(crate) mod named;
pub(crate) mod next_hop;
pub(crate) mod route;
pub(crate) mod transports;
pub(crate) mod trunk_entry;
pub(crate) mod trust;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use attesta_stir::TelephoneNumber;
use attesta_transaction::{Config as Transactions, Flow, Transport};

use crate::config::caps::Caps;
use crate::config::listener::Listener;
use crate::config::route::RouteEntry;
use crate::config::transports::Transports;
use crate::config::trunk_entry::TrunkEntry;
use crate::trunk::numbers::Prefix;

/// The settings that all calls share. Built by [`Config::builder`], shared as `Arc<Config>`.
///
/// A call keeps the configuration that it began with. [`Input::Configure`](crate::Input::Configure) sets a new
/// configuration for new calls.
#[derive(Debug)]
pub struct Config {
    pub(crate) listeners: Vec<Arc<Listener>>,
    pub(crate) trunks: Vec<Arc<TrunkEntry>>,
    pub(crate) routes: Vec<RouteEntry>,
    pub(crate) callee: Vec<Prefix>,
    pub(crate) emergency: Vec<Prefix>,
    pub(crate) budget: Duration,
    pub(crate) caps: Caps,
    pub(crate) transactions: Transactions,
}

impl Config {
    /// The listeners, in the order in which they were added.
    pub fn listeners(&self) -> impl ExactSizeIterator<Item = &Listener> {
        self.listeners.iter().map(AsRef::as_ref)
    }

    /// The name of the trunk that a message from `flow` belongs to, by the same rule as in screening.
    #[must_use]
    pub fn trunk_of(&self, flow: &Flow) -> Option<&Arc<str>> {
        self.screen(flow).map(|entry| entry.trunk.name())
    }

    /// The trunk that fits best. If several trunks fit equally well, the first of these trunks.
    pub(crate) fn screen(&self, flow: &Flow) -> Option<&Arc<TrunkEntry>> {
        let fits = self.trunks.iter().filter_map(|entry| Some((entry.trunk.fit(flow)?, entry)));
        fits.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, entry)| entry)
    }

    /// True if any trunk claims this flow, even if the match is too weak to accept a call.
    pub(crate) fn claims(&self, flow: &Flow) -> bool {
        self.trunks.iter().any(|entry| entry.trunk.claims(flow))
    }

    /// The listener on which a message arrived. If no listener has that address, a listener with the local address of
    /// the flow.
    pub(crate) fn listener_of(&self, flow: &Flow) -> Arc<Listener> {
        let own = self.listener_at(flow.transport, flow.local).cloned();
        own.unwrap_or_else(|| Arc::new(Listener::new("", flow.transport, flow.local)))
    }

    fn listener_at(&self, transport: Transport, local: SocketAddr) -> Option<&Arc<Listener>> {
        let same = |listener: &&Arc<Listener>| {
            let (ours, theirs) = (listener.address, local);
            listener.transport == transport
                && ours.port() == theirs.port()
                && (ours.ip() == theirs.ip() || ours.ip().is_unspecified())
        };
        self.listeners.iter().find(same)
    }

    /// True if a message to `remote` would come back to us.
    pub(crate) fn is_own(&self, transport: Transport, remote: SocketAddr) -> bool {
        let ours = |listener: &Arc<Listener>| {
            let by_loopback = listener.address.ip().is_unspecified()
                && remote.ip().is_loopback()
                && listener.address.port() == remote.port();
            let advertised = listener.sent_by.as_str().parse() == Ok(remote);
            listener.transport == transport && (listener.address == remote || by_loopback || advertised)
        };
        self.listeners.iter().any(ours)
    }

    /// The listener from which a message to `remote` is sent. The listener has this transport, the address family
    /// of `remote`, and one of these names. Without names, any listener may be used. A listener on the loopback interface
    /// is preferred if `remote` is a loopback address, and avoided if `remote` is another address.
    pub(crate) fn listener_towards(
        &self,
        names: &[Arc<str>],
        transport: Transport,
        remote: SocketAddr,
    ) -> Option<&Arc<Listener>> {
        let fits = |listener: &&Arc<Listener>| {
            listener.transport == transport
                && listener.address.is_ipv4() == remote.is_ipv4()
                && (names.is_empty() || names.contains(&listener.name))
        };
        let near = |listener: &&Arc<Listener>| {
            let own = listener.address.ip();
            own.is_unspecified() || own.is_loopback() == remote.ip().is_loopback()
        };
        let mut fitting = self.listeners.iter().filter(fits);
        let first = fitting.clone().next();
        fitting.find(near).or(first)
    }

    /// Our Contact for messages that `listener` sends. If the dialog requires TLS (`secure`) and this listener has none, the
    /// Contact names a listener that has TLS.
    pub(crate) fn contact(&self, listener: &Listener, secure: bool) -> String {
        let other = match listener.transport {
            Transport::Tls | Transport::Wss => None,
            Transport::Udp | Transport::Tcp if secure => {
                self.listener_towards(&[], Transport::Tls, listener.address)
            }
            Transport::Ws if secure => self.listener_towards(&[], Transport::Wss, listener.address),
            Transport::Udp | Transport::Tcp | Transport::Ws => None,
        };
        other.map_or(listener, AsRef::as_ref).contact(secure)
    }

    /// The transports of the listeners with these names. Without names, the transports of all listeners.
    pub(crate) fn transports(&self, names: &[Arc<str>]) -> Transports {
        let named = self.listeners.iter().filter(|each| names.is_empty() || names.contains(&each.name));
        named.fold(Transports::none(), |all, listener| all.with(listener.transport, listener.address.ip()))
    }

    /// True if the built-in callee answers this number.
    pub(crate) fn is_callee(&self, number: &TelephoneNumber) -> bool {
        self.callee.iter().any(|prefix| prefix.starts(number))
    }

    /// True if this number is an emergency number.
    pub(crate) fn is_emergency(&self, number: &TelephoneNumber) -> bool {
        self.emergency.iter().any(|prefix| prefix.equals(number))
    }
}
