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

/// Everything that stays the same from one call to the next. Made by [`Config::builder`], shared as `Arc<Config>`.
///
/// A call keeps the configuration it began with; a new one comes by [`Input::Configure`](crate::Input::Configure).
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

    /// The name of the trunk that a message which came by `flow` belongs to, as screening finds it.
    #[must_use]
    pub fn trunk_of(&self, flow: &Flow) -> Option<&Arc<str>> {
        self.screen(flow).map(|entry| entry.trunk.name())
    }

    /// The trunk that fits best; the first of those that fit equally well.
    pub(crate) fn screen(&self, flow: &Flow) -> Option<&Arc<TrunkEntry>> {
        let fits = self.trunks.iter().filter_map(|entry| Some((entry.trunk.fit(flow)?, entry)));
        fits.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, entry)| entry)
    }

    /// Whether any trunk claims this flow, be it by less than a call needs to be taken.
    pub(crate) fn claims(&self, flow: &Flow) -> bool {
        self.trunks.iter().any(|entry| entry.trunk.claims(flow))
    }

    /// The listener on which a message arrived. If that is not one of ours, a listener with the local address of the flow.
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

    /// Whether what is sent there comes back to us.
    pub(crate) fn is_own(&self, transport: Transport, remote: SocketAddr) -> bool {
        let ours = |listener: &Arc<Listener>| {
            let everywhere = listener.address.ip().is_unspecified()
                && remote.ip().is_loopback()
                && listener.address.port() == remote.port();
            let advertised = listener.sent_by.as_str().parse() == Ok(remote);
            listener.transport == transport && (listener.address == remote || everywhere || advertised)
        };
        self.listeners.iter().any(ours)
    }

    /// The listener from which a message leaves towards `remote`: one of those named, else any, of that transport and address
    /// family. One that is on the loopback interface where `remote` is, or is not where it is not, comes first.
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

    /// What a message may leave by: the transports of the listeners named, of all where none is.
    pub(crate) fn transports(&self, names: &[Arc<str>]) -> Transports {
        let named = self.listeners.iter().filter(|each| names.is_empty() || names.contains(&each.name));
        named.fold(Transports::none(), |all, listener| all.with(listener.transport, listener.address.ip()))
    }

    /// Whether the built-in callee answers this number.
    pub(crate) fn is_callee(&self, number: &TelephoneNumber) -> bool {
        self.callee.iter().any(|prefix| prefix.starts(number))
    }

    /// Whether this number is an emergency number.
    pub(crate) fn is_emergency(&self, number: &TelephoneNumber) -> bool {
        self.emergency.iter().any(|prefix| prefix.equals(number))
    }
}
