//! Requests from the rest of the program to a running driver.

use std::fmt;
use std::sync::Arc;

use attesta_b2bua::{Config, Counters, Decision, Input, Token};
use tokio::sync::{mpsc, oneshot};

use crate::resolve::search::Found;
use crate::streams::ended::StreamCounters;

/// A handle to a running [`Driver`](crate::Driver). Clones reach the same driver.
#[derive(Clone, Debug)]
pub struct Control {
    commands: mpsc::Sender<Command>,
}

impl Control {
    pub(crate) fn new(commands: mpsc::Sender<Command>) -> Control {
        Control { commands }
    }

    /// The counters of the driver and its switchboard, taken between two turns of its loop.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn report(&self) -> Result<Report, Stopped> {
        let (requester, answer) = oneshot::channel();
        self.send(Command::Count(requester)).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// Applies `config` to new calls. Calls in progress keep their configuration. The listeners must be those that the
    /// driver has.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn configure(&self, config: Arc<Config>) -> Result<(), Stopped> {
        self.send(Command::Input(Input::Configure(config))).await
    }

    /// Answers a question of [`Driver::questions`](crate::Driver::questions).
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn decide(&self, token: Token, decision: Decision) -> Result<(), Stopped> {
        self.send(Command::Input(Input::Decided { token, decision })).await
    }

    /// Asks the driver to begin no new calls, except emergency calls. Other requests that would begin something get a
    /// 503. Calls in progress continue. [`drain`](crate::drain()) does this and the steps that follow.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn drain(&self) -> Result<(), Stopped> {
        self.send(Command::Input(Input::Drain)).await
    }

    /// Asks the driver to hang up all calls, and to begin no new calls. Answered calls end with BYE to both parties.
    /// Other calls end with 503 to the caller and CANCEL to the callee.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn hang_up(&self) -> Result<(), Stopped> {
        self.send(Command::Input(Input::HangUp)).await
    }

    /// Waits until no call is live and no MESSAGE waits for its final response.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn emptied(&self) -> Result<(), Stopped> {
        self.wait_idle(IdleLevel::Empty).await
    }

    /// Waits until no call is live and every request has its final response.
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

    /// Asks the driver to stop at once. The driver sends what waits for room in its sockets and connections, closes
    /// them, and its `run` returns. Calls in progress do not get a BYE.
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

/// The driver has stopped.
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
    /// The counts of its switchboard.
    pub calls: Counters,
    /// The counts of its sockets and channels.
    pub shell: ShellCounters,
}

/// What the shell itself counts. All counts only grow, except the gauges of the switchboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShellCounters {
    /// Datagrams that were passed to the switchboard.
    pub datagrams_received: u64,
    /// Octets of all received datagrams, including keep-alives.
    pub octets_received: u64,
    /// Keep-alives: datagrams that contain only line ends or NULs, and empty datagrams. The switchboard does not get
    /// them.
    pub keepalives: u64,
    /// Errors that the network reported for datagrams sent earlier. The switchboard gets those that say that the peer
    /// is unreachable.
    pub receive_errors: u64,
    /// Datagrams that the operating system dropped because the receive buffer of a socket was full.
    pub datagrams_dropped: u64,
    /// Datagrams that the operating system took, or that wait for room.
    pub datagrams_sent: u64,
    /// Octets of the sent datagrams.
    pub octets_sent: u64,
    /// Datagrams, and messages for stream connections, that could not be sent. The switchboard is told about each.
    pub send_failures: u64,
    /// Call events that were dropped because their channel was full: the reader is too slow.
    pub events_dropped: u64,
    /// Questions of the policy that were dropped because their channel was full or had no reader.
    pub questions_dropped: u64,
    /// Targets that were searched in DNS. Targets that are addresses are not counted.
    pub resolutions: u64,
    /// Searches that led to more names or addresses than the search uses.
    pub resolutions_cut: u64,
    /// Certificates that could not be requested: there is no service, or its queue is full.
    pub certificates_unasked: u64,
    /// The counts of stream connections.
    pub streams: StreamCounters,
    /// Datagrams from unknown sources that were dropped unread because they exceeded the rate limit. No trunk claims
    /// the source, and the datagram belongs to no call of ours.
    pub unknown_sources_dropped: u64,
    /// Messages that were handed over to the worker that owns them.
    pub handed_over: u64,
    /// Messages that were lost because the queue of the worker that owns them was full. This is like a loss on the
    /// wire.
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
        // Destructured, so that the compiler reports a forgotten counter.
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
    /// A request for the counters.
    Count(oneshot::Sender<Report>),
    /// A request to be told when the driver is idle.
    WaitIdle(IdleWaiter),
    /// A request to stop.
    Stop,
}

/// How idle a driver must be before its waiter is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdleLevel {
    /// No call is live.
    Empty,
    /// No call is live, and every request has its final response.
    Settled,
}

/// A caller of [`Control`] that waits until the driver is idle.
#[derive(Debug)]
pub(crate) struct IdleWaiter {
    pub(crate) level: IdleLevel,
    pub(crate) done: oneshot::Sender<()>,
}
