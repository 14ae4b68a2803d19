//! TCP sockets: listening sockets, accepted sockets and opened sockets.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use attesta_transaction::Transport;
#[cfg(target_os = "linux")]
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::tls::Tls;
use crate::ws::failure::WsMeter;

/// A bound address that accepts stream connections.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    local: SocketAddr,
    layer: Layer,
}

/// The layer between TCP and SIP.
#[derive(Clone, Debug)]
pub(crate) enum Layer {
    Bare,
    Tls(Tls),
    Ws(WsMeter),
    Wss(Tls, WsMeter),
}

impl Layer {
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Layer::Bare => Transport::Tcp,
            Layer::Tls(_) => Transport::Tls,
            Layer::Ws(_) => Transport::Ws,
            Layer::Wss(..) => Transport::Wss,
        }
    }

    /// True if a connection begins with a TLS handshake.
    pub(crate) fn is_tls(&self) -> bool {
        match self {
            Layer::Bare | Layer::Ws(_) => false,
            Layer::Tls(_) | Layer::Wss(..) => true,
        }
    }
}

impl Acceptor {
    /// Listens for SIP over TCP on `address`. Port 0 means any free port, see [`Acceptor::local`].
    ///
    /// Must be called within a tokio runtime with its I/O driver enabled.
    ///
    /// # Errors
    /// The error of the operating system: the address is in use, is not local, or needs a privilege.
    pub fn tcp(address: SocketAddr) -> io::Result<Acceptor> {
        Acceptor::bind(address, Layer::Bare)
    }

    /// Listens for SIP over TLS, as for [`Acceptor::tcp`].
    ///
    /// # Errors
    /// As for [`Acceptor::tcp`].
    pub fn tls(address: SocketAddr, tls: Tls) -> io::Result<Acceptor> {
        Acceptor::bind(address, Layer::Tls(tls))
    }

    /// Listens for SIP over WebSocket (RFC 7118), counted by `meter`, as for [`Acceptor::tcp`].
    ///
    /// # Errors
    /// As for [`Acceptor::tcp`].
    pub fn ws(address: SocketAddr, meter: WsMeter) -> io::Result<Acceptor> {
        Acceptor::bind(address, Layer::Ws(meter))
    }

    /// Listens for SIP over WebSocket over TLS, as for [`Acceptor::ws`].
    ///
    /// # Errors
    /// As for [`Acceptor::tcp`].
    pub fn wss(address: SocketAddr, tls: Tls, meter: WsMeter) -> io::Result<Acceptor> {
        Acceptor::bind(address, Layer::Wss(tls, meter))
    }

    fn bind(address: SocketAddr, layer: Layer) -> io::Result<Acceptor> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            // As for datagrams, `[::]` does not include IPv4, so that the operator can configure `0.0.0.0` separately.
            socket.set_only_v6(true)?;
        }
        // Old connections in TIME_WAIT do not block the port after a restart.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let local = listener.local_addr()?;
        Ok(Acceptor { listener, local, layer })
    }

    /// Returns the bound address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Returns the transport of the connections.
    pub fn transport(&self) -> Transport {
        self.layer.transport()
    }

    pub(crate) fn layer(&self) -> &Layer {
        &self.layer
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.listener.poll_accept(cx)
    }
}

/// Opens a connection from the address of `local`, at a port that the system chooses.
pub(crate) async fn connect(local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if !local.ip().is_unspecified() {
        socket.bind(SocketAddr::new(local.ip(), 0))?;
    }
    let stream = socket.connect(remote).await?;
    tune(&stream);
    Ok(stream)
}

/// Raises the descriptor limit of this process to the maximum that the system allows. Returns the new limit. Each connection
/// needs one descriptor, and the default of a shell is low. A program calls this function at its start. The library does not
/// call it.
///
/// # Errors
/// The error of the operating system. The limit then stays unchanged.
#[cfg(target_os = "linux")]
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (_, granted) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, granted, granted)?;
    Ok(granted)
}

/// Sets the options of a signalling connection. Small writes are sent at once. If the peer no longer responds, the connection
/// ends. The buffers of the system stay small, even if a peer does not read.
pub(crate) fn tune(stream: &TcpStream) {
    let keep_alive = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY);
    let socket = SockRef::from(stream);
    let set = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keep_alive))
        .and_then(|()| socket.set_send_buffer_size(BUFFER))
        .and_then(|()| socket.set_recv_buffer_size(BUFFER));
    #[cfg(target_os = "linux")]
    let set = set.and_then(|()| socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED)));
    if let Err(error) = set {
        // The connection is already closed. The next read reports this.
        tracing::debug!(%error, "cannot set a socket option");
    }
}

/// The most connections that may wait to be accepted. The system may have a lower limit.
const BACKLOG: i32 = 1024;

/// Octets that the system buffers in each direction of a connection.
const BUFFER: usize = 128 * 1024;

/// The silence of a connection after which the system probes the peer, and the interval of the probes.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// The longest time that sent data may stay unacknowledged before the connection breaks. A transaction also ends after this
/// time (RFC 3261 section 17.1.1.2).
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(32);
