//! One UDP socket: datagrams in and out by batches, what the network says of those that did not arrive, and nothing that
//! stops the loop.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use attesta_transaction::{Flow, Transmit};
use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};

use crate::datagrams::{self, BATCH, Outgoing, SLOT, Watched};

/// How a UDP socket is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpOptions {
    receive_buffer: usize,
    send_buffer: usize,
    dscp: u8,
    shared: bool,
}

impl Default for UdpOptions {
    /// 4 MiB for receiving, 2 MiB for sending: a second of a busy edge. An unprivileged process is granted no more than
    /// `net.core.rmem_max` and `net.core.wmem_max`. Datagrams are marked as class selector 3.
    fn default() -> UdpOptions {
        UdpOptions { receive_buffer: 4 << 20, send_buffer: 2 << 20, dscp: 24, shared: false }
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

    /// Whether other sockets of this process may be bound to the same address, each with a share of the peers. Default: no.
    ///
    /// Where it is not supported, which is not so on Unix, a second socket is refused.
    pub fn shared(mut self, shared: bool) -> UdpOptions {
        self.shared = shared;
        self
    }

    /// The differentiated services code point of what is sent (RFC 2474), 0 to 63; of a larger number the low six bits.
    ///
    /// Default: 24, class selector 3, which most networks that carry SIP give to signalling; RFC 4594 section 4.2 names
    /// class selector 5, which is 40. 0 leaves datagrams unmarked.
    pub fn dscp(mut self, dscp: u8) -> UdpOptions {
        self.dscp = dscp & 0x3f;
        self
    }
}

/// A bound UDP socket, which a [`Driver`](crate::Driver) receives on and sends from.
///
/// On a socket bound to all addresses (`0.0.0.0`, `::`) each message arrives with the address that it was sent to, and what
/// is sent from that address leaves from it (RFC 3581 section 4), where the operating system is Linux.
#[derive(Debug)]
pub struct Udp {
    socket: Watched,
    local: SocketAddr,
    slots: Box<[u8]>,
    /// Datagrams that the last pass took.
    taken: usize,
    quote: Box<[u8]>,
    outgoing: VecDeque<Outgoing>,
    /// There was no room at the last attempt to send.
    full: bool,
    /// The system's count of datagrams dropped, as last seen.
    dropped: u32,
}

/// One datagram, and at which of our addresses it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) data: Bytes,
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
    /// Datagrams that the operating system dropped because there was no room.
    pub(crate) dropped: u64,
    /// There may be more.
    pub(crate) full: bool,
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
        let traffic_class = u32::from(options.dscp) << 2;
        if address.is_ipv6() {
            // `[::]` beside `0.0.0.0` is the operator's to configure, and an IPv4 peer never shows up as a mapped address.
            socket.set_only_v6(true)?;
            socket.set_tclass_v6(traffic_class)?;
        } else {
            socket.set_tos_v4(traffic_class)?;
        }
        #[cfg(unix)]
        socket.set_reuse_port(options.shared)?;
        socket.set_nonblocking(true)?;
        // Larger than the system allows is not an error: the system gives what it allows.
        socket.set_recv_buffer_size(options.receive_buffer)?;
        socket.set_send_buffer_size(options.send_buffer)?;
        datagrams::adapt(&socket, address, options.receive_buffer)?;
        socket.bind(&address.into())?;
        let granted = socket.recv_buffer_size()?;
        let socket = std::net::UdpSocket::from(socket);
        let local = socket.local_addr()?;
        if granted < options.receive_buffer {
            tracing::info!(%local, granted, asked = options.receive_buffer, "receive buffer smaller than asked");
        }
        Ok(Udp {
            socket: datagrams::watch(socket)?,
            local,
            taken: 0,
            slots: vec![0; SLOT * BATCH].into_boxed_slice(),
            quote: vec![0; QUOTE].into_boxed_slice(),
            outgoing: VecDeque::new(),
            full: false,
            dropped: 0,
        })
    }

    /// The address really bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether what leaves from `local` leaves by this socket: it is bound to that address, or to all.
    pub(crate) fn serves(&self, local: SocketAddr) -> bool {
        self.local.port() == local.port()
            && self.local.is_ipv4() == local.is_ipv4()
            && (self.local.ip() == local.ip() || self.local.ip().is_unspecified())
    }

    /// Whether a datagram is known to wait.
    pub(crate) fn is_readable(&self) -> bool {
        datagrams::while_readable(&self.socket, || Ok(())).is_ok()
    }

    /// Waits until a datagram has come, or word of one that did not arrive. Dropping the future loses nothing.
    pub(crate) async fn arrivals(&self) {
        datagrams::arrivals(&self.socket).await;
    }

    /// Receives until the socket is empty or a batch is full, each datagram as one `Bytes` of its exact size. `failed`
    /// hears of what was sent and did not arrive (RFC 3261 section 18.4), as much of it as the network quotes.
    pub(crate) fn receive(
        &mut self,
        mut deliver: impl FnMut(Arrival),
        mut failed: impl FnMut(Transmit),
    ) -> Received {
        let Udp { socket, local, slots, taken: last, quote, dropped, .. } = self;
        let mut received = Received::default();
        datagrams::take_errors(socket, quote, |error, quoted| {
            received.errors += 1;
            tracing::debug!(%local, remote = ?error.remote, unreachable = error.unreachable, "reported by the network");
            if let Some(remote) = error.remote.filter(|_| error.unreachable) {
                failed(Transmit { flow: Flow::udp(*local, remote), payload: Bytes::copy_from_slice(quoted) });
            }
        });
        // As many as came last time and a few more: room for more costs to prepare, and a second call costs more than that.
        let (mut taken, mut want) = (0, BATCH.min(*last + FEW));
        // Of errors there are no more than datagrams sent; their number is bounded all the same.
        let mut attempts = BATCH;
        while taken < BATCH && attempts > 0 {
            attempts -= 1;
            let mut count = 0;
            let outcome = datagrams::while_readable(socket, || {
                count = datagrams::receive(socket, slots, want, |incoming| {
                    received.octets += incoming.octets.len() as u64;
                    if let Some(total) = incoming.dropped {
                        received.dropped += u64::from(total.wrapping_sub(*dropped));
                        *dropped = total;
                    }
                    if is_keepalive(incoming.octets) {
                        received.keepalives += 1;
                        return;
                    }
                    let asked = incoming.local.map(|asked| at_port(asked, local.port()));
                    deliver(Arrival {
                        local: asked.unwrap_or(*local),
                        remote: incoming.remote,
                        data: Bytes::copy_from_slice(incoming.octets),
                    });
                })?;
                // Fewer than there was room for: the socket is empty, and need not be asked again before it says so.
                if count < want { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            taken += count;
            *last = if count > 0 { taken } else { *last };
            want = BATCH - taken;
            match outcome {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return received,
                // What it is about stands in the queue of errors.
                Err(error) => tracing::trace!(%local, %error, "receive"),
            }
        }
        received.full = true;
        received
    }

    /// Puts a datagram in line; it leaves with the next [`flush`](Self::flush). `source` is where its flow begins: on a
    /// socket bound to all addresses, the one that it leaves from.
    ///
    /// # Errors
    /// There is no way to `remote` from here, or too much waits already.
    pub(crate) fn send(&mut self, source: SocketAddr, remote: SocketAddr, payload: Bytes) -> io::Result<()> {
        if !can_reach(self.local, remote) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if self.outgoing.len() >= BACKLOG {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let pinned = self.local.ip().is_unspecified() && !source.ip().is_unspecified();
        self.outgoing.push_back(Outgoing { remote, source: pinned.then_some(source), payload });
        Ok(())
    }

    /// Whether so much stands in line that it is worth a system call.
    pub(crate) fn has_batch(&self) -> bool {
        self.outgoing.len() >= BATCH && !self.full
    }

    /// Sends what stands in line, as far as there is room; `failed` hears of what cannot be sent.
    pub(crate) fn flush(&mut self, mut failed: impl FnMut(Transmit, io::Error)) {
        self.full = false;
        let mut again = true;
        while !self.outgoing.is_empty() {
            match datagrams::send(&self.socket, self.outgoing.make_contiguous()) {
                Ok(sent) => {
                    self.outgoing.drain(..sent);
                    again = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.full = true;
                    return;
                }
                // It may be word of a datagram sent before; that of this one comes again.
                Err(_) if again => again = false,
                Err(error) => {
                    again = true;
                    let Some(Outgoing { remote, source, payload }) = self.outgoing.pop_front() else {
                        return;
                    };
                    let flow = Flow::udp(source.unwrap_or(self.local), remote);
                    failed(Transmit { flow, payload }, error);
                }
            }
        }
    }

    /// Whether something stands in line.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.outgoing.is_empty()
    }
}

/// A keep-alive: nothing but line ends or NULs, or nothing at all. No SIP message is made of these.
fn is_keepalive(datagram: &[u8]) -> bool {
    datagram.len() <= 4 && datagram.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0))
}

