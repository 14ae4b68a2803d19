//! The side that answers requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use attesta_sip::{Method, Name, Request, Response, Status};
use attesta_transaction::{
    Event, Failure, Flow, IdGenerator, Input, Output, ServerId, Transmit, WorkerPlace,
};
use bytes::Bytes;

use super::caller::T4;
use super::seed_of;
use super::subject::Subject;
use super::tally::{End, Tally};
use crate::sim::{Effect, Node, T1};

/// Answers at random times with random responses. Repeats the 2xx to an INVITE until its ACK (RFC 3261 section 13.3.1.4). Does
/// not answer one request in sixteen. Such an INVITE ends when it is cancelled, or after [`LAST_RESORT`].
pub(super) struct Answerer {
    seed: u64,
    subject: Subject,
    ids: IdGenerator,
    due: BTreeMap<(Instant, u64), Due>,
    serial: u64,
    live: BTreeMap<ServerId, Taken>,
    /// The live INVITEs by their Call-ID.
    calls: BTreeMap<Vec<u8>, ServerId>,
    /// The top Via of each live request.
    vias: BTreeSet<Vec<u8>>,
    /// The top Via of each ended request.
    ended: BTreeSet<Vec<u8>>,
    tally: Tally,
    restarts: u64,
}

/// The data about a request.
struct Taken {
    invite: bool,
    at: Instant,
    call_id: Vec<u8>,
    via: Vec<u8>,
    answer: Option<(Instant, Status)>,
    acknowledged: bool,
    failed: Option<Instant>,
}

/// A response that will be sent, unless another event comes first.
struct Due {
    id: ServerId,
    response: Response,
    /// The 2xx of an INVITE is repeated. The value is the interval after which it was sent last.
    interval: Option<Duration>,
}

impl Answerer {
    pub(super) fn new(seed: u64) -> Self {
        let own = seed_of(seed, 2);
        Self {
            seed,
            subject: Subject::new(PLACE, &own),
            ids: IdGenerator::new(PLACE, &own.fork(1)),
            due: BTreeMap::new(),
            serial: 0,
            live: BTreeMap::new(),
            calls: BTreeMap::new(),
            vias: BTreeSet::new(),
            ended: BTreeSet::new(),
            tally: Tally::default(),
            restarts: 0,
        }
    }

    /// Counts how the transactions ended.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = self.tally.clone();
        self.subject.note(&mut tally);
        tally
    }

    /// Decides how a request is answered.
    fn plan(&mut self, now: Instant, id: ServerId, request: &Request) {
        let invite = *request.method() == Method::Invite;
        let tag = self.ids.tag();
        let mut later = |millis: u64| now + Duration::from_millis(self.ids.number() % millis);
        let (early, late) = (later(1_000), later(8_000));
        let chance = self.ids.number();
        let finals: &[u16] =
            if invite { &[200, 200, 302, 404, 486, 500, 603] } else { &[200, 202, 404, 408, 480, 500] };
        let pick = usize::try_from(chance % finals.len() as u64).unwrap_or_default();
        let status = finals.get(pick).copied().unwrap_or(200);
        let response = |code: u16| {
            let mut response = Response::to_request(request, Status::new(code).expect("a status code"));
            response.headers_mut().set(Name::To, format!("<sip:storm@192.0.2.2>;tag={tag}"));
            response
        };
        let silent = (chance >> 32).is_multiple_of(16);
        if invite && (silent || (chance >> 16).is_multiple_of(2)) {
            self.answer_at(early, id, response(180), None);
        }
        if !silent {
            self.answer_at(late, id, response(status), None);
        } else if invite {
            self.answer_at(now + LAST_RESORT, id, response(480), None);
        }
    }

    fn answer_at(&mut self, at: Instant, id: ServerId, response: Response, interval: Option<Duration>) {
        self.serial += 1;
        self.due.insert((at, self.serial), Due { id, response, interval });
    }

    /// Sends a response, unless the request has ended.
    fn answer(&mut self, now: Instant, due: Due) {
        let Due { id, response, interval } = due;
        let Some(taken) = self.live.get_mut(&id) else { return };
        let status = response.status();
        let again = interval.is_some() && !taken.acknowledged;
        if taken.answer.is_some() && !again {
            return;
        }
        self.subject.endpoint.respond(now, id, &response);
        if status.is_provisional() {
            return;
        }
        let (first, _) = *taken.answer.get_or_insert((now, status));
        if taken.invite && status.is_success() {
            let interval = interval.map_or(T1, |interval| (2 * interval).min(T2));
            if now + interval < first + 64 * T1 {
                self.answer_at(now + interval, id, response, Some(interval));
            }
        }
    }

    fn hear(&mut self, now: Instant, event: Event) {
        match event {
            Event::Request { id, request, .. } => {
                let via = request.headers().get(Name::Via).unwrap_or_default().to_vec();
                assert!(self.vias.insert(via.clone()), "one request began twice");
                self.tally.again += u64::from(self.ended.contains(&via));
                let invite = *request.method() == Method::Invite;
                let call_id = request.headers().get(Name::CallId).unwrap_or_default().to_vec();
                if invite {
                    self.calls.insert(call_id.clone(), id);
                }
                let taken =
                    Taken { invite, at: now, call_id, via, answer: None, acknowledged: false, failed: None };
                self.live.insert(id, taken);
                self.plan(now, id, &request);
            }
            Event::Ack { request, .. } => {
                let call = self.calls.get(request.headers().get(Name::CallId).unwrap_or_default());
                if let Some(taken) = call.and_then(|id| self.live.get_mut(id)) {
                    let accepted = taken.answer.is_some_and(|(_, status)| status.is_success());
                    assert!(accepted, "an ACK that is the transaction's went to the user");
                    taken.acknowledged = true;
                }
            }
            Event::Cancelled { invite, request } => {
                assert!(self.live.contains_key(&invite), "a cancelled INVITE that is gone");
                let mut response = Response::to_request(&request, Status::REQUEST_TERMINATED);
                response.headers_mut().set(Name::CSeq, "1 INVITE");
                response.headers_mut().set(Name::To, "<sip:storm@192.0.2.2>;tag=cancelled");
                self.answer(now, Due { id: invite, response, interval: None });
            }
            Event::ServerFailed { id, why } => {
                assert_eq!(why, Failure::Timeout);
                self.live.get_mut(&id).expect("a failure before the end").failed = Some(now);
            }
            Event::ServerTerminated { id } => {
                let taken = self.live.remove(&id).expect("one end");
                self.calls.remove(&taken.call_id);
                self.vias.remove(&taken.via);
                self.tally.count(taken.end(now));
                self.ended.insert(taken.via);
            }
            Event::Response { .. } | Event::ClientFailed { .. } | Event::ClientTerminated { .. } => {
                unreachable!("the answerer sends no requests")
            }
        }
    }
}

