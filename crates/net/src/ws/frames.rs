//! Messages in frames (RFC 6455 section 5, RFC 7118 section 5).

use std::io::{self, ErrorKind, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tungstenite::error::CapacityError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message, Utf8Bytes};

use crate::ws::failure::{WsFailure, WsMeter};

/// The server's end of a WebSocket after the handshake. It converts octets, and does not use the stream below. Each WebSocket
/// message is one SIP message.
pub(crate) struct Frames {
    socket: WebSocket<Pipe>,
    /// The number of octets since the last complete message, without the octets of control frames.
    unfinished: usize,
    /// The most unfinished octets that are allowed.
    allowance: usize,
    meter: WsMeter,
}

/// An item in the frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    /// One SIP message, or a message that the peer sends as a SIP message.
    Message(Bytes),
    /// A keep-alive: a ping, which gets an answer, or line ends (RFC 5626 section 3.5.1).
    KeepAlive,
    /// The answer to our ping.
    Pong,
    /// The peer closes the WebSocket. Our answer is a close frame too.
    Close,
}

impl Frames {
    /// Creates the frames. `limit` is the largest SIP message that is accepted, in octets.
    pub(crate) fn new(limit: usize, meter: WsMeter) -> Frames {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let socket = WebSocket::from_raw_socket(Pipe::default(), Role::Server, Some(config));
        Frames { socket, unfinished: 0, allowance: limit.saturating_add(FRAMING), meter }
    }

    /// Adds received octets.
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.socket.get_mut().inward.extend_from_slice(octets);
        self.unfinished = self.unfinished.saturating_add(octets.len());
    }

    /// Returns the next item in the received octets. Returns `None` until more octets arrive.
    ///
    /// # Errors
    /// [`WsFailure`], which is counted. Later octets cannot be read. A close frame informs the peer about the reason.
    pub(crate) fn poll(&mut self) -> Option<Result<Framed, WsFailure>> {
        loop {
            let failure = match self.socket.read() {
                Ok(message) => match self.take(message) {
                    Some(framed) => return Some(Ok(framed)),
                    None => continue,
                },
                Err(Error::Io(_)) if self.unfinished > self.allowance => WsFailure::Fragments,
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return None,
                Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => WsFailure::TooLarge,
                Err(error) => {
                    tracing::debug!(%error, "unreadable WebSocket frame");
                    WsFailure::Protocol
                }
            };
            self.meter.failed(failure);
            let code = match failure {
                WsFailure::TooLarge | WsFailure::Fragments => CloseCode::Size,
                WsFailure::Timeout
                | WsFailure::NotHttp
                | WsFailure::NotWebSocket
                | WsFailure::NotSip
                | WsFailure::Protocol => CloseCode::Protocol,
            };
            self.close(code);
            return Some(Err(failure));
        }
    }

    /// True if a message has begun to arrive and is incomplete.
    pub(crate) fn is_within_message(&self) -> bool {
        self.unfinished > 0
    }

    /// Writes one SIP message as frames. A UTF-8 message is sent as text (RFC 7118 section 4.2).
    pub(crate) fn write(&mut self, message: Bytes) {
        self.put(match Utf8Bytes::try_from(message.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(message),
        });
    }

    /// Sends a ping.
    pub(crate) fn ping(&mut self) {
        self.put(Message::Ping(Bytes::new()));
    }

    /// Returns the octets to send now.
    pub(crate) fn outward(&mut self) -> Bytes {
        // The library keeps its answers to pings and close frames until the flush. The pipe always has room.
        let _ = self.socket.flush();
        self.socket.get_mut().outward.split().freeze()
    }

    fn put(&mut self, message: Message) {
        // An error means that the WebSocket is closed. The connection then ends soon.
        let _ = self.socket.send(message);
    }

    fn close(&mut self, code: CloseCode) {
        let _ = self.socket.close(Some(CloseFrame { code, reason: Utf8Bytes::default() }));
    }

    /// Interprets one message of the WebSocket. Returns `None` if the message needs no action.
    fn take(&mut self, message: Message) -> Option<Framed> {
        let data = match message {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(data) => data,
            Message::Ping(data) => {
                self.control(data.len());
                return Some(Framed::KeepAlive);
            }
            Message::Pong(data) => {
                self.control(data.len());
                return Some(Framed::Pong);
            }
            Message::Close(_) => {
                self.unfinished = 0;
                return Some(Framed::Close);
            }
            Message::Frame(_) => return None,
        };
        // The octets of the next message that have arrived are not counted. They are fewer than the octets of one read.
        self.unfinished = 0;
        match data.as_ref() {
            b"" => None,
            b"\r\n" => Some(Framed::Pong),
            b"\r\n\r\n" => {
                self.put(Message::Text(Utf8Bytes::from_static("\r\n")));
                Some(Framed::KeepAlive)
            }
            _ => Some(Framed::Message(data)),
        }
    }

    /// Subtracts a control frame with this payload, because it belongs to no message.
    fn control(&mut self, payload: usize) {
        self.unfinished = self.unfinished.saturating_sub(payload + CONTROL_HEADER);
    }
}

/// A stream that consists of two buffers.
#[derive(Debug, Default)]
struct Pipe {
    inward: BytesMut,
    outward: BytesMut,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.inward.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let octets = buffer.len().min(self.inward.len());
        self.inward.split_to(octets).copy_to_slice(buffer.get_mut(..octets).unwrap_or_default());
        Ok(octets)
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.outward.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The number of octets that are parsed at once. A larger frame grows the buffer.
const READ_BUFFER: usize = 4 * 1024;
/// The number of octets that the frames of one message may have in addition to the message: 2,000 headers of eight octets.
const FRAMING: usize = 16 * 1024;
/// The octets of a client's control frame without its payload: two of header, four of mask (RFC 6455 section 5.2).
const CONTROL_HEADER: usize = 6;