fn at_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// An address of the other family has no way through this socket; the system's own words for it differ by platform.
fn can_reach(local: SocketAddr, remote: SocketAddr) -> bool {
    match (local.ip(), remote.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => remote.port() != 0,
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Datagrams asked for beyond those that came last time.
const FEW: usize = 4;

/// As much of a datagram as is kept of what the network quotes. A router quotes up to 576 octets over IPv4 (RFC 1812 section
/// 4.3.2.3), 1,280 over IPv6 (RFC 4443 section 2.4).
const QUOTE: usize = 1280;

/// Datagrams that may wait for room in the send buffer; more are a failure of the transport.
const BACKLOG: usize = 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn bind(address: &str) -> Udp {
        Udp::bind(address.parse().unwrap(), &UdpOptions::default()).unwrap()
    }

    fn loopback() -> Udp {
        bind("127.0.0.1:0")
    }

    async fn send(udp: &mut Udp, remote: SocketAddr, payload: impl Into<Bytes>) -> io::Result<()> {
        let local = udp.local();
        let mut outcome = udp.send(local, remote, payload.into());
        while udp.is_waiting() {
            udp.flush(|_, error| outcome = Err(error));
            tokio::task::yield_now().await;
        }
        outcome
    }

    async fn next(udp: &mut Udp) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        while arrivals.is_empty() {
            udp.arrivals().await;
            udp.receive(|arrival| arrivals.push(arrival), |_| {});
        }
        arrivals
    }

    async fn octets(udp: &mut Udp) -> Vec<Bytes> {
        next(udp).await.into_iter().map(|arrival| arrival.data).collect()
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
        let data = Bytes::from(vec![b'x'; 65_507]);
        send(&mut alice, bob.local(), data.clone()).await.unwrap();
        assert_eq!(next(&mut bob).await, [Arrival { local: bob.local(), remote: alice.local(), data }]);
    }

    #[tokio::test]
    async fn ipv6_carries_datagrams_too() {
        let (mut alice, mut bob) = (bind("[::1]:0"), bind("[::1]:0"));
        send(&mut alice, bob.local(), b"hello".as_slice()).await.unwrap();
        let arrival =
            Arrival { local: bob.local(), remote: alice.local(), data: Bytes::from_static(b"hello") };
        assert_eq!(next(&mut bob).await, [arrival]);
    }

    #[tokio::test]
    async fn one_octet_too_many_fails_and_the_socket_goes_on() {
        let (mut alice, mut bob) = (loopback(), loopback());
        assert!(send(&mut alice, bob.local(), vec![b'x'; 65_508]).await.is_err());
        send(&mut alice, bob.local(), b"small".as_slice()).await.unwrap();
        assert_eq!(next(&mut bob).await.len(), 1);
    }

    #[tokio::test]
    async fn what_fails_in_a_batch_takes_none_of_the_others_with_it() {
        let (mut alice, mut bob) = (loopback(), loopback());
        let (local, remote) = (alice.local(), bob.local());
        for size in [1, 65_508, 2, 65_508, 3] {
            alice.send(local, remote, vec![b'x'; size].into()).unwrap();
        }
        let mut failures = 0;
        alice.flush(|transmit, _| failures += transmit.payload.len());
        assert_eq!(failures, 2 * 65_508);
        assert_eq!(octets(&mut bob).await, [&b"x"[..], b"xx", b"xxx"]);
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_reached_fails_at_once() {
        let mut alice = loopback();
        for remote in ["[::1]:5060", "127.0.0.1:0"] {
            assert!(alice.send(alice.local(), remote.parse().unwrap(), Bytes::from_static(b"x")).is_err());
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
            bob.arrivals().await;
            keepalives += bob.receive(|arrival| delivered.push(arrival.data), |_| {}).keepalives;
        }
        assert_eq!((delivered, keepalives), (vec![Bytes::from_static(b"SIP")], 5));
    }

    #[tokio::test]
    async fn a_batch_is_bounded_and_what_follows_needs_no_new_arrival() {
        let (mut alice, mut bob) = (loopback(), loopback());
        for _ in 0..BATCH + 1 {
            send(&mut alice, bob.local(), b"SIP".as_slice()).await.unwrap();
        }
        assert_eq!(next(&mut bob).await.len(), BATCH);
        assert!(bob.is_readable());
        assert_eq!(next(&mut bob).await.len(), 1);
        assert!(!bob.is_readable(), "an empty socket is known to be empty");
    }

    #[tokio::test]
    async fn what_waits_for_room_is_bounded() {
        let (mut alice, bob) = (loopback(), loopback());
        let mut put = || alice.send(alice.local(), bob.local(), Bytes::from_static(b"waits"));
        assert!((0..BACKLOG).all(|_| put().is_ok()));
        assert!(put().is_err());
    }

    #[tokio::test]
    async fn a_full_send_buffer_keeps_the_order_and_loses_nothing() {
        let options = UdpOptions::default().send_buffer(1);
        let mut alice = Udp::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let mut bob = loopback();
        let sent: Vec<_> = (0..100).map(|number| Bytes::from(format!("{number}"))).collect();
        for payload in &sent {
            alice.send(alice.local(), bob.local(), payload.clone()).unwrap();
        }
        let mut got = Vec::new();
        while got.len() < sent.len() {
            alice.flush(|_, error| unreachable!("{error}"));
            got.extend(octets(&mut bob).await);
        }
        assert_eq!(got, sent);
    }

    /// What [`Udp::receive`] says of a datagram that nobody takes.
    #[cfg(target_os = "linux")]
    async fn unreached(mut alice: Udp, nobody: SocketAddr) {
        let invite = Bytes::from(format!("INVITE sip:bob@{nobody} SIP/2.0\r\n{}", "x".repeat(2000)));
        send(&mut alice, nobody, invite.clone()).await.unwrap();
        let mut failed = Vec::new();
        while failed.is_empty() {
            alice.arrivals().await;
            alice.receive(|_| {}, |transmit| failed.push(transmit));
        }
        assert_eq!(failed[0].flow, Flow::udp(alice.local(), nobody));
        assert!(failed[0].payload.len() >= 500 && invite.starts_with(&failed[0].payload));
        // Once is enough, and it takes nothing with it that is sent after it.
        assert!(timeout(Duration::from_millis(20), alice.arrivals()).await.is_err());
        let mut bob = bind(&format!("{}:0", if nobody.is_ipv6() { "[::1]" } else { "127.0.0.1" }));
        send(&mut alice, bob.local(), b"SIP".as_slice()).await.unwrap();
        assert_eq!(next(&mut bob).await.len(), 1);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_port_that_is_closed_is_reported_with_what_was_sent() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let nobody = bind(host).local();
            unreached(bind(host), nobody).await;
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn errors_that_wait_lose_no_datagram_that_is_sent() {
        let (mut alice, mut bob) = (loopback(), loopback());
        let nobody = loopback().local();
        for round in 0..50 {
            send(&mut alice, nobody, b"to nobody".as_slice()).await.unwrap();
            send(&mut alice, bob.local(), format!("{round}")).await.unwrap();
        }
        let mut got = Vec::new();
        while got.len() < 50 {
            got.extend(octets(&mut bob).await);
        }
        let mut errors = 0;
        while errors < 50 {
            alice.arrivals().await;
            errors += alice.receive(|_| {}, |_| {}).errors;
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_socket_bound_to_all_addresses_answers_from_the_one_that_was_asked() {
        for (everywhere, hosts) in [("0.0.0.0:0", &["127.0.0.7", "127.0.0.8"][..]), ("[::]:0", &["::1"][..])]
        {
            let mut edge = bind(everywhere);
            for host in hosts {
                let asked = SocketAddr::new(host.parse().unwrap(), edge.local().port());
                let mut phone = bind(if asked.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" });
                send(&mut phone, asked, b"who".as_slice()).await.unwrap();
                let [Arrival { local, remote, .. }] = next(&mut edge).await.try_into().unwrap();
                assert_eq!(local, asked);
                assert!(edge.serves(local));
                for answer in [&b"I"[..], b"am"] {
                    edge.send(local, remote, Bytes::from_static(answer)).unwrap();
                }
                edge.flush(|_, error| unreachable!("{error}"));
                for answer in next(&mut phone).await {
                    assert_eq!(answer.remote, asked);
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_the_system_drops_is_counted() {
        let mut alice = loopback();
        let options = UdpOptions::default().receive_buffer(0);
        let mut bob = Udp::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        for _ in 0..20 {
            send(&mut alice, bob.local(), vec![b'x'; 1000]).await.unwrap();
        }
        let mut taken = next(&mut bob).await.len() as u64;
        // The count comes with the next datagram that finds room.
        send(&mut alice, bob.local(), b"SIP".as_slice()).await.unwrap();
        let mut dropped = 0;
        while taken + dropped < 21 {
            bob.arrivals().await;
            dropped += bob.receive(|_| taken += 1, |_| {}).dropped;
        }
        assert!(dropped > 0 && taken + dropped == 21);
    }

    #[tokio::test]
    async fn datagrams_are_marked_as_asked() {
        for (host, dscp) in [("127.0.0.1:0", 0), ("127.0.0.1:0", 46), ("[::1]:0", 40)] {
            let address: SocketAddr = host.parse().unwrap();
            let udp = Udp::bind(address, &UdpOptions::default().dscp(dscp)).unwrap();
            let socket = socket2::SockRef::from(&udp.socket);
            let class = if address.is_ipv6() { socket.tclass_v6() } else { socket.tos_v4() };
            assert_eq!(class.unwrap() >> 2, u32::from(dscp));
        }
    }
}
