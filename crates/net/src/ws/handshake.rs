//! The HTTP request that opens a WebSocket (RFC 6455 section 4.2, RFC 7118 section 4.1).

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tungstenite::handshake::derive_accept_key;

use crate::ws::failure::WsFailure;
use crate::ws::limits::{WS_HEADER_OCTETS, WS_HEADERS};

/// Answers the handshake of a client. The caller of this function sets the time limit. Returns the stream, and the octets that
/// were read after the request.
///
/// # Errors
/// [`WsFailure`]. A client with another request has received an HTTP error.
pub(crate) async fn accept<S>(stream: S) -> Result<(S, Bytes), WsFailure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let verdict = Arc::new(OnceLock::new());
    let recorded = verdict.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let judged = judge(&request);
        // Only one request is read, so the cell is still empty.
        let _ = recorded.set(judged.as_ref().err().map(|refusal| refusal.failure));
        let response = match judged {
            Ok(accept) => switch(accept),
            Err(refusal) => refusal.response(),
        };
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .max_headers(WS_HEADERS)
        .max_buf_size(WS_HEADER_OCTETS)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .without_shutdown()
        .await;
    let parts = served.map_err(|error| {
        tracing::debug!(%error, "WebSocket handshake failed");
        WsFailure::NotHttp
    })?;
    let mut stream = parts.io.into_inner();
    match verdict.get() {
        Some(None) => Ok((stream, parts.read_buf)),
        Some(Some(failure)) => {
            // An error has no consequences: the answer is written, and no further octets follow.
            let _ = stream.shutdown().await;
            Err(*failure)
        }
        None => Err(WsFailure::NotHttp),
    }
}

/// A request that does not open a WebSocket, and its answer.
struct Refusal {
    failure: WsFailure,
    status: StatusCode,
    field: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    fn new(failure: WsFailure, status: StatusCode) -> Refusal {
        Refusal { failure, status, field: None }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Refusal {
        self.field = Some((name, HeaderValue::from_static(value)));
        self
    }

    fn response(self) -> Response<Empty<Bytes>> {
        let mut response = Response::new(Empty::new());
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        if let Some((name, value)) = self.field {
            response.headers_mut().insert(name, value);
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            // RFC 9110 section 15.5.22: the response names the protocol to upgrade to.
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
        }
        response
    }
}

/// Returns the value of Sec-WebSocket-Accept, or the refusal. Any path, Host and Origin are accepted. The trunks determine
/// which peers may call.
fn judge(request: &Request<Incoming>) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    let not_websocket = |status| Refusal::new(WsFailure::NotWebSocket, status);
    if request.method() != Method::GET {
        return Err(not_websocket(StatusCode::METHOD_NOT_ALLOWED).with(ALLOW, "GET"));
    }
    if !has_token(headers, &UPGRADE, WEBSOCKET) || !has_token(headers, &CONNECTION, "upgrade") {
        return Err(not_websocket(StatusCode::UPGRADE_REQUIRED).with(SEC_WEBSOCKET_VERSION, VERSION));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        return Err(not_websocket(StatusCode::UPGRADE_REQUIRED).with(SEC_WEBSOCKET_VERSION, VERSION));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == KEY_LENGTH);
    let accept = key.and_then(|key| HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok());
    let accept = accept.ok_or_else(|| not_websocket(StatusCode::BAD_REQUEST))?;
    if !has_token(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        let refusal = Refusal::new(WsFailure::NotSip, StatusCode::BAD_REQUEST);
        return Err(refusal.with(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL));
    }
    Ok(accept)
}

fn switch(accept: HeaderValue) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    response
}

/// True if one of the comma-separated tokens of a header field equals `token`, ignoring case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|each| each.trim().eq_ignore_ascii_case(token))
}

const WEBSOCKET: &str = "websocket";
/// The only version of the protocol (RFC 6455 section 4.4).
const VERSION: &str = "13";
/// RFC 7118 section 4.1.
const SUBPROTOCOL: &str = "sip";
/// The length of sixteen octets in base64.
const KEY_LENGTH: usize = 24;
