//! The side that sends requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_sip::{Method, Name, Request, Response, Status};
use attesta_transaction::{
    ClientId, Event, Failure, Flow, IdGenerator, Input, Output, SentBy, Transmit, WorkerPlace,
};
use bytes::Bytes;

use super::seed_of;
use super::subject::Subject;
use super::tally::{End, Tally};
use crate::sim::{Effect, Node, T1};

/// Sends INVITE, OPTIONS and MESSAGE requests at random times, and cancels some. Gives up an INVITE that has no final
/// response after [`PATIENCE`]. Every sender of an INVITE must do this: RFC 3261 sets no timer for Proceeding.
pub(super) struct Caller {
    seed: u64,
    subject: Subject,
    ids: IdGenerator,
    flow: Flow,
    /// The times of the next requests. The earliest is last.
    starts: Vec<Instant>,
    cancels: BTreeMap<(Instant, ClientId), ()>,
    live: BTreeMap<ClientId, Sent>,
    tally: Tally,
    restarts: u64,
}

/// The data about a request.
struct Sent {
    invite: bool,
    at: Instant,
    provisional: Option<Instant>,
    cancelled: Option<Instant>,
    answer: Option<(Instant, Status)>,
    failed: Option<Instant>,
}

impl Caller {
    pub(super) fn new(
        seed: u64,
        transactions: usize,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Self {
        let own = seed_of(seed, 1);
        let mut ids = IdGenerator::new(PLACE, &own.fork(1));
        let mut starts: Vec<_> =
            (0..transactions).map(|_| now + Duration::from_millis(ids.number() % 20_000)).collect();
        starts.sort_by(|one, other| other.cmp(one));
        Self {
            seed,
            subject: Subject::new(PLACE, &own),
            ids,
            flow: Flow::udp(from, to),
            starts,
            cancels: BTreeMap::new(),
            live: BTreeMap::new(),
            tally: Tally::default(),
            restarts: 0,
        }
    }

    /// Counts how the transactions ended.
    pub(super) fn tally(&mut self) -> Tally {
        self.subject.note(&mut self.tally);
        std::mem::take(&mut self.tally)
    }

    fn begin(&mut self, now: Instant) {
        let chance = self.ids.number();
        let method = match chance % 4 {
            0 | 1 => Method::Invite,
            2 => Method::Options,
            _ => Method::Message,
        };
        let invite = method == Method::Invite;
        let mut request = Request::new(method.clone(), "sip:storm@192.0.2.2");
        let headers = request.headers_mut();
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, format!("<sip:storm@192.0.2.1>;tag={}", self.ids.tag()));
        headers.push(Name::To, "<sip:storm@192.0.2.2>");
        headers.push(Name::CallId, self.ids.call_id().to_string());
        headers.push(Name::CSeq, format!("1 {method}"));
        let (flow, sent_by) = (self.flow.clone(), SentBy::from(self.flow.local));
        let id = self.subject.endpoint.request(now, request, flow, &sent_by).expect("far below the cap");
        let sent = Sent { invite, at: now, provisional: None, cancelled: None, answer: None, failed: None };
        self.live.insert(id, sent);
        if chance.is_multiple_of(3) {
            let at = now + Duration::from_millis(self.ids.number() % 5_000);
            self.cancels.insert((at, id), ());
        }
        if invite {
            self.cancels.insert((now + PATIENCE, id), ());
        }
    }

    fn cancel(&mut self, now: Instant, id: ClientId) {
        self.subject.endpoint.cancel(now, id, None);
        if let Some(sent) = self.live.get_mut(&id)
            && sent.invite
            && sent.answer.is_none()
        {
            sent.cancelled = sent.cancelled.or(Some(now));
        }
    }

    fn hear(&mut self, now: Instant, event: Event) {
        match event {
            Event::Response { id, response, .. } => self.respond(now, id, &response),
            Event::ClientFailed { id, why } => {
                let sent = self.live.get_mut(&id).expect("a failure before the end");
                assert!(sent.answer.is_none() && sent.failed.is_none(), "failed though answered");
                assert_eq!(why, Failure::Timeout);
                sent.failed = Some(now);
            }
            Event::ClientTerminated { id } => {
                let sent = self.live.remove(&id).expect("one end");
                self.tally.count(sent.end(now));
            }
            Event::Request { .. }
            | Event::Ack { .. }
            | Event::Cancelled { .. }
            | Event::ServerFailed { .. }
            | Event::ServerTerminated { .. } => unreachable!("the caller gets no requests"),
        }
    }

