//! Datagrams on Linux: recvmmsg and sendmmsg, IP_PKTINFO, and the queue of ICMP errors.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, recvmsg,
    sendmmsg, sendmsg, setsockopt, sockopt,
};

use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::datagrams::packet::{Incoming, NetworkError, Outgoing, SLOT};

/// A socket that is registered with the runtime.
pub(crate) type Watched = AsyncFd<UdpSocket>;

/// Registers a socket with the runtime for arrivals only, not for room to send. Room to send is reported each time a
/// peer reads what was sent, and each report would wake the thread for nothing.
#[expect(deprecated, reason = "sound for a socket that keeps its descriptor; the replacement is unsafe")]
pub(crate) fn watch(socket: UdpSocket) -> io::Result<Watched> {
    AsyncFd::with_interest(socket, ARRIVALS)
}

/// Waits until a datagram has arrived, or an error for a datagram sent earlier.
pub(crate) async fn arrivals(socket: &Watched) {
    // An error means that the runtime has ended. This future then ends too.
    let _ = socket.ready(ARRIVALS).await;
}

/// Runs `work` if a datagram is known to wait. `WouldBlock` from `work` means that no datagram waits now.
pub(crate) fn while_readable(socket: &Watched, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    socket.try_io(Interest::READABLE, |_| work())
}

/// Sets the options that the functions below need: the destination address of each datagram if the socket is bound to all
/// addresses, ICMP errors, and the count of datagrams dropped because of a full buffer. If the process has CAP_NET_ADMIN, the
/// receive buffer may exceed `net.core.rmem_max`.
pub(crate) fn adapt(socket: &Socket, local: SocketAddr, receive_buffer: usize) -> io::Result<()> {
    let on_all_addresses = local.ip().is_unspecified();
    match local {
        SocketAddr::V4(_) => {
            setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
            setsockopt(socket, sockopt::Ipv4PacketInfo, &on_all_addresses)?;
        }
        SocketAddr::V6(_) => {
            setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
            setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &on_all_addresses)?;
        }
    }
    setsockopt(socket, sockopt::RxqOvfl, &1)?;
    // This fails for an unprivileged process. The receive buffer of such a process already has the largest allowed size.
    let _ = setsockopt(socket, sockopt::RcvBufForce, &receive_buffer);
    Ok(())
}

/// Receives up to `want` datagrams, each into one slot of `slots`, and returns their number.
pub(crate) fn receive(
    socket: &Watched,
    slots: &mut [u8],
    want: usize,
    mut deliver: impl FnMut(Incoming<'_>),
) -> io::Result<usize> {
    let mut buffers: Vec<_> =
        slots.chunks_exact_mut(SLOT).take(want).map(|slot| [IoSliceMut::new(slot)]).collect();
    // The buffer is created for each call, because the kernel overwrites its length with the length that was used.
    let control = cmsg_space!(libc::in6_pktinfo, u32);
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(buffers.len(), Some(control));
    let messages =
        recvmmsg(socket.as_raw_fd(), &mut headers, buffers.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    let mut taken = 0;
    for message in messages {
        taken += 1;
        let Some(remote) = message.address.as_ref().and_then(address) else { continue };
        let (local, dropped) = read_control(&message);
        let octets = message.iovs().next().unwrap_or_default();
        deliver(Incoming { remote, local, octets, dropped });
    }
    Ok(taken)
}

/// Sends the first of `datagrams`, in order: as many as one system call can send with the same source address. Returns their
/// number. An error belongs to the first datagram.
pub(crate) fn send(socket: &Watched, datagrams: &[Outgoing]) -> io::Result<usize> {
    let Some(first) = datagrams.first() else { return Ok(0) };
    let pinned = first.source.map(PacketInfo::of);
    let control = pinned.as_ref().map(PacketInfo::message);
    let control = control.as_slice();
    let alike = datagrams.iter().take_while(|datagram| datagram.source == first.source).count();
    if alike == 1 {
        let payload = [IoSlice::new(&first.payload)];
        let remote = SockaddrStorage::from(first.remote);
        sendmsg(socket.as_raw_fd(), &payload, control, MsgFlags::MSG_DONTWAIT, Some(&remote))?;
        return Ok(1);
    }
    let batch = || datagrams.iter().take(alike);
    let payloads: Vec<_> = batch().map(|datagram| [IoSlice::new(&datagram.payload)]).collect();
    let remotes: Vec<_> = batch().map(|datagram| Some(SockaddrStorage::from(datagram.remote))).collect();
    let space = pinned.as_ref().map(PacketInfo::space);
    let mut headers = MultiHeaders::preallocate(alike, space);
    let sent =
        sendmmsg(socket.as_raw_fd(), &mut headers, &payloads, remotes, control, MsgFlags::MSG_DONTWAIT)?;
    Ok(sent.count())
}

/// Reads the errors that the network reported for datagrams sent earlier. `buffer` receives the octets that a report quotes.
pub(crate) fn take_errors(socket: &Watched, buffer: &mut [u8], mut deliver: impl FnMut(NetworkError, &[u8])) {
    // Each error was caused by one of our datagrams, so the number of errors is limited. The loop ends when no error remains.
    let _: io::Result<()> = socket.try_io(Interest::ERROR, |_| {
        loop {
            let error = next_error(socket, buffer)?;
            deliver(error, buffer.get(..error.octets).unwrap_or_default());
        }
    });
}

fn next_error(socket: &Watched, buffer: &mut [u8]) -> io::Result<NetworkError> {
    let mut control = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, libc::in6_pktinfo, u32);
    let mut quoted = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message: RecvMsg<'_, '_, SockaddrStorage> =
        recvmsg(socket.as_raw_fd(), &mut quoted, Some(&mut control), flags)?;
    let unreachable = message.cmsgs().is_ok_and(|mut notes| {
        notes.any(|note| {
            matches!(note, ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _)
                if is_unreachable(&error))
        })
    });
    let remote = message.address.as_ref().and_then(address);
    Ok(NetworkError { remote, octets: message.bytes, unreachable })
}

