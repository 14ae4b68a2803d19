//! The queues between the workers of an edge.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::hash::Hasher;
use std::num::NonZeroU8;
use std::task::Poll;

use attesta_b2bua::{DialogName, Token, Unreachable};
use attesta_transaction::{Flow, Transmit, Transport, WorkerHint, WorkerId, WorkerPlace};
use bytes::Bytes;
use siphasher::sip::SipHasher13;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::clock::{NoRandomness, random};
use crate::streams::event::Unsent;

/// The links of one worker to the other workers of its edge, and the rule that finds the owner of a message.
///
/// If sockets share an address, all datagrams of one peer reach the same socket. A connection has one owner. The worker that
/// receives a message therefore hands it over to the worker that owns its call.
/// Our branch or tag contains the number of that worker. For a request without them, a hash of the Call-ID with a secret key
/// determines the worker. No part of the message is stored before. Retransmissions, CANCELs and merged requests therefore reach
/// the worker of the INVITE.
///
/// An INVITE that names a dialog of ours in Replaces, Join or Target-Dialog goes to the worker of that dialog. Its CANCEL
/// names no dialog, so the worker that receives both remembers the Call-ID.
#[derive(Debug)]
pub struct WorkerLinks {
    own: WorkerId,
    instance: u16,
    hasher: SipHasher13,
    /// The links by worker number. The entry of this worker is `None`.
    outgoing: Vec<Option<mpsc::Sender<Handover>>>,
    incoming: Vec<mpsc::Receiver<Handover>>,
    /// The last INVITEs that went to the worker of the dialog they name: the hash of the Call-ID, and the worker.
    named: VecDeque<(u64, WorkerId)>,
}

/// An item that one worker hands over to another worker.
#[derive(Debug)]
pub(crate) enum Handover {
    /// A message from the network that belongs to a call of the other worker, or may start a call there.
    Message(Flow, Bytes),
    /// A message to send on a connection of the other worker.
    Transmit(Transmit),
    /// A message of the other worker that did not arrive.
    Failed(Unsent),
    /// A connection that the other worker must prepare for this worker.
    Reach(WorkerId, Token, Flow),
    /// The result of preparing a connection that the other worker requested.
    Reached(Token, Result<(), Unreachable>),
    /// A dialog that this worker must find for the other worker.
    FindDialog(WorkerId, Token, DialogName),
    /// The dialog that the other worker asked for.
    DialogFound(Token, Option<DialogName>),
}

impl WorkerLinks {
    /// Links `workers` workers of this instance, in the order of their numbers. The endpoints of worker `n` must have
    /// the [`WorkerPlace`](attesta_transaction::WorkerPlace) of `instance` and `n`.
    ///
    /// # Errors
    /// The operating system returned no random octets for the key.
    pub fn between(workers: NonZeroU8, instance: u16) -> Result<Vec<WorkerLinks>, NoRandomness> {
        let hasher = SipHasher13::new_with_key(&random()?);
        let mut all: Vec<_> = (0..workers.get())
            .map(|own| WorkerLinks {
                own: WorkerId(own),
                instance,
                hasher,
                outgoing: Vec::new(),
                incoming: Vec::new(),
                named: VecDeque::new(),
            })
            .collect();
        for to in 0..workers.get() {
            for from in &mut all {
                from.outgoing.push(None);
            }
            let mut links = Vec::new();
            for from in all.iter_mut().filter(|from| from.own != WorkerId(to)) {
                let (sender, receiver) = mpsc::channel(LINK_CAPACITY);
                if let Some(last) = from.outgoing.last_mut() {
                    *last = Some(sender);
                }
                links.push(receiver);
            }
            if let Some(to) = all.get_mut(usize::from(to)) {
                to.incoming = links;
            }
        }
        Ok(all)
    }

    /// The number of this worker.
    pub(crate) fn own(&self) -> WorkerId {
        self.own
    }

    /// Returns the owner of a received message. This is this worker if the message names no owner.
    pub(crate) fn owner_of_received(&mut self, hint: &WorkerHint<'_>) -> WorkerId {
        if hint.place.is_none()
            && let Some(call_id) = hint.call_id
            && (hint.named.is_some() || !self.named.is_empty())
        {
            let key = self.hash(call_id);
            if let Some(worker) = hint.named.and_then(|place| self.worker_at(place)) {
                self.named.retain(|(known, _)| *known != key);
                self.named.truncate(MAX_NAMED - 1);
                self.named.push_front((key, worker));
                return worker;
            }
            if let Some((_, worker)) = self.named.iter().find(|(known, _)| *known == key) {
                return *worker;
            }
        }
        self.owner(hint)
    }

    /// Returns the owner of a message. This is this worker if the message names no owner.
    pub(crate) fn owner(&self, hint: &WorkerHint<'_>) -> WorkerId {
        if let Some(worker) = hint.place.and_then(|place| self.worker_at(place)) {
            return worker;
        }
        let Some(call_id) = hint.call_id else { return self.own };
        // Less than the number of workers, which is at most 255.
        let worker = self.hash(call_id).checked_rem(self.outgoing.len() as u64);
        worker.and_then(|worker| u8::try_from(worker).ok()).map_or(self.own, WorkerId)
    }

    fn hash(&self, call_id: &[u8]) -> u64 {
        let mut hasher = self.hasher;
        hasher.write(call_id);
        hasher.finish()
    }

    /// The worker of this edge at `place`.
    pub(crate) fn worker_at(&self, place: WorkerPlace) -> Option<WorkerId> {
        let is_ours = place.instance == self.instance && usize::from(place.worker) < self.outgoing.len();
        is_ours.then_some(WorkerId(place.worker))
    }

