//! The framing of messages in a stream of octets.

use std::collections::VecDeque;
use std::io::IoSlice;

use attesta_sip::{Frame, Framer, Limits, Message, Name, StreamError, Via};
use bytes::{Buf, Bytes};

use crate::ws::frames::{Framed, Frames};

/// Converts octets to messages, and messages to octets. SIP frames its messages by Content-Length, or uses the frames of a
/// lower layer.
pub(crate) trait Wire {
    /// Adds received octets.
    fn push(&mut self, octets: &[u8]);

    /// Returns the next item in the received octets. Returns `None` until more octets arrive. If the framing requires an answer
    /// to the peer, the answer is written to `out`.
    fn poll(&mut self, out: &mut Outgoing) -> Option<Result<Found, Fault>>;

    /// True if a message has begun to arrive and has not ended.
    fn is_within_message(&self) -> bool;

    /// Writes one message.
    fn write(&mut self, message: Bytes, out: &mut Outgoing);

    /// Sends a keep-alive that the peer must answer.
    fn ping(&mut self, out: &mut Outgoing);

    /// True if we also send keep-alives on connections that the peer opened. This is necessary if the peer cannot send
    /// keep-alives, and if we cannot open a connection to the peer.
    fn pings_inbound(&self) -> bool {
        false
    }
}

/// An item in a stream.
#[derive(Debug)]
pub(crate) enum Found {
    /// A message.
    Message {
        data: Bytes,
        /// The port of the top Via, if the Via has `alias`. Requests to this port may use the connection (RFC 5923 section 5).
        alias: Option<u16>,
    },
    /// A keep-alive from the peer.
    KeepAlive,
    /// The answer to our keep-alive, or octets that look like an answer.
    Pong,
    /// The peer closes the connection. It sends and reads no further octets.
    Close,
}

/// The octets are not messages. All later octets are unreadable.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The octets are not SIP. The transaction layer may answer with a SIP response.
    Message(StreamError),
    /// The octets are not valid frames. The wire has sent a close frame to the peer.
    Frames,
}

/// SIP directly on the stream (RFC 3261 section 18.3).
#[derive(Debug)]
pub(crate) struct Bare {
    framer: Framer,
    limits: Limits,
}

impl Bare {
    pub(crate) fn new(limits: Limits) -> Bare {
        Bare { framer: Framer::new(limits), limits }
    }
}

impl Wire for Bare {
    fn push(&mut self, octets: &[u8]) {
        self.framer.push(octets);
    }

    fn poll(&mut self, out: &mut Outgoing) -> Option<Result<Found, Fault>> {
        let found = match self.framer.poll()? {
            Ok(Frame::Message(message)) => {
                let data = message.to_bytes();
                if self.framer.is_idle() && data.len() > LARGE {
                    // Drops the buffer that has grown with this message. Most connections never have another message of this
                    // size.
                    self.framer = Framer::new(self.limits);
                }
                Found::Message { alias: alias(&message), data }
            }
            Ok(Frame::Ping) => {
                out.push(Bytes::from_static(PONG));
                Found::KeepAlive
            }
            Ok(Frame::Pong) => Found::Pong,
            Err(error) => return Some(Err(Fault::Message(error))),
        };
        Some(Ok(found))
    }

    fn is_within_message(&self) -> bool {
        !self.framer.is_idle()
    }

    fn write(&mut self, message: Bytes, out: &mut Outgoing) {
        out.push(message);
    }

    fn ping(&mut self, out: &mut Outgoing) {
        out.push(Bytes::from_static(PING));
    }
}

impl Wire for Frames {
    fn push(&mut self, octets: &[u8]) {
        Frames::push(self, octets);
    }

    fn poll(&mut self, out: &mut Outgoing) -> Option<Result<Found, Fault>> {
        let found = Frames::poll(self);
        out.push(self.outward());
        let found = match found? {
            Ok(Framed::Message(data)) => Found::Message { data, alias: None },
            Ok(Framed::KeepAlive) => Found::KeepAlive,
            Ok(Framed::Pong) => Found::Pong,
            Ok(Framed::Close) => Found::Close,
            Err(_) => return Some(Err(Fault::Frames)),
        };
        Some(Ok(found))
    }

    fn is_within_message(&self) -> bool {
        Frames::is_within_message(self)
    }

    fn write(&mut self, message: Bytes, out: &mut Outgoing) {
        Frames::write(self, message);
        out.push(self.outward());
    }

