//! Messages in frames: RFC 6455 section 5, RFC 7118 section 5.

use std::io::{self, ErrorKind, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tungstenite::error::CapacityError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message, Utf8Bytes};

use crate::ws::failure::{WsFailure, WsMeter};

/// The server's end of a WebSocket after its handshake, apart from the stream that carries it: octets go in and come out.
/// Each message is one SIP message.
pub(crate) struct Frames {
    socket: WebSocket<Pipe>,
    /// Octets since the last whole message, those of control frames taken out.
    unfinished: usize,
    /// How many of them are let come.
    allowance: usize,
    meter: WsMeter,
}

/// What stands in the frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    /// One SIP message, or what the peer takes for one.
    Message(Bytes),
    /// A sign of life: a ping, which is answered, or line ends (RFC 5626 section 3.5.1).
    KeepAlive,
    /// The answer to a ping of ours.
    Pong,
    /// The peer sends nothing more; it is answered in kind.
    Close,
}

impl Frames {
    /// `limit` is the largest SIP message that is taken, in octets.
    pub(crate) fn new(limit: usize, meter: WsMeter) -> Frames {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let socket = WebSocket::from_raw_socket(Pipe::default(), Role::Server, Some(config));
        Frames { socket, unfinished: 0, allowance: limit.saturating_add(FRAMING), meter }
    }

    /// Takes in octets as they come.
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.socket.get_mut().inward.extend_from_slice(octets);
        self.unfinished = self.unfinished.saturating_add(octets.len());
    }

    /// The next thing found in them; `None` until more octets come.
    ///
    /// # Errors
    /// [`WsFailure`], counted: nothing that follows can be read. The peer is told why it is closed.
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
                    tracing::debug!(%error, "WebSocket");
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

    /// Whether a message has begun to arrive and is not whole.
    pub(crate) fn is_within_message(&self) -> bool {
        self.unfinished > 0
    }

    /// Frames one SIP message: as text if it is UTF-8 (RFC 7118 section 4.2).
    pub(crate) fn write(&mut self, message: Bytes) {
        self.put(match Utf8Bytes::try_from(message.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(message),
        });
    }

    /// Asks the peer whether it is there.
    pub(crate) fn ping(&mut self) {
        self.put(Message::Ping(Bytes::new()));
    }

    /// What is to be sent by now.
    pub(crate) fn outward(&mut self) -> Bytes {
        // The library keeps its answers to pings and goodbyes until it is asked; the pipe takes all.
        let _ = self.socket.flush();
        self.socket.get_mut().outward.split().freeze()
    }

    fn put(&mut self, message: Message) {
        // After a goodbye there is nobody to send to, and the connection is about to end.
        let _ = self.socket.send(message);
    }

    fn close(&mut self, code: CloseCode) {
        let _ = self.socket.close(Some(CloseFrame { code, reason: Utf8Bytes::default() }));
    }

    /// What one message of the WebSocket's means; `None`: nothing.
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
        // What has come of the next message is let off: it is less than was read at once.
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

    /// A control frame with this payload was read: it belongs to no message.
    fn control(&mut self, payload: usize) {
        self.unfinished = self.unfinished.saturating_sub(payload + CONTROL_HEADER);
    }
}

/// A stream that is two buffers.
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

/// Octets that are looked at in one piece; a larger frame grows the buffer.
const READ_BUFFER: usize = 4 * 1024;
/// Octets that the frames of one message may take beside the message: 2,000 headers of eight octets.
const FRAMING: usize = 16 * 1024;
/// Octets of a client's control frame beside its payload: two of header, four of mask (RFC 6455 section 5.2).
const CONTROL_HEADER: usize = 6;
