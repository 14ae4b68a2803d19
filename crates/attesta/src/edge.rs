//! The edge: sockets, switchboard, certificates, under one roof.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use attesta_b2bua::{CallEvent, Config, Counters, DefaultPolicy, Policy, Switchboard};
use attesta_net::{Certificates, Control, Driver, FetchCounters, ShellCounters, Steward, Stopped, Udp};
use attesta_transaction::Transport;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::builder::Builder;

/// A back-to-back user agent that is bound to its addresses and ready to run.
///
/// It runs inside [`Edge::run`], on the tokio runtime of the caller, and nowhere else: it starts no runtime and installs
/// no subscriber and no provider of cryptography.
pub struct Edge<P: Policy = DefaultPolicy> {
    driver: Driver<P>,
    steward: Steward,
    certificates: Certificates,
    listeners: Vec<(Transport, SocketAddr)>,
    events: Option<mpsc::Receiver<CallEvent>>,
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
        sockets: Vec<Udp>,
        steward: (Steward, Certificates),
        event_room: usize,
    ) -> Self {
        let listeners = sockets.iter().map(|socket| (Transport::Udp, socket.local())).collect();
        let (steward, certificates) = steward;
        let mut driver = Driver::new(switchboard, sockets).certificates(certificates.clone());
        let mut events = None;
        if event_room > 0 {
            let (sender, receiver) = mpsc::channel(event_room);
            driver = driver.events(sender);
            events = Some(receiver);
        }
        Self { driver, steward, certificates, listeners, events }
    }

    /// The addresses really bound, in the order in which they were asked for.
    pub fn listeners(&self) -> &[(Transport, SocketAddr)] {
        &self.listeners
    }

    /// What reaches the edge while it runs. It may be cloned, and dropped without effect.
    pub fn handle(&self) -> Handle {
        Handle { control: self.driver.control(), certificates: self.certificates.clone() }
    }

    /// What happens in calls, from now on. `None` the second time, and where [`Builder::events`] asked for no room.
    ///
    /// A reader that is too slow loses events, which are counted, and holds up no call.
    pub fn events(&mut self) -> Option<Events> {
        self.events.take().map(Events)
    }

    /// Carries calls until [`Handle::stop`], and returns what was counted.
    ///
    /// Dropping the future ends it at once. Either way calls in progress are left as they are.
    pub async fn run(self) -> Report {
        let Self { driver, steward, certificates, events, .. } = self;
        // A receiver that nobody took would fill up, and every event be counted as lost.
        drop(events);
        // The set ends the steward when this future ends or is dropped.
        let mut tasks = JoinSet::new();
        tasks.spawn(steward.run());
        let report = driver.run().await;
        let fetches = certificates.counters().await.unwrap_or_default();
        Report { calls: report.calls, shell: report.shell, fetches }
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
}

impl Handle {
    /// What was counted so far.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn report(&self) -> Result<Report, Stopped> {
        let report = self.control.report().await?;
        let fetches = self.certificates.counters().await?;
        Ok(Report { calls: report.calls, shell: report.shell, fetches })
    }

    /// Puts new calls under `config`, whose listeners must be those that the edge has; calls in progress keep theirs.
    ///
    /// # Errors
    /// The edge has stopped.
    pub async fn configure(&self, config: Arc<Config>) -> Result<(), Stopped> {
        self.control.configure(config).await
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

/// What an edge has counted since its start.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of calls, dialogs and transactions.
    pub calls: Counters,
    /// Of sockets and channels.
    pub shell: ShellCounters,
    /// Of certificate fetches.
    pub fetches: FetchCounters,
}
