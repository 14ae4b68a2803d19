//! One UDP socket: datagrams in by batches, datagrams out, and nothing that stops the loop.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// How a UDP socket is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpOptions {
    receive_buffer: usize,
    send_buffer: usize,
}

impl Default for UdpOptions {
    /// 4 MiB for receiving, 2 MiB for sending: a second of a busy edge. Linux grants no more than
    /// `net.core.rmem_max` and `net.core.wmem_max`.
    fn default() -> UdpOptions {
        UdpOptions { receive_buffer: 4 << 20, send_buffer: 2 << 20 }
    }
}

impl UdpOptions {
    /// Octets that the operating system is asked to buffer for us while the loop is busy.
    pub fn receive_buffer(mut self, octets: usize) -> UdpOptions {
        self.receive_buffer = octets;
        self
    }

    /// Octets that the operating system is asked to buffer towards the network.
    pub fn send_buffer(mut self, octets: usize) -> UdpOptions {
        self.send_buffer = octets;
        self
    }
}

/// A bound UDP socket, which a [`Driver`](crate::Driver) receives on and sends from.
#[derive(Debug)]
pub struct Udp {
    socket: UdpSocket,
    local: SocketAddr,
    slot: Box<[u8]>,
    backlog: VecDeque<(SocketAddr, Bytes)>,
}

/// What one pass over the socket brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// Keep-alives, which go no further.
    pub(crate) keepalives: u64,
    /// Errors that the operating system reported for datagrams sent earlier.
    pub(crate) errors: u64,
    /// Octets of the datagrams and keep-alives.
    pub(crate) octets: u64,
}

/// What became of a datagram given to [`Udp::send`].
#[derive(Debug)]
pub(crate) enum Sent {
    /// The operating system has it.
    Gone,
    /// It waits for room in the send buffer.
    Waiting,
    /// It cannot be sent, and why.
    Failed(io::Error),
}

impl Udp {
    /// Binds to `address`; port 0 takes any free one, see [`Udp::local`].
    ///
    /// Must be called within a tokio runtime with its I/O driver enabled.
    ///
    /// # Errors
    /// What the operating system says: the address is taken, is not ours, or needs a privilege.
    pub fn bind(address: SocketAddr, options: &UdpOptions) -> io::Result<Udp> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // `[::]` beside `0.0.0.0` is the operator's to configure, and an IPv4 peer never shows up as a mapped address.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // Larger than the system allows is not an error: the system gives what it allows.
        socket.set_recv_buffer_size(options.receive_buffer)?;
        socket.set_send_buffer_size(options.send_buffer)?;
        socket.bind(&address.into())?;
        let granted = socket.recv_buffer_size()?;
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        if granted < options.receive_buffer {
            tracing::info!(%local, granted, asked = options.receive_buffer, "receive buffer smaller than asked");
        }
        Ok(Udp { socket, local, slot: vec![0; SLOT].into_boxed_slice(), backlog: VecDeque::new() })
    }

    /// The address really bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Ready when a datagram has come, or when there is room again for what waits.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let readable = self.socket.poll_recv_ready(cx).is_ready();
        let writable = !self.backlog.is_empty() && self.socket.poll_send_ready(cx).is_ready();
        if readable || writable { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Receives until the socket is empty or a batch is full, each datagram as one `Bytes` of its exact size.
    pub(crate) fn receive(&mut self, mut deliver: impl FnMut(SocketAddr, Bytes)) -> Received {
        let mut received = Received::default();
        for _ in 0..BATCH {
            match self.socket.try_recv_from(&mut self.slot) {
                Ok((length, remote)) => {
                    let datagram = self.slot.get(..length).unwrap_or_default();
                    received.octets += length as u64;
                    if is_keepalive(datagram) {
                        received.keepalives += 1;
                    } else {
                        deliver(remote, Bytes::copy_from_slice(datagram));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    received.errors += 1;
                    tracing::debug!(local = %self.local, %error, "receive");
                }
            }
        }
        received
    }

    /// Sends one datagram, after those that already wait.
    pub(crate) fn send(&mut self, remote: SocketAddr, payload: &Bytes) -> Sent {
        if !can_reach(self.local, remote) {
            return Sent::Failed(io::ErrorKind::AddrNotAvailable.into());
        }
        if self.backlog.is_empty() {
            match self.socket.try_send_to(payload, remote) {
                Ok(_) => return Sent::Gone,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Sent::Failed(error),
            }
        }
        if self.backlog.len() >= BACKLOG {
            return Sent::Failed(io::ErrorKind::WouldBlock.into());
        }
        self.backlog.push_back((remote, payload.clone()));
        Sent::Waiting
    }

    /// Sends what waits, as far as there is room; `failed` hears of what cannot be sent.
    pub(crate) fn flush(&mut self, mut failed: impl FnMut(SocketAddr, Bytes, io::Error)) {
        while let Some((remote, payload)) = self.backlog.pop_front() {
            match self.socket.try_send_to(&payload, remote) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.backlog.push_front((remote, payload));
                    return;
                }
                Err(error) => failed(remote, payload, error),
            }
        }
    }

    /// Whether something waits for room in the send buffer.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.backlog.is_empty()
    }
}

/// A keep-alive: nothing but line ends or NULs, or nothing at all. No SIP message is made of these.
fn is_keepalive(datagram: &[u8]) -> bool {
    datagram.len() <= 4 && datagram.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0))
}

