//! The configuration of an edge: built once, checked as a whole, then immutable.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use attesta_sip::Limits as ReadingLimits;
use attesta_stir::TelephoneNumber;
use attesta_transaction::{Config as Transactions, Flow, Transport};

use crate::error::ConfigError;
use crate::listener::Listener;
use crate::numbers::Prefix;
use crate::transports::Transports;
use crate::trunk::{InboundIdentity, OutboundIdentity, Trunk};
use crate::trust::{NamedSigner, TrustDomain};

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
    /// An empty configuration to add to.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

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

    /// The listener on which a message arrived.
    pub(crate) fn listener_at(&self, transport: Transport, local: SocketAddr) -> Option<&Arc<Listener>> {
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

/// A [`Config`] in the making. What refers to something by name may be added before it.
#[derive(Debug)]
pub struct Builder {
    listeners: Vec<Listener>,
    trunks: Vec<Trunk>,
    routes: Vec<Route>,
    domains: Vec<TrustDomain>,
    signers: Vec<NamedSigner>,
    callee: Vec<Prefix>,
    emergency: Vec<Prefix>,
    budget: Duration,
    caps: Caps,
    transactions: Transactions,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            trunks: Vec::new(),
            routes: Vec::new(),
            domains: Vec::new(),
            signers: Vec::new(),
            callee: Vec::new(),
            emergency: Vec::new(),
            budget: Duration::from_millis(300),
            caps: Caps::default(),
            transactions: Transactions::default(),
        }
    }
}

impl Builder {
    /// Adds an address that messages arrive at and leave from.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Adds a peer.
    #[must_use]
    pub fn trunk(mut self, trunk: Trunk) -> Self {
        self.trunks.push(trunk);
        self
    }

    /// Adds a route. The first that matches a call wins.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Adds a trust domain.
    #[must_use]
    pub fn trust_domain(mut self, domain: TrustDomain) -> Self {
        self.domains.push(domain);
        self
    }

    /// Adds a signer.
    #[must_use]
    pub fn signer(mut self, signer: NamedSigner) -> Self {
        self.signers.push(signer);
        self
    }

    /// The numbers that the built-in test callee answers, before any route is asked. Default: none.
    #[must_use]
    pub fn callee(mut self, prefixes: Vec<Prefix>) -> Self {
        self.callee = prefixes;
        self
    }

    /// The emergency numbers, as dialled: calls to them, and to `urn:service:sos` and below, are never refused by limits,
    /// verification or screening, once they come from a trunk. Default: none.
    #[must_use]
    pub fn emergency(mut self, numbers: Vec<Prefix>) -> Self {
        self.emergency = numbers;
        self
    }

    /// The longest that a call waits for a certificate, where its trunk sets no other. Default: 300 ms.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// The caps on what one switchboard holds.
    #[must_use]
    pub fn caps(mut self, caps: Caps) -> Self {
        self.caps = caps;
        self
    }

    /// The timers and caps of transactions (RFC 3261 section 17).
    #[must_use]
    pub fn transactions(mut self, transactions: Transactions) -> Self {
        self.transactions = transactions;
        self
    }

    /// Checks the whole and ties names to what they name.
    ///
    /// # Errors
    ///
    /// No listener, a name given twice, a name that nothing bears, two trust domains that cannot be told apart, a trunk that is to verify without a trust domain or a
    /// route that leads to a trunk without targets.
    pub fn build(self) -> Result<Config, ConfigError> {
        if self.listeners.is_empty() {
            return Err(ConfigError::NoListener);
        }
        unique(self.listeners.iter().map(|listener| (&listener.name, listener.transport)))?;
        unique(self.trunks.iter().map(|trunk| (&trunk.name, ())))?;
        unique(self.domains.iter().map(|domain| (&domain.name, ())))?;
        unique(self.signers.iter().map(|signer| (&signer.name, ())))?;
        distinct(&self.domains)?;

        let listeners: Vec<_> = self.listeners.into_iter().map(Arc::new).collect();
        let domains: Vec<_> = self.domains.into_iter().map(Arc::new).collect();
        let signers: Vec<_> = self.signers.into_iter().map(Arc::new).collect();
        for name in signers.iter().filter_map(|signer| signer.trust.as_ref()) {
            named(&domains, name, |domain| &domain.name)
                .ok_or_else(|| ConfigError::UnknownTrust(name.clone()))?;
        }
        let entries =
            self.trunks.into_iter().map(|trunk| TrunkEntry::tie(trunk, &listeners, &domains, &signers));
        let trunks = entries.collect::<Result<Vec<_>, _>>()?;
        let routes = self.routes.into_iter().map(|route| RouteEntry::tie(route, &trunks));
        let routes = routes.collect::<Result<Vec<_>, _>>()?;
        Ok(Config {
            listeners,
            trunks,
            routes,
            callee: self.callee,
            emergency: self.emergency,
            budget: self.budget,
            transactions: self.transactions.limits(self.caps.messages),
            caps: self.caps,
        })
    }
}

