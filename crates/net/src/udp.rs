//! One UDP socket. It sends and receives datagrams in batches, and reports datagrams that did not arrive. No error stops the
//! loop.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use attesta_transaction::{Flow, Transmit};
use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};

use crate::datagrams::packet::{BATCH, Outgoing, SLOT};
use crate::datagrams::system::{self, Watched};

/// The options of a UDP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpOptions {
    receive_buffer: usize,
    send_buffer: usize,
    dscp: u8,
    shared: bool,
}

impl Default for UdpOptions {
    /// The defaults: 4 MiB for receiving and 2 MiB for sending, which is one second of traffic on a busy edge. An unprivileged
    /// process gets at most `net.core.rmem_max` and `net.core.wmem_max`. Datagrams are marked as class selector 3.
    fn default() -> UdpOptions {
        UdpOptions { receive_buffer: 4 << 20, send_buffer: 2 << 20, dscp: 24, shared: false }
    }
}

impl UdpOptions {
    /// The number of octets that the operating system is asked to buffer while the loop is busy.
    pub fn receive_buffer(mut self, octets: usize) -> UdpOptions {
        self.receive_buffer = octets;
        self
    }

    /// The number of octets that the operating system is asked to buffer for sending.
    pub fn send_buffer(mut self, octets: usize) -> UdpOptions {
        self.send_buffer = octets;
        self
    }

    /// Allows other sockets of this process at the same address. Each socket then gets a share of the peers. Default: no.
    ///
    /// Only Unix supports this. On other systems, a second socket is refused.
    pub fn shared(mut self, shared: bool) -> UdpOptions {
        self.shared = shared;
        self
    }

    /// The differentiated services code point of sent datagrams (RFC 2474), 0 to 63. Only the low six bits of a larger number
    /// are used.
    ///
    /// Default: 24, which is class selector 3. Most networks that carry SIP use class selector 3 for signalling. RFC 4594
    /// section 4.2 names class selector 5, which is 40. With 0, datagrams are unmarked.
    pub fn dscp(mut self, dscp: u8) -> UdpOptions {
        self.dscp = dscp & 0x3f;
        self
    }
}

/// A bound UDP socket, on which a [`Driver`](crate::Driver) receives and sends.
///
/// On Linux, a socket bound to all addresses (`0.0.0.0`, `::`) reports the destination address of each datagram. The source
/// address of a reply is this address (RFC 3581 section 4).
#[derive(Debug)]
pub struct Udp {
    socket: Watched,
    local: SocketAddr,
    slots: Box<[u8]>,
    /// The number of datagrams that the last call received.
    taken: usize,
    quote: Box<[u8]>,
    outgoing: VecDeque<Outgoing>,
    /// True if the send buffer had no room at the last attempt.
    full: bool,
    /// The system's count of dropped datagrams at the last read.
    dropped: u32,
}

/// One datagram, and the address of ours that received it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) data: Bytes,
}

/// The result of one call of [`Udp::receive`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// Keep-alives. The switchboard does not get them.
    pub(crate) keepalives: u64,
    /// Errors that the operating system reported for datagrams sent earlier.
    pub(crate) errors: u64,
    /// Octets of the datagrams and keep-alives.
    pub(crate) octets: u64,
    /// Datagrams that the operating system dropped because of a full buffer.
    pub(crate) dropped: u64,
    /// True if more datagrams may wait.
    pub(crate) full: bool,
}

