//! The setup of a connection: connecting and handshakes.

use std::io;

use attesta_transaction::Flow;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::streams::connection::Connection;
use crate::streams::ended::Ended;
use crate::streams::link::{ConnectionEvent, Link};
use crate::streams::wire::Bare;
use crate::tcp::{self, Layer};
use crate::tls::Secured;
use crate::ws::failure::{WsFailure, WsMeter};
use crate::ws::frames::Frames;
use crate::ws::handshake;

/// Handles a connection that a peer has opened.
pub(super) async fn serve(stream: TcpStream, layer: Layer, link: Link) {
    let within = link.limits.handshake;
    match layer {
        Layer::Bare => carry(stream, link).await,
        Layer::Tls(tls) => match tls.accept(stream, within).await {
            Ok(Secured { stream, names }) => {
                link.report(ConnectionEvent::Open(names)).await;
                carry(stream, link).await;
            }
            Err(_) => link.fail(Ended::Handshake).await,
        },
        Layer::Ws(meter) => serve_ws(stream, meter, link).await,
        Layer::Wss(tls, meter) => match tls.accept(stream, within).await {
            Ok(Secured { stream, names }) => {
                link.report(ConnectionEvent::Open(names)).await;
                serve_ws(stream, meter, link).await;
            }
            Err(_) => link.fail(Ended::Handshake).await,
        },
    }
}

async fn carry<S: AsyncRead + AsyncWrite + Unpin>(stream: S, link: Link) {
    let wire = Bare::new(link.limits.reading);
    Connection::new(stream, wire, link).run().await;
}

async fn serve_ws<S: AsyncRead + AsyncWrite + Unpin>(stream: S, meter: WsMeter, link: Link) {
    let accepted = timeout(link.limits.handshake, handshake::accept(stream)).await;
    match accepted.unwrap_or(Err(WsFailure::Timeout)) {
        Ok((stream, early)) => {
            meter.opened();
            let mut wire = Frames::new(link.limits.reading.largest(), meter);
            wire.push(&early);
            Connection::new(stream, wire, link).run().await;
        }
        Err(failure) => {
            meter.failed(failure);
            link.fail(Ended::Handshake).await;
        }
    }
}

/// Opens a connection and handles it.
pub(super) async fn open(flow: Flow, layer: Layer, mut link: Link) {
    let connecting = timeout(link.limits.connect, tcp::connect(flow.local, flow.remote));
    let stream = tokio::select! {
        connected = connecting => connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        _ = &mut link.abort => return link.fail(Ended::QueueFull).await,
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(?flow, %error, "cannot connect");
            return link.fail(Ended::Unreachable).await;
        }
    };
    match layer {
        Layer::Bare => {
            link.report(ConnectionEvent::Open(None)).await;
            carry(stream, link).await;
        }
        Layer::Tls(tls) => {
            // If there is no server name, the peer must prove its address.
            let address = flow.remote.ip().to_string();
            let name = flow.server_name.as_deref().unwrap_or(&address);
            let connecting = tls.connect(name, stream, link.limits.handshake);
            let connected = tokio::select! {
                connected = connecting => connected,
                _ = &mut link.abort => return link.fail(Ended::QueueFull).await,
            };
            match connected {
                Ok(Secured { stream, names }) => {
                    link.report(ConnectionEvent::Open(names)).await;
                    carry(stream, link).await;
                }
                Err(_) => link.fail(Ended::Handshake).await,
            }
        }
        // Only the client opens a WebSocket (RFC 7118 section 5).
        Layer::Ws(_) | Layer::Wss(..) => link.fail(Ended::Unreachable).await,
    }
}
