//! Describing an edge: what it listens on, whom it knows, where calls go, as whom it signs and whom it believes.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use attesta_b2bua::{
    Config, ConfigError, DefaultPolicy, NamedSigner, Policy, Prefix, Route, SigningMeans, Switchboard, Trunk,
    TrustDomain,
};
use attesta_net::{FetchConfig, FetchLimits, Fetcher, NoRandomness, NoRoots, Steward, TlsError, random};
use attesta_stir::cert::{Cache, CacheConfig, Revocations, TrustAnchors};
use attesta_stir::{Signer, Verifier, VerifyPolicy};
use attesta_transaction::{Place, Seed};

use crate::edge::{Directories, Edge, Room};
use crate::listen::{Doors, Listen};

/// An [`Edge`] in the making. The order of the calls does not matter, but for listeners, trunks and routes, which are
/// asked in the order in which they are added.
#[derive(Debug)]
pub struct Builder<P: Policy = DefaultPolicy> {
    config: attesta_b2bua::Builder,
    listen: Vec<Listen>,
    anchors: Vec<TrustAnchors>,
    revocations: Vec<(TrustAnchors, Revocations)>,
    fetch: FetchConfig,
    name_servers: Option<Vec<SocketAddr>>,
    room: Room,
    policy: P,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            config: Config::builder(),
            listen: Vec::new(),
            anchors: Vec::new(),
            revocations: Vec::new(),
            fetch: FetchConfig::default(),
            name_servers: None,
            room: Room::default(),
            policy: DefaultPolicy,
        }
    }
}

impl<P: Policy> Builder<P> {
    /// Adds an address that messages arrive at and leave from. A bare address is UDP.
    #[must_use]
    pub fn listen(mut self, listen: impl Into<Listen>) -> Self {
        self.listen.push(listen.into());
        self
    }

    /// Adds a peer. Requests from an address that no trunk claims are refused.
    #[must_use]
    pub fn trunk(mut self, trunk: Trunk) -> Self {
        self.config = self.config.trunk(trunk);
        self
    }

