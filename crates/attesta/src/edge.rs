//! The edge: its sockets, switchboards and certificates.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use attesta_b2bua::{CallEvent, Config, Counters, Decision, DefaultPolicy, Policy, Question, Token};
use attesta_net::{
    CertificateService, Certificates, Control, Directory, Driver, FetchCounters, NameCounters,
    Report as WorkerReport, ShellCounters, Stopped, Tls, TlsCounters, TlsFiles, TlsMeter, Worker, WsCounters,
    WsMeter,
};
use attesta_stir::cert::{Revocations, TrustAnchors};
use attesta_transaction::Transport;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use crate::listen::BoundSockets;

/// A back-to-back user agent that is bound to its addresses and ready to run.
///
/// An edge runs inside [`Edge::run`], on the tokio runtime of the caller and, after
/// [`build_on_threads`](crate::Builder::build_on_threads), on its own threads. An edge installs no `tracing` subscriber
/// and no cryptography provider.
pub struct Edge<P: Policy = DefaultPolicy> {
    /// A driver without a worker runs on the caller's runtime.
    drivers: Vec<(Driver<P>, Option<Worker>)>,
    service: CertificateService,
    certificates: Certificates,
    resolvers: Resolvers,
    listeners: Vec<(Transport, SocketAddr)>,
    watched_files: Vec<(TlsFiles, Tls)>,
    meters: Meters,
    events: Option<Events>,
    questions: Option<Questions>,
}

impl<P: Policy> Edge<P> {
    pub(crate) fn new(
        drivers: Vec<(Driver<P>, Option<Worker>)>,
        bound: BoundSockets,
        service: (CertificateService, Certificates),
        resolvers: Resolvers,
        capacity: ChannelCapacity,
    ) -> Self {
        let BoundSockets { listeners, watched_files, tls, ws, .. } = bound;
        let meters = Meters { tls, ws };
        let (service, certificates) = service;
        let events = capacity.events.map(|capacity| {
            let (sender, receiver) = mpsc::channel(capacity.get());
            (Events(receiver), sender)
        });
        let (events, event_sender) = events.unzip();
        let questions = capacity.questions.map(|capacity| {
            let (sender, receiver) = mpsc::channel(capacity.get());
            (Questions(receiver), sender)
        });
        let (questions, question_sender) = questions.unzip();
        let attach = |(mut driver, worker): (Driver<P>, _)| {
            driver = driver.certificates(certificates.clone()).names(Arc::new(resolvers.targets.clone()));
            if let Some(sender) = &event_sender {
                driver = driver.events(sender.clone());
            }
            if let Some(sender) = &question_sender {
                driver = driver.questions(sender.clone());
            }
            (driver, worker)
        };
        let drivers = drivers.into_iter().map(attach).collect();
        Self {
            drivers,
            service,
            certificates,
            resolvers,
            listeners,
            watched_files,
            meters,
            events,
            questions,
        }
    }

    /// Returns the bound addresses, in the order in which they were requested.
    pub fn listeners(&self) -> &[(Transport, SocketAddr)] {
        &self.listeners
    }

    /// Returns a handle that controls the edge while it runs. Cloning or dropping a handle has no effect on the edge.
    pub fn handle(&self) -> Handle {
        Handle {
            controls: self.drivers.iter().map(|(driver, _)| driver.control()).collect(),
            certificates: self.certificates.clone(),
            resolvers: self.resolvers.clone(),
            meters: self.meters.clone(),
        }
    }

    /// Returns the receiver of all future events of calls. Returns `None` on a second call, or if
    /// [`Builder::events`](crate::Builder::events) set no capacity.
    ///
    /// If the reader is too slow, events are lost, but no call is delayed. The edge counts the lost events.
    pub fn events(&mut self) -> Option<Events> {
        self.events.take()
    }

