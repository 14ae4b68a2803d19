//! What every operating system has: one datagram for one call, from the address that the routes say, and no word of what
//! did not arrive.

use std::io;
use std::net::SocketAddr;

use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::datagrams::packet::{Incoming, NetworkError, Outgoing, SLOT};

/// A socket as the runtime watches it.
pub(crate) type Watched = UdpSocket;

/// Has the runtime watch a socket.
pub(crate) fn watch(socket: std::net::UdpSocket) -> io::Result<Watched> {
    UdpSocket::from_std(socket)
}

/// Waits until a datagram has come.
pub(crate) async fn arrivals(socket: &Watched) {
    // An error is the end of the runtime, and of this future with it.
    let _ = socket.readable().await;
}

/// Does `work` where a datagram is known to wait; that it would block means that none does any more.
pub(crate) fn while_readable(socket: &Watched, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    socket.try_io(Interest::READABLE, work)
}

/// There is nothing to ask for.
pub(crate) fn adapt(_: &Socket, _: SocketAddr, _: usize) -> io::Result<()> {
    Ok(())
}

/// Takes up to `want` datagrams by way of the first slot of `slots`, and says how many it took.
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

/// The network says nothing.
pub(crate) fn take_errors(_: &Watched, _: &mut [u8], _: impl FnMut(NetworkError, &[u8])) {}