/// The control message that sets the source address of a datagram.
enum PacketInfo {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

impl PacketInfo {
    fn of(source: SocketAddr) -> Self {
        match source {
            SocketAddr::V4(source) => Self::V4(libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(source.ip().octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            }),
            SocketAddr::V6(source) => Self::V6(libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: source.ip().octets() },
                ipi6_ifindex: source.scope_id(),
            }),
        }
    }

    fn message(&self) -> ControlMessage<'_> {
        match self {
            Self::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Self::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }

    /// Returns space for exactly this control message, because the kernel reads the whole buffer.
    fn space(&self) -> Vec<u8> {
        match self {
            Self::V4(_) => cmsg_space!(libc::in_pktinfo),
            Self::V6(_) => cmsg_space!(libc::in6_pktinfo),
        }
    }
}

/// Reads the control messages: the destination address, and the count of dropped datagrams.
fn read_control(message: &RecvMsg<'_, '_, SockaddrStorage>) -> (Option<SocketAddr>, Option<u32>) {
    let (mut local, mut dropped) = (None, None);
    for note in message.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = note {
            // The octets in memory are in network order.
            let asked = Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes());
            local = Some(SocketAddrV4::new(asked, 0).into());
        } else if let ControlMessageOwned::Ipv6PacketInfo(info) = note {
            let asked = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            // A link-local address is ambiguous without its interface number.
            let scope = if asked.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
            local = Some(SocketAddrV6::new(asked, 0, 0, scope).into());
        } else if let ControlMessageOwned::RxqOvfl(count) = note {
            dropped = Some(count);
        }
    }
    (local, dropped)
}

fn address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
}

/// True for an unreachable host, network, port or protocol, and for a parameter problem. The transaction user gets these errors
/// (RFC 3261 section 18.4). The kernel handles a datagram that is too big for a link. An expired hop limit may be temporary.
fn is_unreachable(error: &libc::sock_extended_err) -> bool {
    match (error.ee_origin, error.ee_type) {
        (libc::SO_EE_ORIGIN_ICMP, ICMP_UNREACHABLE) => error.ee_code != ICMP_FRAGMENTATION_NEEDED,
        (libc::SO_EE_ORIGIN_ICMP, ICMP_PARAMETER_PROBLEM)
        | (libc::SO_EE_ORIGIN_ICMP6, ICMPV6_UNREACHABLE | ICMPV6_PARAMETER_PROBLEM) => true,
        _ => false,
    }
}

/// RFC 792.
const ICMP_UNREACHABLE: u8 = 3;
const ICMP_FRAGMENTATION_NEEDED: u8 = 4;
const ICMP_PARAMETER_PROBLEM: u8 = 12;
/// RFC 4443.
const ICMPV6_UNREACHABLE: u8 = 1;
const ICMPV6_PARAMETER_PROBLEM: u8 = 4;

/// The events of a socket that we wait for: a datagram, or an error that the network reports.
const ARRIVALS: Interest = Interest::READABLE.add(Interest::ERROR);
