//! The addresses of listeners: the requested addresses, and the sockets that are bound to them.

use std::net::SocketAddr;
use std::sync::Arc;

use attesta_b2bua::Listener;
use attesta_net::{Acceptor, Tls, TlsFiles, TlsMeter, TlsProtocol, Udp, UdpOptions, WsMeter};
use attesta_transaction::{SentBy, Transport};

use crate::build_error::BuildError;

/// Describes an address to listen on.
#[derive(Clone, Debug)]
pub struct Listen {
    name: Option<Arc<str>>,
    transport: Transport,
    pub(crate) address: SocketAddr,
    advertise: Option<SentBy>,
    options: UdpOptions,
    tls: Option<TlsFiles>,
}

impl Listen {
    fn new(transport: Transport, address: SocketAddr) -> Self {
        let options = UdpOptions::default();
        Self { name: None, transport, address, advertise: None, options, tls: None }
    }

    /// Listens for UDP on `address`. Port 0 means any free port. This is true for all transports.
    pub fn udp(address: impl Into<SocketAddr>) -> Self {
        Self::new(Transport::Udp, address.into())
    }

    /// Listens for TCP on `address`.
    pub fn tcp(address: impl Into<SocketAddr>) -> Self {
        Self::new(Transport::Tcp, address.into())
    }

    /// Listens for TLS on `address`, with the certificates in `files`. The edge reads the files again when they change.
    /// Open connections stay open.
    pub fn tls(address: impl Into<SocketAddr>, files: TlsFiles) -> Self {
        let tls = Some(files.protocol(TlsProtocol::Sip));
        Self { tls, ..Self::new(Transport::Tls, address.into()) }
    }

    /// Listens for WebSocket (RFC 7118) on `address`, without TLS. Use this for tests, or behind a proxy that
    /// terminates TLS.
    pub fn ws(address: impl Into<SocketAddr>) -> Self {
        Self::new(Transport::Ws, address.into())
    }

    /// Listens for WebSocket (RFC 7118) over TLS on `address`. `files` works as for [`Self::tls`].
    pub fn wss(address: impl Into<SocketAddr>, files: TlsFiles) -> Self {
        let tls = Some(files.protocol(TlsProtocol::WebSocket));
        Self { tls, ..Self::new(Transport::Wss, address.into()) }
    }

    /// Sets the name by which trunks refer to the listener. Listeners of other transports may have the same name.
    /// Default: the transport and the address.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the host and port for Via and Contact. Default: the address.
    #[must_use]
    pub fn advertise(mut self, sent_by: SentBy) -> Self {
        self.advertise = Some(sent_by);
        self
    }

    /// Sets the socket options of a UDP listener: buffer sizes and the DSCP of sent packets. Default:
    /// [`UdpOptions::default`].
    #[must_use]
    pub fn options(mut self, options: UdpOptions) -> Self {
        self.options = options;
        self
    }

    /// Returns true if each worker has its own socket on this address. Otherwise only the first worker has a socket.
    pub(crate) fn is_datagram(&self) -> bool {
        self.transport == Transport::Udp
    }

    /// Prepares a UDP listener for several sockets on one address. First binds the address alone: this finds the port for
    /// port 0, and fails if another program uses the address. Sockets that share an address cannot detect this.
    pub(crate) fn share(&mut self) -> Result<(), BuildError> {
        if self.is_datagram() {
            let address = self.address;
            let found =
                Udp::bind(address, &self.options).map_err(|error| BuildError::Bind { address, error })?;
            self.address = found.local();
            self.options = self.options.shared(true);
        }
        Ok(())
    }

    /// Binds the address and adds the socket to `bound`.
    pub(crate) fn open(self, bound: &mut BoundSockets) -> Result<Listener, BuildError> {
        let address = self.address;
        let refused = |error| BuildError::Bind { address, error };
        let ws = bound.ws.clone();
        let (tls, acceptor) = match (self.transport, &self.tls) {
            (Transport::Udp, _) => {
                let socket = Udp::bind(address, &self.options).map_err(refused)?;
                let local = socket.local();
                bound.udp.push(socket);
                bound.listeners.push((Transport::Udp, local));
                return Ok(self.listener(local));
            }
            (Transport::Tcp, _) | (Transport::Tls, None) => (None, Acceptor::tcp(address)),
            (Transport::Ws, _) | (Transport::Wss, None) => (None, Acceptor::ws(address, ws)),
            (Transport::Tls, Some(files)) => {
                let tls = bound.tls(address, files)?;
                (Some(tls.clone()), Acceptor::tls(address, tls))
            }
            (Transport::Wss, Some(files)) => {
                let tls = bound.tls(address, files)?;
                (Some(tls.clone()), Acceptor::wss(address, tls, ws))
            }
        };
        let acceptor = acceptor.map_err(refused)?;
        let local = acceptor.local();
        bound.listeners.push((self.transport, local));
        bound.acceptors.push(acceptor);
        if let (Some(tls), Some(files)) = (tls, self.tls.clone()) {
            bound.watched_files.push((files, tls));
        }
        Ok(self.listener(local))
    }

    /// Returns the listener after it is bound to `local`.
    pub(crate) fn listener(self, local: SocketAddr) -> Listener {
        let word = self.transport.as_str().to_ascii_lowercase();
        let name = self.name.unwrap_or_else(|| format!("{word} {local}").into());
        let listener = Listener::new(name, self.transport, local);
        match self.advertise {
            Some(sent_by) => listener.advertise(sent_by),
            None => listener,
        }
    }
}

impl<A: Into<SocketAddr>> From<A> for Listen {
    fn from(address: A) -> Self {
        Self::udp(address)
    }
}

/// The bound sockets, in the order in which they were requested.
#[derive(Debug, Default)]
pub(crate) struct BoundSockets {
    pub(crate) listeners: Vec<(Transport, SocketAddr)>,
    pub(crate) udp: Vec<Udp>,
    pub(crate) acceptors: Vec<Acceptor>,
    /// Certificate files to watch for changes, and the TLS settings that each change updates.
    pub(crate) watched_files: Vec<(TlsFiles, Tls)>,
    pub(crate) tls: TlsMeter,
    pub(crate) ws: WsMeter,
}

impl BoundSockets {
    fn tls(&self, address: SocketAddr, files: &TlsFiles) -> Result<Tls, BuildError> {
        let terms = files.load().map_err(|error| BuildError::Tls { address, error: error.error })?;
        Tls::new(&terms, self.tls.clone()).map_err(|error| BuildError::Tls { address, error })
    }
}
