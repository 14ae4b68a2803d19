//! What goes from one worker to another: messages to the one that has their call, and what is for stream connections to the
//! one that has these.

use attesta_b2bua::{Input, Now, Policy, Token, Unreachable};
use attesta_transaction::{Flow, Transport, WorkerHint, WorkerId};
use bytes::Bytes;

use super::Driver;
use crate::worker_links::{Handed, WorkerLinks};

impl<P: Policy> Driver<P> {
    /// A message that came to this worker goes to the one that it belongs to.
    pub(super) fn arrived(&mut self, now: Now, flow: Flow, data: Bytes) {
        tracing::trace!(?flow, octets = data.len(), "received");
        match self.other_worker(|lines| lines.owner(&WorkerHint::of_received(&data))) {
            Some(other) if flow.transport.reliable() => {
                self.held_up.push_back((other, Handed::Message(flow, data)));
                self.hand_held_up();
            }
            Some(other) => drop(self.hand(other, Handed::Message(flow, data))),
            None => self.feed(now, Input::Datagram { flow, data }),
        }
    }

    /// Hands over what waits for room on a line, in its order, as far as there is room.
    pub(super) fn hand_held_up(&mut self) {
        while let (Some(lines), Some((to, handed))) = (&self.worker_links, self.held_up.pop_front()) {
            if let Some(back) = lines.hand(to, handed) {
                return self.held_up.push_front((to, back));
            }
            self.counters.handed_over += 1;
        }
    }

    /// What the other workers have handed over.
    pub(super) fn take_over(&mut self, now: Now) {
        let mut handed = std::mem::take(&mut self.handed);
        for handed in handed.drain(..) {
            match handed {
                Handed::Message(flow, data) => self.feed(now, Input::Datagram { flow, data }),
                Handed::Transmit(transmit) => self.transmit(transmit),
                Handed::Failed(unsent) => self.feed(now, unsent.into()),
                Handed::Reach(asker, token, flow) => self.have_ready(asker, token, &flow),
                Handed::Reached(token, result) => self.feed(now, Input::Reached { token, result }),
            }
        }
        self.handed = handed;
    }

    /// The worker that `find` finds, where it is another one.
    pub(super) fn other_worker(&self, find: impl FnOnce(&WorkerLinks) -> WorkerId) -> Option<WorkerId> {
        let lines = self.worker_links.as_ref()?;
        Some(find(lines)).filter(|worker| *worker != lines.own())
    }

    /// Hands something to another worker; what finds no room is lost, and given back.
    pub(super) fn hand(&mut self, to: WorkerId, handed: Handed) -> Option<Handed> {
        let back = match &self.worker_links {
            Some(lines) => lines.hand(to, handed),
            None => Some(handed),
        };
        match &back {
            None => self.counters.handed_over += 1,
            Some(_) => self.counters.handovers_dropped += 1,
        }
        back
    }

    /// Has a connection ready, at the worker that owns connections of this kind.
    pub(super) fn reach(&mut self, token: Token, flow: Flow) {
        let own = self.worker_links.as_ref().map_or(WorkerId::default(), WorkerLinks::own);
        match self.other_worker(|lines| owner_of(&flow, lines.own())) {
            Some(owner) => {
                if self.hand(owner, Handed::Reach(own, token, flow)).is_some() {
                    self.reached(own, token, Err(Unreachable::NoRoom));
                }
            }
            None => self.have_ready(own, token, &flow),
        }
    }

    pub(super) fn have_ready(&mut self, asker: WorkerId, token: Token, flow: &Flow) {
        if let Some(result) = self.streams.reach((asker, token), flow) {
            self.reached(asker, token, result);
        }
    }

    /// Tells the worker that asked. One that has no room to hear it goes on without the connection when its time is over.
    pub(super) fn reached(&mut self, asker: WorkerId, token: Token, result: Result<(), Unreachable>) {
        match self.other_worker(|_| asker) {
            Some(other) => drop(self.hand(other, Handed::Reached(token, result))),
            None => self.answers.push_back(Input::Reached { token, result }),
        }
    }
}

/// The worker by which a message leaves: each has a socket for datagrams, while a connection has one owner, and the first
/// worker opens them, so that all find the one that there is.
pub(super) fn owner_of(flow: &Flow, own: WorkerId) -> WorkerId {
    match flow.transport {
        Transport::Udp => own,
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
            flow.connection.map_or_else(WorkerId::default, |_| flow.worker)
        }
    }
}
