//! The admin listener: health and counters over HTTP.

mod metrics;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use attesta::{Handle, Stopped};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// The admin listener. Its socket is bound, but does not serve requests yet.
pub(crate) struct Admin {
    listener: TcpListener,
    local: SocketAddr,
}

impl Admin {
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let local = listener.local_addr()?;
        Ok(Self { listener, local })
    }

    /// Returns the bound address.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Serves requests until the future is dropped. Dropping the future also ends all admin connections.
    pub(crate) async fn serve(self, edge: Handle) {
        let router =
            Router::new().route("/health", get(health)).route("/metrics", get(metrics)).with_state(edge);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
            while connections.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let answering = timeout(CONNECTION_TIME, answer(stream, router.clone()));
                    connections.spawn(async move {
                        let _permit = permit;
                        if answering.await.is_err() {
                            debug!(%peer, "admin connection closed: it lasted too long");
                        }
                    });
                }
                Err(error) => {
                    // The likely reason is that the process has no free file descriptor. Wait before the next attempt.
                    warn!(%error, "cannot accept an admin connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Serves one connection.
async fn answer(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MAX_HEADER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        debug!(%error, "admin connection failed");
    }
}

/// Answers 200 while the edge runs, and 503 after the edge has stopped.
async fn health(State(edge): State<Handle>) -> Response {
    match edge.report().await {
        Ok(_) => ([(header::CONTENT_TYPE, JSON)], "{\"status\":\"ok\"}\n").into_response(),
        Err(Stopped) => {
            let body = "{\"status\":\"stopped\"}\n";
            (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, JSON)], body).into_response()
        }
    }
}

/// Answers with the counters in the format of Prometheus.
async fn metrics(State(edge): State<Handle>) -> Response {
    let Ok(report) = edge.report().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    match metrics::encode(report) {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            warn!(%error, "cannot encode the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The greatest number of connections that are served at the same time. Further connections wait in the listen queue of the
/// operating system.
const CONNECTIONS: usize = 32;
/// The longest duration of one connection. Prometheus then opens a new connection.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
const HEADER_TIME: Duration = Duration::from_secs(5);
const MAX_HEADER: usize = 16 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
