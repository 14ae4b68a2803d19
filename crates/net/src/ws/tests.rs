//! Tests with a client of the library, and with hostile peers.

use std::io::{self, ErrorKind, Read, Write};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Error, Message};

use crate::ws::failure::{WsFailure, WsMeter};
use crate::ws::frames::{Framed, Frames};
use crate::ws::handshake::accept;
use crate::ws::limits::{WS_HEADER_OCTETS, WS_HEADERS};

const LIMIT: usize = 1_000;

const GOOD: &str = "GET / HTTP/1.1\r\nHost: sip-ws.example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, \
                    Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, sip\r\n\
                    Sec-WebSocket-Version: 13\r\n\r\n";

/// Returns the result of the server for a request, and its answer.
async fn asked(request: &str) -> (Result<Bytes, WsFailure>, String) {
    let (near, mut far) = duplex(256 * 1024);
    far.write_all(request.as_bytes()).await.unwrap();
    let outcome = accept(near).await.map(|(_, early)| early);
    let mut answer = String::new();
    far.read_to_string(&mut answer).await.unwrap();
    (outcome, answer.to_ascii_lowercase())
}

#[tokio::test]
async fn a_handshake_agrees_on_sip() {
    let (outcome, answer) = asked(&format!("{GOOD}early")).await;
    assert_eq!(outcome, Ok(Bytes::from("early")));
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    for field in [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-protocol: sip",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
    ] {
        assert!(answer.contains(&format!("\r\n{field}\r\n")), "{answer}");
    }
}

#[tokio::test]
async fn a_request_for_anything_else_is_told_so() {
    let without = |line: &str| GOOD.replace(line, "");
    for (request, failure, status) in [
        (GOOD.replace("GET", "POST"), WsFailure::NotWebSocket, "405"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), WsFailure::NotWebSocket, "426"),
        (GOOD.replace("Version: 13", "Version: 8"), WsFailure::NotWebSocket, "426"),
        (without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), WsFailure::NotWebSocket, "400"),
        (without("Sec-WebSocket-Protocol: chat, sip\r\n"), WsFailure::NotSip, "400"),
        (GOOD.replace("chat, sip", "chat"), WsFailure::NotSip, "400"),
    ] {
        let (outcome, answer) = asked(&request).await;
        assert_eq!(outcome, Err(failure), "{request}");
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{answer}");
    }
    assert_eq!(asked("INVITE sip:a SIP/2.0\r\n\r\n").await.0, Err(WsFailure::NotHttp));
}

#[tokio::test]
async fn header_fields_are_limited_in_number_and_size() {
    let many = GOOD.replace("\r\n\r\n", &format!("\r\n{}\r\n", "X: y\r\n".repeat(WS_HEADERS)));
    let long = GOOD.replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "y".repeat(WS_HEADER_OCTETS)));
    for request in [many, long] {
        let (outcome, answer) = asked(&request).await;
        assert_eq!(outcome, Err(WsFailure::NotHttp));
        assert!(answer.starts_with("http/1.1 431 "), "{answer}");
    }
}

/// The two ends of a WebSocket.
struct Pair {
    server: Frames,
    client: WebSocket<ClientStream>,
}

/// The client's side of the stream.
#[derive(Default)]
struct ClientStream {
    inward: Vec<u8>,
    outward: Vec<u8>,
}

impl Read for ClientStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let octets = buffer.len().min(self.inward.len());
        if octets == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        buffer[..octets].copy_from_slice(&self.inward[..octets]);
        self.inward.drain(..octets);
        Ok(octets)
    }
}

impl Write for ClientStream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.outward.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pair {
    fn new() -> Pair {
        let client = WebSocket::from_raw_socket(ClientStream::default(), Role::Client, None);
        Pair { server: frames(), client }
    }

    fn client_sends(&mut self, message: Message) {
        self.client.send(message).unwrap();
    }

    /// Returns the items that the server finds when it receives the client's octets one by one.
    fn server_finds(&mut self) -> Vec<Framed> {
        let octets = std::mem::take(&mut self.client.get_mut().outward);
        let mut found = Vec::new();
        for octet in octets {
            self.server.push(&[octet]);
            while let Some(framed) = self.server.poll() {
                found.push(framed.unwrap());
            }
        }
        found
    }

