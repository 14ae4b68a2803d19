//! The main loop. Its inputs are datagrams, timers and answers. Its outputs are datagrams, questions and events.

mod wait;
mod wake;
mod workers;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use attesta_b2bua::{CallEvent, Input, Now, Output, Policy, Question, SignError, Switchboard, Token};
use attesta_transaction::{Flow, Seed, Transmit, Transport, WorkerHint, WorkerId};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::alarm::Alarm;
use crate::certificate_service::Certificates;
use crate::clock::Clock;
use crate::control::{Command, Control, IdleLevel, IdleWaiter, Report, ShellCounters};
use crate::driver::wake::{PAUSE, Wake};
use crate::names::Names;
use crate::names::directory::Directory;
use crate::resolve::search::Found;
use crate::resolve::{Lookup, Resolution};
use crate::streams::Streams;
use crate::streams::ended::Ended;
use crate::streams::event::{StreamEvent, Unsent};
use crate::streams::limits::StreamLimits;
use crate::tcp::Acceptor;
use crate::udp::{Arrival, Udp};
use crate::unknown_sources::UnknownSourceLimiter;
use crate::worker_links::{Handover, WorkerLinks};

/// Drives one [`Switchboard`] on the sockets of the driver.
///
/// The future of [`Driver::run`] is the whole worker. It starts tasks only for name lookups, holds no lock, and waits only for
/// its next input.
pub struct Driver<P: Policy> {
    switchboard: Switchboard<P>,
    sockets: Vec<Udp>,
    streams: Streams,
    worker_links: Option<WorkerLinks>,
    unknown_sources: UnknownSourceLimiter,
    certificates: Option<Certificates>,
    names: Option<Arc<dyn Names>>,
    events: Option<mpsc::Sender<CallEvent>>,
    questions: Option<mpsc::Sender<(Token, Question)>>,
    commands: mpsc::Sender<Command>,
    inbox: mpsc::Receiver<Command>,
    batch: Vec<Arrival>,
    /// Messages sent earlier that did not arrive, as the network reports.
    lost: Vec<Transmit>,
    stream_events: Vec<StreamEvent>,
    /// The items that other workers have handed over.
    handovers: Vec<Handover>,
    /// Messages from connections that wait for room in the queue of the worker that owns them. Meanwhile, no further message is
    /// taken from connections, because the sender of a message over a stream never repeats it.
    waiting_handovers: VecDeque<(WorkerId, Handover)>,
    /// True if a socket may hold more datagrams than this turn has received.
    has_more: bool,
    answers: VecDeque<Input>,
    /// The callers that wait until this driver is idle.
    idle_waiters: Vec<IdleWaiter>,
    alarm: Alarm,
    counters: ShellCounters,
}

/// Whether the loop continues.
#[derive(PartialEq, Eq)]
enum LoopControl {
    Continue,
    Stop,
}

impl<P: Policy> Driver<P> {
    /// Creates a driver of `switchboard` on `sockets`. The addresses of the sockets must be those of the listeners in
    /// the configuration.
    ///
    /// Must be called within a tokio runtime with its I/O and time drivers enabled.
    pub fn new(switchboard: Switchboard<P>, sockets: Vec<Udp>) -> Driver<P> {
        let (commands, inbox) = mpsc::channel(INBOX);
        Driver {
            switchboard,
            sockets,
            streams: Streams::new(Vec::new(), StreamLimits::default()),
            worker_links: None,
            unknown_sources: UnknownSourceLimiter::default(),
            certificates: None,
            names: None,
            events: None,
            questions: None,
            commands,
            inbox,
            batch: Vec::new(),
            lost: Vec::new(),
            stream_events: Vec::new(),
            handovers: Vec::new(),
            waiting_handovers: VecDeque::new(),
            has_more: false,
            answers: VecDeque::new(),
            idle_waiters: Vec::new(),
            alarm: Alarm::new(),
            counters: ShellCounters::default(),
        }
    }

    /// Sets the addresses that accept stream connections, and the limits of connections. Default: no addresses. The
    /// driver opens connections only for transports that have an address here.
    pub fn streams(mut self, acceptors: Vec<Acceptor>, limits: StreamLimits) -> Driver<P> {
        self.streams = Streams::new(acceptors, limits);
        self
    }

    /// Sets the links to the other workers of an edge. The drivers of the workers run side by side. The switchboard of each
    /// worker has a place with the same worker number as its links. The sockets of all workers have the same addresses
    /// ([`UdpOptions::shared`](crate::UdpOptions::shared)). Default: no other workers.
    pub fn worker_links(mut self, links: WorkerLinks) -> Driver<P> {
        self.worker_links = Some(links);
        self
    }

