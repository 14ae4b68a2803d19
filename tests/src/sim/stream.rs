//! The streams between the nodes of a network. Each stream delivers its messages in order until it is closed.

use std::net::SocketAddr;
use std::time::Instant;

use attesta_transaction::{ConnectionId, Flow, Transport};

/// All streams that were ever opened. The two ends of a stream are adjacent, with the end of the opener first.
#[derive(Default)]
pub(super) struct Streams(Vec<End>);

/// One end of a stream, from the viewpoint of its node.
struct End {
    seat: usize,
    address: SocketAddr,
    transport: Transport,
    open: bool,
    /// The arrival time of the last message that was sent from this end.
    busy: Instant,
}

/// One end of an open stream.
#[derive(Clone, Copy)]
pub(super) struct Open(usize);

impl Open {
    /// The number of the stream, from 1 on.
    pub(super) fn number(self) -> usize {
        self.0 / 2 + 1
    }
}

impl Streams {
    /// Returns the end that the node knows by this connection, if it is open.
    pub(super) fn end(&self, connection: ConnectionId, seat: usize) -> Option<Open> {
        let index = usize::try_from(connection.0).ok()?;
        self.0.get(index).filter(|end| end.open && end.seat == seat).map(|_| Open(index))
    }

    /// Returns an open end of the node that leads to the remote address of the flow.
    pub(super) fn find(&self, seat: usize, flow: &Flow) -> Option<Open> {
        let leads = |index: usize, end: &End| {
            let there = self.0.get(index ^ 1).is_some_and(|other| other.address == flow.remote);
            end.open && end.seat == seat && end.transport == flow.transport && there
        };
        self.0.iter().enumerate().find(|(index, end)| leads(*index, end)).map(|(index, _)| Open(index))
    }

    /// Opens a stream from a new port.
    pub(super) fn open(&mut self, from: usize, to: usize, flow: &Flow, now: Instant) -> Open {
        let index = self.0.len();
        let port = EPHEMERAL + u16::try_from(index / 2).expect("a test opens few streams");
        let ends = [(from, SocketAddr::new(flow.local.ip(), port)), (to, flow.remote)];
        let transport = flow.transport;
        self.0.extend(ends.map(|(seat, address)| End { seat, address, transport, open: true, busy: now }));
        Open(index)
    }

    /// Returns the node at the other end.
    pub(super) fn other(&self, Open(end): Open) -> usize {
        self.0.get(end ^ 1).map(|end| end.seat).expect("ends come in pairs")
    }

    /// Returns the node at the other end of a stream that may be closed.
    pub(super) fn peer_of(&self, connection: Option<ConnectionId>) -> Option<usize> {
        self.0.get(usize::try_from(connection?.0).ok()? ^ 1).map(|end| end.seat)
    }

    /// Returns the flow on which the other node receives messages from this end.
    pub(super) fn flow_to(&self, Open(end): Open) -> Flow {
        let (here, there) = self.0.get(end).zip(self.0.get(end ^ 1)).expect("ends come in pairs");
        let connection = Some(ConnectionId((end ^ 1) as u64));
        Flow { transport: here.transport, connection, ..Flow::udp(there.address, here.address) }
    }

    /// Returns the arrival time of a message that takes at least until `earliest`. A message never overtakes earlier messages.
    pub(super) fn arrival(&mut self, Open(end): Open, earliest: Instant) -> Instant {
        let end = self.0.get_mut(end).expect("it was found");
        end.busy = end.busy.max(earliest);
        end.busy
    }

    pub(super) fn close(&mut self, Open(end): Open) {
        self.0.iter_mut().skip(end & !1).take(2).for_each(|end| end.open = false);
    }

    pub(super) fn close_of(&mut self, seat: usize) {
        self.close_if(|one, other| one == seat || other == seat);
    }

    pub(super) fn close_between(&mut self, one: usize, other: usize) {
        self.close_if(|from, to| (from.min(to), from.max(to)) == (one, other));
    }

    fn close_if(&mut self, meant: impl Fn(usize, usize) -> bool) {
        for stream in self.0.chunks_exact_mut(2) {
            if let [from, to] = stream
                && meant(from.seat, to.seat)
            {
                (from.open, to.open) = (false, false);
            }
        }
    }
}

/// The port of the first opened stream. Later streams use the following ports.
const EPHEMERAL: u16 = 49_152;