    fn client_finds(&mut self) -> Option<Message> {
        let octets = self.server.outward();
        self.client.get_mut().inward.extend_from_slice(&octets);
        match self.client.read() {
            Ok(message) => Some(message),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn frames() -> Frames {
    Frames::new(LIMIT, WsMeter::default())
}

/// Returns a client's frame with a mask of zeros, so that the payload stays unchanged.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn message(octets: &'static [u8]) -> Framed {
    Framed::Message(Bytes::from_static(octets))
}

#[test]
fn messages_arrive_as_text_binary_or_fragments() {
    let mut pair = Pair::new();
    pair.client_sends(Message::text("OPTIONS one"));
    pair.client_sends(Message::binary(&b"OPTIONS \xFF"[..]));
    assert_eq!(pair.server_finds(), [message(b"OPTIONS one"), message(b"OPTIONS \xFF")]);
    assert!(!pair.server.is_within_message());

    let mut server = frames();
    server.push(&[frame(0x01, b"OPT"), frame(0x89, b"there?")].concat());
    assert_eq!(server.poll(), Some(Ok(Framed::KeepAlive)));
    assert_eq!(server.poll(), None);
    assert!(server.is_within_message(), "the ping is not part of the message");
    assert_eq!(server.outward(), [&[0x8A, 6][..], b"there?"].concat());
    server.push(&frame(0x80, b"IONS"));
    assert_eq!(server.poll(), Some(Ok(message(b"OPTIONS"))));
    assert!(!server.is_within_message());
}

#[test]
fn what_is_utf8_leaves_as_text_and_the_rest_as_binary() {
    let mut pair = Pair::new();
    pair.server.write(Bytes::from("SIP/2.0 200 OK"));
    pair.server.write(Bytes::from(&b"SIP/2.0 200 \xFF"[..]));
    assert_eq!(pair.client_finds(), Some(Message::text("SIP/2.0 200 OK")));
    assert_eq!(pair.client_finds(), Some(Message::binary(&b"SIP/2.0 200 \xFF"[..])));
}

#[test]
fn pings_and_line_ends_keep_alive() {
    let mut pair = Pair::new();
    pair.client_sends(Message::text("\r\n\r\n"));
    pair.client_sends(Message::Ping(Bytes::from("x")));
    pair.client_sends(Message::text("\r\n"));
    assert_eq!(pair.server_finds(), [Framed::KeepAlive, Framed::KeepAlive, Framed::Pong]);
    assert!(!pair.server.is_within_message());
    assert_eq!(pair.client_finds(), Some(Message::text("\r\n")));
    assert_eq!(pair.client_finds(), Some(Message::Pong(Bytes::from("x"))));
    pair.server.ping();
    assert_eq!(pair.client_finds(), Some(Message::Ping(Bytes::new())));
    assert_eq!(pair.client_finds(), None);
    assert_eq!(pair.server_finds(), [Framed::Pong]);
}

#[test]
fn a_close_frame_is_answered() {
    let mut pair = Pair::new();
    pair.client.close(None).unwrap();
    assert_eq!(pair.server_finds(), [Framed::Close]);
    assert!(matches!(pair.client_finds(), Some(Message::Close(_))));
    assert_eq!(pair.server.poll(), None);
}

/// Returns the failure that these octets cause, and the close code for the peer.
fn ends(octets: &[u8]) -> (WsFailure, u16) {
    let meter = WsMeter::default();
    let mut server = Frames::new(LIMIT, meter.clone());
    server.push(octets);
    let failure = loop {
        match server.poll() {
            Some(Ok(_)) => {}
            Some(Err(failure)) => break failure,
            None => panic!("not refused: {octets:02x?}"),
        }
    };
    let counted = meter.counters().failures().find(|(_, count)| *count > 0);
    assert_eq!(counted, Some((failure.as_str(), 1)));
    let sent = server.outward();
    let (_, [0x88, 0x02, high, low]) = sent.split_last_chunk().unwrap() else { panic!("no close frame") };
    (failure, u16::from_be_bytes([*high, *low]))
}

#[test]
fn a_frame_or_a_message_over_the_limit_ends_the_connection() {
    // The length alone is enough. The server does not wait for the payload.
    let announced = [0x81, 0x80 | 127, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(ends(&announced), (WsFailure::TooLarge, 1009));
    let sum = [frame(0x01, &[b'a'; 600]), frame(0x00, &[b'a'; 600])].concat();
    assert_eq!(ends(&sum), (WsFailure::TooLarge, 1009));
}

#[test]
fn endless_fragments_end_the_connection() {
    let fragment = [frame(0x00, b""), frame(0x89, b"hello")].concat();
    let octets = [frame(0x01, b"OPTIONS"), fragment.repeat(3_000)].concat();
    assert_eq!(ends(&octets), (WsFailure::Fragments, 1009));
    let few = [frame(0x01, b"OPTIONS"), fragment.repeat(1_000), frame(0x80, b"")].concat();
    let mut server = frames();
    server.push(&few);
    let found: Vec<_> = std::iter::from_fn(|| server.poll()).map(Result::unwrap).collect();
    assert_eq!(found.last(), Some(&message(b"OPTIONS")));
}

#[test]
fn frames_without_a_mask_or_of_no_kind_are_refused() {
    for octets in
        [&[0x81, 0x02, b'h', b'i'][..], &frame(0x83, b"hi"), &frame(0x80, b"hi"), &frame(0xC1, b"hi")]
    {
        assert_eq!(ends(octets), (WsFailure::Protocol, 1002), "{octets:02x?}");
    }
}
