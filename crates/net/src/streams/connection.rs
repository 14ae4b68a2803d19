//! One connection. Its task reads and writes octets, and watches the time limits.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::streams::ended::Ended;
use crate::streams::link::{Closed, ConnectionEvent, ConnectionReport, Link, drain, expects_response};
use crate::streams::wire::{Fault, Found, Outgoing, Wire};

/// An open connection. SIP may use any layer below.
pub(crate) struct Connection<S, W> {
    stream: S,
    wire: W,
    link: Link,
    outgoing: Outgoing,
    /// True if a lower layer may still keep written octets in a buffer.
    unflushed: bool,
    /// The messages in `outgoing`.
    batch: Vec<Bytes>,
    /// Requests that were written since the last message of the peer. If the connection ends now, the peer may not have read
    /// these requests.
    recent: VecDeque<Bytes>,
    /// An event that the driver has not taken yet. The connection reads no further octets until the event is taken.
    waiting: Option<ConnectionEvent>,
    alarm: Alarm,
    times: Times,
    phase: Phase,
    had_input: bool,
    /// True if the peer may have sent more than we have read.
    unread: bool,
}

/// The times of the last events.
#[derive(Debug)]
struct Times {
    /// The time of the last message. A keep-alive counts too, if the peer opened the connection. Without a message, this is the
    /// time at which the connection opened.
    active: Instant,
    /// The time of the first octet of the message that is arriving.
    began: Option<Instant>,
    /// The time at which octets were last written, or began to wait.
    written: Instant,
    /// The time of our last keep-alive.
    pinged: Instant,
    /// True if our last keep-alive has no answer.
    unanswered: bool,
    /// True if the peer has ever answered a keep-alive.
    answers: bool,
}

/// The state of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// The peer has closed its side. We may still send until this time.
    HalfClosed(Instant),
    /// The input is unreadable. We may still send the answer until this time.
    Unreadable(Instant),
    /// Reading has ended, and no further message is taken from the queue. After the remaining octets are sent, the connection
    /// closes for this reason.
    Closing(Ended),
}

/// The reason for which the connection's task woke up.
enum Event {
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    Room,
    Queue(usize),
    Alarm,
    Cut(Ended),
}

impl<S: AsyncRead + AsyncWrite + Unpin, W: Wire> Connection<S, W> {
    pub(crate) fn new(stream: S, wire: W, link: Link) -> Connection<S, W> {
        let now = Clock::mono();
        Connection {
            stream,
            wire,
            link,
            outgoing: Outgoing::default(),
            unflushed: false,
            batch: Vec::new(),
            recent: VecDeque::new(),
            waiting: None,
            alarm: Alarm::new(),
            times: Times {
                active: now,
                began: None,
                written: now,
                pinged: now,
                unanswered: false,
                answers: false,
            },
            phase: Phase::Open,
            had_input: false,
            unread: false,
        }
    }

    /// Carries messages until the connection ends. The last report is the end of the connection.
    pub(crate) async fn run(mut self) {
        // The handshake may have read octets that belong to the first message.
        self.read_messages();
        let reason = loop {
            self.alarm.set(self.deadline());
            self.alarm.arm();
            let ended = match self.next().await {
                Event::Read(Ok(0)) => self.half_close(),
                Event::Read(Ok(_)) => self.read_messages(),
                Event::Read(Err(error)) | Event::Wrote(Err(error)) => {
                    tracing::debug!(id = self.link.id.0, %error, "connection broke");
                    Some(Ended::Broken)
                }
                Event::Wrote(Ok(octets)) => {
                    self.wrote(octets);
                    None
                }
                Event::Room => self.read_messages(),
                Event::Queue(0) => {
                    self.phase = Phase::Closing(Ended::Stopped);
                    None
                }
                Event::Queue(_) => {
                    self.take_batch();
                    None
                }
                Event::Alarm => self.overdue(Clock::mono()),
                Event::Cut(reason) => Some(reason),
            };
            if let Some(reason) = ended {
                break reason;
            }
            if let Phase::Closing(reason) = self.phase
                && self.outgoing.is_empty()
                && !self.unflushed
            {
                self.shut_down().await;
                break reason;
            }
        };
        self.end(reason).await;
    }

    /// Waits for the next event.
    async fn next(&mut self) -> Event {
        let reads = self.waiting.is_none()
            && self.phase == Phase::Open
            && self.outgoing.cost() <= self.link.limits.room(self.link.outbound);
        let takes = self.outgoing.is_empty() && !matches!(self.phase, Phase::Closing(_));
        let Connection { stream, wire, outgoing, unflushed, batch, waiting, alarm, link, .. } = self;
        let Link { queue, reports, abort, id, .. } = link;
        tokio::select! {
            event = poll_fn(|cx| poll_stream(stream, wire, outgoing, unflushed, reads, cx)) => event,
            permit = reports.reserve(), if waiting.is_some() => {
                if let (Ok(permit), Some(event)) = (permit, waiting.take()) {
                    permit.send(ConnectionReport { id: *id, event });
                }
                Event::Room
            }
            count = queue.recv_many(batch, BATCH), if takes => Event::Queue(count),
            () = alarm.rings() => Event::Alarm,
            reason = aborted(abort) => Event::Cut(reason),
        }
    }

