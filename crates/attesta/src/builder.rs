//! Describes an edge: its listeners, trunks, routes, signers and trust domains.

use std::mem::take;
use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use attesta_b2bua::{
    Config, ConfigError, DefaultPolicy, Listener, NamedSigner, Policy, Prefix, Route, SigningMeans,
    Switchboard, Trunk, TrustDomain,
};
use attesta_net::{
    CertificateService, Certificates, Driver, FetchConfig, FetchLimits, Fetcher, StreamLimits, Worker,
    WorkerLinks, random,
};
use attesta_stir::cert::{Cache, CacheConfig, Revocations, TrustAnchors};
use attesta_stir::{Signer, Verifier, VerifyPolicy};
use attesta_transaction::{Seed, WorkerPlace};

use crate::build_error::BuildError;
use crate::edge::{ChannelCapacity, Edge, Resolvers};
use crate::listen::{BoundSockets, Listen};

/// Describes an [`Edge`] before it is built. Listeners, trunks and routes are tried in the order in which they are added.
/// The order of all other calls does not matter.
#[derive(Debug)]
pub struct Builder<P: Policy = DefaultPolicy> {
    config: attesta_b2bua::Builder,
    listen: Vec<Listen>,
    streams: StreamLimits,
    anchors: Vec<TrustAnchors>,
    revocations: Vec<(TrustAnchors, Revocations)>,
    fetch: FetchConfig,
    name_servers: Option<Vec<SocketAddr>>,
    capacity: ChannelCapacity,
    policy: P,
}

impl Edge {
    /// Starts the description of an edge.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl Builder {
    fn new() -> Self {
        Self {
            config: Config::builder(),
            listen: Vec::new(),
            streams: StreamLimits::default(),
            anchors: Vec::new(),
            revocations: Vec::new(),
            fetch: FetchConfig::default(),
            name_servers: None,
            capacity: ChannelCapacity::default(),
            policy: DefaultPolicy,
        }
    }
}

impl<P: Policy> Builder<P> {
    /// Adds an address on which the edge receives and sends messages. An address without a transport means UDP.
    #[must_use]
    pub fn listen(mut self, listen: impl Into<Listen>) -> Self {
        self.listen.push(listen.into());
        self
    }

    /// Limits the stream connections of one worker. Default: [`StreamLimits::default`].
    #[must_use]
    pub fn streams(mut self, limits: StreamLimits) -> Self {
        self.streams = limits;
        self
    }

    /// Adds a peer. Requests from an address that belongs to no trunk are refused.
    #[must_use]
    pub fn trunk(mut self, trunk: Trunk) -> Self {
        self.config = self.config.trunk(trunk);
        self
    }

