//! Two endpoints without a network between them, and an endpoint with many transactions.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attesta_sip::{Limits, Message, Method, Name, Request, Response, Status};
use attesta_transaction::{
    Config, Endpoint, Event, Flow, Input, Output, Seed, SentBy, ServerId, Transmit, Transport, WorkerPlace,
};
use bytes::Bytes;

use crate::messages::INVITE;

/// A caller and a callee. The pair hands each message of one endpoint to the other.
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
    /// Each transaction begins this long after the previous transaction. With a pace of a minute no other transaction is live.
    /// With a pace of a millisecond tens of thousands are live.
    #[must_use]
    pub fn new(now: Instant, pace: Duration) -> Self {
        let (one, other) = addresses();
        let endpoint = |worker| {
            Endpoint::new(Config::default(), WorkerPlace { instance: 1, worker }, &Seed::new([worker; 32]))
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

    /// Runs one INVITE with its 180 and 200 on both sides. With the ACK, five messages are read and printed.
    pub fn invite(&mut self) {
        let invite = self.next(self.invite.clone());
        let (id, request) = self.begin(invite);
        self.answer(id, &request, Status::RINGING);
        self.answer(id, &request, Status::OK);
        self.caller.send(ack(&request), self.flow.clone(), &self.sent_by);
        self.carry();
    }

    /// Runs one OPTIONS with its 200 on both sides.
    pub fn options(&mut self) {
        let options = self.next(self.options.clone());
        let (id, request) = self.begin(options);
        self.answer(id, &request, Status::OK);
    }

    /// Returns the number of live transactions on both sides.
    #[must_use]
    pub fn live(&self) -> u64 {
        [&self.caller, &self.callee]
            .map(|side| side.counters().live_clients + side.counters().live_servers)
            .iter()
            .sum()
    }

    /// Advances the time, fires the timers of both endpoints, and sets a new Call-ID in the request.
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

    /// Delivers messages until none is waiting. Returns the request that the callee received.
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

/// An endpoint with many transactions, and the number of octets in the messages that they keep.
pub struct Crowd {
    now: Instant,
    endpoint: Endpoint,
    messages: usize,
}

impl Crowd {
    /// Returns this many OPTIONS transactions on a stream. They wait only for Timer F.
    #[must_use]
    pub fn idle(now: Instant, count: usize) -> Self {
        let mut crowd = Self::new(now);
        for _ in 0..count {
            crowd.send(options(), Transport::Tcp);
        }
        crowd
    }

    /// Returns this many client INVITE transactions without a response.
    #[must_use]
    pub fn calling(now: Instant, count: usize) -> Self {
        let (mut crowd, invite) = (Self::new(now), request(INVITE));
        for _ in 0..count {
            crowd.messages += crowd.send(invite.clone(), Transport::Udp).map_or(0, |sent| sent.payload.len());
        }
        crowd
    }

    /// Returns this many client INVITE transactions, each with this final response. If the response is a failure, the
    /// transaction keeps the ACK.
    #[must_use]
    pub fn answered(now: Instant, count: usize, status: Status) -> Self {
        let (mut crowd, invite) = (Self::new(now), request(INVITE));
        for _ in 0..count {
            let Some(sent) = crowd.send(invite.clone(), Transport::Udp) else { continue };
            let Ok(Message::Request(sent)) = Message::parse(sent.payload, &Limits::default()) else {
                continue;
            };
            let mut response = Response::to_request(&sent, status);
            response.headers_mut().set(Name::To, "<sip:+12155551213@192.0.2.2>;tag=callee");
            crowd.receive(response.to_bytes());
            crowd.messages += drain(&mut crowd.endpoint).0.first().map_or(0, |ack| ack.payload.len());
        }
        crowd
    }

    /// Returns this many server INVITE transactions, each with this response. The transaction keeps the response unless it is a
    /// 2xx.
    #[must_use]
    pub fn called(now: Instant, count: usize, status: Status) -> Self {
        let (mut crowd, mut invite) = (Self::new(now), request(INVITE));
        for number in 0..count {
            let via = format!("SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKcrowd{number};rport");
            invite.headers_mut().remove(Name::Via);
            invite.headers_mut().push_front(Name::Via, via);
            invite.headers_mut().set(Name::CallId, format!("crowd-{number}@192.0.2.2"));
            crowd.receive(invite.to_bytes());
            let (_, Some((id, request))) = drain(&mut crowd.endpoint) else { continue };
            crowd.endpoint.respond(now, id, &Response::to_request(&request, status));
            let sent = drain(&mut crowd.endpoint).0;
            if !status.is_success() {
                crowd.messages += sent.first().map_or(0, |response| response.payload.len());
            }
        }
        crowd
    }

    /// Returns the octets of the messages that the transactions keep.
    #[must_use]
    pub const fn messages(&self) -> usize {
        self.messages
    }

    /// Returns the number of transactions.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.endpoint.counters().live_clients + self.endpoint.counters().live_servers
    }

    /// Handles a timeout at which no timer is due.
    pub fn wakes(&mut self) {
        self.endpoint.handle_input(self.now, Input::Timeout);
        debug_assert!(matches!(self.endpoint.poll_output(), Output::Timeout(Some(_))), "nothing is due");
    }

    fn new(now: Instant) -> Self {
        Self {
            now,
            endpoint: Endpoint::new(Config::default(), WorkerPlace::default(), &Seed::new([9; 32])),
            messages: 0,
        }
    }

    fn send(&mut self, request: Request, transport: Transport) -> Option<Transmit> {
        let (local, remote) = addresses();
        let flow = Flow { transport, ..Flow::udp(local, remote) };
        let begun = self.endpoint.request(self.now, request, flow, &SentBy::from(local));
        debug_assert!(begun.is_ok(), "a crowd is below the cap");
        drain(&mut self.endpoint).0.pop()
    }

    fn receive(&mut self, data: Bytes) {
        let (local, remote) = addresses();
        self.endpoint.handle_input(self.now, Input::Datagram { flow: Flow::udp(local, remote), data });
    }
}

fn addresses() -> (SocketAddr, SocketAddr) {
    (SocketAddr::from(([192, 0, 2, 1], 5060)), SocketAddr::from(([192, 0, 2, 2], 5060)))
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

/// Returns the INVITE without the Via that the endpoint adds.
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
