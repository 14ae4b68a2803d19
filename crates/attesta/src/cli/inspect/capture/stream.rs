//! TCP connections, each direction put back into its order and cut into messages.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use attesta_sip::{Frame, Framer, Limits, Message, StreamError};
use etherparse::TcpSlice;

use super::super::message::looks_like_sip;

/// The connections of a capture.
#[derive(Debug, Default)]
pub(super) struct Streams {
    directions: BTreeMap<Ends, Direction>,
}

/// From whom, to whom.
type Ends = (SocketAddr, SocketAddr);

/// What a segment completed.
pub(super) enum Found {
    Message(Box<Message>),
    Broken(StreamError),
}

#[derive(Debug)]
struct Direction {
    /// The sequence number that comes next.
    next: u32,
    framer: Framer,
    /// It has been found to carry SIP, and can be followed.
    follows: bool,
    /// Segments that came before those that precede them.
    early: Vec<(u32, Vec<u8>)>,
}

impl Streams {
    /// Whether this direction is followed.
    pub(super) fn listens(&self, ends: Ends) -> bool {
        self.directions.get(&ends).is_some_and(|direction| direction.follows)
    }

    /// Takes a segment in; the messages that it completes.
    pub(super) fn segment(&mut self, ends: Ends, segment: &TcpSlice<'_>) -> Vec<Found> {
        let (number, payload) = (segment.sequence_number(), segment.payload());
        if segment.syn() {
            if self.directions.len() < MAX_DIRECTIONS || self.directions.contains_key(&ends) {
                self.directions.insert(ends, Direction::new(number.wrapping_add(1)));
            }
            return Vec::new();
        }
        if payload.is_empty() {
            return Vec::new();
        }
        if !self.directions.contains_key(&ends) {
            // The capture began after the connection did.
            if self.directions.len() >= MAX_DIRECTIONS || !looks_like_sip(payload) {
                return Vec::new();
            }
            self.directions.insert(ends, Direction::new(number));
        }
        let mut found = Vec::new();
        if let Some(direction) = self.directions.get_mut(&ends) {
            direction.take(number, payload, &mut found);
        }
        found
    }
}

impl Direction {
    fn new(next: u32) -> Self {
        Self { next, framer: Framer::new(Limits::default()), follows: false, early: Vec::new() }
    }

    fn take(&mut self, number: u32, payload: &[u8], found: &mut Vec<Found>) {
        if ahead(number, self.next) {
            if self.early.len() < MAX_EARLY {
                self.early.push((number, payload.to_vec()));
                return;
            }
            // What is missing will not come any more: go on where a message begins.
            (self.early, self.next, self.follows) = (Vec::new(), number, false);
        }
        self.follow(number, payload, found);
        while let Some(place) = self.early.iter().position(|(number, _)| !ahead(*number, self.next)) {
            let (number, payload) = self.early.swap_remove(place);
            self.follow(number, &payload, found);
        }
    }

    /// Takes what is not known yet of a segment that begins no later than it should.
    fn follow(&mut self, number: u32, payload: &[u8], found: &mut Vec<Found>) {
        let known = usize::try_from(self.next.wrapping_sub(number)).unwrap_or(usize::MAX);
        let Some(fresh) = payload.get(known..).filter(|fresh| !fresh.is_empty()) else { return };
        self.next = self.next.wrapping_add(u32::try_from(fresh.len()).unwrap_or(u32::MAX));
        if !self.follows {
            if !looks_like_sip(fresh) {
                return;
            }
            (self.framer, self.follows) = (Framer::new(Limits::default()), true);
        }
        self.framer.push(fresh);
        while let Some(frame) = self.framer.poll() {
            match frame {
                Ok(Frame::Message(message)) => found.push(Found::Message(Box::new(message))),
                Ok(Frame::Ping | Frame::Pong) => {}
                Err(error) => {
                    self.follows = false;
                    found.push(Found::Broken(error));
                }
            }
        }
    }
}

/// Whether `number` lies behind `next` in a stream whose numbers begin again after the last.
fn ahead(number: u32, next: u32) -> bool {
    let distance = number.wrapping_sub(next);
    distance != 0 && distance < 1 << 31
}

const MAX_DIRECTIONS: usize = 4096;
const MAX_EARLY: usize = 64;
