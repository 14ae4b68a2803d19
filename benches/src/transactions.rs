//! Two endpoints with no network between them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_sip::{Limits, Message, Method, Name, Request, Response, Status};
use attesta_transaction::{
    Config, Endpoint, Event, Flow, Input, Output, Place, Seed, SentBy, ServerId, Transmit,
};
use bytes::Bytes;

use crate::messages::INVITE;

/// A caller and a callee; what one transmits, the other is handed.
pub struct Pair {
    now: Instant,
    pace: Duration,
    caller: Endpoint,
    callee: Endpoint,
    flow: Flow,
    sent_by: SentBy,
    invite: Request,
    options: Request,
}

impl Pair {
    /// Each transaction begins this long after the one before: with a minute in between each finds nothing live, with a
    /// millisecond tens of thousands.
    #[must_use]
    pub fn new(now: Instant, pace: Duration) -> Self {
        let (one, other) =
            (SocketAddr::from(([192, 0, 2, 1], 5060)), SocketAddr::from(([192, 0, 2, 2], 5060)));
        let endpoint = |worker| {
            Endpoint::new(Config::default(), Place { instance: 1, worker }, &Seed::new([worker; 32]))
        };
        Self {
            now,
            pace,
            caller: endpoint(1),
            callee: endpoint(2),
            flow: Flow::udp(one, other),
            sent_by: SentBy::from(one),
            invite: request(INVITE),
            options: options(),
        }
    }

    /// One INVITE, its 180 and its 200, on both sides: five messages with the ACK, read and printed.
    pub fn invite(&mut self) {
        let invite = self.next(self.invite.clone());
        let (id, request) = self.begin(invite);
        self.answer(id, &request, Status::RINGING);
        self.answer(id, &request, Status::OK);
        self.caller.send(ack(&request), self.flow.clone(), &self.sent_by);
        self.carry();
    }

    /// One OPTIONS and its 200, on both sides.
    pub fn options(&mut self) {
        let options = self.next(self.options.clone());
        let (id, request) = self.begin(options);
        self.answer(id, &request, Status::OK);
    }

    /// How many transactions live on both sides.
    #[must_use]
    pub fn live(&self) -> u64 {
        [&self.caller, &self.callee]
            .map(|side| side.counters().live_clients + side.counters().live_servers)
            .iter()
            .sum()
    }

    /// Moves time on, fires the timers of both, and gives the request a Call-ID of its own.
    fn next(&mut self, mut request: Request) -> Request {
        self.now += self.pace;
        for side in [&mut self.caller, &mut self.callee] {
            side.handle_input(self.now, Input::Timeout);
            while !matches!(side.poll_output(), Output::Timeout(_)) {}
        }
        let number = self.caller.counters().clients;
        request.headers_mut().set(Name::CallId, format!("bench-{number}@192.0.2.1"));
        request
    }

    fn begin(&mut self, request: Request) -> (ServerId, Request) {
        let sent = self.caller.request(self.now, request, self.flow.clone(), &self.sent_by);
        debug_assert!(sent.is_ok(), "the pace keeps the pair below the cap");
        self.carry().expect("the callee hears of the request")
    }

    fn answer(&mut self, id: ServerId, request: &Request, status: Status) {
        let mut response = Response::to_request(request, status);
        response.headers_mut().set(Name::To, "<sip:+12155551213@192.0.2.2>;tag=callee");
        self.callee.respond(self.now, id, &response);
        self.carry();
    }

    /// Hands over what waits, until nothing does; gives the request that the callee heard of.
    fn carry(&mut self) -> Option<(ServerId, Request)> {
        let mut heard = None;
        loop {
            let (to_callee, _) = drain(&mut self.caller);
            for Transmit { flow, payload } in to_callee {
                let flow = Flow::udp(flow.remote, flow.local);
                self.callee.handle_input(self.now, Input::Datagram { flow, data: payload });
            }
            let (to_caller, request) = drain(&mut self.callee);
            heard = request.or(heard);
            if to_caller.is_empty() {
                return heard;
            }
            for Transmit { flow, payload } in to_caller {
                let flow = Flow::udp(flow.remote, flow.local);
                self.caller.handle_input(self.now, Input::Datagram { flow, data: payload });
            }
        }
    }
}

fn drain(side: &mut Endpoint) -> (Vec<Transmit>, Option<(ServerId, Request)>) {
    let (mut transmits, mut heard) = (Vec::new(), None);
    loop {
        match side.poll_output() {
            Output::Transmit(transmit) => transmits.push(transmit),
            Output::Event(Event::Request { id, request, .. }) => heard = Some((id, request)),
            Output::Event(_) => {}
            Output::Timeout(_) => return (transmits, heard),
        }
    }
}

/// The INVITE as its sender had it: without the Via that the endpoint adds.
fn request(octets: &'static [u8]) -> Request {
    let message = Message::parse(Bytes::from_static(octets), &Limits::default());
    let Ok(Message::Request(mut request)) = message else { unreachable!("the message is a request") };
    request.headers_mut().remove(Name::Via);
    request
}

fn options() -> Request {
    let mut options = Request::new(Method::Options, "sip:192.0.2.2");
    let headers = options.headers_mut();
    headers.push(Name::MaxForwards, "70");
    headers.push(Name::From, "<sip:192.0.2.1>;tag=caller");
    headers.push(Name::To, "<sip:192.0.2.2>");
    headers.push(Name::CallId, "bench");
    headers.push(Name::CSeq, "1 OPTIONS");
    options
}

fn ack(invite: &Request) -> Request {
    let mut ack = Request::new(Method::Ack, Bytes::copy_from_slice(invite.uri()));
    for name in [Name::MaxForwards, Name::From, Name::To, Name::CallId] {
        ack.headers_mut().push(name, invite.headers().get(name).unwrap_or_default());
    }
    ack.headers_mut().push(Name::CSeq, "102 ACK");
    ack
}