    /// Sets the certificate service. Without a service, a call that needs a certificate waits for its whole budget in vain.
    pub fn certificates(mut self, certificates: Certificates) -> Driver<P> {
        self.certificates = Some(certificates);
        self
    }

    /// Sets the resolver of names. Default: a new [`Directory`] that uses the name servers of the system.
    pub fn names(mut self, names: Arc<dyn Names>) -> Driver<P> {
        self.names = Some(names);
        self
    }

    /// Sets the channel for call events. If the channel is full, events are dropped and counted: a slow reader loses records,
    /// but never calls. Default: no channel.
    pub fn events(mut self, events: mpsc::Sender<CallEvent>) -> Driver<P> {
        self.events = Some(events);
        self
    }

    /// Sets the channel for the questions that the policy answers later. [`Control::decide`] receives the answers. If the
    /// channel is full, the question is dropped and counted, and its call waits for its whole time. Default: no channel.
    pub fn questions(mut self, questions: mpsc::Sender<(Token, Question)>) -> Driver<P> {
        self.questions = Some(questions);
        self
    }

    /// Returns a handle to the running driver. Dropping the handle does not stop the driver.
    pub fn control(&self) -> Control {
        Control::new(self.commands.clone())
    }

    /// Runs until [`Control::stop`] or the end of [`drain`](crate::drain()), and returns the last counters.
    pub async fn run(mut self) -> Report {
        let mut wake = Wake::Certificates;
        while self.turn(wake) == LoopControl::Continue {
            if std::mem::take(&mut self.has_more) {
                // A fast sender must not block other tasks on this thread.
                yield_now().await;
            }
            wake = self.wait().await;
        }
        self.flush_and_close().await;
        self.report()
    }

    /// One turn of the loop. Reads the clock once, after it has received the batch.
    fn turn(&mut self, wake: Wake) -> LoopControl {
        let now = match wake {
            Wake::Command(Command::Stop) => return LoopControl::Stop,
            Wake::Command(Command::Count(requester)) => {
                // An error means that the requester no longer exists and needs no answer.
                let _ = requester.send(self.report());
                return LoopControl::Continue;
            }
            Wake::Command(Command::WaitIdle(waiter)) => {
                self.idle_waiters.push(waiter);
                self.notify_idle_waiters();
                return LoopControl::Continue;
            }
            Wake::Command(Command::Input(input)) => {
                let now = Clock::now();
                self.feed(now, input);
                now
            }
            Wake::Command(Command::Found(token, Found { result, truncated })) => {
                self.counters.resolutions += 1;
                self.counters.resolutions_cut += u64::from(truncated);
                let now = Clock::now();
                self.feed(now, Input::Resolved { token, result });
                now
            }
            Wake::Certificates => {
                let now = Clock::now();
                self.learn_certificates(now);
                now
            }
            Wake::Alarm | Wake::Room => Clock::now(),
            Wake::LinkRoom { is_open } => {
                if !is_open && self.waiting_handovers.pop_front().is_some() {
                    self.counters.handovers_dropped += 1;
                }
                self.send_waiting_handovers();
                Clock::now()
            }
            Wake::Sockets => {
                self.receive();
                let switchboard = &self.switchboard;
                self.streams.take(&mut self.stream_events, &|flow| switchboard.claims(flow));
                let now = Clock::now();
                self.feed_batch(now);
                self.feed_stream_events(now);
                self.accept_handovers(now);
                now
            }
        };
        if self.alarm.is_due(now.mono) {
            self.feed(now, Input::Timeout);
        }
        self.flush(now);
        self.notify_idle_waiters();
        self.alarm.arm();
        LoopControl::Continue
    }

    /// Notifies the waiters whose idle level is reached, and removes the waiters that no longer exist.
    fn notify_idle_waiters(&mut self) {
        let is_reached = |waiter: &mut IdleWaiter| match waiter.level {
            IdleLevel::Empty => self.switchboard.is_empty(),
            IdleLevel::Settled => self.switchboard.is_settled(),
        };
        for waiter in self.idle_waiters.extract_if(.., is_reached) {
            let _ = waiter.done.send(());
        }
        self.idle_waiters.retain(|waiter| !waiter.done.is_closed());
    }

