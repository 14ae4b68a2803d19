//! Reassembles each direction of a TCP connection, and splits the direction into messages.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use attesta_sip::{Frame, Framer, Limits, Message, StreamError};
use etherparse::TcpSlice;

use super::super::message::looks_like_sip;

/// The TCP connections of a capture.
#[derive(Debug, Default)]
pub(super) struct Streams {
    directions: BTreeMap<FlowKey, Direction>,
}

/// The source and the destination.
type FlowKey = (SocketAddr, SocketAddr);

/// The result of a segment.
pub(super) enum Found {
    Message(Box<Message>),
    Broken(StreamError),
}

#[derive(Debug)]
struct Direction {
    /// The next sequence number.
    next: u32,
    framer: Framer,
    /// True if the direction carries SIP and the framer is at a known position.
    in_sync: bool,
    /// Segments that wait for a segment with a lower sequence number.
    out_of_order: Vec<(u32, Vec<u8>)>,
}

impl Streams {
    /// Returns true if this direction is read as SIP.
    pub(super) fn is_sip(&self, flow: FlowKey) -> bool {
        self.directions.get(&flow).is_some_and(|direction| direction.in_sync)
    }

    /// Adds a segment and returns the messages that it completes.
    pub(super) fn segment(&mut self, flow: FlowKey, segment: &TcpSlice<'_>) -> Vec<Found> {
        let (number, payload) = (segment.sequence_number(), segment.payload());
        if segment.syn() {
            if self.directions.len() < MAX_DIRECTIONS || self.directions.contains_key(&flow) {
                self.directions.insert(flow, Direction::new(number.wrapping_add(1)));
            }
            return Vec::new();
        }
        if payload.is_empty() {
            return Vec::new();
        }
        if !self.directions.contains_key(&flow) {
            // The capture began in the middle of the connection.
            if self.directions.len() >= MAX_DIRECTIONS || !looks_like_sip(payload) {
                return Vec::new();
            }
            self.directions.insert(flow, Direction::new(number));
        }
        let mut found = Vec::new();
        if let Some(direction) = self.directions.get_mut(&flow) {
            direction.take(number, payload, &mut found);
        }
        found
    }
}

impl Direction {
    fn new(next: u32) -> Self {
        Self { next, framer: Framer::new(Limits::default()), in_sync: false, out_of_order: Vec::new() }
    }

    fn take(&mut self, number: u32, payload: &[u8], found: &mut Vec<Found>) {
        if ahead(number, self.next) {
            if self.out_of_order.len() < MAX_OUT_OF_ORDER {
                self.out_of_order.push((number, payload.to_vec()));
                return;
            }
            // The missing segment is given up. Reading continues at the next segment that begins a message.
            (self.out_of_order, self.next, self.in_sync) = (Vec::new(), number, false);
        }
        self.read_new(number, payload, found);
        while let Some(place) = self.out_of_order.iter().position(|(number, _)| !ahead(*number, self.next)) {
            let (number, payload) = self.out_of_order.swap_remove(place);
            self.read_new(number, &payload, found);
        }
    }

    /// Reads the new octets of a segment. The segment begins at or before the expected sequence number.
    fn read_new(&mut self, number: u32, payload: &[u8], found: &mut Vec<Found>) {
        let known = usize::try_from(self.next.wrapping_sub(number)).unwrap_or(usize::MAX);
        let Some(fresh) = payload.get(known..).filter(|fresh| !fresh.is_empty()) else { return };
        self.next = self.next.wrapping_add(u32::try_from(fresh.len()).unwrap_or(u32::MAX));
        if !self.in_sync {
            if !looks_like_sip(fresh) {
                return;
            }
            (self.framer, self.in_sync) = (Framer::new(Limits::default()), true);
        }
        self.framer.push(fresh);
        while let Some(frame) = self.framer.poll() {
            match frame {
                Ok(Frame::Message(message)) => found.push(Found::Message(Box::new(message))),
                Ok(Frame::Ping | Frame::Pong) => {}
                Err(error) => {
                    self.in_sync = false;
                    found.push(Found::Broken(error));
                }
            }
        }
    }
}

/// Returns true if `number` is after `next`, modulo 2^32.
fn ahead(number: u32, next: u32) -> bool {
    let distance = number.wrapping_sub(next);
    distance != 0 && distance < 1 << 31
}

const MAX_DIRECTIONS: usize = 4096;
const MAX_OUT_OF_ORDER: usize = 64;