    /// Reads the messages from the received octets, until the driver has no room for a message.
    fn read_messages(&mut self) -> Option<Ended> {
        if self.phase != Phase::Open {
            return None;
        }
        let now = Clock::mono();
        while let Some(found) = self.wire.poll(&mut self.outgoing) {
            let event = match found {
                Ok(Found::Message { data, alias }) => {
                    self.times.active = now;
                    self.times.began = None;
                    self.had_input = true;
                    self.recent.clear();
                    ConnectionEvent::Message { data, alias }
                }
                Ok(Found::KeepAlive) => {
                    if !self.link.outbound {
                        self.times.active = now;
                    }
                    continue;
                }
                Ok(Found::Pong) => {
                    if !self.link.outbound {
                        self.times.active = now;
                    }
                    self.times.answers |= self.times.unanswered;
                    self.times.unanswered = false;
                    continue;
                }
                Ok(Found::Close) => {
                    self.phase = Phase::Closing(Ended::ByPeer);
                    break;
                }
                Err(Fault::Frames) => {
                    self.phase = Phase::Closing(Ended::Framing);
                    self.unread = true;
                    break;
                }
                Err(Fault::Message(error)) => {
                    self.phase = Phase::Unreadable(now + CLOSE_GRACE);
                    self.unread = true;
                    ConnectionEvent::Unreadable(error)
                }
            };
            let report = ConnectionReport { id: self.link.id, event };
            if let Err(refused) = self.link.reports.try_send(report) {
                let (mpsc::error::TrySendError::Full(report) | mpsc::error::TrySendError::Closed(report)) =
                    refused;
                self.waiting = Some(report.event);
            }
            if self.waiting.is_some() || self.phase != Phase::Open {
                break;
            }
        }
        self.times.began = match (self.wire.is_within_message(), self.waiting.is_some()) {
            // The sender is not too slow if we do not read.
            (true, true) => Some(now),
            (true, false) => self.times.began.or(Some(now)),
            (false, _) => None,
        };
        None
    }

    fn half_close(&mut self) -> Option<Ended> {
        self.phase = Phase::HalfClosed(Clock::mono() + LINGER);
        self.waiting = Some(ConnectionEvent::HalfClosed);
        self.wire.is_within_message().then_some(Ended::ByPeer)
    }

    /// Queues the messages of the batch for writing.
    fn take_batch(&mut self) {
        let now = Clock::mono();
        self.times.written = now;
        self.times.active = now;
        for message in &self.batch {
            self.wire.write(message.clone(), &mut self.outgoing);
        }
    }

    fn wrote(&mut self, octets: usize) {
        self.times.written = Clock::mono();
        self.outgoing.advance(octets);
        if !self.outgoing.is_empty() {
            return;
        }
        for message in self.batch.drain(..) {
            self.link.queued.fetch_sub(message.len(), Ordering::Relaxed);
            if expects_response(&message) {
                if self.recent.len() >= RECENT {
                    self.recent.pop_front();
                }
                self.recent.push_back(message);
            }
        }
        if let Phase::HalfClosed(_) = self.phase {
            self.phase = Phase::HalfClosed(self.times.written + LINGER);
        }
    }

    /// Returns the time of the next action, if no other event occurs before.
    fn deadline(&self) -> Option<Instant> {
        let Times { began, written, .. } = self.times;
        let limits = &self.link.limits;
        let reading = match self.phase {
            Phase::Open if self.waiting.is_some() => None,
            Phase::Open => Some(began.map_or(self.idle_until(), |began| began + limits.message)),
            Phase::HalfClosed(until) | Phase::Unreadable(until) => Some(until),
            Phase::Closing(_) => None,
        };
        let writing = (!self.outgoing.is_empty()).then(|| written + limits.stalled);
        [reading, writing, self.next_ping()].into_iter().flatten().min()
    }

    /// Returns the time at which a connection without a message is closed.
    fn idle_until(&self) -> Instant {
        let limits = &self.link.limits;
        let limit = if self.had_input || self.link.outbound { limits.idle } else { limits.first_message };
        self.times.active + limit
    }

    /// Returns the time at which the next keep-alive is due, or the answer to the last keep-alive.
    fn next_ping(&self) -> Option<Instant> {
        let asks = self.link.outbound || self.wire.pings_inbound();
        let interval = self.link.limits.keep_alive.filter(|_| asks && self.phase == Phase::Open)?;
        let Times { pinged, unanswered, answers, .. } = self.times;
        Some(pinged + if unanswered && answers { PONG.min(interval) } else { interval })
    }

