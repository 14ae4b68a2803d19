//! Builds a configuration.

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
    /// An empty configuration, to which settings are added.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// Builds a [`Config`]. A name may be used before the trunk, signer or domain of that name is added.
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
    /// Adds an address that messages arrive at and are sent from.
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

    /// Adds a route. A call follows the first route that matches.
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

    /// The numbers that the built-in test callee answers. They have priority over all routes. Default: none.
    #[must_use]
    pub fn callee(mut self, prefixes: Vec<Prefix>) -> Self {
        self.callee = prefixes;
        self
    }

    /// The emergency numbers, as dialled. `urn:service:sos` and its sub-services are emergency destinations too. An
    /// emergency call from a trunk is not refused because of the limit of calls, the outcome of verification, a failure
    /// to sign, or a drain. Default: none.
    #[must_use]
    pub fn emergency(mut self, numbers: Vec<Prefix>) -> Self {
        self.emergency = numbers;
        self
    }

    /// The longest time that a call waits for a certificate, if its trunk sets no other time. Default: 300 ms.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// The limits on the state of one switchboard.
    #[must_use]
    pub fn caps(mut self, caps: Caps) -> Self {
        self.caps = caps;
        self
    }

    /// The timers and limits of transactions (RFC 3261 section 17).
    #[must_use]
    pub fn transactions(mut self, transactions: Transactions) -> Self {
        self.transactions = transactions;
        self
    }

    /// Checks the configuration and resolves its names.
    ///
    /// # Errors
    ///
    /// Each variant of [`ConfigError`] is an error: for example no listener, a name that is used twice, an unknown
    /// name, two trust domains with the same anchors, a trunk that verifies without a trust domain, or a route to a
    /// trunk without targets.
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

/// Checks that each name is used once. Listeners of different transports may share a name.
fn unique<'a, T: Ord>(names: impl Iterator<Item = (&'a Arc<str>, T)>) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for (name, kind) in names {
        if !seen.insert((name, kind)) {
            return Err(ConfigError::NameTwice(name.clone()));
        }
    }
    Ok(())
}

/// Checks that each domain has its own anchors, since they identify the domain in the cache and in revocations.
fn distinct(domains: &[TrustDomain]) -> Result<(), ConfigError> {
    let mut rest = domains;
    while let Some((first, others)) = rest.split_first() {
        let same = |other: &&TrustDomain| other.verifier.anchors() == first.verifier.anchors();
        if let Some(other) = others.iter().find(same) {
            return Err(ConfigError::SharedAnchors(first.name.clone(), other.name.clone()));
        }
        rest = others;
    }
    Ok(())
}
