//! The edge: sockets, switchboard, certificates, under one roof.

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
/// It runs inside [`Edge::run`], on the tokio runtime of the caller and, where it was built so, on threads of its own. It
/// installs no subscriber and no provider of cryptography.
pub struct Edge<P: Policy = DefaultPolicy> {
    /// A driver without a worker runs on the runtime of the caller.
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

    /// The addresses really bound, in the order in which they were asked for.
    pub fn listeners(&self) -> &[(Transport, SocketAddr)] {
        &self.listeners
    }

    /// What reaches the edge while it runs. It may be cloned, and dropped without effect.
    pub fn handle(&self) -> Handle {
        Handle {
            controls: self.drivers.iter().map(|(driver, _)| driver.control()).collect(),
            certificates: self.certificates.clone(),
            resolvers: self.resolvers.clone(),
            meters: self.meters.clone(),
        }
    }

    /// What happens in calls, from now on. `None` the second time, and where [`Builder::events`](crate::Builder::events) asked for no room.
    ///
    /// A reader that is too slow loses events, which are counted, and holds up no call.
    pub fn events(&mut self) -> Option<Events> {
        self.events.take()
    }

    /// What the policy said it would decide later. `None` the second time, and where [`Builder::questions`](crate::Builder::questions) asked for no
    /// room.
    ///
    /// A call whose decision does not come in time is refused, unless it is an emergency call.
    pub fn questions(&mut self) -> Option<Questions> {
        self.questions.take()
    }
}

impl<P: Policy + Send + 'static> Edge<P> {
    /// Carries calls until [`Handle::stop`], or the end of [`Handle::drain`], and returns what was counted.
    ///
    /// Dropping the future ends it at once, as `stop` does: calls in progress are left as they are.
    pub async fn run(self) -> Report {
        let Self { drivers, service, certificates, resolvers, watched_files, meters, .. } = self;
        let mut background = JoinSet::new();
        background.spawn(service.run());
        for (files, tls) in watched_files {
            background.spawn(files.follow(tls));
        }
        // Tasks, since on a runtime of several threads whatever is awaited in `main` stays on the main thread, and each
        // datagram would cross over to it from the thread that waits for the sockets.
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
                // The runtime is being shut down, and this future with it.
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

/// Reaches a running [`Edge`] from anywhere. Dropping it stops nothing.
#[derive(Clone, Debug)]
pub struct Handle {
    /// By worker.
    controls: Arc<[Control]>,
    certificates: Certificates,
    resolvers: Resolvers,
    meters: Meters,
}

impl Handle {
    /// What was counted so far.
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

    /// Puts new calls under `config`, whose listeners must be those that the edge has; calls in progress keep theirs.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn configure(&self, config: Arc<Config>) -> Result<(), Stopped> {
        for control in &*self.controls {
            control.configure(Arc::clone(&config)).await?;
        }
        Ok(())
    }

    /// Goes by `revocations` in the trust domain of `anchors` from now on, for certificates that are known already too.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn revocations(&self, anchors: &TrustAnchors, revocations: Revocations) -> Result<(), Stopped> {
        self.certificates.revocations(anchors, revocations).await
    }

    /// Decides what the policy left for later.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn decide(&self, token: Token, decision: Decision) -> Result<(), Stopped> {
        let control = self.controls.get(usize::from(token.worker().0)).ok_or(Stopped)?;
        control.decide(token, decision).await
    }

    /// Lets the edge end its calls; [`Edge::run`] then returns.
    ///
    /// No call begins any more but emergency calls: other INVITEs, MESSAGEs and OPTIONS outside a dialog get a 503 with
    /// Retry-After. Calls in progress go on for `grace` at the longest. Those that are left then are hung up, by BYE to both
    /// parties, or by 503 and CANCEL where they are not answered yet, and counted as ended by [`Cause::ShutDown`]; their parties
    /// have five seconds to confirm it. [`Handle::stop`] cuts this short.
    ///
    /// # Errors
    /// The edge has stopped otherwise.
    ///
    /// [`Cause::ShutDown`]: crate::Cause::ShutDown
    pub async fn drain(&self, grace: Duration) -> Result<(), Stopped> {
        attesta_net::drain(&self.controls, grace).await
    }

    /// Asks the edge to stop at once; [`Edge::run`] then returns. Calls in progress are left as they are.
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

/// What happens in the calls of one edge, in order.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<CallEvent>);

impl Events {
    /// The next event; `None` once the edge is gone.
    pub async fn next(&mut self) -> Option<CallEvent> {
        self.0.recv().await
    }
}

/// What the policy of one edge left for later.
#[derive(Debug)]
pub struct Questions(mpsc::Receiver<(Token, Question)>);

impl Questions {
    /// The next question, and what [`Handle::decide`] wants with its answer; `None` once the edge is gone.
    pub async fn next(&mut self) -> Option<(Token, Question)> {
        self.0.recv().await
    }
}

/// How much may wait to be read; `None`: nobody reads, so nothing is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChannelCapacity {
    pub(crate) events: Option<NonZeroUsize>,
    pub(crate) questions: Option<NonZeroUsize>,
}

/// What an edge has counted since its start.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of calls, dialogs and transactions.
    pub calls: Counters,
    /// Of sockets and channels.
    pub shell: ShellCounters,
    /// Of certificate fetches.
    pub fetches: FetchCounters,
    /// Of lookups in DNS, for targets and for fetches.
    pub names: NameCounters,
    /// Of TLS handshakes and certificate files.
    pub tls: TlsCounters,
    /// Of WebSockets.
    pub ws: WsCounters,
    /// Each worker's part of calls and shell, in the order of their numbers.
    pub workers: Vec<WorkerReport>,
}

/// What counts beside the driver.
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

/// Who resolves names. A fetch goes where a stranger's call says: its lookups, however slow, do not hold up those of targets.
#[derive(Clone, Debug)]
pub(crate) struct Resolvers {
    pub(crate) targets: Directory,
    pub(crate) fetches: Directory,
}

impl Resolvers {
    /// By these name servers, or by those of the system.
    pub(crate) fn new(servers: Option<&[SocketAddr]>) -> Self {
        let resolver = || servers.map_or_else(Directory::system, Directory::of);
        Self { targets: resolver(), fetches: resolver() }
    }

    async fn counters(&self) -> NameCounters {
        let fetches = self.fetches.counters().await.unwrap_or_default();
        self.targets.counters().await.unwrap_or_default().plus(&fetches)
    }
}
