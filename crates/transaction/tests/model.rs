//! Random histories, run by the endpoint and by a small machine that only follows tables. The tables are from RFC 3261 section
//! 17, RFC 6026 and RFC 4320. Both must do the same actions at the same times.
//!
//! `ATTESTA_HISTORIES` sets the number of histories. `ATTESTA_SEED` repeats one history.

mod table;

use std::env;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use attesta_sip::{CSeq, Limits, Message, Method, Name, Request, Response, Status};
use attesta_transaction::{
    ClientId, Config, Endpoint, Event, Failure, Flow, Input, Output, Seed, SentBy, ServerId, Transmit,
    Transport, WorkerPlace,
};
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use table::{Kind, Model};

#[test]
fn the_endpoint_does_what_the_tables_say() {
    let wanted = env::var("ATTESTA_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(HISTORIES);
    let seeds = match env::var("ATTESTA_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..wanted,
    };
    let next = AtomicU64::new(seeds.start);
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    History::new(seed).run();
                }
            });
        }
    });
}

/// The default number of histories.
const HISTORIES: u64 = 100_000;

/// The number of steps in a history.
const STEPS: usize = 10;

/// One transaction of one kind on one transport, with its events.
struct History {
    seed: u64,
    rng: ChaCha8Rng,
    model: Model,
    subject: Subject,
    transport: Transport,
    told: Vec<(Told, Vec<(Duration, String)>)>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let kind = pick(&mut rng, &[Kind::InviteClient, Kind::Client, Kind::InviteServer, Kind::Server]);
        let transport = pick(&mut rng, &[Transport::Udp, Transport::Udp, Transport::Tcp]);
        let mut history = Self {
            seed,
            rng,
            model: Model::new(kind, transport.reliable()),
            subject: Subject::new(kind, transport, seed),
            transport,
            told: Vec::new(),
        };
        history.subject.begin();
        history.compare(Told::Event("begin"));
        history
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        self.finish();
    }

    /// One event for both, or a span of time.
    fn step(&mut self) {
        let events = self.model.kind.events();
        if self.rng.next_u64().is_multiple_of(2) {
            let millis = pick(&mut self.rng, &[1, 150, 400, 500, 1_000, 3_000, 5_000, 33_000]);
            self.pass(Duration::from_millis(millis));
        } else {
            let event = pick(&mut self.rng, events);
            self.subject.meet(event);
            self.model.meet(event);
            self.compare(Told::Event(event));
        }
    }

    /// The user sends its final response, and all timers fire. The transaction must end.
    fn finish(&mut self) {
        if matches!(self.model.kind, Kind::InviteServer) {
            self.subject.meet("user failure");
            self.model.meet("user failure");
            self.compare(Told::Event("user failure"));
        }
        if matches!(self.model.kind, Kind::InviteClient) {
            self.subject.meet("failure");
            self.model.meet("failure");
            self.compare(Told::Event("failure"));
        }
        self.pass(Duration::from_secs(70));
        assert!(self.subject.endpoint.is_idle(), "state is left\n{}", self.story());
        assert!(self.model.is_over(), "the tables do not end\n{}", self.story());
    }

    fn pass(&mut self, time: Duration) {
        self.subject.pass(time);
        self.model.pass(time);
        self.compare(Told::Later(time));
    }

    fn compare(&mut self, event: Told) {
        let (done, wanted) = (std::mem::take(&mut self.subject.done), self.model.take_done());
        let same = done == wanted;
        self.told.push((event, wanted));
        assert!(same, "the endpoint differs from the tables in the last line: {done:?}\n{}", self.story());
    }

    fn story(&self) -> String {
        let Self { seed, told, transport, .. } = self;
        let told: Vec<_> = told.iter().map(|(event, wanted)| format!("{event}: {wanted:?}")).collect();
        format!(
            "{:?} on {transport}\n{}\nreplay: ATTESTA_SEED={seed} cargo test -p attesta-transaction --test model",
            self.model.kind,
            told.join("\n")
        )
    }
}

/// One step of a history.
#[derive(Clone, Copy)]
enum Told {
    Event(&'static str),
    Later(Duration),
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => f.write_str(event),
            Self::Later(time) => write!(f, "{time:?} later"),
        }
    }
}

/// The endpoint, with one transaction in it.
struct Subject {
    kind: Kind,
    flow: Flow,
    endpoint: Endpoint,
    start: Instant,
    now: Instant,
    wake: Option<Instant>,
    client: Option<ClientId>,
    server: Option<(ServerId, Request)>,
    /// The last sent message. A transport error reports it as undelivered.
    sent: Option<Transmit>,
    /// The request as the client sent it.
    request: Option<Request>,
    done: Vec<(Duration, String)>,
}

impl Subject {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn new(kind: Kind, transport: Transport, seed: u64) -> Self {
        let (local, remote) =
            (SocketAddr::from(([192, 0, 2, 1], 5060)), SocketAddr::from(([192, 0, 2, 2], 5060)));
        let mut octets = [0; 32];
        octets.iter_mut().zip(seed.to_be_bytes()).for_each(|(slot, octet)| *slot = octet);
        let start = Instant::now();
        Self {
            kind,
            flow: Flow { transport, ..Flow::udp(local, remote) },
            endpoint: Endpoint::new(Config::default(), WorkerPlace::default(), &Seed::new(octets)),
            start,
            now: start,
            wake: None,
            client: None,
            server: None,
            sent: None,
            request: None,
            done: Vec::new(),
        }
    }