    /// Adds a route. The first route that matches a call is used.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.config = self.config.route(route);
        self
    }

    /// Adds a signer. Trunks refer to the signer by `name` ([`Trunk::vouched_by`]). Every trust domain may use the signer.
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

    /// Adds a trust domain. Certificates below `anchors` are trusted in this domain. Trunks that name no domain use the
    /// domain named `default`. If two domains trust the same roots, use [`TrustAnchors::of_domain`] to tell the domains
    /// apart.
    #[must_use]
    pub fn verify(mut self, name: impl Into<Arc<str>>, anchors: TrustAnchors, policy: VerifyPolicy) -> Self {
        self.anchors.push(anchors.clone());
        self.config = self.config.trust_domain(TrustDomain::new(name, Verifier::new(anchors, policy)));
        self
    }

    /// Uses these revocation lists in the trust domain of `anchors`.
    /// [`Handle::revocations`](crate::Handle::revocations) replaces the lists later. Default: none.
    #[must_use]
    pub fn revocations(mut self, anchors: &TrustAnchors, revocations: Revocations) -> Self {
        self.revocations.push((anchors.clone(), revocations));
        self
    }

    /// Sets the longest time that a call waits for a certificate. A trunk may have a budget of its own. Default: 300 ms.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.config = self.config.budget(budget);
        self
    }

    /// Sets how certificates are fetched. Default: [`FetchConfig::default`].
    #[must_use]
    pub fn fetch(mut self, fetch: FetchConfig) -> Self {
        self.fetch = fetch;
        self
    }

    /// Sets the name servers that resolve targets and the hosts of certificates. Default: the name servers of the
    /// system. `/etc/hosts` is always read first.
    #[must_use]
    pub fn name_servers(mut self, servers: Vec<SocketAddr>) -> Self {
        self.name_servers = Some(servers);
        self
    }

    /// Sets the emergency numbers, as dialled. Default: none.
    #[must_use]
    pub fn emergency(mut self, numbers: Vec<Prefix>) -> Self {
        self.config = self.config.emergency(numbers);
        self
    }

    /// Sets the numbers that the built-in test callee answers. Default: none.
    #[must_use]
    pub fn callee(mut self, numbers: Vec<Prefix>) -> Self {
        self.config = self.config.callee(numbers);
        self
    }

    /// Sets the capacity of the channel to [`Edge::events`], in events. Default: 0, which means that no events are
    /// produced.
    #[must_use]
    pub fn events(mut self, capacity: usize) -> Self {
        self.capacity.events = NonZeroUsize::new(capacity);
        self
    }

    /// Sets the capacity of the channel to [`Edge::questions`], in questions. Default: 0, which fits a policy that
    /// always decides immediately.
    #[must_use]
    pub fn questions(mut self, capacity: usize) -> Self {
        self.capacity.questions = NonZeroUsize::new(capacity);
        self
    }

    /// Sets the policy that decides about calls. Default: the configuration alone decides.
    #[must_use]
    pub fn policy<Q: Policy>(self, policy: Q) -> Builder<Q> {
        let Self { config, listen, streams, anchors, revocations, fetch, name_servers, capacity, policy: _ } =
            self;
        Builder { config, listen, streams, anchors, revocations, fetch, name_servers, capacity, policy }
    }

    /// Checks the configuration without binding an address: a dry run.
    ///
    /// # Errors
    /// The parts of the configuration do not match.
    pub fn check(self) -> Result<(), ConfigError> {
        let Self { config, listen, .. } = self;
        let listener = |config: attesta_b2bua::Builder, listen: Listen| {
            let address = listen.address;
            config.listener(listen.listener(address))
        };
        listen.into_iter().fold(config, listener).build().map(drop)
    }

    /// Binds the addresses and checks the configuration. Call this within a tokio runtime whose I/O and time are
    /// enabled.
    ///
    /// # Errors
    /// * An address cannot be bound.
    /// * The parts of the configuration do not match.
    /// * There are no HTTPS root certificates, so no certificate can be fetched.
    /// * The operating system provides no randomness.
    pub fn build(self) -> Result<Edge<P>, BuildError> {
        let mut bound = BoundSockets::default();
        let listeners = open(self.listen.iter(), &mut bound)?;
        let (shared_parts, policy) = self.shared_parts(listeners)?;
        let driver = shared_parts.driver(0, policy, &mut bound)?;
        Ok(shared_parts.edge(vec![(driver, None)], bound))
    }

    /// Builds the edge as [`build`](Self::build) does, but with `workers` threads, one for each worker. Each worker
    /// carries a share of the calls and has a copy of the policy. Tasks that all workers share run on the runtime of the
    /// caller.
    ///
    /// # Errors
    /// The errors of [`build`](Self::build), and an error if the operating system cannot start a thread.
    pub fn build_on_threads(mut self, workers: NonZeroU8) -> Result<Edge<P>, BuildError>
    where
        P: Clone,
    {
        if workers.get() > 1 {
            self.listen.iter_mut().try_for_each(Listen::share)?;
        }
        let first = Worker::new("worker 0").map_err(BuildError::NoThreads)?;
        let mut bound = BoundSockets::default();
        let listeners = first.within(|| open(self.listen.iter(), &mut bound))?;
        let datagram_listeners: Vec<_> =
            self.listen.iter().filter(|listen| listen.is_datagram()).cloned().collect();
        let (shared_parts, policy) = self.shared_parts(listeners)?;

        let mut links =
            WorkerLinks::between(workers, INSTANCE).map_err(BuildError::NoRandomness)?.into_iter();
        let mut build_driver = |number, worker: Worker, bound: &mut BoundSockets| {
            let mut driver = worker.within(|| shared_parts.driver(number, policy.clone(), bound))?;
            if let Some(links) = links.next().filter(|_| workers.get() > 1) {
                driver = driver.worker_links(links);
            }
            Ok((driver, Some(worker)))
        };
        let mut drivers = vec![build_driver(0, first, &mut bound)?];
        for number in 1..workers.get() {
            let worker = Worker::new(format!("worker {number}")).map_err(BuildError::NoThreads)?;
            let mut bound = BoundSockets::default();
            worker.within(|| open(datagram_listeners.iter(), &mut bound))?;
            drivers.push(build_driver(number, worker, &mut bound)?);
        }
        Ok(shared_parts.edge(drivers, bound))
    }

    /// Returns the parts that all workers share, and the policy. `listeners` are the open listeners.
    fn shared_parts(self, listeners: Vec<Listener>) -> Result<(SharedParts, P), BuildError> {
        let Self { config, listen: _, streams, anchors, revocations, fetch, name_servers, capacity, policy } =
            self;
        let config = listeners.into_iter().fold(config, attesta_b2bua::Builder::listener);
        let config = Arc::new(config.build().map_err(BuildError::Config)?);
        let resolvers = Resolvers::new(name_servers.as_deref());
        let fetcher = Fetcher::with_names(fetch, Arc::new(resolvers.fetches.clone()));
        let fetcher = fetcher.map_err(BuildError::NoRoots)?;
        let mut cache = Cache::new(CacheConfig::default(), anchors);
        for (anchors, revocations) in revocations {
            cache.revocations(&anchors, revocations);
        }
        let service = CertificateService::new(cache, fetcher, FetchLimits::default());
        Ok((SharedParts { config, streams, service, resolvers, capacity }, policy))
    }
}