/// Which calls go where.
#[derive(Clone, Debug)]
pub struct Route {
    from: Option<Arc<str>>,
    number: Option<Prefix>,
    to: RouteTo,
}

impl Route {
    /// A route for every call that no earlier route takes.
    #[must_use]
    pub const fn new(to: RouteTo) -> Self {
        Self { from: None, number: None, to }
    }

    /// Only for calls from this trunk.
    #[must_use]
    pub fn from(mut self, trunk: impl Into<Arc<str>>) -> Self {
        self.from = Some(trunk.into());
        self
    }

    /// Only for called numbers that start with these digits.
    #[must_use]
    pub fn number(mut self, prefix: Prefix) -> Self {
        self.number = Some(prefix);
        self
    }
}

/// Where a route leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteTo {
    /// The targets of these trunks, in order.
    Trunks(Vec<Arc<str>>),
    /// Where the Request-URI points. Such a call leaves under the outbound rules of the trunk it came from.
    RequestUri,
}

/// The caps on what one switchboard holds. Each bounds memory or work that a stranger could otherwise grow.
#[derive(Clone, Debug)]
pub struct Caps {
    /// Calls that live at a time; one more gets a 503 with Retry-After. Default: 50,000.
    pub calls: usize,
    /// Calls that wait for one certificate; one more is treated as if its budget were over. Default: 1,000.
    pub waiting_per_certificate: usize,
    /// Early dialogs that one call may have at a time; provisional responses of further ones are not relayed. Default: 8.
    pub forks: usize,
    /// Answers in dialogs of their own that one INVITE is taken to have; a 2xx in one more is dropped. The first makes the call,
    /// each other is acknowledged and ended. Default: 8.
    pub answers: usize,
    /// Requests in flight within one dialog; one more gets a 500 with Retry-After. Default: 8.
    pub requests_per_dialog: usize,
    /// Targets, over all destinations they resolve to, that one call tries. Default: 8.
    pub attempts: usize,
    /// Targets that are remembered as set aside; at the cap those whose time ends first are tried again. As many are
    /// remembered as heard of late. Default: 4,096.
    pub set_aside: usize,
    /// Octets of an INVITE that leaves, but for its start line and Via; a call whose INVITE grew beyond gets a 513.
    /// Default: 65,000, which leaves room for both in a UDP datagram.
    pub message: usize,
    /// The limits within which a message is read.
    pub messages: ReadingLimits,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            calls: 50_000,
            waiting_per_certificate: 1_000,
            forks: 8,
            answers: 8,
            requests_per_dialog: 8,
            attempts: 8,
            set_aside: 4_096,
            message: 65_000,
            messages: ReadingLimits::default(),
        }
    }
}

/// A trunk with what its names stand for.
#[derive(Debug)]
pub(crate) struct TrunkEntry {
    pub(crate) trunk: Trunk,
    pub(crate) domain: Option<Arc<TrustDomain>>,
    pub(crate) signers: Vec<Arc<NamedSigner>>,
    pub(crate) fallback: Option<Arc<NamedSigner>>,
}