    fn ping(&mut self, out: &mut Outgoing) {
        Frames::ping(self);
        out.push(self.outward());
    }

    /// A browser cannot send pings, and we cannot open a connection to a browser.
    fn pings_inbound(&self) -> bool {
        true
    }
}

/// Returns the port of the top Via, if the Via has `alias`. Most requests have no `alias`.
fn alias(message: &Message) -> Option<u16> {
    let Message::Request(request) = message else { return None };
    let via = Via::parse(request.headers().values(Name::Via).next()?).ok()?;
    via.params().has("alias").then(|| via.port().unwrap_or(DEFAULT_PORT))
}

/// Octets that wait to be written, in the pieces in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Bytes>,
    octets: usize,
}

impl Outgoing {
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.octets += piece.len();
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Returns the number of octets plus the overhead of the pieces. If a peer sends pings and does not read, each piece has
    /// only two octets.
    pub(crate) fn cost(&self) -> usize {
        self.octets + self.pieces.len() * PIECE
    }

    /// Returns the first pieces, in the form for one system call.
    pub(crate) fn slices(&self) -> [IoSlice<'_>; VECTOR] {
        let mut pieces = self.pieces.iter();
        std::array::from_fn(|_| IoSlice::new(pieces.next().map_or(&[], |piece| piece)))
    }

    /// Removes octets that were written.
    pub(crate) fn advance(&mut self, mut octets: usize) {
        self.octets = self.octets.saturating_sub(octets);
        while let Some(first) = self.pieces.front_mut() {
            let taken = octets.min(first.len());
            first.advance(taken);
            octets -= taken;
            if !first.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
    }
}

/// The keep-alive of RFC 5626 section 3.5.1.
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// The port of a Via without a port (RFC 3261 section 18.2.2).
const DEFAULT_PORT: u16 = 5060;

/// A message with more octets is rare, so its buffer is dropped.
const LARGE: usize = 16 * 1024;

/// The overhead of a piece, in octets.
const PIECE: usize = 64;

/// Pieces that are written at once.
const VECTOR: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(out: &mut Outgoing) -> Vec<u8> {
        let octets: Vec<u8> = out.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        out.advance(octets.len());
        octets
    }

    #[test]
    fn a_ping_is_answered_with_one_line_end() {
        let (mut wire, mut out) = (Bare::new(Limits::default()), Outgoing::default());
        wire.push(b"\r\n\r\n");
        assert!(matches!(wire.poll(&mut out), Some(Ok(Found::Pong))) && out.is_empty());
        assert!(matches!(wire.poll(&mut out), Some(Ok(Found::KeepAlive))));
        assert_eq!(written(&mut out), b"\r\n");
        assert!(out.is_empty() && out.cost() == 0);
    }

    #[test]
    fn an_alias_is_the_sent_by_port() {
        for (via, expected) in [
            ("192.0.2.1:5070;branch=z9hG4bK1;alias", Some(5070)),
            ("192.0.2.1;alias;branch=z9hG4bK1", Some(5060)),
            ("192.0.2.1:5070;branch=z9hG4bK1", None),
        ] {
            let (mut wire, mut out) = (Bare::new(Limits::default()), Outgoing::default());
            wire.push(format!("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP {via}\r\nl: 0\r\n\r\n").as_bytes());
            let Some(Ok(Found::Message { alias, .. })) = wire.poll(&mut out) else {
                unreachable!("a message")
            };
            assert_eq!(alias, expected, "{via}");
        }
    }

    #[test]
    fn a_partial_write_continues_where_it_stopped() {
        let mut out = Outgoing::default();
        for piece in ["one", "", "two", "three"] {
            out.push(Bytes::from_static(piece.as_bytes()));
        }
        out.advance(4);
        assert_eq!(out.cost(), 7 + 2 * PIECE);
        assert_eq!(written(&mut out), b"wothree");
        assert!(out.is_empty());
    }

    #[test]
    fn the_buffer_of_a_large_message_is_not_kept() {
        let (mut wire, mut out) = (Bare::new(Limits::default()), Outgoing::default());
        let body = "x".repeat(LARGE);
        wire.push(format!("OPTIONS sip:a SIP/2.0\r\nl: {LARGE}\r\n\r\n{body}").as_bytes());
        assert!(matches!(wire.poll(&mut out), Some(Ok(Found::Message { .. }))));
        assert!(!wire.is_within_message());
    }
}