/// The parts of an edge that all workers share.
struct SharedParts {
    config: Arc<Config>,
    streams: StreamLimits,
    service: (CertificateService, Certificates),
    resolvers: Resolvers,
    capacity: ChannelCapacity,
}

impl SharedParts {
    /// Builds the driver of one worker, with the sockets in `bound`.
    fn driver<P: Policy>(
        &self,
        worker: u8,
        policy: P,
        bound: &mut BoundSockets,
    ) -> Result<Driver<P>, BuildError> {
        let place = WorkerPlace { instance: INSTANCE, worker };
        let seed = Seed::new(random().map_err(BuildError::NoRandomness)?);
        let switchboard = Switchboard::new(Arc::clone(&self.config), policy, place, &seed);
        let (udp, acceptors) = (take(&mut bound.udp), take(&mut bound.acceptors));
        Ok(Driver::new(switchboard, udp).streams(acceptors, self.streams))
    }

    fn edge<P: Policy>(self, drivers: Vec<(Driver<P>, Option<Worker>)>, bound: BoundSockets) -> Edge<P> {
        Edge::new(drivers, bound, self.service, self.resolvers, self.capacity)
    }
}

/// Opens the listeners.
fn open<'a>(
    listen: impl Iterator<Item = &'a Listen>,
    bound: &mut BoundSockets,
) -> Result<Vec<Listener>, BuildError> {
    listen.map(|listen| listen.clone().open(bound)).collect()
}

/// The instance number in the identifiers of an edge. Several edges cannot share calls yet, so every edge has the number 0.
const INSTANCE: u16 = 0;