    /// Returns the receiver of questions whose decision the policy postponed. Returns `None` on a second call, or if
    /// [`Builder::questions`](crate::Builder::questions) set no capacity.
    ///
    /// If a decision does not arrive in time, the edge refuses the call, unless the call is an emergency call.
    pub fn questions(&mut self) -> Option<Questions> {
        self.questions.take()
    }
}

impl<P: Policy + Send + 'static> Edge<P> {
    /// Carries calls until [`Handle::stop`] or the end of [`Handle::drain`], and returns the counters.
    ///
    /// Dropping the future stops the edge immediately, as `stop` does: calls in progress are abandoned without a BYE.
    pub async fn run(self) -> Report {
        let Self { drivers, service, certificates, resolvers, watched_files, meters, .. } = self;
        let mut background = JoinSet::new();
        background.spawn(service.run());
        for (files, tls) in watched_files {
            background.spawn(files.follow(tls));
        }
        // Each driver runs in a task of its own. On a runtime with several threads, the future awaited in `main` stays on
        // the main thread. Another thread polls the sockets, so each datagram would have to cross between the threads.
        let mut running = JoinSet::new();
        for (number, (driver, worker)) in drivers.into_iter().enumerate() {
            let driving = async move {
                match worker {
                    Some(worker) => worker.run(driver).await,
                    None => driver.run().await,
                }
            };
            running.spawn(async move { (number, driving.await) });
        }
        let mut reports = BTreeMap::new();
        while let Some(ended) = running.join_next().await {
            match ended.map_err(JoinError::try_into_panic) {
                Ok((number, report)) => drop(reports.insert(number, report)),
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                // The runtime is shutting down and drops this future too.
                Err(Err(_)) => std::future::pending().await,
            }
        }
        let fetches = certificates.counters().await.unwrap_or_default();
        meters.report(reports.into_values().collect(), fetches, resolvers.counters().await)
    }
}

impl<P: Policy> fmt::Debug for Edge<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

/// Controls a running [`Edge`] from any task. Dropping the handle stops nothing.
#[derive(Clone, Debug)]
pub struct Handle {
    /// One control for each worker.
    controls: Arc<[Control]>,
    certificates: Certificates,
    resolvers: Resolvers,
    meters: Meters,
}

impl Handle {
    /// Returns the counters since the start.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn report(&self) -> Result<Report, Stopped> {
        let mut workers = Vec::with_capacity(self.controls.len());
        for control in &*self.controls {
            workers.push(control.report().await?);
        }
        let fetches = self.certificates.counters().await?;
        let names = self.resolvers.counters().await;
        Ok(self.meters.report(workers, fetches, names))
    }

    /// Applies `config` to new calls. The listeners in `config` must be the listeners of this edge. Calls in progress keep
    /// their configuration.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn configure(&self, config: Arc<Config>) -> Result<(), Stopped> {
        for control in &*self.controls {
            control.configure(Arc::clone(&config)).await?;
        }
        Ok(())
    }

    /// Uses `revocations` in the trust domain of `anchors` from now on. The new lists also apply to cached certificates.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn revocations(&self, anchors: &TrustAnchors, revocations: Revocations) -> Result<(), Stopped> {
        self.certificates.revocations(anchors, revocations).await
    }

    /// Delivers a decision that the policy postponed.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn decide(&self, token: Token, decision: Decision) -> Result<(), Stopped> {
        let control = self.controls.get(usize::from(token.worker().0)).ok_or(Stopped)?;
        control.decide(token, decision).await
    }

    /// Ends the calls of the edge. Then [`Edge::run`] returns.
    ///
    /// From now on the edge accepts emergency calls only. Other INVITE requests, and MESSAGE and OPTIONS requests
    /// outside a dialog, get 503 with Retry-After. Calls in progress may continue for up to `grace`. Then the edge hangs
    /// up. Both parties of an answered call get a BYE. In a call that is not answered, the caller gets a 503, and the
    /// callee gets a CANCEL. These calls count as ended by [`Cause::ShutDown`]. The edge waits at most five seconds for
    /// the responses of the parties. [`Handle::stop`] ends each wait.
    ///
    /// # Errors
    /// The edge stopped for another reason.
    ///
    /// [`Cause::ShutDown`]: crate::Cause::ShutDown
    pub async fn drain(&self, grace: Duration) -> Result<(), Stopped> {
        attesta_net::drain(&self.controls, grace).await
    }

    /// Stops the edge immediately. Then [`Edge::run`] returns. Calls in progress are abandoned without a BYE.
    ///
    /// # Errors
    /// The edge has stopped already.
    pub async fn stop(&self) -> Result<(), Stopped> {
        let mut outcome = Ok(());
        for control in &*self.controls {
            outcome = outcome.and(control.stop().await);
        }
        outcome
    }
}