    /// Handles each provisional response and the first final response. Acknowledges each 2xx to an INVITE.
    fn respond(&mut self, now: Instant, id: ClientId, response: &Response) {
        let sent = self.live.get_mut(&id).expect("a response before the end");
        let status = response.status();
        assert!(sent.failed.is_none(), "a response to a request that failed");
        if status.is_provisional() {
            assert!(sent.answer.is_none(), "a {status} after the final response");
            sent.provisional = sent.provisional.or(Some(now));
            return;
        }
        let again = sent.answer.is_some_and(|(_, before)| {
            assert!(sent.invite && before.is_success() && status.is_success(), "{status} after {before}");
            true
        });
        if !again {
            sent.answer = Some((now, status));
        }
        if sent.invite && status.is_success() {
            let mut ack = Request::new(Method::Ack, "sip:storm@192.0.2.2");
            for name in [Name::From, Name::To, Name::CallId] {
                ack.headers_mut().push(name, response.headers().get(name).unwrap_or_default());
            }
            ack.headers_mut().push(Name::MaxForwards, "70");
            ack.headers_mut().push(Name::CSeq, "1 ACK");
            self.subject.endpoint.send(ack, self.flow.clone(), &SentBy::from(self.flow.local));
        }
    }
}

impl Sent {
    /// Returns the state in which the transaction ends at `now`, and the timer that ends it.
    fn end(&self, now: Instant) -> End {
        let (end, at) = match (self.invite, self.answer, self.failed) {
            (true, Some((at, status)), None) if status.is_success() => (End::ClientAccepted, at + 64 * T1),
            (true, Some((at, _)), None) => (End::ClientFailed, at + TIMER_D),
            (true, None, Some(_)) => match (self.provisional, self.cancelled) {
                (None, _) => (End::ClientUnanswered, self.at + 64 * T1),
                (Some(provisional), cancelled) => {
                    let cancelled = cancelled.expect("only a CANCEL ends a request in Proceeding");
                    (End::ClientGivenUp, cancelled.max(provisional) + 64 * T1)
                }
            },
            (false, Some((at, _)), None) => (End::ClientCompleted, at + T4),
            (false, None, Some(_)) => (End::ClientTimedOut, self.at + 64 * T1),
            (_, None, None) => unreachable!("an end without an answer or a failure"),
            (_, Some(_), Some(_)) => unreachable!("failed though answered"),
        };
        assert_eq!(now, at, "{end:?} at another time than its timer's");
        end
    }
}

impl Node for Caller {
    fn receive(&mut self, now: Instant, flow: Flow, data: Bytes) {
        self.subject.endpoint.handle_input(now, Input::Datagram { flow, data });
    }

    fn undelivered(&mut self, now: Instant, transmit: Transmit) {
        self.subject.endpoint.handle_input(now, Input::TransportFailed(transmit));
    }

    fn wake(&mut self, now: Instant) {
        self.subject.wake(now);
        while self.starts.pop_if(|start| *start <= now).is_some() {
            self.begin(now);
        }
        while let Some(cancel) = self.cancels.first_entry().filter(|cancel| cancel.key().0 <= now) {
            let ((_, id), ()) = cancel.remove_entry();
            self.cancel(now, id);
        }
    }

    fn restart(&mut self, _now: Instant) {
        self.subject.note(&mut self.tally);
        let forgotten = self.live.len() as u64;
        self.tally.clients_forgotten += forgotten;
        *self.tally.ends.entry(End::Forgotten).or_default() += forgotten;
        self.live.clear();
        self.cancels.clear();
        self.restarts += 1;
        self.subject = Subject::new(PLACE, &seed_of(self.seed, 1).fork(1 + self.restarts));
    }

    fn poll(&mut self, now: Instant) -> Effect {
        loop {
            match self.subject.poll() {
                Output::Transmit(transmit) => return Effect::Send(transmit),
                Output::Event(event) => self.hear(now, event),
                Output::Timeout(at) => {
                    let own = [self.starts.last().copied(), self.cancels.keys().next().map(|&(at, _)| at)];
                    return Effect::Sleep(own.into_iter().flatten().chain(at).min());
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.subject.endpoint.is_idle() && self.live.is_empty()
    }
}

const PLACE: WorkerPlace = WorkerPlace { instance: 1, worker: 0 };

/// How long the caller waits for the final response to an INVITE before it cancels.
const PATIENCE: Duration = Duration::from_secs(70);

const TIMER_D: Duration = Duration::from_secs(32);
pub(super) const T4: Duration = Duration::from_secs(5);