/// An address of the other family has no way through this socket; the system's own words for it differ by platform.
fn can_reach(local: SocketAddr, remote: SocketAddr) -> bool {
    match (local.ip(), remote.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => remote.port() != 0,
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// The largest UDP payload is 65,507 octets over IPv4 and 65,527 over IPv6: nothing is cut.
const SLOT: usize = 65_536;

/// Datagrams taken in one pass: enough to spread the cost of a wake-up, few enough to keep timers on time.
const BATCH: usize = 64;

/// Datagrams that may wait for room in the send buffer; more are a failure of the transport.
const BACKLOG: usize = 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn loopback() -> Udp {
        Udp::bind("127.0.0.1:0".parse().unwrap(), &UdpOptions::default()).unwrap()
    }

    /// A socket that has not been through the reactor yet lets even its first datagram wait.
    async fn send(udp: &mut Udp, remote: SocketAddr, payload: impl Into<Bytes>) -> Result<(), io::Error> {
        let mut outcome = match udp.send(remote, &payload.into()) {
            Sent::Gone | Sent::Waiting => Ok(()),
            Sent::Failed(error) => Err(error),
        };
        while udp.is_waiting() {
            poll_fn(|cx| udp.poll_ready(cx)).await;
            udp.flush(|_, _, error| outcome = Err(error));
        }
        outcome
    }

    async fn next(udp: &mut Udp) -> Vec<(SocketAddr, Bytes)> {
        let mut datagrams = Vec::new();
        while datagrams.is_empty() {
            poll_fn(|cx| udp.poll_ready(cx)).await;
            udp.receive(|remote, datagram| datagrams.push((remote, datagram)));
        }
        datagrams
    }

    #[tokio::test]
    async fn port_zero_is_reported_as_the_port_really_bound() {
        assert_ne!(loopback().local().port(), 0);
    }

    #[tokio::test]
    async fn a_bound_port_is_refused_to_a_second_socket() {
        let first = loopback();
        let second = Udp::bind(first.local(), &UdpOptions::default());
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn the_largest_datagram_arrives_whole() {
        let (mut alice, mut bob) = (loopback(), loopback());
        let payload = Bytes::from(vec![b'x'; 65_507]);
        send(&mut alice, bob.local(), payload.clone()).await.unwrap();
        assert_eq!(next(&mut bob).await, [(alice.local(), payload)]);
    }

    #[tokio::test]
    async fn ipv6_carries_datagrams_too() {
        let options = UdpOptions::default();
        let mut alice = Udp::bind("[::1]:0".parse().unwrap(), &options).unwrap();
        let mut bob = Udp::bind("[::1]:0".parse().unwrap(), &options).unwrap();
        send(&mut alice, bob.local(), b"hello".as_slice()).await.unwrap();
        assert_eq!(next(&mut bob).await, [(alice.local(), Bytes::from_static(b"hello"))]);
    }

    #[tokio::test]
    async fn one_octet_too_many_fails_and_the_socket_goes_on() {
        let (mut alice, mut bob) = (loopback(), loopback());
        assert!(send(&mut alice, bob.local(), vec![b'x'; 65_508]).await.is_err());
        send(&mut alice, bob.local(), b"small".as_slice()).await.unwrap();
        assert_eq!(next(&mut bob).await.len(), 1);
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_reached_fails_at_once() {
        let mut alice = loopback();
        for remote in ["[::1]:5060", "127.0.0.1:0"] {
            assert!(matches!(
                alice.send(remote.parse().unwrap(), &Bytes::from_static(b"x")),
                Sent::Failed(_)
            ));
        }
    }

    #[tokio::test]
    async fn keepalives_are_counted_and_not_delivered() {
        let (mut alice, mut bob) = (loopback(), loopback());
        for keepalive in [&b""[..], b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0"] {
            send(&mut alice, bob.local(), keepalive).await.unwrap();
        }
        send(&mut alice, bob.local(), b"SIP".as_slice()).await.unwrap();
        let (mut delivered, mut keepalives) = (Vec::new(), 0);
        while delivered.is_empty() {
            poll_fn(|cx| bob.poll_ready(cx)).await;
            keepalives += bob.receive(|_, datagram| delivered.push(datagram)).keepalives;
        }
        assert_eq!((delivered, keepalives), (vec![Bytes::from_static(b"SIP")], 5));
    }

    #[tokio::test]
    async fn a_batch_is_bounded() {
        let (mut alice, mut bob) = (loopback(), loopback());
        for _ in 0..BATCH + 1 {
            send(&mut alice, bob.local(), b"SIP".as_slice()).await.unwrap();
        }
        assert_eq!(next(&mut bob).await.len(), BATCH);
        assert_eq!(next(&mut bob).await.len(), 1);
    }

    #[tokio::test]
    async fn what_waits_for_room_is_bounded() {
        let (mut alice, bob) = (loopback(), loopback());
        let waiting = (bob.local(), Bytes::from_static(b"waits"));
        alice.backlog.extend(std::iter::repeat_n(waiting, BACKLOG));
        assert!(matches!(alice.send(bob.local(), &Bytes::from_static(b"one more")), Sent::Failed(_)));
    }

    #[tokio::test]
    async fn a_full_send_buffer_keeps_the_order_and_loses_nothing() {
        let options = UdpOptions::default().send_buffer(1);
        let mut alice = Udp::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let mut bob = loopback();
        alice.backlog.push_back((bob.local(), Bytes::from_static(b"first")));
        assert!(matches!(alice.send(bob.local(), &Bytes::from_static(b"second")), Sent::Waiting));
        while alice.is_waiting() {
            poll_fn(|cx| alice.poll_ready(cx)).await;
            alice.flush(|_, _, error| unreachable!("{error}"));
        }
        let mut datagrams = Vec::new();
        while datagrams.len() < 2 {
            datagrams.extend(next(&mut bob).await.into_iter().map(|(_, datagram)| datagram));
        }
        assert_eq!(datagrams, [&b"first"[..], b"second"]);
    }
}
