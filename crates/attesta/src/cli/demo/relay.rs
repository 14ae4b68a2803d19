//! A datagram relay between the two edges. It captures every datagram.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use attesta_net::Clock;
use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::ladder::{CapturedDatagram, Party};

/// Two sockets. Each edge sees one of them as the address of the other edge.
pub(super) struct Relay {
    near: UdpSocket,
    far: UdpSocket,
    /// The address to which the signing edge sends.
    pub(super) signing_side: SocketAddr,
    /// The address to which the verifying edge sends.
    pub(super) verifying_side: SocketAddr,
}

impl Relay {
    pub(super) async fn bind() -> io::Result<Self> {
        let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (signing_side, verifying_side) = (near.local_addr()?, far.local_addr()?);
        Ok(Self { near, far, signing_side, verifying_side })
    }

    /// Relays datagrams between the two edges and captures each datagram, until the future is dropped.
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
            // An error means that the demonstration is ending.
            let _ = captures.send(CapturedDatagram { at: Clock::mono(), from, to, data });
        }
    }
}

const MAX_DATAGRAM: usize = 65_535;
