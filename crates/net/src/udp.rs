//! One UDP socket: datagrams in and out by batches, what the network says of those that did not arrive, and nothing that
//! stops the loop.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use attesta_transaction::{Flow, Transmit};
use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};

use crate::datagrams::packet::{BATCH, Outgoing, SLOT};
use crate::datagrams::system::{self, Watched};

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
        system::adapt(&socket, address, options.receive_buffer)?;
        socket.bind(&address.into())?;
        let granted = socket.recv_buffer_size()?;
        let socket = std::net::UdpSocket::from(socket);
        let local = socket.local_addr()?;
        if granted < options.receive_buffer {
            tracing::info!(%local, granted, asked = options.receive_buffer, "receive buffer smaller than asked");
        }
        Ok(Udp {
            socket: system::watch(socket)?,
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
        system::while_readable(&self.socket, || Ok(())).is_ok()
    }

    /// Waits until a datagram has come, or word of one that did not arrive. Dropping the future loses nothing.
    pub(crate) async fn arrivals(&self) {
        system::arrivals(&self.socket).await;
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
        system::take_errors(socket, quote, |error, quoted| {
            received.errors += 1;
            tracing::debug!(%local, remote = ?error.remote, unreachable = error.unreachable, "reported by the network");
            if let Some(remote) = error.remote.filter(|_| error.unreachable) {
                failed(Transmit { flow: Flow::udp(*local, remote), payload: Bytes::copy_from_slice(quoted) });
            }
        });
        // As many as came last time and a few more: room for more costs to prepare, and a second call costs more than that.
        let (mut taken, mut want) = (0, BATCH.min(*last + EXTRA));
        // Of errors there are no more than datagrams sent; their number is bounded all the same.
        let mut attempts = BATCH;
        while taken < BATCH && attempts > 0 {
            attempts -= 1;
            let mut count = 0;
            let outcome = system::while_readable(socket, || {
                count = system::receive(socket, slots, want, |incoming| {
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
            match system::send(&self.socket, self.outgoing.make_contiguous()) {
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
const EXTRA: usize = 4;

/// As much of a datagram as is kept of what the network quotes. A router quotes up to 576 octets over IPv4 (RFC 1812 section
/// 4.3.2.3), 1,280 over IPv6 (RFC 4443 section 2.4).
const QUOTE: usize = 1280;

/// Datagrams that may wait for room in the send buffer; more are a failure of the transport.
const BACKLOG: usize = 1024;

#[cfg(test)]
mod tests;
