//! Requests from the rest of the program to a running driver.

use std::fmt;
use std::sync::Arc;

use attesta_b2bua::{Config, Counters, Decision, Input, Token};
use tokio::sync::{mpsc, oneshot};

use crate::resolve::search::Found;
use crate::streams::ended::StreamCounters;

/// A handle to a running [`Driver`](crate::Driver). Clones control the same driver.
#[derive(Clone, Debug)]
pub struct Control {
    commands: mpsc::Sender<Command>,
}

impl Control {
    pub(crate) fn new(commands: mpsc::Sender<Command>) -> Control {
        Control { commands }
    }

    /// Returns the counters of the driver and its switchboard. They are read between two turns of the loop.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn report(&self) -> Result<Report, Stopped> {
        let (requester, answer) = oneshot::channel();
        self.send(Command::Count(requester)).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// Applies `config` to new calls. Calls in progress keep their configuration. The listeners of `config` must be the
    /// listeners of the driver.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn configure(&self, config: Arc<Config>) -> Result<(), Stopped> {
        self.send(Command::Input(Input::Configure(config))).await
    }

    /// Answers a question from the channel of [`Driver::questions`](crate::Driver::questions).
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn decide(&self, token: Token, decision: Decision) -> Result<(), Stopped> {
        self.send(Command::Input(Input::Decided { token, decision })).await
    }

    /// Asks the driver to accept only emergency calls and MESSAGEs to emergency services. Other requests outside a dialog get a
    /// 503. Calls in progress continue. The function [`drain`](crate::drain()) does the whole shutdown.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn drain(&self) -> Result<(), Stopped> {
        self.send(Command::Input(Input::Drain)).await
    }

    /// Asks the driver to end all calls, and to accept no new calls. In an answered call, both parties get a BYE. In any other
    /// call, the caller gets a 503 and the callee gets a CANCEL.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn hang_up(&self) -> Result<(), Stopped> {
        self.send(Command::Input(Input::HangUp)).await
    }

    /// Waits until there is no call, and no MESSAGE waits for its final response.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn emptied(&self) -> Result<(), Stopped> {
        self.wait_idle(IdleLevel::Empty).await
    }

    /// Waits until there is no call, and every request has its final response.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn settled(&self) -> Result<(), Stopped> {
        self.wait_idle(IdleLevel::Settled).await
    }

    async fn wait_idle(&self, level: IdleLevel) -> Result<(), Stopped> {
        let (done, reached) = oneshot::channel();
        self.send(Command::WaitIdle(IdleWaiter { level, done })).await?;
        reached.await.map_err(|_| Stopped)
    }

    /// Asks the driver to stop at once. The driver sends the waiting messages of its sockets and connections, and closes the
    /// sockets and connections. Then its `run` returns. Calls in progress do not get a BYE.
    ///
    /// # Errors
    /// [`Stopped`], if the driver has already stopped.
    pub async fn stop(&self) -> Result<(), Stopped> {
        self.send(Command::Stop).await
    }

    async fn send(&self, command: Command) -> Result<(), Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)
    }
}

/// The error if the driver has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the driver has stopped")
    }
}

impl std::error::Error for Stopped {}

/// The counts of a driver since its start.
#[derive(Clone, Debug)]
pub struct Report {
    /// The counts of the switchboard.
    pub calls: Counters,
    /// The counts of the sockets and channels.
    pub shell: ShellCounters,
}