impl Udp {
    /// Binds to `address`. Port 0 means any free port, see [`Udp::local`].
    ///
    /// Must be called within a tokio runtime with its I/O driver enabled.
    ///
    /// # Errors
    /// The error of the operating system: the address is in use, is not local, or needs a privilege.
    pub fn bind(address: SocketAddr, options: &UdpOptions) -> io::Result<Udp> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        let traffic_class = u32::from(options.dscp) << 2;
        if address.is_ipv6() {
            // `[::]` does not include IPv4. The operator can configure `0.0.0.0` separately, and IPv4 peers never appear as
            // mapped addresses.
            socket.set_only_v6(true)?;
            socket.set_tclass_v6(traffic_class)?;
        } else {
            socket.set_tos_v4(traffic_class)?;
        }
        #[cfg(unix)]
        socket.set_reuse_port(options.shared)?;
        socket.set_nonblocking(true)?;
        // A size above the system's limit is not an error. The system uses its limit.
        socket.set_recv_buffer_size(options.receive_buffer)?;
        socket.set_send_buffer_size(options.send_buffer)?;
        system::adapt(&socket, address, options.receive_buffer)?;
        socket.bind(&address.into())?;
        let granted = socket.recv_buffer_size()?;
        let socket = std::net::UdpSocket::from(socket);
        let local = socket.local_addr()?;
        if granted < options.receive_buffer {
            tracing::info!(%local, granted, asked = options.receive_buffer, "receive buffer smaller than asked: the system limits it (Linux: net.core.rmem_max)");
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

    /// Returns the bound address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// True if this socket can send from `local`: it is bound to that address, or to all addresses.
    pub(crate) fn serves(&self, local: SocketAddr) -> bool {
        self.local.port() == local.port()
            && self.local.is_ipv4() == local.is_ipv4()
            && (self.local.ip() == local.ip() || self.local.ip().is_unspecified())
    }

    /// True if a datagram is known to wait.
    pub(crate) fn is_readable(&self) -> bool {
        system::while_readable(&self.socket, || Ok(())).is_ok()
    }

    /// Waits until a datagram has arrived, or an error for a datagram sent earlier. Dropping the future has no side effects.
    pub(crate) async fn arrivals(&self) {
        system::arrivals(&self.socket).await;
    }

    /// Receives until the socket is empty or a batch is full. Each datagram is one `Bytes` of its exact size. `failed` gets the
    /// datagrams that did not arrive (RFC 3261 section 18.4). Only the octets that the network quotes are known.
    pub(crate) fn receive(
        &mut self,
        mut deliver: impl FnMut(Arrival),
        mut failed: impl FnMut(Transmit),
    ) -> Received {
        let Udp { socket, local, slots, taken: last, quote, dropped, .. } = self;
        let mut received = Received::default();
        system::take_errors(socket, quote, |error, quoted| {
            received.errors += 1;
            tracing::debug!(%local, remote = ?error.remote, unreachable = error.unreachable, "the network reported an error for an earlier datagram");
            if let Some(remote) = error.remote.filter(|_| error.unreachable) {
                failed(Transmit { flow: Flow::udp(*local, remote), payload: Bytes::copy_from_slice(quoted) });
            }
        });
        // Asks for a few more datagrams than the last call received. Unused buffers cost time, but a second call costs more
        // time.
        let (mut taken, mut want) = (0, BATCH.min(*last + EXTRA));
        // The number of errors cannot exceed the number of sent datagrams. This limit does not depend on it.
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
                // Fewer datagrams than slots: the socket is empty until the system reports an arrival.
                if count < want { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            taken += count;
            *last = if count > 0 { taken } else { *last };
            want = BATCH - taken;
            match outcome {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return received,
                // The queue of errors contains the details.
                Err(error) => tracing::trace!(%local, %error, "receive failed"),
            }
        }
        received.full = true;
        received
    }

    /// Queues a datagram for the next [`flush`](Self::flush). `source` is the local address of its flow. A socket bound to all
    /// addresses uses it as source address.
    ///
    /// # Errors
    /// `remote` is unreachable from this socket, or the queue is full.
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

    /// True if enough datagrams are queued for a system call.
    pub(crate) fn has_batch(&self) -> bool {
        self.outgoing.len() >= BATCH && !self.full
    }

    /// Sends queued datagrams while there is room. `failed` gets the datagrams that cannot be sent.
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
                // This may be the error of an earlier datagram. If it is the error of this datagram, it occurs again.
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

    /// True if datagrams are queued.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.outgoing.is_empty()
    }
}

/// True for a keep-alive: an empty datagram, or up to four octets that are line ends or NULs. These octets cannot be a SIP
/// message.
fn is_keepalive(datagram: &[u8]) -> bool {
    datagram.len() <= 4 && datagram.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0))
}

fn at_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// False for an address of the other IP version. The error of the system for such an address differs by platform.
fn can_reach(local: SocketAddr, remote: SocketAddr) -> bool {
    match (local.ip(), remote.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => remote.port() != 0,
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// The number of datagrams that are requested in addition to the number of the last call.
const EXTRA: usize = 4;

/// The most octets of a quoted datagram that are kept. A router quotes up to 576 octets over IPv4 (RFC 1812 section 4.3.2.3),
/// and 1,280 over IPv6 (RFC 4443 section 2.4).
const QUOTE: usize = 1280;

/// The most datagrams that may wait for room in the send buffer. A further datagram counts as a failed send.
const BACKLOG: usize = 1024;

#[cfg(test)]
mod tests;
