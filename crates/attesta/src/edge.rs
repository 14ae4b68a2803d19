//! The edge: sockets, switchboard, certificates, under one roof.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use attesta_b2bua::{
    CallEvent, Config, Counters, Decision, DefaultPolicy, Policy, Question, Switchboard, Token,
};
use attesta_net::{
    Certificates, Control, Directory, Driver, FetchCounters, NameCounters, ShellCounters, Steward, Stopped,
    StreamLimits, Tls, TlsCounters, TlsFiles, TlsMeter, WsCounters, WsMeter,
};
use attesta_stir::cert::{Revocations, TrustAnchors};
use attesta_transaction::Transport;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use crate::builder::Builder;
use crate::listen::Doors;

/// A back-to-back user agent that is bound to its addresses and ready to run.
///
/// It runs inside [`Edge::run`], on the tokio runtime of the caller, and nowhere else: it starts no runtime and installs
/// no subscriber and no provider of cryptography.
pub struct Edge<P: Policy = DefaultPolicy> {
    driver: Driver<P>,
    steward: Steward,
    certificates: Certificates,
    names: Directories,
    listeners: Vec<(Transport, SocketAddr)>,
    followed: Vec<(TlsFiles, Tls)>,
    meters: Meters,
    events: Option<Events>,
    questions: Option<Questions>,
}

impl Edge {
    /// An edge to be described.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl<P: Policy> Edge<P> {
    pub(crate) fn new(
        switchboard: Switchboard<P>,
        doors: Doors,
        steward: (Steward, Certificates),
        names: Directories,
        room: Room,
    ) -> Self {
        let Doors { listeners, sockets, acceptors, followed, tls, ws } = doors;
        let meters = Meters { tls, ws };
        let (steward, certificates) = steward;
        let mut driver = Driver::new(switchboard, sockets)
            .streams(acceptors, StreamLimits::default())
            .certificates(certificates.clone())
            .names(Arc::new(names.targets.clone()));
        let events = room.events.map(|room| {
            let (sender, receiver) = mpsc::channel(room.get());
            (Events(receiver), sender)
        });
        let (events, sender) = events.unzip();
        if let Some(sender) = sender {
            driver = driver.events(sender);
        }
        let questions = room.questions.map(|room| {
            let (sender, receiver) = mpsc::channel(room.get());
            (Questions(receiver), sender)
        });
        let (questions, sender) = questions.unzip();
        if let Some(sender) = sender {
            driver = driver.questions(sender);
        }
        Self { driver, steward, certificates, names, listeners, followed, meters, events, questions }
    }

    /// The addresses really bound, in the order in which they were asked for.
    pub fn listeners(&self) -> &[(Transport, SocketAddr)] {
        &self.listeners
    }

    /// What reaches the edge while it runs. It may be cloned, and dropped without effect.
    pub fn handle(&self) -> Handle {
        Handle {
            control: self.driver.control(),
            certificates: self.certificates.clone(),
            names: self.names.clone(),
            meters: self.meters.clone(),
        }
    }

    /// What happens in calls, from now on. `None` the second time, and where [`Builder::events`] asked for no room.
    ///
    /// A reader that is too slow loses events, which are counted, and holds up no call.
    pub fn events(&mut self) -> Option<Events> {
        self.events.take()
    }

    /// What the policy said it would decide later. `None` the second time, and where [`Builder::questions`] asked for no
    /// room.
    ///
    /// A call whose decision does not come in time is refused, unless it is an emergency call.
    pub fn questions(&mut self) -> Option<Questions> {
        self.questions.take()
    }
}

impl<P: Policy + Send + 'static> Edge<P> {
    /// Carries calls until [`Handle::stop`], and returns what was counted.
    ///
    /// Dropping the future ends it at once. Either way calls in progress are left as they are.
    pub async fn run(self) -> Report {
        let Self { driver, steward, certificates, names, followed, meters, .. } = self;
        let _steward = Task::of(steward.run());
        let _followed: Vec<_> =
            followed.into_iter().map(|(files, tls)| Task::of(files.follow(tls))).collect();
        let report = Task::of(driver.run()).ends().await;
        let fetches = certificates.counters().await.unwrap_or_default();
        meters.report(report, fetches, names.counters().await)
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
    control: Control,
    certificates: Certificates,
    names: Directories,
    meters: Meters,
}

impl Handle {
    /// What was counted so far.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn report(&self) -> Result<Report, Stopped> {
        let report = self.control.report().await?;
        let fetches = self.certificates.counters().await?;
        let names = self.names.counters().await;
        Ok(self.meters.report(report, fetches, names))
    }

    /// Puts new calls under `config`, whose listeners must be those that the edge has; calls in progress keep theirs.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn configure(&self, config: Arc<Config>) -> Result<(), Stopped> {
        self.control.configure(config).await
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
        self.control.decide(token, decision).await
    }

    /// Asks the edge to stop; [`Edge::run`] then returns.
    ///
    /// # Errors
    /// The edge has stopped already.
    pub async fn stop(&self) -> Result<(), Stopped> {
        self.control.stop().await
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
pub(crate) struct Room {
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
}

/// What counts beside the driver.
#[derive(Clone, Debug)]
struct Meters {
    tls: TlsMeter,
    ws: WsMeter,
}

impl Meters {
    fn report(&self, report: attesta_net::Report, fetches: FetchCounters, names: NameCounters) -> Report {
        let (tls, ws) = (self.tls.counters(), self.ws.counters());
        Report { calls: report.calls, shell: report.shell, fetches, names, tls, ws }
    }
}

/// Who resolves names. A fetch goes where a stranger's call says: its lookups, however slow, do not hold up those of targets.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    pub(crate) targets: Directory,
    pub(crate) fetches: Directory,
}

impl Directories {
    /// By these name servers, or by those of the system.
    pub(crate) fn new(servers: Option<&[SocketAddr]>) -> Self {
        let directory = || servers.map_or_else(Directory::system, Directory::of);
        Self { targets: directory(), fetches: directory() }
    }

    async fn counters(&self) -> NameCounters {
        let fetches = self.fetches.counters().await.unwrap_or_default();
        self.targets.counters().await.unwrap_or_default().plus(&fetches)
    }
}

/// A task that ends with its owner.
///
/// The driver is one, since on a runtime of several threads whatever is awaited in `main` stays on the main thread, and
/// each datagram would cross over to it from the thread that waits for the sockets.
struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    fn of(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Waits for its end. A panic in it is one here.
    async fn ends(mut self) -> T {
        match (&mut self.0).await.map_err(JoinError::try_into_panic) {
            Ok(result) => result,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, and this future with it.
            Err(Err(_)) => std::future::pending().await,
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