    /// Handles a deadline. Returns the reason if the connection ends.
    fn overdue(&mut self, now: Instant) -> Option<Ended> {
        if !self.outgoing.is_empty() && self.times.written + self.link.limits.stalled <= now {
            return Some(Ended::SlowReader);
        }
        match self.phase {
            Phase::Open if self.waiting.is_none() => match self.times.began {
                Some(began) if began + self.link.limits.message <= now => return Some(Ended::SlowSender),
                None if self.idle_until() <= now => {
                    return Some(if self.had_input || self.link.outbound {
                        Ended::Idle
                    } else {
                        Ended::Silent
                    });
                }
                Some(_) | None => {}
            },
            Phase::HalfClosed(until) if until <= now => return Some(Ended::ByPeer),
            Phase::Unreadable(until) if until <= now => return Some(Ended::Framing),
            Phase::Open | Phase::HalfClosed(_) | Phase::Unreadable(_) | Phase::Closing(_) => {}
        }
        if self.next_ping().is_some_and(|due| due <= now) {
            if self.times.unanswered && self.times.answers {
                return Some(Ended::NoPong);
            }
            if self.outgoing.is_empty() {
                self.times.written = now;
            }
            self.wire.ping(&mut self.outgoing);
            self.times.pinged = now;
            self.times.unanswered = true;
        }
        None
    }

    /// Closes our side. If we have stopped reading, reads and discards further input for a short time. The system resets a
    /// connection that is closed with unread input. The peer would then lose an answer that it has not read yet.
    async fn shut_down(&mut self) {
        let (stream, unread) = (&mut self.stream, self.unread);
        let shutting_down = async {
            poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx)).await?;
            let mut read = 0;
            while unread && read < UNREAD {
                match poll_fn(|cx| poll_read(&mut *stream, cx, |_| {})).await? {
                    0 => break,
                    octets => read += octets,
                }
            }
            Ok::<_, io::Error>(())
        };
        // We stop waiting for a peer that does not read and does not close.
        let _ = timeout(CLOSE_GRACE, shutting_down).await;
    }

    /// Reports the end of the connection, with all messages that may not have arrived.
    async fn end(mut self, reason: Ended) {
        if let Some(event @ ConnectionEvent::Message { .. }) = self.waiting.take() {
            self.link.report(event).await;
        }
        let mut unsent: Vec<_> = self.recent.into();
        unsent.append(&mut self.batch);
        unsent.append(&mut drain(&mut self.link.queue));
        let closed = Closed { reason, unsent, had_input: self.had_input };
        self.link.report(ConnectionEvent::Closed(closed)).await;
    }
}

/// Writes waiting octets, or reads if none wait, as far as possible without waiting.
fn poll_stream<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    wire: &mut impl Wire,
    outgoing: &Outgoing,
    unflushed: &mut bool,
    reads: bool,
    cx: &mut Context<'_>,
) -> Poll<Event> {
    if !outgoing.is_empty() {
        let slices = outgoing.slices();
        if let Poll::Ready(written) = Pin::new(&mut *stream).poll_write_vectored(cx, &slices) {
            *unflushed = true;
            return Poll::Ready(Event::Wrote(match written {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                other => other,
            }));
        }
    } else if *unflushed && let Poll::Ready(flushed) = Pin::new(&mut *stream).poll_flush(cx) {
        *unflushed = false;
        return Poll::Ready(Event::Wrote(flushed.map(|()| 0)));
    }
    if reads {
        return poll_read(stream, cx, |octets| wire.push(octets)).map(Event::Read);
    }
    Poll::Pending
}

/// Reads into a buffer on the stack, so that an idle connection has no buffer.
fn poll_read<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    let mut slot = [MaybeUninit::uninit(); SLOT];
    let mut buffer = ReadBuf::uninit(&mut slot);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    take(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Returns when the driver aborts the connection. The driver closes a connection normally through the queue.
async fn aborted(abort: &mut oneshot::Receiver<Ended>) -> Ended {
    if abort.is_terminated() {
        return pending().await;
    }
    match abort.await {
        Ok(reason) => reason,
        Err(_) => pending().await,
    }
}

/// The most octets of one read.
const SLOT: usize = 16 * 1024;

/// The most messages that are taken from the queue at once.
const BATCH: usize = 16;

/// The most requests that are kept until the peer sends a message.
const RECENT: usize = 32;

/// The longest time until the answer to a keep-alive (RFC 5626 section 4.4.1).
const PONG: Duration = Duration::from_secs(10);

/// The time for which a connection stays open for our messages after the peer has closed its side. Also the time after our last
/// write.
const LINGER: Duration = Duration::from_secs(2);

/// The longest time for which a closing connection sends and reads remaining octets.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// The most octets that are read and discarded before a connection is closed.
const UNREAD: usize = 1 << 20;