impl TrunkEntry {
    fn tie(
        trunk: Trunk,
        listeners: &[Arc<Listener>],
        domains: &[Arc<TrustDomain>],
        signers: &[Arc<NamedSigner>],
    ) -> Result<Arc<Self>, ConfigError> {
        for name in &trunk.listeners {
            named(listeners, name, |listener| &listener.name)
                .ok_or_else(|| ConfigError::UnknownListener(name.clone()))?;
        }
        let signer = |name: &Arc<str>| {
            named(signers, name, |signer| &signer.name)
                .ok_or_else(|| ConfigError::UnknownSigner(name.clone()))
        };
        let vouching = trunk.signers.iter().map(signer).collect::<Result<Vec<_>, _>>()?;
        let fallback = trunk.signer.as_ref().map(signer).transpose()?;
        let domain = match &trunk.trust {
            Some(name) => Some(
                named(domains, name, |domain| &domain.name)
                    .ok_or_else(|| ConfigError::UnknownTrust(name.clone()))?,
            ),
            None => the_default(domains),
        };
        if trunk.inbound_identity == InboundIdentity::Verify && domain.is_none() && trunk.has_origin() {
            return Err(ConfigError::NoTrust(trunk.name));
        }
        if trunk.outbound_identity == OutboundIdentity::Sign
            && signers.is_empty()
            && !trunk.targets.is_empty()
        {
            return Err(ConfigError::NoSigner(trunk.name));
        }
        Ok(Arc::new(Self { trunk, domain, signers: vouching, fallback }))
    }

    /// The signer for a call that came by this trunk and leaves by `egress`: one that vouches for this trunk's callers
    /// in the trust domain of `egress`, else the fallback of `egress`.
    pub(crate) fn signer_towards<'a>(&'a self, egress: &'a Self) -> Option<&'a Arc<NamedSigner>> {
        let domain = egress.domain.as_ref().map(|domain| &domain.name);
        let serves = |signer: &&Arc<NamedSigner>| signer.trust.is_none() || signer.trust.as_ref() == domain;
        self.signers.iter().find(serves).or(egress.fallback.as_ref())
    }
}

/// A route with the trunks that its names stand for.
#[derive(Debug)]
pub(crate) struct RouteEntry {
    pub(crate) from: Option<Arc<str>>,
    pub(crate) number: Option<Prefix>,
    pub(crate) to: RouteToEntry,
}

#[derive(Debug)]
pub(crate) enum RouteToEntry {
    Trunks(Vec<Arc<TrunkEntry>>),
    RequestUri,
}

impl RouteEntry {
    fn tie(route: Route, trunks: &[Arc<TrunkEntry>]) -> Result<Self, ConfigError> {
        let trunk = |name: &Arc<str>| {
            named(trunks, name, |entry| &entry.trunk.name)
                .ok_or_else(|| ConfigError::UnknownTrunk(name.clone()))
        };
        if let Some(name) = &route.from {
            trunk(name)?;
        }
        let to = match &route.to {
            RouteTo::RequestUri => RouteToEntry::RequestUri,
            RouteTo::Trunks(names) => {
                let trunks = names.iter().map(trunk).collect::<Result<Vec<_>, _>>()?;
                if let Some(deaf) = trunks.iter().find(|entry| entry.trunk.targets.is_empty()) {
                    return Err(ConfigError::NoTargets(deaf.trunk.name.clone()));
                }
                RouteToEntry::Trunks(trunks)
            }
        };
        Ok(Self { from: route.from, number: route.number, to })
    }
}

fn named<T>(all: &[Arc<T>], name: &Arc<str>, name_of: impl Fn(&T) -> &Arc<str>) -> Option<Arc<T>> {
    all.iter().find(|each| name_of(each) == name).cloned()
}

/// The domain that holds where a trunk names none: the one called `default`, else the only one.
fn the_default(domains: &[Arc<TrustDomain>]) -> Option<Arc<TrustDomain>> {
    match domains {
        [only] => Some(only.clone()),
        several => several.iter().find(|domain| &*domain.name == DEFAULT_DOMAIN).cloned(),
    }
}

/// Each name is borne once; listeners of several transports may share one.
fn unique<'a, T: Ord>(names: impl Iterator<Item = (&'a Arc<str>, T)>) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for (name, kind) in names {
        if !seen.insert((name, kind)) {
            return Err(ConfigError::NameTwice(name.clone()));
        }
    }
    Ok(())
}

/// Each domain has anchors of its own, by which what is cached and revoked is kept.
fn distinct(domains: &[TrustDomain]) -> Result<(), ConfigError> {
    let mut rest = domains;
    while let Some((one, others)) = rest.split_first() {
        let same = |other: &&TrustDomain| other.verifier.anchors() == one.verifier.anchors();
        if let Some(other) = others.iter().find(same) {
            return Err(ConfigError::SharedAnchors(one.name.clone(), other.name.clone()));
        }
        rest = others;
    }
    Ok(())
}

/// The trust domain that a bare `[verify] anchors` makes.
const DEFAULT_DOMAIN: &str = "default";
