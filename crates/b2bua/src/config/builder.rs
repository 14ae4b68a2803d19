//! A configuration in the making.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use attesta_transaction::Config as Transactions;

use crate::config::Config;
use crate::config::caps::Caps;
use crate::config::error::ConfigError;
use crate::config::listener::Listener;
use crate::config::named::named;
use crate::config::route::{Route, RouteEntry};
use crate::config::trunk_entry::TrunkEntry;
use crate::config::trust::{NamedSigner, TrustDomain};
use crate::trunk::Trunk;
use crate::trunk::numbers::Prefix;

impl Config {
    /// An empty configuration to add to.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
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