impl Taken {
    /// Returns the state in which the transaction ends at `now`, and the timer that ends it.
    fn end(&self, now: Instant) -> End {
        let (end, at) = match (self.invite, self.answer, self.failed) {
            (true, Some((at, status)), None) if status.is_success() => (End::ServerAccepted, at + 64 * T1),
            (true, Some((at, _)), None) => {
                // The ACK arrived between the response and Timer H. The user receives no event for this ACK.
                let acknowledged = now - T4;
                assert!(
                    acknowledged > at && acknowledged <= at + 64 * T1,
                    "Confirmed before it was answered"
                );
                (End::ServerConfirmed, now)
            }
            (true, Some((at, _)), Some(_)) => (End::ServerUnconfirmed, at + 64 * T1),
            (false, Some((_, Status::REQUEST_TIMEOUT)), None) | (false, None, None) => {
                (End::ServerUnanswered, self.at + 2 * 64 * T1)
            }
            (false, Some((at, _)), None) => (End::ServerCompleted, at + 64 * T1),
            (true, None, _) => unreachable!("an INVITE that ended without an answer"),
            (false, _, Some(_)) => unreachable!("only an INVITE waits for an ACK"),
        };
        assert_eq!(now, at, "{end:?} at another time than its timer's");
        end
    }
}

impl Node for Answerer {
    fn receive(&mut self, now: Instant, flow: Flow, data: Bytes) {
        self.subject.endpoint.handle_input(now, Input::Datagram { flow, data });
    }

    fn undelivered(&mut self, now: Instant, transmit: Transmit) {
        self.subject.endpoint.handle_input(now, Input::TransportFailed(transmit));
    }

    fn wake(&mut self, now: Instant) {
        self.subject.wake(now);
        while let Some(due) = self.due.first_entry().filter(|due| due.key().0 <= now) {
            let due = due.remove();
            self.answer(now, due);
        }
    }

    fn restart(&mut self, _now: Instant) {
        self.subject.note(&mut self.tally);
        *self.tally.ends.entry(End::Forgotten).or_default() += self.live.len() as u64;
        self.live.clear();
        self.calls.clear();
        self.due.clear();
        self.vias.clear();
        self.ended.clear();
        self.restarts += 1;
        self.subject = Subject::new(PLACE, &seed_of(self.seed, 2).fork(1 + self.restarts));
    }

    fn poll(&mut self, now: Instant) -> Effect {
        loop {
            match self.subject.poll() {
                Output::Transmit(transmit) => return Effect::Send(transmit),
                Output::Event(event) => self.hear(now, event),
                Output::Timeout(at) => {
                    let own = self.due.keys().next().map(|&(at, _)| at);
                    return Effect::Sleep(own.into_iter().chain(at).min());
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.subject.endpoint.is_idle()
            && self.live.is_empty()
            && self.calls.is_empty()
            && self.vias.is_empty()
    }
}

const PLACE: WorkerPlace = WorkerPlace { instance: 2, worker: 0 };

/// The time after which the answerer refuses an INVITE that it did not answer.
const LAST_RESORT: Duration = Duration::from_secs(200);

const T2: Duration = Duration::from_secs(4);