    fn begin(&mut self) {
        let sent_by = SentBy::from(self.flow.local);
        match self.kind {
            Kind::InviteClient | Kind::Client => {
                let id =
                    self.endpoint.request(self.now, opening(self.kind.method()), self.flow.clone(), &sent_by);
                self.client = id.ok();
            }
            Kind::InviteServer | Kind::Server => self.meet("request"),
        }
        self.drain();
    }

    /// Passes the event that has this name in the tables.
    fn meet(&mut self, event: &str) {
        match event {
            "request" => self.receive(arriving(&self.kind.method(), self.flow.transport)),
            "ack" => self.receive(arriving(&Method::Ack, self.flow.transport)),
            "1xx" => self.answer(180),
            "2xx" => self.answer(200),
            "failure" => self.answer(486),
            "user 1xx" => self.respond(180),
            "user 2xx" => self.respond(200),
            "user failure" => self.respond(486),
            "user 408" => self.respond(408),
            "error" => {
                if let Some(mut sent) = self.sent.clone() {
                    // ICMP quotes the beginning of a message.
                    sent.payload.truncate(sent.payload.len() - "\r\n\r\n".len());
                    self.endpoint.handle_input(self.now, Input::TransportFailed(sent));
                }
            }
            other => unreachable!("no event is called {other}"),
        }
        self.drain();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wake) = self.wake.filter(|wake| *wake <= end) {
            self.now = wake;
            self.endpoint.handle_input(wake, Input::Timeout);
            self.drain();
        }
        self.now = end;
    }

    fn receive(&mut self, data: Bytes) {
        self.endpoint.handle_input(self.now, Input::Datagram { flow: self.flow.clone(), data });
    }

    /// The other side answers the request.
    fn answer(&mut self, code: u16) {
        let Some(request) = &self.request else { return };
        let mut response = Response::to_request(request, Status::new(code).expect("a status code"));
        response.headers_mut().set(Name::To, "<sip:b@192.0.2.2>;tag=far");
        self.receive(response.to_bytes());
    }

    fn respond(&mut self, code: u16) {
        let Some((id, request)) = &self.server else { return };
        let mut response = Response::to_request(request, Status::new(code).expect("a status code"));
        response.headers_mut().set(Name::To, "<sip:b@192.0.2.1>;tag=near");
        self.endpoint.respond(self.now, *id, &response);
    }

    fn drain(&mut self) {
        loop {
            let act = match self.endpoint.poll_output() {
                Output::Transmit(transmit) => {
                    let message = Message::parse(transmit.payload.clone(), &Limits::default());
                    let act = format!("send {}", message.as_ref().map_or("nonsense".to_owned(), name));
                    if let (Kind::InviteClient | Kind::Client, Ok(Message::Request(request))) =
                        (self.kind, message)
                        && *request.method() != Method::Ack
                    {
                        self.request = Some(request);
                    }
                    self.sent = Some(transmit);
                    act
                }
                Output::Event(event) => self.hear(event),
                Output::Timeout(wake) => {
                    self.wake = wake;
                    return;
                }
            };
            self.done.push((self.now - self.start, act));
        }
    }

    fn hear(&mut self, event: Event) -> String {
        match event {
            Event::Request { id, request, .. } => {
                self.server = Some((id, request));
                "tell request".to_owned()
            }
            Event::Ack { .. } => "tell ack".to_owned(),
            Event::Cancelled { .. } => "tell cancel".to_owned(),
            Event::Response { response, .. } => format!("tell {}", name(&Message::Response(response))),
            Event::ClientFailed { why: Failure::Timeout, .. }
            | Event::ServerFailed { why: Failure::Timeout, .. } => "tell timeout".to_owned(),
            Event::ClientFailed { why: Failure::Transport | Failure::NoRoom, .. }
            | Event::ServerFailed { why: Failure::Transport | Failure::NoRoom, .. } => {
                "tell error".to_owned()
            }
            Event::ClientTerminated { .. } | Event::ServerTerminated { .. } => "tell end".to_owned(),
        }
    }
}

/// A message as the tables name it.
fn name(message: &Message) -> String {
    match message {
        Message::Request(request) if *request.method() == Method::Ack => "ack".to_owned(),
        Message::Request(_) => "request".to_owned(),
        Message::Response(response) => match response.status().code() {
            100 => "100".to_owned(),
            101..=199 => "1xx".to_owned(),
            200..=299 => "2xx".to_owned(),
            _ => "failure".to_owned(),
        },
    }
}

fn opening(method: Method) -> Request {
    let mut request = Request::new(method.clone(), "sip:b@192.0.2.2");
    let headers = request.headers_mut();
    headers.push(Name::MaxForwards, "70");
    headers.push(Name::From, "<sip:a@192.0.2.1>;tag=near");
    headers.push(Name::To, "<sip:b@192.0.2.2>");
    headers.push(Name::CallId, "model");
    headers.push(Name::CSeq, CSeq::new(1, method).map(|cseq| cseq.to_string()).unwrap_or_default());
    request
}

fn arriving(method: &Method, transport: Transport) -> Bytes {
    let mut request = opening(method.clone());
    request
        .headers_mut()
        .push_front(Name::Via, format!("SIP/2.0/{transport} 192.0.2.2:5060;branch=z9hG4bKmodel"));
    request.to_bytes()
}

fn pick<T: Copy>(rng: &mut ChaCha8Rng, from: &[T]) -> T {
    let place = usize::try_from(rng.next_u64() % from.len() as u64).unwrap_or_default();
    *from.get(place).expect("there is something to pick from")
}
