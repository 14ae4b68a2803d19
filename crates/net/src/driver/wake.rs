//! Why the loop turns, and the waits of its parts.

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

/// Why the loop turned.
pub(super) enum Wake {
    Command(Command),
    Certificates,
    Alarm,
    Sockets,
    Room,
    LinkRoom { is_open: bool },
}

/// Waits until something has come: to any of `sockets`, by a stream connection, or from another worker. All are asked each
/// time, so that what comes by one does not keep the others waiting.
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
pub(super) async fn next_handovers(links: &mut Option<WorkerLinks>, handovers: &mut Vec<Handover>) {
    match links {
        Some(links) => links.arrivals(handovers).await,
        None => pending().await,
    }
}

/// Waits until there is room on a line; false if there never will be, since the worker at its end is gone.
pub(super) async fn has_room(link: Option<&mpsc::Sender<Handover>>) -> bool {
    match link {
        Some(link) => link.reserve().await.is_ok(),
        None => pending().await,
    }
}

/// Waits a little where something waits for room in the send buffer, and forever where nothing does. The system's own word
/// that there is room is no use: an ICMP error makes it say so for good.
pub(super) async fn room(sockets: &[Udp]) {
    if sockets.iter().any(Udp::is_waiting) { sleep(PAUSE).await } else { pending().await }
}

/// Waits until the service publishes something; forever when there is none or it is gone.
pub(super) async fn changed(certificates: &mut Option<Certificates>) {
    match certificates {
        Some(certificates) => certificates.changed().await,
        None => pending().await,
    }
}

/// How long what found no room in a send buffer waits before it is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(1);
