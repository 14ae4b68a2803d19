//! What every operating system has: one datagram for one call, from the address that the routes say, and no word of what
//! did not arrive.

use std::io;
use std::net::SocketAddr;

use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::{Incoming, NetworkError, Outgoing, SLOT};

/// What a socket is waited for: a datagram.
pub(crate) const ARRIVALS: Interest = Interest::READABLE;

/// There is nothing to ask for.
pub(crate) fn adapt(_: &Socket, _: SocketAddr, _: usize) -> io::Result<()> {
    Ok(())
}

/// Takes up to `want` datagrams by way of the first slot of `slots`, and says how many it took.
pub(crate) fn receive(
    socket: &UdpSocket,
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
pub(crate) fn send(socket: &UdpSocket, datagrams: &[Outgoing]) -> io::Result<usize> {
    let Some(first) = datagrams.first() else { return Ok(0) };
    socket.try_send_to(&first.payload, first.remote).map(|_| 1)
}

/// The network says nothing.
pub(crate) fn take_errors(_: &UdpSocket, _: &mut [u8], _: impl FnMut(NetworkError, &[u8])) {}