/// The counts of the shell. All counts only grow, except the live connections in `streams`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShellCounters {
    /// Datagrams that were passed to the switchboard.
    pub datagrams_received: u64,
    /// Octets of all received datagrams, including keep-alives.
    pub octets_received: u64,
    /// Keep-alives: empty datagrams, and datagrams that contain only line ends or NULs. The switchboard does not get these
    /// datagrams.
    pub keepalives: u64,
    /// Errors that the network reported for datagrams sent earlier. The switchboard gets only the
    /// errors that mean that the peer is unreachable.
    pub receive_errors: u64,
    /// Datagrams that the operating system dropped because the receive buffer of a socket was full.
    pub datagrams_dropped: u64,
    /// Datagrams that the operating system accepted, or that wait in the queue of a socket.
    pub datagrams_sent: u64,
    /// Octets of the sent datagrams.
    pub octets_sent: u64,
    /// Datagrams, and messages for stream connections, that could not be sent. The switchboard gets an event for each of them.
    pub send_failures: u64,
    /// Call events that were dropped because the channel was full. The reader of the channel is too slow.
    pub events_dropped: u64,
    /// Questions of the policy that were dropped because their channel was full or had no reader.
    pub questions_dropped: u64,
    /// Targets for which DNS was queried. Targets that are addresses are not counted.
    pub resolutions: u64,
    /// Searches that found more names or addresses than a search uses.
    pub resolutions_cut: u64,
    /// Certificates that could not be requested, because the driver has no certificate service or the queue of the service is
    /// full.
    pub certificates_unasked: u64,
    /// The counts of stream connections.
    pub streams: StreamCounters,
    /// Datagrams from unknown sources that were dropped unread, because they exceeded the rate limit. No trunk claims the
    /// source, and the datagram belongs to no call of this edge.
    pub unknown_sources_dropped: u64,
    /// Messages that were handed over to the worker that owns them.
    pub handed_over: u64,
    /// Messages that were lost because the queue of the worker that owns them was full. Such a loss is like a loss in the
    /// network.
    pub handovers_dropped: u64,
}

impl Report {
    /// Adds the counts of another worker.
    pub fn add(&mut self, other: &Report) {
        self.calls.add(&other.calls);
        self.shell.add(&other.shell);
    }
}

impl ShellCounters {
    /// Adds the counts of another driver.
    pub fn add(&mut self, other: &ShellCounters) {
        // The pattern lists all fields, so that the compiler reports a forgotten counter.
        let ShellCounters {
            datagrams_received,
            octets_received,
            keepalives,
            receive_errors,
            datagrams_dropped,
            datagrams_sent,
            octets_sent,
            send_failures,
            events_dropped,
            questions_dropped,
            certificates_unasked,
            resolutions,
            resolutions_cut,
            streams,
            unknown_sources_dropped,
            handed_over,
            handovers_dropped,
        } = other;
        self.datagrams_received += datagrams_received;
        self.octets_received += octets_received;
        self.keepalives += keepalives;
        self.receive_errors += receive_errors;
        self.datagrams_dropped += datagrams_dropped;
        self.datagrams_sent += datagrams_sent;
        self.octets_sent += octets_sent;
        self.send_failures += send_failures;
        self.events_dropped += events_dropped;
        self.questions_dropped += questions_dropped;
        self.certificates_unasked += certificates_unasked;
        self.resolutions += resolutions;
        self.resolutions_cut += resolutions_cut;
        self.streams.add(streams);
        self.unknown_sources_dropped += unknown_sources_dropped;
        self.handed_over += handed_over;
        self.handovers_dropped += handovers_dropped;
    }
}

/// A message to the loop of a driver.
#[derive(Debug)]
pub(crate) enum Command {
    /// An input for the switchboard.
    Input(Input),
    /// The result of a search for a target.
    Found(Token, Found),
    /// A request for the counters of the driver.
    Count(oneshot::Sender<Report>),
    /// A request for a notification when the driver is idle.
    WaitIdle(IdleWaiter),
    /// A request to stop.
    Stop,
}

/// The degree to which a driver must be idle before it notifies the waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdleLevel {
    /// There is no call and no MESSAGE.
    Empty,
    /// There is no call, and every request has its final response.
    Settled,
}

/// A caller of [`Control`] that waits until the driver is idle.
#[derive(Debug)]
pub(crate) struct IdleWaiter {
    pub(crate) level: IdleLevel,
    pub(crate) done: oneshot::Sender<()>,
}
