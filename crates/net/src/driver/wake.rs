//! Why the loop wakes up, and the waits for each reason.

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

/// Why the loop woke up.
pub(super) enum Wake {
    Command(Command),
    Certificates,
    Alarm,
    Sockets,
    Room,
    LinkRoom { is_open: bool },
}

/// Waits until something arrives: at one of `sockets`, on a stream connection, or from another worker. Each call polls
/// all three, so that none of them starves the others.
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

/// Waits until another worker hands something over; forever if there are no other workers.
pub(super) async fn next_handovers(links: &mut Option<WorkerLinks>, handovers: &mut Vec<Handover>) {
    match links {
        Some(links) => links.arrivals(handovers).await,
        None => pending().await,
    }
}

/// Waits until the link has room. Returns false if the worker at its other end is gone.
pub(super) async fn has_room(link: Option<&mpsc::Sender<Handover>>) -> bool {
    match link {
        Some(link) => link.reserve().await.is_ok(),
        None => pending().await,
    }
}

/// Waits [`PAUSE`] if a datagram waits for room in a send buffer, else forever. The writable event of the system is
/// useless here: an ICMP error sets it permanently.
pub(super) async fn room(sockets: &[Udp]) {
    if sockets.iter().any(Udp::is_waiting) { sleep(PAUSE).await } else { pending().await }
}

/// Waits until the service publishes a snapshot; forever if there is no service or it has stopped.
pub(super) async fn changed(certificates: &mut Option<Certificates>) {
    match certificates {
        Some(certificates) => certificates.changed().await,
        None => pending().await,
    }
}

/// The time between two attempts to send what found no room in a send buffer.
pub(super) const PAUSE: Duration = Duration::from_millis(1);