    /// Returns the worker whose socket sends a message on `flow`. Each worker has a socket for datagrams. A connection has one
    /// owner. Worker 0 opens connections, so that all workers share them.
    pub(crate) fn transport_owner(&self, flow: &Flow) -> WorkerId {
        match flow.transport {
            Transport::Udp => self.own,
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                flow.connection.map_or_else(WorkerId::default, |_| flow.worker)
            }
        }
    }

    /// Hands an item over to another worker. Returns the item if the link has no room.
    pub(crate) fn hand_over(&self, to: WorkerId, handover: Handover) -> Option<Handover> {
        let Some(Some(link)) = self.outgoing.get(usize::from(to.0)) else { return Some(handover) };
        link.try_send(handover).err().map(TrySendError::into_inner)
    }

    /// Returns the link to another worker. The caller of this function uses it to wait for room.
    pub(crate) fn link(&self, to: WorkerId) -> Option<mpsc::Sender<Handover>> {
        self.outgoing.get(usize::from(to.0)).cloned().flatten()
    }

    /// Waits for handovers from other workers, and adds them to `taken`. Dropping the future has no side effects.
    pub(crate) async fn arrivals(&mut self, taken: &mut Vec<Handover>) {
        let incoming = &mut self.incoming;
        poll_fn(|cx| {
            let before = taken.len();
            for link in incoming.iter_mut() {
                // The link of a stopped worker never becomes ready.
                let _ = link.poll_recv_many(cx, taken, BATCH);
            }
            if taken.len() > before { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The most items that may wait on one link: a few batches of datagrams.
const LINK_CAPACITY: usize = 1024;

/// How many INVITEs that name a dialog are remembered for their CANCEL.
const MAX_NAMED: usize = 256;

/// The most items that are taken from one link in one turn.
const BATCH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn links(workers: u8) -> Vec<WorkerLinks> {
        WorkerLinks::between(NonZeroU8::new(workers).unwrap(), 5).unwrap()
    }

    fn of_place(instance: u16, worker: u8) -> WorkerHint<'static> {
        WorkerHint {
            place: Some(WorkerPlace { instance, worker }),
            call_id: Some(b"c"),
            ..WorkerHint::default()
        }
    }

    fn message() -> Handover {
        let loopback = "127.0.0.1:5060".parse().unwrap();
        Handover::Message(Flow::udp(loopback, loopback), Bytes::from_static(b"SIP"))
    }

    #[test]
    fn all_workers_agree_on_who_owns_a_message() {
        let links = links(4);
        for worker in 0..4 {
            assert!(links.iter().all(|link| link.owner(&of_place(5, worker)) == WorkerId(worker)));
        }
        let by_call_id = WorkerHint { call_id: Some(b"c"), ..WorkerHint::default() };
        // A place of another instance, or of a worker that does not exist, names no owner.
        for hint in [by_call_id, of_place(6, 1), of_place(5, 4)] {
            let owner = links[0].owner(&by_call_id);
            assert!(links.iter().all(|link| link.owner(&hint) == owner));
        }
        assert!(links.iter().all(|link| link.owner(&WorkerHint::default()) == link.own()));
    }

    #[test]
    fn an_invite_goes_to_the_worker_of_the_dialog_that_it_names_and_its_cancel_follows() {
        let mut links = links(4);
        let link = &mut links[0];
        let of = |call_id| WorkerHint { call_id: Some(call_id), ..WorkerHint::default() };
        let by_hash = link.owner(&of(b"c"));
        let other = WorkerId((by_hash.0 + 1) % 4);
        let named = |instance, worker| {
            let named = Some(WorkerPlace { instance, worker });
            WorkerHint { named, ..of(b"c") }
        };
        assert_eq!(link.owner_of_received(&named(6, other.0)), by_hash, "the dialog of another edge");
        assert_eq!(link.owner_of_received(&named(5, other.0)), other);
        assert_eq!(link.owner_of_received(&of(b"c")), other, "the CANCEL");
        for number in 0..MAX_NAMED {
            let call_id = number.to_string();
            link.owner_of_received(&WorkerHint { call_id: Some(call_id.as_bytes()), ..named(5, 1) });
        }
        assert_eq!((link.named.len(), link.owner_of_received(&of(b"c"))), (MAX_NAMED, by_hash));
    }

    #[test]
    fn calls_are_spread_evenly() {
        let links = links(4);
        let mut counts = [0; 4];
        for call in 0..4000 {
            let call_id = format!("{call}@192.0.2.1");
            let hint = WorkerHint { call_id: Some(call_id.as_bytes()), ..WorkerHint::default() };
            counts[usize::from(links[0].owner(&hint).0)] += 1;
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    #[tokio::test]
    async fn handovers_keep_their_order_and_a_full_link_returns_them() {
        let mut links = links(3);
        for worker in [0, 1] {
            assert!(links[worker].hand_over(WorkerId(2), message()).is_none());
        }
        let mut taken = Vec::new();
        links[2].arrivals(&mut taken).await;
        assert_eq!(taken.len(), 2);
        for _ in 0..LINK_CAPACITY {
            assert!(links[0].hand_over(WorkerId(1), message()).is_none());
        }
        assert!(links[0].hand_over(WorkerId(1), message()).is_some());
        assert!(
            links[0].hand_over(WorkerId(0), message()).is_some()
                && links[0].hand_over(WorkerId(3), message()).is_some()
        );
        assert!(links[2].hand_over(WorkerId(1), message()).is_none(), "each pair has a link of its own");
    }
}
