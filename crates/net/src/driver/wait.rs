//! What a turn of the loop waits for.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use attesta_b2bua::Policy;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Driver;
use crate::certificate_service::Certificates;
use crate::control::Post;
use crate::streams::Streams;
use crate::udp::Udp;
use crate::worker_links::{Handed, WorkerLinks};

/// Why the loop turned.
pub(super) enum Wake {
    Post(Post),
    Certificates,
    Alarm,
    Sockets,
    Room,
    Line { is_open: bool },
}

impl<P: Policy> Driver<P> {
    /// Waits for the next thing to do. Posts come first since they are few; what is due comes before what arrives.
    pub(super) async fn wait(&mut self) -> Wake {
        let blocked = self.held_up.front().and_then(|(to, _)| self.worker_links.as_ref()?.line(*to));
        let (sockets, streams) = (&self.sockets, Some(&mut self.streams).filter(|_| blocked.is_none()));
        let (worker_links, handed) = (&mut self.worker_links, &mut self.handed);
        tokio::select! {
            biased;
            Some(post) = self.inbox.recv() => Wake::Post(post),
            () = changed(&mut self.certificates) => Wake::Certificates,
            () = self.alarm.rings() => Wake::Alarm,
            () = room(sockets) => Wake::Room,
            is_open = has_room(blocked.as_ref()) => Wake::Line { is_open },
            () = arrivals(sockets, streams, hand_overs(worker_links, handed)) => Wake::Sockets,
        }
    }
}

/// Waits until something has come: to any of `sockets`, by a stream connection, or from another worker. All are asked each
/// time, so that what comes by one does not keep the others waiting.
pub(super) async fn arrivals(
    sockets: &[Udp],
    mut streams: Option<&mut Streams>,
    hand_overs: impl Future<Output = ()>,
) {
    let (mut datagrams, mut hand_overs) = (pin!(datagrams(sockets)), pin!(hand_overs));
    poll_fn(|cx| {
        let ready = [
            datagrams.as_mut().poll(cx).is_ready(),
            streams.as_mut().is_some_and(|streams| streams.poll_ready(cx).is_ready()),
            hand_overs.as_mut().poll(cx).is_ready(),
        ];
        if ready.contains(&true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Waits until a datagram has come to any of `sockets`.
async fn datagrams(sockets: &[Udp]) {
    if sockets.iter().any(Udp::is_readable) {
        return;
    }
    match sockets {
        [] => pending().await,
        [one] => one.arrivals().await,
        [one, others @ ..] => tokio::select! {
            () = one.arrivals() => {}
            () = Box::pin(datagrams(others)) => {}
        },
    }
}

/// Waits until another worker hands something over; forever where there is none.
pub(super) async fn hand_overs(lines: &mut Option<WorkerLinks>, handed: &mut Vec<Handed>) {
    match lines {
        Some(lines) => lines.arrivals(handed).await,
        None => pending().await,
    }
}

/// Waits until there is room on a line; false if there never will be, since the worker at its end is gone.
async fn has_room(line: Option<&mpsc::Sender<Handed>>) -> bool {
    match line {
        Some(line) => line.reserve().await.is_ok(),
        None => pending().await,
    }
}

/// Waits a little where something waits for room in the send buffer, and forever where nothing does. The system's own word
/// that there is room is no use: an ICMP error makes it say so for good.
async fn room(sockets: &[Udp]) {
    if sockets.iter().any(Udp::is_waiting) { sleep(PAUSE).await } else { pending().await }
}

/// Waits until the service publishes something; forever when there is none or it is gone.
async fn changed(certificates: &mut Option<Certificates>) {
    match certificates {
        Some(certificates) => certificates.changed().await,
        None => pending().await,
    }
}

/// How long what found no room in a send buffer waits before it is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(1);
