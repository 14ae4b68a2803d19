//! The handovers between workers. A message goes to the worker that owns its call. Work on a stream connection goes to the
//! worker that owns the connection.

use attesta_b2bua::{DialogName, Input, Now, Policy, Token, Unreachable};
use attesta_transaction::{Flow, WorkerHint, WorkerId, WorkerPlace};
use bytes::Bytes;

use crate::driver::Driver;
use crate::worker_links::{Handover, WorkerLinks};

impl<P: Policy> Driver<P> {
    /// Passes a message to the worker that owns its call.
    pub(super) fn arrived(&mut self, now: Now, flow: Flow, data: Bytes) {
        tracing::trace!(?flow, octets = data.len(), "received");
        let owner = self.worker_links.as_mut().map(|links| {
            let owner = links.owner_of_received(&WorkerHint::of_received(&data));
            (owner, links.own())
        });
        match owner.filter(|(owner, own)| owner != own).map(|(owner, _)| owner) {
            Some(other) if flow.transport.reliable() => {
                self.waiting_handovers.push_back((other, Handover::Message(flow, data)));
                self.send_waiting_handovers();
            }
            Some(other) => drop(self.hand_over(other, Handover::Message(flow, data))),
            None => self.feed(now, Input::Datagram { flow, data }),
        }
    }

    /// Hands over the waiting messages in order, while the link has room.
    pub(super) fn send_waiting_handovers(&mut self) {
        while let (Some(links), Some((to, handover))) =
            (&self.worker_links, self.waiting_handovers.pop_front())
        {
            if let Some(back) = links.hand_over(to, handover) {
                return self.waiting_handovers.push_front((to, back));
            }
            self.counters.handed_over += 1;
        }
    }

    /// Handles the items that other workers have handed over.
    pub(super) fn accept_handovers(&mut self, now: Now) {
        let mut handovers = std::mem::take(&mut self.handovers);
        for handover in handovers.drain(..) {
            match handover {
                Handover::Message(flow, data) => self.feed(now, Input::Datagram { flow, data }),
                Handover::Transmit(transmit) => self.transmit(transmit),
                Handover::Failed(unsent) => self.feed(now, unsent.into()),
                Handover::Reach(requester, token, flow) => self.open_connection(requester, token, &flow),
                Handover::Reached(token, result) => self.feed(now, Input::Reached { token, result }),
                Handover::FindDialog(requester, token, dialog) => {
                    let dialog = self.switchboard.find_dialog(&dialog);
                    // Without an answer, the requester continues after its timeout.
                    drop(self.hand_over(requester, Handover::DialogFound(token, dialog)));
                }
                Handover::DialogFound(token, dialog) => {
                    self.feed(now, Input::DialogFound { token, dialog });
                }
            }
        }
        self.handovers = handovers;
    }

    /// Returns the worker that `find` returns, if it is another worker.
    pub(super) fn other_worker(&self, find: impl FnOnce(&WorkerLinks) -> WorkerId) -> Option<WorkerId> {
        let links = self.worker_links.as_ref()?;
        Some(find(links)).filter(|worker| *worker != links.own())
    }

    /// Hands an item over to another worker. If the link has no room, counts the item as lost and returns it.
    pub(super) fn hand_over(&mut self, to: WorkerId, handover: Handover) -> Option<Handover> {
        let back = match &self.worker_links {
            Some(links) => links.hand_over(to, handover),
            None => Some(handover),
        };
        match &back {
            None => self.counters.handed_over += 1,
            Some(_) => self.counters.handovers_dropped += 1,
        }
        back
    }

    /// Asks the worker at `place` for a dialog.
    pub(super) fn find_dialog(&mut self, token: Token, place: WorkerPlace, dialog: DialogName) {
        let asked = self.worker_links.as_ref().and_then(|links| Some((links.worker_at(place)?, links.own())));
        let is_asked = match asked {
            Some((owner, own)) => self.hand_over(owner, Handover::FindDialog(own, token, dialog)).is_none(),
            None => false,
        };
        if !is_asked {
            self.answers.push_back(Input::DialogFound { token, dialog: None });
        }
    }

    /// Asks the worker that owns connections of this kind to find or open a connection for `flow`.
    pub(super) fn reach(&mut self, token: Token, flow: Flow) {
        let own = self.worker_links.as_ref().map_or(WorkerId::default(), WorkerLinks::own);
        match self.other_worker(|links| links.transport_owner(&flow)) {
            Some(owner) => {
                if self.hand_over(owner, Handover::Reach(own, token, flow)).is_some() {
                    self.reached(own, token, Err(Unreachable::NoRoom));
                }
            }
            None => self.open_connection(own, token, &flow),
        }
    }

    pub(super) fn open_connection(&mut self, requester: WorkerId, token: Token, flow: &Flow) {
        if let Some(result) = self.streams.reach((requester, token), flow) {
            self.reached(requester, token, result);
        }
    }

    /// Sends the result to the worker that requested the connection. If the link has no room, that worker continues without the
    /// connection after its timeout.
    pub(super) fn reached(&mut self, requester: WorkerId, token: Token, result: Result<(), Unreachable>) {
        match self.other_worker(|_| requester) {
            Some(other) => drop(self.hand_over(other, Handover::Reached(token, result))),
            None => self.answers.push_back(Input::Reached { token, result }),
        }
    }
}