    /// Adds a route. The first that matches a call wins.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.config = self.config.route(route);
        self
    }

    /// Adds a signer under a name that trunks call it by ([`Trunk::vouched_by`]); it may be used in every trust domain.
    #[must_use]
    pub fn sign_with(self, name: impl Into<Arc<str>>, signer: Signer) -> Self {
        self.signer(NamedSigner::new(name, SigningMeans::Key(Arc::new(signer))))
    }

    /// Adds a signer of any kind.
    #[must_use]
    pub fn signer(mut self, signer: NamedSigner) -> Self {
        self.config = self.config.signer(signer);
        self
    }

    /// Adds a trust domain, in which certificates below `anchors` are believed. The one named `default` holds for trunks
    /// that name none.
    #[must_use]
    pub fn verify(mut self, name: impl Into<Arc<str>>, anchors: TrustAnchors, policy: VerifyPolicy) -> Self {
        self.anchors.push(anchors.clone());
        self.config = self.config.trust_domain(TrustDomain::new(name, Verifier::new(anchors, policy)));
        self
    }

    /// Goes by these revocation lists in the trust domain of `anchors`; [`Handle::revocations`](crate::Handle::revocations)
    /// brings newer ones. Default: none.
    #[must_use]
    pub fn revocations(mut self, anchors: &TrustAnchors, revocations: Revocations) -> Self {
        self.revocations.push((anchors.clone(), revocations));
        self
    }

    /// The longest that a call waits for a certificate, where its trunk sets no other. Default: 300 ms.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.config = self.config.budget(budget);
        self
    }

    /// How certificates are fetched. Default: [`FetchConfig::default`].
    #[must_use]
    pub fn fetch(mut self, fetch: FetchConfig) -> Self {
        self.fetch = fetch;
        self
    }

    /// The name servers by which targets and the hosts of certificates are found. Default: those of the system. Either way
    /// `/etc/hosts` comes first.
    #[must_use]
    pub fn name_servers(mut self, servers: Vec<SocketAddr>) -> Self {
        self.name_servers = Some(servers);
        self
    }

    /// The emergency numbers, as dialled. Default: none.
    #[must_use]
    pub fn emergency(mut self, numbers: Vec<Prefix>) -> Self {
        self.config = self.config.emergency(numbers);
        self
    }

    /// The numbers that the built-in test callee answers. Default: none.
    #[must_use]
    pub fn callee(mut self, numbers: Vec<Prefix>) -> Self {
        self.config = self.config.callee(numbers);
        self
    }

    /// Room for call events between the edge and [`Edge::events`]. Default: 0, which makes no events.
    #[must_use]
    pub fn events(mut self, room: usize) -> Self {
        self.room.events = NonZeroUsize::new(room);
        self
    }

    /// Room for questions between the policy and [`Edge::questions`]. Default: 0, which is right for a policy that
    /// decides at once.
    #[must_use]
    pub fn questions(mut self, room: usize) -> Self {
        self.room.questions = NonZeroUsize::new(room);
        self
    }

    /// Who decides about calls. Default: the configuration alone.
    #[must_use]
    pub fn policy<Q: Policy>(self, policy: Q) -> Builder<Q> {
        let Self { config, listen, anchors, revocations, fetch, name_servers, room, policy: _ } = self;
        Builder { config, listen, anchors, revocations, fetch, name_servers, room, policy }
    }

    /// Checks the whole without binding anything: a dry run.
    ///
    /// # Errors
    /// The parts do not fit together.
    pub fn check(self) -> Result<(), ConfigError> {
        let Self { config, listen, .. } = self;
        let listener = |config: attesta_b2bua::Builder, listen: Listen| {
            let address = listen.address;
            config.listener(listen.listener(address))
        };
        listen.into_iter().fold(config, listener).build().map(drop)
    }

    /// Binds the addresses and checks the whole. Must be called within a tokio runtime whose I/O and time are enabled.
    ///
    /// # Errors
    /// An address cannot be bound, the parts do not fit together, there are no roots of the web to fetch certificates
    /// by, or the system gives no randomness.
    pub fn build(self) -> Result<Edge<P>, BuildError> {
        let Self { mut config, listen, anchors, revocations, fetch, name_servers, room, policy } = self;
        let mut doors = Doors::default();
        for listen in listen {
            config = config.listener(listen.open(&mut doors)?);
        }
        let config = config.build().map_err(BuildError::Config)?;
        let names = Directories::new(name_servers.as_deref());
        let fetcher = Fetcher::with_names(fetch, Arc::new(names.fetches.clone()));
        let fetcher = fetcher.map_err(BuildError::NoRoots)?;
        let mut cache = Cache::new(CacheConfig::default(), anchors);
        for (anchors, revocations) in revocations {
            cache.revocations(&anchors, revocations);
        }
        let place = Place { instance: 0, worker: 0 };
        let seed = Seed::new(random().map_err(BuildError::NoRandomness)?);
        let switchboard = Switchboard::new(Arc::new(config), policy, place, &seed);
        let steward = Steward::new(cache, fetcher, FetchLimits::default());
        Ok(Edge::new(switchboard, doors, steward, names, room))
    }
}

/// Why an edge could not be built.
#[derive(Debug)]
pub enum BuildError {
    /// The operating system refused an address.
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The certificates of a listener are of no use.
    Tls {
        /// The address of the listener.
        address: SocketAddr,
        /// Why.
        error: TlsError,
    },
    /// The parts do not fit together.
    Config(ConfigError),
    /// There are no roots of the web, so no certificate could be fetched.
    NoRoots(NoRoots),
    /// The system gives no randomness.
    NoRandomness(NoRandomness),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::Tls { address, error } => write!(f, "the certificate or key of {address} {error}"),
            Self::Config(error) => error.fmt(f),
            Self::NoRoots(error) => error.fmt(f),
            Self::NoRandomness(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { error, .. } => Some(error),
            Self::Tls { error, .. } => Some(error),
            Self::Config(error) => Some(error),
            Self::NoRoots(error) => Some(error),
            Self::NoRandomness(error) => Some(error),
        }
    }
}