    fn receive(&mut self) {
        for socket in &mut self.sockets {
            let received = socket.receive(|arrival| self.batch.push(arrival), |lost| self.lost.push(lost));
            self.counters.keepalives += received.keepalives;
            self.counters.receive_errors += received.errors;
            self.counters.octets_received += received.octets;
            self.counters.datagrams_dropped += received.dropped;
            self.has_more |= received.full;
        }
        self.counters.datagrams_received += self.batch.len() as u64;
    }

    fn feed_batch(&mut self, now: Now) {
        let mut batch = std::mem::take(&mut self.batch);
        for Arrival { local, remote, data } in batch.drain(..) {
            let flow = Flow::udp(local, remote);
            if self.is_over_unknown_source_limit(now, &flow, &data) {
                self.counters.unknown_sources_dropped += 1;
            } else {
                self.arrived(now, flow, data);
            }
        }
        self.batch = batch;
        for transmit in std::mem::take(&mut self.lost) {
            self.did_not_arrive(Unsent::refused(transmit));
        }
    }

    /// True if an unknown source exceeds its rate limit and the message matches no call of this edge.
    fn is_over_unknown_source_limit(&mut self, now: Now, flow: &Flow, data: &[u8]) -> bool {
        !self.switchboard.knows(flow)
            && WorkerHint::of_received(data).place.is_none()
            && !self.unknown_sources.admits(now.mono)
    }

    /// Handles the reports of stream connections.
    fn feed_stream_events(&mut self, now: Now) {
        let mut stream_events = std::mem::take(&mut self.stream_events);
        for event in stream_events.drain(..) {
            match event {
                StreamEvent::Message { flow, data } => self.arrived(now, flow, data),
                StreamEvent::Unreadable { flow, error } => {
                    let connection = flow.connection;
                    self.feed(now, Input::Unreadable { flow, error });
                    if let Some(id) = connection {
                        self.streams.close(id, Ended::Framing);
                    }
                }
                StreamEvent::Failed(unsent) => self.did_not_arrive(unsent),
                StreamEvent::Reached((requester, token), result) => self.reached(requester, token, result),
            }
        }
        self.stream_events = stream_events;
    }

    fn learn_certificates(&mut self, now: Now) {
        if let Some(certificates) = &mut self.certificates {
            let snapshot = certificates.snapshot();
            self.feed(now, Input::Certificates(snapshot));
        }
    }

    /// Passes one input to the switchboard. Handles all outputs and immediate answers that result.
    fn feed(&mut self, now: Now, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next {
            self.switchboard.handle_input(now, input);
            self.drain();
            if self.sockets.iter().any(Udp::has_batch) {
                self.flush_sockets();
            }
            next = self.answers.pop_front();
        }
    }

    /// Handles all outputs of the switchboard. Adds immediate answers to `answers`.
    fn drain(&mut self) {
        loop {
            match self.switchboard.poll_output() {
                Output::Transmit(transmit) => self.transmit(transmit),
                Output::Resolve { token, target, transports, seed } => {
                    match Resolution::of(target, transports) {
                        Resolution::Known(result) => {
                            self.answers.push_back(Input::Resolved { token, result });
                        }
                        Resolution::Lookup(lookup) => self.look_up(token, lookup, seed),
                    }
                }
                Output::Reach { token, flow } => self.reach(token, flow),
                Output::FetchCertificate(url) => {
                    let asked = self.certificates.as_ref().is_some_and(|certificates| certificates.want(url));
                    self.counters.certificates_unasked += u64::from(!asked);
                }
                // This driver has no external signer.
                Output::Sign { token, .. } => {
                    self.answers.push_back(Input::Signed { token, result: Err(SignError::Unavailable) });
                }
                Output::Decide { token, question } => {
                    let asked = self
                        .questions
                        .as_ref()
                        .is_some_and(|asked| asked.try_send((token, question)).is_ok());
                    self.counters.questions_dropped += u64::from(!asked);
                }
                Output::FindDialog { token, place, dialog } => self.find_dialog(token, place, dialog),
                Output::Event(event) => self.publish(event),
                Output::Timeout(deadline) => {
                    self.alarm.set(deadline);
                    return;
                }
            }
        }
    }

    fn look_up(&mut self, token: Token, lookup: Lookup, seed: Seed) {
        let names = Arc::clone(self.names.get_or_insert_with(|| Arc::new(Directory::system())));
        let commands = self.commands.clone();
        tokio::spawn(async move {
            let found = lookup.run(names, seed).await;
            // An error means that the driver has stopped and needs no answer.
            let _ = commands.send(Command::Found(token, found)).await;
        });
    }

