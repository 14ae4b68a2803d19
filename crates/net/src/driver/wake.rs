//! The reasons for which the loop wakes up, and the wait for each reason.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::certificate_service::Certificates;
use crate::control::Command;
use crate::streams::Streams;
use crate::udp::Udp;
use crate::worker_links::{Handover, WorkerLinks};

/// The reason for which the loop woke up.
pub(super) enum Wake {
    Command(Command),
    Certificates,
    Alarm,
    Sockets,
    Room,
    LinkRoom { is_open: bool },
}

/// Waits until a datagram arrives at one of `sockets`, an event arrives on a stream connection, or another worker hands
/// something over. Each call polls all three sources, so that no source blocks the others.
pub(super) async fn arrivals(
    sockets: &[Udp],
    mut streams: Option<&mut Streams>,
    next_handovers: impl Future<Output = ()>,
) {
    let (mut datagrams, mut next_handovers) = (pin!(datagrams(sockets)), pin!(next_handovers));
    poll_fn(|cx| {
        let ready = [
            datagrams.as_mut().poll(cx).is_ready(),
            streams.as_mut().is_some_and(|streams| streams.poll_ready(cx).is_ready()),
            next_handovers.as_mut().poll(cx).is_ready(),
        ];
        if ready.contains(&true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Waits until a datagram arrives at one of `sockets`.
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

/// Waits until another worker hands something over. Waits forever if there are no other workers.
pub(super) async fn next_handovers(links: &mut Option<WorkerLinks>, handovers: &mut Vec<Handover>) {
    match links {
        Some(links) => links.arrivals(handovers).await,
        None => pending().await,
    }
}

/// Waits until the link has room. Returns false if the worker at the other end has ended.
pub(super) async fn has_room(link: Option<&mpsc::Sender<Handover>>) -> bool {
    match link {
        Some(link) => link.reserve().await.is_ok(),
        None => pending().await,
    }
}

/// Waits for [`PAUSE`] if a datagram waits for room in a send buffer. Otherwise waits forever. The writable event of the system
/// cannot be used here, because an ICMP error sets the event permanently.
pub(super) async fn room(sockets: &[Udp]) {
    if sockets.iter().any(Udp::is_waiting) { sleep(PAUSE).await } else { pending().await }
}

/// Waits until the service publishes a snapshot. Waits forever if there is no service, or if the service has stopped.
pub(super) async fn changed(certificates: &mut Option<Certificates>) {
    match certificates {
        Some(certificates) => certificates.changed().await,
        None => pending().await,
    }
}

/// The time between two attempts to send a datagram for which the send buffer had no room.
pub(super) const PAUSE: Duration = Duration::from_millis(1);
