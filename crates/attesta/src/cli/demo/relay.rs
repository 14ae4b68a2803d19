//! The relay between the two edges: a relay of datagrams that shows what it carries.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use attesta_net::Clock;
use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::ladder::{CapturedDatagram, Party};

/// Two sockets: one stands for the verifying edge as the signing edge sees it, the other the other way round.
pub(super) struct Relay {
    near: UdpSocket,
    far: UdpSocket,
    /// Where the signing edge sends to.
    pub(super) signing_side: SocketAddr,
    /// Where the verifying edge sends to.
    pub(super) verifying_side: SocketAddr,
}

impl Relay {
    pub(super) async fn bind() -> io::Result<Self> {
        let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (signing_side, verifying_side) = (near.local_addr()?, far.local_addr()?);
        Ok(Self { near, far, signing_side, verifying_side })
    }

    /// Carries datagrams between the two edges until it is dropped, and captures each.
    pub(super) async fn carry(
        self,
        signing_edge: SocketAddr,
        verifying_edge: SocketAddr,
        captures: mpsc::UnboundedSender<CapturedDatagram>,
    ) -> io::Result<()> {
        let (mut near_buffer, mut far_buffer) = (vec![0; MAX_DATAGRAM], vec![0; MAX_DATAGRAM]);
        loop {
            let (from, to, data) = tokio::select! {
                octets = self.near.recv(&mut near_buffer) => {
                    let data = near_buffer.get(..octets?).unwrap_or_default();
                    self.far.send_to(data, verifying_edge).await?;
                    (Party::SigningEdge, Party::VerifyingEdge, Bytes::copy_from_slice(data))
                }
                octets = self.far.recv(&mut far_buffer) => {
                    let data = far_buffer.get(..octets?).unwrap_or_default();
                    self.near.send_to(data, signing_edge).await?;
                    (Party::VerifyingEdge, Party::SigningEdge, Bytes::copy_from_slice(data))
                }
            };
            // Nobody who listens any more is nobody who minds.
            let _ = captures.send(CapturedDatagram { at: Clock::mono(), from, to, data });
        }
    }
}

const MAX_DATAGRAM: usize = 65_535;