/// Receives the events of the calls of one edge, in order.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<CallEvent>);

impl Events {
    /// Returns the next event, or `None` after the edge has stopped.
    pub async fn next(&mut self) -> Option<CallEvent> {
        self.0.recv().await
    }
}

/// Receives the questions that the policy of one edge postponed.
#[derive(Debug)]
pub struct Questions(mpsc::Receiver<(Token, Question)>);

impl Questions {
    /// Returns the next question, with the token that [`Handle::decide`] needs. Returns `None` after the edge has
    /// stopped.
    pub async fn next(&mut self) -> Option<(Token, Question)> {
        self.0.recv().await
    }
}

/// The capacity of the channels to the embedder. `None`: the channel does not exist, and the edge sends nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChannelCapacity {
    pub(crate) events: Option<NonZeroUsize>,
    pub(crate) questions: Option<NonZeroUsize>,
}

/// The counters of an edge since its start.
#[derive(Clone, Debug)]
pub struct Report {
    /// Counters of calls, dialogs and transactions.
    pub calls: Counters,
    /// Counters of sockets and channels.
    pub shell: ShellCounters,
    /// Counters of certificate fetches.
    pub fetches: FetchCounters,
    /// Counters of DNS lookups, for targets and for fetches.
    pub names: NameCounters,
    /// Counters of TLS handshakes and certificate files.
    pub tls: TlsCounters,
    /// Counters of WebSocket connections.
    pub ws: WsCounters,
    /// The counters of calls and sockets for each worker, in the order of the worker numbers.
    pub workers: Vec<WorkerReport>,
}

/// Meters that are not part of a driver.
#[derive(Clone, Debug)]
struct Meters {
    tls: TlsMeter,
    ws: WsMeter,
}

impl Meters {
    fn report(&self, workers: Vec<WorkerReport>, fetches: FetchCounters, names: NameCounters) -> Report {
        let (mut calls, mut shell) = (Counters::default(), ShellCounters::default());
        for worker in &workers {
            calls.add(&worker.calls);
            shell.add(&worker.shell);
        }
        let (tls, ws) = (self.tls.counters(), self.ws.counters());
        Report { calls, shell, fetches, names, tls, ws, workers }
    }
}

/// The resolvers of the edge. Unknown callers choose the hosts of certificate fetches. Fetches therefore have a resolver of
/// their own, so that their slow lookups do not delay the lookups of targets.
#[derive(Clone, Debug)]
pub(crate) struct Resolvers {
    pub(crate) targets: Directory,
    pub(crate) fetches: Directory,
}

impl Resolvers {
    /// Uses `servers`, or the name servers of the system if `servers` is `None`.
    pub(crate) fn new(servers: Option<&[SocketAddr]>) -> Self {
        let resolver = || servers.map_or_else(Directory::system, Directory::of);
        Self { targets: resolver(), fetches: resolver() }
    }

    async fn counters(&self) -> NameCounters {
        let fetches = self.fetches.counters().await.unwrap_or_default();
        self.targets.counters().await.unwrap_or_default().plus(&fetches)
    }
}