    /// Queues a message. The queue is flushed at the end of the turn with as few system calls as possible.
    fn transmit(&mut self, transmit: Transmit) {
        if let Some(owner) = self.other_worker(|links| links.transport_owner(&transmit.flow)) {
            if let Some(Handover::Transmit(transmit)) = self.hand_over(owner, Handover::Transmit(transmit)) {
                self.fail(Unsent::no_room(transmit));
            }
            return;
        }
        let Transmit { flow, payload } = &transmit;
        let octets = payload.len() as u64;
        let socket = match flow.transport {
            Transport::Udp => self.sockets.iter_mut().find(|socket| socket.serves(flow.local)),
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                if let Some(unsent) = self.streams.send(transmit) {
                    self.fail(unsent);
                }
                return;
            }
        };
        let Some(socket) = socket else {
            tracing::debug!(?flow, "cannot send: no socket for this flow");
            return self.fail(Unsent::refused(transmit));
        };
        match socket.send(flow.local, flow.remote, payload.clone()) {
            Ok(()) => {
                tracing::trace!(?flow, octets, "sent");
                self.counters.datagrams_sent += 1;
                self.counters.octets_sent += octets;
            }
            Err(error) => self.unsent(transmit, &error),
        }
    }

    /// Handles a message that could not be sent. The switchboard gets an event, unless the error is transient.
    fn unsent(&mut self, transmit: Transmit, error: &io::Error) {
        tracing::debug!(flow = ?transmit.flow, %error, "cannot send");
        if is_transient(error) {
            self.counters.send_failures += 1;
        } else {
            self.fail(Unsent::refused(transmit));
        }
    }

    fn fail(&mut self, unsent: Unsent) {
        self.counters.send_failures += 1;
        self.did_not_arrive(unsent);
    }

    /// Informs the worker that sent the message.
    fn did_not_arrive(&mut self, unsent: Unsent) {
        match self.other_worker(|links| links.owner(&WorkerHint::of_sent(&unsent.transmit.payload))) {
            Some(other) => drop(self.hand_over(other, Handover::Failed(unsent))),
            None => self.answers.push_back(unsent.into()),
        }
    }

    /// Sends the queued datagrams, and handles the failures.
    fn flush(&mut self, now: Now) {
        loop {
            self.flush_sockets();
            let Some(failed) = self.answers.pop_front() else { return };
            self.feed(now, failed);
        }
    }

    fn flush_sockets(&mut self) {
        let mut failed = Vec::new();
        for socket in self.sockets.iter_mut().filter(|socket| socket.is_waiting()) {
            socket.flush(|transmit, error| failed.push((transmit, error)));
        }
        for (transmit, error) in failed {
            self.unsent(transmit, &error);
        }
    }

    fn publish(&mut self, event: CallEvent) {
        if let Some(events) = &self.events {
            self.counters.events_dropped += u64::from(events.try_send(event).is_err());
        }
    }

    /// Closes the connections. Sends the queued datagrams while the operating system accepts them, for at most [`FLUSH_GRACE`].
    async fn flush_and_close(&mut self) {
        self.streams.stop().await;
        let sockets = &mut self.sockets;
        let flushed = async {
            while sockets.iter().any(Udp::is_waiting) {
                sleep(PAUSE).await;
                sockets.iter_mut().for_each(|socket| socket.flush(|_, _| {}));
            }
        };
        // A datagram that is not sent within this time is lost, like a datagram in the network.
        let _ = timeout(FLUSH_GRACE, flushed).await;
    }

    fn report(&self) -> Report {
        let shell = ShellCounters { streams: self.streams.counters(), ..self.counters };
        Report { calls: self.switchboard.counters(), shell }
    }
}

/// True if the send buffer is full at the moment. The datagram is lost as in the network, and its sender retransmits it. A
/// report of a broken transport would end calls that a retransmission can save (RFC 3261 section 17.1.1.2).
fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::OutOfMemory)
        || (cfg!(target_os = "linux") && error.raw_os_error() == Some(LINUX_ENOBUFS))
}

/// The most commands that may wait for the loop: results of name lookups, decisions, requests from the program.
const INBOX: usize = 1024;

/// The queue of the network device is full. `std` has no error kind for this.
const LINUX_ENOBUFS: i32 = 105;

/// The time for which a stopping driver tries to send the datagrams that wait for room in the send buffer.
const FLUSH_GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
