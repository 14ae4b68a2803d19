//! Datagrams on every operating system: one datagram per call, the source address from the routing table, and no errors for
//! datagrams sent earlier.

use std::io;
use std::net::SocketAddr;

use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::datagrams::packet::{Incoming, NetworkError, Outgoing, SLOT};

/// A socket that is registered with the runtime.
pub(crate) type Watched = UdpSocket;

/// Registers a socket with the runtime.
pub(crate) fn watch(socket: std::net::UdpSocket) -> io::Result<Watched> {
    UdpSocket::from_std(socket)
}

/// Waits until a datagram has arrived.
pub(crate) async fn arrivals(socket: &Watched) {
    // An error means that the runtime has ended. This future then ends too.
    let _ = socket.readable().await;
}

/// Runs `work` if a datagram is known to wait. `WouldBlock` from `work` means that no datagram waits now.
pub(crate) fn while_readable(socket: &Watched, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    socket.try_io(Interest::READABLE, work)
}

/// Sets no options.
pub(crate) fn adapt(_: &Socket, _: SocketAddr, _: usize) -> io::Result<()> {
    Ok(())
}

/// Receives up to `want` datagrams through the first slot of `slots`, and returns their number.
pub(crate) fn receive(
    socket: &Watched,
    slots: &mut [u8],
    want: usize,
    mut deliver: impl FnMut(Incoming<'_>),
) -> io::Result<usize> {
    let slot = slots.get_mut(..SLOT).unwrap_or_default();
    for taken in 0..want {
        match socket.try_recv_from(slot) {
            Ok((length, remote)) => {
                let octets = slot.get(..length).unwrap_or_default();
                deliver(Incoming { remote, local: None, octets, dropped: None });
            }
            Err(error) if taken == 0 => return Err(error),
            Err(_) => return Ok(taken),
        }
    }
    Ok(want)
}

/// Sends the first of `datagrams`.
pub(crate) fn send(socket: &Watched, datagrams: &[Outgoing]) -> io::Result<usize> {
    let Some(first) = datagrams.first() else { return Ok(0) };
    socket.try_send_to(&first.payload, first.remote).map(|_| 1)
}

/// Reports no errors.
pub(crate) fn take_errors(_: &Watched, _: &mut [u8], _: impl FnMut(NetworkError, &[u8])) {}
