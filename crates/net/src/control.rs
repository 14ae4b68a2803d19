//! What the rest of the program asks of a running driver.

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

    /// The counters of the driver and its switchboard, as they stand between two turns of its loop.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn report(&self) -> Result<Report, Stopped> {
        let (asker, answer) = oneshot::channel();
        self.send(Command::Count(asker)).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// Puts new calls under `config`; those in progress keep theirs. Its listeners must be those that the driver has.
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

    /// Asks the driver to begin no calls any more, but for emergency calls: what else would begin something gets a 503. Calls
    /// in progress go on. [`drain`](crate::drain()) does this, and what follows.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn drain(&self) -> Result<(), Stopped> {
        self.send(Command::Input(Input::Drain)).await
    }

    /// Asks the driver to hang up all calls, and to begin none any more: answered ones by BYE to both parties, others by 503
    /// to the caller and CANCEL to the callee.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn hang_up(&self) -> Result<(), Stopped> {
        self.send(Command::Input(Input::HangUp)).await
    }

    /// Waits until no call lives, and no MESSAGE is on its way.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn emptied(&self) -> Result<(), Stopped> {
        self.wait_idle(IdleLevel::Empty).await
    }

    /// Waits until nothing is owed to anybody: no call lives, and every request has its final response.
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

    /// Asks the driver to stop at once: it sends what waits for room in its sockets and connections, closes them, then its `run`
    /// returns. Calls in progress are left as they are.
    ///
    /// # Errors
    /// [`Stopped`], if it already has.
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

/// What a driver has counted since its start.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of its switchboard.
    pub calls: Counters,
    /// Of its sockets and channels.
    pub shell: ShellCounters,
}

/// What the shell counts by itself. All but the gauges of the switchboard only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShellCounters {
    /// Datagrams that were handed to the switchboard.
    pub datagrams_received: u64,
    /// Octets of all datagrams received, keep-alives too.
    pub octets_received: u64,
    /// Datagrams of nothing but line ends or NULs, and empty ones: they go no further.
    pub keepalives: u64,
    /// Errors that the network reported for datagrams sent earlier. The switchboard hears of those that say that there is no
    /// way to the peer.
    pub receive_errors: u64,
    /// Datagrams that the operating system dropped because the receive buffer of a socket was full.
    pub datagrams_dropped: u64,
    /// Datagrams that the operating system took, or that wait for room.
    pub datagrams_sent: u64,
    /// Octets of those.
    pub octets_sent: u64,
    /// Datagrams, and messages for stream connections, that could not be sent; the switchboard hears of each.
    pub send_failures: u64,
    /// Call events for which there was no room: the reader is too slow.
    pub events_dropped: u64,
    /// Questions of the policy for which there was nobody, or no room.
    pub questions_dropped: u64,
    /// Targets that were searched for in DNS: those that name an address are not.
    pub resolutions: u64,
    /// Of those, the ones that led to more names or addresses than are looked at.
    pub resolutions_cut: u64,
    /// Certificates that could not be asked for: there is no service, or its queue is full.
    pub certificates_unasked: u64,
    /// Of stream connections.
    pub streams: StreamCounters,
    /// Datagrams from addresses that no trunk claims, of no call of ours, that came too fast and were dropped unread.
    pub strangers_dropped: u64,
    /// Messages that went to another worker, since they belong to it.
    pub handed_over: u64,
    /// Messages that should have, and found its queue full: lost as on the wire.
    pub handovers_dropped: u64,
}

impl Report {
    /// Adds what another worker counted.
    pub fn add(&mut self, other: &Report) {
        self.calls.add(&other.calls);
        self.shell.add(&other.shell);
    }
}

impl ShellCounters {
    /// Adds what another driver counted.
    pub fn add(&mut self, other: &ShellCounters) {
        // Taken apart, so that no counter is forgotten.
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
            strangers_dropped,
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
        self.strangers_dropped += strangers_dropped;
        self.handed_over += handed_over;
        self.handovers_dropped += handovers_dropped;
    }
}

/// What is put into a driver's inbox.
#[derive(Debug)]
pub(crate) enum Command {
    /// For the switchboard.
    Input(Input),
    /// What a target led to.
    Found(Token, Found),
    /// For whom the counters are wanted.
    Count(oneshot::Sender<Report>),
    /// Somebody waits until the driver has come to rest.
    WaitIdle(IdleWaiter),
    /// The end.
    Stop,
}

/// How idle a driver has to be before a waiter hears of it.
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
